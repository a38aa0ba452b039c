//! Asking a node which start of it this is, and going before anything is proved: who stands in front of a node has to say its creation
//! to others.
#![forbid(unsafe_code)]

use super::message::{Hello, Status};
use super::name::NodeName;
use super::{Failure, required};

/// A handshake that ends with the callee's challenge, which nobody answers.
#[derive(Debug)]
pub struct Probe {
    callee: NodeName,
    /// It has let us in, and its challenge is to come.
    welcome: bool,
}

impl Probe {
    /// Asks the node `callee` in the name of `own`, and the first body to send.
    #[must_use]
    pub fn new(own: &Hello, callee: NodeName) -> (Self, Vec<u8>) {
        (Self { callee, welcome: false }, own.write_name())
    }

    /// Takes the body of a frame: who the node says it is, once it has said so. Nothing is ever to be sent.
    ///
    /// # Errors
    /// Why it will not be known.
    pub fn receive(&mut self, body: &[u8]) -> Result<Option<Hello>, Failure> {
        if !self.welcome {
            return match Status::read(body)? {
                Status::Ok | Status::OkSimultaneous => {
                    self.welcome = true;
                    Ok(None)
                }
                other => Err(Failure::Refused(other.text())),
            };
        }
        let (peer, _) = Hello::read_challenge(body)?;
        if peer.name != self.callee {
            return Err(Failure::OtherNode);
        }
        required(peer.flags)?;
        Ok(Some(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::Flags;
    use super::*;
    use crate::dist::testing::recorded;

    fn hello(name: &str) -> Hello {
        let name = NodeName::parse(name.as_bytes()).unwrap();
        Hello { flags: Flags::OFFERED, creation: 5, name }
    }

    fn probe(callee: &str) -> Probe {
        let own = hello("probe@127.0.0.1");
        let (probe, first) = Probe::new(&own, hello(callee).name);
        assert_eq!(first, own.write_name());
        probe
    }

    #[test]
    fn a_node_of_otp_says_its_creation_to_whoever_it_lets_in() {
        let recorded = recorded();
        let [_, (_, status), (_, challenge), ..] = recorded.handshake() else { panic!() };
        let mut asked = probe("b@127.0.0.1");
        assert_eq!(asked.receive(status), Ok(None));
        let said = asked.receive(challenge).unwrap().unwrap();
        assert_eq!(said.name.as_str(), "b@127.0.0.1");
        assert!(said.creation > 3 && said.flags.expanded().has(Flags::REQUIRED));
        let mut other = probe("c@127.0.0.1");
        assert_eq!(other.receive(status), Ok(None));
        assert_eq!(other.receive(challenge), Err(Failure::OtherNode));
    }

    #[test]
    fn who_is_not_let_in_learns_nothing() {
        assert_eq!(probe("b@h").receive(b"snot_allowed"), Err(Failure::Refused("not_allowed")));
        assert_eq!(probe("b@h").receive(b"salive"), Err(Failure::Refused("alive")));
        assert!(
            probe("b@h").receive(&hello("b@h").write_challenge(1)).is_err(),
            "a challenge before the status"
        );
        let mut asked = probe("b@h");
        assert_eq!(asked.receive(b"sok"), Ok(None));
        let weak = Hello { flags: Flags(0), ..hello("b@h") };
        assert!(matches!(asked.receive(&weak.write_challenge(1)), Err(Failure::MissingFlags(_))));
    }
}
