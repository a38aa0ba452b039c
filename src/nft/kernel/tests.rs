//! One of each expression there and back, and whatever is not quite one of them.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::time::Instant;

use proptest::prelude::*;

use super::{BitOp, Cmp, Data, Immediate, KExpr, Lists, Range, decode, encode};
use crate::netlink::attr::{Attr, Attrs, Buffer};

fn data(bytes: &[u8]) -> Data {
    Data::new(bytes).unwrap()
}

fn name(name: &'static [u8]) -> Cow<'static, [u8]> {
    Cow::Borrowed(name)
}

fn computing() -> Vec<KExpr<'static>> {
    let bitwise = |op| KExpr::Bitwise { sreg: 1, dreg: 2, len: 4, op };
    vec![
        KExpr::Immediate { dreg: 1, data: Immediate::Value(data(&[1; 64])) },
        KExpr::Immediate { dreg: 0, data: Immediate::Verdict(-3, Some(name(b"sub"))) },
        KExpr::Immediate { dreg: 0, data: Immediate::Verdict(1, None) },
        KExpr::Cmp { sreg: 1, op: Cmp::Gte, data: data(&[0, 80]) },
        KExpr::Range { sreg: 1, not: true, from: data(&[0, 80]), to: data(&[0, 90]) },
        bitwise(BitOp::Mask(data(&[255, 255, 0, 0]), data(&[0; 4]))),
        bitwise(BitOp::Left(31)),
        bitwise(BitOp::Right(1)),
        bitwise(BitOp::Register(3, 8)),
        KExpr::Byteorder { sreg: 1, dreg: 1, to_network: true, len: 4, size: 2 },
        KExpr::Payload { dreg: 1, base: 1, offset: 12, len: 4 },
        KExpr::PayloadSet {
            sreg: 1,
            base: 1,
            offset: 8,
            len: 2,
            csum_type: 1,
            csum_offset: 10,
            csum_flags: 1,
        },
        KExpr::Exthdr { dreg: 1, kind: 2, offset: 2, len: 2, op: 1, flags: 1 },
        KExpr::ExthdrSet { sreg: Some(1), kind: 2, offset: 2, len: 2, op: 1, flags: 0 },
        KExpr::ExthdrSet { sreg: None, kind: 4, offset: 0, len: 0, op: 1, flags: 0 },
        KExpr::Meta { dreg: 1, key: 3 },
        KExpr::MetaSet { sreg: 1, key: 3 },
        KExpr::Ct { dreg: 1, key: 0, direction: None },
        KExpr::CtSet { sreg: 1, key: 3, direction: Some(1) },
        KExpr::Rt { dreg: 1, key: 3 },
        KExpr::Socket { dreg: 1, key: 3, level: Some(2) },
        KExpr::Osf { dreg: 1, ttl: 2, flags: 1 },
        KExpr::Fib { dreg: 1, result: 3, flags: 2 },
        KExpr::Xfrm { dreg: 1, key: 5, direction: 1, spnum: 1 },
        KExpr::Numgen { dreg: 1, modulus: 2, kind: 1, offset: 100 },
        KExpr::Hash { sreg: Some(2), dreg: 1, len: 4, modulus: 2, seed: Some(0), offset: 1, kind: 0 },
        KExpr::Hash { sreg: None, dreg: 1, len: 0, modulus: 2, seed: None, offset: 0, kind: 1 },
        KExpr::Lookup { set: name(b"s"), set_id: Some(3), sreg: 1, dreg: Some(0), flags: 1 },
    ]
}

