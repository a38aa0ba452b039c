//! The files that are open for the client of this copy. A permit opens one; after that its handle is all that is needed,
//! and the bytes that the permit allows are counted here.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::capability::Capabilities;
use crate::error::{Denial, RequestError};
use crate::file::action::ReadFile;
use crate::file::args::{FileReadArgs, Handle};
use crate::file::walk;
use crate::limits::HANDLES_MAX;
use crate::measure::{Measure, in_force};
use crate::policy::permit::Permit;
use crate::sys::capset;
use crate::sys::regular::Regular;
use crate::wire::atoms;
use crate::wire::write::Writer;

/// The open files.
#[derive(Debug)]
pub struct Handles {
    open: Vec<Open>,
    /// How long one may lie idle.
    idle: Duration,
    /// The last number that was given. None is given twice: a client that comes too late must not read another file.
    last: u64,
}

#[derive(Debug)]
struct Open {
    handle: Handle,
    file: Regular,
    permitted: ReadFile,
    /// Bytes that were read so far.
    read: u64,
    /// Where a read without an offset goes on.
    next: u64,
    /// When it was opened, or read from last.
    used: Instant,
}

/// What the client is told about a file that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What to read it by.
    pub handle: Handle,
    /// Bytes in it now.
    pub size: u64,
    /// Last change: Unix time in seconds.
    pub mtime: i64,
}

impl Opened {
    /// Writes it as a map.
    pub fn write(&self, w: &mut Writer) {
        let Self { handle, size, mtime } = *self;
        w.map(3);
        w.atom(atoms::HANDLE);
        w.uint(handle.0);
        w.atom(atoms::SIZE);
        w.uint(size);
        w.atom(atoms::MTIME);
        w.int(mtime);
    }
}

impl Handles {
    /// None, each of which is closed when nobody has read from it for `idle`.
    #[must_use]
    pub fn new(idle: Duration) -> Self {
        Self { open: Vec::new(), idle, last: 0 }
    }

    /// Opens the file that was permitted.
    pub fn open(&mut self, permit: Permit<ReadFile>, now: Instant) -> Result<Opened, RequestError> {
        self.admit(permit.action(), permit.capabilities(), now)
    }

    fn admit(
        &mut self,
        permitted: &ReadFile,
        capabilities: Capabilities,
        now: Instant,
    ) -> Result<Opened, RequestError> {
        self.expire(now);
        if in_force(Measure::FilesHandles) && self.open.len() >= HANDLES_MAX {
            return Err(RequestError::Overloaded);
        }
        let number = self.last.checked_add(1).ok_or(RequestError::Overloaded)?;
        let file = {
            let failed = |e: Errno| RequestError::Posix(e as i32, "raising a capability");
            let _raised = capset::raise(capabilities).map_err(failed)?;
            walk::open(&permitted.path)?
        };
        self.last = number;
        let opened = Opened { handle: Handle(number), size: file.size(), mtime: file.mtime() };
        let permitted = permitted.clone();
        self.open.push(Open { handle: opened.handle, file, permitted, read: 0, next: 0, used: now });
        Ok(opened)
    }

    /// Reads a part of an open file and writes it as one binary: shorter than was asked for where the file or the
    /// permit ends, empty behind the end of the file. Nothing is written if it fails.
    pub fn read(&mut self, args: FileReadArgs, now: Instant, w: &mut Writer) -> Result<(), RequestError> {
        self.expire(now);
        let open = self.open.iter_mut().find(|open| open.handle == args.handle).ok_or_else(closed)?;
        open.used = now;
        open.read(args.offset, args.length, w)
    }

    /// The path that a handle was opened by, for a record.
    #[must_use]
    pub fn path(&self, handle: Handle) -> Option<Vec<u8>> {
        let open = self.open.iter().find(|open| open.handle == handle)?;
        Some(open.permitted.path.bytes().to_vec())
    }

    /// Closes a file.
    pub fn close(&mut self, handle: Handle) -> Result<(), RequestError> {
        let at = self.open.iter().position(|open| open.handle == handle).ok_or_else(closed)?;
        self.open.remove(at);
        Ok(())
    }

    /// Closes what nobody has read from for too long.
    pub fn expire(&mut self, now: Instant) {
        let idle = self.idle;
        self.open.retain(|open| open.expiry(idle).is_none_or(|expiry| now < expiry));
    }

    /// When [`expire`](Self::expire) will have something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.open.iter().filter_map(|open| open.expiry(self.idle)).min()
    }

    /// How many files are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// No file is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Open {
    fn expiry(&self, idle: Duration) -> Option<Instant> {
        in_force(Measure::FilesIdle).then(|| self.used + idle)
    }

    fn read(&mut self, offset: Option<u64>, length: usize, w: &mut Writer) -> Result<(), RequestError> {
        let offset = offset.unwrap_or(self.next);
        let left = match in_force(Measure::FilesBytes) {
            true => self.permitted.max_bytes.saturating_sub(self.read),
            false => u64::MAX,
        };
        let wanted = usize::try_from(left).map_or(length, |left| left.min(length));
        // Where nothing is left, one byte tells the end of the file, which anyone may meet, from the end of the permit.
        let mut buffer = vec![0; wanted.max(1)];
        let failed = |e: Errno| RequestError::Posix(e as i32, "reading a listed file");
        let filled = self.file.read_at(&mut buffer, offset).map_err(failed)?;
        if filled > wanted {
            return Err(RequestError::DeniedByPolicy(self.used_up()));
        }
        let filled_bytes = u64::try_from(filled).unwrap_or(u64::MAX);
        self.read = self.read.saturating_add(filled_bytes);
        self.next = offset.saturating_add(filled_bytes);
        w.binary(buffer.get(..filled).unwrap_or_default());
        Ok(())
    }

    fn used_up(&self) -> Denial {
        let ReadFile { path, max_bytes } = &self.permitted;
        let path = path.bytes().escape_ascii();
        let hint =
            format!("the handle has read its {max_bytes} bytes: raise max_bytes in the line for {path}");
        Denial::new("files.read", hint)
    }
}

fn closed() -> RequestError {
    RequestError::Posix(Errno::EBADF as i32, "the handle is closed, or timed out")
}

#[cfg(test)]
mod tests;
