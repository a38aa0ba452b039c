//! Extension headers of IPv6 (RFC 8200, 8754, 6275), by their protocol numbers. The general routing header stands before its
//! kinds, so that what they share has its name, and that of segments before those that share its addresses: nft lists so.
#![forbid(unsafe_code)]

use super::{Header, rows};

pub(super) static HEADERS: &[Header] = rows! { Ipv6
    "hbh" 0 {
        "nexthdr" 0 8 InetProto,
        "hdrlength" 8 8 Integer,
    }
    "rt" 43 {
        "nexthdr" 0 8 InetProto,
        "hdrlength" 8 8 Integer,
        "type" 16 8 Integer,
        "seg-left" 24 8 Integer,
    }
    "srh" 43 {
        "last-entry" 32 8 Integer,
        "flags" 40 8 Integer,
        "tag" 48 16 Integer,
        "sid[1]" 64 128 Ipv6Addr,
        "sid[2]" 192 128 Ipv6Addr,
    }
    "rt0" 43 {
        "reserved" 32 32 Integer,
        "addr[1]" 64 128 Ipv6Addr,
    }
    "rt2" 43 {
        "reserved" 32 32 Integer,
        "addr" 64 128 Ipv6Addr,
    }
    "frag" 44 {
        "nexthdr" 0 8 InetProto,
        "reserved" 8 8 Integer,
        "frag-off" 16 13 Integer,
        "reserved2" 29 2 Integer,
        "more-fragments" 31 1 Integer,
        "id" 32 32 Integer,
    }
    "dst" 60 {
        "nexthdr" 0 8 InetProto,
        "hdrlength" 8 8 Integer,
    }
    "mh" 135 {
        "nexthdr" 0 8 InetProto,
        "hdrlength" 8 8 Integer,
        "type" 16 8 MhType,
        "reserved" 24 8 Integer,
        "checksum" 32 16 Integer,
    }
};
