//! The operations of this folder.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::op::{Op, OpRow, Role};

/// Rows of the op table.
pub const ROWS: &[OpRow] = &[
    OpRow {
        op: Op::Process,
        name: "process",
        roles: &[Role::Proc],
        capabilities: &[Capability::SysPtrace, Capability::DacReadSearch],
        policy_key: Some("proc.level"),
        summary: "one process, item by item",
    },
    OpRow {
        op: Op::Processes,
        name: "processes",
        roles: &[Role::Proc],
        capabilities: &[Capability::SysPtrace, Capability::DacReadSearch],
        policy_key: Some("proc.level"),
        summary: "the process table: columns, conditions, limit",
    },
];
