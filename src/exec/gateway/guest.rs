//! A peer that has not proved who it is, or has and waits for its connection behind the gateway. It gets the last word of the handshake only
//! when that is there: so a node that is up for it is up.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Instant;

use super::desk::Facts;
use super::leg::{Leg, Over};
use crate::dist::frame::Input;
use crate::dist::handshake::flags::Flags;
use crate::dist::handshake::message::Hello;
use crate::dist::handshake::name::NodeName;
use crate::dist::handshake::{Acceptor, Connected, Failure, Guests, Progress};
use crate::exec::node::turns::Spent;
use crate::exec::stream::certified::Certified;

/// How far it is.
enum Stage {
    /// It has said nothing.
    Silent,
    /// It has said its name, and who the protected node is has to be asked.
    Named(Vec<u8>),
    /// It is proving who it is.
    Proving(Box<Acceptor>),
    /// It has; the frame that ends its handshake is kept.
    Proved(Vec<u8>, Box<Connected>),
}

/// Such a peer.
pub struct Guest {
    /// Where it comes from.
    pub from: IpAddr,
    /// Its socket.
    pub leg: Leg,
    /// When its time is over.
    pub deadline: Instant,
    /// What it took of the gateway's time lately.
    pub spent: Spent,
    stage: Stage,
    told: Option<Facts>,
    said: Option<NodeName>,
}

/// What it needs to go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Needs {
    /// More bytes, or its connection.
    Nothing,
    /// Who the protected node is.
    Facts,
    /// A connection in its name.
    Call(Hello),
}

impl Guest {
    /// One that has just come.
    #[must_use]
    pub fn new(from: IpAddr, leg: Leg, deadline: Instant) -> Self {
        Self { from, leg, deadline, spent: Spent::default(), stage: Stage::Silent, told: None, said: None }
    }

    /// Whether it is read from.
    #[must_use]
    pub fn listens(&self) -> bool {
        matches!(self.stage, Stage::Silent | Stage::Proving(_))
    }

    /// Whether it has not proved who it is.
    #[must_use]
    pub fn is_stranger(&self) -> bool {
        !matches!(self.stage, Stage::Proved(..))
    }

    /// Whether it has said nothing yet.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self.stage, Stage::Silent) && !self.leg.has_begun()
    }

    /// Whether it is in the middle of proving who it is, and nobody but itself is waited for.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        match self.stage {
            Stage::Silent => self.leg.has_begun(),
            Stage::Proving(_) => true,
            Stage::Named(_) | Stage::Proved(..) => false,
        }
    }

    /// Which node it has proved to be.
    #[must_use]
    pub fn name(&self) -> Option<&NodeName> {
        match &self.stage {
            Stage::Proved(_, connected) => Some(&connected.peer.name),
            _ => None,
        }
    }

    /// Who it says that it is: nothing is proved by it.
    #[must_use]
    pub fn said(&self) -> Option<&NodeName> {
        self.said.as_ref()
    }

    /// Goes as far as it can. `own`: the name of the protected node; `facts`: what is known of it; `challenge`: a fresh number.
    ///
    /// # Errors
    /// Why it is over.
    pub fn step(
        &mut self,
        own: &NodeName,
        facts: Option<Facts>,
        challenge: u32,
        door: &impl Guests,
        now: Instant,
    ) -> Result<Needs, Over> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Silent) {
                Stage::Silent => {
                    let Some(body) = next(&mut self.leg)? else { return Ok(Needs::Nothing) };
                    self.stage = Stage::Named(body);
                }
                Stage::Named(body) => {
                    // Whom nobody expects, or who has another's certificate, has nothing asked for him: he is refused before the creation
                    // is said.
                    let door = &Certified::new(door, self.leg.certificate());
                    self.said = Hello::read_name(&body).ok().map(|hello| hello.name);
                    let expected = self.said.as_ref().is_some_and(|name| door.cookie(name).is_some());
                    let known =
                        facts.or_else(|| (!expected).then_some(Facts { flags: Flags(0), creation: 0 }));
                    let Some(known) = known else {
                        self.stage = Stage::Named(body);
                        return Ok(Needs::Facts);
                    };
                    self.told = Some(known);
                    let flags = Flags::OFFERED.and(known.flags.expanded());
                    let hello = Hello { flags, creation: known.creation, name: own.clone() };
                    let acceptor = Acceptor::new(hello, challenge, self.deadline);
                    self.prove(Box::new(acceptor), &body, door, now)?;
                }
                Stage::Proving(acceptor) => {
                    let Some(body) = next(&mut self.leg)? else {
                        self.stage = Stage::Proving(acceptor);
                        return Ok(Needs::Nothing);
                    };
                    let door = &Certified::new(door, self.leg.certificate());
                    self.prove(acceptor, &body, door, now)?;
                    if let Stage::Proved(_, connected) = &self.stage {
                        return Ok(Needs::Call(Hello { flags: connected.flags, ..connected.peer.clone() }));
                    }
                }
                stage @ Stage::Proved(..) => {
                    self.stage = stage;
                    return Ok(Needs::Nothing);
                }
            }
        }
    }

    fn prove(
        &mut self,
        mut acceptor: Box<Acceptor>,
        body: &[u8],
        door: &Certified<'_, impl Guests>,
        now: Instant,
    ) -> Result<(), Over> {
        let length = self.leg.length();
        let frame = |body: &[u8]| length.frame(body).unwrap_or_default();
        match acceptor.receive(body, door, now)? {
            Progress::Send(bodies) => {
                bodies.iter().for_each(|body| self.leg.say(&frame(body)));
                self.stage = Stage::Proving(acceptor);
            }
            Progress::Refuse(body, failure) => {
                self.leg.say(&frame(&body));
                let _ = self.leg.flush(now);
                return Err(door.failure(failure).into());
            }
            Progress::Done(body, connected) => {
                let last = body.map(|body| frame(&body)).unwrap_or_default();
                self.stage = Stage::Proved(last, Box::new(connected));
            }
        }
        Ok(())
    }

    /// Its connection is there, with a node that is `facts`: the end of its handshake is said.
    ///
    /// # Errors
    /// The node is not the one that it was told of.
    pub fn admit(mut self, facts: Facts) -> Result<(Leg, Hello), Over> {
        let Stage::Proved(last, connected) = self.stage else {
            return Err(Failure::Malformed("challenge reply").into());
        };
        let Facts { flags, creation } = facts;
        if self.told.is_none_or(|told| told.creation != creation) || connected.flags != flags {
            return Err(Over::Restarted);
        }
        self.leg.say(&last);
        Ok((self.leg, connected.peer))
    }

    /// What the clock says.
    ///
    /// # Errors
    /// Its time is over.
    pub fn time(&mut self, now: Instant) -> Result<(), Over> {
        self.leg.flush(now)?;
        if now >= self.deadline { Err(Failure::Deadline.into()) } else { Ok(()) }
    }
}

/// The next frame of the handshake.
fn next(leg: &mut Leg) -> Result<Option<Vec<u8>>, Over> {
    match leg.frames.next().map_err(|long| Over::TooLong(long.announced))? {
        None => Ok(None),
        Some(Input::Frame(body)) => Ok(Some(body.to_vec())),
        // Nothing is passed over in a handshake.
        Some(Input::Tick | Input::Head { .. }) => Err(Over::Malformed("a tick in the handshake")),
    }
}
