//! What becomes of one message between the two nodes: it passes unchanged, or it does not, and then who waits for it hears of it. What the
//! gateway says to the receiver in place of a message is judged as a message of the sender would be.
#![forbid(unsafe_code)]

use super::handled;
use super::leg::Over;
use crate::dist::command::{Direction, Party};
use crate::dist::control::{self, Control, Message, Target, answer, gen_call};
use crate::dist::filter::policy::Policy;
use crate::dist::learn::Node;
use crate::exec::node::control::Ledger;
use crate::exec::node::gate::{Gate, Outcome};

/// What came of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// It passes.
    pub passes: bool,
    /// Frames of the gateway's own, and for whom.
    pub said: Vec<(Party, Vec<u8>)>,
}

/// The firewall between two nodes.
#[derive(Debug)]
pub struct Court<'p, 'l> {
    /// The rules.
    pub policy: &'p Policy,
    /// The node in front.
    pub peer: &'p Node,
    /// What is known of the connection.
    pub gate: &'p mut Gate,
    /// What is known of the peer by its name.
    pub ledger: &'p mut Ledger<'l>,
}

impl Court<'_, '_> {
    /// Judges the body of a frame.
    ///
    /// # Errors
    /// It is no message, and the connection ends.
    pub fn judge(&mut self, direction: Direction, body: &[u8]) -> Result<Judged, Over> {
        let message = control::read(body).map_err(|fault| Over::Malformed(fault.name()))?;
        let mut judged = Judged::default();
        match self.gate.pass(self.policy, self.ledger, direction, &message) {
            Outcome::Through => judged.passes = true,
            Outcome::Denied(reason) if reason.ends() => return Err(Over::Malformed(reason.name())),
            Outcome::Denied(reason) => {
                let answer = self.gate.denial(direction.sender(), &message, reason);
                judged.said.extend(answer.map(|frame| (direction.sender(), frame)));
                self.instead(direction, &message, &mut judged);
            }
            Outcome::Handled(name) => {
                let frame = handled::frame(self.peer, direction, &message, &name);
                judged.said.extend(frame.map(|frame| (Party::Protected, frame)));
                // No process was made, and no answer of another kind ends the wait for one.
                if let Control::SpawnRequest { request, from, .. } = message.control {
                    judged.said.push((direction.sender(), answer::spawn_failed(&request, &from, "eperm")));
                }
            }
        }
        Ok(judged)
    }

    /// What the receiver hears in place of a message that is denied: that a process has ended, as an end must not be silence; that its
    /// call has no answer; that the monitor of a denied call is not wanted any more, as its caller has just heard DOWN.
    fn instead(&mut self, direction: Direction, message: &Message<'_>, judged: &mut Judged) {
        let (sender, receiver) = (direction.sender(), direction.receiver());
        match message.control {
            Control::MonitorExit { from, to, reference } => {
                let frame = answer::monitor_exit(&from, &to, &reference, answer::DENIED);
                self.submit(direction, frame, judged);
            }
            Control::Exit { from, to } => {
                self.submit(direction, answer::exit(&from, &to, answer::DENIED), judged);
            }
            // Who waits for a process waits for ever: `spawn/4` has no time. No rule about replies keeps from it that there is none for it.
            Control::SpawnReply { request, to, .. } if self.gate.fail_spawn(direction, &request, &to) => {
                judged.said.push((receiver, answer::spawn_failed(&request, &to, "eperm")));
            }
            Control::AliasSend { from, alias } => {
                let Some(watcher) = self.gate.watcher(receiver, &alias) else { return };
                let down = answer::monitor_exit(&Target::Pid(from), &watcher, &alias, answer::DENIED);
                // A monitor of a name is looked for among those of names, whatever the name; among those of a process it would stay.
                let by_name = self.gate.watches_name(receiver, &alias);
                let watched = if by_name { Target::Name("undefined") } else { Target::Pid(from) };
                let demonitor = answer::demonitor(&watcher, &watched, &alias);
                self.submit(direction, down, judged);
                self.submit(other(direction), demonitor, judged);
            }
            Control::RegSend { from, to } => {
                self.unwatch(direction, message, &from, Target::Name(to), judged)
            }
            Control::Send { from: Some(from), to } => {
                self.unwatch(direction, message, &from, Target::Pid(to), judged);
            }
            _ => {}
        }
        debug_assert!(judged.said.iter().all(|(party, _)| [sender, receiver].contains(party)));
    }

    fn unwatch(
        &mut self,
        direction: Direction,
        message: &Message<'_>,
        from: &crate::dist::etf::Pid<'_>,
        to: Target<'_>,
        judged: &mut Judged,
    ) {
        let Some(call) = message.payload.and_then(gen_call) else { return };
        if self.gate.watcher(direction.sender(), &call.reference).as_ref() == Some(from) {
            self.submit(direction, answer::demonitor(from, &to, &call.reference), judged);
        }
    }

    /// A frame of the gateway's own, as if it had come that way.
    fn submit(&mut self, direction: Direction, frame: Vec<u8>, judged: &mut Judged) {
        let Ok(message) = control::read(frame.get(4..).unwrap_or_default()) else { return };
        if self.gate.pass(self.policy, self.ledger, direction, &message) == Outcome::Through {
            judged.said.push((direction.receiver(), frame));
        }
    }
}

fn other(direction: Direction) -> Direction {
    match direction {
        Direction::In => Direction::Out,
        Direction::Out => Direction::In,
    }
}
