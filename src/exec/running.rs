//! The row answers that are not finished: who gets the next slice, who is too late, who is cancelled.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::exec::counters::Counters;
use crate::exec::output::Output;
use crate::exec::rows::{Asked, Progress, RowAnswer};
use crate::ids::RequestId;
use crate::limits::{SCANS_MAX, SLICE_MICROS, WRITE_BYTES};
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

    /// Ends what is too late and carries one answer on; others, too, while that is quickly done: each write wakes the peer, which
    /// costs as much as forty sockets. What took its time is not kept waiting.
    pub fn slice(&mut self, mut asked: Asked<'_>, output: &mut Output, counters: &mut Counters) {
        self.expire(output, counters);
        let begun = Instant::now();
        let [soon, until] =
            [SLICE_MICROS / 2, SLICE_MICROS].map(|micros| begun + Duration::from_micros(micros));
        while let Some(mut answer) = self.next().and_then(|at| self.answers.remove(at)) {
            let (rows, frames) = (answer.rows(), output.frames().len());
            let progress = answer.run(asked.again(), until, output.frames());
            counters.rows = counters.rows.saturating_add(answer.rows().saturating_sub(rows));
            if progress == Progress::Going {
                // To the end of the queue, so that the others get their turn first.
                self.answers.push_back(answer);
            }
            let written = output.frames().len();
            if written == frames || written >= WRITE_BYTES || Instant::now() >= soon {
                return;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capabilities;
    use crate::exec::rows::Source;
    use crate::helper::pool::Pool;
    use crate::netlink::dump::Links;
    use crate::nft::firewall::Firewall;
    use crate::policy::{self, Policy};
    use crate::table::{Context, ReadTable, Rows, Tally};
    use crate::wire::atoms::{self, Atom};
    use crate::wire::chunk::{Chunk, Slice};

    /// Chunks without end, of so many bytes each, which take their time.
    #[derive(Debug)]
    struct Endless {
        bytes: usize,
        time: Duration,
    }

    impl Rows for Endless {
        fn columns(&self) -> Vec<Atom> {
            vec![atoms::PATH]
        }

        fn tally(&self) -> Tally {
            Tally::default()
        }

        fn source(&self) -> Atom {
            atoms::PROCFS
        }

        fn wants(&self, _: Atom) -> bool {
            true
        }

        fn is_open(&self) -> bool {
            true
        }

        fn park(&mut self) {}

        fn again(&mut self) {}

        fn slice(
            &mut self,
            _: &mut Context<'_>,
            chunk: &mut Chunk,
            _: Instant,
        ) -> Result<Slice, RequestError> {
            std::thread::sleep(self.time);
            chunk.push(|w| {
                w.tuple(1);
                w.binary(&vec![7; self.bytes]);
            });
            Ok(Slice::Full)
        }
    }

    /// How many bytes one slice of two such answers writes, and who has the next turn.
    fn slice(bytes: usize, time: Duration) -> (usize, u64) {
        let mut running = Running::default();
        let policy = Policy::without_a_file();
        for id in [1, 2] {
            let action = ReadTable::new(atoms::LOAD, &[]);
            let permit = policy::authorize(&policy, Capabilities::NONE, action).unwrap();
            let source = Source::Table { permit, rows: Box::new(Endless { bytes, time }) };
            let late = Instant::now() + Duration::from_secs(60);
            running.queue(RowAnswer::new(RequestId::new(id).unwrap(), late, source));
        }
        let (mut firewall, mut links, mut helpers) = (Firewall::none(), Links::none(), Pool::none());
        let asked = Asked { firewall: &mut firewall, links: &mut links, helpers: &mut helpers };
        let mut output = Output::default();
        running.slice(asked, &mut output, &mut Counters::new());
        (output.frames().len(), running.answers.front().unwrap().id().get())
    }

    #[test]
    fn frames_that_are_quickly_full_are_written_together_and_each_answer_has_its_turn() {
        // On a busy machine nothing need be quick.
        let mut slices = (0..100).map(|_| slice(20_000, Duration::ZERO));
        assert!(slices.any(|(written, next)| (40_000..41_000).contains(&written) && next == 1));
        // More than is written together travels alone.
        let (written, next) = slice(40_000, Duration::ZERO);
        assert!((40_000..41_000).contains(&written), "{written}");
        assert_eq!(next, 2);
    }

    #[test]
    fn what_took_its_time_is_not_kept_waiting() {
        let (written, next) = slice(200, Duration::from_micros(SLICE_MICROS / 2));
        assert!((200..400).contains(&written), "{written}");
        assert_eq!(next, 2);
    }
}
