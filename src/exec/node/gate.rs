//! The firewall in the way of one connection: every message is judged, and what passes is remembered.
#![forbid(unsafe_code)]

use std::rc::Rc;
use std::time::Instant;

use super::control::{Ledger, Record};
use super::glass::Glass;
use crate::dist::command::{Direction, Party};
use crate::dist::control::{self, Control, Message, Target, answer};
use crate::dist::etf::{Fault, Pid, Ref};
use crate::dist::filter::policy::Policy;
use crate::dist::filter::{Decision, State, Verdict, decide};
use crate::dist::learn::{Kept, Learned, Node, Nodes};
use crate::dist::reason::Reason;

/// How often what nobody uses any more is forgotten.
const SWEEP_MS: u64 = 60_000;

/// What is known of one connection. What is known of its peer by name stands in a [`Record`].
#[derive(Debug)]
pub struct Gate {
    nodes: Nodes,
    learned: Learned,
    /// The broken glass, while it is.
    pub glass: Option<Rc<Glass>>,
    /// There is a node behind this, whose processes handlers can be.
    behind: bool,
    began: Instant,
    /// When what nobody uses any more was forgotten last, in milliseconds since it began.
    swept: u64,
}

/// What became of a message from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It came through.
    Through,
    /// It did not; this is to be sent back, so that nobody waits.
    Denied(Option<Vec<u8>>),
    /// What it carries is no term: the connection has to end.
    Malformed,
}

/// What became of a message either way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It goes to whom it is for.
    Through,
    /// It goes to the process of that name on the node behind.
    Handled(String),
    /// It goes nowhere.
    Denied(Reason),
}

impl Gate {
    /// Between this node and a peer that has just connected.
    #[must_use]
    pub fn new(own: Node, peer: Node, policy: &Policy) -> Self {
        Self {
            nodes: Nodes { protected: own, peer },
            learned: Learned::new(policy.limits.learned),
            glass: None,
            behind: false,
            began: Instant::now(),
            swept: 0,
        }
    }

    /// With a node behind it, whose processes handlers can be.
    #[must_use]
    pub fn in_front(self) -> Self {
        Self { behind: true, ..self }
    }

    /// Something will not be addressed any more.
    pub fn forget(&mut self, party: Party, what: &Kept<'_>) {
        self.learned.end(party, what);
    }

    /// A message from the peer, whose record is `ledger`.
    pub fn inbound(&mut self, policy: &Policy, ledger: &mut Ledger<'_>, message: &Message<'_>) -> Passage {
        match self.pass(policy, ledger, Direction::In, message) {
            Outcome::Through => Passage::Through,
            Outcome::Denied(Reason::Malformed) => Passage::Malformed,
            Outcome::Denied(reason) => Passage::Denied(self.denial(Party::Peer, message, reason)),
            Outcome::Handled(_) => Passage::Denied(self.denial(Party::Peer, message, Reason::NoHandler)),
        }
    }

    /// A message that is longer than one may be, of which only the beginning was read: its end is passed over, and who waits is told.
    pub fn too_long(&mut self, ledger: &mut Ledger<'_>, message: &Message<'_>) -> Passage {
        let verdict = Verdict::Deny(Reason::TooLong);
        let decision = Decision { verdict, by: None, lessons: Vec::new(), atoms: Vec::new() };
        let [inward, _] = &mut ledger.record.counters;
        inward.count(message.control.command(), &decision);
        ledger.denied(&self.nodes.peer.name, Direction::In, &message.control, Reason::TooLong, None);
        Passage::Denied(self.denial(Party::Peer, message, Reason::TooLong))
    }

    /// What the sender of a denied message is told, so that nobody waits. Where a call does not say under which monitor, he has one.
    #[must_use]
    pub fn denial(&self, sender: Party, message: &Message<'_>, reason: Reason) -> Option<Vec<u8>> {
        let (from, to) = match message.control {
            Control::RegSend { from, to } => (from, Target::Name(to)),
            Control::Send { from: Some(from), to } => (from, Target::Pid(to)),
            _ => return answer::denial(message, reason),
        };
        if message.payload.and_then(control::gen_call).is_none_or(|call| call.watches) {
            return answer::denial(message, reason);
        }
        let monitor = self.learned.only_monitor(sender, &from)?;
        Some(answer::monitor_exit(&to, &from, &monitor, answer::DENIED))
    }

