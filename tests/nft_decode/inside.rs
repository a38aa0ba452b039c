//! Headers inside of tunnels: the comparisons that a field needs go with it, and everything else stays, whatever the order.

use portcullis::nft::kernel::{BitOp, Cmp, Data, KExpr};
use portcullis::nft::lift;
use portcullis::nft::model::{Expr, Family, Statement};
use portcullis::nft::value::Loopback;
use proptest::prelude::*;
use serde_json::json;

use crate::again::{self, Table};
use crate::json::shown;
use crate::sets::Held;

const GENEVE: (u32, u32, u32) = (2, 15, 8);
const GRE: (u32, u32, u32) = (3, 12, 4);

fn wrapped((kind, flags, hdrsize): (u32, u32, u32), expr: KExpr<'static>) -> KExpr<'static> {
    KExpr::Inner { num: 0, kind, flags, hdrsize, expr: Box::new(expr) }
}

fn cmp(bytes: &[u8]) -> KExpr<'static> {
    KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: Data::new(bytes).unwrap() }
}

fn meta(key: u32, bytes: &[u8]) -> Vec<KExpr<'static>> {
    vec![KExpr::Meta { dreg: 1, key }, cmp(bytes)]
}

fn packet(base: u32, offset: u32, bytes: &[u8]) -> Vec<KExpr<'static>> {
    let len = u32::try_from(bytes.len()).unwrap();
    vec![KExpr::Payload { dreg: 1, base, offset, len }, cmp(bytes)]
}

/// The same inside of a tunnel.
fn inside(tunnel: (u32, u32, u32), mut expressions: Vec<KExpr<'static>>) -> Vec<KExpr<'static>> {
    let load = expressions.remove(0);
    expressions.insert(0, wrapped(tunnel, load));
    expressions
}

/// Bits of what was loaded.
fn masked(mut expressions: Vec<KExpr<'static>>, mask: &[u8]) -> Vec<KExpr<'static>> {
    let zero = vec![0; mask.len()];
    let op = BitOp::Mask(Data::new(mask).unwrap(), Data::new(&zero).unwrap());
    let len = u32::try_from(mask.len()).unwrap();
    expressions.insert(1, KExpr::Bitwise { sreg: 1, dreg: 1, len, op });
    expressions
}

fn lifted(expressions: &[Vec<KExpr<'static>>]) -> Vec<Statement> {
    lift::statements(&expressions.concat(), Family::Inet, &Held::default())
}

fn is_opaque(statement: &Statement) -> bool {
    matches!(statement, Statement::Opaque(_))
}

fn udp() -> Vec<KExpr<'static>> {
    meta(16, &[17])
}

fn port() -> Vec<KExpr<'static>> {
    packet(2, 2, &[0x17, 0xc1])
}

fn address(tunnel: (u32, u32, u32)) -> Vec<KExpr<'static>> {
    inside(tunnel, packet(1, 12, &[10, 0, 0, 1]))
}

fn is_ip(tunnel: (u32, u32, u32)) -> Vec<KExpr<'static>> {
    inside(tunnel, meta(1, &[8, 0]))
}

#[test]
fn what_a_field_needs_goes_with_it() {
    let field = json!({"payload": {"protocol": "ip", "field": "saddr", "tunnel": "geneve"}});
    let rule = shown(&lifted(&[udp(), port(), is_ip(GENEVE), address(GENEVE)]));
    assert_eq!(rule[1], json!({"match": {"op": "==", "left": field, "right": "10.0.0.1"}}));
    assert_eq!(rule.as_array().unwrap().len(), 2, "{rule}");
    let prefix = inside(GENEVE, packet(1, 12, &[10, 0]));
    let rule = shown(&lifted(&[udp(), port(), is_ip(GENEVE), prefix]));
    assert_eq!(rule[1]["match"]["right"], json!({"prefix": {"addr": "10.0.0.0", "len": 16}}));
    let gre = shown(&lifted(&[meta(16, &[47]), is_ip(GRE), address(GRE)]));
    assert_eq!(gre.as_array().unwrap().len(), 1, "the protocol goes too: {gre}");
}

/// nft lists no more of `arp operation request` in a bridge.
#[test]
fn a_bridge_finds_arp_by_the_frame() {
    let rule = [packet(0, 12, &[8, 6]), packet(1, 6, &[0, 1])].concat();
    let listed = shown(&lift::statements(&rule, Family::Bridge, &Held::default()));
    let field = json!({"payload": {"protocol": "arp", "field": "operation"}});
    assert_eq!(listed, json!([{"match": {"op": "==", "left": field, "right": "request"}}]));
}

/// The type behind a tag says what follows; without the tag it would be compared elsewhere.
#[test]
fn what_stands_for_another_goes_with_it_or_stays_with_it() {
    let tag = inside(GENEVE, packet(0, 12, &[0x81, 0]));
    let behind = inside(GENEVE, packet(0, 16, &[8, 0]));
    let rule = shown(&lifted(&[udp(), port(), tag, behind, address(GENEVE)]));
    let field =
        |protocol, field| json!({"payload": {"protocol": protocol, "field": field, "tunnel": "geneve"}});
    assert_eq!(rule[1]["match"]["left"], field("vlan", "type"));
    assert_eq!(rule[2]["match"]["left"], field("ip", "saddr"));
    assert_eq!(rule.as_array().unwrap().len(), 3, "{rule}");
}

