//! Sockets to parts of the kernel: netfilter, where requests and events have one each, and what tells of sockets and of
//! interfaces. Each has a number of its own among the descriptors, so that seccomp can allow sending on the one and nothing on
//! the other. Nothing here waits but [`Socket::wait`].
//!
//! A request to netfilter takes `CAP_NET_ADMIN` in the effective set at the time it is sent. To the kernel by name (a destination
//! address), what was held when the socket was made is not asked (net/netlink/af_netlink.c, `__netlink_ns_capable`).
//! Receiving takes none, and neither does opening, but larger buffers and groups do.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockopt, recvmsg,
    sendto, setsockopt, socket, sockopt,
};

use super::datagram::pin;

/// The descriptor of requests.
pub const REQUESTS: i32 = 7;

/// The descriptor of events.
pub const EVENTS: i32 = 8;

/// The descriptor of what takes changes back.
pub const UNDO: i32 = 13;

/// The descriptor of questions about sockets.
pub const SOCK_DIAG: i32 = 11;

/// The descriptor of questions about interfaces, addresses, routes and neighbours.
pub const ROUTE: i32 = 12;

/// The descriptor of what processes do.
pub const PROCESS_EVENTS: i32 = 14;

/// The descriptor of changes of interfaces, addresses, routes and neighbours.
pub const NETWORK_EVENTS: i32 = 15;

/// `NETLINK_GET_STRICT_CHK` (include/uapi/linux/netlink.h, since Linux 4.20), which the `libc` crate has not for every target.
const GET_STRICT_CHK: i32 = 12;

/// The kernel's own port, where every answer comes from.
const KERNEL: u32 = 0;

/// Datagrams of others that one call leaves out before it answers that there is nothing. Sending any takes
/// `CAP_NET_ADMIN` (`netlink_sendmsg`).
const STRANGERS_MAX: u32 = 1024;

/// Bytes that may wait in the socket, as asked for; the kernel allows twice as much, for what it adds (socket(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of what was received and not read. Taken only while it waits.
    pub receive: usize,
    /// Of the longest message to the kernel. Taken only while it is sent.
    pub send: usize,
}

/// What is asked that takes no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// What sockets there are: `NETLINK_SOCK_DIAG`.
    Sockets,
    /// What interfaces, addresses, routes and neighbours there are: `NETLINK_ROUTE`.
    Routes,
}

impl Asked {
    /// The number of its descriptor.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Sockets => SOCK_DIAG,
            Self::Routes => ROUTE,
        }
    }
}

/// What tells of its changes, to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// What processes do: `NETLINK_CONNECTOR`.
    Processes,
    /// Interfaces, addresses, routes and neighbours: `NETLINK_ROUTE`.
    Network,
}

impl Tells {
    /// The number of its descriptor.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Processes => PROCESS_EVENTS,
            Self::Network => NETWORK_EVENTS,
        }
    }

    const fn protocol(self) -> i32 {
        match self {
            Self::Processes => libc::NETLINK_CONNECTOR,
            Self::Network => libc::NETLINK_ROUTE,
        }
    }
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it in the buffer.
    pub length: usize,
    /// Whether there were more. They are lost.
    pub truncated: bool,
}

