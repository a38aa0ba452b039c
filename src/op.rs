//! What an operation is: one row of data. The rows stand beside the features that they describe and are
//! put together in `protocol::ops`; policy, `hello`, seccomp, docs and tests read them.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::limits;

/// Every operation of this build. `exec` has one exhaustive match over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Counters of the port.
    Info,
    /// One process.
    Process,
    /// The process table.
    Processes,
    /// Any other table.
    Query,
    /// What tables there are.
    Tables,
    /// A file that the policy lists, opened for reading.
    FileOpen,
    /// A part of it.
    FileRead,
    /// Its handle given back.
    FileClose,
    /// An ICMP echo request and its reply.
    Ping,
    /// A change of the firewall: all of its commands or none.
    NftApply,
    /// A change stays that would have taken itself back.
    NftConfirm,
    /// It is taken back now.
    NftRollback,
    /// What the firewall is made of.
    NftList,
    /// The same two with JSON text in and out.
    NftJson,
    /// An address or network is kept out for a time.
    Ban,
    /// It is let in again.
    Unban,
    /// Who is kept out.
    Banned,
    /// A kernel parameter.
    SysctlGet,
    /// A kernel parameter set.
    SysctlSet,
    /// All kernel parameters that can be read.
    SysctlList,
    /// Events as they happen.
    Subscribe,
}

impl Op {
    /// Whether something may be different after it: of such a request that was sent and not answered nobody knows what has become.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::NftApply
            | Self::NftConfirm
            | Self::NftRollback
            | Self::NftJson
            | Self::Ban
            | Self::Unban
            | Self::SysctlSet => true,
            Self::Info
            | Self::Process
            | Self::Processes
            | Self::Query
            | Self::Tables
            | Self::FileOpen
            | Self::FileRead
            | Self::FileClose
            | Self::Ping
            | Self::NftList
            | Self::Banned
            | Self::SysctlGet
            | Self::SysctlList
            | Self::Subscribe => false,
        }
    }
}

/// What a copy of the program is installed for. A role has its own file, capabilities and seccomp table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Processes, kernel state and listed files, read only.
    Proc,
    /// The network.
    Net,
}

impl Role {
    /// Both.
    pub const ALL: &[Self] = &[Self::Proc, Self::Net];

    /// The name, in `hello` and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proc => "proc",
            Self::Net => "net",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name().as_bytes() == name)
    }

    /// Bytes of the longest frame that a copy for this role can ever take.
    #[must_use]
    pub fn frame_max(self) -> usize {
        match self {
            Self::Proc => limits::PROC_FRAME_MAX,
            Self::Net => limits::NET_FRAME_MAX,
        }
    }

    /// The most that a copy for this role can ever hold.
    #[must_use]
    pub fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::Proc => &[Capability::SysPtrace, Capability::DacReadSearch, Capability::AuditWrite],
            Self::Net => &[Capability::NetRaw, Capability::NetAdmin, Capability::AuditWrite],
        }
    }
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct OpRow {
    /// Which.
    pub op: Op,
    /// The atom in a request.
    pub name: &'static str,
    /// The roles that answer it.
    pub roles: &'static [Role],
    /// Capabilities that it raises while it runs, if it holds them.
    pub capabilities: &'static [Capability],
    /// The key of the policy that grants it; `None` for operations that touch nothing.
    pub policy_key: Option<&'static str>,
    /// One line for the documentation.
    pub summary: &'static str,
}
