//! An answer of many rows: its scan, its credit, its deadline. It is carried on in slices, between which everything else
//! gets its turn.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::RequestError;
use crate::ids::RequestId;
use crate::limits::{CREDIT_INITIAL, CREDIT_MAX, SLICE_MICROS};
use crate::proc::scan::{Scan, Tally};
use crate::protocol::reply;
use crate::sys::clock;
use crate::wire::atoms;
use crate::wire::chunk::{Chunk, Slice};
use crate::wire::write::Writer;

/// A running row answer.
#[derive(Debug)]
pub struct RowAnswer {
    id: RequestId,
    deadline: Instant,
    scan: Scan,
    chunk: Chunk,
    credit: u32,
    named: bool,
    started_unix: u64,
    started: Instant,
}

/// Whether an answer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has more to say.
    Going,
    /// Its last frame is in the output.
    Done,
}

impl RowAnswer {
    /// An answer that has not said anything yet.
    pub fn new(id: RequestId, deadline: Instant, scan: Scan) -> Self {
        Self {
            id,
            deadline,
            scan,
            chunk: Chunk::default(),
            credit: CREDIT_INITIAL,
            named: false,
            started_unix: clock::unix_micros(),
            started: Instant::now(),
        }
    }

    /// Whose answer it is.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// When it is too late.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it holds a descriptor and buffers.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.scan.is_open()
    }

    /// Allows it more chunks.
    pub fn grant(&mut self, chunks: u32) {
        self.credit = self.credit.saturating_add(chunks).min(CREDIT_MAX);
    }

    /// Whether it can go on now.
    #[must_use]
    pub fn can_run(&self) -> bool {
        self.credit > 0
    }

    /// Rows answered so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.scan.tally().rows
    }

    /// One slice: reads processes, and writes a frame if a chunk is full or the table has ended.
    pub fn run(&mut self, w: &mut Writer) -> Progress {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        match self.scan.slice(&mut self.chunk, until) {
            Ok(Slice::Paused) => Progress::Going,
            Ok(Slice::Full) => {
                self.send_chunk(w);
                Progress::Going
            }
            Ok(Slice::End) => {
                // An empty table has columns too.
                if self.chunk.rows().1 > 0 || !self.named {
                    self.send_chunk(w);
                }
                self.finish(w);
                Progress::Done
            }
            Err(e) => {
                reply::error(w, self.id, &failure(e));
                Progress::Done
            }
        }
    }

    fn send_chunk(&mut self, w: &mut Writer) {
        let mut names = self.scan.args().columns.iter().map(|c| c.name);
        let (rows, count) = self.chunk.rows();
        if self.named {
            reply::rows(w, self.id, None, rows, count);
        } else {
            reply::rows(w, self.id, Some(&mut names), rows, count);
        }
        self.named = true;
        self.chunk.clear();
        self.credit = self.credit.saturating_sub(1);
        if self.credit == 0 {
            // Its client may take its time; what it holds belongs to those who can go on.
            self.scan.park();
            self.chunk = Chunk::default();
        }
    }

    fn finish(&self, w: &mut Writer) {
        let Tally { rows, vanished, denied, cut, truncated } = self.scan.tally();
        reply::ok(w, self.id, |w| {
            w.map(8);
            for (key, value) in [
                (atoms::STARTED, self.started_unix),
                (atoms::DURATION, clock::micros(self.started.elapsed())),
                (atoms::ROWS, rows),
                (atoms::VANISHED, vanished),
                (atoms::DENIED, denied),
                (atoms::CUT, cut),
            ] {
                w.atom(key);
                w.uint(value);
            }
            w.atom(atoms::TRUNCATED);
            w.bool(truncated);
            w.atom(atoms::SOURCE);
            w.atom(atoms::PROCFS);
        });
    }
}

/// A failure that is not one process's: no descriptors, no memory, no `/proc`.
#[must_use]
pub fn failure(e: Errno) -> RequestError {
    RequestError::Posix(e as i32, "reading /proc")
}
