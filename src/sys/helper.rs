//! Helper processes: how one is made and left with nothing but its socket, and the calls that it makes, any of which a file system can
//! hold for good.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::signal::{SigHandler, Signal};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};
use nix::sys::stat::Mode;

use super::datagram::pin;
use super::fd::{set_blocking, stdin};

/// The port's ends of the sockets have the numbers from here on.
pub const FIRST: i32 = 16;

/// How a path is opened, step by step: a mere reference, through which nothing can be read or written. No symbolic link is followed,
/// and a mount point of autofs that stands there is not triggered: that takes `O_DIRECTORY` or an open for more than a reference
/// (fs/namei.c, `follow_automount`; `build_open_flags`).
pub const REFERENCE: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// `NAME_MAX`, and the NUL.
const NAME: usize = 256;

/// Which process this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that asked for the other.
    Old,
    /// The other.
    New,
}

/// Whose child the new process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// This process's.
    Own,
    /// That of this one's parent, which hears of its end and whose end it hears of.
    Same,
}

/// A second process like this one.
pub fn split(parent: Parent) -> Result<Side, Errno> {
    let shared = match parent {
        Parent::Own => 0,
        Parent::Same => libc::CLONE_PARENT,
    };
    // SAFETY: like fork(2): no memory is shared and the new process goes on with this stack in a copy. The program has one thread, so
    // that no lock is held by another. The zeros are stack, both thread ids and the thread's storage, whose order differs by
    // architecture.
    let r = unsafe { libc::syscall(libc::SYS_clone, shared | libc::SIGCHLD, 0, 0, 0, 0) };
    Errno::result(r).map(|pid| if pid == 0 { Side::New } else { Side::Old })
}

/// Two ends of a socket that keeps messages apart and on which nothing waits.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
}

/// The same with the first, the port's, under the number `FIRST` and `nth` more.
pub fn pinned_pair(nth: i32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (near, far) = pair()?;
    Ok((pin(near, FIRST.saturating_add(nth))?, far))
}

/// What was somebody's child is gone when it ends: the kernel keeps no zombie, and nobody has to wait for one (wait(2), NOTES).
pub fn forget_children() -> Result<(), Errno> {
    // SAFETY: no handler is installed, only the kernel's own disposition.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map(drop)
}

/// Closes everything but `socket`, which becomes descriptor 0.
pub fn keep_only(socket: OwnedFd) -> Result<(), Errno> {
    nix::unistd::dup2_stdin(&socket)?;
    set_blocking(stdin())?;
    // Closed with the others; dropping it would close its number once more.
    std::mem::forget(socket);
    // SAFETY: the new process never goes back to code that owns a descriptor: it serves on 0 and ends by `_exit`.
    let r = unsafe { libc::syscall(libc::SYS_close_range, 1_u32, u32::MAX, 0_u32) };
    Errno::result(r).map(drop)
}

/// The name that ps(1) and top(1) show.
pub fn be_called(name: &CStr) -> Result<(), Errno> {
    nix::sys::prctl::set_name(name)
}

/// Sends one message to a helper. It has room for one, and is sent one at a time.
pub fn tell(helper: BorrowedFd<'_>, message: &[u8]) -> Result<(), Errno> {
    let sent = send(helper.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL)?;
    if sent == message.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
}

/// Takes one message: from a helper, or in it. What does not fit into `buffer` is lost. 0: the other end has gone.
pub fn hear(end: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match nix::unistd::read(end, buffer) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// In a helper: takes the next question.
pub fn question(buffer: &mut [u8]) -> Result<usize, Errno> {
    hear(stdin(), buffer)
}

/// In a helper: answers.
pub fn answer(message: &[u8]) -> Result<(), Errno> {
    let written = nix::unistd::write(stdin(), message)?;
    if written == message.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
}

/// What `struct statfs` says of room, as the file system says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Bytes of one.
    pub size: u64,
    /// All.
    pub all: u64,
    /// Free.
    pub free: u64,
    /// Free for who has no privilege.
    pub available: u64,
    /// Inodes.
    pub files: u64,
    /// Free ones.
    pub files_free: u64,
}

/// What there is at `path`, which begins with `/`, and the id of the mount that it is on.
pub fn at(path: &[u8]) -> Result<(u64, OwnedFd), Errno> {
    let mut place = openat(AT_FDCWD, c"/", REFERENCE, Mode::empty())?;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        let mut text = [0_u8; NAME];
        text.get_mut(..name.len())
            .filter(|_| name.len() < NAME)
            .ok_or(Errno::ENAMETOOLONG)?
            .copy_from_slice(name);
        let text = CStr::from_bytes_until_nul(&text).map_err(|_| Errno::EINVAL)?;
        // A name with a NUL in it would be cut there and be another one.
        if text.to_bytes().len() != name.len() {
            return Err(Errno::EINVAL);
        }
        place = openat(&place, text, REFERENCE, Mode::empty())?;
    }
    Ok((mount_id(place.as_fd())?, place))
}

/// The id that `/proc/self/mountinfo` has. The file system is not asked for anything (`AT_STATX_DONT_SYNC`).
fn mount_id(place: BorrowedFd<'_>) -> Result<u64, Errno> {
    // SAFETY: an all-zero `struct statx` is a valid one.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT | libc::AT_STATX_DONT_SYNC;
    // SAFETY: the path is empty and ends in NUL; the kernel writes one `struct statx`.
    let r = unsafe {
        libc::syscall(
            libc::SYS_statx,
            place.as_raw_fd(),
            c"".as_ptr(),
            flags,
            libc::STATX_MNT_ID,
            std::ptr::from_mut(&mut found),
        )
    };
    Errno::result(r)?;
    if found.stx_mask & libc::STATX_MNT_ID == 0 { Err(Errno::ENOSYS) } else { Ok(found.stx_mnt_id) }
}

/// Asks the file system how full it is.
pub fn blocks(place: BorrowedFd<'_>) -> Result<Blocks, Errno> {
    // SAFETY: an all-zero `struct statfs` is a valid one.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `struct statfs`.
    let r = unsafe { libc::syscall(libc::SYS_fstatfs, place.as_raw_fd(), std::ptr::from_mut(&mut found)) };
    Errno::result(r)?;
    // Blocks are counted in fragments where a file system has any (statvfs(3)).
    let size = if found.f_frsize > 0 { found.f_frsize } else { found.f_bsize };
    Ok(Blocks {
        size: u64::try_from(size).unwrap_or(0),
        all: found.f_blocks,
        free: found.f_bfree,
        available: found.f_bavail,
        files: found.f_files,
        files_free: found.f_ffree,
    })
}
