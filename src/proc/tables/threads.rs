//! Threads: `/proc/PID/task/TID/stat`.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::fd::AsFd;

use nix::errno::Errno;

use crate::limits::STAT_MAX;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::parse::stat;
use crate::proc::value::{STATE_WORDS, state_atom};
use crate::sys::fd;
use crate::sys::piddir::NumberDir;
use crate::table::{Column, Cost, Kind, TableOf, Unit, Value};
use crate::wire::atoms::{self, Atom};

/// A thread.
#[derive(Debug)]
pub struct Thread {
    pid: u64,
    tid: u64,
    starttime: u64,
    comm: Vec<u8>,
    state: Atom,
    numbers: [i64; 4],
    counts: [u64; 6],
}

const fn count(name: Atom, unit: Unit, value: for<'a> fn(&'a Thread) -> Value<'a>) -> Column<Thread> {
    Column { name, kind: Kind::Number, unit, value }
}

/// The table `threads`. The start is the thread's own.
pub static TABLE: TableOf<Thread> = TableOf {
    name: atoms::THREADS,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerProcess,
    source: atoms::PROCFS,
    key: &[atoms::PID, atoms::TID, atoms::STARTTIME],
    columns: &[
        count(atoms::PID, Unit::None, |t| Value::Unsigned(t.pid)),
        count(atoms::TID, Unit::None, |t| Value::Unsigned(t.tid)),
        count(atoms::STARTTIME, Unit::Ticks, |t| Value::Unsigned(t.starttime)),
        Column { name: atoms::COMM, kind: Kind::Bytes, unit: Unit::None, value: |t| Value::Bytes(&t.comm) },
        Column {
            name: atoms::STATE,
            kind: Kind::Word(STATE_WORDS),
            unit: Unit::None,
            value: |t| Value::Word(t.state),
        },
        count(atoms::PRIORITY, Unit::None, |t| Value::Signed(t.numbers[0])),
        count(atoms::NICE, Unit::None, |t| Value::Signed(t.numbers[1])),
        count(atoms::PROCESSOR, Unit::None, |t| Value::Signed(t.numbers[2])),
        count(atoms::POLICY, Unit::None, |t| Value::Signed(t.numbers[3])),
        count(atoms::UTIME, Unit::Ticks, |t| Value::Unsigned(t.counts[0])),
        count(atoms::STIME, Unit::Ticks, |t| Value::Unsigned(t.counts[1])),
        count(atoms::MINFLT, Unit::None, |t| Value::Unsigned(t.counts[2])),
        count(atoms::MAJFLT, Unit::None, |t| Value::Unsigned(t.counts[3])),
        count(atoms::RT_PRIORITY, Unit::None, |t| Value::Unsigned(t.counts[4])),
        count(atoms::BLKIO_TICKS, Unit::Ticks, |t| Value::Unsigned(t.counts[5])),
    ],
    open: |wanted, _| each::open(wanted, Threads::default()),
};

#[derive(Debug, Default)]
struct Threads(Option<NumberDir>);

impl PerProcess<Thread> for Threads {
    fn enter(&mut self, here: &Here) -> Result<(), Errno> {
        self.0 = Some(NumberDir::of(fd::open_listing(here.directory(), c"task")?));
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<Thread>, Errno> {
        let Some(tasks) = &mut self.0 else { return Ok(None) };
        while let Some(tid) = tasks.next_number()? {
            let name = CString::new(tid.to_string()).map_err(|_| Errno::EINVAL)?;
            let line = fd::open_directory_path(tasks.fd(), &name, false)
                .and_then(|directory| each::read(directory.as_fd(), c"stat", STAT_MAX));
            match line {
                Ok(line) => return thread(here, tid, &line).map(Some).ok_or(Errno::EPROTO),
                // A thread that ended meanwhile; others may follow.
                Err(Errno::ESRCH | Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(None)
    }
}

fn thread(here: &Here, tid: u32, line: &[u8]) -> Option<Thread> {
    let stat = stat::parse(line)?;
    Some(Thread {
        pid: u64::from(here.pid.get()),
        tid: u64::from(tid),
        starttime: stat.starttime,
        comm: stat.comm.to_vec(),
        state: state_atom(stat.state),
        numbers: [stat.priority, stat.nice, stat.processor, i32::try_from(stat.policy).ok()?].map(i64::from),
        counts: [
            stat.utime,
            stat.stime,
            stat.minflt,
            stat.majflt,
            u64::from(stat.rt_priority),
            stat.blkio_ticks,
        ],
    })
}
