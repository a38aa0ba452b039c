//! The operations of this folder.
#![forbid(unsafe_code)]

use crate::op::{Op, OpRow, Role};

/// Rows of the op table. The sockets are opened before the first byte of input is read; sending takes no capability.
pub const ROWS: &[OpRow] = &[OpRow {
    op: Op::Ping,
    name: "ping",
    roles: &[Role::Net],
    capabilities: &[],
    policy_key: Some("ping.allow"),
    summary: "one ICMP echo request and its reply",
}];
