//! What the policy judges: an echo request to one address.
#![forbid(unsafe_code)]

use std::net::IpAddr;

/// An echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Where to. An IPv4 address inside IPv6 (`::ffff:a.b.c.d`) is the IPv4 address by then.
    pub address: IpAddr,
}
