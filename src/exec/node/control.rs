//! What is known of peers by their names, whether or not they are connected: filters that were set at run time, counters, the atoms that
//! they brought, and which denials were told. A peer that connects anew finds all of it as it was.
//!
//! What is asked of it is done in `verbs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::denials::{self, Denials};
use super::reports::Lines;
use crate::dist::atoms::Atoms;
use crate::dist::command::Direction;
use crate::dist::control::Control as Signal;
use crate::dist::filter::By;
use crate::dist::filter::counters::Counters;
use crate::dist::filter::policy::Policy;
use crate::dist::filter::runtime::Runtime;
use crate::dist::filter::table::{Aim, Tables};
use crate::dist::reason::Reason;
use crate::limits::{NODE_CHANGES_PER_S, NODE_DENIALS_PER_S, NODE_RECORDS_SPARE, NODE_REPORTS_OF_PEER_PER_S};
use crate::rate::Bucket;

/// What is known of one name.
#[derive(Debug)]
pub struct Record {
    /// The filters of run time.
    pub runtime: Runtime,
    /// From the peer, and to it.
    pub counters: [Counters; 2],
    /// What each side can know by the other: from the peer, and to it.
    pub atoms: [Atoms; 2],
    denials: Denials,
    /// How many changes it may ask for.
    pub(super) changes: Bucket,
    /// What is said of those that it has made.
    pub(super) lines: Lines,
}

impl Record {
    /// `program`: this side is the program itself, whose words are a closed list and cost the peer's budget of atoms nothing.
    fn new(policy: &Policy, everyone: &Arc<Tables>, program: bool) -> Self {
        let mut runtime = Runtime::default();
        runtime.share(everyone);
        let mut atoms = [Atoms::new(policy.limits.atoms), Atoms::new(policy.limits.atoms)];
        if let (true, [_, outward]) = (program, &mut atoms) {
            outward.know_the_vocabulary();
        }
        Self {
            runtime,
            counters: [Counters::default(), Counters::default()],
            atoms,
            denials: Denials::default(),
            changes: Bucket::new(NODE_CHANGES_PER_S),
            lines: Lines::new(NODE_REPORTS_OF_PEER_PER_S),
        }
    }
}

/// Where the record of one peer is, while its messages are judged.
#[derive(Debug)]
pub struct Ledger<'c> {
    /// What is known of it.
    pub record: &'c mut Record,
    lines: &'c mut Bucket,
    report: fn(&str),
}

impl Ledger<'_> {
    /// A message was denied.
    pub fn denied(
        &mut self,
        peer: &str,
        way: Direction,
        control: &Signal<'_>,
        why: Reason,
        by: Option<By<'_>>,
    ) {
        let kind = (way, control.command(), why);
        let line = |left_out| denials::line(peer, kind, control, by, left_out);
        // Of what the rules deny the target is worth keeping: there are three commands that have one.
        let named =
            Aim::of(control).is_some() && matches!(why, Reason::Rule | Reason::Default | Reason::Runtime);
        let said = self.record.denials.count(kind, named, self.lines, Instant::now(), line);
        said.iter().for_each(|line| (self.report)(line));
    }
}

/// All names.
#[derive(Debug)]
pub struct Control {
    pub(super) records: BTreeMap<Arc<str>, Record>,
    pub(super) everyone: Runtime,
    /// Its rules, as every record has them.
    pub(super) shared: Arc<Tables>,
    /// There is a node behind this one that handlers could be on.
    pub(super) protected: bool,
    lines: Bucket,
    pub(super) report: fn(&str),
    /// When it is to be looked for denials that were not told.
    due: Option<Instant>,
}

impl Control {
    /// Nothing is known. `protected`: there is a node behind this one.
    #[must_use]
    pub fn new(protected: bool, report: fn(&str)) -> Self {
        Self {
            records: BTreeMap::new(),
            everyone: Runtime::default(),
            shared: Arc::default(),
            protected,
            lines: Bucket::new(NODE_DENIALS_PER_S),
            report,
            due: None,
        }
    }

    /// The record of a peer that the file allows.
    pub fn ledger(&mut self, policy: &Policy, peer: &Arc<str>) -> Ledger<'_> {
        self.make_room(policy, peer);
        let Self { records, shared, protected, lines, report, .. } = self;
        let new = || Record::new(policy, shared, !*protected);
        let record = records.entry(Arc::clone(peer)).or_insert_with(new);
        Ledger { record, lines, report: *report }
    }

    /// Names that the file has dropped stay known, so that nothing is loosened by taking a name out and in again: but not more of them than that.
    fn make_room(&mut self, policy: &Policy, peer: &str) {
        let most = policy.allow.len().saturating_add(NODE_RECORDS_SPARE);
        if self.records.len() >= most && !self.records.contains_key(peer) {
            let dropped = self.records.keys().find(|name| !policy.allow.contains(&***name)).cloned();
            dropped.and_then(|name| self.records.remove(&name));
        }
    }

    /// The file was read again: its bounds hold.
    pub fn limit(&mut self, policy: &Policy) {
        for record in self.records.values_mut() {
            record.atoms.iter_mut().for_each(|atoms| atoms.limit(policy.limits.atoms));
        }
    }

    /// A connection ended because of bytes that are no message.
    pub fn malformed(&mut self, policy: &Policy, peer: &Arc<str>) {
        let [inward, _] = &mut self.ledger(policy, peer).record.counters;
        inward.count_malformed();
    }

    /// A connection is over: what was left out is told.
    pub fn left(&mut self, peer: &str, now: Instant) {
        let Self { records, lines, report, .. } = self;
        if let Some(record) = records.get_mut(peer) {
            for (kind, left_out) in record.denials.overdue(true, lines, now) {
                report(&denials::summary(peer, kind, left_out));
            }
        }
    }

    /// What the clock asks for: about once a second, tells what was left out of lines.
    pub fn time(&mut self, now: Instant) {
        if self.due.is_some_and(|due| now < due) {
            return;
        }
        self.due = Some(now + Duration::from_secs(1));
        let Self { records, lines, report, .. } = self;
        for (peer, record) in records {
            for (kind, left_out) in record.denials.overdue(false, lines, now) {
                report(&denials::summary(peer, kind, left_out));
            }
        }
    }
}

#[cfg(test)]
mod tests;
