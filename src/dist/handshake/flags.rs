//! What two nodes can do, as bits that each announces (`DFLAG_*`, erts/emulator/beam/dist.h; ERTS User's Guide, Distribution Protocol).
#![forbid(unsafe_code)]

/// Capabilities of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u64);

impl Flags {
    /// The node is visible to all others: never ours.
    pub const PUBLISHED: Self = Self(0x1);
    /// References of several words.
    pub const EXTENDED_REFERENCES: Self = Self(0x4);
    /// Monitors.
    pub const DIST_MONITOR: Self = Self(0x8);
    /// Funs have a tag.
    pub const FUN_TAGS: Self = Self(0x10);
    /// Monitors of names.
    pub const DIST_MONITOR_NAME: Self = Self(0x20);
    /// Funs have the newer tag.
    pub const NEW_FUN_TAGS: Self = Self(0x80);
    /// Pids and ports of more bits.
    pub const EXTENDED_PIDS_PORTS: Self = Self(0x100);
    /// `fun M:F/A` has a tag.
    pub const EXPORT_PTR_TAG: Self = Self(0x200);
    /// Bit strings.
    pub const BIT_BINARIES: Self = Self(0x400);
    /// Floats of eight bytes.
    pub const NEW_FLOATS: Self = Self(0x800);
    /// The I/O protocol in Unicode.
    pub const UNICODE_IO: Self = Self(0x1000);
    /// Messages with an atom cache: never ours, each message shall stand by itself.
    pub const DIST_HDR_ATOM_CACHE: Self = Self(0x2000);
    /// Short atoms.
    pub const SMALL_ATOM_TAGS: Self = Self(0x4000);
    /// Atoms are UTF-8.
    pub const UTF8_ATOMS: Self = Self(0x1_0000);
    /// Maps.
    pub const MAP_TAG: Self = Self(0x2_0000);
    /// Creations of 32 bits.
    pub const BIG_CREATION: Self = Self(0x4_0000);
    /// Messages say who sends them.
    pub const SEND_SENDER: Self = Self(0x8_0000);
    /// Labels of sequential tracing can be terms.
    pub const BIG_SEQTRACE_LABELS: Self = Self(0x10_0000);
    /// Reasons stand behind the control tuple.
    pub const EXIT_PAYLOAD: Self = Self(0x40_0000);
    /// Messages in parts: never ours, as the decision must come before the delivery.
    pub const FRAGMENTS: Self = Self(0x80_0000);
    /// The handshake of OTP 23.
    pub const HANDSHAKE_23: Self = Self(0x100_0000);
    /// Unlinks have an id.
    pub const UNLINK_ID: Self = Self(0x200_0000);
    /// One bit for all that OTP 25 asks for.
    pub const MANDATORY_25_DIGEST: Self = Self(0x400_0000);
    /// Spawn requests.
    pub const SPAWN: Self = Self(1 << 32);
    /// The node asks to be given a name: never ours.
    pub const NAME_ME: Self = Self(1 << 33);
    /// Pids, ports and references of four bytes a word.
    pub const V4_NC: Self = Self(1 << 34);
    /// Aliases.
    pub const ALIAS: Self = Self(1 << 35);
    /// Signals of OTP 28 with flags of their own: never ours.
    pub const ALTACT_SIG: Self = Self(1 << 37);

    /// What OTP 25 refuses a node without.
    pub const MANDATORY_25: Self = Self(
        Self::EXTENDED_REFERENCES.0
            | Self::FUN_TAGS.0
            | Self::NEW_FUN_TAGS.0
            | Self::EXTENDED_PIDS_PORTS.0
            | Self::EXPORT_PTR_TAG.0
            | Self::BIT_BINARIES.0
            | Self::NEW_FLOATS.0
            | Self::UTF8_ATOMS.0
            | Self::MAP_TAG.0
            | Self::BIG_CREATION.0
            | Self::HANDSHAKE_23.0,
    );

    /// What OTP 26 to 28 refuse a node without.
    pub const MANDATORY_26: Self = Self(Self::MANDATORY_25.0 | Self::V4_NC.0 | Self::UNLINK_ID.0);

    /// What we refuse a node without: the same, reasons behind the tuple so that they are judged as payload, and that a message says who
    /// sends it. Every node since OTP 24 has them.
    pub const REQUIRED: Self = Self(Self::MANDATORY_26.0 | Self::EXIT_PAYLOAD.0 | Self::SEND_SENDER.0);

    /// What we offer: what is required, and what makes monitors, spawn requests and aliases work.
    pub const OFFERED: Self = Self(
        Self::REQUIRED.0
            | Self::MANDATORY_25_DIGEST.0
            | Self::DIST_MONITOR.0
            | Self::DIST_MONITOR_NAME.0
            | Self::UNICODE_IO.0
            | Self::SMALL_ATOM_TAGS.0
            | Self::BIG_SEQTRACE_LABELS.0
            | Self::SPAWN.0
            | Self::ALIAS.0,
    );

    /// Both have it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has all of these.
    #[must_use]
    pub fn has(self, all: Self) -> bool {
        self.0 & all.0 == all.0
    }

    /// With what the digest stands for.
    #[must_use]
    pub fn expanded(self) -> Self {
        if self.has(Self::MANDATORY_25_DIGEST) { Self(self.0 | Self::MANDATORY_25.0) } else { self }
    }
}