#[test]
fn what_no_field_follows_stays() {
    let alone = lifted(&[udp(), port(), is_ip(GENEVE)]);
    assert_eq!(alone.iter().map(is_opaque).collect::<Vec<_>>(), [false, true, true]);
    // What stands between would change its place.
    let counter = vec![KExpr::Counter { bytes: 0, packets: 0 }];
    let apart = lifted(&[udp(), port(), is_ip(GENEVE), counter, address(GENEVE)]);
    let opaque: Vec<bool> = apart.iter().map(is_opaque).collect();
    assert_eq!(opaque, [false, true, true, false, true, true]);
    // Not udp, not known, another network's, another tunnel's, other bits.
    let other = (GENEVE.0, 14, GENEVE.2);
    let bits = masked(inside(GENEVE, packet(1, 12, &[10, 0, 0, 0])), &[0xff, 0, 0xff, 0]);
    for rule in [
        vec![meta(16, &[6]), is_ip(GENEVE), address(GENEVE)],
        vec![is_ip(GENEVE), address(GENEVE)],
        vec![udp(), port(), inside(GENEVE, meta(1, &[0x86, 0xdd])), address(GENEVE)],
        vec![udp(), port(), is_ip(GENEVE), address(GRE)],
        vec![udp(), port(), is_ip(other), address(other)],
        vec![udp(), port(), is_ip(GENEVE), inside(GENEVE, packet(1, 13, &[1, 2]))],
    ] {
        let lifted = lifted(&rule);
        assert!(is_opaque(lifted.last().unwrap()), "{lifted:?}");
        assert!(is_opaque(&lifted[lifted.len() - 2]), "{lifted:?}");
    }
    let lifted = lifted(&[udp(), port(), is_ip(GENEVE), bits]);
    let masked = matches!(&lifted[1], Statement::Match(m) if matches!(m.left, Expr::Binop(..)));
    assert!(masked, "bits of a field are a field's: {lifted:?}");
}

/// A comparison: inside of a tunnel, or outside.
fn piece(within_tunnels: bool) -> impl Strategy<Value = Vec<KExpr<'static>>> {
    let tunnel =
        || prop_oneof![6 => Just(GENEVE), 3 => Just(GRE), 1 => Just((4, 14, 4)), 1 => Just((2, 1, 8))];
    let number =
        || prop_oneof![Just([8, 0]), Just([0x86, 0xdd]), Just([0x81, 0]), Just([8, 6]), any::<[u8; 2]>()];
    let byte = || prop_oneof![Just(0_u8), Just(1), Just(3), Just(6), Just(17), Just(58)];
    let within = |what: BoxedStrategy<Vec<KExpr<'static>>>| {
        (tunnel(), what)
            .prop_map(move |(tunnel, what)| if within_tunnels { inside(tunnel, what) } else { what })
    };
    prop_oneof![
        2 => Just(udp()),
        1 => Just(meta(16, &[47])),
        1 => Just(port()),
        1 => Just(vec![KExpr::Counter { bytes: 0, packets: 0 }]),
        4 => within(number().prop_map(|n| meta(1, &n)).boxed()),
        3 => within(byte().prop_map(|n| meta(16, &[n])).boxed()),
        1 => within(Just(meta(15, &[2])).boxed()),
        1 => within(Just(meta(15, &[10])).boxed()),
        1 => within(Just(meta(8, &1_u16.to_ne_bytes())).boxed()),
        1 => within(Just(packet(1, 6, &[0, 1])).boxed()),
        1 => within(Just(packet(1, 6, &[6])).boxed()),
        3 => within(number().prop_map(|n| packet(0, 12, &n)).boxed()),
        1 => within(Just(masked(packet(0, 14, &[0, 10]), &[0x0f, 0xff])).boxed()),
        1 => within(number().prop_map(|n| packet(0, 16, &n)).boxed()),
        3 => within(Just(packet(1, 12, &[10, 0, 0, 1])).boxed()),
        1 => within(Just(packet(1, 12, &[10, 0])).boxed()),
        1 => within(byte().prop_map(|n| packet(1, 9, &[n])).boxed()),
        1 => within(Just(masked(packet(1, 1, &[8]), &[0xfc])).boxed()),
        2 => within(number().prop_map(|n| packet(2, 0, &n)).boxed()),
        2 => within(byte().prop_map(|n| packet(2, 0, &[n])).boxed()),
        1 => within(number().prop_map(|n| packet(2, 6, &n)).boxed()),
        1 => within(Just(packet(4, 4, &[0, 0, 10])).boxed()),
    ]
}

/// A rule as the corpus has them, with something left out, or put elsewhere.
fn rule() -> impl Strategy<Value = Vec<Vec<KExpr<'static>>>> {
    prop_oneof![
        prop::collection::vec(piece(true), 0..7),
        prop::collection::vec(piece(true), 0..5).prop_map(|pieces| [vec![udp(), port()], pieces].concat()),
        prop::collection::vec(piece(true), 0..5).prop_map(|pieces| [vec![meta(16, &[47])], pieces].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_inside_is_made_again_as_it_was(pieces in rule(), family in prop::sample::select(Family::ALL)) {
        let (expressions, held) = (pieces.concat(), Held::default());
        let lifted = lift::statements(&expressions, family, &held);
        let table = Table { family, held: &held, names: &Loopback };
        let there = again::there(&expressions, &held);
        let made = again::compiled(&lifted, &table);
        prop_assert_eq!(made, Ok(there), "{:?}", shown(&lifted));
    }

    /// Outside neighbours become one, so that bytes can differ; but what is listed can be asked for.
    #[test]
    fn what_is_listed_can_be_asked_for(
        pieces in prop::collection::vec(piece(false), 0..7),
        family in prop::sample::select(Family::ALL),
    ) {
        let (expressions, held) = (pieces.concat(), Held::default());
        let lifted = lift::statements(&expressions, family, &held);
        let made = again::compiled(&lifted, &Table { family, held: &held, names: &Loopback });
        prop_assert!(made.is_ok(), "{:?}: {:?}", made, shown(&lifted));
    }
}
