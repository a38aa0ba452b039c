//! The one action of this folder that a policy judges: reading processes, by the files that it takes.
#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::capability::{Capabilities, Capability};

/// A file of `/proc/PID`, or the directory itself; in the order in which a row reads them, the cheap ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tier {
    /// The name in the listing of `/proc`: the pid alone.
    Listing,
    /// The owner of the directory.
    Owner,
    /// `stat`.
    Stat,
    /// `cmdline`.
    Cmdline,
    /// `status`.
    Status,
    /// `limits`.
    Limits,
    /// `exe`.
    Exe,
    /// `cwd`.
    Cwd,
    /// `root`.
    Root,
    /// `io`.
    Io,
    /// `environ`.
    Environ,
}

impl Tier {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Listing,
        Self::Owner,
        Self::Stat,
        Self::Cmdline,
        Self::Status,
        Self::Limits,
        Self::Exe,
        Self::Cwd,
        Self::Root,
        Self::Io,
        Self::Environ,
    ];

    /// What reading it of another user's process takes (proc(5); fs/proc/base.c).
    #[must_use]
    pub fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::Listing | Self::Owner | Self::Stat | Self::Cmdline | Self::Status | Self::Limits => &[],
            Self::Exe | Self::Cwd | Self::Root => &[Capability::SysPtrace],
            Self::Io | Self::Environ => &[Capability::SysPtrace, Capability::DacReadSearch],
        }
    }
}

/// A set of tiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiers(u16);

impl Tiers {
    /// The set with `tier` in it too.
    #[must_use]
    pub fn with(self, tier: Tier) -> Self {
        Self(self.0 | 1 << tier as u16)
    }

    /// Whether `tier` is in the set.
    #[must_use]
    pub fn has(self, tier: Tier) -> bool {
        self.0 & (1 << tier as u16) != 0
    }

    /// Whether nothing but the listing is read.
    #[must_use]
    pub fn only_listing(self) -> bool {
        self.0 & !(1 << Tier::Listing as u16) == 0
    }

    /// The tier, if there is exactly one besides the listing.
    #[must_use]
    pub fn single(self) -> Option<Tier> {
        let rest = self.0 & !(1 << Tier::Listing as u16);
        if rest.count_ones() != 1 {
            return None;
        }
        Tier::ALL.iter().copied().find(|t| Self::default().with(*t).0 == rest)
    }
}

/// Reading these files of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadProcesses {
    tiers: Tiers,
    hidden: bool,
    shown: Arc<[Vec<u8>]>,
}

impl ReadProcesses {
    /// Reading `tiers`.
    pub fn new(tiers: impl IntoIterator<Item = Tier>) -> Self {
        let tiers = tiers.into_iter().fold(Tiers::default(), Tiers::with);
        Self { tiers, hidden: false, shown: Arc::default() }
    }

    /// The same on a host whose `/proc` is mounted with `hidepid`, where even listing other users' processes takes
    /// `CAP_SYS_PTRACE`.
    #[must_use]
    pub fn on_hidden_proc(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }

    /// The same, with the values of these environment variables shown.
    #[must_use]
    pub fn showing(self, shown: Arc<[Vec<u8>]>) -> Self {
        Self { shown, ..self }
    }

    /// The environment variables whose values are shown.
    #[must_use]
    pub fn shown(&self) -> Arc<[Vec<u8>]> {
        Arc::clone(&self.shown)
    }

    /// Whether it reads what the kernel does not show to every user.
    #[must_use]
    pub fn reads_more_than_everyone(&self) -> bool {
        Tier::ALL.iter().any(|t| self.tiers.has(*t) && !t.capabilities().is_empty())
    }

    /// Whether the file is among them.
    #[must_use]
    pub fn reads(&self, tier: Tier) -> bool {
        self.tiers.has(tier)
    }

    /// All of them.
    #[must_use]
    pub fn tiers(&self) -> Tiers {
        self.tiers
    }

    /// What reading all of them of other users' processes takes.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let hidden: &[Capability] = if self.hidden { &[Capability::SysPtrace] } else { &[] };
        let needed = Tier::ALL.iter().filter(|t| self.tiers.has(**t)).flat_map(|t| t.capabilities());
        Capabilities::of(&needed.chain(hidden).copied().collect::<Vec<_>>())
    }
}
