//! What the kernel takes by itself: a dump of all rules whose attributes are walked and forgotten, and batches that were made
//! before. usage: `nft_floor`, in a network namespace, as root. For each line on standard input it answers milliseconds: `list 0`,
//! `add 0` (the rules that are there, again), `echo 0` (the same, each told of), `interval N` (172.16.N.0/24 into set `s`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that fails says so by ending")]

use std::time::{Duration, Instant};

use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::netlink::message::{APPEND, CREATE, ECHO};
use portcullis::nft::model::RawElement;
use portcullis::nft::object::element::{self, Of, flag};
use portcullis::nft::transport::batch::{self, Batch};
use portcullis::nft::transport::dump::Dump;
use portcullis::nft::transport::{Link, ROOM, kind};
use portcullis::sys::netlink::Socket;

/// `NFT_MSG_NEWTABLE`, `NFT_MSG_DELTABLE`, `NFT_MSG_NEWCHAIN`, `NFT_MSG_NEWRULE`, `NFT_MSG_GETRULE`,
/// `NFT_MSG_NEWSETELEM`.
const NEW_TABLE: u16 = 0;
const DEL_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const NEW_ELEMENT: u16 = 12;

fn main() {
    let mut link = Link::on(Socket::open(ROOM).unwrap());
    for line in std::io::stdin().lines() {
        let took = match line.unwrap().split_once(' ').unwrap() {
            ("list", _) => timed(|| list(&mut link)),
            ("add", _) => add(&mut link, 0),
            ("echo", _) => add(&mut link, ECHO),
            ("interval", n) => interval(&mut link, n.parse().unwrap()),
            (other, _) => panic!("{other:?} is no such measurement"),
        };
        println!("{:.3}", took.as_secs_f64() * 1e3);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn walk(attrs: Attrs<'_>) -> usize {
    attrs.map(|attr| 1 + if attr.nested { walk(attr.attrs()) } else { 0 }).sum()
}

fn list(link: &mut Link) {
    let mut dump = Dump::start(link, kind(GET_RULE), 0, |_| {}).unwrap();
    let mut attributes = 0;
    while let Some(messages) = dump.next(link).unwrap() {
        attributes += messages.map(|m| walk(Attrs::new(m.body))).sum::<usize>();
    }
    std::hint::black_box(attributes);
}

/// The rules of benches/nft.py as the kernel has them: read back, so that both add the same.
fn add(link: &mut Link, flags: u16) -> Duration {
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
    batch.push(kind(NEW_TABLE), CREATE | flags, 1, |b| b.put_text(1, b"b")).unwrap();
    let chain = |b: &mut Buffer| {
        b.put_text(1, b"b");
        b.put_text(3, b"c");
    };
    batch.push(kind(NEW_CHAIN), CREATE | flags, 1, chain).unwrap();
    for body in &bodies {
        let fill = |b: &mut Buffer| {
            for (kind, nested, value) in body {
                b.put(if *nested { kind | 1 << 15 } else { *kind }, value);
            }
        };
        batch.push(kind(NEW_RULE), CREATE | APPEND | flags, 1, fill).unwrap();
    }
    timed(|| drop(batch::run(link, &mut batch).unwrap()))
}

fn interval(link: &mut Link, n: u8) -> Duration {
    let edge = |key: [u8; 4], flags| RawElement { key: Some(key.to_vec()), flags, ..RawElement::default() };
    let edges = [edge([172, 16, n, 0], 0), edge([172, 16, n + 1, 0], flag::INTERVAL_END)];
    let of = Of { table: b"b", set: b"s", set_id: None };
    let mut batch = Batch::begin(None);
    let fill = |b: &mut Buffer| assert_eq!(element::encode(&of, &mut edges.into_iter().peekable(), b), Ok(2));
    batch.push(kind(NEW_ELEMENT), CREATE, 1, fill).unwrap();
    timed(|| drop(batch::run(link, &mut batch).unwrap()))
}
