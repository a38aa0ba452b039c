//! Tables with rows of each process: one process after the other, and what it has piece by piece. Everything of one process is opened
//! through one reference to its directory, so that no row mixes two that had the same pid.
#![forbid(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::error::RequestError;
use crate::ids::Pid;
use crate::limits::{STAT_MAX, STATUS_MAX};
use crate::proc::parse::stat;
use crate::proc::parse::status::{Status, StatusField};
use crate::sys::fd;
use crate::sys::piddir::PidDir;
use crate::table::condition::{Condition, Want};
use crate::table::{Context, Opened, Reader, Tally, Wanted};
use crate::wire::atoms;

/// A process that is being read.
#[derive(Debug)]
pub struct Here {
    /// Its pid.
    pub pid: Pid,
    /// When it started; 0 if nobody wants to know.
    pub starttime: u64,
    directory: OwnedFd,
}

impl Here {
    /// Its directory in `/proc`, as a mere reference.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// A file of it, up to `max` bytes; what is longer is an error, as a part would pass for all of it.
    pub fn read(&self, name: &std::ffi::CStr, max: usize) -> Result<Vec<u8>, Errno> {
        read(self.directory(), name, max)
    }
}

/// A file below a directory, whole.
pub fn read(directory: BorrowedFd<'_>, name: &std::ffi::CStr, max: usize) -> Result<Vec<u8>, Errno> {
    let file = fd::open_read(directory, name)?;
    let mut bytes = vec![0; max.saturating_add(1)];
    let mut filled = 0;
    // A short read is not the end of every file of the kernel's.
    loop {
        let end = fd::read_on(&file, &mut bytes, filled)?;
        if end > max {
            return Err(Errno::EFBIG);
        }
        if end == filled {
            bytes.truncate(end);
            return Ok(bytes);
        }
        filled = end;
    }
}

/// The first `max` bytes of a file below a directory.
pub fn read_first(directory: BorrowedFd<'_>, name: &std::ffi::CStr, max: usize) -> Result<Vec<u8>, Errno> {
    let file = fd::open_read(directory, name)?;
    let mut bytes = vec![0; max];
    let length = fd::read_on(&file, &mut bytes, 0)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// What one process has.
pub trait PerProcess<R>: fmt::Debug {
    /// Turns to a process. An error: it is gone, or the kernel does not show it.
    fn enter(&mut self, here: &Here) -> Result<(), Errno>;
    /// The next row of it; nothing at its end.
    fn next(&mut self, here: &Here) -> Result<Option<R>, Errno>;
}

/// Where pids come from.
#[derive(Debug)]
enum Pids {
    Listing(PidDir),
    Named { proc: OwnedFd, pids: std::vec::IntoIter<Pid> },
}

/// A reader of each process.
#[derive(Debug)]
struct Each<P> {
    pids: Pids,
    starttime: bool,
    part: P,
    here: Option<Here>,
}

/// Begins to read what `part` is of each process, or of those that a condition on the column `pid` names.
pub fn open<R: 'static, P: PerProcess<R> + 'static>(wanted: &Wanted<'_, R>, part: P) -> Opened<R> {
    let failed = |errno: Errno| RequestError::Posix(errno as i32, "reading /proc");
    let pids = match wanted.condition(atoms::PID).and_then(named) {
        Some(pids) => {
            Pids::Named { proc: fd::open_directory(c"/proc").map_err(failed)?, pids: pids.into_iter() }
        }
        None => Pids::Listing(PidDir::open().map_err(failed)?),
    };
    Ok(Box::new(Each { pids, starttime: wanted.has(atoms::STARTTIME), part, here: None }))
}

/// The pids that a condition names one by one, in ascending order. Numbers that no process can have are met by none.
#[must_use]
pub fn named(condition: &Condition) -> Option<Vec<Pid>> {
    let Condition::AnyOf(wants) = condition else { return None };
    let number = |want: &Want| if let Want::Number(n) = want { u32::try_from(*n).ok() } else { None };
    let mut pids: Vec<Pid> = wants.iter().filter_map(number).filter_map(Pid::new).collect();
    pids.sort_unstable();
    pids.dedup();
    Some(pids)
}

impl<P> Each<P> {
    /// Opens the next process; nothing when there is none.
    fn next_process(&mut self) -> Result<Option<Result<Here, Errno>>, Errno> {
        let (pid, proc, named) = match &mut self.pids {
            Pids::Listing(dir) => (dir.next_pid()?, dir.fd(), false),
            Pids::Named { proc, pids } => (pids.next(), (*proc).as_fd(), true),
        };
        Ok(pid.map(|pid| self::enter(proc, pid, self.starttime, named)))
    }
}

fn enter(proc: BorrowedFd<'_>, pid: Pid, starttime: bool, named: bool) -> Result<Here, Errno> {
    let name = std::ffi::CString::new(pid.get().to_string()).map_err(|_| Errno::EINVAL)?;
    let directory = fd::open_directory_path(proc, &name, false)?;
    // /proc has a directory for each thread, though it lists processes only.
    if named {
        let status = read(directory.as_fd(), c"status", STATUS_MAX)?;
        let group = Status::new(&status, true).number(StatusField::Tgid);
        if group.is_some_and(|group| group != u64::from(pid.get())) {
            return Err(Errno::ESRCH);
        }
    }
    let starttime = if starttime {
        let line = read(directory.as_fd(), c"stat", STAT_MAX)?;
        stat::parse(&line).ok_or(Errno::EPROTO)?.starttime
    } else {
        0
    };
    Ok(Here { pid, starttime, directory })
}

/// Processes without a row between two pauses.
const STEPS: usize = 64;

impl<R, P: PerProcess<R>> Reader<R> for Each<P> {
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<R>, RequestError> {
        for _ in 0..STEPS {
            if let Some(here) = &self.here {
                match self.part.next(here) {
                    Ok(Some(row)) => return Ok(Some(row)),
                    Ok(None) => {}
                    Err(errno) => count(errno, tally)?,
                }
                self.here = None;
            }
            let next = self.next_process();
            let Some(next) = next.map_err(|e| RequestError::Posix(e as i32, "reading /proc"))? else {
                return Ok(None);
            };
            match next.and_then(|here| self.part.enter(&here).map(|()| here)) {
                Ok(here) => self.here = Some(here),
                Err(errno) => count(errno, tally)?,
            }
        }
        context.later();
        Ok(None)
    }
}

/// A process that could not be read: it ended, or the kernel does not show that of it. What this program lacks itself is no reason to
/// leave a process out in silence.
fn count(errno: Errno, tally: &mut Tally) -> Result<(), RequestError> {
    match errno {
        Errno::ESRCH | Errno::ENOENT => tally.vanished = tally.vanished.saturating_add(1),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => {
            return Err(RequestError::Posix(errno as i32, "reading /proc"));
        }
        _ => tally.denied = tally.denied.saturating_add(1),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_process_is_left_out_because_there_is_no_room_to_look_at_it() {
        let mut tally = Tally::default();
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM] {
            assert_eq!(count(errno, &mut tally), Err(RequestError::Posix(errno as i32, "reading /proc")));
        }
        assert_eq!(tally, Tally::default());
        for errno in [Errno::EACCES, Errno::ESRCH, Errno::ENOENT, Errno::EPERM] {
            assert_eq!(count(errno, &mut tally), Ok(()));
        }
        assert_eq!((tally.vanished, tally.denied), (2, 2));
    }
}
