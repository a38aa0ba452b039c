//! The side that calls. Only root's file makes a node call another; no message of a peer does.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::cookie::Cookie;
use super::message::{Hello, Status, read_ack, reply};
use super::name::NodeName;
use super::{Connected, Failure, Progress, required};

/// Where the handshake stands.
enum State {
    Status,
    Challenge,
    Ack(Hello),
    Over,
}

/// The handshake of one connection that goes out.
pub struct Initiator {
    own: Hello,
    callee: NodeName,
    cookie: Cookie,
    challenge: u32,
    deadline: Instant,
    state: State,
}

impl Initiator {
    /// A handshake with the node `callee` that must be over by `deadline`, and the first body to send. `challenge` is fresh and cannot be
    /// guessed.
    #[must_use]
    pub fn new(
        own: Hello,
        callee: NodeName,
        cookie: Cookie,
        challenge: u32,
        deadline: Instant,
    ) -> (Self, Vec<u8>) {
        let name = own.write_name();
        (Self { own, callee, cookie, challenge, deadline, state: State::Status }, name)
    }

    /// When it is over in any case.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes the body of a frame. A connection of ours that the callee takes for alive is dead: we would not call otherwise.
    ///
    /// # Errors
    /// Why there will be no connection; nothing is to be sent. Every later call fails too.
    pub fn receive(&mut self, body: &[u8], now: Instant) -> Result<Progress, Failure> {
        if now >= self.deadline {
            self.state = State::Over;
            return Err(Failure::Deadline);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Status => {
                let answer = match Status::read(body)? {
                    Status::Ok | Status::OkSimultaneous => Vec::new(),
                    Status::Alive => vec![b"strue".to_vec()],
                    other => return Err(Failure::Refused(other.text())),
                };
                self.state = State::Challenge;
                Ok(Progress::Send(answer))
            }
            State::Challenge => {
                let (peer, challenge) = Hello::read_challenge(body)?;
                // A digest for whoever answers would be one for whoever wants one.
                if peer.name != self.callee {
                    return Err(Failure::OtherNode);
                }
                required(peer.flags)?;
                self.state = State::Ack(peer);
                Ok(Progress::Send(vec![reply(self.challenge, &self.cookie.digest(challenge))]))
            }
            State::Ack(peer) => {
                if !self.cookie.digest(self.challenge).is(&read_ack(body)?) {
                    return Err(Failure::Cookie);
                }
                let flags = self.own.flags.and(peer.flags.expanded());
                Ok(Progress::Done(None, Connected { peer, flags }))
            }
            State::Over => Err(Failure::Over),
        }
    }
}
