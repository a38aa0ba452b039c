//! The requests that wait for a reply: whose is this one, which are too late. No clock and no socket.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Instant;

use crate::error::RequestError;
use crate::icmp::echo::{Echoed, Token};
use crate::ids::RequestId;
use crate::limits::PINGS_MAX;

/// A request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whose it is.
    pub id: RequestId,
    /// Where it went.
    pub address: IpAddr,
    /// What it carries.
    pub echoed: Echoed,
    /// When it went.
    pub at: Instant,
    /// When a reply is too late.
    pub deadline: Instant,
}

/// All of them. There are few enough to look at each.
#[derive(Debug, Default)]
pub struct Waiting {
    sent: Vec<Sent>,
}

impl Waiting {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether there is room for one more.
    pub fn room(&self) -> Result<(), RequestError> {
        if self.sent.len() >= PINGS_MAX { Err(RequestError::Overloaded) } else { Ok(()) }
    }

    /// Puts one in.
    pub fn add(&mut self, sent: Sent) {
        self.sent.push(sent);
    }

    /// Whether one of them has this id.
    pub fn has(&self, id: RequestId) -> bool {
        self.sent.iter().any(|s| s.id == id)
    }

    /// Takes out the one of that id.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        self.take(|s| s.id == id).is_some()
    }

    /// Takes out the one that is answered by this. A host answers from the address that was asked (RFC 1122, 3.2.2.6;
    /// RFC 4443, 4.2), so that what comes from another is nobody's.
    pub fn answered(&mut self, from: IpAddr, echoed: Echoed) -> Option<Sent> {
        self.take(|s| s.echoed == echoed && s.address == from)
    }

    /// Takes out the one that an error quotes.
    pub fn failed(&mut self, token: Token) -> Option<Sent> {
        self.take(|s| s.echoed.token == token)
    }

    /// Takes out all that are too late.
    pub fn expire(&mut self, now: Instant, mut late: impl FnMut(RequestId)) {
        self.sent.retain(|s| {
            let waits = s.deadline > now;
            if !waits {
                late(s.id);
            }
            waits
        });
    }

    /// When the next of them is too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.sent.iter().map(|s| s.deadline).min()
    }

    fn take(&mut self, is: impl Fn(&Sent) -> bool) -> Option<Sent> {
        let at = self.sent.iter().position(is)?;
        Some(self.sent.swap_remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn id(n: u64) -> RequestId {
        RequestId::new(n).unwrap()
    }

    fn echoed(n: u64) -> Echoed {
        Echoed { token: Token { mark: n << 32, count: n }, size: 56 }
    }

    /// Request `n` of `start`, which is too late after `n` seconds.
    fn sent(n: u64, start: Instant) -> Sent {
        let deadline = start + Duration::from_secs(n);
        Sent { id: id(n), address: HOST, echoed: echoed(n), at: start, deadline }
    }

    fn three(start: Instant) -> Waiting {
        let mut waiting = Waiting::default();
        (1..=3).for_each(|n| waiting.add(sent(n, start)));
        waiting
    }

    #[test]
    fn a_reply_is_taken_once_and_only_if_all_of_it_fits() {
        let mut waiting = three(Instant::now());
        assert_eq!(waiting.answered(HOST, Echoed { size: 57, ..echoed(2) }), None);
        assert_eq!(waiting.answered("127.0.0.2".parse().unwrap(), echoed(2)), None);
        let guessed = Token { mark: 0, ..echoed(2).token };
        assert_eq!(waiting.answered(HOST, Echoed { token: guessed, size: 56 }), None);
        assert_eq!(waiting.failed(guessed), None);
        assert_eq!(waiting.answered(HOST, echoed(2)).map(|s| s.id), Some(id(2)));
        assert_eq!(waiting.answered(HOST, echoed(2)), None);
        assert_eq!(waiting.failed(echoed(3).token).map(|s| s.id), Some(id(3)));
        assert_eq!(waiting.len(), 1);
    }

    #[test]
    fn what_was_cancelled_or_is_too_late_takes_no_reply() {
        let start = Instant::now();
        let mut waiting = three(start);
        assert!(waiting.has(id(3)) && waiting.cancel(id(3)));
        assert!(!waiting.has(id(3)) && !waiting.cancel(id(3)));
        assert_eq!(waiting.next_deadline(), Some(start + Duration::from_secs(1)));
        let mut late = Vec::new();
        waiting.expire(start, |id| late.push(id));
        assert!(late.is_empty());
        waiting.expire(start + Duration::from_secs(1), |id| late.push(id));
        assert_eq!(late, [id(1)]);
        assert_eq!(waiting.answered(HOST, echoed(1)), None);
        assert_eq!(waiting.answered(HOST, echoed(3)), None);
        assert_eq!(waiting.next_deadline(), Some(start + Duration::from_secs(2)));
        waiting.expire(start + Duration::from_secs(9), |id| late.push(id));
        assert_eq!((late.len(), waiting.len(), waiting.next_deadline()), (2, 0, None));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        for n in 1..=u64::try_from(PINGS_MAX).unwrap() {
            assert_eq!(waiting.room(), Ok(()));
            waiting.add(sent(n, start));
        }
        assert_eq!(waiting.room(), Err(RequestError::Overloaded));
        assert!(waiting.cancel(id(7)));
        assert_eq!(waiting.room(), Ok(()));
    }
}
