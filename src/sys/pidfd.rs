//! Descriptors of processes (pidfd_open(2)). One stays its process's when the number is used again, and it is never a way to send a
//! signal or to take a descriptor: seccomp allows neither.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ids::Pid;

/// `PIDFD_GET_INFO`: `_IOWR(0xff, 11, struct pidfd_info)` of 64 bytes (include/uapi/linux/pidfd.h, since Linux 6.13).
pub const GET_INFO: u64 = 3 << 30 | 64 << 16 | 0xff << 8 | 11;

/// `PIDFD_INFO_EXIT`, since Linux 6.15.
const EXIT: u64 = 1 << 3;

/// The first version of `struct pidfd_info`.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// Pid, process, parent; real, effective, saved and file system user and group.
    ids: [u32; 11],
    status: i32,
}

/// What an ended process has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// How it ended, as wait(2) has it.
    Status(u32),
    /// Its parent has not asked yet, and comes first.
    Unreaped,
    /// This kernel does not tell.
    Unknown,
}

/// Opens the process of this number.
pub fn open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel takes two numbers and reads no memory.
    let r = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.get(), 0_u32) };
    let fd = i32::try_from(Errno::result(r)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made the descriptor (close-on-exec by itself), and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether it has ended.
#[must_use]
pub fn has_ended(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|n| n > 0)
}

/// What it has left, of a process that has ended.
#[must_use]
pub fn left(fd: BorrowedFd<'_>) -> Left {
    let mut info = Info { mask: EXIT, ..Info::default() };
    let place: *mut Info = &raw mut info;
    // SAFETY: the kernel writes at most the 64 bytes that the request names, which is what `Info` has; `info` lives until it returns.
    let r = unsafe { libc::ioctl(fd.as_raw_fd(), request(), place) };
    match Errno::result(r) {
        Ok(_) if info.mask & EXIT != 0 => Left::Status(u32::from_ne_bytes(info.status.to_ne_bytes())),
        Ok(_) => Left::Unreaped,
        Err(_) => Left::Unknown,
    }
}

/// The type of a request is not the same for every C library.
#[cfg(target_env = "musl")]
fn request() -> libc::c_int {
    let [a, b, c, d, ..] = GET_INFO.to_le_bytes();
    libc::c_int::from_le_bytes([a, b, c, d])
}

#[cfg(not(target_env = "musl"))]
fn request() -> libc::c_ulong {
    GET_INFO
}

const _: () = assert!(size_of::<Info>() == 64);
