//! What each process used between two samples of its `stat`, and of its `io` if that is asked for.
//!
//! The descriptor of `stat` is kept from one sample to the next, as far as the policy lets descriptors be kept: it belongs to one
//! process for good, answers `ESRCH` when that has ended whoever has its pid by then, and saves the kernel the look-up. Without one
//! the file is opened anew, and is taken for the same process if it started at the same clock tick. Other files are opened by path
//! before `stat` is read: while `stat` can be read the pid is not given to another, so that they were of the same process.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::ids::Pid;
use crate::limits::{SMALL_FILE_MAX, STAT_MAX, STATUS_MAX};
use crate::proc::each;
use crate::proc::parse::io;
use crate::proc::parse::stat::{self, Stat};
use crate::proc::parse::status::{Status, StatusField};
use crate::proc::reader::Path;
use crate::sys::kept::Kept;
use crate::sys::piddir::PidDir;
use crate::sys::{clock, fd};
use crate::table::sample::{Sampled, Sampler, Samples, per_second, ratio};
use crate::table::{Context, Tally};

/// Hundredths of a per cent in a whole.
pub const WHOLE: u64 = 10_000;

/// What is kept of a process.
#[derive(Debug)]
pub struct Sample {
    pid: Pid,
    file: Option<Kept>,
    /// What stands for the process where no descriptor does.
    starttime: u64,
    /// Microseconds since the reader was made.
    at: u64,
    /// `utime`, `stime`, `minflt`, `majflt`, `read_bytes`, `write_bytes`; the last two are `NONE` where they are not known.
    counters: [u64; 6],
}

/// No counter gets there.
const NONE: u64 = u64::MAX;

impl Sampled for Sample {
    type Key = Pid;

    fn key(&self) -> Pid {
        self.pid
    }
}

/// A row: a process at its second sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Its pid.
    pub pid: u64,
    /// Field 22 of `stat`.
    pub starttime: u64,
    /// Its name.
    pub comm: Vec<u8>,
    /// Microseconds since the first; none: it was not sampled then.
    pub interval: Option<u64>,
    /// Processor time in user mode, and in the kernel: hundredths of a per cent of one processor.
    pub times: [Option<u64>; 2],
    /// Both.
    pub cpu: Option<u64>,
    /// Minor and major faults, and bytes from storage and to it, in a second.
    pub per_second: [Option<u64>; 4],
    /// Why nothing is known of what it read and wrote.
    pub io: Option<Errno>,
    /// There was no room to keep the first sample of it.
    pub left_out: bool,
}

/// Where pids come from.
#[derive(Debug)]
enum Pids {
    Listing(PidDir),
    Named { proc: OwnedFd, at: usize },
}

/// Samples processes.
#[derive(Debug)]
pub struct Processes {
    /// Only these, in ascending order; all, if `None`.
    named: Option<Vec<Pid>>,
    /// What they read and wrote is asked for.
    io: bool,
    ticks_per_second: u64,
    start: Instant,
    pids: Option<Pids>,
    /// The last pid of this sample.
    last: Option<Pid>,
    samples: Samples<Sample>,
    buffer: Vec<u8>,
}

/// What was read of a process.
#[derive(Debug)]
struct Found {
    length: usize,
    io: Result<[u64; 2], Errno>,
    at: u64,
}

const WHAT: &str = "reading /proc";

impl Processes {
    /// Of these processes, or of all.
    #[must_use]
    pub fn new(named: Option<Vec<Pid>>, io: bool, ticks_per_second: u64) -> Self {
        Self {
            named,
            io,
            ticks_per_second,
            start: Instant::now(),
            pids: None,
            last: None,
            samples: Samples::default(),
            buffer: vec![0; STAT_MAX],
        }
    }

    fn open(&self) -> Result<Pids, Errno> {
        let Some(named) = &self.named else {
            let mut listing = PidDir::open()?;
            if let Some(last) = self.last {
                listing.skip_to(last);
            }
            return Ok(Pids::Listing(listing));
        };
        let at = named.partition_point(|pid| Some(*pid) <= self.last);
        Ok(Pids::Named { proc: fd::open_directory(c"/proc")?, at })
    }

    /// The next process; nothing if it is gone, or the kernel does not show it.
    fn sample(&mut self, proc: BorrowedFd<'_>, pid: Pid, tally: &mut Tally) -> Option<Rate> {
        let mut vanished = 0_u64;
        while self.samples.gone_before(Some(pid)).is_some() {
            vanished = vanished.saturating_add(1);
        }
        let mut old = self.samples.take(pid);
        let mut found = Err(Errno::ESRCH);
        if let Some(file) = old.as_mut().and_then(|old| old.file.take()) {
            found = self.read(proc, pid, file.as_fd()).map(|found| (found, Some(file)));
            if found.is_err() {
                // Whoever has the pid now is another process.
                old = None;
                vanished = vanished.saturating_add(1);
            }
        }
        if found.is_err() {
            found = self.open_and_read(proc, pid, old.is_none());
        }
        tally.vanished = tally.vanished.saturating_add(vanished);
        let row = found.and_then(|(found, file)| {
            let bytes = self.buffer.get(..found.length).unwrap_or_default();
            let stat = stat::parse(bytes).ok_or(Errno::EPROTO)?;
            let same = old.filter(|old| old.starttime == stat.starttime);
            let sample = Sample {
                pid,
                file,
                starttime: stat.starttime,
                at: found.at,
                counters: counters(&stat, found.io.unwrap_or([NONE; 2])),
            };
            let mut row = rate(&stat, same.as_ref(), &sample, self.ticks_per_second);
            row.io = found.io.err();
            row.left_out = same.is_none() && self.samples.left_out();
            self.samples.keep(sample);
            Ok(row)
        });
        row.map_err(|errno| count(errno, tally)).ok()
    }

