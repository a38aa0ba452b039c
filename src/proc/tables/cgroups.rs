//! The control groups of a process: `/proc/PID/cgroup` (cgroups(7)), a row for each hierarchy.
#![forbid(unsafe_code)]

use std::vec::IntoIter;

use nix::errno::Errno;

use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::parse::cgroup;
use crate::table::{Column, Cost, Kind, TableOf, Unit, Value};
use crate::wire::atoms;

/// Bytes of the file: a path of 4,096 bytes in each of some fifteen hierarchies.
const BYTES_MAX: usize = 64 * 1024;

/// A process in a hierarchy.
#[derive(Debug)]
pub struct Member {
    pid: u64,
    starttime: u64,
    hierarchy: u64,
    controllers: Vec<u8>,
    path: Vec<u8>,
}

/// The table `process_cgroups`. Hierarchy 0 is that of version 2, and has no controllers here.
pub static TABLE: TableOf<Member> = TableOf {
    name: atoms::PROCESS_CGROUPS,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerProcess,
    source: atoms::PROCFS,
    key: &[atoms::PID, atoms::STARTTIME, atoms::HIERARCHY],
    columns: &[
        Column { name: atoms::PID, kind: Kind::Number, unit: Unit::None, value: |m| Value::Unsigned(m.pid) },
        Column {
            name: atoms::STARTTIME,
            kind: Kind::Number,
            unit: Unit::Ticks,
            value: |m| Value::Unsigned(m.starttime),
        },
        Column {
            name: atoms::HIERARCHY,
            kind: Kind::Number,
            unit: Unit::None,
            value: |m| Value::Unsigned(m.hierarchy),
        },
        Column {
            name: atoms::CONTROLLERS,
            kind: Kind::Bytes,
            unit: Unit::None,
            value: |m| Value::Bytes(&m.controllers),
        },
        Column { name: atoms::PATH, kind: Kind::Bytes, unit: Unit::None, value: |m| Value::Bytes(&m.path) },
    ],
    open: |wanted, _| each::open(wanted, Members::default()),
};

#[derive(Debug, Default)]
struct Members(IntoIter<Member>);

impl PerProcess<Member> for Members {
    fn enter(&mut self, here: &Here) -> Result<(), Errno> {
        let text = here.read(c"cgroup", BYTES_MAX)?;
        let row = |line: cgroup::Line<'_>| Member {
            pid: u64::from(here.pid.get()),
            starttime: here.starttime,
            hierarchy: line.hierarchy,
            controllers: line.controllers.to_vec(),
            path: line.path.to_vec(),
        };
        self.0 = cgroup::lines(&text).map(row).collect::<Vec<_>>().into_iter();
        Ok(())
    }

    fn next(&mut self, _: &Here) -> Result<Option<Member>, Errno> {
        Ok(self.0.next())
    }
}
