//! Files of the kernel, read whole and bounded; and rows that are all there at once.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::UnwindSafe;
use std::vec::IntoIter;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::sys::fd;
use crate::sys::guard::guarded;
use crate::table::{Context, Opened, Reader, Tally};

/// Bytes that are read of a file of the kernel's: more than any of them has on the largest hosts.
const BYTES_MAX: usize = 4 << 20;

/// Bytes that are asked for at once.
const STEP: usize = 32 * 1024;

/// Reads a file of `/proc` or `/sys`. What is longer than 4 MiB is an error: a part of it would pass for all of it.
pub fn whole(path: &CStr) -> Result<Vec<u8>, Errno> {
    all_of(&fd::open_file(path)?)
}

/// The same for a file of that name in a directory.
pub fn within(directory: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>, Errno> {
    all_of(&fd::open_read(directory, name)?)
}

fn all_of(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut filled = 0_usize;
    loop {
        if filled > BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        bytes.resize(filled.saturating_add(STEP), 0);
        // A short read is not the end of such a file: the kernel gives whole records.
        let end = fd::read_on(file, &mut bytes, filled)?;
        if end == filled {
            bytes.truncate(end);
            return Ok(bytes);
        }
        filled = end;
    }
}

/// The same, with the error of a request, which names what was read.
pub fn read(path: &CStr, what: &'static str) -> Result<Vec<u8>, RequestError> {
    whole(path).map_err(|errno| RequestError::Posix(errno as i32, what))
}

/// The one row of a table: what a parser makes of a file.
pub fn one<R: fmt::Debug + 'static>(
    path: &CStr,
    what: &'static str,
    parse: impl FnOnce(&[u8]) -> Option<R>,
) -> Opened<R> {
    let row = parse(&read(path, what)?).ok_or(RequestError::Posix(libc::EPROTO, what))?;
    Ok(Ready::of(vec![row]))
}

/// What a parser of the `procfs` crate makes of bytes that the kernel wrote; it may panic on others.
pub fn parsed<T>(
    parse: impl FnOnce() -> Option<T> + UnwindSafe,
    what: &'static str,
) -> Result<T, RequestError> {
    guarded(parse).flatten().ok_or(RequestError::Posix(libc::EPROTO, what))
}

/// Rows that are all there.
#[derive(Debug)]
pub struct Ready<R>(IntoIter<R>);

impl<R: fmt::Debug + 'static> Ready<R> {
    /// These rows.
    #[must_use]
    pub fn of(rows: Vec<R>) -> Box<dyn Reader<R>> {
        Box::new(Self(rows.into_iter()))
    }
}

impl<R: fmt::Debug> Reader<R> for Ready<R> {
    fn next(&mut self, _: &mut Context<'_>, _: &mut Tally) -> Result<Option<R>, RequestError> {
        Ok(self.0.next())
    }
}
