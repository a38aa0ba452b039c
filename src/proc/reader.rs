//! Reads the files of one process and keeps them until the next. Where more than one file is read, a row never mixes two
//! processes that had the same pid: either `stat` is opened before all others and read after them, or, where it is not among
//! them, all are opened through one reference to the directory. An open `stat` belongs to one process for good, and while it
//! can be read the kernel gives that pid to no other, so that whatever was opened by it in between was of the same process.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use crate::ids::Pid;
use crate::limits::{ENVIRON_MAX, SMALL_FILE_MAX, STAT_MAX, STATUS_MAX, STATUS_USUAL};
use crate::proc::action::{Tier, Tiers};
use crate::proc::columns::{Column, Source};
use crate::proc::parse::io::Io;
use crate::proc::parse::limits::ProcessLimits;
use crate::proc::parse::stat::Stat;
use crate::proc::parse::status::{Status, StatusField};
use crate::proc::parse::{cmdline, environ, io, limits, stat};
use crate::proc::value::Value;
use crate::sys::{fd, process};

/// The process ended before it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanished;

/// Buffers for one process at a time.
#[derive(Debug)]
pub struct Reader {
    cell_max: usize,
    /// The environment variables whose values are shown.
    shown: Arc<[Vec<u8>]>,
    page_size: u64,
    pid: Option<Pid>,
    owner: Option<(u32, u32)>,
    files: [File; FILES],
}

const FILES: usize = Tier::Environ as usize + 1;

/// What most conditions are about; `stat` is the last of it.
pub(super) const CHEAP: RangeInclusive<Tier> = Tier::Listing..=Tier::Stat;

/// What else there is.
pub(super) const DEAR: RangeInclusive<Tier> = Tier::Cmdline..=Tier::Environ;

/// A file as it was read last.
#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outcome {
    #[default]
    Unread,
    /// So many bytes; with `cut`, there were more.
    Read {
        length: usize,
        cut: bool,
    },
    Failed(Errno),
    /// There is no such thing for this process.
    Absent,
}

/// What is known of the process that was read last. Parsed once, looked up by column.
#[derive(Debug)]
pub struct Record<'a> {
    pid: Pid,
    page_size: u64,
    owner: Option<(u32, u32)>,
    files: &'a [File; FILES],
    shown: &'a [Vec<u8>],
    stat: Option<Stat<'a>>,
    status: Option<Status<'a>>,
    io: Option<Io>,
    limits: Option<ProcessLimits>,
}

impl Reader {
    /// A reader whose variable cells hold `cell_max` bytes, and that shows the values of the environment variables `shown`.
    #[must_use]
    pub fn new(cell_max: usize, shown: Arc<[Vec<u8>]>) -> Self {
        let files = std::array::from_fn(|_| File::default());
        Self { cell_max, shown, page_size: process::page_size(), pid: None, owner: None, files }
    }

    /// Turns to the process `pid` below `proc` and reads nothing yet.
    pub fn open(&mut self, proc: BorrowedFd<'_>, pid: Pid, tiers: Tiers) -> Result<Process, Vanished> {
        self.pid = Some(pid);
        self.owner = None;
        self.files.iter_mut().for_each(|f| f.outcome = Outcome::Unread);
        if tiers.only_listing() || tiers.single().is_some_and(|t| t != Tier::Cmdline) {
            return Ok(Process::Named);
        }
        if tiers.has(Tier::Stat) {
            // Where that fails it may be there all the same: `hidepid` refuses its files, or denies them.
            if let Ok(stat) = fd::open_read(proc, Path::of(pid, c"stat").as_c_str()) {
                return Ok(Process::Stat(stat));
            }
        }
        let directory =
            fd::open_directory_path(proc, Path::of(pid, c"").as_c_str(), false).map_err(|_| Vanished)?;
        Ok(Process::Directory(directory))
    }

    /// Reads all files of `tiers`.
    pub fn read(&mut self, proc: BorrowedFd<'_>, process: &Process, tiers: Tiers) -> Result<(), Vanished> {
        self.read_span(proc, process, tiers, DEAR)?;
        self.read_span(proc, process, tiers, CHEAP)
    }

