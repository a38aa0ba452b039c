//! An answer of many rows: its scan, its credit, its deadline. It is carried on in slices, between which everything else
//! gets its turn.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::error::RequestError;
use crate::helper::pool::Pool;
use crate::ids::RequestId;
use crate::limits::{CREDIT_INITIAL, CREDIT_MAX, SLICE_MICROS};
use crate::netlink::dump::Links;
use crate::nft::firewall::Firewall;
use crate::nft::listing::Listing;
use crate::policy::permit::Permit;
use crate::protocol::reply;
use crate::sys::{capset, clock};
use crate::table::{Context, ReadTable, Rows, Tally};
use crate::wire::atoms::{self, Atom};
use crate::wire::chunk::{Chunk, Slice};
use crate::wire::write::Writer;

/// Those of the session's sockets that rows are asked of.
#[derive(Debug)]
pub struct Asked<'s> {
    /// The firewall.
    pub firewall: &'s mut Firewall,
    /// What everybody may ask.
    pub links: &'s mut Links,
    /// Who is asked what may never be answered.
    pub helpers: &'s mut Pool,
}

/// Where rows come from.
#[derive(Debug)]
pub enum Source {
    /// The firewall.
    Firewall(Box<Listing>),
    /// A table.
    Table {
        /// What may be read.
        permit: Permit<ReadTable>,
        /// Its rows.
        rows: Box<dyn Rows>,
    },
}

impl Source {
    pub(super) fn columns(&self) -> Vec<Atom> {
        match self {
            Self::Firewall(listing) => listing.columns().to_vec(),
            Self::Table { rows, .. } => rows.columns(),
        }
    }

    fn rows(&self) -> u64 {
        match self {
            Self::Firewall(listing) => listing.rows(),
            Self::Table { rows, .. } => rows.tally().rows,
        }
    }

    /// Whether it holds what there are few of.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Firewall(_) => false,
            Self::Table { rows, .. } => rows.is_open(),
        }
    }

    /// Gives back what it can ask for again.
    pub(super) fn park(&mut self) {
        match self {
            // What it has read of a table that changes it cannot read again.
            Self::Firewall(_) => {}
            Self::Table { rows, .. } => rows.park(),
        }
    }

    pub(super) fn slice(
        &mut self,
        asked: Asked<'_>,
        deadline: Instant,
        chunk: &mut Chunk,
        until: Instant,
    ) -> Result<Slice, RequestError> {
        match self {
            Self::Firewall(listing) => listing.slice(asked.firewall, chunk, until),
            Self::Table { permit, rows } => {
                let _raised = capset::raise(permit.capabilities()).map_err(failure)?;
                let context = Context::with(asked.links).helped_by(asked.helpers);
                let mut context = context.showing(permit.action().shown()).until(deadline);
                rows.slice(&mut context, chunk, until)
            }
        }
    }

    /// Asks the same once more, from the first row on.
    pub(super) fn again(&mut self) {
        match self {
            // No periodic question is made of it: it tells of its changes itself.
            Self::Firewall(_) => {}
            Self::Table { rows, .. } => rows.again(),
        }
    }

    /// What it has met so far.
    pub(super) fn tally(&self) -> Tally {
        match self {
            Self::Firewall(_) => Tally::default(),
            Self::Table { rows, .. } => rows.tally(),
        }
    }

    /// What is said of the answer as a whole.
    fn meta(&self, started: &Started, w: &mut Writer) {
        let times = [(atoms::STARTED, started.unix), (atoms::DURATION, clock::micros(started.at.elapsed()))];
        match self {
            Self::Table { rows, .. } => tally(&rows.tally(), &times, rows.source(), w),
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

fn tally(tally: &Tally, times: &[(Atom, u64)], source: Atom, w: &mut Writer) {
    let Tally { rows, vanished, denied, cut, truncated, interrupted } = *tally;
    w.map(if interrupted { 9 } else { 8 });
    numbers(w, times);
    numbers(
        w,
        &[(atoms::ROWS, rows), (atoms::VANISHED, vanished), (atoms::DENIED, denied), (atoms::CUT, cut)],
    );
    w.atom(atoms::TRUNCATED);
    w.bool(truncated);
    if interrupted {
        w.atom(atoms::INTERRUPTED);
        w.bool(true);
    }
    w.atom(atoms::SOURCE);
    w.atom(source);
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
    /// What it reads from has nothing before.
    not_before: Option<Instant>,
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
            not_before: None,
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

    /// Whether it can go on at `now`.
    #[must_use]
    pub fn can_run(&self, now: Instant) -> bool {
        self.credit > 0 && self.not_before.is_none_or(|time| time <= now)
    }

    /// When something of it is due: that it goes on, or that it is too late.
    #[must_use]
    pub fn due(&self) -> Instant {
        let next = self.not_before.filter(|_| self.credit > 0);
        next.map_or(self.deadline, |time| time.min(self.deadline))
    }

    /// What it waits for may have come.
    pub fn wake(&mut self) {
        self.not_before = None;
    }

    /// Rows answered so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.source.rows()
    }

    /// One slice: reads rows, and writes a frame if a chunk is full or there are no more.
    pub fn run(&mut self, asked: Asked<'_>, w: &mut Writer) -> Progress {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        self.not_before = None;
        match self.source.slice(asked, self.deadline, &mut self.chunk, until) {
            Ok(Slice::Paused) => Progress::Going,
            Ok(Slice::Waiting(time)) => {
                self.not_before = Some(time);
                Progress::Going
            }
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
            reply::rows(w, self.id, Some(&mut self.source.columns().into_iter()), rows, count);
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
