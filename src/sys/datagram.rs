//! The sockets of the audit trail. Each has a number of its own among the descriptors, so that seccomp can allow sending on
//! it and on nothing else.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, UnixAddr, connect, recv, send,
    sendto, socket,
};

/// The descriptor of the system's log.
pub const SYSLOG: i32 = 3;

/// The descriptor of the kernel's audit log.
pub const KERNEL_AUDIT: i32 = 4;

/// Where log daemons listen (syslog(3)).
const DEV_LOG: &str = "/dev/log";

/// `AUDIT_TRUSTED_APP`: a message of a program with `CAP_AUDIT_WRITE` (include/uapi/linux/audit.h).
const AUDIT_TRUSTED_APP: u16 = 1121;

/// Gives a descriptor the number `number`, which must be free.
pub(super) fn pin(fd: OwnedFd, number: i32) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() == number {
        return Ok(fd);
    }
    let copy = fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(number))?;
    // SAFETY: fcntl has just made the descriptor, and nothing else owns it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    if copy.as_raw_fd() == number { Ok(copy) } else { Err(Errno::EBUSY) }
}

/// A socket to the system's log. Nothing on it waits.
#[derive(Debug)]
pub struct Syslog {
    socket: OwnedFd,
    connected: bool,
}

impl Syslog {
    /// Makes the socket, and connects it if somebody listens.
    pub fn open() -> Result<Self, Errno> {
        Self::over(|socket| pin(socket, SYSLOG))
    }

    /// The same with any number: for a process without seccomp.
    pub fn open_anywhere() -> Result<Self, Errno> {
        Self::over(Ok)
    }

    fn over(place: impl FnOnce(OwnedFd) -> Result<OwnedFd, Errno>) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        let mut log = Self { socket: place(socket)?, connected: false };
        match log.connect() {
            Ok(()) | Err(Errno::ENOENT | Errno::ECONNREFUSED) => Ok(log),
            Err(e) => Err(e),
        }
    }

    /// Whether somebody listened when that was last asked.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    fn connect(&mut self) -> Result<(), Errno> {
        let address = UnixAddr::new(Path::new(DEV_LOG))?;
        self.connected = false;
        connect(self.socket.as_raw_fd(), &address)?;
        self.connected = true;
        Ok(())
    }

    /// Sends one message. A daemon that was started again since the last one is found.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Errno> {
        if !self.connected {
            self.connect()?;
        }
        match self.try_send(message) {
            Err(Errno::ECONNREFUSED | Errno::ENOTCONN | Errno::ECONNRESET | Errno::EDESTADDRREQ) => {
                self.connect()?;
                self.try_send(message)
            }
            result => result,
        }
    }

    fn try_send(&self, message: &[u8]) -> Result<(), Errno> {
        send(self.socket.as_raw_fd(), message, MsgFlags::MSG_NOSIGNAL).map(drop)
    }
}

/// A socket to the kernel's audit log. Sending takes `CAP_AUDIT_WRITE` each time (kernel/audit.c, `audit_netlink_ok`).
#[derive(Debug)]
pub struct KernelAudit(OwnedFd);

impl KernelAudit {
    /// Makes the socket.
    pub fn open() -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkAudit)?;
        pin(socket, KERNEL_AUDIT).map(Self)
    }

    /// Sends one message: `struct nlmsghdr` (length, type, flags, sequence, port) and the text, which ends in NUL.
    pub fn send(&self, text: &[u8]) -> Result<(), Errno> {
        const HEADER: usize = 16;
        /// `NLM_F_REQUEST` and `NLM_F_ACK`.
        const FLAGS: u16 = 1 | 4;
        let length = u32::try_from(HEADER + text.len() + 1).map_err(|_| Errno::EMSGSIZE)?;
        let mut message = Vec::with_capacity(HEADER + text.len() + 4);
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&AUDIT_TRUSTED_APP.to_ne_bytes());
        message.extend_from_slice(&FLAGS.to_ne_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(text);
        message.push(0);
        message.resize(message.len().next_multiple_of(4), 0);
        // To the kernel by name: without an address it would also ask what was held when the socket was made
        // (net/netlink/af_netlink.c, `__netlink_ns_capable`), and that was nothing.
        sendto(self.0.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::MSG_NOSIGNAL)?;
        self.acknowledged()
    }

    /// What the kernel answered, which it does before sendto(2) returns: `struct nlmsgerr` behind the header begins with the
    /// negative error, or 0. That the log is off it does not say.
    fn acknowledged(&self) -> Result<(), Errno> {
        let mut answer = [0; 64];
        let n = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        let error = answer
            .get(..n)
            .and_then(|a| a.get(16..20))
            .and_then(|e| e.try_into().ok())
            .map(i32::from_ne_bytes);
        match error {
            Some(0) => Ok(()),
            Some(error) => Err(Errno::from_raw(error.saturating_neg())),
            None => Err(Errno::EPROTO),
        }
    }
}
