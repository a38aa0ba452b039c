//! Reading processes: one at once, on a permit, or the table in slices that pause between rows.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::ids::Pid;
use crate::limits::ROW_BYTES_MAX;
use crate::policy::permit::Permit;
use crate::proc::action::{ReadProcesses, Tier, Tiers};
use crate::proc::args::{ProcessArgs, ProcessesArgs};
use crate::proc::columns::Column;
use crate::proc::reader::{CHEAP, DEAR, Reader, Record, Vanished};
use crate::proc::value::Value;
use crate::sys::piddir::PidDir;
use crate::sys::{capset, fd};
use crate::table::cell::Written;
use crate::table::{Context, Kind, Rows, Tally};
use crate::wire::atoms::{self, Atom};
use crate::wire::chunk::{Chunk, Slice};
use crate::wire::write::Writer;

/// A scan of the process table. It holds a descriptor and buffers only while it is open: one that has to wait can be
/// parked, and goes on behind the last pid that it has read.
#[derive(Debug)]
pub struct Scan {
    args: ProcessesArgs,
    tiers: Tiers,
    tally: Tally,
    /// The last pid that was read, whether or not it made a row.
    last: Option<Pid>,
    open: Option<Open>,
}

/// What an open scan holds.
#[derive(Debug)]
struct Open {
    pids: Pids,
    reader: Reader,
    carried: Option<Carried>,
}

/// A row that did not fit into its chunk, and how to forget that it was read.
#[derive(Debug)]
struct Carried {
    row: Vec<u8>,
    last_before: Option<Pid>,
    tally_before: Tally,
}

#[derive(Debug)]
enum Pids {
    Listing(PidDir),
    Named { proc: OwnedFd, pids: std::vec::IntoIter<Pid> },
}

impl Pids {
    fn next_pid(&mut self) -> Result<Option<Pid>, Errno> {
        match self {
            Self::Listing(dir) => dir.next_pid(),
            Self::Named { pids, .. } => Ok(pids.next()),
        }
    }

    fn proc(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listing(dir) => dir.fd(),
            Self::Named { proc, .. } => proc.as_fd(),
        }
    }
}

impl Scan {
    /// A scan that has not begun.
    #[must_use]
    pub fn new(args: ProcessesArgs) -> Self {
        let tiers = args.action().tiers();
        Self { args, tiers, tally: Tally::default(), last: None, open: None }
    }

    fn reopen(&self, shown: Arc<[Vec<u8>]>) -> Result<Open, Errno> {
        let mut pids = match &self.args.pids {
            None => Pids::Listing(PidDir::open()?),
            Some(named) => {
                let rest = named.iter().copied().filter(|pid| Some(*pid) > self.last).collect::<Vec<_>>();
                Pids::Named { proc: fd::open_directory(c"/proc")?, pids: rest.into_iter() }
            }
        };
        if let (Pids::Listing(dir), Some(last)) = (&mut pids, self.last) {
            dir.skip_to(last);
        }
        Ok(Open { pids, reader: Reader::new(self.args.cell_max, shown), carried: None })
    }

    fn fill(&mut self, open: &mut Open, chunk: &mut Chunk, until: Instant) -> Result<Slice, Errno> {
        loop {
            if chunk.is_full() {
                return Ok(Slice::Full);
            }
            if self.tally.rows >= self.args.limit {
                self.tally.truncated = true;
                return Ok(Slice::End);
            }
            let Some(pid) = open.pids.next_pid()? else { return Ok(Slice::End) };
            let (last_before, tally_before) = (self.last.replace(pid), self.tally);
            match self.row(open, pid, chunk) {
                Ok(true) => {
                    if let Some(row) = chunk.overhang() {
                        open.carried = Some(Carried { row, last_before, tally_before });
                        return Ok(Slice::Full);
                    }
                }
                Ok(false) => {}
                Err(Vanished) => self.tally.vanished = self.tally.vanished.saturating_add(1),
            }
            if Instant::now() >= until {
                return Ok(Slice::Paused);
            }
        }
    }

    /// Reads one process and writes its row, if it meets the conditions.
    fn row(&mut self, open: &mut Open, pid: Pid, chunk: &mut Chunk) -> Result<bool, Vanished> {
        let Self { args, tiers, tally, .. } = self;
        let Open { pids, reader, .. } = open;
        let (proc, tiers) = (pids.proc(), *tiers);
        let opened = reader.open(proc, pid, tiers);
        if opened.is_err() && matches!(pids, Pids::Named { .. }) {
            // A pid that the client named need not be a process at all.
            return Ok(false);
        }
        let process = opened?;
        let due = |span: RangeInclusive<Tier>| {
            args.conditions.iter().filter(move |(column, _)| span.contains(&column.tier))
        };
        let meets = |record: &Record<'_>, span| {
            due(span).all(|(column, condition)| condition.met_by(&record.value(column)))
        };
        if due(CHEAP).next().is_none() {
            reader.read(proc, &process, tiers)?;
        } else {
            // Most conditions are about the cheap files, and spare the others.
            reader.read_cheap(proc, &process, tiers)?;
            if !reader.record().is_some_and(|r| meets(&r, CHEAP)) {
                return Ok(false);
            }
            reader.read_rest(proc, &process, tiers)?;
        }
        let Some(record) = reader.record() else { return Err(Vanished) };
        if matches!(pids, Pids::Named { .. }) && record.is_thread() {
            return Ok(false);
        }
        if !meets(&record, DEAR) {
            return Ok(false);
        }
        write_row(&record, args, chunk, tally);
        Ok(true)
    }
}

