//! The columns of the process table: which file each is read from and how its value is found there. One row a column;
//! requests, the plan of a scan and the encoder all read this table (docs/protocol.md describes it to users).
#![forbid(unsafe_code)]

use crate::proc::action::Tier;
use crate::proc::parse::io::Io;
use crate::proc::parse::stat::Stat;
use crate::proc::parse::status::StatusField;
use crate::proc::value::{STATE_WORDS, Value};
use crate::table::{Described, Kind, Unit};
use crate::wire::atoms::{self, Atom};

/// How a value is found in what was read.
#[derive(Clone, Copy)]
pub enum Source {
    /// The pid itself.
    Pid,
    /// Effective user of the directory's owner.
    Uid,
    /// Effective group of the directory's owner.
    Gid,
    /// From `stat`.
    Stat(for<'a> fn(&Stat<'a>) -> Value<'a>),
    /// From `stat`, in pages.
    StatPages(fn(&Stat<'_>) -> u64),
    /// From `status`.
    Status(StatusField),
    /// From `status`, the list.
    Groups,
    /// `cmdline` as it is.
    Cmdline,
    /// `cmdline`, split.
    Argv,
    /// A link, the whole target.
    Link,
    /// From `io`.
    Io(fn(&Io) -> Option<u64>),
    /// The whole of `limits`.
    Limits,
    /// The whole of `environ`.
    Environ,
}

/// One column.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: Atom,
    /// The file that it takes.
    pub tier: Tier,
    /// What it can be compared with.
    pub kind: Kind,
    /// Where its value is.
    pub source: Source,
}

impl Described for Column {
    fn name(&self) -> Atom {
        self.name
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name.name())
    }
}

const fn row(name: Atom, tier: Tier, kind: Kind, source: Source) -> Column {
    Column { name, tier, kind, source }
}

macro_rules! stat {
    ($name:ident, unsigned $field:ident) => {
        row(atoms::$name, Tier::Stat, Kind::Number, Source::Stat(|s| Value::Unsigned(u64::from(s.$field))))
    };
    ($name:ident, signed $field:ident) => {
        row(atoms::$name, Tier::Stat, Kind::Number, Source::Stat(|s| Value::Signed(i64::from(s.$field))))
    };
}

macro_rules! status {
    ($name:ident, $field:ident) => {
        row(atoms::$name, Tier::Status, Kind::Number, Source::Status(StatusField::$field))
    };
}

macro_rules! io {
    ($name:ident, $field:ident) => {
        row(atoms::$name, Tier::Io, Kind::Number, Source::Io(|io| io.$field))
    };
}

/// All of them.
pub const COLUMNS: &[Column] = &[
    row(atoms::PID, Tier::Listing, Kind::Number, Source::Pid),
    row(atoms::UID, Tier::Owner, Kind::Number, Source::Uid),
    row(atoms::GID, Tier::Owner, Kind::Number, Source::Gid),
    row(atoms::COMM, Tier::Stat, Kind::Bytes, Source::Stat(|s| Value::Bytes(s.comm))),
    row(atoms::STATE, Tier::Stat, Kind::Word(STATE_WORDS), Source::Stat(|s| Value::State(s.state))),
    stat!(PPID, unsigned ppid),
    stat!(PGRP, signed pgrp),
    stat!(SESSION, signed session),
    stat!(TTY_NR, signed tty_nr),
    stat!(TPGID, signed tpgid),
    stat!(FLAGS, unsigned flags),
    stat!(MINFLT, unsigned minflt),
    stat!(CMINFLT, unsigned cminflt),
    stat!(MAJFLT, unsigned majflt),
    stat!(CMAJFLT, unsigned cmajflt),
    stat!(UTIME, unsigned utime),
    stat!(STIME, unsigned stime),
    stat!(CUTIME, signed cutime),
    stat!(CSTIME, signed cstime),
    stat!(PRIORITY, signed priority),
    stat!(NICE, signed nice),
    stat!(NUM_THREADS, unsigned num_threads),
    stat!(STARTTIME, unsigned starttime),
    stat!(VSIZE, unsigned vsize),
    row(atoms::RSS, Tier::Stat, Kind::Number, Source::StatPages(|s| s.rss_pages)),
    stat!(EXIT_SIGNAL, signed exit_signal),
    stat!(PROCESSOR, signed processor),
    stat!(RT_PRIORITY, unsigned rt_priority),
    stat!(POLICY, unsigned policy),
    stat!(BLKIO_TICKS, unsigned blkio_ticks),
    stat!(GUEST_TIME, unsigned guest_time),
    row(atoms::CMDLINE, Tier::Cmdline, Kind::Bytes, Source::Cmdline),
    row(atoms::ARGV, Tier::Cmdline, Kind::Compound, Source::Argv),
    status!(RUID, Ruid),
    status!(SUID, Suid),
    status!(FSUID, Fsuid),
    status!(RGID, Rgid),
    status!(SGID, Sgid),
    status!(FSGID, Fsgid),
    row(atoms::GROUPS, Tier::Status, Kind::Compound, Source::Groups),
    status!(UMASK, Umask),
    status!(TRACER_PID, TracerPid),
    status!(FD_SIZE, FdSize),
    status!(NO_NEW_PRIVS, NoNewPrivs),
    status!(SECCOMP, Seccomp),
    status!(VOLUNTARY_CTXT_SWITCHES, VoluntaryCtxtSwitches),
    status!(NONVOLUNTARY_CTXT_SWITCHES, NonvoluntaryCtxtSwitches),
    status!(CAP_INH, CapInh),
    status!(CAP_PRM, CapPrm),
    status!(CAP_EFF, CapEff),
    status!(CAP_BND, CapBnd),
    status!(CAP_AMB, CapAmb),
    status!(VM_PEAK, VmPeak),
    status!(VM_HWM, VmHwm),
    status!(VM_LCK, VmLck),
    status!(VM_PIN, VmPin),
    status!(VM_DATA, VmData),
    status!(VM_STK, VmStk),
    status!(VM_EXE, VmExe),
    status!(VM_LIB, VmLib),
    status!(VM_PTE, VmPte),
    status!(VM_SWAP, VmSwap),
    status!(RSS_ANON, RssAnon),
    status!(RSS_FILE, RssFile),
    status!(RSS_SHMEM, RssShmem),
    row(atoms::LIMITS, Tier::Limits, Kind::Compound, Source::Limits),
    row(atoms::EXE, Tier::Exe, Kind::Bytes, Source::Link),
    row(atoms::CWD, Tier::Cwd, Kind::Bytes, Source::Link),
    row(atoms::ROOT, Tier::Root, Kind::Bytes, Source::Link),
    io!(RCHAR, rchar),
    io!(WCHAR, wchar),
    io!(SYSCR, syscr),
    io!(SYSCW, syscw),
    io!(READ_BYTES, read_bytes),
    io!(WRITE_BYTES, write_bytes),
    io!(CANCELLED_WRITE_BYTES, cancelled_write_bytes),
    row(atoms::ENVIRON, Tier::Environ, Kind::Compound, Source::Environ),
];

