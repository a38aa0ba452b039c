//! What strangers leave with their objects.

use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::netlink::message::CREATE;
use portcullis::nft::object::{message, set};

use crate::nft_support::nft;
use crate::world::{Kernel, network};

fn record(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(value.len()).unwrap()], value].concat()
}

/// A set `s` of addresses in a table `x`, with that user data.
fn set_with(user: &[u8]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    buffer.put_text(1, b"x");
    buffer.put_text(2, b"s");
    buffer.put_be32(4, 7);
    buffer.put_be32(5, 4);
    buffer.put_be32(10, 1);
    buffer.put(13, user);
    buffer.bytes().to_vec()
}

/// nft 1.0.6 dies of 16 of these when it lists.
#[test]
fn sets_with_any_kind_of_expression_in_their_user_data_are_listed() {
    network(|| {
        let kernel = Kernel::open();
        let table = {
            let mut name = Buffer::new();
            name.put_text(1, b"x");
            name.bytes().to_vec()
        };
        for kind in 0..40_u32 {
            let inner = record(0, &1_u32.to_ne_bytes());
            let key = [record(0, &kind.to_ne_bytes()), record(1, &inner)].concat();
            let user = [record(0, &2_u32.to_ne_bytes()), record(3, &key)].concat();
            let new = (message::NEW_TABLE, CREATE, 1, table.clone());
            kernel.batch(&[new, (message::NEW_SET, CREATE, 1, set_with(&user))]).unwrap();
            let (family, body) = kernel.dump(message::GET_SET, 0, &[]).pop().unwrap();
            let seen = set::decode(family, &body).unwrap();
            assert!(!seen.opaque);
            assert_eq!(seen.what.key.parts.len(), 1, "{kind}");
            assert_eq!(&*seen.what.name, b"s");
            assert!(Attrs::new(&body).any(|attr| attr.kind == 13 && attr.value == user), "it was not there");
            kernel.batch(&[(message::DEL_TABLE, 0, 1, table.clone())]).unwrap();
        }
    });
}

/// What a set can be declared with, as nft writes it; all of it comes back.
#[test]
fn declarations_of_sets_are_read_and_written() {
    const DECLARED: &[&str] = &[
        "ip saddr",
        "ip6 flowlabel",
        "tcp flags",
        "icmp mtu",
        "igmp mrt",
        "igmp checksum",
        "igmp group",
        "vlan pcp",
        "vlan id",
        "vlan type",
        "arp operation",
        "ether saddr",
        "comp cpi",
        "th dport",
        "@ll,0,16",
        "meta mark",
        "meta iifname",
        "ct state",
        "ct original ip saddr",
        "ct reply bytes",
        "socket mark",
        "osf name",
        "rt classid",
        "rt ip nexthop",
        "fib daddr oif",
        "fib saddr . iif type",
        "ipsec out ip saddr",
        "ip saddr . tcp dport . vlan id",
        "udp length . ct mark",
    ];
    network(|| {
        let kernel = Kernel::open();
        for declared in DECLARED {
            let text = format!("add table ip x; add set ip x s {{ typeof {declared}; }}");
            nft(&text).unwrap();
            let (family, body) = kernel.dump(message::GET_SET, 0, &[]).pop().unwrap();
            let seen = set::decode(family, &body).unwrap();
            assert!(!seen.opaque, "{declared}: {seen:?}");
            assert!(seen.what.key.of.is_some(), "{declared}");
            let mut written = Buffer::new();
            set::encode(&seen.what, 1, &mut written).unwrap();
            let user = |bytes: &[u8]| Attrs::new(bytes).find(|a| a.kind == 13).unwrap().value.to_vec();
            assert_eq!(user(written.bytes()), user(&body), "{declared}");
            nft("delete table ip x").unwrap();
        }
    });
}
