//! The kernel's audit log, as root hears it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "namespaces.rs"]
pub mod namespaces;

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use namespaces::is_first_network;

/// `AUDIT_NLGRP_READLOG` (include/uapi/linux/audit.h).
const READLOG: u32 = 1;

/// A socket that every record comes to. An error for whoever is not root, and where the kernel sends none: in another network namespace than
/// its first.
pub fn listen() -> Result<OwnedFd, Errno> {
    if !is_first_network() {
        return Err(Errno::ENOTSUP);
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let log = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkAudit)?;
    bind(log.as_raw_fd(), &NetlinkAddr::new(0, READLOG))?;
    Ok(log)
}

/// The first record that has all of these words, within a minute.
pub fn find(log: &OwnedFd, words: &[&str]) -> Option<String> {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        let mut buffer = [0; 8192];
        match recv(log.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(n) => {
                let record = String::from_utf8_lossy(&buffer[16.min(n)..n]).into_owned() + " ";
                if words.iter().all(|word| record.contains(word)) {
                    return Some(record);
                }
            }
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
    None
}
