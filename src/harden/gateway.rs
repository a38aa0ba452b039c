//! What the processes of a gateway give up. The one that reads what peers say keeps what a node keeps, and opens nothing. The other keeps
//! the calls that connect, to the protected node's port and no other where the kernel can see to that; it reads questions of a fixed form,
//! and handshakes of the protected node. The third keeps the calls, as it opens files as an administrator left them; it starts nothing, and what
//! it reads is root's file, a few bytes of the port mapper and messages of the first, which it does not believe.
#![forbid(unsafe_code)]

use nix::errno::Errno;

#[cfg(debug_assertions)]
use super::distribution::F_GETFD;
use super::distribution::{CALLED, COMMON, NODELAY, TCP, lower, restrict};
use super::seccomp::{ANY, Is, Row, arg, row};
use super::{failed, landlock};
use crate::error::Refusal;
use crate::limits::{ADDRESS_SPACE_MAX, GATEWAY_ADDRESS_SPACE_MAX};

const SOCKET: u64 = arg(libc::SOL_SOCKET);
const ERROR: u64 = arg(libc::SO_ERROR);
const READ_TIMEOUT: u64 = arg(libc::SO_RCVTIMEO);
const WRITE_TIMEOUT: u64 = arg(libc::SO_SNDTIMEO);
const STREAM: u64 = arg(libc::SOCK_STREAM | libc::SOCK_CLOEXEC);
/// TCP, and nothing like it: to landlock a connection of MPTCP is none, though it ends as one of TCP.
const PLAIN: u64 = 0;
const V4: u64 = arg(libc::AF_INET);
const V6: u64 = arg(libc::AF_INET6);

/// What the process that calls the protected node needs beside what all of distribution do.
const CALLING: &[Row] = &[
    row!(
        SYS_socket,
        &[
            &[Is::Value(0, V4), Is::Value(1, STREAM), Is::Value(2, PLAIN)],
            &[Is::Value(0, V6), Is::Value(1, STREAM), Is::Value(2, PLAIN)]
        ],
        "a connection with the protected node, or its port mapper"
    ),
    row!(SYS_connect, ANY, "the same; landlock holds it to their ports"),
    row!(SYS_getsockopt, &[&[Is::Value(1, SOCKET), Is::Value(2, ERROR)]], "whether it is there"),
    row!(
        SYS_setsockopt,
        &[
            &[Is::Value(1, TCP), Is::Value(2, NODELAY)],
            &[Is::Value(1, SOCKET), Is::Value(2, READ_TIMEOUT)],
            &[Is::Value(1, SOCKET), Is::Value(2, WRITE_TIMEOUT)]
        ],
        "a handshake has its time"
    ),
    #[cfg(debug_assertions)]
    row!(
        SYS_fcntl,
        &[&[Is::Value(1, F_GETFD)]],
        "a debug build looks whether a descriptor is open before it closes it"
    ),
];

/// The system calls of the process that reads what peers say: what a node reads of copies of the port program it does not.
pub fn table() -> impl Iterator<Item = &'static Row> {
    COMMON.iter().chain(CALLED)
}

/// The system calls of the process that calls the protected node.
pub fn dialer_table() -> impl Iterator<Item = &'static Row> {
    COMMON.iter().chain(CALLING)
}

/// Confines the process that reads what peers say.
///
/// # Errors
/// What the kernel refused.
pub fn confine() -> Result<(), Refusal> {
    restrict(table(), GATEWAY_ADDRESS_SPACE_MAX).map_err(|(step, e)| failed(step, e))
}

/// Confines the process that reads the file again.
///
/// # Errors
/// What the kernel refused.
pub fn confine_starter() -> Result<(), Refusal> {
    lower(ADDRESS_SPACE_MAX).map_err(|(step, e)| failed(step, e))
}

/// Confines the process that calls the protected node. `ports`: those that it may connect to; all, where they are not known before.
///
/// # Errors
/// What the kernel refused.
pub fn confine_dialer(ports: Option<&[u16]>) -> Result<(), Refusal> {
    let rules = match ports {
        Some(ports) => landlock::connect_only(ports),
        None => landlock::files_only(),
    };
    // A kernel without it has the table of calls, which opens no file either.
    let held: Result<bool, Errno> = rules;
    held.map_err(|e| failed("landlock", e))?;
    restrict(dialer_table(), ADDRESS_SPACE_MAX).map_err(|(step, e)| failed(step, e))
}