/// An open socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Opens one. Where `CAP_NET_ADMIN` is not in effect, the buffers are as large as the system allows everybody
    /// (`net.core.rmem_max`, `net.core.wmem_max`).
    pub fn open(room: Room) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
        // The words of the kernel with every error, and errors without the request, which may have megabytes.
        set(&fd, libc::NETLINK_EXT_ACK, 1)?;
        set(&fd, libc::NETLINK_CAP_ACK, 1)?;
        match setsockopt(&fd, sockopt::RcvBufForce, &room.receive) {
            Err(Errno::EPERM) => setsockopt(&fd, sockopt::RcvBuf, &room.receive)?,
            other => other?,
        }
        match setsockopt(&fd, sockopt::SndBufForce, &room.send) {
            Err(Errno::EPERM) => setsockopt(&fd, sockopt::SndBuf, &room.send)?,
            other => other?,
        }
        // Port 0: the kernel finds a free one.
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(fd))
    }

    /// Opens one for questions that everybody may ask. Its buffers are those that everybody has: a dump is given in parts, of
    /// which the next is made when the last was taken.
    pub fn open_public(asked: Asked) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let protocol = match asked {
            Asked::Sockets => SockProtocol::NetlinkSockDiag,
            Asked::Routes => SockProtocol::NetlinkRoute,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        set(&fd, libc::NETLINK_CAP_ACK, 1)?;
        if asked == Asked::Routes {
            // Without it the kernel takes no filter, and adds what it keeps for single destinations to the routes.
            match set(&fd, GET_STRICT_CHK, 1) {
                Ok(()) | Err(Errno::ENOPROTOOPT) => {}
                Err(e) => return Err(e),
            }
        }
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(fd))
    }

    /// Opens one to listen to, which is in no group yet. As much can wait in it as the system allows everybody.
    pub fn open_listener(tells: Tells, receive: usize) -> Result<Self, Errno> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the kernel takes three numbers and reads no memory. `nix` has no name for the connector.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_NETLINK, kind, tells.protocol()) })?;
        // SAFETY: the kernel has just made the descriptor, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        setsockopt(&fd, sockopt::RcvBuf, &receive)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(fd))
    }

    /// Gives the socket one of the numbers above.
    pub fn pinned(self, number: i32) -> Result<Self, Errno> {
        pin(self.0, number).map(Self)
    }

    /// From now on also what is sent to that group. Takes `CAP_NET_ADMIN` in effect, and so does leaving it
    /// (net/netlink/af_netlink.c, `netlink_setsockopt`).
    pub fn subscribe(&self, group: i32) -> Result<(), Errno> {
        set(&self.0, libc::NETLINK_ADD_MEMBERSHIP, group)
    }

    /// No longer what is sent to that group.
    pub fn unsubscribe(&self, group: i32) -> Result<(), Errno> {
        set(&self.0, libc::NETLINK_DROP_MEMBERSHIP, group)
    }

    /// Sends to the kernel, which does all that is asked before this returns. An error: it has seen none of it.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let to = NetlinkAddr::new(KERNEL, 0);
        let sent = sendto(self.0.as_raw_fd(), bytes, &to, MsgFlags::MSG_NOSIGNAL)?;
        if sent == bytes.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
    }

    /// Bytes that [`send`](Self::send) can send at once (`netlink_sendmsg` keeps 32).
    pub fn room(&self) -> Result<usize, Errno> {
        getsockopt(&self.0, sockopt::SndBuf).map(|room| room.saturating_sub(32))
    }

    /// Takes a datagram of the kernel that has come. `EAGAIN`: there is none. `ENOBUFS`: some did not fit and are lost.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Received, Errno> {
        for _ in 0..STRANGERS_MAX {
            let mut parts = [IoSliceMut::new(buffer)];
            let got = recvmsg::<NetlinkAddr>(self.0.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT);
            let got = match got {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            if got.address.is_some_and(|from| from.pid() == KERNEL) {
                let truncated = got.flags.contains(MsgFlags::MSG_TRUNC);
                return Ok(Received { length: got.bytes, truncated });
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Waits until something has come, at most so long. Whether it has.
    pub fn wait(&self, at_most: Duration) -> Result<bool, Errno> {
        let timeout = PollTimeout::try_from(at_most.as_millis()).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(n) => Ok(n > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn set(fd: &OwnedFd, option: i32, value: i32) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).map_err(|_| Errno::EINVAL)?;
    let value: *const i32 = &raw const value;
    // SAFETY: the kernel reads `length` bytes of `value`, which lives until the call returns, and writes nothing.
    let r = unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, value.cast(), length) };
    Errno::result(r).map(drop)
}