    /// Reads the cheap files of `tiers` only. If that spares the others, nothing is left to be done.
    pub fn read_cheap(
        &mut self,
        proc: BorrowedFd<'_>,
        process: &Process,
        tiers: Tiers,
    ) -> Result<(), Vanished> {
        self.read_span(proc, process, tiers, CHEAP)
    }

    /// Reads the files that [`Self::read_cheap`] left.
    pub fn read_rest(
        &mut self,
        proc: BorrowedFd<'_>,
        process: &Process,
        tiers: Tiers,
    ) -> Result<(), Vanished> {
        self.read_span(proc, process, tiers, DEAR)?;
        match process {
            Process::Stat(stat) if Tier::ALL.iter().any(|t| DEAR.contains(t) && tiers.has(*t)) => {
                fd::read_again(stat.as_fd(), &mut [0]).map(drop).map_err(|_| Vanished)
            }
            _ => Ok(()),
        }
    }

    fn read_span(
        &mut self,
        proc: BorrowedFd<'_>,
        process: &Process,
        tiers: Tiers,
        span: RangeInclusive<Tier>,
    ) -> Result<(), Vanished> {
        let wanted = Tier::ALL.iter().copied().filter(|t| tiers.has(*t) && span.contains(t));
        for tier in wanted {
            self.read_tier(proc, process, tier)?;
            if tier == Tier::Cmdline && !tiers.has(Tier::Stat) && self.is_empty(tier) {
                // Only `stat` tells a process without arguments from one that cannot have any.
                self.read_tier(proc, process, Tier::Stat)?;
            }
        }
        Ok(())
    }

    /// Whether there is such a process still. With `stat` open, who it is shows when that is read.
    fn alive(&self, proc: BorrowedFd<'_>, process: &Process) -> bool {
        match (process, self.pid) {
            (Process::Directory(directory), _) => fd::stat_at(directory.as_fd(), c"stat").is_ok(),
            (_, Some(pid)) => fd::stat_at(proc, Path::of(pid, c"stat").as_c_str()).is_ok(),
            (_, None) => false,
        }
    }

    fn read_tier(&mut self, proc: BorrowedFd<'_>, process: &Process, tier: Tier) -> Result<(), Vanished> {
        let Some((name, max)) = self.file(tier) else {
            if tier == Tier::Owner {
                self.owner = Some(self.read_owner(proc, process)?);
            }
            return Ok(());
        };
        let result = match process {
            Process::Stat(stat) if tier == Tier::Stat => self.fill_from(stat, tier, max),
            Process::Directory(directory) => self.fill(directory.as_fd(), name, tier, max),
            Process::Named | Process::Stat(_) => {
                let pid = self.pid.ok_or(Vanished)?;
                self.fill(proc, Path::of(pid, name).as_c_str(), tier, max)
            }
        };
        let outcome = match result {
            Ok((length, cut)) => Outcome::Read { length, cut },
            Err(Errno::ENOENT | Errno::ESRCH) if tier == Tier::Stat || !self.alive(proc, process) => {
                return Err(Vanished);
            }
            Err(Errno::ENOENT | Errno::ESRCH) => Outcome::Absent,
            Err(e) => Outcome::Failed(e),
        };
        if let Some(file) = self.files.get_mut(tier as usize) {
            file.outcome = outcome;
        }
        Ok(())
    }

    fn read_owner(&self, proc: BorrowedFd<'_>, process: &Process) -> Result<(u32, u32), Vanished> {
        let st = match (process, self.pid) {
            (Process::Directory(directory), _) => fd::stat(directory.as_fd()),
            (_, Some(pid)) => fd::stat_at(proc, Path::of(pid, c"").as_c_str()),
            (_, None) => Err(Errno::ESRCH),
        };
        st.map(|st| (st.st_uid, st.st_gid)).map_err(|_| Vanished)
    }

