//! The side that is called.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::cookie::Cookie;
use super::message::{Hello, Status, ack, read_reply};
use super::name::NodeName;
use super::{Connected, Failure, Progress, required};

/// What there is between us and a node that calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing.
    None,
    /// A connection that is up: it is asked whether that one is dead.
    Up,
    /// We are calling it at the same time. The call of the node with the greater name stands, as in OTP (`dist_util:mark_pending`).
    Calling,
}

/// Who may come in, asked before anything is said to him.
pub trait Guests {
    /// The cookie that a node of this name must have; `None` if it is not in the allow-list.
    fn cookie(&self, name: &NodeName) -> Option<Cookie>;

    /// Whether there is a place for it.
    fn has_room(&self, _name: &NodeName) -> bool {
        true
    }

    /// What there is already.
    fn existing(&self, name: &NodeName) -> Existing;
}

/// Where the handshake stands.
enum State {
    Name,
    Alive(Hello, Cookie),
    Reply(Hello, Cookie),
    Over,
}

/// The handshake of one connection that came in.
pub struct Acceptor {
    own: Hello,
    challenge: u32,
    deadline: Instant,
    state: State,
    said: Option<NodeName>,
}

impl Acceptor {
    /// A handshake that must be over by `deadline`. `challenge` is fresh and cannot be guessed.
    #[must_use]
    pub fn new(own: Hello, challenge: u32, deadline: Instant) -> Self {
        Self { own, challenge, deadline, state: State::Name, said: None }
    }

    /// When it is over in any case.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether something was said.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Name)
    }

    /// Who it says that it is: nothing is proved by it.
    #[must_use]
    pub fn said(&self) -> Option<&NodeName> {
        self.said.as_ref()
    }

    /// Takes the body of a frame.
    ///
    /// # Errors
    /// Why there will be no connection; nothing is to be sent. Every later call fails too.
    pub fn receive(&mut self, body: &[u8], guests: &impl Guests, now: Instant) -> Result<Progress, Failure> {
        if now >= self.deadline {
            self.state = State::Over;
            return Err(Failure::Deadline);
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Name => self.named(body, guests),
            State::Alive(peer, cookie) => match body {
                b"strue" => Ok(Progress::Send(vec![self.challenged(peer, cookie)])),
                b"sfalse" => Err(Failure::OtherConnection),
                _ => Err(Failure::Malformed("status")),
            },
            State::Reply(peer, cookie) => {
                let (challenge, digest) = read_reply(body)?;
                if !cookie.digest(self.challenge).is(&digest) {
                    return Err(Failure::Cookie);
                }
                let flags = self.own.flags.and(peer.flags.expanded());
                Ok(Progress::Done(Some(ack(&cookie.digest(challenge))), Connected { peer, flags }))
            }
            State::Over => Err(Failure::Over),
        }
    }

    fn named(&mut self, body: &[u8], guests: &impl Guests) -> Result<Progress, Failure> {
        let peer = Hello::read_name(body)?;
        self.said = Some(peer.name.clone());
        let refuse = |failure| Ok(Progress::Refuse(Status::NotAllowed.write(), failure));
        let cookie = guests.cookie(&peer.name).filter(|_| peer.name != self.own.name);
        let Some(cookie) = cookie else { return refuse(Failure::NotAllowed) };
        if !guests.has_room(&peer.name) {
            return refuse(Failure::Full);
        }
        if let Err(missing) = required(peer.flags) {
            return refuse(missing);
        }
        let status = match guests.existing(&peer.name) {
            Existing::None => Status::Ok,
            Existing::Calling if peer.name > self.own.name => Status::OkSimultaneous,
            Existing::Calling => return Ok(Progress::Refuse(Status::Nok.write(), Failure::OtherConnection)),
            Existing::Up => {
                self.state = State::Alive(peer, cookie);
                return Ok(Progress::Send(vec![Status::Alive.write()]));
            }
        };
        Ok(Progress::Send(vec![status.write(), self.challenged(peer, cookie)]))
    }

    fn challenged(&mut self, peer: Hello, cookie: Cookie) -> Vec<u8> {
        self.state = State::Reply(peer, cookie);
        self.own.write_challenge(self.challenge)
    }
}
