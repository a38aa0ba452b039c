//! What is written down of a session, and who of its client listens: the audit log, and the subscriptions to it and to other events.
#![forbid(unsafe_code)]

use crate::audit::log::{Log, NotRecorded};
use crate::audit::record::{Decision, Event, Stamp};
use crate::error::{RequestError, Why};
use crate::ids::RequestId;
use crate::limits::{CREDIT_MAX, EVENTS_INITIAL};
use crate::op::Role;
use crate::protocol::reply;
use crate::wire::atoms;
use crate::wire::schema::{At, atom, fields};
use crate::wire::term::Pairs;
use crate::wire::write::Writer;

/// The log, and the subscriptions.
#[derive(Debug)]
pub struct Trail {
    log: Log,
    subscriptions: Vec<Subscription>,
}

/// What a client can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Records of the audit log as they are written.
    Audit,
    /// Changes of the firewall, whoever makes them.
    Nft,
}

impl Topic {
    /// Reads the arguments of `subscribe`.
    pub fn decode(args: Pairs<'_>, role: Role) -> Result<Self, RequestError> {
        let at = At::Top;
        let [topic] = fields(args, &at, ["topic"])?;
        let at = At::Key(&at, "topic");
        match (atom(topic.ok_or_else(|| at.error(Why::Missing))?, &at)?, role) {
            ("audit", _) => Ok(Self::Audit),
            ("nft", Role::Net) => Ok(Self::Nft),
            (other, _) => Err(RequestError::Unsupported([b"topic ", other.as_bytes()].concat())),
        }
    }
}

/// A client that wants to see events as they happen.
#[derive(Debug)]
struct Subscription {
    id: RequestId,
    topic: Topic,
    credit: u32,
    /// Events that it had no credit for, since it was told last.
    lost: u64,
    seq: u64,
}

impl Trail {
    /// A trail that nobody listens to.
    pub fn new(log: Log) -> Self {
        Self { log, subscriptions: Vec::new() }
    }

    /// How many listen.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Records that the logs have not taken.
    pub fn lost(&self) -> u64 {
        self.log.lost()
    }

    /// Whether a subscription has this id.
    pub fn has(&self, id: RequestId) -> bool {
        self.subscriptions.iter().any(|s| s.id == id)
    }

    /// Begins a subscription.
    pub fn subscribe(&mut self, id: RequestId, topic: Topic) {
        self.subscriptions.push(Subscription { id, topic, credit: EVENTS_INITIAL, lost: 0, seq: 0 });
    }

    /// Ends a subscription. `false`: there is none of that id.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let before = self.len();
        self.subscriptions.retain(|s| s.id != id);
        self.len() < before
    }

    /// Whether somebody listens to that.
    pub fn listens(&self, topic: Topic) -> bool {
        self.subscriptions.iter().any(|s| s.topic == topic)
    }

    /// Whether somebody does who may be sent an event.
    pub fn wants(&self, topic: Topic) -> bool {
        self.subscriptions.iter().any(|s| s.topic == topic && s.credit > 0)
    }

    /// Nothing more will come of that: all who listen are told why.
    pub fn end(&mut self, topic: Topic, why: &RequestError, w: &mut Writer) {
        self.subscriptions.iter().filter(|s| s.topic == topic).for_each(|s| reply::error(w, s.id, why));
        self.subscriptions.retain(|s| s.topic != topic);
    }

    /// Allows a subscription more events, and says what it has missed.
    pub fn grant(&mut self, id: RequestId, events: u32, w: &mut Writer) {
        let Some(s) = self.subscriptions.iter_mut().find(|s| s.id == id) else { return };
        s.credit = s.credit.saturating_add(events).min(CREDIT_MAX);
        if s.lost > 0 {
            reply::lost(w, id, std::mem::take(&mut s.lost));
        }
    }

    /// Writes a record down and shows it to whoever listens.
    pub fn write(&mut self, event: &Event, w: &mut Writer) -> Result<(), NotRecorded> {
        let stamp = self.log.write(event)?;
        self.tell(Topic::Audit, w, |w| show(&stamp, event, w));
        Ok(())
    }

    /// Shows an event to whoever listens; `event` writes one term.
    pub fn tell(&mut self, topic: Topic, w: &mut Writer, event: impl Fn(&mut Writer)) {
        for s in self.subscriptions.iter_mut().filter(|s| s.topic == topic) {
            s.seq = s.seq.saturating_add(1);
            match s.credit.checked_sub(1) {
                Some(rest) => {
                    s.credit = rest;
                    reply::event(w, s.id, s.seq, &event);
                }
                None => s.lost = s.lost.saturating_add(1),
            }
        }
    }

    /// Says that events were lost before anybody saw them: at once to whom there may be no other reason to send anything.
    pub fn missed(&mut self, topic: Topic, events: u64, w: &mut Writer) {
        for s in self.subscriptions.iter_mut().filter(|s| s.topic == topic) {
            s.seq = s.seq.saturating_add(events);
            s.lost = s.lost.saturating_add(events);
            if s.credit > 0 {
                reply::lost(w, s.id, std::mem::take(&mut s.lost));
            }
        }
    }
}

/// A record as a term.
fn show(stamp: &Stamp, event: &Event, w: &mut Writer) {
    let Event { op, target, decision, rule } = event;
    w.map(7);
    w.atom(atoms::KIND);
    w.atom(atoms::AUDIT);
    w.atom(atoms::SEQ);
    w.uint(stamp.seq);
    w.atom(atoms::TIME);
    w.uint(stamp.time);
    w.atom(atoms::OPERATION);
    w.text(op);
    w.atom(atoms::TARGET);
    w.binary(target);
    w.atom(atoms::DECISION);
    w.atom(match decision {
        Decision::Loaded => atoms::LOADED,
        Decision::Granted => atoms::GRANTED,
        Decision::Failed => atoms::FAILED,
        Decision::Denied => atoms::DENIED,
        Decision::Limited => atoms::LIMITED,
    });
    w.atom(atoms::RULE);
    w.text(rule);
}
