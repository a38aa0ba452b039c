//! Memory by proportional share: `/proc/PID/smaps_rollup` (proc_pid_smaps(5)). The kernel walks all pages of the process for it, which
//! takes tens of milliseconds for gigabytes, and holds a lock of that process meanwhile.
#![forbid(unsafe_code)]

use nix::errno::Errno;

use crate::capability::Capability;
use crate::limits::SMALL_FILE_MAX;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::parse::smaps::{self, Field, Rollup};
use crate::table::{Column, Cost, Kind, TableOf, Unit, Value};
use crate::wire::atoms::{self, Atom};

/// A process and its memory.
#[derive(Debug)]
pub struct Memory {
    pid: u64,
    starttime: u64,
    rollup: Rollup,
}

const fn bytes(name: Atom, value: for<'a> fn(&'a Memory) -> Value<'a>) -> Column<Memory> {
    Column { name, kind: Kind::Number, unit: Unit::Bytes, value }
}

macro_rules! field {
    ($name:ident, $field:ident) => {
        bytes(atoms::$name, |row| Value::maybe(row.rollup.bytes(Field::$field)))
    };
}

/// The table `process_memory`. Threads of the kernel, and what has ended, have none and no row.
pub static TABLE: TableOf<Memory> = TableOf {
    name: atoms::PROCESS_MEMORY,
    roles: &[Role::Proc],
    capabilities: &[Capability::SysPtrace],
    cost: Cost::PerProcess,
    source: atoms::PROCFS,
    key: &[atoms::PID, atoms::STARTTIME],
    columns: &[
        Column {
            name: atoms::PID,
            kind: Kind::Number,
            unit: Unit::None,
            value: |row| Value::Unsigned(row.pid),
        },
        Column {
            name: atoms::STARTTIME,
            kind: Kind::Number,
            unit: Unit::Ticks,
            value: |row| Value::Unsigned(row.starttime),
        },
        field!(RSS, Rss),
        field!(PSS, Pss),
        field!(PSS_DIRTY, PssDirty),
        field!(PSS_ANON, PssAnon),
        field!(PSS_FILE, PssFile),
        field!(PSS_SHMEM, PssShmem),
        field!(SHARED_CLEAN, SharedClean),
        field!(SHARED_DIRTY, SharedDirty),
        field!(PRIVATE_CLEAN, PrivateClean),
        field!(PRIVATE_DIRTY, PrivateDirty),
        field!(REFERENCED, Referenced),
        field!(ANONYMOUS, Anonymous),
        field!(SWAP, Swap),
        field!(SWAP_PSS, SwapPss),
        field!(LOCKED, Locked),
    ],
    open: |wanted, _| each::open(wanted, Rollups::default()),
};

#[derive(Debug, Default)]
struct Rollups {
    done: bool,
}

impl PerProcess<Memory> for Rollups {
    fn enter(&mut self, _: &Here) -> Result<(), Errno> {
        self.done = false;
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<Memory>, Errno> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let text = match here.read(c"smaps_rollup", SMALL_FILE_MAX) {
            // ESRCH is the answer for what has no memory, too: a thread of the kernel lives on.
            Err(Errno::ESRCH) if fd_is_there(here) => return Ok(None),
            other => other?,
        };
        let rollup = smaps::rollup(&text);
        Ok(Some(Memory { pid: u64::from(here.pid.get()), starttime: here.starttime, rollup }))
    }
}

fn fd_is_there(here: &Here) -> bool {
    crate::sys::fd::stat_at(here.directory(), c"stat").is_ok()
}
