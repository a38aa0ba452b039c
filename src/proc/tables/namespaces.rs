//! Namespaces: the links of `/proc/PID/ns` (namespaces(7)). Two processes with the same number share it.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use nix::errno::Errno;

use crate::capability::Capability;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::sys::fd;
use crate::table::{Column, Cost, Kind, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// A process and its namespaces.
#[derive(Debug)]
pub struct Namespaces {
    pid: u64,
    starttime: u64,
    of: [Result<Option<u64>, Errno>; LINKS.len()],
}

/// Columns and links.
const LINKS: [(Atom, &CStr); 8] = [
    (atoms::CGROUP_NS, c"ns/cgroup"),
    (atoms::IPC_NS, c"ns/ipc"),
    (atoms::MNT_NS, c"ns/mnt"),
    (atoms::NET_NS, c"ns/net"),
    (atoms::PID_NS, c"ns/pid"),
    (atoms::TIME_NS, c"ns/time"),
    (atoms::USER_NS, c"ns/user"),
    (atoms::UTS_NS, c"ns/uts"),
];

macro_rules! namespace {
    ($n:literal) => {
        number(LINKS[$n].0, Unit::None, |row| match row.of[$n] {
            Ok(inode) => Value::maybe(inode),
            Err(errno) => Value::Denied(errno as i32),
        })
    };
}

const fn number(
    name: Atom,
    unit: Unit,
    value: for<'a> fn(&'a Namespaces) -> Value<'a>,
) -> Column<Namespaces> {
    Column { name, kind: Kind::Number, unit, value }
}

/// The table `process_namespaces`.
pub static TABLE: TableOf<Namespaces> = TableOf {
    name: atoms::PROCESS_NAMESPACES,
    roles: &[Role::Proc],
    capabilities: &[Capability::SysPtrace],
    cost: Cost::PerProcess,
    source: atoms::PROCFS,
    key: &[atoms::PID, atoms::STARTTIME],
    columns: &[
        number(atoms::PID, Unit::None, |row| Value::Unsigned(row.pid)),
        number(atoms::STARTTIME, Unit::Ticks, |row| Value::Unsigned(row.starttime)),
        namespace!(0),
        namespace!(1),
        namespace!(2),
        namespace!(3),
        namespace!(4),
        namespace!(5),
        namespace!(6),
        namespace!(7),
    ],
    open: |wanted, _| each::open(wanted, Links::of(wanted)),
};

/// Which links are read.
#[derive(Debug)]
struct Links {
    wanted: [bool; LINKS.len()],
    done: bool,
}

impl Links {
    fn of(wanted: &Wanted<'_, Namespaces>) -> Self {
        Self { wanted: LINKS.map(|(column, _)| wanted.has(column)), done: false }
    }
}

impl PerProcess<Namespaces> for Links {
    fn enter(&mut self, _: &Here) -> Result<(), Errno> {
        self.done = false;
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<Namespaces>, Errno> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let mut of = [Ok(None); LINKS.len()];
        for ((slot, (_, link)), wanted) in of.iter_mut().zip(LINKS).zip(self.wanted) {
            if wanted {
                *slot = match fd::read_link(here.directory(), link) {
                    Ok(target) => Ok(inode(&target)),
                    // A kernel without it, or a process that has ended: its directory tells which.
                    Err(Errno::ENOENT) => {
                        fd::stat_at(here.directory(), c"stat")?;
                        Ok(None)
                    }
                    Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                    Err(errno) => Err(errno),
                };
            }
        }
        Ok(Some(Namespaces { pid: u64::from(here.pid.get()), starttime: here.starttime, of }))
    }
}

/// The number in `net:[4026531840]`.
fn inode(target: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(target).ok()?;
    text.split_once(":[")?.1.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_between_the_brackets() {
        assert_eq!(inode(b"net:[4026531840]"), Some(4_026_531_840));
        for bad in [
            &b""[..],
            b"net:[]",
            b"net:[1",
            b"net:1]",
            b"net:[-1]",
            b"\xff:[1]",
            b"net:[99999999999999999999]",
        ] {
            assert_eq!(inode(bad), None);
        }
    }
}
