//! Raw sockets as text: `/proc/net/raw` and `raw6` (net/ipv4/raw.c, `raw_sock_seq_show`), where the kernel was built without
//! `CONFIG_INET_RAW_DIAG`, as most are. The kernel alone writes every byte of it.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;

use super::plan::INET;
use super::row::{Other, Protocol, Socket};
use crate::error::RequestError;
use crate::sys::fd;

const WHAT: &str = "reading /proc/net/raw";

/// Bytes of the file: some 30,000 sockets. What is longer is an error: a part would pass for all of it.
const BYTES_MAX: usize = 4 << 20;

/// Reads those of a family. A kernel without IPv6 has no file for it.
pub fn read(family: u8) -> Result<Vec<Socket>, RequestError> {
    let path = if family == INET { c"/proc/thread-self/net/raw" } else { c"/proc/thread-self/net/raw6" };
    let text = match whole(path) {
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        other => other.map_err(|errno| RequestError::Posix(errno as i32, WHAT))?,
    };
    parse(&text, family).ok_or(RequestError::Posix(libc::EPROTO, WHAT))
}

fn whole(path: &CStr) -> Result<Vec<u8>, Errno> {
    let file = fd::open_file(path)?;
    let (mut bytes, mut filled) = (Vec::new(), 0_usize);
    loop {
        if filled > BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        bytes.resize(filled.saturating_add(1 << 15), 0);
        let end = fd::read_on(&file, &mut bytes, filled)?;
        if end == filled {
            bytes.truncate(end);
            return Ok(bytes);
        }
        filled = end;
    }
}

/// All rows behind the line of names; nothing where one is not as it should be.
#[must_use]
pub fn parse(text: &[u8], family: u8) -> Option<Vec<Socket>> {
    let mut lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.next()?;
    lines.map(|line| row(std::str::from_utf8(line).ok()?, family)).collect()
}

/// `1: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 11 2 0000000000000000 0`: a number, local and
/// remote address with the protocol for the port, state, queues, timer, retransmissions, uid, timeout, inode, and more.
fn row(line: &str, family: u8) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, protocol) = words.next()?.split_once(':')?;
    let (remote, _) = words.next()?.split_once(':')?;
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let (sent, received) = words.next()?.split_once(':')?;
    let hex = |text| u32::from_str_radix(text, 16).ok();
    let mut words = words.skip(2);
    let uid = words.next()?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    Some(Socket {
        family,
        protocol: Some(Protocol::Raw),
        kind: super::inet::kind(Protocol::Raw),
        state,
        local: Some(address(local, family)?),
        remote: Some(address(remote, family)?),
        uid: Some(uid),
        inode,
        rqueue: Some(hex(received)?),
        wqueue: Some(hex(sent)?),
        other: Some(Box::new(Other {
            number: Some(u16::from_str_radix(protocol, 16).ok()?),
            ..Other::default()
        })),
        ..Socket::default()
    })
}

/// Words of four bytes in the order of the host, each in hexadecimal.
fn address(text: &str, family: u8) -> Option<IpAddr> {
    let word = |n: usize| {
        let start = n.checked_mul(8)?;
        let word = u32::from_str_radix(text.get(start..start.checked_add(8)?)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    if family == INET {
        return (text.len() == 8).then_some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    (text.len() == 32).then_some(IpAddr::V6(Ipv6Addr::from(bytes)))
}