fn acting() -> Vec<KExpr<'static>> {
    let range = Range { min: Some(1), max: Some(9) };
    let counter = KExpr::Counter { bytes: 1 << 40, packets: 7 };
    let limit = KExpr::Limit { rate: 5, unit: 3600, burst: 5, kind: 1, flags: 1 };
    let dynset = |exprs| KExpr::Dynset {
        set: name(b"s"),
        set_id: None,
        op: 1,
        sreg_key: 1,
        sreg_data: Some(2),
        timeout: Some(1000),
        flags: 0,
        exprs,
    };
    let log = |prefix, group, level| KExpr::Log {
        prefix,
        group,
        snaplen: group.map(u32::from),
        qthreshold: group,
        level,
        flags: level,
    };
    let payload = KExpr::Payload { dreg: 1, base: 4, offset: 4, len: 4 };
    vec![
        dynset(vec![]),
        dynset(vec![counter.clone()]),
        dynset(vec![counter.clone(), limit.clone()]),
        counter,
        limit,
        KExpr::Quota { bytes: 9, consumed: 3, flags: 1 },
        KExpr::Last { set: true, msecs: 5 },
        KExpr::Connlimit { count: 20, flags: 1 },
        log(Some(name(b"hit ")), Some(2), None),
        log(None, None, Some(8)),
        KExpr::Reject { kind: 0, code: Some(3) },
        KExpr::Reject { kind: 1, code: None },
        KExpr::Nat { kind: 1, family: 2, addr: range, proto: Range::default(), flags: Some(4) },
        KExpr::Masq { proto: range, flags: None },
        KExpr::Redir { proto: range, flags: Some(1) },
        KExpr::Notrack,
        KExpr::Objref { kind: 1, name: name(b"c") },
        KExpr::ObjrefMap { sreg: 1, set: name(b"m"), set_id: None },
        KExpr::Queue { num: Some(1), total: Some(2), flags: Some(3), sreg_qnum: None },
        KExpr::Queue { num: None, total: None, flags: Some(0), sreg_qnum: Some(1) },
        KExpr::Tproxy { family: 2, addr: None, port: Some(1) },
        KExpr::Dup { addr: Some(1), dev: Some(2) },
        KExpr::Fwd { dev: 1, addr: Some(2), family: Some(2) },
        KExpr::Synproxy { mss: 1460, wscale: 7, flags: 3 },
        KExpr::Inner { num: 0, kind: 1, flags: 15, hdrsize: 8, expr: Box::new(payload) },
        KExpr::Opaque { name: name(b"unheard"), data: Some(Cow::Borrowed(&[1, 2, 3])) },
        KExpr::Opaque { name: name(b"unheard"), data: None },
    ]
}

fn one_of_each() -> Vec<KExpr<'static>> {
    [computing(), acting()].concat()
}

fn written(expressions: &[KExpr<'_>]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    encode(expressions, &mut buffer);
    assert!(!buffer.overflowed());
    buffer.bytes().to_vec()
}

fn read(bytes: &[u8]) -> Vec<KExpr<'_>> {
    let mut out = Vec::new();
    decode(Attrs::new(bytes), &mut out);
    out
}

/// An expression of that name with those attributes.
fn made(name: &[u8], attributes: &[u8]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    let element = buffer.nest(1);
    buffer.put_text(1, name);
    let data = buffer.nest(2);
    buffer.raw(attributes);
    buffer.end(data);
    buffer.end(element);
    buffer.bytes().to_vec()
}

