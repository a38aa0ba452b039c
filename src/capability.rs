//! Capabilities by name, and sets of them.
#![forbid(unsafe_code)]

/// The Linux capabilities that the program knows what to do with (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Read what ptrace access guards: links, io, maps of other users' processes.
    SysPtrace,
    /// Read files and list directories whatever their mode.
    DacReadSearch,
    /// Open a raw socket, where ping sockets are not open to everyone.
    NetRaw,
    /// Change the network's configuration.
    NetAdmin,
    /// Write records into the kernel's audit log.
    AuditWrite,
    /// Used at start-up only, to empty the bounding set and lock the securebits.
    Setpcap,
}

impl Capability {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::SysPtrace,
        Self::DacReadSearch,
        Self::NetRaw,
        Self::NetAdmin,
        Self::AuditWrite,
        Self::Setpcap,
    ];

    /// The name in terms: `sys_ptrace`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SysPtrace => "sys_ptrace",
            Self::DacReadSearch => "dac_read_search",
            Self::NetRaw => "net_raw",
            Self::NetAdmin => "net_admin",
            Self::AuditWrite => "audit_write",
            Self::Setpcap => "setpcap",
        }
    }

    /// The name that setcap(8) takes: `cap_sys_ptrace`.
    #[must_use]
    pub fn long_name(self) -> &'static str {
        match self {
            Self::SysPtrace => "cap_sys_ptrace",
            Self::DacReadSearch => "cap_dac_read_search",
            Self::NetRaw => "cap_net_raw",
            Self::NetAdmin => "cap_net_admin",
            Self::AuditWrite => "cap_audit_write",
            Self::Setpcap => "cap_setpcap",
        }
    }

    /// The kernel's number (include/uapi/linux/capability.h).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::DacReadSearch => 2,
            Self::Setpcap => 8,
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
            Self::SysPtrace => 19,
            Self::AuditWrite => 29,
        }
    }
}

/// A set of capabilities, as the kernel numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// No capability.
    pub const NONE: Self = Self(0);

    /// The set of those in `list`.
    #[must_use]
    pub fn of(list: &[Capability]) -> Self {
        Self(list.iter().fold(0, |set, c| set | 1 << c.number()))
    }

    /// Whether `c` is in the set.
    #[must_use]
    pub fn has(self, c: Capability) -> bool {
        self.0 & (1 << c.number()) != 0
    }

    /// Those in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in either set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are also set in `bits`, one bit per capability number.
    #[must_use]
    pub fn and_bits(self, bits: u64) -> Self {
        Self(self.0 & bits)
    }

    /// Those of this set that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One bit per capability number.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The members of `list` that are in the set.
    pub fn among(self, list: &'static [Capability]) -> impl Iterator<Item = Capability> {
        list.iter().copied().filter(move |c| self.has(*c))
    }
}