/// Columns that count bytes.
const BYTES: &[Atom] = &[
    atoms::VSIZE,
    atoms::RSS,
    atoms::VM_PEAK,
    atoms::VM_HWM,
    atoms::VM_LCK,
    atoms::VM_PIN,
    atoms::VM_DATA,
    atoms::VM_STK,
    atoms::VM_EXE,
    atoms::VM_LIB,
    atoms::VM_PTE,
    atoms::VM_SWAP,
    atoms::RSS_ANON,
    atoms::RSS_FILE,
    atoms::RSS_SHMEM,
    atoms::RCHAR,
    atoms::WCHAR,
    atoms::READ_BYTES,
    atoms::WRITE_BYTES,
    atoms::CANCELLED_WRITE_BYTES,
];

/// Columns that count clock ticks.
const TICKS: &[Atom] = &[
    atoms::UTIME,
    atoms::STIME,
    atoms::CUTIME,
    atoms::CSTIME,
    atoms::STARTTIME,
    atoms::BLKIO_TICKS,
    atoms::GUEST_TIME,
];

/// What a column counts.
#[must_use]
pub fn unit(column: &Column) -> Unit {
    match column.name {
        name if BYTES.contains(&name) => Unit::Bytes,
        name if TICKS.contains(&name) => Unit::Ticks,
        _ => Unit::None,
    }
}

/// What `processes` answers unless it is told.
pub const DEFAULT: &[Atom] = &[
    atoms::PID,
    atoms::PPID,
    atoms::COMM,
    atoms::STATE,
    atoms::UID,
    atoms::RSS,
    atoms::UTIME,
    atoms::STIME,
    atoms::STARTTIME,
    atoms::CMDLINE,
];

/// What tells processes apart: numbers are used again.
pub const KEY: &[Atom] = &[atoms::PID, atoms::STARTTIME];

/// The column of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|c| c.name.name() == name)
}

/// The columns of `process` unless it is told: all that takes no capability, and with `links` those too.
pub fn items(links: bool) -> impl Iterator<Item = &'static Column> {
    let link = |t| matches!(t, Tier::Exe | Tier::Cwd | Tier::Root);
    COLUMNS.iter().filter(move |c| c.tier.capabilities().is_empty() || links && link(c.tier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for column in COLUMNS {
            let found: Vec<_> = COLUMNS.iter().filter(|c| c.name == column.name).collect();
            assert_eq!(found.len(), 1, "{column:?}");
            assert_eq!(named(column.name.name()).unwrap().name, column.name);
        }
        assert!(named("no_such_column").is_none());
        assert!(
            BYTES.iter().chain(TICKS).all(|name| named(name.name()).is_some_and(|c| c.kind == Kind::Number))
        );
        assert!(DEFAULT.iter().all(|name| named(name.name()).is_some()));
    }

    #[test]
    fn the_default_items_read_no_environment_and_no_io() {
        assert!(items(true).all(|c| c.tier != Tier::Environ && c.tier != Tier::Io));
        assert!(items(true).any(|c| c.tier == Tier::Exe) && items(false).all(|c| c.tier != Tier::Exe));
    }
}
