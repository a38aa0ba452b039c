//! An answer of many rows: its scan, its credit, its deadline. It is carried on in slices, between which everything else
//! gets its turn.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::RequestError;
use crate::ids::RequestId;
use crate::limits::{CREDIT_INITIAL, CREDIT_MAX, SLICE_MICROS};
use crate::nft::firewall::Firewall;
use crate::nft::listing::Listing;
use crate::proc::scan::{Scan, Tally};
use crate::protocol::reply;
use crate::sys::clock;
use crate::wire::atoms::{self, Atom};
use crate::wire::chunk::{Chunk, Slice};
use crate::wire::write::Writer;

/// Where rows come from.
#[derive(Debug)]
pub enum Source {
    /// The process table.
    Processes(Box<Scan>),
    /// The firewall.
    Firewall(Box<Listing>),
}

impl Source {
    fn columns(&self) -> impl Iterator<Item = Atom> {
        let (processes, firewall) = match self {
            Self::Processes(scan) => (Some(scan.args().columns.iter().map(|c| c.name)), None),
            Self::Firewall(listing) => (None, Some(listing.columns().iter().copied())),
        };
        processes.into_iter().flatten().chain(firewall.into_iter().flatten())
    }

    fn rows(&self) -> u64 {
        match self {
            Self::Processes(scan) => scan.tally().rows,
            Self::Firewall(listing) => listing.rows(),
        }
    }

    /// Whether it holds what there are few of.
    fn is_open(&self) -> bool {
        match self {
            Self::Processes(scan) => scan.is_open(),
            Self::Firewall(_) => false,
        }
    }

    /// Gives back what it can ask for again.
    fn park(&mut self) {
        match self {
            Self::Processes(scan) => scan.park(),
            Self::Firewall(_) => {}
        }
    }

    fn slice(
        &mut self,
        firewall: &mut Firewall,
        chunk: &mut Chunk,
        until: Instant,
    ) -> Result<Slice, RequestError> {
        match self {
            Self::Processes(scan) => scan.slice(chunk, until).map_err(failure),
            Self::Firewall(listing) => listing.slice(firewall, chunk, until),
        }
    }

    /// What is said of the answer as a whole.
    fn meta(&self, started: &Started, w: &mut Writer) {
        let times = [(atoms::STARTED, started.unix), (atoms::DURATION, clock::micros(started.at.elapsed()))];
        match self {
            Self::Processes(scan) => {
                let Tally { rows, vanished, denied, cut, truncated } = scan.tally();
                w.map(8);
                numbers(w, &times);
                numbers(
                    w,
                    &[
                        (atoms::ROWS, rows),
                        (atoms::VANISHED, vanished),
                        (atoms::DENIED, denied),
                        (atoms::CUT, cut),
                    ],
                );
                w.atom(atoms::TRUNCATED);
                w.bool(truncated);
                w.atom(atoms::SOURCE);
                w.atom(atoms::PROCFS);
            }
            Self::Firewall(listing) => {
                w.map(5);
                numbers(w, &times);
                numbers(
                    w,
                    &[(atoms::ROWS, listing.rows()), (atoms::GENERATION, listing.generation().into())],
                );
                w.atom(atoms::SOURCE);
                w.atom(atoms::NETFILTER);
            }
        }
    }
}

fn numbers(w: &mut Writer, pairs: &[(Atom, u64)]) {
    for (key, value) in pairs {
        w.atom(*key);
        w.uint(*value);
    }
}

/// When an answer was begun.
#[derive(Clone, Copy, Debug)]
struct Started {
    unix: u64,
    at: Instant,
}

/// A running row answer.
#[derive(Debug)]
pub struct RowAnswer {
    id: RequestId,
    deadline: Instant,
    source: Source,
    chunk: Chunk,
    credit: u32,
    named: bool,
    started: Started,
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
    pub fn new(id: RequestId, deadline: Instant, source: Source) -> Self {
        Self {
            id,
            deadline,
            source,
            chunk: Chunk::default(),
            credit: CREDIT_INITIAL,
            named: false,
            started: Started { unix: clock::unix_micros(), at: Instant::now() },
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
        self.source.is_open()
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
        self.source.rows()
    }

    /// One slice: reads rows, and writes a frame if a chunk is full or there are no more.
    pub fn run(&mut self, firewall: &mut Firewall, w: &mut Writer) -> Progress {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        match self.source.slice(firewall, &mut self.chunk, until) {
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
                let Self { source, started, .. } = self;
                reply::ok(w, self.id, |w| source.meta(started, w));
                Progress::Done
            }
            Err(e) => {
                reply::error(w, self.id, &e);
                Progress::Done
            }
        }
    }

    fn send_chunk(&mut self, w: &mut Writer) {
        let (rows, count) = self.chunk.rows();
        if self.named {
            reply::rows(w, self.id, None, rows, count);
        } else {
            reply::rows(w, self.id, Some(&mut self.source.columns()), rows, count);
        }
        self.named = true;
        self.chunk.clear();
        self.credit = self.credit.saturating_sub(1);
        if self.credit == 0 {
            // Its client may take its time; what it holds belongs to those who can go on.
            self.source.park();
            self.chunk = Chunk::default();
        }
    }
}

/// A failure that is not one process's: no descriptors, no memory, no `/proc`.
#[must_use]
pub fn failure(e: Errno) -> RequestError {
    RequestError::Posix(e as i32, "reading /proc")
}
