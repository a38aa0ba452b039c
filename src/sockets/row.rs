//! A row of `sockets` and of `listening`, whatever family it is of.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::tcp::Tcp;
use crate::table::Value;
use crate::wire::atoms::{self, Atom};

/// A protocol of IP that sockets are listed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Any, by its number.
    Raw,
}

impl Protocol {
    /// Its number in a request (netinet/in.h).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Raw => 255,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn word(self) -> Atom {
        match self {
            Self::Tcp => atoms::TCP,
            Self::Udp => atoms::UDP,
            Self::Raw => atoms::RAW,
        }
    }
}

/// `TCP_CLOSE`, `TCP_LISTEN` (include/net/tcp_states.h): states of every family's sockets.
pub const CLOSE: u8 = 7;
/// See [`CLOSE`].
pub const LISTEN: u8 = 10;
/// `TCP_BOUND_INACTIVE` (since Linux 6.8): a TCP socket that has a port and neither listens nor is connected. The kernel is asked
/// for it by this number and answers `TCP_CLOSE`, which no other TCP socket of its lists is.
pub const BOUND: u8 = 13;

/// One socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// `AF_*`.
    pub family: u8,
    /// For `inet` and `inet6`.
    pub protocol: Option<Protocol>,
    /// `SOCK_*`; 0 is none.
    pub kind: u8,
    /// `TCP_*`.
    pub state: u8,
    /// Addresses.
    pub local: Option<IpAddr>,
    /// See `local`.
    pub remote: Option<IpAddr>,
    /// Ports.
    pub local_port: Option<u16>,
    /// See `local_port`.
    pub remote_port: Option<u16>,
    /// The index of the interface that it is bound to; 0 is none.
    pub interface: u32,
    /// Who owns it.
    pub uid: Option<u32>,
    /// 0: it belongs to no descriptor any more, or not yet.
    pub inode: u32,
    /// Bytes received and not read, or connections that wait to be accepted.
    pub rqueue: Option<u32>,
    /// Bytes sent and not acknowledged, or how many connections may wait.
    pub wqueue: Option<u32>,
    /// What the kernel tells sockets apart by.
    pub cookie: u64,
    /// Which timer runs, with a [`timer`] of its own.
    pub timer: Option<u8>,
    /// Milliseconds until it does.
    pub expires: u32,
    /// How often that timer has.
    pub retransmits: u8,
    /// The cgroup.
    pub cgroup: Option<u64>,
    /// What TCP knows of the connection.
    pub tcp: Option<Box<Tcp>>,
    /// What neither TCP's nor UDP's have. Those are there by the ten thousand, and each is moved from hand to hand.
    pub other: Option<Box<Other>>,
}

// Up to this size a row is moved by some instructions, beyond it by a call.
const _: () = assert!(size_of::<Socket>() <= 128);

/// What some sockets have, and none of TCP's and UDP's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Other {
    /// What the kernel numbers inside a family: the protocol of IP of a raw socket, the part of the kernel of a netlink socket, the
    /// protocol of a link for a packet socket.
    pub number: Option<u16>,
    /// The port of a netlink socket.
    pub portid: Option<u32>,
    /// The inode that a unix socket is connected to.
    pub peer: Option<u32>,
    /// The name of a unix socket.
    pub path: Option<Vec<u8>>,
}

impl Socket {
    /// Whether its queues are of connections.
    fn listens(&self) -> bool {
        self.state == LISTEN
    }

