//! Neighbouring places of the packet: what becomes one comparison, and where it then stands.

use portcullis::nft::kernel::KExpr;
use portcullis::nft::model::Family;
use serde_json::{Value, json};

use crate::made::{self, World};

/// What is loaded: offset and bytes in the packet, or the number of a key of `meta`.
fn loads(family: Family, statements: &Value) -> Vec<(u32, u32)> {
    let compiled = made::compiled(statements, &World::new(family)).unwrap();
    let load = |expression: &KExpr<'_>| match expression {
        KExpr::Payload { offset, len, .. } => Some((*offset, *len)),
        KExpr::Meta { key, .. } => Some((*key, 0)),
        KExpr::Counter { .. } => Some((0, 0)),
        _ => None,
    };
    compiled.expressions.iter().filter_map(load).collect()
}

fn field(protocol: &str, field: &str, value: u32) -> Value {
    let left = json!({"payload": {"protocol": protocol, "field": field}});
    json!({"match": {"op": "==", "left": left, "right": value}})
}

/// `meta mark`, and the protocol that TCP asks for.
const MARK: (u32, u32) = (3, 0);
const L4: (u32, u32) = (16, 0);

#[test]
fn neighbours_are_compared_together_where_the_lower_stood() {
    let mark = json!({"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 3}});
    let (sport, dport) = (field("tcp", "sport", 7), field("tcp", "dport", 5));
    assert_eq!(loads(Family::Ip, &json!([sport, mark, dport])), [L4, (0, 4), MARK]);
    assert_eq!(loads(Family::Ip, &json!([dport, mark, sport])), [L4, MARK, (0, 4)]);
    assert_eq!(loads(Family::Ip, &json!([sport, {"counter": null}, dport])), [L4, (0, 2), (0, 0), (2, 2)]);
}

#[test]
fn what_follows_is_known_before_it_is_looked_at() {
    let mark = json!({"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 3}});
    let (ttl, protocol) = (field("ip", "ttl", 7), field("ip", "protocol", 6));
    assert_eq!(loads(Family::Ip, &json!([ttl, mark, protocol])), [MARK, (8, 2)]);
    assert_eq!(loads(Family::Ip, &json!([protocol, mark, ttl])), [(8, 2), MARK]);
    let sport = field("tcp", "sport", 7);
    assert_eq!(loads(Family::Ip, &json!([protocol, mark, ttl, sport])), [(8, 2), MARK, (0, 2)]);
    let (length, next, hops) =
        (field("ip6", "length", 1), field("ip6", "nexthdr", 6), field("ip6", "hoplimit", 1));
    assert_eq!(loads(Family::Ip6, &json!([hops, mark, next, length])), [MARK, (4, 4)]);
}

#[test]
fn what_is_fast_alone_stays_alone() {
    let (sequence, ack) = (field("tcp", "sequence", 1), field("tcp", "ackseq", 1));
    assert_eq!(loads(Family::Ip, &json!([sequence, ack])), [L4, (4, 4), (8, 4)]);
}

#[test]
fn only_equality_is_merged() {
    let not = |mut rule: Value| {
        rule["match"]["op"] = json!("!=");
        rule
    };
    let (sport, dport) = (field("tcp", "sport", 7), field("tcp", "dport", 5));
    assert_eq!(loads(Family::Ip, &json!([not(sport.clone()), not(dport.clone())])), [L4, (0, 2), (2, 2)]);
    assert_eq!(loads(Family::Ip, &json!([sport, not(dport)])), [L4, (0, 2), (2, 2)]);
    // `in` asks for any of the bits: nft 1.0.6 merges that too, and compares with all of them then.
    let flags = json!({"payload": {"protocol": "tcp", "field": "flags"}});
    let any = json!({"match": {"op": "in", "left": flags, "right": "syn"}});
    assert_eq!(loads(Family::Ip, &json!([any, field("tcp", "window", 7)])), [L4, (13, 1), (14, 2)]);
}
