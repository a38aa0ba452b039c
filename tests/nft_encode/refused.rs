//! What is refused, and where in the statements: rules that nft refuses as well, and some that it takes for something else than
//! what they say.

use portcullis::error::Why;
use portcullis::nft::compile;
use portcullis::nft::model::{
    Datum, Expr, Family, MapData, Match, Part, Relation, Set, Statement, TableRef, Type, set_flag,
};
use portcullis::nft::object::types;
use portcullis::nft::tables::meta_named;
use serde_json::{Value, json};

use crate::made::{self, World};

fn of(names: &[Type]) -> Datum {
    let part = |ty: &Type| {
        let (bits, order) = types::width(*ty);
        Part { ty: *ty, bits, order }
    };
    Datum { parts: names.iter().map(part).collect(), of: None }
}

fn set(name: &'static str, key: &[Type], data: Option<MapData>, flags: u32) -> (Vec<u8>, Set) {
    let set = Set {
        table: TableRef { family: Family::Inet, name: b"t".as_slice().into() },
        name: name.as_bytes().into(),
        handle: None,
        key: of(key),
        data,
        flags,
        timeout_ms: None,
        gc_ms: None,
        size: None,
        policy: None,
        auto_merge: false,
        comment: None,
        statements: Vec::new(),
    };
    (name.as_bytes().to_vec(), set)
}

/// A table of that family with a set and two maps.
fn world(family: Family) -> World {
    let mut world = World::new(family);
    world.sets.extend([
        set("hosts", &[Type::Ipv4Addr], None, 0),
        set("pairs", &[Type::Ipv4Addr, Type::InetService], None, set_flag::INTERVAL),
        set("marks", &[Type::Ipv4Addr], Some(MapData::Values(of(&[Type::Mark]))), set_flag::MAP),
        set("verdicts", &[Type::Ipv4Addr], Some(MapData::Verdicts), set_flag::MAP),
    ]);
    world
}

/// Where, as text, and why.
fn fault(family: Family, statements: &Value) -> (String, Why) {
    let read = made::read(statements).unwrap_or_else(|e| panic!("{statements}: {e}"));
    match compile::statements(&read, &world(family)) {
        Ok(compiled) => panic!("{statements} was taken: {compiled:?}"),
        Err(fault) => (made::place(&fault.path), fault.why),
    }
}

