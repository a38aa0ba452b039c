//! The row answers that are not finished: who gets the next slice, who is too late, who is cancelled.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::exec::counters::Counters;
use crate::exec::output::Output;
use crate::exec::rows::{Progress, RowAnswer};
use crate::ids::RequestId;
use crate::limits::{IN_FLIGHT_MAX, SCANS_MAX};
use crate::protocol::reply;

/// All of them, in the order of their turns. An answer without credit holds nothing but its arguments, so that a client that
/// takes its time keeps nobody else from a place.
#[derive(Debug, Default)]
pub struct Running {
    answers: VecDeque<RowAnswer>,
}

impl Running {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether one of them has this id.
    pub fn has(&self, id: RequestId) -> bool {
        self.answers.iter().any(|a| a.id() == id)
    }

    /// Puts one behind the others.
    pub fn queue(&mut self, answer: RowAnswer) -> Result<(), RequestError> {
        if self.len() >= IN_FLIGHT_MAX {
            return Err(RequestError::Overloaded);
        }
        self.answers.push_back(answer);
        Ok(())
    }

    /// Ends one because its client wants so.
    pub fn cancel(&mut self, id: RequestId, output: &mut Output) {
        if self.has(id) {
            self.answers.retain(|a| a.id() != id);
            reply::error(output.frames(), id, &RequestError::Cancelled);
        }
    }

    /// Allows one more chunks. Credit for an answer that has ended came too late, and is no mistake.
    pub fn grant(&mut self, id: RequestId, chunks: u32) {
        if let Some(answer) = self.answers.iter_mut().find(|a| a.id() == id) {
            answer.grant(chunks);
        }
    }

    /// Ends what is too late and carries one answer on.
    pub fn slice(&mut self, output: &mut Output, counters: &mut Counters) {
        self.expire(output, counters);
        let Some(mut answer) = self.next().and_then(|at| self.answers.remove(at)) else { return };
        let before = answer.rows();
        let progress = answer.run(output.frames());
        counters.rows = counters.rows.saturating_add(answer.rows().saturating_sub(before));
        if progress == Progress::Going {
            // To the end of the queue, so that the others get their turn first.
            self.answers.push_back(answer);
        }
    }

    /// Whose turn it is: the first that has credit and is open, or can be opened.
    fn next(&self) -> Option<usize> {
        let places = self.answers.iter().filter(|a| a.is_open()).count() < SCANS_MAX;
        self.answers.iter().position(|a| a.can_run() && (places || a.is_open()))
    }

    fn expire(&mut self, output: &mut Output, counters: &mut Counters) {
        if self.answers.is_empty() {
            return;
        }
        let now = Instant::now();
        for late in self.answers.iter().filter(|a| a.deadline() <= now) {
            counters.errors = counters.errors.saturating_add(1);
            reply::error(output.frames(), late.id(), &RequestError::Timeout);
        }
        self.answers.retain(|a| a.deadline() > now);
    }

    /// Whether a slice would do anything.
    pub fn can_run(&self) -> bool {
        self.next().is_some()
    }

    /// How long until the next of them is too late.
    pub fn next_deadline(&self) -> Option<Duration> {
        let next = self.answers.iter().map(RowAnswer::deadline).min()?;
        // Never zero: that would read as "do not wait", and an expired answer is ended in the next turn anyway.
        Some(next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
    }
}