    /// The name of a tier's file and how much of it is read.
    fn file(&self, tier: Tier) -> Option<(&'static CStr, usize)> {
        match tier {
            Tier::Listing | Tier::Owner => None,
            Tier::Stat => Some((c"stat", STAT_MAX)),
            Tier::Cmdline => Some((c"cmdline", self.cell_max)),
            Tier::Status => Some((c"status", STATUS_MAX)),
            Tier::Limits => Some((c"limits", SMALL_FILE_MAX)),
            Tier::Exe => Some((c"exe", self.cell_max)),
            Tier::Cwd => Some((c"cwd", self.cell_max)),
            Tier::Root => Some((c"root", self.cell_max)),
            Tier::Io => Some((c"io", SMALL_FILE_MAX)),
            Tier::Environ => Some((c"environ", self.cell_max)),
        }
    }

    fn fill(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        tier: Tier,
        max: usize,
    ) -> Result<(usize, bool), Errno> {
        let Some(file) = self.files.get_mut(tier as usize) else { return Err(Errno::EINVAL) };
        if matches!(tier, Tier::Exe | Tier::Cwd | Tier::Root) {
            file.bytes = fd::read_link(dir, name)?;
            return Ok((file.bytes.len().min(max), file.bytes.len() > max));
        }
        self.fill_from(&fd::open_read(dir, name)?, tier, max)
    }

    fn fill_from(&mut self, open: &OwnedFd, tier: Tier, max: usize) -> Result<(usize, bool), Errno> {
        let Some(file) = self.files.get_mut(tier as usize) else { return Err(Errno::EINVAL) };
        // The NUL that ends the last argument is not a part of the cell.
        let kept = match tier {
            Tier::Cmdline => max.saturating_add(1),
            // What is not shown of it takes no room in the cell.
            Tier::Environ => ENVIRON_MAX,
            _ => max,
        };
        // One byte more than is kept says whether there was more.
        let most = kept.saturating_add(1);
        file.bytes.resize(if tier == Tier::Status { STATUS_USUAL } else { most }, 0);
        let mut length = fd::read_on(open, &mut file.bytes, 0)?;
        if length == file.bytes.len() && length < most {
            file.bytes.resize(most, 0);
            length = fd::read_on(open, &mut file.bytes, length)?;
        }
        if tier == Tier::Environ {
            let bytes = file.bytes.get(..length.min(kept)).unwrap_or_default();
            return Ok(environ::part(bytes, &self.shown, length > kept, max));
        }
        let ended = file.bytes.get(max).is_none_or(|byte| *byte == 0);
        let cut = length > kept || (length > max && !ended);
        Ok((if cut { max } else { length }, cut))
    }

    fn is_empty(&self, tier: Tier) -> bool {
        let outcome = self.files.get(tier as usize).map(|f| f.outcome);
        outcome == Some(Outcome::Read { length: 0, cut: false })
    }

    /// What was read, parsed.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        let pid = self.pid?;
        let content = |tier: Tier| self.files.get(tier as usize).and_then(File::content);
        let status = content(Tier::Status).map(|(bytes, cut)| Status::new(bytes, !cut));
        Some(Record {
            pid,
            page_size: self.page_size,
            owner: self.owner,
            files: &self.files,
            shown: &self.shown,
            stat: content(Tier::Stat).and_then(|(bytes, _)| stat::parse(bytes)),
            status,
            io: content(Tier::Io).map(|(bytes, _)| io::parse(bytes)),
            limits: content(Tier::Limits).and_then(|(bytes, _)| limits::parse(bytes)),
        })
    }
}

impl File {
    fn content(&self) -> Option<(&[u8], bool)> {
        match self.outcome {
            Outcome::Read { length, cut } => self.bytes.get(..length).map(|bytes| (bytes, cut)),
            Outcome::Unread | Outcome::Failed(_) | Outcome::Absent => None,
        }
    }
}