fn payload(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

fn equal(left: &Value, right: &Value) -> Value {
    json!({"match": {"op": "==", "left": left, "right": right}})
}

fn meta(key: &str) -> Value {
    json!({"meta": {"key": key}})
}

#[test]
fn protocols_that_exclude_each_other() {
    let tcp = equal(&payload("tcp", "dport"), &json!(22));
    let udp = equal(&payload("udp", "dport"), &json!(53));
    let v4 = equal(&payload("ip", "saddr"), &json!("10.0.0.1"));
    let v6 = equal(&payload("ip6", "saddr"), &json!("::1"));
    let left = |n: u32| format!("{n}/match/left/payload");
    assert_eq!(fault(Family::Inet, &json!([tcp, udp])), (left(2), Why::Excludes("tcp")));
    assert_eq!(fault(Family::Inet, &json!([v4, v6])), (left(2), Why::Excludes("ip")));
    assert_eq!(fault(Family::Ip, &json!([v6])), (left(1), Why::Excludes("ip")));
    assert_eq!(fault(Family::Ip6, &json!([v4])), (left(1), Why::Excludes("ip6")));
    let both = equal(&meta("l4proto"), &json!({"set": ["tcp", "udp"]}));
    assert_eq!(
        fault(Family::Inet, &json!([both, tcp])),
        (left(2), Why::Excludes("an earlier match of the protocol"))
    );
    let ether = equal(&payload("ether", "type"), &json!("ip"));
    let vlan = equal(&payload("vlan", "id"), &json!(1));
    for family in [Family::Ip, Family::Inet, Family::Bridge, Family::Netdev] {
        assert_eq!(fault(family, &json!([ether, vlan])), (left(2), Why::Excludes("ip")), "{family:?}");
    }
    let kind = equal(&payload("icmp", "type"), &json!(2));
    let mtu = equal(&payload("icmp", "mtu"), &json!(5));
    let (place, _) = fault(Family::Ip, &json!([kind, mtu]));
    assert_eq!(place, left(2));
}

#[test]
fn families_without_it() {
    for family in [Family::Ip, Family::Inet] {
        let name = family.name();
        let at = "1/match/left/meta/key".to_owned();
        let bridge = json!([equal(&meta("ibrname"), &json!("br0"))]);
        assert_eq!(fault(family, &bridge), (at, Why::Excludes(name)));
    }
    let own = json!([equal(&meta("nfproto"), &json!("ipv4"))]);
    for family in [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge, Family::Netdev] {
        let at = "1/match/left/meta/key".to_owned();
        assert_eq!(fault(family, &own), (at, Why::Excludes(family.name())));
    }
    assert!(made::compiled(&own, &world(Family::Inet)).is_ok());
    let header = json!({"exthdr": {"name": "frag", "field": "id"}});
    let at = "1/match/left/exthdr".to_owned();
    assert_eq!(fault(Family::Ip, &json!([equal(&header, &json!(1))])), (at, Why::Excludes("ip")));
    let saddr = json!({"ct": {"key": "ip saddr", "dir": "original"}});
    let v6 = equal(&meta("nfproto"), &json!("ipv6"));
    let at = "2/match/left/ct/key".to_owned();
    let ct = equal(&saddr, &json!("1.2.3.4"));
    assert_eq!(fault(Family::Inet, &json!([v6, ct])), (at, Why::Excludes("ip6")));
    let mark = json!({"ct": {"key": "mark", "dir": "original"}});
    let (place, _) = fault(Family::Inet, &json!([equal(&mark, &json!(42))]));
    assert_eq!(place, "1/match/left/ct/dir");
}

#[test]
fn values_that_the_field_does_not_hold() {
    let at = || "1/match/right".to_owned();
    let of = |left: Value, right: Value| fault(Family::Ip, &json!([equal(&left, &right)]));
    assert_eq!(of(payload("ip", "protocol"), json!(256)), (at(), Why::Range(0, 255)));
    assert_eq!(of(payload("ip", "hdrlength"), json!(16)), (at(), Why::Range(0, 15)));
    assert_eq!(of(payload("tcp", "dport"), json!(65536)), (at(), Why::Range(0, 65535)));
    assert_eq!(of(json!({"socket": {"key": "wildcard"}}), json!(2)), (at(), Why::Range(0, 1)));
    assert_eq!(
        of(meta("pkttype"), json!("broadcastttt")),
        (at(), Why::UnknownName(b"broadcastttt".to_vec()))
    );
    let range = json!({"range": [90, 80]});
    assert_eq!(of(payload("tcp", "dport"), range.clone()).0, "1/match/right/range");
    let listed = json!({"set": [{"range": [90, 80]}, 1]});
    assert_eq!(of(payload("tcp", "dport"), listed).0, "1/match/right/set/1/range");
    let prefix = json!({"prefix": {"addr": "10.0.0.0", "len": 33}});
    assert_eq!(
        of(payload("ip", "saddr"), prefix),
        ("1/match/right/prefix/len".to_owned(), Why::Range(0, 32))
    );
    assert_eq!(of(payload("ip", "saddr"), payload("ip", "daddr")).0, "1/match/right");
    let tags = json!({"set": [1, 2, 4, 100, 4096]});
    let vlan = fault(Family::Bridge, &json!([equal(&payload("vlan", "id"), &tags)]));
    assert_eq!(vlan, ("1/match/right/set/5".to_owned(), Why::Range(0, 4095)));
    let set = json!([{"mangle": {"key": payload("ip6", "dscp"), "value": 64}}]);
    assert_eq!(fault(Family::Ip6, &set), ("1/mangle/value".to_owned(), Why::Range(0, 63)));
    let own = json!({"&": [payload("ip", "dscp"), 0x4f]});
    let set = json!([{"mangle": {"key": payload("ip", "dscp"), "value": own}}]);
    assert_eq!(fault(Family::Ip, &set), ("1/mangle/value".to_owned(), Why::Range(0, 63)));
    let several = json!([{"mangle": {"key": {"ct": {"key": "mark"}}, "value": {"set": [1, 2]}}}]);
    assert_eq!(fault(Family::Ip, &several).0, "1/mangle/value");
}

#[test]
fn sets_of_something_else() {
    let right = || "1/match/right".to_owned();
    let unknown = json!([equal(&payload("ip", "saddr"), &json!("@none"))]);
    assert_eq!(fault(Family::Ip, &unknown), (right(), Why::UnknownName(b"none".to_vec())));
    let wide = json!([equal(&payload("ip6", "daddr"), &json!("@hosts"))]);
    assert_eq!(fault(Family::Inet, &wide), (right(), Why::Expected("a set of what is looked up")));
    let one = json!([equal(&payload("ip", "saddr"), &json!("@pairs"))]);
    assert_eq!(fault(Family::Inet, &one), (right(), Why::Expected("a set of what is looked up")));
    let other = json!([equal(&payload("tcp", "sequence"), &json!("@hosts"))]);
    assert!(
        made::compiled(&other, &world(Family::Inet)).is_ok(),
        "plain numbers are looked up among anything"
    );
    let mark = json!([equal(&meta("mark"), &json!("@hosts"))]);
    assert_eq!(fault(Family::Inet, &mark), (right(), Why::Expected("a set of what is looked up")));
    let vmap = json!([{"vmap": {"key": payload("ip", "saddr"), "data": "@marks"}}]);
    assert_eq!(fault(Family::Ip, &vmap), ("1/vmap/data".to_owned(), Why::Expected("a map to verdicts")));
    let value = json!({"map": {"key": payload("ip", "saddr"), "data": "@verdicts"}});
    let set = json!([{"mangle": {"key": meta("mark"), "value": value}}]);
    assert_eq!(fault(Family::Ip, &set).0, "1/mangle/value/map/data");
    let overlap = json!({"set": [
        [{"range": ["1.1.1.1", "1.1.1.255"]}, {"accept": null}],
        [{"range": ["1.1.1.0", "1.1.2.1"]}, {"drop": null}],
    ]});
    let vmap = json!([{"vmap": {"key": payload("ip", "saddr"), "data": overlap}}]);
    assert_eq!(fault(Family::Ip, &vmap), ("1/vmap/data/set/2".to_owned(), Why::Duplicate));
    let twice = json!({"set": [[1, {"accept": null}], [1, {"drop": null}]]});
    let vmap = json!([{"vmap": {"key": meta("mark"), "data": twice}}]);
    assert_eq!(fault(Family::Ip, &vmap), ("1/vmap/data/set/2".to_owned(), Why::Duplicate));
    let bare = json!([{"vmap": {"key": meta("mark"), "data": {"set": [1]}}}]);
    assert_eq!(fault(Family::Ip, &bare).0, "1/vmap/data/set/1");
}

#[test]
fn a_set_of_nothing() {
    let left = Expr::Meta(meta_named(b"mark").unwrap());
    let right = Expr::Set(Vec::new());
    let statement = Statement::Match(Match { op: Relation::Equal, left, right });
    let fault = compile::statements(&[statement], &world(Family::Ip)).unwrap_err();
    assert_eq!(fault.why, Why::Empty);
}

#[test]
fn translations_that_lack_something() {
    let tcp = || equal(&meta("l4proto"), &json!("tcp"));
    let dnat = |nat: Value| json!({ "dnat": nat });
    let at = |n: u32, key: &str| format!("{n}/dnat/{key}");
    assert_eq!(
        fault(Family::Inet, &json!([dnat(json!({"addr": "1.2.3.4"}))])),
        (at(1, "family"), Why::Missing)
    );
    let six = dnat(json!({"addr": "1.2.3.4", "family": "ip6"}));
    assert_eq!(fault(Family::Inet, &json!([six])).0, at(1, "addr"));
    let known = equal(&payload("ip6", "daddr"), &json!("dead::beef"));
    assert_eq!(fault(Family::Inet, &json!([known, dnat(json!({"addr": "10.1.2.3"}))])).0, at(2, "addr"));
    let port = dnat(json!({"addr": "1.2.3.4", "port": 80}));
    assert_eq!(
        fault(Family::Ip, &json!([port])),
        (at(1, "port"), Why::Expected("a match of the transport protocol before it"))
    );
    let key = json!({"concat": [payload("ip", "saddr"), payload("th", "dport")]});
    let data = json!({"set": [[{"concat": ["10.141.11.4", 20]}, {"concat": ["192.168.2.3", 80]}]]});
    let map = dnat(json!({"addr": {"map": {"key": key, "data": data}}, "family": "ip"}));
    assert_eq!(fault(Family::Ip, &json!([map])).0, at(1, "port"));
    assert_eq!(fault(Family::Bridge, &json!([dnat(json!({"addr": "1.2.3.4"}))])).1, Why::Excludes("bridge"));
    let redirect = json!([tcp(), {"redirect": {"port": 70000}}]);
    assert_eq!(fault(Family::Ip, &redirect), ("2/redirect/port".to_owned(), Why::Range(0, 65535)));
}

#[test]
fn errors_that_do_not_fit_the_packet() {
    let v6 = equal(&meta("nfproto"), &json!("ipv6"));
    let icmp = json!({"reject": {"type": "icmp", "expr": "host-unreachable"}});
    assert_eq!(fault(Family::Inet, &json!([v6, icmp])), ("2/reject/type".to_owned(), Why::Excludes("ip6")));
    let udp = equal(&meta("l4proto"), &json!("udp"));
    let reset = json!({"reject": {"type": "tcp reset"}});
    assert_eq!(fault(Family::Inet, &json!([udp, reset])), ("2/reject/type".to_owned(), Why::Excludes("udp")));
    let arp = equal(&payload("ether", "type"), &json!("arp"));
    assert_eq!(fault(Family::Bridge, &json!([arp, reset])).1, Why::Excludes("arp"));
    let either = json!({"reject": {"type": "icmpx", "expr": "admin-prohibited"}});
    assert_eq!(fault(Family::Ip, &json!([either])).0, "1/reject/type");
}

#[test]
fn statements_that_are_never_reached() {
    for last in [json!({"accept": null}), json!({"masquerade": null}), json!({"reject": null})] {
        let rule = json!([last, {"counter": null}]);
        assert_eq!(
            fault(Family::Ip, &rule),
            ("2".to_owned(), Why::Expected("nothing behind the statement that ends the rule"))
        );
    }
    let goes_on = json!([{"continue": null}, {"counter": null}]);
    assert!(made::compiled(&goes_on, &world(Family::Ip)).is_ok());
}

#[test]
fn logs_that_nothing_reads() {
    let log = |log: Value| fault(Family::Ip, &json!([{ "log": log }]));
    assert_eq!(
        log(json!({"level": "emerg", "group": 2})),
        ("1/log/level".to_owned(), Why::Excludes("group"))
    );
    assert_eq!(log(json!({"flags": "all", "group": 2})), ("1/log/flags".to_owned(), Why::Excludes("group")));
    assert_eq!(log(json!({"level": "audit", "prefix": "foo"})).0, "1/log/level");
    assert_eq!(log(json!({"snaplen": 23})), ("1/log/group".to_owned(), Why::Missing));
}

#[test]
fn queues_that_are_not_there() {
    let queue = |queue: Value| fault(Family::Ip, &json!([{ "queue": queue }]));
    let numgen =
        |modulus: u32, offset: u32| json!({"numgen": {"mode": "inc", "mod": modulus, "offset": offset}});
    let at = || "1/queue/num".to_owned();
    for num in [numgen(65537, 0), numgen(65536, 1), numgen(1, u32::MAX), json!({"symhash": {"mod": 70000}})] {
        assert_eq!(queue(json!({ "num": num })), (at(), Why::Range(0, 65535)), "{num}");
    }
    for num in [numgen(4, 0), json!(3), json!({"symhash": {"mod": 4}})] {
        let why = queue(json!({"num": num, "flags": "fanout"}));
        assert_eq!(why, (at(), Why::Expected("a range of queues, for which of them")), "{num}");
    }
    assert_eq!(queue(json!({"flags": "fanout"})).0, at());
    for taken in [json!({"num": {"range": [4, 4]}, "flags": "fanout"}), json!({"num": numgen(65535, 1)})] {
        assert!(made::compiled(&json!([{ "queue": taken }]), &world(Family::Ip)).is_ok(), "{taken}");
    }
}

#[test]
fn addresses_of_the_connections_own_family_are_not_looked_up() {
    let saddr = json!({"ct": {"key": "saddr", "dir": "original"}});
    let set = json!({"set": ["1.1.1.1", "1.1.1.2"]});
    let vmap = json!({"set": [["1.1.1.1", {"accept": null}]]});
    let map = json!({"map": {"key": saddr, "data": {"set": [["1.1.1.1", 1]]}}});
    let two = json!({"concat": [saddr, meta("mark")]});
    let rows = [
        (equal(&saddr, &set), "1/match/left"),
        (equal(&saddr, &json!("@hosts")), "1/match/left"),
        (equal(&two, &json!({"set": [{"concat": ["1.1.1.1", 1]}]})), "1/match/left"),
        (equal(&two, &json!("@pairs")), "1/match/left"),
        (json!({"vmap": {"key": saddr, "data": vmap}}), "1/vmap/key"),
        (json!({"mangle": {"key": meta("mark"), "value": map}}), "1/mangle/value/map/key"),
    ];
    for (rule, place) in rows {
        assert_eq!(fault(Family::Ip, &json!([rule])).0, place, "{rule}");
    }
    for right in [json!("1.1.1.1"), json!({"prefix": {"addr": "1.1.1.0", "len": 24}})] {
        let rule = json!([equal(&saddr, &right)]);
        assert!(made::compiled(&rule, &world(Family::Ip)).is_ok(), "compared it may be");
    }
}

#[test]
fn more_than_registers_hold() {
    let six = payload("ip6", "saddr");
    let key = json!({"concat": [six, six, six, six, six]});
    let element = json!({"concat": ["::1", "::1", "::1", "::1", "::1"]});
    let rule = json!([equal(&key, &json!({"set": [element]}))]);
    assert_eq!(fault(Family::Ip6, &rule), ("1/match/left".to_owned(), Why::TooMany(16)));
}
