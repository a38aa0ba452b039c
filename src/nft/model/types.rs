//! The types of values. Their numbers are an agreement among user-space programs: the kernel stores what a set's creator
//! wrote (`NFTA_SET_KEY_TYPE`) and never looks at it.
#![forbid(unsafe_code)]

/// In which order the bytes of a number stand in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the machine has it.
    Host,
    /// Most significant first.
    Network,
}

macro_rules! types {
    ($($(#[doc = $doc:literal])+ $id:ident = $number:literal $name:literal,)+) => {
        /// A type of values; the discriminant is the number that nft uses in set headers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Type {
            $($(#[doc = $doc])+ $id = $number,)+
            /// A subtype of multipath TCP. No set is declared with it: nft has no number for it, so it is none of
            /// [`Self::ALL`], and in set headers it is an integer.
            MptcpSubtype = 0,
        }

        impl Type {
            /// All that have a word and a number.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// The word of the schema.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)+ Self::MptcpSubtype => Self::Integer.name() }
            }
        }
    };
}

types! {
    /// A verdict: data of a verdict map.
    Verdict = 1 "verdict",
    /// A family, as `meta nfproto` gives it.
    NfProto = 2 "nf_proto",
    /// Bits without names.
    Bitmask = 3 "bitmask",
    /// A number of any width.
    Integer = 4 "integer",
    /// Text, padded with NUL.
    String = 5 "string",
    /// A link-layer address of unknown kind.
    LlAddr = 6 "ll_addr",
    /// An IPv4 address.
    Ipv4Addr = 7 "ipv4_addr",
    /// An IPv6 address.
    Ipv6Addr = 8 "ipv6_addr",
    /// An Ethernet address.
    EtherAddr = 9 "ether_addr",
    /// An ethertype.
    EtherType = 10 "ether_type",
    /// An ARP operation.
    ArpOp = 11 "arp_op",
    /// A protocol above IP.
    InetProto = 12 "inet_proto",
    /// A port.
    InetService = 13 "inet_service",
    /// An ICMP type.
    IcmpType = 14 "icmp_type",
    /// TCP flags.
    TcpFlag = 15 "tcp_flag",
    /// A DCCP packet type.
    DccpPkttype = 16 "dccp_pkttype",
    /// A mobility header type.
    MhType = 17 "mh_type",
    /// A duration; milliseconds in the register.
    Time = 18 "time",
    /// A packet mark.
    Mark = 19 "mark",
    /// The index of an interface.
    IfaceIndex = 20 "iface_index",
    /// The type of an interface.
    IfaceType = 21 "iface_type",
    /// A routing realm.
    Realm = 22 "realm",
    /// A traffic class.
    ClassId = 23 "classid",
    /// A user.
    Uid = 24 "uid",
    /// A group.
    Gid = 25 "gid",
    /// Connection states.
    CtState = 26 "ct_state",
    /// The direction of a connection.
    CtDir = 27 "ct_dir",
    /// Connection status bits.
    CtStatus = 28 "ct_status",
    /// An ICMPv6 type.
    Icmpv6Type = 29 "icmpv6_type",
    /// Connection labels.
    CtLabel = 30 "ct_label",
    /// What kind of packet it is to the device.
    PktType = 31 "pkt_type",
    /// An ICMP code.
    IcmpCode = 32 "icmp_code",
    /// An ICMPv6 code.
    Icmpv6Code = 33 "icmpv6_code",
    /// A code of both.
    IcmpxCode = 34 "icmpx_code",
    /// A group of devices.
    DevGroup = 35 "devgroup",
    /// A differentiated services code point.
    Dscp = 36 "dscp",
    /// Explicit congestion notification.
    Ecn = 37 "ecn",
    /// The type of an address.
    FibAddrtype = 38 "fib_addrtype",
    /// Yes or no.
    Boolean = 39 "boolean",
    /// Events of a connection.
    CtEvent = 40 "ct_event",
    /// The name of an interface.
    Ifname = 41 "ifname",
    /// An IGMP type.
    IgmpType = 42 "igmp_type",
    /// A point in time; nanoseconds since 1970 in the register.
    TimeDate = 43 "time",
    /// A time of day; seconds in the register.
    TimeHour = 44 "hour",
    /// A day of the week.
    TimeDay = 45 "day",
    /// A cgroup, by its id.
    CgroupV2 = 46 "cgroupsv2",
}

impl Type {
    /// The number in set headers.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::MptcpSubtype => Self::Integer as u32,
            _ => self as u32,
        }
    }

    /// The type of that number.
    #[must_use]
    pub fn numbered(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.number() == number)
    }
}
