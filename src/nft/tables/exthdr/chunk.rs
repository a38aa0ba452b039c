//! Chunks of SCTP (RFC 9260, 3758, 5061), by their types.
#![forbid(unsafe_code)]

use super::Header;

/// Chunks, each with the fields that all of them begin with.
macro_rules! chunks {
    ($($name:literal $number:literal { $($field:literal $offset:literal $len:literal,)* })*) => {
        super::rows! { SctpChunk $($name $number {
            "type" 0 8 Integer,
            "flags" 8 8 Integer,
            "length" 16 16 Integer,
            $($field $offset $len Integer,)*
        })* }
    };
}

pub(super) static CHUNKS: &[Header] = chunks! {
    "data" 0 {
        "tsn" 32 32,
        "stream" 64 16,
        "ssn" 80 16,
        "ppid" 96 32,
    }
    "init" 1 {
        "init-tag" 32 32,
        "a-rwnd" 64 32,
        "num-outbound-streams" 96 16,
        "num-inbound-streams" 112 16,
        "initial-tsn" 128 32,
    }
    "init-ack" 2 {
        "init-tag" 32 32,
        "a-rwnd" 64 32,
        "num-outbound-streams" 96 16,
        "num-inbound-streams" 112 16,
        "initial-tsn" 128 32,
    }
    "sack" 3 {
        "cum-tsn-ack" 32 32,
        "a-rwnd" 64 32,
        "num-gap-ack-blocks" 96 16,
        "num-dup-tsns" 112 16,
    }
    "heartbeat" 4 {}
    "heartbeat-ack" 5 {}
    "abort" 6 {}
    "shutdown" 7 {
        "cum-tsn-ack" 32 32,
    }
    "shutdown-ack" 8 {}
    "error" 9 {}
    "cookie-echo" 10 {}
    "cookie-ack" 11 {}
    "ecne" 12 {
        "lowest-tsn" 32 32,
    }
    "cwr" 13 {
        "lowest-tsn" 32 32,
    }
    "shutdown-complete" 14 {}
    "asconf-ack" 128 {
        "seqno" 32 32,
    }
    "forward-tsn" 192 {
        "new-cum-tsn" 32 32,
    }
    "asconf" 193 {
        "seqno" 32 32,
    }
};
