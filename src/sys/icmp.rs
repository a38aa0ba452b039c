//! The sockets of echo requests: one for each family, opened before seccomp and kept. Nothing here waits.
//!
//! A ping socket takes no capability where `net.ipv4.ping_group_range` has the group (icmp(7); it counts for both families),
//! and hears of its own requests only. A raw socket takes `CAP_NET_RAW` to open, none to use, and hears of everybody's.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recvmsg,
    sendto, setsockopt, socket, sockopt,
};

use super::capset;
use super::datagram::pin;
use crate::capability::{Capabilities, Capability};

/// `SOL_RAW` and `ICMP_FILTER` (include/uapi/linux/icmp.h), `ICMPV6_FILTER` (include/uapi/linux/icmpv6.h).
const SOL_RAW: i32 = 255;
const ICMP_FILTER: i32 = 1;
const ICMPV6_FILTER: i32 = 1;

/// Everything but echo replies, of type 0. A set bit blocks; types above 31 have none (net/ipv4/raw.c, `icmp_filter`).
const ONLY_REPLIES: [u32; 1] = [!1];

/// The same for ICMPv6, where echo replies have type 129 (RFC 3542, 3.2).
const ONLY_REPLIES_V6: [u32; 8] = [!0, !0, !0, !0, !(1 << (129 % 32)), !0, !0, !0];

/// Room for control messages: a TTL, and an error with the address of who sent it, take 96 bytes.
const CONTROL: usize = 256;

/// Calls of sendto(2) for one packet.
const SEND_TRIES: u32 = 4;

/// The descriptor of the socket for IPv4: a number of its own, so that seccomp can allow sending on it and on nothing else.
pub const V4: i32 = 5;

/// The descriptor of the socket for IPv6.
pub const V6: i32 = 6;

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Version 4.
    V4,
    /// Version 6.
    V6,
}

impl Family {
    /// The version that the address is of.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// How a socket came to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kernel chooses the identifier, and hands on the replies that have it.
    Ping,
    /// The identifier is ours; replies to everybody come, for IPv4 with their IP header.
    Raw,
}

/// Why a family has no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Ping sockets are closed to the group, and `CAP_NET_RAW` is not held.
    NeedsNetRaw,
    /// The kernel has no such sockets (`EAFNOSUPPORT`: no IPv6), or would not give one.
    Failed(Errno),
}

/// A message that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose it says it is.
    pub from: IpAddr,
    /// Bytes of it in the buffer.
    pub length: usize,
    /// The TTL or hop limit that was left.
    pub ttl: Option<u8>,
}

/// An ICMP error about a packet that was sent, with as much of that packet as it quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the kernel makes of type and code (icmp(7)).
    pub errno: Errno,
    /// Bytes of the packet in the buffer, from its ICMP header on.
    pub length: usize,
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    family: Family,
    kind: Kind,
    control: Vec<u8>,
}

impl Socket {
    fn open(family: Family, held: Capabilities) -> Result<Self, Absent> {
        match Self::of_kind(family, Kind::Ping) {
            Err(Errno::EACCES | Errno::EPERM) if held.has(Capability::NetRaw) => {
                let _raised =
                    capset::raise(Capabilities::of(&[Capability::NetRaw])).map_err(Absent::Failed)?;
                Self::of_kind(family, Kind::Raw).map_err(Absent::Failed)
            }
            Err(Errno::EACCES | Errno::EPERM) => Err(Absent::NeedsNetRaw),
            opened => opened.map_err(Absent::Failed),
        }
    }

