//! Headers of the link, and what it carries itself.
#![forbid(unsafe_code)]

use super::header;

header! {
    /// Ethernet.
    ETHER "ether" Link + 0 {
        "daddr" 0 48 EtherAddr,
        "saddr" 48 48 EtherAddr,
        "type" 96 16 EtherType,
    }
}

header! {
    /// IEEE 802.1Q: the tag behind the ethertype, and the ethertype of what follows.
    VLAN "vlan" Link + 112 {
        "pcp" 0 3 Integer,
        "dei" 3 1 Integer,
        "id" 4 12 Integer,
        "type" 16 16 EtherType,
    }
}

header! {
    /// RFC 826, and the addresses as they lie for IPv4 over Ethernet.
    ARP "arp" Network + 0 {
        "htype" 0 16 Integer,
        "ptype" 16 16 EtherType,
        "hlen" 32 8 Integer,
        "plen" 40 8 Integer,
        "operation" 48 16 ArpOp,
        "saddr ether" 64 48 EtherAddr,
        "saddr ip" 112 32 Ipv4Addr,
        "daddr ether" 144 48 EtherAddr,
        "daddr ip" 192 32 Ipv4Addr,
    }
}
