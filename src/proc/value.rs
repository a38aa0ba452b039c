//! The value of one cell, whatever file it came from: what conditions compare and what goes on the wire.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::proc::parse::environ::Variable;
use crate::proc::parse::limits::{Bound, LimitName, ProcessLimits};
use crate::proc::parse::state::State;
use crate::proc::parse::status::Status;
use crate::proc::parse::{cmdline, environ};
use crate::table::Cell;
use crate::table::cell::Written;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// A cell.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A count, a size, an id.
    Unsigned(u64),
    /// A number that can be negative.
    Signed(i64),
    /// Bytes as the kernel has them.
    Bytes(&'a [u8]),
    /// The first part of bytes that were longer than the cell may be.
    Cut(&'a [u8]),
    /// Arguments, each ended by NUL; with `cut`, the last may be a part and others may follow.
    Arguments {
        /// `cmdline` as it was read.
        bytes: &'a [u8],
        /// There was more.
        cut: bool,
    },
    /// Environment variables, likewise.
    Variables {
        /// `environ` as it was read.
        bytes: &'a [u8],
        /// There was more.
        cut: bool,
        /// The variables whose values are shown.
        shown: &'a [Vec<u8>],
    },
    /// What the process is doing.
    State(State),
    /// The supplementary groups of a `status`.
    Groups(&'a Status<'a>),
    /// Soft and hard limits.
    Limits(&'a ProcessLimits),
    /// Does not apply to this process.
    Undefined,
    /// The kernel refused; its errno.
    Denied(i32),
}

impl Cell for Value<'_> {
    fn number(&self) -> Option<i128> {
        match self {
            Self::Unsigned(n) => Some(i128::from(*n)),
            Self::Signed(n) => Some(i128::from(*n)),
            _ => None,
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    fn word(&self) -> Option<Atom> {
        if let Self::State(state) = self { Some(state_atom(*state)) } else { None }
    }

    fn address(&self) -> Option<IpAddr> {
        None
    }
}

impl Value<'_> {
    /// Writes the cell as one term, and says what came of it.
    pub fn write(&self, w: &mut Writer) -> Written {
        match *self {
            Self::Unsigned(n) => w.uint(n),
            Self::Signed(n) => w.int(n),
            Self::Bytes(bytes) => w.binary(bytes),
            Self::Cut(bytes) => {
                mark_cut(w, true);
                w.binary(bytes);
                return Written::Cut;
            }
            Self::Arguments { bytes, cut } => {
                mark_cut(w, cut);
                list(w, cmdline::arguments(bytes));
                return whole_unless(cut);
            }
            Self::Variables { bytes, cut, shown } => {
                mark_cut(w, cut);
                let mark = w.begin_list();
                let variables = environ::redacted(bytes, shown);
                let count = variables.map(|variable| write_variable(variable, w)).count();
                w.end_list(mark, count);
                return whole_unless(cut);
            }
            Self::State(state) => w.atom(state_atom(state)),
            Self::Groups(status) => {
                let mark = w.begin_list();
                let groups = status.groups().into_iter().flatten();
                let count = groups.map(|g| w.uint(u64::from(g))).count();
                w.end_list(mark, count);
            }
            Self::Limits(limits) => write_limits(limits, w),
            Self::Undefined => w.atom(atoms::UNDEFINED),
            Self::Denied(errno) => {
                w.tuple(2);
                w.atom(atoms::ERROR);
                w.atom(atoms::errno(errno));
                if matches!(errno, libc::EACCES | libc::EPERM) {
                    return Written::Denied;
                }
            }
        }
        Written::Whole
    }
}

fn whole_unless(cut: bool) -> Written {
    if cut { Written::Cut } else { Written::Whole }
}

fn mark_cut(w: &mut Writer, cut: bool) {
    if cut {
        w.tuple(2);
        w.atom(atoms::TRUNCATED);
    }
}

fn list<'a>(w: &mut Writer, items: impl Iterator<Item = &'a [u8]>) {
    let mark = w.begin_list();
    let mut n: usize = 0;
    for item in items {
        w.binary(item);
        n = n.saturating_add(1);
    }
    w.end_list(mark, n);
}

fn write_variable(variable: Variable<'_>, w: &mut Writer) {
    match variable {
        Variable::Shown(bytes) => w.binary(bytes),
        Variable::Redacted(name) => {
            w.tuple(2);
            w.atom(atoms::REDACTED);
            w.binary(name);
        }
    }
}

fn write_limits(limits: &ProcessLimits, w: &mut Writer) {
    w.map(limits.0.len());
    for (name, soft, hard) in &limits.0 {
        w.atom(limit_atom(*name));
        w.tuple(2);
        for bound in [soft, hard] {
            match bound {
                Bound::Value(n) => w.uint(*n),
                Bound::Unlimited => w.atom(atoms::UNLIMITED),
            }
        }
    }
}

/// The atom of a limit.
#[must_use]
pub fn limit_atom(name: LimitName) -> Atom {
    match name {
        LimitName::CpuTime => atoms::CPU_TIME,
        LimitName::FileSize => atoms::FILE_SIZE,
        LimitName::DataSize => atoms::DATA_SIZE,
        LimitName::StackSize => atoms::STACK_SIZE,
        LimitName::CoreFileSize => atoms::CORE_FILE_SIZE,
        LimitName::ResidentSet => atoms::RESIDENT_SET,
        LimitName::Processes => atoms::PROCESSES,
        LimitName::OpenFiles => atoms::OPEN_FILES,
        LimitName::LockedMemory => atoms::LOCKED_MEMORY,
        LimitName::AddressSpace => atoms::ADDRESS_SPACE,
        LimitName::FileLocks => atoms::FILE_LOCKS,
        LimitName::PendingSignals => atoms::PENDING_SIGNALS,
        LimitName::MsgqueueSize => atoms::MSGQUEUE_SIZE,
        LimitName::NicePriority => atoms::NICE_PRIORITY,
        LimitName::RealtimePriority => atoms::REALTIME_PRIORITY,
        LimitName::RealtimeTimeout => atoms::REALTIME_TIMEOUT,
    }
}

/// The atoms of states.
pub const STATE_WORDS: &[Atom] = &[
    atoms::RUNNING,
    atoms::SLEEPING,
    atoms::DISK_SLEEP,
    atoms::STOPPED,
    atoms::TRACING_STOP,
    atoms::ZOMBIE,
    atoms::DEAD,
    atoms::IDLE,
    atoms::PARKED,
    atoms::UNKNOWN,
];

/// The atom of a state.
#[must_use]
pub fn state_atom(state: State) -> Atom {
    match state {
        State::Running => atoms::RUNNING,
        State::Sleeping => atoms::SLEEPING,
        State::DiskSleep => atoms::DISK_SLEEP,
        State::Stopped => atoms::STOPPED,
        State::TracingStop => atoms::TRACING_STOP,
        State::Zombie => atoms::ZOMBIE,
        State::Dead => atoms::DEAD,
        State::Idle => atoms::IDLE,
        State::Parked => atoms::PARKED,
        State::Unknown => atoms::UNKNOWN,
    }
}
