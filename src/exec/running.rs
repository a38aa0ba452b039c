//! The row answers that are under way or wait for their turn: who gets the next slice, who is too late, who is cancelled.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::exec::counters::Counters;
use crate::exec::output::Output;
use crate::exec::rows::{Progress, RowAnswer, failure};
use crate::ids::RequestId;
use crate::limits::{IN_FLIGHT_MAX, SCANS_MAX};
use crate::policy::permit::Permit;
use crate::proc::action::ReadProcesses;
use crate::proc::args::ProcessesArgs;
use crate::proc::scan::Scan;
use crate::protocol::reply;

/// A row answer that was allowed and has not begun. Its scan is made when its turn comes, so that what waits holds no
/// descriptor.
#[derive(Debug)]
pub struct Waiting {
    /// Whose.
    pub id: RequestId,
    /// When it is too late.
    pub deadline: Instant,
    /// Chunks that its client has allowed on top of the first ones: it need not wait for the answer to begin.
    pub granted: u32,
    /// What was allowed.
    pub permit: Permit<ReadProcesses>,
    /// What was asked.
    pub args: ProcessesArgs,
}

impl Waiting {
    /// Begins it.
    pub fn begin(self) -> Result<RowAnswer, RequestError> {
        let scan = Scan::start(self.permit, self.args).map_err(failure)?;
        let mut answer = RowAnswer::new(self.id, scan);
        answer.grant(self.granted);
        Ok(answer)
    }
}

/// The row answers that are not finished: some running, the others waiting for their turn.
#[derive(Debug, Default)]
pub struct Running {
    active: VecDeque<(Instant, RowAnswer)>,
    waiting: VecDeque<Waiting>,
}

impl Running {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.active.len().saturating_add(self.waiting.len())
    }

    /// Whether one of them has this id.
    pub fn has(&self, id: RequestId) -> bool {
        self.active.iter().any(|(_, a)| a.id() == id) || self.waiting.iter().any(|w| w.id == id)
    }

    /// Puts one behind the others.
    pub fn queue(&mut self, waiting: Waiting) -> Result<(), RequestError> {
        if self.len() >= IN_FLIGHT_MAX {
            return Err(RequestError::Overloaded);
        }
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// Ends one because its client wants so.
    pub fn cancel(&mut self, id: RequestId, output: &mut Output) {
        if self.has(id) {
            self.active.retain(|(_, a)| a.id() != id);
            self.waiting.retain(|w| w.id != id);
            reply::error(output.frames(), id, &RequestError::Cancelled);
        }
    }

    /// Allows one more chunks. Credit for an answer that has ended came too late, and is no mistake.
    pub fn grant(&mut self, id: RequestId, chunks: u32) {
        if let Some((_, answer)) = self.active.iter_mut().find(|(_, a)| a.id() == id) {
            answer.grant(chunks);
        }
        if let Some(waiting) = self.waiting.iter_mut().find(|w| w.id == id) {
            waiting.granted = waiting.granted.saturating_add(chunks);
        }
    }

    /// Ends what is too late, begins what has its turn, and carries one answer on.
    pub fn slice(&mut self, output: &mut Output, counters: &mut Counters) {
        self.expire(output, counters);
        while self.active.len() < SCANS_MAX {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let (id, deadline) = (waiting.id, waiting.deadline);
            match waiting.begin() {
                Ok(answer) => self.active.push_back((deadline, answer)),
                Err(error) => {
                    counters.errors = counters.errors.saturating_add(1);
                    reply::error(output.frames(), id, &error);
                }
            }
        }
        let Some(at) = self.active.iter().position(|(_, a)| a.can_run()) else { return };
        let Some((deadline, mut answer)) = self.active.remove(at) else { return };
        let before = answer.rows();
        let progress = answer.run(output.frames());
        counters.rows = counters.rows.saturating_add(answer.rows().saturating_sub(before));
        if progress == Progress::Going {
            // To the end of the queue, so that the others get their turn first.
            self.active.push_back((deadline, answer));
        }
    }

    fn expire(&mut self, output: &mut Output, counters: &mut Counters) {
        if self.len() == 0 {
            return;
        }
        let now = Instant::now();
        let late_active = self.active.iter().filter(|(deadline, _)| *deadline <= now).map(|(_, a)| a.id());
        let late_waiting = self.waiting.iter().filter(|w| w.deadline <= now).map(|w| w.id);
        for id in late_active.chain(late_waiting) {
            counters.errors = counters.errors.saturating_add(1);
            reply::error(output.frames(), id, &RequestError::Timeout);
        }
        self.active.retain(|(deadline, _)| *deadline > now);
        self.waiting.retain(|w| w.deadline > now);
    }

    /// Whether a slice would do anything.
    pub fn can_run(&self) -> bool {
        self.active.iter().any(|(_, a)| a.can_run())
            || (!self.waiting.is_empty() && self.active.len() < SCANS_MAX)
    }

    /// How long until the next of them is too late.
    pub fn next_deadline(&self) -> Option<Duration> {
        let active = self.active.iter().map(|(deadline, _)| *deadline);
        let next = active.chain(self.waiting.iter().map(|w| w.deadline)).min()?;
        // Never zero: that would read as "do not wait", and an expired answer is ended in the next turn anyway.
        Some(next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
    }
}