impl Rows for Scan {
    fn columns(&self) -> Vec<Atom> {
        self.args.columns.iter().map(|column| column.name).collect()
    }

    fn tally(&self) -> Tally {
        self.tally
    }

    fn source(&self) -> Atom {
        atoms::PROCFS
    }

    fn wants(&self, column: Atom) -> bool {
        let conditions = self.args.conditions.iter().map(|(column, _)| column);
        self.args.columns.iter().chain(conditions).any(|c| c.name == column)
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Gives back what it holds. A row that waits for the next chunk will be read again.
    fn park(&mut self) {
        if let Some(Open { carried: Some(carried), .. }) = self.open.take() {
            self.last = carried.last_before;
            self.tally = carried.tally_before;
        }
    }

    fn again(&mut self) {
        (self.open, self.last, self.tally) = (None, None, Tally::default());
    }

    fn slice(
        &mut self,
        context: &mut Context<'_>,
        chunk: &mut Chunk,
        until: Instant,
    ) -> Result<Slice, RequestError> {
        let failed = |e: Errno| RequestError::Posix(e as i32, "reading /proc");
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.reopen(context.shown()).map_err(failed)?,
        };
        if let Some(carried) = open.carried.take() {
            chunk.push(|w| w.raw(&carried.row));
        }
        let result = self.fill(&mut open, chunk, until).map_err(failed);
        // A question that is asked again later holds nothing until then.
        self.open = Some(open).filter(|_| !matches!(result, Ok(Slice::End)));
        result
    }
}

fn write_row(record: &Record<'_>, args: &ProcessesArgs, chunk: &mut Chunk, tally: &mut Tally) {
    let (mut denied, mut cut) = (0_u64, 0_u64);
    chunk.push(|w| {
        within(w, |w, long| {
            (denied, cut) = (0, 0);
            w.tuple(args.columns.len());
            for column in &args.columns {
                match cell(record, column, long).write(w) {
                    Written::Whole => {}
                    Written::Cut => cut = cut.saturating_add(1),
                    Written::Denied => denied = denied.saturating_add(1),
                }
            }
        });
    });
    tally.denied = tally.denied.saturating_add(denied);
    tally.cut = tally.cut.saturating_add(cut);
    tally.rows = tally.rows.saturating_add(1);
}

/// Writes a row; again without its long cells if no frame could carry it. A process chooses what its arguments and its
/// environment are made of, and must neither break the conversation nor hide its row.
fn within(w: &mut Writer, mut write: impl FnMut(&mut Writer, bool)) {
    let before = w.len();
    write(w, true);
    if w.len().saturating_sub(before) > ROW_BYTES_MAX {
        w.truncate(before);
        write(w, false);
    }
}

/// A cell, or where `long` ones have no room the error that says so.
fn cell<'r>(record: &'r Record<'_>, column: &Column, long: bool) -> Value<'r> {
    if long || column.kind != Kind::Compound { record.value(column) } else { Value::Denied(libc::EMSGSIZE) }
}

/// Reads one process and writes a map from item to cell. `Ok(None)`: there is no such process.
pub fn process(
    permit: Permit<ReadProcesses>,
    args: &ProcessArgs,
    w: &mut Writer,
) -> Result<Option<()>, Errno> {
    let _raised = capset::raise(permit.capabilities())?;
    let proc = fd::open_directory(c"/proc")?;
    let mut reader = Reader::new(args.cell_max, permit.action().shown());
    let tiers = permit.action().tiers();
    Ok(read_one(&mut reader, proc.as_fd(), tiers, args).ok().and_then(|()| {
        let record = reader.record()?;
        within(w, |w, long| {
            w.map(args.items.len());
            for column in &args.items {
                w.atom(column.name);
                cell(&record, column, long).write(w);
            }
        });
        Some(())
    }))
}

fn read_one(
    reader: &mut Reader,
    proc: BorrowedFd<'_>,
    tiers: Tiers,
    args: &ProcessArgs,
) -> Result<(), Vanished> {
    let process = reader.open(proc, args.pid, tiers)?;
    reader.read(proc, &process, tiers)?;
    if let Some(expected) = args.starttime {
        let started = reader.record().and_then(|r| r.starttime());
        if started != Some(expected.0) {
            return Err(Vanished);
        }
    }
    if reader.record().is_none_or(|r| r.is_thread()) { Err(Vanished) } else { Ok(()) }
}
