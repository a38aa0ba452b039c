//! The lines of `/proc/PID/status` that hold columns, and how their values are written (proc_pid_status(5),
//! fs/proc/array.c, `task_mem` in fs/proc/task_mmu.c).
#![forbid(unsafe_code)]

/// A number of the file, called after its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "docs/protocol.md describes the columns")]
pub enum StatusField {
    Tgid,
    Umask,
    TracerPid,
    Ruid,
    Suid,
    Fsuid,
    Rgid,
    Sgid,
    Fsgid,
    FdSize,
    VmPeak,
    VmLck,
    VmPin,
    VmHwm,
    RssAnon,
    RssFile,
    RssShmem,
    VmData,
    VmStk,
    VmExe,
    VmLib,
    VmPte,
    VmSwap,
    CapInh,
    CapPrm,
    CapEff,
    CapBnd,
    CapAmb,
    NoNewPrivs,
    Seccomp,
    VoluntaryCtxtSwitches,
    NonvoluntaryCtxtSwitches,
}

/// A line that holds a field. Its number is its place in a [`super::status::Status`].
#[derive(Clone, Copy)]
pub(super) enum Line {
    Tgid,
    Umask,
    TracerPid,
    Uid,
    Gid,
    FdSize,
    Groups,
    VmPeak,
    VmLck,
    VmPin,
    VmHwm,
    RssAnon,
    RssFile,
    RssShmem,
    VmData,
    VmStk,
    VmExe,
    VmLib,
    VmPte,
    VmSwap,
    CapInh,
    CapPrm,
    CapEff,
    CapBnd,
    CapAmb,
    NoNewPrivs,
    Seccomp,
    VoluntaryCtxtSwitches,
    NonvoluntaryCtxtSwitches,
}

impl Line {
    pub(super) const COUNT: usize = Self::NonvoluntaryCtxtSwitches as usize + 1;

    /// The line that starts with this key.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"Tgid" => Self::Tgid,
            b"Umask" => Self::Umask,
            b"TracerPid" => Self::TracerPid,
            b"Uid" => Self::Uid,
            b"Gid" => Self::Gid,
            b"FDSize" => Self::FdSize,
            b"Groups" => Self::Groups,
            b"VmPeak" => Self::VmPeak,
            b"VmLck" => Self::VmLck,
            b"VmPin" => Self::VmPin,
            b"VmHWM" => Self::VmHwm,
            b"RssAnon" => Self::RssAnon,
            b"RssFile" => Self::RssFile,
            b"RssShmem" => Self::RssShmem,
            b"VmData" => Self::VmData,
            b"VmStk" => Self::VmStk,
            b"VmExe" => Self::VmExe,
            b"VmLib" => Self::VmLib,
            b"VmPTE" => Self::VmPte,
            b"VmSwap" => Self::VmSwap,
            b"CapInh" => Self::CapInh,
            b"CapPrm" => Self::CapPrm,
            b"CapEff" => Self::CapEff,
            b"CapBnd" => Self::CapBnd,
            b"CapAmb" => Self::CapAmb,
            b"NoNewPrivs" => Self::NoNewPrivs,
            b"Seccomp" => Self::Seccomp,
            b"voluntary_ctxt_switches" => Self::VoluntaryCtxtSwitches,
            b"nonvoluntary_ctxt_switches" => Self::NonvoluntaryCtxtSwitches,
            _ => return None,
        })
    }
}

/// How a value is written.
pub(super) enum Form {
    Decimal,
    Octal,
    Hexadecimal,
    /// A number and ` kB`, which are 1,024 bytes.
    Kilobytes,
    /// The n-th of four ids: real, effective, saved, file system.
    Id(usize),
}

impl StatusField {
    /// The line that a field stands in, and how it is written.
    pub(super) fn place(self) -> (Line, Form) {
        match self {
            Self::Tgid => (Line::Tgid, Form::Decimal),
            Self::Umask => (Line::Umask, Form::Octal),
            Self::TracerPid => (Line::TracerPid, Form::Decimal),
            Self::Ruid => (Line::Uid, Form::Id(0)),
            Self::Suid => (Line::Uid, Form::Id(2)),
            Self::Fsuid => (Line::Uid, Form::Id(3)),
            Self::Rgid => (Line::Gid, Form::Id(0)),
            Self::Sgid => (Line::Gid, Form::Id(2)),
            Self::Fsgid => (Line::Gid, Form::Id(3)),
            Self::FdSize => (Line::FdSize, Form::Decimal),
            Self::VmPeak => (Line::VmPeak, Form::Kilobytes),
            Self::VmLck => (Line::VmLck, Form::Kilobytes),
            Self::VmPin => (Line::VmPin, Form::Kilobytes),
            Self::VmHwm => (Line::VmHwm, Form::Kilobytes),
            Self::RssAnon => (Line::RssAnon, Form::Kilobytes),
            Self::RssFile => (Line::RssFile, Form::Kilobytes),
            Self::RssShmem => (Line::RssShmem, Form::Kilobytes),
            Self::VmData => (Line::VmData, Form::Kilobytes),
            Self::VmStk => (Line::VmStk, Form::Kilobytes),
            Self::VmExe => (Line::VmExe, Form::Kilobytes),
            Self::VmLib => (Line::VmLib, Form::Kilobytes),
            Self::VmPte => (Line::VmPte, Form::Kilobytes),
            Self::VmSwap => (Line::VmSwap, Form::Kilobytes),
            Self::CapInh => (Line::CapInh, Form::Hexadecimal),
            Self::CapPrm => (Line::CapPrm, Form::Hexadecimal),
            Self::CapEff => (Line::CapEff, Form::Hexadecimal),
            Self::CapBnd => (Line::CapBnd, Form::Hexadecimal),
            Self::CapAmb => (Line::CapAmb, Form::Hexadecimal),
            Self::NoNewPrivs => (Line::NoNewPrivs, Form::Decimal),
            Self::Seccomp => (Line::Seccomp, Form::Decimal),
            Self::VoluntaryCtxtSwitches => (Line::VoluntaryCtxtSwitches, Form::Decimal),
            Self::NonvoluntaryCtxtSwitches => (Line::NonvoluntaryCtxtSwitches, Form::Decimal),
        }
    }
}
