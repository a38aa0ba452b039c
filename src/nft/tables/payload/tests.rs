//! Where nft loads fields from, by its bytecode for rules with them.
#![forbid(unsafe_code)]

use super::*;

/// What nft 1.1 loads for a field: protocol and field, layer, bytes from its base, bytes.
const LOADS: &[(&str, &str, Base, u32, u32)] = {
    use Base::{Link, Network, Transport};
    &[
        ("ah", "hdrlength", Transport, 1, 1),
        ("ah", "reserved", Transport, 2, 2),
        ("ah", "sequence", Transport, 8, 4),
        ("ah", "spi", Transport, 4, 4),
        ("arp", "daddr ether", Network, 18, 6),
        ("arp", "daddr ip", Network, 24, 4),
        ("arp", "hlen", Network, 4, 1),
        ("arp", "htype", Network, 0, 2),
        ("arp", "operation", Network, 6, 2),
        ("arp", "plen", Network, 5, 1),
        ("arp", "ptype", Network, 2, 2),
        ("arp", "saddr ip", Network, 14, 4),
        ("comp", "cpi", Transport, 2, 2),
        ("comp", "flags", Transport, 1, 1),
        ("comp", "nexthdr", Transport, 0, 1),
        ("dccp", "dport", Transport, 2, 2),
        ("dccp", "sport", Transport, 0, 2),
        ("dccp", "type", Transport, 8, 1),
        ("esp", "sequence", Transport, 4, 4),
        ("esp", "spi", Transport, 0, 4),
        ("ether", "daddr", Link, 0, 6),
        ("ether", "saddr", Link, 6, 6),
        ("ether", "type", Link, 12, 2),
        ("geneve", "vni", Base::Tunnel, 4, 3),
        ("gre", "version", Transport, 1, 1),
        ("icmp", "checksum", Transport, 2, 2),
        ("icmp", "code", Transport, 1, 1),
        ("icmp", "gateway", Transport, 4, 4),
        ("icmp", "id", Transport, 4, 2),
        ("icmp", "mtu", Transport, 6, 2),
        ("icmp", "sequence", Transport, 6, 2),
        ("icmp", "type", Transport, 0, 1),
        ("icmpv6", "checksum", Transport, 2, 2),
        ("icmpv6", "code", Transport, 1, 1),
        ("icmpv6", "daddr", Transport, 24, 16),
        ("icmpv6", "id", Transport, 4, 2),
        ("icmpv6", "max-delay", Transport, 4, 2),
        ("icmpv6", "mtu", Transport, 4, 4),
        ("icmpv6", "sequence", Transport, 6, 2),
        ("icmpv6", "taddr", Transport, 8, 16),
        ("icmpv6", "type", Transport, 0, 1),
        ("igmp", "checksum", Transport, 2, 2),
        ("igmp", "mrt", Transport, 1, 1),
        ("igmp", "type", Transport, 0, 1),
        ("ip", "checksum", Network, 10, 2),
        ("ip", "daddr", Network, 16, 4),
        ("ip", "dscp", Network, 1, 1),
        ("ip", "ecn", Network, 1, 1),
        ("ip", "frag-off", Network, 6, 2),
        ("ip", "hdrlength", Network, 0, 1),
        ("ip", "id", Network, 4, 2),
        ("ip", "length", Network, 2, 2),
        ("ip", "protocol", Network, 9, 1),
        ("ip", "saddr", Network, 12, 4),
        ("ip", "ttl", Network, 8, 1),
        ("ip", "version", Network, 0, 1),
        ("ip6", "daddr", Network, 24, 16),
        ("ip6", "dscp", Network, 0, 2),
        ("ip6", "ecn", Network, 1, 1),
        ("ip6", "flowlabel", Network, 1, 3),
        ("ip6", "hoplimit", Network, 7, 1),
        ("ip6", "length", Network, 4, 2),
        ("ip6", "nexthdr", Network, 6, 1),
        ("ip6", "saddr", Network, 8, 16),
        ("sctp", "checksum", Transport, 8, 4),
        ("sctp", "dport", Transport, 2, 2),
        ("sctp", "sport", Transport, 0, 2),
        ("sctp", "vtag", Transport, 4, 4),
        ("tcp", "ackseq", Transport, 8, 4),
        ("tcp", "checksum", Transport, 16, 2),
        ("tcp", "dport", Transport, 2, 2),
        ("tcp", "flags", Transport, 13, 1),
        ("tcp", "sequence", Transport, 4, 4),
        ("tcp", "sport", Transport, 0, 2),
        ("tcp", "urgptr", Transport, 18, 2),
        ("tcp", "window", Transport, 14, 2),
        ("th", "dport", Transport, 2, 2),
        ("udp", "checksum", Transport, 6, 2),
        ("udp", "dport", Transport, 2, 2),
        ("udp", "length", Transport, 4, 2),
        ("udp", "sport", Transport, 0, 2),
        ("udplite", "checksum", Transport, 6, 2),
        ("udplite", "dport", Transport, 2, 2),
        ("udplite", "sport", Transport, 0, 2),
        ("vlan", "cfi", Link, 14, 1),
        ("vlan", "dei", Link, 14, 1),
        ("vlan", "id", Link, 14, 2),
        ("vlan", "pcp", Link, 14, 1),
        ("vlan", "type", Link, 16, 2),
        ("vxlan", "vni", Base::Tunnel, 4, 3),
    ]
};

#[test]
fn fields_lie_where_nft_loads_them() {
    for (protocol, name, base, offset, len) in LOADS {
        let field =
            field(protocol.as_bytes(), name.as_bytes()).unwrap_or_else(|| panic!("{protocol} {name}"));
        let first = field.from_base() / 8;
        let last = (field.from_base() + field.len).div_ceil(8);
        assert_eq!((field.base, first, last - first), (*base, *offset, *len), "{protocol} {name}");
    }
}

#[test]
fn fields_are_found_by_name_and_by_place() {
    for header in PROTOCOLS {
        assert_eq!(protocol(header.name), Some(*header));
        for row in header.fields {
            assert_eq!((row.protocol, row.base), (header.name, header.base));
            assert_eq!(row.header(), Some(*header));
            assert_eq!(field(header.name.as_bytes(), row.name.as_bytes()), Some(row));
            assert!(header.at_all(row.offset, row.len).any(|f| f == row));
            assert!(row.offset % 8 + row.len <= 8 || (row.offset + row.len) % 8 == 0 || row.name == "dscp");
        }
        assert_eq!(at(header, 0, 0), None);
    }
    assert_eq!(at(&TCP, 16, 16).map(|f| f.name), Some("dport"));
    assert_eq!(field(b"tcp", b"Dport"), None);
    assert_eq!(field(b"", b""), None);
}
