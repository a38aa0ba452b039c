//! The op table: the rows of every feature, and those of the port itself.
#![forbid(unsafe_code)]

use crate::op::{Op, OpRow, Role};
use crate::{file, icmp, nft, proc, sysctl, table};

/// Operations about the port, in every role.
const PORT: &[OpRow] = &[
    OpRow {
        op: Op::Info,
        name: "info",
        roles: Role::ALL,
        capabilities: &[],
        policy_key: None,
        summary: "counters of the port",
    },
    OpRow {
        op: Op::Subscribe,
        name: "subscribe",
        roles: Role::ALL,
        capabilities: &[],
        policy_key: None,
        summary: "events as they happen",
    },
];

const TABLE: &[&[OpRow]] = &[
    PORT,
    table::ops::ROWS,
    proc::ops::ROWS,
    file::ops::ROWS,
    icmp::ops::ROWS,
    nft::ops::ROWS,
    sysctl::ops::ROWS,
];

/// The rows that a role answers.
pub fn of(role: Role) -> impl Iterator<Item = &'static OpRow> {
    TABLE.iter().flat_map(|rows| rows.iter()).filter(move |row| row.roles.contains(&role))
}

/// The row of that name, if the role answers it.
#[must_use]
pub fn named(role: Role, name: &str) -> Option<&'static OpRow> {
    of(role).find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_one_row() {
        for op in [Op::Info, Op::Process, Op::Processes] {
            assert_eq!(of(Role::Proc).filter(|row| row.op == op).count(), 1, "{op:?}");
        }
        let mut names: Vec<_> = of(Role::Proc).map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), of(Role::Proc).count());
    }

    #[test]
    fn what_raises_a_capability_has_a_policy_key() {
        for role in Role::ALL {
            assert!(of(*role).all(|row| row.capabilities.is_empty() || row.policy_key.is_some()));
        }
    }
}
