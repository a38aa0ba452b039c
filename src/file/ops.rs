//! The operations of this folder.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::op::{Op, OpRow, Role};

/// Rows of the op table. A permit is asked for when a file is opened; the handle is what it leaves behind.
pub const ROWS: &[OpRow] = &[
    OpRow {
        op: Op::FileOpen,
        name: "file_open",
        roles: &[Role::Proc],
        capabilities: &[Capability::DacReadSearch],
        policy_key: Some("files.read"),
        summary: "opens a listed file for reading, answers a handle",
    },
    OpRow {
        op: Op::FileRead,
        name: "file_read",
        roles: &[Role::Proc],
        capabilities: &[],
        policy_key: Some("files.read"),
        summary: "reads a part of an open file",
    },
    OpRow {
        op: Op::FileClose,
        name: "file_close",
        roles: &[Role::Proc],
        capabilities: &[],
        policy_key: None,
        summary: "gives a handle back",
    },
];
