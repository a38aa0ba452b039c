//! The operations on tables.
#![forbid(unsafe_code)]

use crate::op::{Op, OpRow, Role};

/// Rows of the op table. What a query may raise depends on its table.
pub const ROWS: &[OpRow] = &[
    OpRow {
        op: Op::Query,
        name: "query",
        roles: &[Role::Proc],
        capabilities: &[],
        policy_key: Some("proc.level"),
        summary: "a table of the kernel's state: columns, conditions, limit",
    },
    OpRow {
        op: Op::Tables,
        name: "tables",
        roles: &[Role::Proc],
        capabilities: &[],
        policy_key: None,
        summary: "the tables that there are, with their columns",
    },
];
