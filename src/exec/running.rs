//! The row answers that are not finished: who gets the next slice, who is too late, who is cancelled.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::Instant;

use crate::error::RequestError;
use crate::exec::counters::Counters;
use crate::exec::output::Output;
use crate::exec::rows::{Asked, Progress, RowAnswer};
use crate::ids::RequestId;
use crate::limits::SCANS_MAX;
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
    pub fn queue(&mut self, answer: RowAnswer) {
        self.answers.push_back(answer);
    }

    /// Drops one. `false`: there is none of that id.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let before = self.len();
        self.answers.retain(|a| a.id() != id);
        self.len() < before
    }

    /// Allows one more chunks. Credit for an answer that has ended came too late, and is no mistake.
    pub fn grant(&mut self, id: RequestId, chunks: u32) {
        if let Some(answer) = self.answers.iter_mut().find(|a| a.id() == id) {
            answer.grant(chunks);
        }
    }

    /// Ends what is too late and carries one answer on.
    pub fn slice(&mut self, asked: Asked<'_>, output: &mut Output, counters: &mut Counters) {
        self.expire(output, counters);
        let Some(mut answer) = self.next().and_then(|at| self.answers.remove(at)) else { return };
        let before = answer.rows();
        let progress = answer.run(asked, output.frames());
        counters.rows = counters.rows.saturating_add(answer.rows().saturating_sub(before));
        if progress == Progress::Going {
            // To the end of the queue, so that the others get their turn first.
            self.answers.push_back(answer);
        }
    }

    /// Whose turn it is: the first that has credit and is open, or can be opened.
    fn next(&self) -> Option<usize> {
        let places = self.answers.iter().filter(|a| a.is_open()).count() < SCANS_MAX;
        let now = Instant::now();
        self.answers.iter().position(|a| a.can_run(now) && (places || a.is_open()))
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

    /// When something of them is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.answers.iter().map(RowAnswer::due).min()
    }

    /// What some of them wait for may have come.
    pub fn wake(&mut self) {
        self.answers.iter_mut().for_each(RowAnswer::wake);
    }
}
