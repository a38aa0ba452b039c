//! Opening a regular file by its names, one descriptor after the other, so that nothing on the way can be swapped.
//!
//! openat2(2) would do the same in one call, but seccomp cannot see its flags: with it in the table a file could be opened
//! for writing.

use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag};

use super::fd;
use crate::measure::{Measure, in_force};

/// A regular file, open for reading.
pub struct Regular {
    file: File,
    size: u64,
    mtime: i64,
}

/// Why a file was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// The kernel refused. `ELOOP`: there is a symbolic link, on the way or at the end.
    Errno(Errno),
    /// A directory, a device, a FIFO or a socket.
    NotRegular,
    /// A regular file with so many hard links.
    Links(libc::nlink_t),
}

impl From<Errno> for Unopened {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Opens the file that the names lead to from the root on. It waits for the file systems on the way and for
/// nobody else.
pub fn open<'n>(names: impl Iterator<Item = &'n [u8]>) -> Result<Regular, Unopened> {
    let names: Result<Vec<CString>, _> = names.map(CString::new).collect();
    let mut names = names.map_err(|_| Errno::EINVAL)?;
    let last = names.pop().ok_or(Errno::EISDIR)?;
    let mut directory = reference(AT_FDCWD, c"/", OFlag::O_DIRECTORY)?;
    for name in names {
        directory = enter(directory.as_fd(), &name)?;
    }
    let (file, st) = match in_force(Measure::FilesRegular) {
        true => reopen(&reference(directory.as_fd(), &last, OFlag::empty())?)?,
        false => opened(openat(directory, last.as_c_str(), READING | no_follow(), Mode::empty())?)?,
    };
    if in_force(Measure::FilesLinks) {
        one_link(&st)?;
    }
    Ok(Regular { file: File::from(file), size: u64::try_from(st.st_size).unwrap_or(0), mtime: st.st_mtime })
}

/// Largest offset: the kernel's `loff_t` has a sign.
pub const OFFSET_MAX: u64 = i64::MAX.unsigned_abs();

/// The owner of a file can hold a lease on it, and a FIFO waits for a writer: neither is waited for.
const READING: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK);

fn no_follow() -> OFlag {
    if in_force(Measure::FilesSymlinks) { OFlag::O_NOFOLLOW } else { OFlag::empty() }
}

/// A mere reference, of the link itself where the name is one. To get it opens no device and wakes no FIFO's writer.
fn reference(above: BorrowedFd<'_>, name: &CStr, more: OFlag) -> Result<OwnedFd, Errno> {
    openat(above, name, OFlag::O_PATH | OFlag::O_CLOEXEC | no_follow() | more, Mode::empty())
}

fn enter(above: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    reference(above, name, OFlag::O_DIRECTORY).map_err(|e| match e {
        // With O_DIRECTORY the kernel says so of a link, too.
        Errno::ENOTDIR if fd::stat_at(above, name).is_ok_and(|st| is(&st, SFlag::S_IFLNK)) => Errno::ELOOP,
        other => other,
    })
}

/// Opens for reading what was referred to, if it is a regular file. Through `/proc/self/fd`, which leads to the inode
/// and not to its name, so that what was looked at is what is opened.
fn reopen(reference: &OwnedFd) -> Result<(OwnedFd, FileStat), Unopened> {
    let seen = fd::stat(reference.as_fd())?;
    if is(&seen, SFlag::S_IFLNK) {
        return Err(Errno::ELOOP.into());
    }
    if !is(&seen, SFlag::S_IFREG) {
        return Err(Unopened::NotRegular);
    }
    let path = CString::new(format!("/proc/self/fd/{}", reference.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
    let (file, st) = opened(openat(AT_FDCWD, path.as_c_str(), READING, Mode::empty())?)?;
    // Another file only where something else than procfs is mounted there.
    let same = (st.st_dev, st.st_ino) == (seen.st_dev, seen.st_ino);
    if same { Ok((file, st)) } else { Err(Errno::EIO.into()) }
}

fn opened(file: OwnedFd) -> Result<(OwnedFd, FileStat), Errno> {
    let st = fd::stat(file.as_fd())?;
    Ok((file, st))
}

/// Whoever can write a listed directory can link any file of that file system into it.
fn one_link(st: &FileStat) -> Result<(), Unopened> {
    match st.st_nlink {
        1 => Ok(()),
        // Removed since its name was looked up.
        0 => Err(Errno::ENOENT.into()),
        links => Err(Unopened::Links(links)),
    }
}

fn is(st: &FileStat, kind: SFlag) -> bool {
    fd::kind(st) == kind
}

impl Regular {
    /// Bytes in it when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it had been changed last before it was opened: Unix time in seconds.
    #[must_use]
    pub fn mtime(&self) -> i64 {
        self.mtime
    }

    /// Reads from `offset` on until the buffer is full or the file ends. Answers how many bytes there were.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        // The kernel refuses to read across its largest offset (fs/read_write.c, rw_verify_area), where no file has a byte.
        let most = usize::try_from(OFFSET_MAX.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut filled = 0;
        let end = most.min(buffer.len());
        while let Some(room) = buffer.get_mut(filled..end).filter(|room| !room.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match self.file.read_at(room, at) {
                Ok(0) => break,
                Ok(n) => filled = filled.saturating_add(n),
                Err(e) => match Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)) {
                    Errno::EINTR => {}
                    errno => return Err(errno),
                },
            }
        }
        Ok(filled)
    }
}

/// That of [`File`] asks the kernel for path and flags, with calls that have no row in the seccomp table.
impl fmt::Debug for Regular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file: _, size, mtime } = self;
        f.debug_struct("Regular").field("size", size).field("mtime", mtime).finish_non_exhaustive()
    }
}
