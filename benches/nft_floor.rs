//! What the kernel takes by itself: a dump of all rules whose attributes are walked and forgotten, and ten thousand rules in
//! one batch that was made before. Prints milliseconds. usage: `nft_floor list|add`, in a network namespace, as root.
#![allow(clippy::unwrap_used, reason = "a measurement that fails says so by ending")]

use std::time::Instant;

use portcullis::netlink::attr::Attrs;
use portcullis::netlink::message::{APPEND, CREATE};
use portcullis::nft::transport::batch::{self, Batch};
use portcullis::nft::transport::dump::Dump;
use portcullis::nft::transport::{Link, ROOM, kind};
use portcullis::sys::netlink::Socket;

/// `NFT_MSG_NEWTABLE`, `NFT_MSG_DELTABLE`, `NFT_MSG_NEWCHAIN`, `NFT_MSG_NEWRULE`, `NFT_MSG_GETRULE`.
const NEW_TABLE: u8 = 0;
const DEL_TABLE: u8 = 2;
const NEW_CHAIN: u8 = 3;
const NEW_RULE: u8 = 6;
const GET_RULE: u8 = 7;

fn main() {
    let mut link = Link::on(Socket::open(ROOM).unwrap());
    let took =
        if std::env::args().nth(1).as_deref() == Some("add") { add(&mut link) } else { list(&mut link) };
    println!("{took:.3}");
}

fn walk(attrs: Attrs<'_>) -> usize {
    attrs.map(|attr| 1 + if attr.nested { walk(attr.attrs()) } else { 0 }).sum()
}

fn list(link: &mut Link) -> f64 {
    let start = Instant::now();
    let mut dump = Dump::start(link, kind(GET_RULE), 0, |_| {}).unwrap();
    let mut attributes = 0;
    while let Some(messages) = dump.next(link).unwrap() {
        attributes += messages.map(|m| walk(Attrs::new(m.body))).sum::<usize>();
    }
    std::hint::black_box(attributes);
    start.elapsed().as_secs_f64() * 1e3
}

/// The rules of benches/nft.py as the kernel has them: read back, so that both add the same.
fn add(link: &mut Link) -> f64 {
    let mut bodies = Vec::new();
    let mut dump = Dump::start(link, kind(GET_RULE), 1, |_| {}).unwrap();
    while let Some(messages) = dump.next(link).unwrap() {
        for message in messages {
            // Without handle and position.
            bodies.push(
                Attrs::new(message.body)
                    .filter(|a| ![3, 6].contains(&a.kind))
                    .map(|a| (a.kind, a.nested, a.value.to_vec()))
                    .collect::<Vec<_>>(),
            );
        }
    }
    let mut batch = Batch::begin(None);
    batch.push(kind(DEL_TABLE), 0, 1, |b| b.put_text(1, b"b")).unwrap();
    batch::run(link, &mut batch).unwrap();
    let mut batch = Batch::begin(None);
    batch.push(kind(NEW_TABLE), CREATE, 1, |b| b.put_text(1, b"b")).unwrap();
    let chain = |b: &mut portcullis::netlink::attr::Buffer| {
        b.put_text(1, b"b");
        b.put_text(3, b"c");
    };
    batch.push(kind(NEW_CHAIN), CREATE, 1, chain).unwrap();
    for body in &bodies {
        let fill = |b: &mut portcullis::netlink::attr::Buffer| {
            for (kind, nested, value) in body {
                b.put(if *nested { kind | 1 << 15 } else { *kind }, value);
            }
        };
        batch.push(kind(NEW_RULE), CREATE | APPEND, 1, fill).unwrap();
    }
    let start = Instant::now();
    batch::run(link, &mut batch).unwrap();
    start.elapsed().as_secs_f64() * 1e3
}
