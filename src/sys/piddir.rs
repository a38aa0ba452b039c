//! Listing the processes in `/proc`. The position in the directory is a pid, so that a scan that pauses neither skips
//! nor repeats a process that lives on (fs/proc/base.c, `proc_pid_readdir`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::ids::Pid;

/// Room for about a thousand entries in one call.
const BUFFER: usize = 32 * 1024;

/// Offsets in `struct linux_dirent64` (getdents64(2)): inode, offset, record length, type, name.
const RECORD_LENGTH: usize = 16;
const NAME: usize = 19;

/// An open directory of the kernel's whose entries are numbers, and where its listing stands.
#[derive(Debug)]
pub struct NumberDir {
    fd: OwnedFd,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl NumberDir {
    /// The listing of a directory that was opened for it, from its beginning.
    #[must_use]
    pub fn of(fd: OwnedFd) -> Self {
        Self { fd, buffer: vec![0; BUFFER], start: 0, end: 0 }
    }

    /// The directory, for opening what the listing named.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The next number; other names are passed over.
    pub fn next_number(&mut self) -> Result<Option<u32>, Errno> {
        loop {
            if self.start >= self.end {
                self.end = self.fill()?;
                self.start = 0;
                if self.end == 0 {
                    return Ok(None);
                }
            }
            let record = self.buffer.get(self.start..self.end).unwrap_or_default();
            let length = record
                .get(RECORD_LENGTH..RECORD_LENGTH + 2)
                .and_then(|b| b.try_into().ok())
                .map_or(0, |b| usize::from(u16::from_ne_bytes(b)));
            let name = record.get(NAME..length).unwrap_or_default();
            // A record of length 0 would never end; the kernel writes none.
            self.start = if length == 0 { self.end } else { self.start.saturating_add(length) };
            if let Some(number) = number(name) {
                return Ok(Some(number));
            }
        }
    }

    fn fill(&mut self) -> Result<usize, Errno> {
        // SAFETY: the kernel writes at most `buffer.len()` bytes into a buffer of that size.
        let r = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                self.fd.as_raw_fd(),
                self.buffer.as_mut_ptr(),
                self.buffer.len(),
            )
        };
        Errno::result(r).map(|n| usize::try_from(n).unwrap_or(0))
    }
}

/// An open `/proc` and where the listing stands.
#[derive(Debug)]
pub struct PidDir {
    numbers: NumberDir,
    /// Pids up to this one are passed over.
    after: Option<Pid>,
}

impl PidDir {
    /// Opens `/proc`.
    pub fn open() -> Result<Self, Errno> {
        let fd = super::fd::open_directory(c"/proc")?;
        Ok(Self { numbers: NumberDir::of(fd), after: None })
    }

    /// The directory, for opening what the listing named.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.numbers.fd()
    }

    /// Goes on behind `last`, which need not be there any more.
    pub fn skip_to(&mut self, last: Pid) {
        self.after = Some(last);
    }

    /// The next pid, in ascending order.
    pub fn next_pid(&mut self) -> Result<Option<Pid>, Errno> {
        while let Some(number) = self.numbers.next_number()? {
            if let Some(pid) = Pid::new(number).filter(|pid| Some(*pid) > self.after) {
                return Ok(Some(pid));
            }
        }
        Ok(None)
    }
}

/// The digits before the first NUL. No pid has more than seven (`PID_MAX_LIMIT`), and no descriptor that is open more than nine.
fn number(name: &[u8]) -> Option<u32> {
    let digits = name.split(|b| *b == 0).next()?;
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let mut n: u32 = 0;
    for d in digits {
        n = n.checked_mul(10)?.checked_add(u32::from(d.checked_sub(b'0').filter(|d| *d < 10)?))?;
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_this_process_in_ascending_order() {
        let mut dir = PidDir::open().unwrap();
        let mut pids = Vec::new();
        while let Some(pid) = dir.next_pid().unwrap() {
            pids.push(pid.get());
        }
        assert!(pids.contains(&std::process::id()));
        assert!(pids.is_sorted());
    }

    #[test]
    fn takes_only_numbers() {
        for name in [&b"self\0"[..], b"\0", b"12a\0", b"9999999999\0", b".\0"] {
            assert_eq!(number(name), None);
        }
        assert_eq!(number(b"4194304\0\0\0"), Some(4_194_304));
        assert_eq!(number(b"0\0"), Some(0));
    }
}
