//! Those in front of a gateway who have not proved who they are: who of them goes, and whose fault that is.
#![forbid(unsafe_code)]

use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};

use super::guest::Guest;
use super::leg::{Leg, Over};
use super::serve::{Gateway, Peer};
use crate::dist::handshake::Failure;
use crate::exec::node::strangers::Stranger;
use crate::exec::stream::Stream;
use crate::limits::{GATEWAY_REST_MS, NODE_ACCEPTS_PER_TURN};

impl Gateway {
    /// Takes in whoever has come.
    pub(super) fn accept(&mut self, which: usize, now: Instant) {
        for _ in 0..NODE_ACCEPTS_PER_TURN {
            let accepted = self.listeners.get(which).map(TcpListener::accept);
            let (socket, from) = match accepted {
                Some(Ok(accepted)) => accepted,
                Some(Err(e)) if [Some(libc::EMFILE), Some(libc::ENFILE)].contains(&e.raw_os_error()) => {
                    self.rests = Some(now + Duration::from_millis(GATEWAY_REST_MS));
                    let gone = self.known.goes(self.strangers().iter());
                    gone.into_iter().for_each(|id| self.push_out(id, now));
                    return;
                }
                _ => return,
            };
            if self.failures.too_many(from.ip(), self.bounds.failures_per_minute, now) {
                continue;
            }
            let gone = self.known.make_room(&self.strangers(), from.ip(), &self.bounds);
            gone.into_iter().for_each(|id| self.push_out(id, now));
            let deadline = now + Duration::from_millis(self.bounds.handshake_ms);
            if let Ok(stream) = Stream::accept(socket, self.tls.as_ref()) {
                let guest = Guest::new(from.ip(), Leg::new(stream, now), deadline);
                self.peers.insert(self.next, Peer::Guest(Box::new(guest)));
                self.next = self.next.saturating_add(1);
            }
        }
    }

    pub(super) fn strangers(&self) -> Vec<Stranger> {
        let stranger = |(id, peer): (&u64, &Peer)| match peer {
            Peer::Guest(guest) if guest.is_stranger() => {
                Some(Stranger { id: *id, from: guest.from, silent: guest.is_silent() })
            }
            _ => None,
        };
        self.peers.iter().filter_map(stranger).collect()
    }

    /// Makes room for others.
    pub(super) fn push_out(&mut self, id: u64, now: Instant) {
        if let Some(Peer::Guest(guest)) = self.peers.remove(&id) {
            self.failed(guest.from, guest.has_begun(), None, now);
        }
    }

    /// A handshake is over before its end, to make room for another (`None`) or for a reason. Who has said nothing has not `begun` one, and
    /// that nobody is behind the gateway, or no place in front of it, is no fault of who comes.
    pub(super) fn failed(&mut self, from: IpAddr, begun: bool, over: Option<&Over>, now: Instant) {
        let most = self.bounds.failures_per_minute;
        let fault = match over {
            None | Some(Over::Closed | Over::Handshake(Failure::Deadline)) => begun,
            Some(Over::Unreachable(_) | Over::Restarted | Over::Again | Over::Handshake(Failure::Full)) => {
                false
            }
            Some(_) => true,
        };
        if fault && self.failures.count(from, most, now) {
            let what = format!("{most} handshakes failed; it is not listened to for a minute");
            self.reports.of_stranger(&from, &what, Instant::now());
        }
    }
}
