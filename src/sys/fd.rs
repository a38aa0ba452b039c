//! Descriptors: opening below a directory, bounded reads, what the standard descriptors are.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, OFlag, fcntl, openat, readlinkat};
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

/// Standard input.
pub fn stdin() -> BorrowedFd<'static> {
    // SAFETY: descriptor 0 is checked by `is_pipe_or_socket` before anything is read and is never closed.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// Standard output.
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: descriptor 1 is checked by `is_pipe_or_socket` before anything is written and is never closed.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Whether frames can be carried over the descriptor: a file or a terminal cannot be a BEAM's end.
pub fn is_pipe_or_socket(fd: BorrowedFd<'_>) -> bool {
    stat(fd).is_ok_and(|st| [SFlag::S_IFIFO, SFlag::S_IFSOCK].contains(&kind(&st)))
}

/// Who is at the other end of a descriptor that carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whoever holds the pipe: a descriptor that was inherited.
    Holder,
    /// The user who connected, or made the pair.
    User(u32),
    /// Somebody in a network.
    Stranger,
}

/// Who that is. The kernel noted it when the socket was connected (`SO_PEERCRED`, unix(7)).
pub fn peer(fd: BorrowedFd<'_>) -> Result<Peer, Errno> {
    if kind(&stat(fd)?) != SFlag::S_IFSOCK {
        return Ok(Peer::Holder);
    }
    let address: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    if address.family() != Some(AddressFamily::Unix) {
        return Ok(Peer::Stranger);
    }
    getsockopt(&fd, sockopt::PeerCredentials).map(|credentials| Peer::User(credentials.uid()))
}

/// The file type bits.
pub fn kind(st: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(st.st_mode & SFlag::S_IFMT.bits())
}

/// Closes every descriptor from 3 up: what the parent leaked is not ours to keep.
pub fn close_inherited() -> Result<(), Errno> {
    // SAFETY: called first thing in `main`, when no object of the program owns a descriptor above 2.
    let r = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    Errno::result(r).map(drop)
}

/// Makes writes return instead of waiting for the reader.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// Makes reads and writes wait.
pub fn set_blocking(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK)).map(drop)
}

/// Asks for a larger pipe; a large answer then takes fewer wake-ups. Sockets, and users over their quota of pipe
/// memory, stay as they are.
pub fn grow_pipe(fd: BorrowedFd<'_>, bytes: i32) {
    let _ = fcntl(fd, FcntlArg::F_SETPIPE_SZ(bytes));
}

/// Opens for reading below `dir`; never follows a final symbolic link.
pub fn open_read(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(dir, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty())
}

/// Opens a file by its whole name for reading: one that only the kernel can have put there. Never a final symbolic link.
pub fn open_file(path: &CStr) -> Result<OwnedFd, Errno> {
    // Who has put a FIFO in its place shall not be waited for; a regular file does not know the flag.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    openat(AT_FDCWD, path, flags, Mode::empty())
}

/// Opens a directory below `dir` as a mere reference: everything looked up through it is of that one directory. A
/// symbolic link in its place is an error, unless `follow`.
pub fn open_directory_path(dir: BorrowedFd<'_>, name: &CStr, follow: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(dir, name, if follow { flags } else { flags | OFlag::O_NOFOLLOW }, Mode::empty())
}

/// Opens a directory below `dir` for listing; never a symbolic link.
pub fn open_listing(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(
        dir,
        name,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW,
        Mode::empty(),
    )
}

/// Opens whatever stands there for reading, without waiting for it: a FIFO has no writer, a terminal no carrier. What it
/// is must be asked of the descriptor.
pub fn open_read_at_once(dir: BorrowedFd<'_>, name: &CStr, follow: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    openat(dir, name, if follow { flags } else { flags | OFlag::O_NOFOLLOW }, Mode::empty())
}

/// Opens an absolute directory for listing.
pub fn open_directory(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    nix::fcntl::open(path, flags, Mode::empty())
}

