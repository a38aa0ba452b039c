//! The end of one process, by a descriptor of it (pidfd_open(2)), which stays that process's when its number is used again.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::connector::write_status;
use crate::error::RequestError;
use crate::ids::{Pid, StartTime};
use crate::kernel::file;
use crate::limits::REAP_MAX_MS;
use crate::proc::parse::stat;
use crate::sys::pidfd::{self, Left};
use crate::wire::atoms;
use crate::wire::write::Writer;

const WHAT: &str = "a descriptor of the process";

/// A process whose end is waited for.
#[derive(Debug)]
pub struct Exit {
    pid: Pid,
    started: u64,
    fd: OwnedFd,
    /// Since it has ended: when its parent is given up, and when it is looked at next.
    ended: Option<(Instant, Instant)>,
}

impl Exit {
    /// Waits for the end of the process of this pid: the one that started then, if that is told.
    ///
    /// # Errors
    /// If there is none, or no longer that one.
    pub fn of(pid: Pid, starttime: Option<StartTime>) -> Result<Self, RequestError> {
        let fd = pidfd::open(pid).map_err(|e| match e {
            // Of a thread that is not the first of its process it is EINVAL, and later ENOENT.
            Errno::ESRCH | Errno::EINVAL | Errno::ENOENT => RequestError::NoProcess,
            e => RequestError::Posix(e as i32, WHAT),
        })?;
        // Who has the number after the descriptor was made and started at the time that the client knows from before has had it
        // all the while.
        let started = started(pid).ok_or(RequestError::NoProcess)?;
        if starttime.is_some_and(|expected| expected.0 != started) {
            return Err(RequestError::NoProcess);
        }
        Ok(Self { pid, started, fd, ended: None })
    }

    /// The descriptor, while its end is waited for.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        if self.ended.is_none() { Some(self.fd.as_fd()) } else { None }
    }

    /// When it is to be looked at though nothing has come.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.ended.map(|(_, next)| next)
    }

    /// Looks whether it has ended: how, as wait(2) has it, where that can be known. The kernel tells strangers when the parent has been told.
    pub fn look(&mut self, now: Instant) -> Option<Option<u32>> {
        let (until, next) = match self.ended {
            None if !pidfd::has_ended(self.fd.as_fd()) => return None,
            None => (now + Duration::from_millis(REAP_MAX_MS), now),
            Some(ended) => ended,
        };
        if now < next {
            return None;
        }
        match pidfd::left(self.fd.as_fd()) {
            Left::Status(status) => Some(Some(status)),
            Left::Unknown => Some(None),
            Left::Unreaped if now >= until => Some(None),
            Left::Unreaped => {
                // Twice as late each time: some ten looks.
                let gone = now.saturating_duration_since(until - Duration::from_millis(REAP_MAX_MS));
                let pause = gone.clamp(Duration::from_millis(1), Duration::from_millis(REAP_MAX_MS));
                self.ended = Some((until, (now + pause).min(until)));
                None
            }
        }
    }

    /// Writes that it has ended.
    pub fn write(&self, status: Option<u32>, w: &mut Writer) {
        w.map(5);
        w.atom(atoms::KIND);
        w.atom(atoms::EXIT);
        w.atom(atoms::PID);
        w.uint(self.pid.get().into());
        w.atom(atoms::STARTTIME);
        w.uint(self.started);
        write_status(status, w);
    }
}

/// When the process of this number started.
fn started(pid: Pid) -> Option<u64> {
    let path = CString::new(format!("/proc/{}/stat", pid.get())).ok()?;
    let bytes = file::whole(&path).ok()?;
    stat::parse(&bytes).map(|stat| stat.starttime)
}