    /// Opens `stat`; of a process that was `unknown` only where its number is no thread's.
    fn open_and_read(
        &mut self,
        proc: BorrowedFd<'_>,
        pid: Pid,
        unknown: bool,
    ) -> Result<(Found, Option<Kept>), Errno> {
        let file = fd::open_read(proc, Path::of(pid, c"stat").as_c_str())?;
        if unknown && self.named.is_some() {
            let status = each::read(proc, Path::of(pid, c"status").as_c_str(), STATUS_MAX)?;
            let group = Status::new(&status, true).number(StatusField::Tgid);
            if group.is_some_and(|group| group != u64::from(pid.get())) {
                return Err(Errno::ESRCH);
            }
        }
        let found = self.read(proc, pid, file.as_fd())?;
        Ok((found, Kept::keep(file)))
    }

    /// Reads `io` and then `stat`: see above.
    fn read(&mut self, proc: BorrowedFd<'_>, pid: Pid, stat: BorrowedFd<'_>) -> Result<Found, Errno> {
        let io = if self.io { read_io(proc, pid) } else { Ok([NONE; 2]) };
        let length = fd::read_again(stat, &mut self.buffer)?;
        Ok(Found { length, io, at: clock::micros(self.start.elapsed()) })
    }
}

fn read_io(proc: BorrowedFd<'_>, pid: Pid) -> Result<[u64; 2], Errno> {
    let bytes = each::read_first(proc, Path::of(pid, c"io").as_c_str(), SMALL_FILE_MAX)?;
    let io = io::parse(&bytes);
    Ok([io.read_bytes.unwrap_or(NONE), io.write_bytes.unwrap_or(NONE)])
}

fn counters(stat: &Stat<'_>, [read, written]: [u64; 2]) -> [u64; 6] {
    [stat.utime, stat.stime, stat.minflt, stat.majflt, read, written]
}

/// A process that could not be read: it ended, or the kernel does not show that of it.
fn count(errno: Errno, tally: &mut Tally) {
    match errno {
        Errno::ESRCH | Errno::ENOENT => tally.vanished = tally.vanished.saturating_add(1),
        _ => tally.denied = tally.denied.saturating_add(1),
    }
}

/// What happened between two samples of one process.
#[must_use]
fn rate(stat: &Stat<'_>, before: Option<&Sample>, after: &Sample, ticks_per_second: u64) -> Rate {
    let mut row = Rate {
        pid: u64::from(after.pid.get()),
        starttime: stat.starttime,
        comm: stat.comm.to_vec(),
        interval: None,
        times: [None; 2],
        cpu: None,
        per_second: [None; 4],
        io: None,
        left_out: false,
    };
    let Some(before) = before else { return row };
    let interval = after.at.saturating_sub(before.at);
    let known = |counter: u64| Some(counter).filter(|counter| *counter != NONE);
    let [user, system, rest @ ..] = before.counters;
    let [user_now, system_now, rest_now @ ..] = after.counters;
    let used = [(user, user_now), (system, system_now)].map(|(before, after)| after.checked_sub(before));
    // Ticks of a second times a million are as many as ticks of a microsecond.
    let scale = WHOLE.saturating_mul(1_000_000);
    let of_one = |ticks: u64| ratio(ticks, scale, ticks_per_second.saturating_mul(interval));
    row.interval = Some(interval);
    row.times = used.map(|ticks| ticks.and_then(of_one));
    row.cpu = used[0].zip(used[1]).and_then(|(user, system)| of_one(user.saturating_add(system)));
    for (rate, (before, after)) in row.per_second.iter_mut().zip(rest.into_iter().zip(rest_now)) {
        *rate = per_second(known(before), known(after), interval);
    }
    row
}

impl Sampler<Rate> for Processes {
    fn begin(&mut self, _: &mut Context<'_>) -> Result<(), RequestError> {
        self.samples.begin();
        self.last = None;
        Ok(())
    }

    fn next(&mut self, _: &mut Context<'_>, tally: &mut Tally) -> Result<Option<Rate>, RequestError> {
        let failed = |errno: Errno| RequestError::Posix(errno as i32, WHAT);
        let mut pids = match self.pids.take() {
            Some(pids) => pids,
            None => self.open().map_err(failed)?,
        };
        loop {
            let pid = match &mut pids {
                Pids::Listing(listing) => listing.next_pid().map_err(failed)?,
                Pids::Named { at, .. } => {
                    let pid = self.named.as_ref().and_then(|named| named.get(*at)).copied();
                    *at = at.saturating_add(1);
                    pid
                }
            };
            let Some(pid) = pid else { break };
            self.last = Some(pid);
            let row = match &pids {
                Pids::Listing(listing) => self.sample(listing.fd(), pid, tally),
                Pids::Named { proc, .. } => self.sample(proc.as_fd(), pid, tally),
            };
            if row.is_some() {
                self.pids = Some(pids);
                return Ok(row);
            }
        }
        while self.samples.gone_before(None).is_some() {
            tally.vanished = tally.vanished.saturating_add(1);
        }
        // What would be opened again at the next call is at its end.
        self.pids = Some(pids);
        Ok(None)
    }

    fn end(&mut self) {
        self.pids = None;
    }

    fn park(&mut self) {
        self.pids = None;
    }
}

#[cfg(test)]
mod tests;
