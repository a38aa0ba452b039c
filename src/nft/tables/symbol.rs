//! Symbols of types: `established`, `echo-request`, `syn`; as `nft describe TYPE` prints them.
#![forbid(unsafe_code)]

mod flag;
mod icmp;
mod proto;

use crate::nft::model::Type;

/// A number and its name.
pub type Symbol = (u64, &'static str);

/// The numbers and names of a type, where it has any; for flags each name is one bit. Where a number has several names the first
/// is the one that is written.
#[must_use]
pub fn symbols(ty: Type) -> &'static [Symbol] {
    match ty {
        Type::CtState => flag::CT_STATE,
        Type::CtStatus => flag::CT_STATUS,
        Type::CtEvent => flag::CT_EVENT,
        Type::TcpFlag => flag::TCP_FLAG,
        Type::IcmpType => icmp::TYPE,
        Type::IcmpCode => icmp::CODE,
        Type::Icmpv6Type => icmp::TYPE_V6,
        Type::Icmpv6Code => icmp::CODE_V6,
        Type::IcmpxCode => icmp::CODE_EITHER,
        Type::IgmpType => icmp::IGMP,
        Type::InetProto => proto::INET,
        Type::EtherType => proto::ETHER,
        Type::ArpOp => proto::ARP_OP,
        Type::DccpPkttype => proto::DCCP,
        Type::MhType => proto::MOBILITY,
        Type::NfProto => proto::NFPROTO,
        Type::IfaceType => proto::IFACE,
        Type::PktType => proto::PKT,
        Type::FibAddrtype => proto::ADDRESS,
        Type::Dscp => proto::DSCP,
        Type::Ecn => proto::ECN,
        Type::MptcpSubtype => proto::MPTCP,
        Type::CtDir => &[(0, "original"), (1, "reply")],
        Type::Boolean => &[(1, "exists"), (0, "missing")],
        Type::TimeDay => &[
            (0, "Sunday"),
            (1, "Monday"),
            (2, "Tuesday"),
            (3, "Wednesday"),
            (4, "Thursday"),
            (5, "Friday"),
            (6, "Saturday"),
        ],
        // The names that iproute2 brings along (/etc/iproute2/rt_realms, group); others are not looked up.
        Type::Realm => &[(0, "cosmos")],
        Type::DevGroup => &[(0, "default")],
        // TC_H_ROOT and TC_H_UNSPEC (include/uapi/linux/pkt_sched.h).
        Type::ClassId => &[(0xffff_ffff, "root"), (0, "none")],
        _ => &[],
    }
}

/// The number of a name.
#[must_use]
pub fn number(ty: Type, name: &[u8]) -> Option<u64> {
    symbols(ty).iter().find(|(_, n)| n.as_bytes() == name).map(|(number, _)| *number)
}

/// The name of a number: the first that the type has for it.
#[must_use]
pub fn name(ty: Type, number: u64) -> Option<&'static str> {
    if ty == Type::InetProto {
        // The only long table, and it is sorted.
        let at = proto::INET.partition_point(|(n, _)| *n < number);
        return proto::INET.get(at).filter(|(n, _)| *n == number).map(|(_, name)| *name);
    }
    symbols(ty).iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
}

/// Whether a value is bits that have a meaning each.
#[must_use]
pub fn is_flags(ty: Type) -> bool {
    matches!(ty, Type::CtState | Type::CtStatus | Type::CtEvent | Type::TcpFlag | Type::Bitmask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_both_ways() {
        for ty in Type::ALL {
            for (value, word) in symbols(*ty) {
                assert_eq!(number(*ty, word.as_bytes()), Some(*value), "{word}");
                let written = name(*ty, *value).unwrap();
                assert_eq!(number(*ty, written.as_bytes()), Some(*value), "{word}");
            }
            let names = symbols(*ty).iter().map(|(_, name)| *name);
            let distinct: std::collections::BTreeSet<_> = names.clone().collect();
            assert_eq!(distinct.len(), names.count(), "{ty:?} has a name twice");
        }
        assert_eq!(name(Type::InetProto, 7), None);
        assert_eq!(name(Type::InetProto, 255), None);
        assert_eq!(number(Type::TcpFlag, b"SYN"), None);
    }

    #[test]
    fn the_table_that_is_searched_is_sorted() {
        assert!(proto::INET.windows(2).all(|w| w[0].0 <= w[1].0));
        assert_eq!(name(Type::InetProto, 58), Some("ipv6-icmp"));
        assert_eq!(number(Type::InetProto, b"icmpv6"), Some(58));
        assert_eq!(name(Type::InetProto, 108), Some("ipcomp"));
        assert_eq!(number(Type::InetProto, b"comp"), Some(108));
    }

    #[test]
    fn each_name_of_a_flag_is_one_bit() {
        for ty in Type::ALL.iter().filter(|t| is_flags(**t)) {
            assert!(symbols(*ty).iter().all(|(bit, _)| bit.is_power_of_two()), "{ty:?}");
        }
    }

    #[test]
    fn the_first_of_several_names_is_written() {
        assert_eq!(name(Type::EtherType, 0x8100), Some("8021q"));
        assert_eq!(name(Type::Icmpv6Type, 132), Some("mld-listener-done"));
        assert_eq!(name(Type::PktType, 0), Some("host"));
        assert_eq!(name(Type::Dscp, 0), Some("cs0"));
    }
}