    /// `family`.
    #[must_use]
    pub fn family_word(&self) -> Value<'_> {
        Value::Word(match i32::from(self.family) {
            libc::AF_INET => atoms::INET,
            libc::AF_INET6 => atoms::INET6,
            libc::AF_UNIX => atoms::UNIX,
            libc::AF_NETLINK => atoms::NETLINK,
            libc::AF_PACKET => atoms::PACKET,
            _ => atoms::UNKNOWN,
        })
    }

    /// `rqueue` of what has bytes in it.
    #[must_use]
    pub fn received(&self) -> Value<'_> {
        maybe(self.rqueue.filter(|_| !self.listens()))
    }

    /// `wqueue` likewise.
    #[must_use]
    pub fn sent(&self) -> Value<'_> {
        maybe(self.wqueue.filter(|_| !self.listens()))
    }

    /// `backlog`: connections that wait to be accepted.
    #[must_use]
    pub fn backlog(&self) -> Value<'_> {
        maybe(self.rqueue.filter(|_| self.listens()))
    }

    /// `max_backlog`: how many may.
    #[must_use]
    pub fn max_backlog(&self) -> Value<'_> {
        maybe(self.wqueue.filter(|_| self.listens()))
    }

    /// `protocol_number`.
    #[must_use]
    pub fn number(&self) -> Value<'_> {
        maybe(self.other.as_ref().and_then(|other| other.number))
    }

    /// `portid`.
    #[must_use]
    pub fn portid(&self) -> Value<'_> {
        maybe(self.other.as_ref().and_then(|other| other.portid))
    }

    /// `peer`.
    #[must_use]
    pub fn peer(&self) -> Value<'_> {
        maybe(self.other.as_ref().and_then(|other| other.peer))
    }

    /// `path`.
    #[must_use]
    pub fn path(&self) -> Value<'_> {
        Value::maybe_bytes(self.other.as_ref().and_then(|other| other.path.as_deref()))
    }

    /// A number of what TCP knows.
    #[must_use]
    pub fn tcp(&self, number: impl FnOnce(&Tcp) -> Option<u64>) -> Value<'_> {
        Value::maybe(self.tcp.as_deref().and_then(number))
    }
}

/// A number, if there is one.
#[must_use]
pub fn maybe<'a, N: Into<u64>>(number: Option<N>) -> Value<'a> {
    Value::maybe(number.map(Into::into))
}

/// A number where 0 is none.
#[must_use]
pub fn nonzero<'a>(number: u32) -> Value<'a> {
    maybe(Some(number).filter(|n| *n > 0))
}

/// The words of `state` by their number in include/net/tcp_states.h. The second `syn_recv`, a request for a connection, is only
/// asked for.
pub const STATES: &[Atom] = &[
    atoms::UNKNOWN,
    atoms::ESTABLISHED,
    atoms::SYN_SENT,
    atoms::SYN_RECV,
    atoms::FIN_WAIT1,
    atoms::FIN_WAIT2,
    atoms::TIME_WAIT,
    atoms::CLOSE,
    atoms::CLOSE_WAIT,
    atoms::LAST_ACK,
    atoms::LISTEN,
    atoms::CLOSING,
    atoms::SYN_RECV,
    atoms::BOUND,
];

/// The word of `state`.
#[must_use]
pub fn state(number: u8) -> Atom {
    STATES.get(usize::from(number)).copied().unwrap_or(atoms::UNKNOWN)
}

/// The words of `timer`, by `idiag_timer` (net/ipv4/inet_diag.c, `inet_sk_diag_fill`).
pub const TIMERS: &[Atom] =
    &[atoms::OFF, atoms::ON, atoms::KEEPALIVE, atoms::TIME_WAIT, atoms::PERSIST, atoms::UNKNOWN];

/// The word of `timer`.
#[must_use]
pub fn timer(number: u8) -> Atom {
    TIMERS.get(usize::from(number)).copied().unwrap_or(atoms::UNKNOWN)
}

/// The words of `type` (bits/socket_type.h).
pub const KINDS: &[Atom] =
    &[atoms::UNKNOWN, atoms::STREAM, atoms::DGRAM, atoms::RAW, atoms::RDM, atoms::SEQPACKET];

/// The word of `type`.
#[must_use]
pub fn kind(number: u8) -> Atom {
    KINDS.get(usize::from(number)).copied().unwrap_or(atoms::UNKNOWN)
}
