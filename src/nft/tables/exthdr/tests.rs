//! Where nft loads fields from, by its bytecode for rules with them.
#![forbid(unsafe_code)]

use super::*;
use HeaderKind::{IpOption, Ipv6, SctpChunk, TcpOption};

/// What nft 1.1 loads for a field: number of the header, bytes from its beginning, bytes.
const LOADS: &[(HeaderKind, &str, &str, u8, u32, u32)] = &[
    (Ipv6, "dst", "hdrlength", 60, 1, 1),
    (Ipv6, "dst", "nexthdr", 60, 0, 1),
    (Ipv6, "frag", "frag-off", 44, 2, 2),
    (Ipv6, "frag", "id", 44, 4, 4),
    (Ipv6, "frag", "more-fragments", 44, 3, 1),
    (Ipv6, "frag", "nexthdr", 44, 0, 1),
    (Ipv6, "frag", "reserved", 44, 1, 1),
    (Ipv6, "hbh", "hdrlength", 0, 1, 1),
    (Ipv6, "hbh", "nexthdr", 0, 0, 1),
    (Ipv6, "mh", "checksum", 135, 4, 2),
    (Ipv6, "mh", "hdrlength", 135, 1, 1),
    (Ipv6, "mh", "nexthdr", 135, 0, 1),
    (Ipv6, "mh", "reserved", 135, 3, 1),
    (Ipv6, "mh", "type", 135, 2, 1),
    (Ipv6, "rt", "hdrlength", 43, 1, 1),
    (Ipv6, "rt", "nexthdr", 43, 0, 1),
    (Ipv6, "rt", "seg-left", 43, 3, 1),
    (Ipv6, "rt", "type", 43, 2, 1),
    (Ipv6, "srh", "flags", 43, 5, 1),
    (Ipv6, "srh", "last-entry", 43, 4, 1),
    (Ipv6, "srh", "sid[1]", 43, 8, 16),
    (Ipv6, "srh", "tag", 43, 6, 2),
    (SctpChunk, "asconf", "seqno", 193, 4, 4),
    (SctpChunk, "asconf-ack", "seqno", 128, 4, 4),
    (SctpChunk, "cwr", "lowest-tsn", 13, 4, 4),
    (SctpChunk, "data", "stream", 0, 8, 2),
    (SctpChunk, "ecne", "lowest-tsn", 12, 4, 4),
    (SctpChunk, "init", "flags", 1, 1, 1),
    (SctpChunk, "init", "initial-tsn", 1, 16, 4),
    (SctpChunk, "sack", "a-rwnd", 3, 8, 4),
    (SctpChunk, "shutdown", "cum-tsn-ack", 7, 4, 4),
    (TcpOption, "maxseg", "length", 2, 1, 1),
    (TcpOption, "maxseg", "size", 2, 2, 2),
    (TcpOption, "mptcp", "subtype", 30, 2, 1),
    (TcpOption, "sack", "left", 5, 2, 4),
    (TcpOption, "sack", "length", 5, 1, 1),
    (TcpOption, "sack", "right", 5, 6, 4),
    (TcpOption, "sack-perm", "length", 4, 1, 1),
    (TcpOption, "sack0", "left", 5, 2, 4),
    (TcpOption, "sack0", "right", 5, 6, 4),
    (TcpOption, "sack1", "left", 5, 10, 4),
    (TcpOption, "sack2", "left", 5, 18, 4),
    (TcpOption, "sack2", "right", 5, 22, 4),
    (TcpOption, "sack3", "left", 5, 26, 4),
    (TcpOption, "sack3", "right", 5, 30, 4),
    (TcpOption, "timestamp", "tsecr", 8, 6, 4),
    (TcpOption, "timestamp", "tsval", 8, 2, 4),
    (TcpOption, "window", "count", 3, 2, 1),
    (TcpOption, "window", "length", 3, 1, 1),
    (IpOption, "lsrr", "addr", 131, 3, 4),
    (IpOption, "ra", "value", 148, 2, 2),
    (IpOption, "rr", "ptr", 7, 2, 1),
    (IpOption, "ssrr", "length", 137, 1, 1),
];

#[test]
fn fields_lie_where_nft_loads_them() {
    for (kind, name, field, number, offset, len) in LOADS {
        let header = header(*kind, name.as_bytes()).unwrap_or_else(|| panic!("{name}"));
        let field = header.field(field.as_bytes()).unwrap_or_else(|| panic!("{name} {field}"));
        let (first, last) = (field.offset / 8, (field.offset + field.len).div_ceil(8));
        assert_eq!((header.number, first, last - first), (*number, *offset, *len), "{name} {}", field.name);
    }
}

#[test]
fn headers_without_fields_are_there() {
    let names: &[(HeaderKind, &[&str])] = &[
        (
            SctpChunk,
            &["abort", "cookie-ack", "cookie-echo", "error", "heartbeat", "heartbeat-ack", "init-ack"],
        ),
        (SctpChunk, &["shutdown-ack", "shutdown-complete", "forward-tsn"]),
        (TcpOption, &["eol", "nop", "fastopen", "md5sig", "mptcp", "noop"]),
        (Ipv6, &["rt0", "rt2"]),
    ];
    for (kind, names) in names {
        assert!(names.iter().all(|n| header(*kind, n.as_bytes()).is_some()), "{names:?}");
    }
    assert_eq!(header(TcpOption, b"noop"), header(TcpOption, b"nop"));
    assert_eq!(header(SctpChunk, b"Data"), None);
    assert_eq!(header(HeaderKind::DccpOption, b""), None);
}

#[test]
fn what_is_found_by_place_says_the_same() {
    for kind in HeaderKind::ALL {
        assert_eq!(HeaderKind::numbered(*kind as u32), Some(*kind));
        for header in headers(*kind) {
            assert_eq!(header.kind, *kind);
            for field in header.fields {
                let (found, place) = option(*kind, header.number, field.offset, field.len).unwrap();
                let place = place.unwrap();
                assert_eq!((found.number, place.offset, place.len), (header.number, field.offset, field.len));
                assert_eq!(place.ty, field.ty, "{} {}", header.name, field.name);
            }
        }
    }
    assert_eq!(HeaderKind::numbered(5), None);
    let name = |number, offset, len| {
        option(TcpOption, number, offset, len).map(|(h, f)| (h.name, f.map(|f| f.name)))
    };
    assert_eq!(name(5, 16, 32), Some(("sack", Some("left"))));
    assert_eq!(name(5, 144, 32), Some(("sack2", Some("left"))));
    assert_eq!(name(5, 17, 32), Some(("sack", None)));
    assert_eq!(name(200, 0, 8), None);
    let routing = |offset, len| option(Ipv6, 43, offset, len).map(|(h, f)| (h.name, f.map(|f| f.name)));
    assert_eq!(routing(24, 8), Some(("rt", Some("seg-left"))));
    assert_eq!(routing(48, 16), Some(("srh", Some("tag"))));
}

#[test]
fn every_number_is_an_option_of_dccp() {
    for number in 0..=u8::MAX {
        let header = dccp_option(number).unwrap();
        assert_eq!((header.number, header.fields.len()), (number, 0));
        assert_eq!(option(HeaderKind::DccpOption, number, 0, 8), Some((header, None)));
    }
}