    /// A frame of ours for the peer: whether it may go.
    ///
    /// # Errors
    /// It is none.
    pub fn outbound(
        &mut self,
        policy: &Policy,
        ledger: &mut Ledger<'_>,
        frame: &[u8],
    ) -> Result<bool, Fault> {
        let message = control::read(frame.get(4..).unwrap_or_default())?;
        Ok(self.pass(policy, ledger, Direction::Out, &message) == Outcome::Through)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The bounds of a file that was read again. What is known stays known.
    pub fn relimit(&mut self, policy: &Policy) {
        self.learned.limit(policy.limits.learned);
    }

    /// From time to time, forgets what nobody uses any more; what `live` names is in use.
    pub fn sweep(&mut self, policy: &Policy, live: impl FnOnce(&mut dyn FnMut(Party, Kept<'_>))) {
        let now = self.now();
        if now.saturating_sub(self.swept) < SWEEP_MS {
            return;
        }
        self.swept = now;
        live(&mut |party, what| self.learned.keep(party, &what, now));
        self.learned.expire(now, policy.limits.learned_idle_s.saturating_mul(1000));
    }

    /// Judges a message, counts it, and remembers what is delivered of it.
    pub fn pass(
        &mut self,
        policy: &Policy,
        ledger: &mut Ledger<'_>,
        direction: Direction,
        message: &Message<'_>,
    ) -> Outcome {
        let now = self.now();
        self.learned.relieve(now);
        let view = policy.view(&self.nodes.peer.name);
        let command = message.control.command();
        let Record { runtime, atoms, counters, .. } = &mut *ledger.record;
        let ([inward, outward], [counted_in, counted_out]) = (atoms, counters);
        let (atoms, counters) = match direction {
            Direction::In => (inward, counted_in),
            Direction::Out => (outward, counted_out),
        };
        let glass = self.glass.as_ref().and_then(|glass| glass.at(now));
        let state = State { nodes: &self.nodes, learned: &self.learned, atoms, runtime, glass, now };
        let mut decision = decide(&view, direction, message, &state);
        // Root's file first: what it gives to a handler no other gets.
        let handler = match decision.verdict {
            Verdict::Handler(name) => Some(name.to_owned()),
            Verdict::Accept if direction == Direction::In => runtime.handler(command).map(str::to_owned),
            _ => None,
        };
        match &handler {
            Some(name) if self.behind => decision.verdict = Verdict::Handler(name),
            Some(_) => decision.verdict = Verdict::Deny(Reason::NoHandler),
            None => {}
        }
        if let Some(glass) = &self.glass {
            glass.count(&decision);
        }
        // Whoever ends the connection counts it: of some such bytes not even the command can be told.
        if decision.verdict != Verdict::Deny(Reason::Malformed) {
            counters.count(command, &decision);
        }
        let Decision { verdict, lessons, atoms: new, by } = decision;
        if let Verdict::Deny(reason) = verdict {
            ledger.denied(&self.nodes.peer.name, direction, &message.control, reason, by);
            return Outcome::Denied(reason);
        }
        if let Some(delivered) = delivered(verdict, direction, &message.control) {
            atoms.note(&new);
            self.learned.note(direction, &delivered, &lessons, now);
        }
        handler.map_or(Outcome::Through, Outcome::Handled)
    }

    /// The answer to a spawn request may not pass. Whether its receiver waits for it; then it is to hear that the request has failed.
    pub fn fail_spawn(&mut self, direction: Direction, request: &Ref<'_>, to: &Pid<'_>) -> bool {
        let failed =
            Control::SpawnReply { request: *request, to: *to, link: false, monitor: false, result: None };
        let of_receiver = self.nodes.of(direction.receiver());
        let named = [(to.node, to.creation), (request.node, request.creation)];
        let waits = named
            .iter()
            .all(|(node, creation)| *node == of_receiver.name && *creation == of_receiver.creation)
            && self.learned.check(direction, &failed).is_ok();
        if waits {
            self.learned.note(direction, &failed, &[], self.now());
        }
        waits
    }

    /// Who of that party monitors something under this reference.
    pub fn watcher<'n>(&self, party: Party, reference: &Ref<'n>) -> Option<Pid<'n>> {
        self.learned.watcher(party, reference)
    }

    /// Whether what that party monitors under this reference is a name.
    #[must_use]
    pub fn watches_name(&self, party: Party, reference: &Ref<'_>) -> bool {
        self.learned.watches_name(party, reference)
    }
}

/// What is delivered of a message: itself, or what a handler of the protected node gets of one from the peer.
fn delivered<'m>(verdict: Verdict<'m>, direction: Direction, control: &Control<'m>) -> Option<Control<'m>> {
    match (verdict, direction, control) {
        (Verdict::Accept, ..) => Some(*control),
        (
            Verdict::Handler(to),
            Direction::In,
            Control::RegSend { from, .. }
            | Control::Send { from: Some(from), .. }
            | Control::AliasSend { from, .. }
            | Control::SpawnRequest { from, .. }
            | Control::GroupLeader { leader: from, .. },
        ) => Some(Control::RegSend { from: *from, to }),
        _ => None,
    }
}
