//! Sockets of IP: `struct inet_diag_req_v2` asks, or `struct inet_diag_req` for both families, and `struct inet_diag_msg` answers
//! (include/uapi/linux/inet_diag.h).
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::row::{BOUND, CLOSE, LISTEN, Other, Protocol, Socket};
use super::tcp::Tcp;
use crate::netlink::attr::{Attrs, ne32_at};

/// `SOCK_DIAG_BY_FAMILY`: the kind of the question and of the answers.
pub const BY_FAMILY: u16 = 20;

/// `TCPDIAG_GETSOCK`: the sockets of TCP of both families.
const OF_TCP: u16 = 18;

/// `AF_UNSPEC`: of both families, which only TCP's can be asked for. The kernel goes through its table once instead of twice.
pub const BOTH: u8 = 0;

/// Bytes of `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// Bytes of `struct inet_diag_sockid`.
const SOCKETS: usize = 48;

/// `INET_DIAG_INFO`, `INET_DIAG_CONG`, `INET_DIAG_CGROUP_ID`. The first two must be asked for, by the bit of their number less 1.
const INFO: u16 = 2;
const CONGESTION: u16 = 4;
const CGROUP: u16 = 21;

/// What is asked of one protocol of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// `AF_INET` or `AF_INET6`, or [`BOTH`].
    pub family: u8,
    /// The protocol.
    pub protocol: Protocol,
    /// A bit for each state.
    pub states: u32,
    /// Only of this local port; 0: of any.
    pub local_port: u16,
    /// Only to this port; 0: to any.
    pub remote_port: u16,
    /// With what TCP knows of the connection.
    pub info: bool,
    /// With the algorithm of congestion control.
    pub congestion: bool,
}

impl Ask {
    /// The kind of message that asks for it.
    #[must_use]
    pub fn kind(&self) -> u16 {
        if self.family == BOTH { OF_TCP } else { BY_FAMILY }
    }

    /// `struct inet_diag_req_v2`: family, protocol, extensions, padding, states, and a `struct inet_diag_sockid` of which a list
    /// looks at the ports only. `struct inet_diag_req`: family, lengths of prefixes, extensions, the sockets, states, and a number
    /// that nobody reads.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let bit = |wanted: bool, number: u16| if wanted { 1_u8 << (number - 1) } else { 0 };
        let extensions = bit(self.info, INFO) | bit(self.congestion, CONGESTION);
        let states = self.states.to_ne_bytes();
        let mut sockets = [0; SOCKETS];
        let [l0, l1] = self.local_port.to_be_bytes();
        let [r0, r1] = self.remote_port.to_be_bytes();
        if let Some(ports) = sockets.first_chunk_mut() {
            *ports = [l0, l1, r0, r1];
        }
        if self.family == BOTH {
            [&[BOTH, 0, 0, extensions][..], &sockets, &states, &[0; 4]].concat()
        } else {
            [&[self.family, self.protocol.number(), extensions, 0][..], &states, &sockets].concat()
        }
    }
}

/// Reads a socket; nothing where it is not whole.
#[must_use]
pub fn parse(bytes: &[u8], protocol: Protocol) -> Option<Socket> {
    let (head, attrs) = bytes.split_first_chunk::<MESSAGE>()?;
    let [family, state, timer, retransmits, l0, l1, r0, r1, ..] = *head;
    let word = |offset| ne32_at(head, offset);
    let (local_port, remote_port) = (u16::from_be_bytes([l0, l1]), u16::from_be_bytes([r0, r1]));
    let (inode, uid) = (word(68)?, word(64)?);
    let raw = protocol == Protocol::Raw;
    let (local, remote) = (address(family, head.get(8..24)?)?, address(family, head.get(24..40)?)?);
    let (mut tcp, mut cgroup): (Option<Box<Tcp>>, _) = (None, None);
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        match attr.kind {
            // A socket that listens has no connection: most of it is 0 and the rest means something else.
            INFO if state != LISTEN => tcp.get_or_insert_default().read_info(attr.value),
            CONGESTION => tcp.get_or_insert_default().read_congestion(attr.value),
            CGROUP => cgroup = Some(attr.ne64()?),
            _ => {}
        }
    }
    if !attrs.is_whole() {
        return None;
    }
    // Made in one go: of fifty thousand, each is moved as seldom as can be.
    Some(Socket {
        family,
        protocol: Some(protocol),
        kind: kind(protocol),
        state: if state == CLOSE && protocol == Protocol::Tcp { BOUND } else { state },
        local: Some(local),
        remote: Some(remote),
        local_port: (!raw).then_some(local_port),
        remote_port: (!raw).then_some(remote_port),
        interface: word(40)?,
        // Of what belongs to no process any more, or not yet, the kernel says 0, which is not its owner.
        uid: (inode != 0 || uid != 0).then_some(uid),
        inode,
        rqueue: Some(word(56)?),
        wqueue: Some(word(60)?),
        cookie: u64::from(word(48)?) << 32 | u64::from(word(44)?),
        timer: (protocol == Protocol::Tcp).then_some(timer),
        expires: word(52)?,
        retransmits,
        cgroup,
        tcp,
        other: raw.then(|| Box::new(Other { number: Some(local_port), ..Other::default() })),
    })
}

/// The type of its sockets (bits/socket_type.h).
pub(super) fn kind(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 1,
        Protocol::Udp => 2,
        Protocol::Raw => 3,
    }
}

/// An address of the family, of which IPv4 has the first four bytes.
pub(super) fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => bytes.first_chunk::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(*bytes))),
        libc::AF_INET6 => bytes.first_chunk::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes))),
        _ => None,
    }
}
