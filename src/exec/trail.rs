//! What is written down of a session, and who of its client listens: the audit log and the subscriptions to it.
#![forbid(unsafe_code)]

use crate::audit::log::{Log, NotRecorded};
use crate::audit::record::{Decision, Event, Stamp};
use crate::error::{RequestError, Why};
use crate::ids::RequestId;
use crate::limits::{CREDIT_MAX, EVENTS_INITIAL, SUBSCRIPTIONS_MAX};
use crate::measure::{Measure, in_force};
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

/// A client that wants to see records as they are written.
#[derive(Debug)]
struct Subscription {
    id: RequestId,
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

    /// Reads the arguments of `subscribe`, and begins one.
    pub fn subscribe(&mut self, id: RequestId, args: Pairs<'_>) -> Result<(), RequestError> {
        let at = At::Top;
        let [topic] = fields(args, &at, ["topic"])?;
        let at = At::Key(&at, "topic");
        let topic = atom(topic.ok_or_else(|| at.error(Why::Missing))?, &at)?;
        if topic != "audit" {
            return Err(RequestError::Unsupported([b"topic ", topic.as_bytes()].concat()));
        }
        if self.len() >= SUBSCRIPTIONS_MAX && in_force(Measure::Subscriptions) {
            return Err(RequestError::Overloaded);
        }
        self.subscriptions.push(Subscription { id, credit: EVENTS_INITIAL, lost: 0, seq: 0 });
        Ok(())
    }

    /// Ends a subscription. `false`: there is none of that id.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let before = self.len();
        self.subscriptions.retain(|s| s.id != id);
        self.len() < before
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
        for s in &mut self.subscriptions {
            s.seq = s.seq.saturating_add(1);
            match s.credit.checked_sub(1) {
                Some(rest) => {
                    s.credit = rest;
                    reply::event(w, s.id, s.seq, |w| show(&stamp, event, w));
                }
                None => s.lost = s.lost.saturating_add(1),
            }
        }
        Ok(())
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
