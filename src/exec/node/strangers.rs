//! Those who have not said who they are: how many there may be, who of them makes room for others, and how often their handshakes may fail. Who
//! fails too often within a minute is not listened to for the rest of it.
//!
//! For that, an address is the whole of IPv4, and 64 bits of IPv6: a host is given that many at least (RFC 6177), and could otherwise come from
//! another one each time.
#![forbid(unsafe_code)]

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::connection::{Connection, Over, Phase};
use super::serve::Node;
use crate::dist::config::Connections;
use crate::dist::handshake::flags::Flags;
use crate::dist::handshake::message::Hello;
use crate::dist::handshake::{Acceptor, Failure};
use crate::exec::stream::Stream;
use crate::limits::{DIST_CONNECTIONS_MAX, NODE_ACCEPTS_PER_TURN, NODE_ADDRESSES_MAX, NODE_FAILURES_S};
use crate::sys::random;

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The whole of it.
    Four([u8; 4]),
    /// Its first half.
    Six([u8; 8]),
}

impl Place {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(four) => Self::Four(four.octets()),
            IpAddr::V6(six) => {
                let mut front = [0; 8];
                front.iter_mut().zip(six.octets()).for_each(|(to, from)| *to = from);
                Self::Six(front)
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    failed: usize,
}

impl Count {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= Duration::from_secs(NODE_FAILURES_S)
    }
}

/// The addresses from which handshakes failed within the last minute.
#[derive(Debug, Default)]
pub struct Failures {
    places: HashMap<Place, Count>,
}

impl Failures {
    /// Whether as many have failed as may.
    #[must_use]
    pub fn too_many(&self, from: IpAddr, most: usize, now: Instant) -> bool {
        let count = self.places.get(&Place::of(from)).filter(|count| !count.is_over(now));
        count.is_some_and(|count| count.failed >= most)
    }

    /// One has failed: whether it is the last that may.
    pub fn count(&mut self, from: IpAddr, most: usize, now: Instant) -> bool {
        let place = Place::of(from);
        if self.places.len() >= NODE_ADDRESSES_MAX && !self.places.contains_key(&place) {
            self.make_room(now);
        }
        let count = self.places.entry(place).or_insert(Count { since: now, failed: 0 });
        if count.is_over(now) {
            *count = Count { since: now, failed: 0 };
        }
        count.failed = count.failed.saturating_add(1);
        count.failed == most
    }

    /// Those whose minute is over go; if there are none, one that failed least, so that many addresses do not set free one that failed often.
    fn make_room(&mut self, now: Instant) {
        self.places.retain(|_, count| !count.is_over(now));
        if self.places.len() >= NODE_ADDRESSES_MAX {
            let least = self.places.iter().min_by_key(|(_, count)| (count.failed, count.since));
            let least = least.map(|(place, _)| *place);
            least.and_then(|place| self.places.remove(&place));
        }
    }
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Stranger {
    /// Which connection.
    pub id: u64,
    /// From where.
    pub from: IpAddr,
    /// He has said nothing.
    pub silent: bool,
}

/// The addresses that nodes came from who proved who they are, the last of them.
#[derive(Debug, Default)]
pub struct Known {
    places: VecDeque<Place>,
}

impl Known {
    /// A node came from there.
    pub fn note(&mut self, from: IpAddr) {
        let place = Place::of(from);
        self.places.retain(|known| *known != place);
        self.places.push_back(place);
        if self.places.len() > DIST_CONNECTIONS_MAX {
            self.places.pop_front();
        }
    }

    /// Who goes of these, the oldest first among them: the oldest from where no node came, or the oldest.
    pub fn goes<'s>(&self, strangers: impl Iterator<Item = &'s Stranger> + Clone) -> Option<u64> {
        let unknown = strangers.clone().find(|stranger| !self.places.contains(&Place::of(stranger.from)));
        unknown.or_else(|| strangers.clone().next()).map(|stranger| stranger.id)
    }

