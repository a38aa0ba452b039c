//! Options of TCP, IPv4 and DCCP, by their kinds.
#![forbid(unsafe_code)]

use super::{Header, HeaderKind, rows};

/// Options of TCP (RFC 9293, 7323, 2018, 2385, 7413, 8684). `sack` is what `sack0` is, and stands before it: nft writes it so.
pub(super) static TCP: &[Header] = rows! { TcpOption
    "eol" 0 {
        "kind" 0 8 Integer,
    }
    "nop" 1 {
        "kind" 0 8 Integer,
    }
    "maxseg" 2 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "size" 16 16 Integer,
    }
    "window" 3 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "count" 16 8 Integer,
    }
    "sack-perm" 4 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
    }
    "sack" 5 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "left" 16 32 Integer,
        "right" 48 32 Integer,
    }
    "sack0" 5 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "left" 16 32 Integer,
        "right" 48 32 Integer,
    }
    "sack1" 5 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "left" 80 32 Integer,
        "right" 112 32 Integer,
    }
    "sack2" 5 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "left" 144 32 Integer,
        "right" 176 32 Integer,
    }
    "sack3" 5 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "left" 208 32 Integer,
        "right" 240 32 Integer,
    }
    "timestamp" 8 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "tsval" 16 32 Integer,
        "tsecr" 48 32 Integer,
    }
    "md5sig" 19 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
    }
    "mptcp" 30 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
        "subtype" 16 4 MptcpSubtype,
    }
    "fastopen" 34 {
        "kind" 0 8 Integer,
        "length" 8 8 Integer,
    }
};

/// Options of IPv4 (RFC 791, 2113).
pub(super) static IP: &[Header] = rows! { IpOption
    "rr" 7 {
        "type" 0 8 Integer,
        "length" 8 8 Integer,
        "ptr" 16 8 Integer,
        "addr" 24 32 Integer,
    }
    "lsrr" 131 {
        "type" 0 8 Integer,
        "length" 8 8 Integer,
        "ptr" 16 8 Integer,
        "addr" 24 32 Integer,
    }
    "ssrr" 137 {
        "type" 0 8 Integer,
        "length" 8 8 Integer,
        "ptr" 16 8 Integer,
        "addr" 24 32 Integer,
    }
    "ra" 148 {
        "type" 0 8 Integer,
        "length" 8 8 Integer,
        "value" 16 16 Integer,
    }
};

/// Options of DCCP: the schema has their numbers, and asks for their presence alone.
pub(super) static DCCP: &[Header] = &numbers();

const fn numbers() -> [Header; 256] {
    let mut rows = [const { Header { kind: HeaderKind::DccpOption, name: "", number: 0, fields: &[] } }; 256];
    let mut rest: &mut [Header] = &mut rows;
    let mut number = 0u8;
    while let Some((row, more)) = rest.split_first_mut() {
        row.number = number;
        number = number.wrapping_add(1);
        rest = more;
    }
    rows
}