    fn of_kind(family: Family, kind: Kind) -> Result<Self, Errno> {
        let (domain, protocol) = match family {
            Family::V4 => (AddressFamily::Inet, SockProtocol::Icmp),
            Family::V6 => (AddressFamily::Inet6, SockProtocol::IcmpV6),
        };
        let socket_type = match kind {
            Kind::Ping => SockType::Datagram,
            Kind::Raw => SockType::Raw,
        };
        let fd = socket(domain, socket_type, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, protocol)?;
        match family {
            Family::V4 => {
                setsockopt(&fd, sockopt::Ipv4RecvErr, &true)?;
                setsockopt(&fd, sockopt::Ipv4RecvTtl, &true)?;
            }
            Family::V6 => {
                setsockopt(&fd, sockopt::Ipv6RecvErr, &true)?;
                setsockopt(&fd, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        match (kind, family) {
            (Kind::Ping, _) => {}
            (Kind::Raw, Family::V4) => filter(&fd, SOL_RAW, ICMP_FILTER, &ONLY_REPLIES)?,
            (Kind::Raw, Family::V6) => filter(&fd, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &ONLY_REPLIES_V6)?,
        }
        Ok(Self { fd, family, kind, control: vec![0; CONTROL] })
    }

    /// Which version it speaks.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// How it came to be open.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Sends a packet, from its ICMP header on.
    ///
    /// An error that came back for an earlier packet makes the next call on the socket fail, whatever that is, and is
    /// forgotten by that (`sock_error` in include/net/sock.h). Only what comes again is about this packet.
    pub fn send(&self, to: IpAddr, packet: &[u8]) -> Result<(), Errno> {
        let to = SockaddrStorage::from(SocketAddr::new(to, 0));
        let send = || sendto(self.fd.as_raw_fd(), packet, &to, MsgFlags::MSG_DONTWAIT);
        let mut sent = send();
        for _ in 1..SEND_TRIES {
            if sent.is_err() {
                sent = send();
            }
        }
        sent.map(drop)
    }

    /// Takes a message that has come. `EAGAIN`: there is none. Any other error was an earlier packet's, as in
    /// [`send`](Self::send), or a message with a wrong checksum, and there may be more.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Message, Errno> {
        let mut parts = [IoSliceMut::new(buffer)];
        let control = Some(&mut self.control[..]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let got = recvmsg::<SockaddrStorage>(self.fd.as_raw_fd(), &mut parts, control, flags)?;
        let ttl = got.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                u8::try_from(ttl).ok()
            }
            _ => None,
        });
        let from = got.address.as_ref().and_then(ip).ok_or(Errno::EBADMSG)?;
        Ok(Message { from, length: got.bytes, ttl })
    }

    /// Takes an error that has come back. `EAGAIN`: there is none; after any other, there may be more.
    pub fn receive_failure(&mut self, buffer: &mut [u8]) -> Result<Failure, Errno> {
        let mut parts = [IoSliceMut::new(buffer)];
        let control = Some(&mut self.control[..]);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_ERRQUEUE;
        let got = recvmsg::<SockaddrStorage>(self.fd.as_raw_fd(), &mut parts, control, flags)?;
        let raw = got.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                i32::try_from(error.ee_errno).ok()
            }
            _ => None,
        });
        let errno = raw.map(Errno::from_raw).ok_or(Errno::EBADMSG)?;
        Ok(Failure { errno, length: got.bytes })
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}

fn filter<const N: usize>(fd: &OwnedFd, level: i32, name: i32, mask: &[u32; N]) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of_val(mask)).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads `length` bytes of `mask`, which has that many, and writes nothing.
    let r = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, mask.as_ptr().cast(), length) };
    Errno::result(r).map(drop)
}

/// The sockets of both families, or why there is none.
#[derive(Debug)]
pub struct Sockets {
    v4: Result<Socket, Absent>,
    v6: Result<Socket, Absent>,
}

impl Sockets {
    /// Opens what can be opened. `CAP_NET_RAW` is raised only where a ping socket is refused and `held` has it; nothing uses it
    /// later.
    #[must_use]
    pub fn open(held: Capabilities) -> Self {
        Self { v4: Socket::open(Family::V4, held), v6: Socket::open(Family::V6, held) }
    }

    /// None: nothing can be sent.
    #[must_use]
    pub fn none() -> Self {
        let absent = Absent::Failed(Errno::EAFNOSUPPORT);
        Self { v4: Err(absent), v6: Err(absent) }
    }

    /// Gives the sockets the numbers [`V4`] and [`V6`].
    pub fn pinned(self) -> Result<Self, Errno> {
        let pinned = |socket: Result<Socket, Absent>, number| match socket {
            Ok(Socket { fd, family, kind, control }) => {
                pin(fd, number).map(|fd| Ok(Socket { fd, family, kind, control }))
            }
            Err(absent) => Ok(Err(absent)),
        };
        // The higher number first: opened one after the other, the second may sit where the first belongs.
        let v6 = pinned(self.v6, V6)?;
        Ok(Self { v4: pinned(self.v4, V4)?, v6 })
    }

    /// Whether `CAP_NET_RAW` would have opened more.
    #[must_use]
    pub fn lacks_net_raw(&self) -> bool {
        [&self.v4, &self.v6].into_iter().any(|socket| matches!(socket, Err(Absent::NeedsNetRaw)))
    }

    /// The socket of a family.
    pub fn of(&mut self, family: Family) -> Result<&mut Socket, Absent> {
        match family {
            Family::V4 => self.v4.as_mut().map_err(|absent| *absent),
            Family::V6 => self.v6.as_mut().map_err(|absent| *absent),
        }
    }

    /// Those that are open.
    pub fn opened(&mut self) -> impl Iterator<Item = &mut Socket> {
        self.v4.as_mut().into_iter().chain(self.v6.as_mut())
    }

    /// Their descriptors, to wait on for reading. Errors that came back are told of as `POLLERR`, whatever is asked.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.v4.iter().chain(&self.v6).map(|socket| socket.fd.as_fd())
    }
}
