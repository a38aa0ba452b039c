//! Sockets of every family, and what packets go through: interfaces, addresses, routes, neighbours. All of it is asked of the
//! kernel by netlink (sock_diag(7), rtnetlink(7)), which takes no capability. What a user chose, such as the name of a unix
//! socket, is bytes.
#![forbid(unsafe_code)]

pub mod addresses;
pub mod inet;
pub mod interface_rates;
pub mod interfaces;
pub mod listening;
pub mod neighbours;
pub mod others;
pub mod plan;
pub mod process_sockets;
pub mod raw;
pub mod reader;
pub mod route;
pub mod routes;
pub mod row;
pub mod table;
pub mod tcp;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::netlink::dump::Error;
use crate::table::Table;

/// The tables of this folder.
pub const TABLES: &[&dyn Table] = &[
    &table::TABLE,
    &listening::TABLE,
    &process_sockets::TABLE,
    &interfaces::TABLE,
    &interface_rates::TABLE,
    &addresses::TABLE,
    &routes::TABLE,
    &neighbours::TABLE,
];

/// The error of a request that asked the kernel for `what`.
fn failure(error: Error, what: &'static str) -> RequestError {
    match error {
        Error::Busy | Error::Refused(Errno::EBUSY) => RequestError::Busy,
        Error::Socket(errno) | Error::Refused(errno) => RequestError::Posix(errno as i32, what),
        Error::Malformed => RequestError::Posix(libc::EPROTO, what),
        Error::TooLong(_) => RequestError::Posix(libc::EMSGSIZE, what),
    }
}
