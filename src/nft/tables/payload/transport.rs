//! Transport protocols and what lies between them and IP.
#![forbid(unsafe_code)]

use super::header;

header! {
    /// RFC 9293.
    TCP "tcp" Transport + 0 {
        "sport" 0 16 InetService,
        "dport" 16 16 InetService,
        "sequence" 32 32 Integer,
        "ackseq" 64 32 Integer,
        "doff" 96 4 Integer,
        "reserved" 100 4 Integer,
        "flags" 104 8 TcpFlag,
        "window" 112 16 Integer,
        "checksum" 128 16 Integer,
        "urgptr" 144 16 Integer,
    }
}

header! {
    /// RFC 768.
    UDP "udp" Transport + 0 {
        "sport" 0 16 InetService,
        "dport" 16 16 InetService,
        "length" 32 16 Integer,
        "checksum" 48 16 Integer,
    }
}

header! {
    /// RFC 3828.
    UDPLITE "udplite" Transport + 0 {
        "sport" 0 16 InetService,
        "dport" 16 16 InetService,
        "csumcov" 32 16 Integer,
        "checksum" 48 16 Integer,
    }
}

header! {
    /// RFC 9260.
    SCTP "sctp" Transport + 0 {
        "sport" 0 16 InetService,
        "dport" 16 16 InetService,
        "vtag" 32 32 Integer,
        "checksum" 64 32 Integer,
    }
}

header! {
    /// RFC 4340.
    DCCP "dccp" Transport + 0 {
        "sport" 0 16 InetService,
        "dport" 16 16 InetService,
        "type" 67 4 DccpPkttype,
    }
}

header! {
    /// Any of those with ports: it asks for no protocol.
    TH "th" Transport + 0 {
        "sport" 0 16 InetService,
        "dport" 16 16 InetService,
    }
}

header! {
    /// RFC 4302.
    AH "ah" Transport + 0 {
        "nexthdr" 0 8 InetProto,
        "hdrlength" 8 8 Integer,
        "reserved" 16 16 Integer,
        "spi" 32 32 Integer,
        "sequence" 64 32 Integer,
    }
}

header! {
    /// RFC 4303.
    ESP "esp" Transport + 0 {
        "spi" 0 32 Integer,
        "sequence" 32 32 Integer,
    }
}

header! {
    /// RFC 3173.
    COMP "comp" Transport + 0 {
        "nexthdr" 0 8 InetProto,
        "flags" 8 8 Bitmask,
        "cpi" 16 16 Integer,
    }
}
