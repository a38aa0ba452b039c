//! Objects through the model: what the kernel dumps is read, all tables go, and what is written makes them again.

use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::netlink::message::{APPEND, CREATE};
use portcullis::nft::kernel;
use portcullis::nft::object::element::{self, Of};
use portcullis::nft::object::rule::{Beside, New};
use portcullis::nft::object::{chain, message, named, rule, set, table};

use crate::nft_support::nft;
use crate::world::{Kernel, listing, network};

/// One of each, with everything that can be said of it.
pub const OBJECTS: &str = r#"
table inet x {
  comment "of the table"
  counter c1 { comment "of the counter"
    packets 5 bytes 6 }
  quota q1 { over 100 mbytes used 3 kbytes }
  limit l1 { rate over 10 mbytes/second burst 5 kbytes }
  set a { type ipv4_addr; flags interval; auto-merge; comment "of the set"; elements = { 10.0.0.0/8 comment "el", 1.1.1.1-1.1.1.4, 255.255.255.255 } }
  set b { type ipv4_addr . inet_service; flags interval; elements = { 1.0.0.0/8 . 80-90 } }
  set c { typeof ip saddr . tcp dport . meta mark; size 10; elements = { 1.1.1.1 . 80 . 5 } }
  set d { typeof meta mark; timeout 10s; gc-interval 1m; elements = { 1 timeout 5h, 2 } }
  set e { type ifname; flags dynamic; policy memory; counter; elements = { "eth0" } }
  set f { typeof ct state; size 100; flags dynamic; limit rate 3/second; counter;
  }
  map m { type ipv4_addr : ipv4_addr . inet_service; elements = { 1.1.1.1 : 2.2.2.2 . 80 } }
  map m2 { type ipv4_addr : interval ipv4_addr; elements = { 1.1.1.1 : 2.2.2.2-3.3.3.3 } }
  map vm { type mark : verdict; elements = { 1 : jump k, 2 : drop, * : accept } }
  map om { type mark : counter; elements = { 1 : "c1" } }
  chain k { comment "of the chain"
  }
  chain bb {
    type filter hook input priority -5; policy drop; comment "of the base chain";
    ip saddr @a counter accept comment "of the rule"
    ip saddr . tcp dport @b drop
    counter name "c1"
    ip saddr @a vmap { 1.1.1.1 : drop }
  }
}
table netdev nn {
  flags dormant
  chain i { type filter hook ingress devices = { lo, d0 } priority 7; policy accept;
  }
}
"#;

/// The same without what nft 1.0.6 has no words for.
pub fn load() {
    std::process::Command::new("ip").args(["link", "add", "d0", "type", "bridge"]).status().unwrap();
    let objects = OBJECTS.replace("    ip saddr @a vmap { 1.1.1.1 : drop }\n", "");
    nft(&objects).unwrap();
}

type Message = (u16, u16, u8, Vec<u8>);

/// Through the model, unless it is marked to hold more than the model can say.
fn again(kind: u16, family: u8, body: &[u8], id: u32) -> Vec<Message> {
    let mut buffer = Buffer::new();
    let flags = if kind == message::NEW_RULE { CREATE | APPEND } else { CREATE };
    match kind {
        message::NEW_TABLE => {
            let seen = table::decode(family, body).unwrap();
            assert!(!seen.opaque);
            table::encode(&seen.what, &mut buffer).unwrap();
        }
        message::NEW_CHAIN => {
            let seen = chain::decode(family, body).unwrap();
            assert!(!seen.opaque, "{seen:?}");
            chain::encode(&seen.what, &mut buffer).unwrap();
        }
        message::NEW_SET => {
            let seen = set::decode(family, body).unwrap();
            assert!(!seen.opaque, "{seen:?}");
            assert_eq!(set::flags(&seen.what), seen.what.flags);
            set::encode(&seen.what, id, &mut buffer).unwrap();
        }
        message::NEW_OBJECT => {
            let seen = named::decode(family, body).unwrap();
            assert!(!seen.opaque);
            named::encode(&seen.what, &mut buffer).unwrap();
        }
        message::NEW_ELEMENT => return elements(family, body),
        message::NEW_RULE => {
            let raw = rule::decode(body).unwrap();
            assert!(!raw.opaque);
            let mut expressions = Vec::new();
            kernel::decode(Attrs::new(raw.expressions), &mut expressions);
            let new = New {
                table: raw.table,
                chain: raw.chain,
                id: Some(id),
                beside: Beside::Edge,
                expressions: &expressions,
                comment: raw.comment,
            };
            rule::encode(&new, &mut buffer).unwrap();
        }
        _ => panic!("{kind}"),
    }
    vec![(kind, flags, family, buffer.bytes().to_vec())]
}

fn elements(family: u8, body: &[u8]) -> Vec<Message> {
    let name = |kind| Attrs::new(body).find(|a| a.kind == kind).unwrap().text().unwrap();
    let of = Of { table: name(1), set: name(2), set_id: None };
    let read = element::elements(body).map(|attr| {
        let (element, opaque) = element::decode(&attr);
        assert!(!opaque, "{element:?}");
        element
    });
    let (mut read, mut messages) = (read.peekable(), Vec::new());
    loop {
        let mut buffer = Buffer::new();
        if element::encode(&of, &mut read, &mut buffer).unwrap() == 0 {
            return messages;
        }
        messages.push((message::NEW_ELEMENT, CREATE, family, buffer.bytes().to_vec()));
    }
}

#[test]
fn objects_that_are_read_and_written_make_the_same_objects() {
    network(|| {
        load();
        let (kernel, before) = (Kernel::open(), listing());
        let all = kernel.everything();
        let mut messages = Vec::new();
        for (_, family, body) in all.iter().filter(|(kind, ..)| *kind == message::NEW_TABLE) {
            let mut name = Buffer::new();
            name.put_text(1, &table::decode(*family, body).unwrap().what.id.name);
            messages.push((message::DEL_TABLE, 0, *family, name.bytes().to_vec()));
        }
        for (id, (kind, family, body)) in (1..).zip(&all) {
            messages.extend(again(*kind, *family, body, id));
        }
        nft("delete element inet x d { 1 }; add rule inet x k drop").unwrap();
        assert_ne!(listing(), before);
        kernel.batch(&messages).unwrap();
        assert_eq!(listing(), before);
        // What is told of it again is the same, but for numbers, which are new.
        let told = |all: &[(u16, u8, Vec<u8>)]| -> Vec<_> {
            let sets = all.iter().filter(|(kind, ..)| *kind == message::NEW_SET);
            sets.map(|(_, family, body)| {
                let mut set = set::decode(*family, body).unwrap().what;
                set.handle = None;
                set
            })
            .collect()
        };
        assert_eq!(told(&kernel.everything()), told(&all));
    });
}
