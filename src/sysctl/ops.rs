//! The operations of this folder.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::op::{Op, OpRow, Role};

/// Rows of the op table. Reading takes no capability: what the kernel shows to its administrator only stays hidden.
pub const ROWS: &[OpRow] = &[
    OpRow {
        op: Op::SysctlGet,
        name: "sysctl_get",
        roles: &[Role::Net],
        capabilities: &[],
        policy_key: Some("sysctl.read"),
        summary: "the value of a kernel parameter below net.",
    },
    OpRow {
        op: Op::SysctlSet,
        name: "sysctl_set",
        roles: &[Role::Net],
        capabilities: &[Capability::NetAdmin],
        policy_key: Some("sysctl.write"),
        summary: "sets a kernel parameter, answers what it was and what it is",
    },
    OpRow {
        op: Op::SysctlList,
        name: "sysctl_list",
        roles: &[Role::Net],
        capabilities: &[],
        policy_key: Some("sysctl.read"),
        summary: "every kernel parameter that the policy lets read, with its value",
    },
];
