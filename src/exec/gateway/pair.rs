//! A peer that is let in: its socket and the one that stands for it behind the gateway, with the firewall between them. A side that does not
//! read stops the reading of the other, so that each direction holds one buffer and no queue.
#![forbid(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::judge::Court;
use super::leg::{Leg, Over};
use crate::dist::command::{Direction, Party};
use crate::dist::filter::policy::Policy;
use crate::dist::frame::TICK;
use crate::dist::learn::Node;
use crate::exec::node::control::Ledger;
use crate::exec::node::gate::Gate;
use crate::exec::node::glass::Glass;
use crate::exec::node::turns::{Spent, until};

/// Both sides of a connection.
pub struct Pair {
    /// The name of the peer.
    pub name: Arc<str>,
    place: Node,
    gate: Gate,
    peer: Leg,
    node: Leg,
    /// What both sides took of the gateway's time lately.
    pub spent: Spent,
    /// Why the first side that has gone did.
    why: Option<Over>,
}

/// Length of a frame that follows the handshake.
const HEADER: usize = 4;

impl Pair {
    /// Of a peer whose handshake is over, and a socket whose handshake is over too.
    #[must_use]
    pub fn new(place: Node, gate: Gate, mut peer: Leg, mut node: Leg, message_max: usize) -> Self {
        peer.frames.connected(message_max);
        node.frames.connected(message_max);
        Self { name: place.name.as_str().into(), place, gate, peer, node, spent: Spent::default(), why: None }
    }

    /// One side.
    #[must_use]
    pub fn leg(&self, party: Party) -> &Leg {
        match party {
            Party::Peer => &self.peer,
            Party::Protected => &self.node,
        }
    }

    fn sides(&mut self, direction: Direction) -> (&mut Leg, &mut Leg) {
        match direction {
            Direction::In => (&mut self.peer, &mut self.node),
            Direction::Out => (&mut self.node, &mut self.peer),
        }
    }

    /// Whether it is to be read from this side: what came before has gone on.
    #[must_use]
    pub fn listens(&self, party: Party) -> bool {
        let source = self.leg(party);
        !source.closed && !source.held && !source.waits && self.passes_on(party)
    }

    /// Whether this side has said more than there was time for, and could go on.
    #[must_use]
    pub fn waits(&self, party: Party) -> bool {
        self.leg(party).waits && !self.leg(party.other()).closed && self.passes_on(party)
    }

    /// Whether what came before has gone on, and a peer has read what it was told.
    ///
    /// Who does not read is not heard: whatever he says that the protected node answers by itself (a ping, a monitor of nobody, an unlink)
    /// would stay in that node, which has no bound for it. For each ping `net_kernel` starts a process that waits until its answer can go.
    fn passes_on(&self, party: Party) -> bool {
        let (source, sink) = (self.leg(party), self.leg(party.other()));
        source.run.is_empty() && !sink.is_waiting() && !source.is_full() && !self.is_deaf(party)
    }

    /// Whether that side is a peer for whom something of the protected node's waits. One that has said its last will not read it.
    fn is_deaf(&self, party: Party) -> bool {
        party == Party::Peer && !self.peer.closed && !self.node.run.is_empty()
    }

    /// Whether something waits to be written to this side.
    #[must_use]
    pub fn pending(&self, party: Party) -> bool {
        let (sink, source) = (self.leg(party), self.leg(party.other()));
        !sink.closed && (!source.run.is_empty() || sink.is_pending())
    }

    /// Reads from one side. Its end is not the end of what it said.
    pub fn read(&mut self, party: Party, now: Instant) {
        let leg = match party {
            Party::Peer => &mut self.peer,
            Party::Protected => &mut self.node,
        };
        if let Err(over) = leg.read(now) {
            leg.closed = true;
            self.why.get_or_insert(over);
        }
    }

    /// Passes on what can be passed on.
    ///
    /// # Errors
    /// Why it is over.
    pub fn pump(&mut self, policy: &Policy, ledger: &mut Ledger<'_>, now: Instant) -> Result<(), Over> {
        let (mut inward, mut outward) = (None, None);
        while self.carry(Direction::In, policy, ledger, now, &mut inward)?
            | self.carry(Direction::Out, policy, ledger, now, &mut outward)?
        {}
        // Both ends are one connection; what the side that has gone had said is delivered before.
        let gone = |leg: &Leg, other: &Leg| {
            leg.closed && (other.closed || leg.run.is_empty() && !leg.waits && !other.is_pending())
        };
        if gone(&self.peer, &self.node) || gone(&self.node, &self.peer) {
            return Err(self.why.take().unwrap_or(Over::Closed));
        }
        Ok(())
    }

