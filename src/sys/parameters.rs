//! The kernel parameters of the network: files below `/proc/sys/net`, opened relative to one descriptor that is made before
//! anything is confined.
//!
//! What a name leads to is decided when it is opened: the parameter of the network namespace of this process
//! (net/sysctl_net.c, `net_ctl_header_lookup`). To read takes what the mode of the file says; whoever has `CAP_NET_ADMIN` in
//! effect has the rights of its owner (`net_ctl_permissions`), which is asked again at each read and write
//! (fs/proc/proc_sysctl.c, `proc_sys_call_handler`).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::sys::uio::pwrite;

use super::datagram::pin;
use super::fd;

/// The descriptor of the directory: a number of its own, so that seccomp can allow opening below it and nowhere else.
pub const DIRECTORY: i32 = 9;

/// Flags of an open for reading: these, and seccomp allows no others. No link is followed, since the kernel shows none here.
pub const READING: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Flags of an open for writing, likewise. Nothing is cut: a parameter is written over.
pub const WRITING: OFlag = OFlag::O_WRONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// What a program may do below the directory. It is less than that where the policy, or the kernel, does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Read parameters.
    Read,
    /// Write them too.
    Write,
}

/// `/proc/sys/net`.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    reach: Reach,
}

impl Directory {
    /// Opens it as a mere reference, under the number [`DIRECTORY`]. Something else than procfs in its place is `ENODEV`.
    pub fn open(reach: Reach) -> Result<Self, Errno> {
        let directory = Self::unpinned(reach)?;
        Ok(Self { fd: pin(directory.fd, DIRECTORY)?, reach })
    }

    /// The same under whatever number is free.
    pub fn unpinned(reach: Reach) -> Result<Self, Errno> {
        let fd = fd::open_directory_path(AT_FDCWD, c"/proc/sys/net", false)?;
        let is_procfs = fstatfs(&fd)?.filesystem_type() == PROC_SUPER_MAGIC;
        if is_procfs { Ok(Self { fd, reach }) } else { Err(Errno::ENODEV) }
    }

    /// What it was opened for.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The descriptor, for a rule about what lies below it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a parameter for reading.
    pub fn open_read(&self, path: &CStr) -> Result<OwnedFd, Errno> {
        openat(&self.fd, path, READING, Mode::empty())
    }

    /// Opens a parameter for writing.
    pub fn open_write(&self, path: &CStr) -> Result<OwnedFd, Errno> {
        openat(&self.fd, path, WRITING, Mode::empty())
    }
}

/// Writes a value as a whole, at the place where a parameter begins. How much of it the kernel took: of several numbers where
/// there is one, it takes the first.
///
/// By pwrite64(2), which no pipe and no socket takes, so that seccomp need not know the descriptor.
pub fn write(parameter: &OwnedFd, value: &[u8]) -> Result<usize, Errno> {
    loop {
        match pwrite(parameter.as_fd(), value, 0) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