impl Record<'_> {
    /// When it started, if `stat` was read.
    #[must_use]
    pub fn starttime(&self) -> Option<u64> {
        self.stat.as_ref().map(|s| s.starttime)
    }

    /// Whether the number that was asked for is a thread's: `/proc` has a directory for each, though it lists processes
    /// only. Known if `status` was read.
    #[must_use]
    pub fn is_thread(&self) -> bool {
        let group = self.status.as_ref().and_then(|s| s.number(StatusField::Tgid));
        group.is_some_and(|tgid| tgid != u64::from(self.pid.get()))
    }

    /// The value of a column.
    #[must_use]
    pub fn value(&self, column: &Column) -> Value<'_> {
        let Some(file) = self.files.get(column.tier as usize) else { return Value::Undefined };
        match file.outcome {
            Outcome::Failed(e) => return Value::Denied(e as i32),
            Outcome::Absent => return Value::Undefined,
            Outcome::Unread | Outcome::Read { .. } => {}
        }
        let found = match column.source {
            Source::Pid => Some(Value::Unsigned(u64::from(self.pid.get()))),
            Source::Uid => self.owner.map(|(uid, _)| Value::Unsigned(u64::from(uid))),
            Source::Gid => self.owner.map(|(_, gid)| Value::Unsigned(u64::from(gid))),
            Source::Stat(get) => self.stat.as_ref().map(get),
            Source::StatPages(get) => {
                self.stat.as_ref().map(|s| Value::Unsigned(get(s).saturating_mul(self.page_size)))
            }
            Source::Status(field) => self.status.as_ref().and_then(|s| s.number(field)).map(Value::Unsigned),
            Source::Groups => self.status.as_ref().filter(|s| s.has_groups()).map(Value::Groups),
            Source::Io(get) => self.io.as_ref().and_then(get).map(Value::Unsigned),
            Source::Limits => self.limits.as_ref().map(Value::Limits),
            Source::Cmdline | Source::Argv | Source::Link | Source::Environ => {
                return self.text(column.source, file);
            }
        };
        found.unwrap_or(match file.outcome {
            // The line that was asked for may stand in the part that was not read.
            Outcome::Read { cut: true, .. } => Value::Denied(Errno::EOVERFLOW as i32),
            _ => Value::Undefined,
        })
    }

    fn text<'a>(&'a self, source: Source, file: &'a File) -> Value<'a> {
        let Some((bytes, cut)) = file.content() else { return Value::Undefined };
        let memory = !self.stat.as_ref().is_some_and(Stat::has_no_memory);
        match source {
            _ if bytes.is_empty() && !memory => Value::Undefined,
            Source::Argv => Value::Arguments { bytes, cut },
            Source::Environ => Value::Variables { bytes, cut, shown: self.shown },
            _ if cut => Value::Cut(bytes),
            Source::Cmdline => Value::Bytes(cmdline::trimmed(bytes)),
            _ => Value::Bytes(bytes),
        }
    }
}

/// A process whose files are read, and what says that they are of one.
#[derive(Debug)]
pub enum Process {
    /// Nothing: it is one file at most.
    Named,
    /// Its `stat`, which is read last.
    Stat(OwnedFd),
    /// Its directory.
    Directory(OwnedFd),
}

/// `PID/name`, or `PID` alone, on the stack.
pub(super) struct Path {
    bytes: [u8; Self::ROOM],
}

impl Path {
    /// A pid of seven digits, a slash, the longest file name, NUL.
    const ROOM: usize = 24;

    pub(super) fn of(pid: Pid, name: &CStr) -> Self {
        let mut bytes = [0; Self::ROOM];
        let mut digits = [0; 10];
        let mut n = pid.get();
        let mut first = digits.len();
        while let Some(slot) = first.checked_sub(1).filter(|_| n > 0).and_then(|at| digits.get_mut(at)) {
            *slot = b'0' + u8::try_from(n % 10).unwrap_or(0);
            n /= 10;
            first -= 1;
        }
        let slash: &[u8] = if name.is_empty() { b"" } else { b"/" };
        let text = digits.get(first..).unwrap_or_default().iter().chain(slash).chain(name.to_bytes());
        // The last byte stays NUL; every name of this file leaves room.
        for (slot, byte) in bytes.iter_mut().take(Self::ROOM - 1).zip(text) {
            *slot = *byte;
        }
        Self { bytes }
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_they_would_be_by_hand() {
        let path = |n, name| Path::of(Pid::new(n).unwrap(), name).as_c_str().to_owned();
        assert_eq!(path(1, c""), c"1".to_owned());
        assert_eq!(path(4_194_304, c"environ"), c"4194304/environ".to_owned());
        assert_eq!(path(1000, c"stat"), c"1000/stat".to_owned());
    }
}
