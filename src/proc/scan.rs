//! Reading processes on a permit: one at once, or the table in slices that pause between rows.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;

use crate::ids::Pid;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_ROWS_MAX};
use crate::policy::permit::Permit;
use crate::proc::action::{ReadProcesses, Tier, Tiers};
use crate::proc::args::{ProcessArgs, ProcessesArgs};
use crate::proc::reader::{Reader, Record, Vanished};
use crate::sys::capset::{self, Raised};
use crate::sys::fd;
use crate::sys::piddir::PidDir;
use crate::wire::write::Writer;

/// What a scan has met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that met the conditions.
    pub rows: u64,
    /// Processes that ended while they were read.
    pub vanished: u64,
    /// Cells that the kernel denied.
    pub denied: u64,
    /// Cells that were cut.
    pub cut: u64,
    /// `limit` ended the scan.
    pub truncated: bool,
}

/// How a slice of a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Time is up; the chunk has room.
    Paused,
    /// The chunk is full.
    Full,
    /// There are no more processes.
    End,
}

/// A chunk of rows in the making.
#[derive(Debug, Default)]
pub struct Chunk {
    rows: Writer,
    count: usize,
    /// Where the last row begins.
    last: usize,
}

impl Chunk {
    /// The encoded rows and their number.
    #[must_use]
    pub fn rows(&self) -> (&[u8], usize) {
        (self.rows.bytes(), self.count)
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.count = 0;
        self.last = 0;
    }
}

/// A running scan of the process table.
#[derive(Debug)]
pub struct Scan {
    permit: Permit<ReadProcesses>,
    args: ProcessesArgs,
    pids: Pids,
    reader: Reader,
    tally: Tally,
    carried: Option<Vec<u8>>,
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
    /// Starts a scan.
    pub fn start(permit: Permit<ReadProcesses>, mut args: ProcessesArgs) -> Result<Self, Errno> {
        let pids = match args.pids.take() {
            Some(pids) => Pids::Named { proc: fd::open_directory(c"/proc")?, pids: pids.into_iter() },
            None => Pids::Listing(PidDir::open()?),
        };
        let reader = Reader::new(args.cell_max);
        Ok(Self { permit, args, pids, reader, tally: Tally::default(), carried: None })
    }

    /// What was asked.
    #[must_use]
    pub fn args(&self) -> &ProcessesArgs {
        &self.args
    }

    /// What it has met so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Adds rows to `chunk` until it is full, the table ends, or it is `until`.
    pub fn slice(&mut self, chunk: &mut Chunk, until: Instant) -> Result<Slice, Errno> {
        let _raised = raise(&self.permit)?;
        if let Some(row) = self.carried.take() {
            chunk.rows.raw(&row);
            chunk.count = chunk.count.saturating_add(1);
        }
        loop {
            if chunk.count >= CHUNK_ROWS_MAX || chunk.rows.len() >= CHUNK_BYTES_MAX {
                return Ok(Slice::Full);
            }
            if self.args.limit.is_some_and(|limit| self.tally.rows >= limit) {
                self.tally.truncated = true;
                return Ok(Slice::End);
            }
            let Some(pid) = self.pids.next_pid()? else { return Ok(Slice::End) };
            match self.row(pid, chunk) {
                Ok(true) if self.carry_over(chunk) => return Ok(Slice::Full),
                Ok(_) => {}
                Err(Vanished) => self.tally.vanished = self.tally.vanished.saturating_add(1),
            }
            if Instant::now() >= until {
                return Ok(Slice::Paused);
            }
        }
    }

