//! Headers of tunnels. Those of VXLAN and GENEVE stand behind UDP, and the kernel reads them as parts of an `inner` expression;
//! that of GRE is read from the packet itself.
#![forbid(unsafe_code)]

use super::header;

header! {
    /// RFC 7348.
    VXLAN "vxlan" Tunnel + 0 {
        "flags" 0 8 Bitmask,
        "vni" 32 24 Integer,
    }
}

header! {
    /// RFC 8926.
    GENEVE "geneve" Tunnel + 0 {
        "type" 16 16 EtherType,
        "vni" 32 24 Integer,
    }
}

header! {
    /// RFC 2784.
    GRE "gre" Transport + 0 {
        "flags" 0 5 Integer,
        "version" 13 3 Integer,
        "protocol" 16 16 EtherType,
    }
}

header! {
    /// Ethernet in GRE; it has no fields of its own.
    GRETAP "gretap" Transport + 0 {}
}