    /// Who goes of these, the oldest first among them, before one more comes from an address: the oldest of that address where it has as many
    /// as it may, and one of all who have said nothing, where these are the most, and else of those who have said something. Silence is free,
    /// as it is no failure: from nine addresses it would otherwise push out whoever is in the middle of a handshake, and that would be
    /// counted as his failure.
    #[must_use]
    pub fn make_room(&self, strangers: &[Stranger], address: IpAddr, bounds: &Connections) -> Vec<u64> {
        let place = Place::of(address);
        let same = || strangers.iter().filter(|stranger| Place::of(stranger.from) == place);
        let full = same().count() >= bounds.half_open_per_address;
        let of_address = same().next().filter(|_| full).map(|stranger| stranger.id);
        let left = || strangers.iter().filter(|stranger| Some(stranger.id) != of_address);
        let (all, silent) = (left().count(), left().filter(|stranger| stranger.silent).count());
        let most = silent >= all.saturating_sub(silent);
        let of_all = left().filter(|stranger| stranger.silent == most);
        let of_all = if all >= bounds.half_open { self.goes(of_all) } else { None };
        of_address.into_iter().chain(of_all).collect()
    }
}

impl Node {
    /// Greets whoever has come.
    pub(super) fn accept(&mut self, which: usize, now: Instant) -> Result<(), Errno> {
        for _ in 0..NODE_ACCEPTS_PER_TURN {
            let (socket, from) = match self.listeners.get(which).map(TcpListener::accept) {
                Some(Ok(accepted)) => accepted,
                Some(Err(e)) if [Some(libc::EMFILE), Some(libc::ENFILE)].contains(&e.raw_os_error()) => {
                    self.rest(now);
                    break;
                }
                _ => break,
            };
            if self.failures.too_many(from.ip(), self.bounds.failures_per_minute, now) {
                continue;
            }
            self.make_room(from.ip(), now);
            let own = Hello { flags: Flags::OFFERED, creation: self.creation, name: self.name.clone() };
            let deadline = now + Duration::from_millis(self.bounds.handshake_ms);
            let acceptor = Acceptor::new(own, random::number()?, deadline);
            if let Ok(stream) = Stream::accept(socket, self.tls.as_ref()) {
                self.connections.insert(self.next, Connection::new(stream, from.ip(), acceptor, now));
                self.next = self.next.saturating_add(1);
            }
        }
        Ok(())
    }

    fn strangers(&self) -> Vec<Stranger> {
        let greeting = self.connections.iter().filter(|(_, c)| matches!(c.phase, Phase::Greeting(_)));
        greeting.map(|(id, c)| Stranger { id: *id, from: c.from, silent: !c.has_begun() }).collect()
    }

    /// Those who have not said who they are make room for one who comes from there.
    pub fn make_room(&mut self, address: IpAddr, now: Instant) {
        let gone = self.known.make_room(&self.strangers(), address, &self.bounds);
        gone.into_iter().for_each(|id| self.push_out(id, now));
    }

    /// One of them goes, whoever comes.
    pub(super) fn one_stranger_less(&mut self, now: Instant) {
        let gone = self.known.goes(self.strangers().iter());
        gone.into_iter().for_each(|id| self.push_out(id, now));
    }

    fn push_out(&mut self, id: u64, now: Instant) {
        if let Some(connection) = self.connections.remove(&id) {
            self.failed(&connection, None, now);
        }
    }

