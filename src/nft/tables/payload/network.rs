//! IP, and the protocols that speak about it.
#![forbid(unsafe_code)]

use super::header;

header! {
    /// RFC 791.
    IP "ip" Network + 0 {
        "version" 0 4 Integer,
        "hdrlength" 4 4 Integer,
        "dscp" 8 6 Dscp,
        "ecn" 14 2 Ecn,
        "length" 16 16 Integer,
        "id" 32 16 Integer,
        "frag-off" 48 16 Integer,
        "ttl" 64 8 Integer,
        "protocol" 72 8 InetProto,
        "checksum" 80 16 Integer,
        "saddr" 96 32 Ipv4Addr,
        "daddr" 128 32 Ipv4Addr,
    }
}

header! {
    /// RFC 8200.
    IP6 "ip6" Network + 0 {
        "version" 0 4 Integer,
        "dscp" 4 6 Dscp,
        "ecn" 10 2 Ecn,
        "flowlabel" 12 20 Integer,
        "length" 32 16 Integer,
        "nexthdr" 48 8 InetProto,
        "hoplimit" 56 8 Integer,
        "saddr" 64 128 Ipv6Addr,
        "daddr" 192 128 Ipv6Addr,
    }
}

header! {
    /// RFC 792; what stands behind the checksum depends on the type.
    ICMP "icmp" Transport + 0 {
        "type" 0 8 IcmpType,
        "code" 8 8 IcmpCode,
        "checksum" 16 16 Integer,
        "id" 32 16 Integer,
        "sequence" 48 16 Integer,
        "gateway" 32 32 Integer,
        "mtu" 48 16 Integer,
    }
}

header! {
    /// RFC 4443, 4861, 2710; what stands behind the checksum depends on the type.
    ICMPV6 "icmpv6" Transport + 0 {
        "type" 0 8 Icmpv6Type,
        "code" 8 8 Icmpv6Code,
        "checksum" 16 16 Integer,
        "parameter-problem" 32 32 Integer,
        "mtu" 32 32 Integer,
        "id" 32 16 Integer,
        "sequence" 48 16 Integer,
        "max-delay" 32 16 Integer,
        "taddr" 64 128 Ipv6Addr,
        "daddr" 192 128 Ipv6Addr,
    }
}

header! {
    /// RFC 2236.
    IGMP "igmp" Transport + 0 {
        "type" 0 8 IgmpType,
        "mrt" 8 8 Integer,
        "checksum" 16 16 Integer,
        "group" 32 32 Integer,
    }
}
