//! The comparisons at the end of what was lifted so far that may turn out to be dependencies of what follows.
#![forbid(unsafe_code)]

use super::context::{self, Context, Dependencies, Dependency, MOST};
use crate::nft::model::Statement;

/// A comparison.
#[derive(Clone, Copy, Debug)]
struct Entry {
    dependency: Dependency,
    /// What was known before it.
    before: Context,
    /// Whether the statement is still there, or stands for the next one already.
    hidden: bool,
}

/// The comparisons, and where the expressions of the last one end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    rows: [Option<Entry>; MOST],
    len: usize,
    end: usize,
    /// The first statement of the rule, if it is such a comparison that stands there still and nothing relied on.
    pub(super) head: Option<Dependency>,
}

impl Trail {
    pub(super) fn new() -> Self {
        Self { rows: [None; MOST], len: 0, end: 0, head: None }
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.rows.get(index)?.as_ref()
    }

    /// Notes a statement of these expressions, and whether it is such a comparison; how many statements before it are left out,
    /// because they will be put in for it. Nothing, and nothing noted, where others would be put in.
    pub(super) fn settle(
        &mut self,
        statement: &Statement,
        (start, end): (usize, usize),
        known: &mut Context,
        is: Option<Dependency>,
    ) -> Option<usize> {
        if self.end != start {
            self.len = 0;
        }
        let mut removed = 0;
        if context::needs_something(statement) {
            let (first, before) = self.resolve(statement, *known)?;
            removed = self.hide(first);
            // What relies on the first comparison would have it put in elsewhere.
            self.head = None;
            *known = before;
        }
        self.note(start, end, *known, is);
        if let Some(dependency) = is {
            known.learn(dependency);
        }
        Some(removed)
    }

    /// From which comparison on they stand for the statement, and what is known before those that will be put in, and with them.
    fn resolve(&self, statement: &Statement, now: Context) -> Option<(usize, Context)> {
        for first in 0..=self.len {
            // What stands for another comparison goes with it or stays with it.
            if first.checked_sub(1).and_then(|i| self.entry(i)).is_some_and(|e| e.hidden) {
                continue;
            }
            let mut known = self.entry(first).filter(|_| first < self.len).map_or(now, |e| e.before);
            let mut wanted = Dependencies::default();
            let mut see = |need| known.require(need, &mut wanted).is_some();
            if !context::statement_needs(statement, &mut see) {
                continue;
            }
            let same = |index| self.entry(first + index).map(|e| e.dependency) == wanted.get(index);
            if wanted.len() == self.len - first && (0..wanted.len()).all(same) {
                return Some((first, known));
            }
        }
        None
    }

    /// The comparisons from that one on stand for what follows; how many statements that makes superfluous.
    fn hide(&mut self, first: usize) -> usize {
        let mut count = 0;
        for entry in self.rows.iter_mut().take(self.len).skip(first).flatten() {
            count += usize::from(!entry.hidden);
            entry.hidden = true;
        }
        count
    }

    fn note(&mut self, start: usize, end: usize, before: Context, is: Option<Dependency>) {
        self.end = end;
        let Some(dependency) = is else {
            self.len = 0;
            return;
        };
        if start == 0 {
            self.head = Some(dependency);
        }
        if self.len >= MOST {
            self.rows.rotate_left(1);
            self.len = MOST - 1;
        }
        if let Some(row) = self.rows.get_mut(self.len) {
            *row = Some(Entry { dependency, before, hidden: false });
            self.len += 1;
        }
    }
}
