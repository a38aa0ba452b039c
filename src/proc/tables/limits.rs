//! Resource limits: `/proc/PID/limits` (proc_pid_limits(5)), a row for each.
#![forbid(unsafe_code)]

use nix::errno::Errno;

use crate::limits::SMALL_FILE_MAX;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::parse::limits::{self, Bound, LimitName, ProcessLimits};
use crate::proc::value::limit_atom;
use crate::table::{Column, Cost, Kind, TableOf, Unit, Value};
use crate::wire::atoms::{self, Atom};

/// A limit of a process.
#[derive(Debug)]
pub struct Limit {
    pid: u64,
    starttime: u64,
    limit: LimitName,
    soft: Bound,
    hard: Bound,
}

/// Words of `limit`, in the order of the file.
const LIMITS: &[Atom] = &[
    atoms::CPU_TIME,
    atoms::FILE_SIZE,
    atoms::DATA_SIZE,
    atoms::STACK_SIZE,
    atoms::CORE_FILE_SIZE,
    atoms::RESIDENT_SET,
    atoms::PROCESSES,
    atoms::OPEN_FILES,
    atoms::LOCKED_MEMORY,
    atoms::ADDRESS_SPACE,
    atoms::FILE_LOCKS,
    atoms::PENDING_SIGNALS,
    atoms::MSGQUEUE_SIZE,
    atoms::NICE_PRIORITY,
    atoms::REALTIME_PRIORITY,
    atoms::REALTIME_TIMEOUT,
];

const fn number(name: Atom, unit: Unit, value: for<'a> fn(&'a Limit) -> Value<'a>) -> Column<Limit> {
    Column { name, kind: Kind::Number, unit, value }
}

fn bound<'a>(bound: Bound) -> Value<'a> {
    match bound {
        Bound::Value(n) => Value::Unsigned(n),
        Bound::Unlimited => Value::Word(atoms::UNLIMITED),
    }
}

/// The table `process_limits`.
pub static TABLE: TableOf<Limit> = TableOf {
    name: atoms::PROCESS_LIMITS,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerProcess,
    source: atoms::PROCFS,
    key: &[atoms::PID, atoms::STARTTIME, atoms::LIMIT],
    columns: &[
        number(atoms::PID, Unit::None, |l| Value::Unsigned(l.pid)),
        number(atoms::STARTTIME, Unit::Ticks, |l| Value::Unsigned(l.starttime)),
        Column {
            name: atoms::LIMIT,
            kind: Kind::Word(LIMITS),
            unit: Unit::None,
            value: |l| Value::Word(limit_atom(l.limit)),
        },
        number(atoms::SOFT, Unit::None, |l| bound(l.soft)),
        number(atoms::HARD, Unit::None, |l| bound(l.hard)),
    ],
    open: |wanted, _| each::open(wanted, Limits { of: None, next: 0 }),
};

#[derive(Debug)]
struct Limits {
    of: Option<ProcessLimits>,
    next: usize,
}

impl PerProcess<Limit> for Limits {
    fn enter(&mut self, here: &Here) -> Result<(), Errno> {
        let text = here.read(c"limits", SMALL_FILE_MAX)?;
        self.of = Some(limits::parse(&text).ok_or(Errno::EPROTO)?);
        self.next = 0;
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<Limit>, Errno> {
        let row = self.of.as_ref().and_then(|limits| limits.0.get(self.next));
        self.next = self.next.saturating_add(1);
        Ok(row.map(|(limit, soft, hard)| Limit {
            pid: u64::from(here.pid.get()),
            starttime: here.starttime,
            limit: *limit,
            soft: *soft,
            hard: *hard,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_word() {
        let text = std::fs::read("/proc/self/limits").unwrap();
        let ProcessLimits(rows) = limits::parse(&text).unwrap();
        assert!(rows.iter().map(|(limit, _, _)| limit_atom(*limit)).eq(LIMITS.iter().copied()));
    }
}
