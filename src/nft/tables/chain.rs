//! Which header follows which: what a packet must say for a header to be there.
#![forbid(unsafe_code)]

use super::payload::{
    AH, ARP, COMP, DCCP, ESP, ETHER, Field, GRE, ICMP, ICMPV6, IGMP, IP, IP6, Protocol, SCTP, TCP, UDP,
    UDPLITE, VLAN,
};
use crate::nft::model::{Base, Family};

/// `NFPROTO_IPV4` (include/uapi/linux/netfilter.h).
pub const NFPROTO_IPV4: u8 = 2;
/// `NFPROTO_IPV6`
pub const NFPROTO_IPV6: u8 = 10;
/// `ARPHRD_ETHER` (include/uapi/linux/if_arp.h): what `meta iiftype` must be for a packet to have an Ethernet header where the
/// family does not promise one.
pub const ARPHRD_ETHER: u16 = 1;

/// `NFT_META_PROTOCOL`, a key of which [`upper_of_meta`] knows the values; the next three are the others.
pub const META_PROTOCOL: u32 = 1;
/// `NFT_META_IIFTYPE`
pub const META_IIFTYPE: u32 = 8;
/// `NFT_META_NFPROTO`
pub const META_NFPROTO: u32 = 15;
/// `NFT_META_L4PROTO`
pub const META_L4PROTO: u32 = 16;

/// What every packet of a family begins with at that layer; nothing where it has to be asked for.
#[must_use]
pub fn base(family: Family, layer: Base) -> Option<&'static Protocol> {
    match (family, layer) {
        (Family::Ip, Base::Network) => Some(&IP),
        (Family::Ip6, Base::Network) => Some(&IP6),
        (Family::Arp, Base::Network) => Some(&ARP),
        (Family::Bridge, Base::Link) => Some(&ETHER),
        _ => None,
    }
}

/// The ethertype of what a header is (include/uapi/linux/if_ether.h).
#[must_use]
pub fn ethertype(protocol: &Protocol) -> Option<u16> {
    Some(match protocol.name {
        "ip" => 0x0800,
        "arp" => 0x0806,
        "vlan" => 0x8100,
        "ip6" => 0x86dd,
        _ => return None,
    })
}

/// The header of that ethertype. Both tags of 802.1Q and 802.1ad are `vlan`.
#[must_use]
pub fn by_ethertype(number: u64) -> Option<&'static Protocol> {
    Some(match number {
        0x0800 => &IP,
        0x0806 => &ARP,
        0x8100 | 0x88a8 => &VLAN,
        0x86dd => &IP6,
        _ => return None,
    })
}

/// The protocol number of what a header is (include/uapi/linux/in.h). `th` has none: it is any of those with ports.
#[must_use]
pub fn l4(protocol: &Protocol) -> Option<u8> {
    Some(match protocol.name {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "dccp" => 33,
        "gre" | "gretap" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" => 58,
        "comp" => 108,
        "sctp" => 132,
        "udplite" => 136,
        _ => return None,
    })
}

/// The header of that protocol number.
#[must_use]
pub fn by_l4(number: u64) -> Option<&'static Protocol> {
    Some(match number {
        1 => &ICMP,
        2 => &IGMP,
        6 => &TCP,
        17 => &UDP,
        33 => &DCCP,
        47 => &GRE,
        50 => &ESP,
        51 => &AH,
        58 => &ICMPV6,
        108 => &COMP,
        132 => &SCTP,
        136 => &UDPLITE,
        _ => return None,
    })
}

/// The value of `meta nfproto` for packets with that header.
#[must_use]
pub fn nfproto(protocol: &Protocol) -> Option<u8> {
    match protocol.name {
        "ip" => Some(NFPROTO_IPV4),
        "ip6" => Some(NFPROTO_IPV6),
        _ => None,
    }
}

/// The field of a header that says what follows it.
#[must_use]
pub fn key(lower: &Protocol) -> Option<&'static Field> {
    let name = match lower.name {
        "ether" | "vlan" => "type",
        "ip" => "protocol",
        "ip6" | "ah" | "comp" => "nexthdr",
        "gre" => "protocol",
        _ => return None,
    };
    super::field(lower.name.as_bytes(), name.as_bytes())
}

/// What follows a header of which this field has that value (a number, whatever the order of its bytes); nothing for a field
/// that is not its [`key`].
#[must_use]
pub fn upper(field: &Field, value: u64) -> Option<&'static Protocol> {
    match (field.protocol, field.name) {
        ("ether" | "vlan", "type") | ("gre", "protocol") => by_ethertype(value),
        ("ip", "protocol") | ("ip6" | "ah" | "comp", "nexthdr") => by_l4(value),
        _ => None,
    }
}

/// The field of `lower` and the value of it that say that `upper` follows.
#[must_use]
pub fn selecting(lower: &Protocol, upper: &Protocol) -> Option<(&'static Field, u64)> {
    let value = match lower.name {
        "ether" | "vlan" => u64::from(ethertype(upper)?),
        "gre" => u64::from(ethertype(upper).filter(|_| upper.base == Base::Network)?),
        "ip" | "ip6" | "ah" | "comp" => u64::from(l4(upper)?),
        _ => return None,
    };
    Some((key(lower)?, value))
}

/// The header that is there where a key of `meta` (`NFT_META_*`) has that value.
#[must_use]
pub fn upper_of_meta(number: u32, value: u64) -> Option<&'static Protocol> {
    match (number, value) {
        (META_PROTOCOL, _) => by_ethertype(value),
        (META_L4PROTO, _) => by_l4(value),
        (META_NFPROTO, 2) => Some(&IP),
        (META_NFPROTO, 10) => Some(&IP6),
        (META_IIFTYPE, 1) => Some(&ETHER),
        _ => None,
    }
}

