//! How often each command was accepted and denied, and why. `statistics` of the RFC, with denials.
#![forbid(unsafe_code)]

use crate::dist::command::Command;
use crate::dist::reason::Reason;

use super::policy::Level;
use super::{Decision, Verdict};

/// Accepted and denied messages of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Delivered, or given to a handler.
    pub accept: u64,
    /// Not delivered.
    pub deny: u64,
}

/// The counters of one node in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    rows: [Row; Command::COUNT],
    reasons: [u64; Reason::ALL.len()],
    handled: u64,
    malformed: u64,
    glass: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            rows: [Row::default(); Command::COUNT],
            reasons: [0; Reason::ALL.len()],
            handled: 0,
            malformed: 0,
            glass: 0,
        }
    }
}

impl Counters {
    /// Counts a decision. They stop at the largest number rather than begin again.
    pub fn count(&mut self, command: Command, decision: &Decision<'_, '_>) {
        let by_glass = decision.by.is_some_and(|by| by.level == Level::BreakGlass);
        if by_glass && !matches!(decision.verdict, Verdict::Deny(_)) {
            self.glass = self.glass.saturating_add(1);
        }
        let row = self.rows.get_mut(command.index());
        match decision.verdict {
            Verdict::Accept | Verdict::Handler(_) => {
                if let Some(row) = row {
                    row.accept = row.accept.saturating_add(1);
                }
                if let Verdict::Handler(_) = decision.verdict {
                    self.handled = self.handled.saturating_add(1);
                }
            }
            Verdict::Deny(reason) => {
                if let Some(row) = row {
                    row.deny = row.deny.saturating_add(1);
                }
                self.reason(reason);
            }
        }
    }

    /// Counts bytes that were no message.
    pub fn count_malformed(&mut self) {
        self.malformed = self.malformed.saturating_add(1);
        self.reason(Reason::Malformed);
    }

    /// What was counted elsewhere counts here too.
    pub fn add(&mut self, other: &Self) {
        for (row, more) in self.rows.iter_mut().zip(&other.rows) {
            row.accept = row.accept.saturating_add(more.accept);
            row.deny = row.deny.saturating_add(more.deny);
        }
        for (n, more) in self.reasons.iter_mut().zip(&other.reasons) {
            *n = n.saturating_add(*more);
        }
        self.handled = self.handled.saturating_add(other.handled);
        self.malformed = self.malformed.saturating_add(other.malformed);
    }

    fn reason(&mut self, reason: Reason) {
        if let Some(n) = self.reasons.get_mut(reason.index()) {
            *n = n.saturating_add(1);
        }
    }

    /// The rows, in the order of the RFC.
    pub fn rows(&self) -> impl Iterator<Item = (Command, Row)> {
        Command::ALL.iter().copied().zip(self.rows)
    }

    /// Why messages were denied, without reasons that never were.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().copied().zip(self.reasons).filter(|(_, n)| *n > 0)
    }

    /// How many messages were given to a handler.
    #[must_use]
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// How many messages only the broken glass let pass.
    #[must_use]
    pub fn by_glass(&self) -> u64 {
        self.glass
    }

    /// Bytes that were no message: so many connections ended by them.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }
}