    /// One direction, whose time begins when it is its turn first. Answers whether anything moved.
    fn carry(
        &mut self,
        direction: Direction,
        policy: &Policy,
        ledger: &mut Ledger<'_>,
        now: Instant,
        time: &mut Option<Instant>,
    ) -> Result<bool, Over> {
        let until = *time.get_or_insert_with(until);
        let mut moved = false;
        loop {
            let (source, sink) = self.sides(direction);
            if sink.closed {
                return Ok(moved);
            }
            match sink.take(source, now) {
                Ok(went) => moved |= went,
                Err(_) => sink.closed = true,
            }
            let gone = sink.closed;
            if gone || !self.passes_on(direction.sender()) {
                return Ok(moved);
            }
            if !self.gather(direction, policy, ledger, now, until)? {
                return Ok(moved);
            }
            moved = true;
        }
    }

    /// Judges frames that have come whole, until one does not pass or the time is over: those before it go on as one piece, and what is said
    /// about it goes behind them. Answers whether there was any.
    fn gather(
        &mut self,
        direction: Direction,
        policy: &Policy,
        ledger: &mut Ledger<'_>,
        now: Instant,
        until: Instant,
    ) -> Result<bool, Over> {
        let Self { place, gate, peer, node, .. } = self;
        let (source, sink) = match direction {
            Direction::In => (peer, node),
            Direction::Out => (node, peer),
        };
        let mut court = Court { policy, peer: place, gate, ledger };
        let mut any = false;
        // Not at each of 16,000 ticks that one read can bring: a look at the clock costs ten times as much as one of them.
        let mut look = true;
        loop {
            if std::mem::take(&mut look) {
                source.waits = Instant::now() >= until;
                if source.waits {
                    return Ok(any);
                }
            }
            let span = source.frames.next_span().map_err(|long| Over::TooLong(long.announced))?;
            let Some(span) = span else { return Ok(any) };
            any = true;
            let body = span.start.saturating_add(HEADER)..span.end;
            if body.is_empty() {
                // Answered, so that a node with a shorter tick time than ours is content too.
                if !source.is_waiting() && sink.run.is_empty() && source.is_quiet(now) {
                    source.say(&TICK);
                }
                // One read can bring thousands of them.
                if source.run.is_empty() {
                    continue;
                }
                return Ok(true);
            }
            let judged = court.judge(direction, source.frames.bytes(&body))?;
            look = true;
            for (party, frame) in &judged.said {
                if *party == direction.sender() { source.say(frame) } else { sink.say(frame) }
            }
            if !judged.passes {
                return Ok(true);
            }
            if source.run.is_empty() {
                source.run = span;
            } else {
                source.run.end = span.end;
            }
        }
    }

    /// The file was read again: its bounds hold.
    pub fn relimit(&mut self, policy: &Policy) {
        self.gate.relimit(policy);
        self.peer.frames.connected(policy.limits.message_bytes);
        self.node.frames.connected(policy.limits.message_bytes);
    }

    /// The glass is broken, or whole.
    pub fn elevate(&mut self, glass: Option<&Rc<Glass>>) {
        self.gate.glass = glass.cloned();
    }

    /// Forgets what nobody uses, and sees what the clock says.
    ///
    /// # Errors
    /// Why it is over.
    pub fn time(&mut self, policy: &Policy, now: Instant) -> Result<(), Over> {
        self.gate.sweep(policy, |_| {});
        for party in [Party::Peer, Party::Protected] {
            let (listens, pending) = (self.listens(party), self.pending(party));
            let leg = match party {
                Party::Peer => &mut self.peer,
                Party::Protected => &mut self.node,
            };
            if !leg.closed {
                leg.time(listens, pending, now)?;
            }
        }
        Ok(())
    }

    /// When the clock is to be asked again.
    #[must_use]
    pub fn due(&self) -> Instant {
        // Of a side that is closed nothing is expected: what it was owed would be due for ever.
        let open = [Party::Peer, Party::Protected].into_iter().filter(|party| !self.leg(*party).closed);
        open.map(|party| self.leg(party).due(self.pending(party))).min().unwrap_or_else(Instant::now)
    }

    /// Bytes of memory that are held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.peer.memory().saturating_add(self.node.memory())
    }

    /// Whether either side may be read where all have `room`, or where it is its `turn`.
    ///
    /// # Errors
    /// It had its time for one message.
    pub fn ration(&mut self, room: bool, turn: &mut bool, now: Instant) -> Result<(), Over> {
        self.peer.ration(room, turn, now)?;
        self.node.ration(room, turn, now)
    }
}