/// A reference to the file that is being executed. The magic link is followed on purpose: it names the inode that
/// runs, whatever its path names by now.
pub fn open_own_file() -> Result<OwnedFd, Errno> {
    nix::fcntl::open(c"/proc/self/exe", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// Where that file is, as the kernel says.
pub fn own_path() -> Result<Vec<u8>, Errno> {
    nix::fcntl::readlink(c"/proc/self/exe").map(std::os::unix::ffi::OsStringExt::into_vec)
}

/// A reference to an absolute path, following links: for `doctor`, which is asked about a path by its user.
pub fn open_path(path: &CStr) -> Result<OwnedFd, Errno> {
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// Metadata of what the descriptor refers to. By this system call whatever the C library has for `fstat`: since 2.39 glibc takes another one,
/// and a program that was linked with it died of its own table.
pub fn stat(fd: BorrowedFd<'_>) -> Result<FileStat, Errno> {
    let mut status = std::mem::MaybeUninit::<FileStat>::uninit();
    // SAFETY: the path is empty and ends with a zero byte; the kernel writes one `stat`, which is that of the library on 64 bits.
    let done = unsafe {
        libc::syscall(
            libc::SYS_newfstatat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            status.as_mut_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(done)?;
    // SAFETY: the call has succeeded.
    Ok(unsafe { status.assume_init() })
}

/// Metadata of `name` below `dir`, of the link itself where it is one.
pub fn stat_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<FileStat, Errno> {
    fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// The target of the link `name` below `dir`.
pub fn read_link(dir: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>, Errno> {
    readlinkat(dir, name).map(std::os::unix::ffi::OsStringExt::into_vec)
}

/// Reads on behind the first `filled` bytes of `buffer` until it is full or the file ends. Answers the bytes in it.
///
/// The files of `/proc` give a short read only at their end, so that one call is enough for nearly all of them.
pub fn read_on(fd: &OwnedFd, buffer: &mut [u8], mut filled: usize) -> Result<usize, Errno> {
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match nix::unistd::read(fd.as_fd(), room) {
            Ok(0) => break,
            Ok(n) => filled = filled.saturating_add(n),
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(e),
        }
        if filled % PAGE != 0 {
            break;
        }
    }
    Ok(filled)
}

/// Reads a file of the kernel's from its beginning again, as much as one call gives: it is made anew then.
pub fn read_again(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match nix::sys::uio::pread(fd, buffer, 0) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Readers of `/proc` that stop early stop at a page; any other short read is the end of the file.
const PAGE: usize = 4096;

/// One extended attribute of what an `O_PATH` descriptor refers to: its bytes, or `None` where it has none.
///
/// Through `/proc/self/fd`, because fgetxattr(2) refuses `O_PATH` descriptors.
pub fn xattr(fd: &OwnedFd, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    use std::os::fd::AsRawFd;
    let path =
        std::ffi::CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
    let mut value = vec![0_u8; 256];
    // SAFETY: both strings end in NUL and outlive the call; the kernel writes at most `value.len()` bytes.
    let r = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match Errno::result(r) {
        Ok(n) => {
            value.truncate(usize::try_from(n).unwrap_or(0));
            Ok(Some(value))
        }
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        // Longer than any capability attribute: it is there, and that is what callers ask.
        Err(Errno::ERANGE) => Ok(Some(value)),
        Err(e) => Err(e),
    }
}

/// Whether the file's mount ignores set-user-ID bits and file capabilities, or forbids execution.
pub fn mount_flags(fd: &OwnedFd) -> Result<(bool, bool), Errno> {
    let flags = nix::sys::statvfs::fstatvfs(fd)?.flags();
    use nix::sys::statvfs::FsFlags;
    Ok((flags.contains(FsFlags::ST_NOSUID), flags.contains(FsFlags::ST_NOEXEC)))
}

/// Writes to standard output what it takes right now. `Ok(0)`: nothing, ask `poll` when.
pub fn write_some(bytes: &[u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::write(stdout(), bytes) {
            Ok(n) => return Ok(n),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(0),
            Err(e) => return Err(e.into()),
        }
    }
}

/// What came on standard input: bytes, nothing yet, or the end.
pub enum Arrived {
    /// So many bytes.
    Bytes(usize),
    /// Nothing; only where both standard descriptors are one socket.
    Nothing,
    /// The peer has gone.
    End,
}

/// Reads from standard input.
pub fn read_some(buffer: &mut [u8]) -> io::Result<Arrived> {
    loop {
        match nix::unistd::read(stdin(), buffer) {
            Ok(0) => return Ok(Arrived::End),
            Ok(n) => return Ok(Arrived::Bytes(n)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(Arrived::Nothing),
            Err(e) => return Err(e.into()),
        }
    }
}