fn name_and_data(bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let element = Attrs::new(bytes).next().unwrap();
    let of = |kind| element.attrs().find(|a: &Attr<'_>| a.kind == kind);
    (of(1).and_then(|a| a.text()).unwrap().to_vec(), of(2).map(|a| a.value.to_vec()))
}

#[test]
fn each_comes_back_as_it_was() {
    let all = one_of_each();
    assert_eq!(read(&written(&all)), all);
    for expression in all {
        assert_eq!(read(&written(std::slice::from_ref(&expression))), [expression]);
    }
}

#[test]
fn what_is_not_quite_known_is_kept_with_its_bytes() {
    for expression in one_of_each() {
        let (name, data) = name_and_data(&written(&[expression]));
        let data = data.unwrap_or_default();
        // An attribute more, one twice, one of another number, bytes that are none, and each of them too long by one.
        let mut changed = vec![
            [&data[..], &[8, 0, 9, 0, 0, 0, 0, 1, 8, 0, 8, 0, 0, 0, 0, 1]].concat(),
            [&data[..], &[5, 0, 63, 0, 1, 0, 0, 0]].concat(),
            [&data[..], &data].concat(),
            [&data[..], &[3, 0, 0, 0]].concat(),
        ];
        for attr in Attrs::new(&data) {
            let mut buffer = Buffer::new();
            for other in Attrs::new(&data) {
                let longer = [other.value, &[7]].concat();
                buffer.put(other.kind, if other.kind == attr.kind { &longer } else { other.value });
            }
            changed.push(buffer.bytes().to_vec());
        }
        for changed in changed {
            // Doubling nothing changes nothing; `dynset` has many numbers; names of sets may be longer.
            if changed == data {
                continue;
            }
            let bytes = made(&name, &changed);
            let found = read(&bytes);
            let opaque = matches!(&found[..], [KExpr::Opaque { name: n, data: Some(d) }] if **n == name && **d == changed);
            assert!(opaque || written(&found) == bytes, "{found:?}");
        }
    }
}

#[test]
fn a_missing_attribute_makes_it_opaque() {
    for (name, attributes) in [
        (&b"cmp"[..], &[8, 0, 1, 0, 0, 0, 0, 1][..]),
        (b"meta", &[8, 0, 1, 0, 0, 0, 0, 1]),
        (b"immediate", &[]),
        (b"bitwise", &[8, 0, 1, 0, 0, 0, 0, 1]),
        (b"inner", &[8, 0, 1, 0, 0, 0, 0, 0]),
    ] {
        let bytes = made(name, attributes);
        assert!(matches!(&read(&bytes)[..], [KExpr::Opaque { data: Some(d), .. }] if **d == *attributes));
    }
}

#[test]
fn numbers_outside_of_what_they_count_are_kept() {
    let cases: [(&[u8], KExpr<'_>, u16); 3] = [
        (b"cmp", KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: data(&[0]) }, 2),
        (b"range", KExpr::Range { sreg: 1, not: false, from: data(&[0]), to: data(&[0]) }, 2),
        (b"last", KExpr::Last { set: false, msecs: 0 }, 1),
    ];
    for (name, expression, kind) in cases {
        let bytes = written(&[expression]);
        let (_, attributes) = name_and_data(&bytes);
        let mut buffer = Buffer::new();
        for attr in Attrs::new(&attributes.unwrap()) {
            if attr.kind == kind { buffer.put_be32(kind, 6) } else { buffer.put(attr.kind, attr.value) }
        }
        let bytes = made(name, buffer.bytes());
        assert!(matches!(&read(&bytes)[..], [KExpr::Opaque { .. }]));
    }
}

/// What an expression holds holds no more: no depth of a message is a depth of calls.
#[test]
fn expressions_inside_of_expressions_inside_of_expressions_are_not_looked_at() {
    let mut bytes = Vec::new();
    for _ in 0..100 {
        let mut buffer = Buffer::new();
        (1..=4).for_each(|kind| buffer.put_be32(kind, 1));
        buffer.put(5, &[&[10, 0, 1, 0, b'i', b'n', b'n', b'e', b'r', 0, 0, 0], &bytes[..]].concat());
        let mut outer = Buffer::new();
        outer.put(2, buffer.bytes());
        bytes = outer.bytes().to_vec();
    }
    let bytes = made(b"inner", Attrs::new(&bytes).next().unwrap().value);
    let found = read(&bytes);
    let [KExpr::Inner { expr, .. }] = &found[..] else { panic!("{found:?}") };
    assert!(matches!(**expr, KExpr::Opaque { .. }));
}

#[test]
fn eight_expressions_are_read_in_less_than_a_microsecond() {
    let rule = [
        KExpr::Meta { dreg: 1, key: 15 },
        KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: data(&[2]) },
        KExpr::Payload { dreg: 1, base: 1, offset: 12, len: 4 },
        KExpr::Bitwise { sreg: 1, dreg: 1, len: 4, op: BitOp::Mask(data(&[255; 4]), data(&[0; 4])) },
        KExpr::Cmp { sreg: 1, op: Cmp::Neq, data: data(&[10, 0, 0, 0]) },
        KExpr::Lookup { set: name(b"s"), set_id: None, sreg: 1, dreg: None, flags: 0 },
        KExpr::Counter { bytes: 0, packets: 0 },
        KExpr::Immediate { dreg: 0, data: Immediate::Verdict(0, None) },
    ];
    let bytes = written(&rule);
    let mut out = Vec::new();
    let best = (0..50).map(|_| {
        let started = Instant::now();
        for _ in 0..1000 {
            out.clear();
            decode(Attrs::new(&bytes), &mut out);
        }
        started.elapsed()
    });
    let best = best.min().unwrap() / 1000;
    assert_eq!(out, rule);
    eprintln!("a rule of 8 expressions: {} ns", best.as_nanos());
    // The bound is generous: tests are built with little optimisation and share the machine.
    assert!(best.as_nanos() < 5_000, "{best:?}");
}

proptest! {
    /// Rules that share some of their expressions, in the same places and in others.
    #[test]
    fn lists_are_read_as_each_is_alone(
        picks in proptest::collection::vec(proptest::collection::vec((0..8_usize, any::<bool>()), 0..6), 1..8),
    ) {
        let all = one_of_each();
        let lists: Vec<Vec<u8>> = picks
            .iter()
            .map(|picks| {
                let chosen: Vec<KExpr<'_>> = picks.iter().map(|(pick, _)| all[*pick * 5 % all.len()].clone()).collect();
                let mut bytes = written(&chosen);
                // Something else of the same length.
                if let (Some((_, true)), Some(byte)) = (picks.first(), bytes.get_mut(20)) {
                    *byte ^= 1;
                }
                bytes
            })
            .collect();
        let mut reader = Lists::default();
        for bytes in &lists {
            prop_assert_eq!(reader.read(Attrs::new(bytes)), &read(bytes)[..]);
        }
    }

    #[test]
    fn whatever_is_read_is_read_again(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        which in any::<prop::sample::Index>(),
    ) {
        let all = one_of_each();
        let mut bytes = written(std::slice::from_ref(which.get(&all)));
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let first = read(&bytes);
        let again = written(&first);
        prop_assert_eq!(read(&again), first);
    }
}
