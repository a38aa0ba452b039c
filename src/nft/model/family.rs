//! Families of tables.
#![forbid(unsafe_code)]

/// A family, by its number in the kernel (`enum nf_inet_hooks`, include/uapi/linux/netfilter.h: `NFPROTO_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// IPv4 and IPv6 in one table.
    Inet = 1,
    /// IPv4.
    Ip = 2,
    /// ARP.
    Arp = 3,
    /// Ingress and egress of a device.
    Netdev = 5,
    /// Frames that a bridge forwards.
    Bridge = 7,
    /// IPv6.
    Ip6 = 10,
}

impl Family {
    /// All of them, in the order in which nft(8) names them.
    pub const ALL: &[Self] = &[Self::Ip, Self::Ip6, Self::Inet, Self::Arp, Self::Bridge, Self::Netdev];

    /// The word of the schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Arp => "arp",
            Self::Netdev => "netdev",
            Self::Bridge => "bridge",
            Self::Ip6 => "ip6",
        }
    }

    /// The family of that word.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.name().as_bytes() == name)
    }

    /// The number in a message.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The family of that number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.number() == number)
    }
}