    /// Reads one process and writes its row, if it meets the conditions.
    fn row(&mut self, pid: Pid, chunk: &mut Chunk) -> Result<bool, Vanished> {
        let Self { permit, args, pids, reader, tally, .. } = self;
        let (proc, tiers) = (pids.proc(), permit.action().tiers());
        let opened = reader.open(proc, pid, tiers);
        if opened.is_err() && matches!(pids, Pids::Named { .. }) {
            // A pid that the client named need not be a process at all.
            return Ok(false);
        }
        let process = opened?;
        let meets = |record: &Record<'_>, first, last| {
            let mut due = args.conditions.iter().filter(|(c, _)| (first..=last).contains(&c.tier));
            due.all(|(column, condition)| condition.met_by(&record.value(column)))
        };
        // The cheap files first: most conditions are about them, and spare the others.
        reader.read(proc, &process, tiers, Tier::Listing..=Tier::Stat)?;
        if !args.conditions.is_empty()
            && !reader.record().is_some_and(|r| meets(&r, Tier::Listing, Tier::Stat))
        {
            return Ok(false);
        }
        reader.read(proc, &process, tiers, Tier::Cmdline..=Tier::Environ)?;
        let Some(record) = reader.record() else { return Err(Vanished) };
        if matches!(pids, Pids::Named { .. }) && record.is_thread() {
            return Ok(false);
        }
        if !meets(&record, Tier::Cmdline, Tier::Environ) {
            return Ok(false);
        }
        write_row(&record, args, chunk, tally);
        Ok(true)
    }

    /// Takes the last row out of a chunk that it made too long, unless it is the only one.
    fn carry_over(&mut self, chunk: &mut Chunk) -> bool {
        let too_long = chunk.rows.len() > CHUNK_BYTES_MAX && chunk.count > 1;
        if too_long {
            self.carried = Some(chunk.rows.split_tail(chunk.last));
            chunk.count -= 1;
        }
        too_long
    }
}

fn write_row(record: &Record<'_>, args: &ProcessesArgs, chunk: &mut Chunk, tally: &mut Tally) {
    chunk.last = chunk.rows.len();
    chunk.count = chunk.count.saturating_add(1);
    chunk.rows.tuple(args.columns.len());
    for column in &args.columns {
        let value = record.value(column);
        tally.denied = tally.denied.saturating_add(u64::from(value.is_denied()));
        tally.cut = tally.cut.saturating_add(u64::from(value.is_cut()));
        value.write(&mut chunk.rows);
    }
    tally.rows = tally.rows.saturating_add(1);
}

fn raise(permit: &Permit<ReadProcesses>) -> Result<Option<Raised>, Errno> {
    capset::raise(permit.capabilities())
}

/// Reads one process and writes a map from item to cell. `Ok(None)`: there is no such process.
pub fn process(
    permit: Permit<ReadProcesses>,
    args: &ProcessArgs,
    w: &mut Writer,
) -> Result<Option<()>, Errno> {
    let _raised = raise(&permit)?;
    let proc = fd::open_directory(c"/proc")?;
    let mut reader = Reader::new(args.cell_max);
    let tiers = permit.action().tiers();
    Ok(read_one(&mut reader, proc.as_fd(), tiers, args).ok().and_then(|()| {
        let record = reader.record()?;
        w.map(args.items.len());
        for column in &args.items {
            w.atom(column.name);
            record.value(column).write(w);
        }
        Some(())
    }))
}

fn read_one(
    reader: &mut Reader,
    proc: BorrowedFd<'_>,
    tiers: Tiers,
    args: &ProcessArgs,
) -> Result<(), Vanished> {
    // Always through a reference: with the identity checked first, nothing of another process can follow.
    let process = reader.open(proc, args.pid, tiers)?;
    reader.read(proc, &process, tiers, Tier::Listing..=Tier::Stat)?;
    if let Some(expected) = args.starttime {
        let started = reader.record().and_then(|r| r.starttime());
        if started != Some(expected.0) {
            return Err(Vanished);
        }
    }
    reader.read(proc, &process, tiers, Tier::Cmdline..=Tier::Environ)?;
    if reader.record().is_none_or(|r| r.is_thread()) { Err(Vanished) } else { Ok(()) }
}
