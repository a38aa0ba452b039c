//! Two ways to say one thing that nft makes the same of; found by compiling rules a second way and asking nft 1.0.6 where both
//! differed.

use portcullis::nft::kernel::{Cmp, Data, KExpr};
use portcullis::nft::model::Family;
use serde_json::{Value, json};

use crate::made::{self, World};
use crate::nft_support::{network, nft, nft_text, raw};

fn made(family: Family, left: &Value, op: &str, right: &Value) -> Vec<KExpr<'static>> {
    let rule = json!([{"match": {"op": op, "left": left, "right": right}}]);
    made::compiled(&rule, &World::new(family)).unwrap().expressions
}

fn bytes(bytes: &[u8]) -> Data {
    Data::new(bytes).unwrap()
}

#[test]
fn what_is_turned_over_on_the_left_is_turned_over_on_the_right() {
    let mark = json!({"^": [{"ct": {"key": "mark"}}, 3]});
    let wanted = |op, value: u32| {
        vec![
            KExpr::Ct { dreg: 1, key: 3, direction: None },
            KExpr::Cmp { sreg: 1, op, data: bytes(&value.to_ne_bytes()) },
        ]
    };
    assert_eq!(made(Family::Inet, &mark, "==", &json!(1)), wanted(Cmp::Eq, 2));
    assert_eq!(made(Family::Inet, &mark, "in", &json!(1)), wanted(Cmp::Eq, 2));
    assert_eq!(made(Family::Inet, &mark, "!=", &json!(1)), wanted(Cmp::Neq, 2));
    // Flags too are compared then: to ask for any of them would forget what was turned over.
    let state = json!({"^": [{"ct": {"key": "state"}}, "new"]});
    let of_state = made(Family::Inet, &state, "in", &json!("established"));
    assert_eq!(of_state.len(), 2);
    assert_eq!(of_state[1], KExpr::Cmp { sreg: 1, op: Cmp::Eq, data: bytes(&10_u32.to_ne_bytes()) });
}

/// A set whose types do not say how wide they are is listed by nft as one that nft made.
#[test]
fn nft_reads_what_is_looked_up_in_a_set_of_numbers() {
    network(|| {
        let text = "udp length . @th,160,128 { 47-63 . 0xe373135363130333131303735353203 }";
        nft(&format!("add table inet t\nadd chain inet t c\nadd rule inet t c {text}")).unwrap();
        let key = json!({"concat": [
            {"payload": {"protocol": "udp", "field": "length"}},
            {"payload": {"base": "th", "offset": 160, "len": 128}},
        ]});
        let element = json!({"concat": [{"range": [47, 63]}, "0xe373135363130333131303735353203"]});
        let rule = json!([{"match": {"op": "==", "left": key, "right": {"set": [element]}}}]);
        let netlink = raw::Netlink::open();
        let compiled = made::compiled(&rule, &World::of(&netlink, Family::Inet, "t")).unwrap();
        netlink.batch(&made::messages(compiled, Family::Inet, "t", "c")).unwrap();
        let listed = nft_text("chain inet t c").unwrap();
        let rules: Vec<&str> = listed.lines().map(str::trim).filter(|line| line.starts_with("udp")).collect();
        assert_eq!(rules, [text, text]);
    });
}

#[test]
fn a_bridge_asks_the_frame_for_arp_and_the_device_for_ip() {
    let field = |protocol, field| json!({"payload": {"protocol": protocol, "field": field}});
    let first = |protocol, name, value: Value| {
        made(Family::Bridge, &field(protocol, name), "==", &value).into_iter().next().unwrap()
    };
    let ethertype = KExpr::Payload { dreg: 1, base: 0, offset: 12, len: 2 };
    let protocol = KExpr::Meta { dreg: 1, key: 1 };
    assert_eq!(first("arp", "plen", json!(4)), ethertype);
    assert_eq!(first("ip", "saddr", json!("1.2.3.4")), protocol);
    assert_eq!(first("icmp", "type", json!(8)), ethertype);
    let in_netdev = made(Family::Netdev, &field("arp", "plen"), "==", &json!(4));
    assert_eq!(in_netdev[0], protocol);
}
