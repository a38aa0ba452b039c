//! Sockets of unix, netlink and packet, each asked for and answered in a shape of its own (include/uapi/linux/unix_diag.h,
//! netlink_diag.h, packet_diag.h).
#![forbid(unsafe_code)]

use super::row::{CLOSE, Other, Socket};
use crate::netlink::attr::{Attrs, ne32_at};

/// Any socket (`INET_DIAG_NOCOOKIE`).
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// What must be asked for of unix sockets (`UDIAG_SHOW_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnixAsk {
    /// A bit for each state.
    pub states: u32,
    /// With names.
    pub name: bool,
    /// With the other ends.
    pub peer: bool,
    /// With queues.
    pub queues: bool,
    /// With owners.
    pub uid: bool,
}

impl UnixAsk {
    /// `struct unix_diag_req`: family, protocol, padding, states, inode, what to show, cookie.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let bit = |wanted: bool, bit: u32| if wanted { bit } else { 0 };
        let show = bit(self.name, 0x1) | bit(self.peer, 0x4) | bit(self.queues, 0x10) | bit(self.uid, 0x40);
        request(libc::AF_UNIX, 0, &[self.states, 0, show])
    }
}

/// `struct netlink_diag_req`: family, protocol (255: any), padding, inode, `NDIAG_SHOW_MEMINFO`, cookie.
#[must_use]
pub fn netlink_header() -> Vec<u8> {
    request(libc::AF_NETLINK, 255, &[0, 0x1])
}

/// `struct packet_diag_req`: the same with `PACKET_SHOW_INFO` and `PACKET_SHOW_MEMINFO`.
#[must_use]
pub fn packet_header() -> Vec<u8> {
    request(libc::AF_PACKET, 0, &[0, 0x1 | 0x10])
}

fn request(family: i32, protocol: u8, words: &[u32]) -> Vec<u8> {
    let mut header = vec![u8::try_from(family).unwrap_or(0), protocol, 0, 0];
    words.iter().for_each(|word| header.extend_from_slice(&word.to_ne_bytes()));
    header.extend_from_slice(&NO_COOKIE);
    header
}

/// Two words of a cookie, the lower half first.
fn cookie(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// A unix socket: family, type, state, padding, inode, cookie; attributes `UNIX_DIAG_NAME` 0, `PEER` 2, `RQLEN` 4, `UID` 7.
#[must_use]
pub fn unix(bytes: &[u8]) -> Option<Socket> {
    let (head, attrs) = bytes.split_first_chunk::<16>()?;
    let [family, kind, state, ..] = *head;
    let word = |offset| ne32_at(head, offset);
    let mut socket = Socket {
        family,
        kind,
        state,
        inode: word(4)?,
        cookie: cookie(word(8)?, word(12)?),
        ..Socket::default()
    };
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        match attr.kind {
            0 => socket.other.get_or_insert_default().path = Some(name(attr.value).to_vec()),
            2 => socket.other.get_or_insert_default().peer = Some(attr.ne32()?),
            4 => {
                let (received, sent) = (ne32_at(attr.value, 0)?, ne32_at(attr.value, 4)?);
                (socket.rqueue, socket.wqueue) = (Some(received), Some(sent));
            }
            7 => socket.uid = Some(attr.ne32()?),
            _ => {}
        }
    }
    attrs.is_whole().then_some(socket)
}

/// A name as bind(2) took it. One in a file system ends in a NUL that is not part of it (net/unix/af_unix.c, `unix_bind_bsd`); an
/// abstract one begins with a NUL and has what NULs it likes (unix(7)).
fn name(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0, ..] => bytes,
        [path @ .., 0] => path,
        _ => bytes,
    }
}

/// `SK_MEMINFO_RMEM_ALLOC` and `SK_MEMINFO_WMEM_ALLOC` (include/uapi/linux/sock_diag.h).
fn memory(socket: &mut Socket, info: &[u8]) -> Option<()> {
    (socket.rqueue, socket.wqueue) = (Some(ne32_at(info, 0)?), Some(ne32_at(info, 8)?));
    Some(())
}

/// A netlink socket: family, type, protocol, state, port, destination and group, inode, cookie; `NETLINK_DIAG_MEMINFO` 0.
#[must_use]
pub fn netlink(bytes: &[u8]) -> Option<Socket> {
    let (head, attrs) = bytes.split_first_chunk::<28>()?;
    let [family, kind, protocol, state, ..] = *head;
    let word = |offset| ne32_at(head, offset);
    let mut socket = Socket {
        family,
        kind,
        // Not connected is 7 before the first connect(2) and 0 after the last (`NETLINK_UNCONNECTED`, net/netlink/af_netlink.h).
        state: if state == 1 { 1 } else { CLOSE },
        inode: word(16)?,
        cookie: cookie(word(20)?, word(24)?),
        other: Some(Box::new(Other {
            number: Some(u16::from(protocol)),
            portid: Some(word(4)?),
            ..Other::default()
        })),
        ..Socket::default()
    };
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        if attr.kind == 0 {
            memory(&mut socket, attr.value)?;
        }
    }
    attrs.is_whole().then_some(socket)
}

/// A packet socket: family, type, protocol of the link, inode, cookie; `PACKET_DIAG_INFO` 0, which begins with the index of
/// the interface, `UID` 5, `MEMINFO` 6.
#[must_use]
pub fn packet(bytes: &[u8]) -> Option<Socket> {
    let (head, attrs) = bytes.split_first_chunk::<16>()?;
    let [family, kind, p0, p1, ..] = *head;
    let word = |offset| ne32_at(head, offset);
    let mut socket = Socket {
        family,
        kind,
        state: CLOSE,
        inode: word(4)?,
        cookie: cookie(word(8)?, word(12)?),
        other: Some(Box::new(Other { number: Some(u16::from_ne_bytes([p0, p1])), ..Other::default() })),
        ..Socket::default()
    };
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        match attr.kind {
            0 => socket.interface = ne32_at(attr.value, 0)?,
            5 => socket.uid = Some(attr.ne32()?),
            6 => memory(&mut socket, attr.value)?,
            _ => {}
        }
    }
    attrs.is_whole().then_some(socket)
}