/// The protocol of the network layer that a transport protocol belongs to, where it is one of two: ICMP and IGMP are IPv4's,
/// ICMPv6 is IPv6's.
#[must_use]
pub fn network_of(protocol: &Protocol) -> Option<&'static Protocol> {
    match protocol.name {
        "icmp" | "igmp" => Some(&IP),
        "icmpv6" => Some(&IP6),
        _ => None,
    }
}

/// The types of ICMP or ICMPv6 in which a field is there, in the order in which nft compares with them; nothing for a field that
/// all types have. One type is compared with, several are looked up in an anonymous set.
#[must_use]
pub fn message_types(field: &Field) -> &'static [u8] {
    match (field.protocol, field.name) {
        // Echo request and reply.
        ("icmp", "id" | "sequence") => &[8, 0],
        ("icmp", "gateway") => &[5],
        ("icmp", "mtu") => &[3],
        ("icmpv6", "id" | "sequence") => &[128, 129],
        ("icmpv6", "mtu") => &[2],
        ("icmpv6", "parameter-problem") => &[4],
        ("icmpv6", "max-delay") => &[130],
        // Listener query, report and done; neighbour solicitation and advertisement; redirect.
        ("icmpv6", "taddr") => &[130, 131, 132, 135, 136, 137],
        ("icmpv6", "daddr") => &[137],
        _ => &[],
    }
}

/// The field of ICMP or ICMPv6 that lies there in messages of these types: one that all of them have.
#[must_use]
pub fn message_field(protocol: &Protocol, offset: u32, len: u32, types: &[u8]) -> Option<&'static Field> {
    protocol.at_all(offset, len).find(|field| {
        let has = message_types(field);
        has.is_empty() || (!types.is_empty() && types.iter().all(|t| has.contains(t)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::tables::{PROTOCOLS, field, protocol};

    #[test]
    fn what_selects_a_header_is_what_it_selects() {
        for upper_protocol in PROTOCOLS {
            for lower in PROTOCOLS {
                if let Some((field, value)) = selecting(lower, upper_protocol) {
                    assert_eq!(field.protocol, lower.name);
                    assert_eq!(key(lower), Some(field));
                    let found = upper(field, value).unwrap();
                    assert!(found == *upper_protocol || upper_protocol.name == "gretap", "{lower:?}");
                }
            }
            if let Some(number) = l4(upper_protocol) {
                let found = upper_of_meta(META_L4PROTO, number.into()).unwrap();
                assert!(found == *upper_protocol || upper_protocol.name == "gretap");
            }
            if let Some(number) = ethertype(upper_protocol) {
                assert_eq!(upper_of_meta(META_PROTOCOL, number.into()), Some(*upper_protocol));
            }
            if let Some(number) = nfproto(upper_protocol) {
                assert_eq!(upper_of_meta(META_NFPROTO, number.into()), Some(*upper_protocol));
            }
        }
        assert_eq!(upper_of_meta(META_IIFTYPE, 1), protocol("ether"));
        assert_eq!(upper_of_meta(META_IIFTYPE, 512), None);
        assert_eq!(upper_of_meta(3, 1), None);
    }

    #[test]
    fn only_the_key_of_a_header_says_what_follows() {
        assert_eq!(upper(field(b"ip", b"protocol").unwrap(), 6), protocol("tcp"));
        assert_eq!(upper(field(b"ip", b"ttl").unwrap(), 6), None);
        assert_eq!(upper(field(b"ether", b"type").unwrap(), 0x88a8), protocol("vlan"));
        assert_eq!(upper(field(b"vlan", b"type").unwrap(), 0x86dd), protocol("ip6"));
        assert_eq!(upper(field(b"ip6", b"nexthdr").unwrap(), 44), None);
    }

    #[test]
    fn families_begin_where_they_begin() {
        assert_eq!(base(Family::Ip, Base::Network), protocol("ip"));
        assert_eq!(base(Family::Ip6, Base::Network), protocol("ip6"));
        assert_eq!(base(Family::Bridge, Base::Link), protocol("ether"));
        assert_eq!(base(Family::Netdev, Base::Link), None);
        assert_eq!(base(Family::Inet, Base::Network), None);
        assert_eq!(base(Family::Ip, Base::Transport), None);
    }

    #[test]
    fn the_type_of_a_message_decides_what_lies_behind_its_checksum() {
        let icmpv6 = protocol("icmpv6").unwrap();
        let name = |offset, len, types: &[u8]| message_field(icmpv6, offset, len, types).map(|f| f.name);
        assert_eq!(name(32, 16, &[130]), Some("max-delay"));
        assert_eq!(name(32, 16, &[128]), Some("id"));
        assert_eq!(name(32, 16, &[128, 129]), Some("id"));
        assert_eq!(name(32, 16, &[128, 130]), None);
        assert_eq!(name(32, 16, &[]), None);
        assert_eq!(name(32, 32, &[2]), Some("mtu"));
        assert_eq!(name(0, 8, &[]), Some("type"));
        assert_eq!(name(192, 128, &[137]), Some("daddr"));
        let icmp = protocol("icmp").unwrap();
        assert_eq!(message_field(icmp, 48, 16, &[3]).map(|f| f.name), Some("mtu"));
        assert_eq!(message_field(icmp, 48, 16, &[0, 8]).map(|f| f.name), Some("sequence"));
    }
}