    /// A handshake is over before its end. Who has said nothing has begun none: that he stays is bounded already. And that there is no place
    /// is no fault of who comes.
    pub fn failed(&mut self, connection: &Connection, over: Option<Over>, now: Instant) {
        if matches!(over, Some(Over::Handshake(Failure::Full))) {
            return;
        }
        let begun = connection.has_begun();
        let silent = matches!(over, None | Some(Over::Closed | Over::Handshake(Failure::Deadline)));
        let most = self.bounds.failures_per_minute;
        if (begun || !silent) && self.failures.count(connection.from, most, now) {
            let what = format!("{most} handshakes failed; it is not listened to for a minute");
            self.reports.of_stranger(&connection.from, &what, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_fails_too_often_is_out_for_the_rest_of_the_minute_and_no_other_is() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        let bad = ip("192.0.2.1");
        assert!(!failures.too_many(bad, 3, at(0)));
        assert!(!failures.count(bad, 3, at(0)) && !failures.count(bad, 3, at(10)));
        assert!(!failures.too_many(bad, 3, at(10)));
        assert!(failures.count(bad, 3, at(20)), "it is told once");
        assert!(!failures.count(bad, 3, at(21)));
        assert!(failures.too_many(bad, 3, at(59)));
        assert!(!failures.too_many(ip("192.0.2.2"), 3, at(59)));
        assert!(!failures.too_many(bad, 3, at(60)));
        assert!(!failures.count(bad, 3, at(61)), "it begins anew");
        assert!(!failures.too_many(bad, 3, at(61)));
    }

    /// Strangers from these last numbers of an address, oldest first, who say nothing where it is negative.
    fn strangers(of: &[i16]) -> Vec<Stranger> {
        let stranger = |(id, n): (u64, &i16)| Stranger {
            id,
            from: ip(&format!("192.0.2.{}", n.unsigned_abs())),
            silent: n.is_negative(),
        };
        (0..).zip(of).map(stranger).collect()
    }

    #[test]
    fn who_makes_room_is_the_oldest_of_those_who_are_most_and_no_known_one_before_others() {
        let bounds = Connections { half_open: 5, half_open_per_address: 2, ..Connections::default() };
        let mut known = Known::default();
        let goes = |known: &Known, of: &[i16], from: &str| known.make_room(&strangers(of), ip(from), &bounds);
        assert!(goes(&known, &[-1, -2, -3, -4], "192.0.2.9").is_empty(), "there is room");
        assert_eq!(goes(&known, &[-1, -2, -2, -4], "192.0.2.2"), [1], "an address has its own bound");
        assert_eq!(goes(&known, &[-1, -2, -3, -4, -5], "192.0.2.9"), [0]);
        assert_eq!(goes(&known, &[1, -2, 3, -4, -5], "192.0.2.9"), [1], "silence is free");
        assert_eq!(goes(&known, &[-1, 2, 3, -4, 5], "192.0.2.9"), [1]);
        assert_eq!(
            goes(&known, &[-1, -2, -2, -3, -4, -5], "192.0.2.2"),
            [1, 0],
            "five are left without the one"
        );
        known.note(ip("192.0.2.1"));
        assert_eq!(goes(&known, &[-1, -2, -3, -4, -5], "192.0.2.9"), [1]);
        assert_eq!(
            goes(&known, &[-1, -1, 3, 4, -1], "192.0.2.9"),
            [0],
            "where all are known it is the oldest"
        );
        assert_eq!(
            goes(&known, &[-1, -1, -3, -4, -5], "192.0.2.1"),
            [0],
            "and its address has no more places"
        );
        for n in 0..u32::try_from(DIST_CONNECTIONS_MAX).unwrap() {
            known.note(IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        }
        assert_eq!(known.places.len(), DIST_CONNECTIONS_MAX);
        assert_eq!(goes(&known, &[-1, -2, -3, -4, -5], "192.0.2.9"), [0], "who was there last is remembered");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_mapped_ones_are_those_of_ipv4() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let _ = failures.count(ip("2001:db8:1:2::1"), 1, now);
        assert!(failures.too_many(ip("2001:db8:1:2:ffff:ffff:ffff:ffff"), 1, now));
        assert!(!failures.too_many(ip("2001:db8:1:3::1"), 1, now));
        let _ = failures.count(ip("::ffff:192.0.2.1"), 1, now);
        assert!(failures.too_many(ip("192.0.2.1"), 1, now));
        assert!(!failures.too_many(ip("::ffff:192.0.2.2"), 1, now));
    }

    #[test]
    fn many_addresses_take_no_more_room_and_set_none_free_that_failed_often() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let bad = ip("192.0.2.1");
        assert!((0..3).any(|_| failures.count(bad, 3, start)));
        for n in 0..2 * u32::try_from(NODE_ADDRESSES_MAX).unwrap() {
            let _ = failures.count(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), 3, start);
        }
        assert_eq!(failures.places.len(), NODE_ADDRESSES_MAX);
        assert!(failures.too_many(bad, 3, start));
        let _ = failures.count(ip("192.0.2.9"), 3, start + Duration::from_secs(60));
        assert_eq!(failures.places.len(), 1, "what is over goes");
    }
}
