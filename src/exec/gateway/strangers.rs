//! Those in front of a gateway who have not proved who they are: who of them goes, and whose fault that is.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Instant;

use super::leg::Over;
use super::serve::{Gateway, Peer};
use crate::dist::handshake::Failure;
use crate::exec::node::strangers::Stranger;

impl Gateway {
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
