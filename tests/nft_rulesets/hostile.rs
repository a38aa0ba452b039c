//! What others put into the kernel, and what should never be asked: nothing panics, nothing is dropped, nothing is done by
//! halves.

use portcullis::error::RequestError;
use portcullis::nft::model::{Family, TableRef, Text};
use portcullis::nft::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::held::{comparable, rules};
use crate::nft_support::{network, nft, raw};
use crate::world::{World, commands, is_opaque, link};

const TABLES: &[(&str, &str)] = &[("inet", "t"), ("ip", "t")];

fn be(kind: u16, value: u32) -> Vec<u8> {
    raw::attr(kind, &value.to_be_bytes())
}

/// A record of user data (`struct nftnl_udata`): type, length, value.
fn record(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(value.len()).unwrap()], value].concat()
}

/// A set of addresses that says with `user` what it was declared with.
fn set(name: &str, user: &[u8]) -> raw::Message {
    let attributes =
        [raw::name(1, "t"), raw::name(2, name), be(3, 0), be(4, 7), be(5, 4), be(10, 1), raw::attr(13, user)];
    raw::Message {
        kind: raw::NEWSET,
        family: raw::family("inet"),
        flags: raw::CREATE,
        attributes: attributes.concat(),
    }
}

#[test]
fn sets_declared_with_anything_are_listed() {
    network(|| {
        nft("add table inet t").unwrap();
        let netlink = raw::Netlink::open();
        let mut world = World::new(TABLES);
        let order = record(0, &2_u32.to_ne_bytes());
        let mut made = 0;
        for kind in 0..64_u32 {
            let datas: &[Vec<u8>] = &[
                record(0, &1_u32.to_ne_bytes()),
                record(0, &u32::MAX.to_ne_bytes()),
                [record(0, &1_u32.to_ne_bytes()), record(1, &0_u32.to_ne_bytes()), record(2, &[0; 3])]
                    .concat(),
                Vec::new(),
                vec![0, 200, 1],
                // A concatenation inside of a concatenation, deeper than any is.
                (0..8).fold(Vec::new(), |inner: Vec<u8>, _| {
                    let of = [record(0, &kind.to_ne_bytes()), record(1, &inner)].concat();
                    record(0, &of)
                }),
            ];
            for data in datas {
                let key = [record(0, &kind.to_ne_bytes()), record(1, data)].concat();
                for user in [
                    [order.clone(), record(3, &key)].concat(),
                    [record(3, &key), record(4, &key), record(7, b"said\0"), record(7, b"not ended")]
                        .concat(),
                    key,
                ] {
                    netlink.batch(&[set(&format!("s{made}"), &user)]).unwrap();
                    made += 1;
                }
            }
        }
        let listed = world.ruleset();
        assert_eq!(netlink.sets(raw::family("inet"), "t").len(), made);
        assert_eq!(listed.iter().filter(|object| object.get("set").is_some()).count(), made);
        println!(
            "{made} sets listed, {} of them by an expression",
            listed.iter().filter(|o| o["set"]["type"].is_object()).count()
        );
        // And made again, if not from the listing then from a copy.
        let all = [TableRef { family: Family::Inet, name: Text::Borrowed(b"t") }];
        let before = comparable(&netlink);
        let mut link = link();
        let copy = Snapshot::take(&mut link, &all).unwrap();
        nft("flush ruleset").unwrap();
        copy.restore(&mut link, &TableRef { family: Family::Inet, name: Text::Borrowed(b"m") }, None)
            .unwrap();
        assert_eq!(comparable(&netlink), before);
        nft("flush ruleset").unwrap();
        world.apply(&commands(&listed)).unwrap();
        assert_eq!(netlink.sets(raw::family("inet"), "t").len(), made);
    });
}

/// An expression: name and data.
fn expression(name: &str, data: &[u8]) -> Vec<u8> {
    raw::attr(1, &[raw::name(1, name), raw::attr(2, data)].concat())
}

/// xt's `comment`, as iptables-nft has it (`NFTA_MATCH_NAME` 1, `_REV` 2, `_INFO` 3).
fn xt(text: &[u8]) -> Vec<u8> {
    let mut info = text.to_vec();
    info.resize(256, 0);
    expression("match", &[raw::name(1, "comment"), be(2, 0), raw::attr(3, &info)].concat())
}

fn counter() -> Vec<u8> {
    expression("counter", &[raw::attr(1, &[0; 8]), raw::attr(2, &[0; 8])].concat())
}

fn accept() -> Vec<u8> {
    // NFTA_IMMEDIATE_DREG 1: the verdict; NFTA_IMMEDIATE_DATA 2: NFTA_DATA_VERDICT 2: NFTA_VERDICT_CODE 1.
    expression("immediate", &[be(1, 0), raw::attr(2, &raw::attr(2, &be(1, 1)))].concat())
}

fn rule(expressions: &[Vec<u8>]) -> raw::Message {
    raw::Message {
        kind: raw::NEWRULE,
        family: raw::family("ip"),
        flags: raw::CREATE | raw::APPEND,
        attributes: [raw::name(1, "t"), raw::name(2, "c"), raw::attr(4, &expressions.concat())].concat(),
    }
}

#[test]
fn rules_with_unknown_expressions_are_listed_deleted_and_restored_but_not_written() {
    network(|| {
        nft("add table ip t; add chain ip t c; add rule ip t c tcp dport 22 accept").unwrap();
        let netlink = raw::Netlink::open();
        let mut world = World::new(TABLES);
        netlink
            .batch(&[
                rule(&[xt(b"why"), counter(), accept()]),
                rule(&[xt(b"")]),
                rule(&[counter(), xt(b"x")]),
            ])
            .unwrap();
        // Values in registers that nobody looks at, and a comparison with what nobody loaded.
        let load = expression("payload", &[be(1, 9), be(2, 1), be(3, 1), be(4, 3)].concat());
        netlink
            .batch(&[rule(&[load.clone(), counter()]), rule(&[load.clone(), load, xt(b"y"), accept()])])
            .unwrap();
        nft("add rule ip t c udp dport 53 drop").unwrap();
        let before = comparable(&netlink);
        let listed = world.ruleset();
        let all: Vec<&Value> = listed.iter().filter_map(|object| object.get("rule")).collect();
        assert_eq!(all.len(), 7);
        assert_eq!(rules(&netlink, "ip", "t"), 7);
        let opaque: Vec<bool> = all.iter().map(|rule| is_opaque(rule)).collect();
        assert_eq!(opaque, [false, true, true, true, true, true, false], "{all:#?}");
        assert!(all[1]["expr"].as_array().unwrap().iter().any(|s| s.get("counter").is_some()), "{}", all[1]);
        assert!(all[1].to_string().contains("\"match\""), "its name is told: {}", all[1]);
        // Written again from the listing: no.
        let refused = world.apply(&commands(&listed)).unwrap_err();
        let RequestError::BadRequest(path, _) = &refused else { panic!("{refused:?}") };
        assert!(path.len() >= 4, "{refused:?}");
        assert_eq!(comparable(&netlink), before);
        // Deleted, and back with the change that did it.
        let handle = &all[1]["handle"];
        let delete = json!([{ "delete": { "rule": { "family": "ip", "table": "t", "chain": "c", "handle": handle } } }]);
        let reference = world.apply_for(&delete, std::time::Duration::from_secs(60)).unwrap();
        assert_eq!(rules(&netlink, "ip", "t"), 6);
        world.firewall.roll_back(reference).unwrap();
        assert_eq!(comparable(&netlink), before);
    });
}

/// Statements that are none.
fn statements() -> Vec<Value> {
    let dport = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
    let is = |left: Value, right: Value| json!({ "match": { "op": "==", "left": left, "right": right } });
    let deep = (0..10).fold(json!({}), |inner, _| json!({ "|": [inner, 1] }));
    vec![
        json!(null),
        json!([]),
        json!({}),
        json!({ "match": null }),
        json!({ "match": { "op": "==", "left": {}, "right": 1 } }),
        json!({ "match": { "op": "==", "left": dport } }),
        is(json!({ "payload": { "protocol": "tcp" } }), json!(22)),
        is(json!({ "payload": { "protocol": "tcq", "field": "dport" } }), json!(22)),
        is(json!({ "payload": { "base": "th", "offset": -1, "len": 16 } }), json!(22)),
        is(json!({ "payload": { "base": "th", "offset": 0, "len": 4_294_967_295_u32 } }), json!(22)),
        is(dport.clone(), json!({ "set": null })),
        is(dport.clone(), json!({ "set": [] })),
        is(dport.clone(), json!({ "set": [{ "set": [22] }] })),
        is(dport.clone(), json!({ "range": [1] })),
        is(dport.clone(), json!({ "range": [9, 1] })),
        is(dport.clone(), json!({ "prefix": { "addr": null, "len": 8 } })),
        is(dport.clone(), json!({ "concat": [] })),
        is(dport.clone(), json!("no port")),
        is(dport.clone(), json!("@nowhere")),
        is(dport.clone(), json!(65_536)),
        is(json!({ "&": [dport.clone()] }), json!(1)),
        is(json!({ "meta": { "key": 5 } }), json!(1)),
        is(json!({ "meta": { "key": "mark" } }), deep),
        is(
            json!({ "payload": { "protocol": "ip", "field": "saddr" } }),
            json!({ "prefix": { "addr": "10.0.0.0", "len": 33 } }),
        ),
        is(json!({ "jhash": { "mod": 0, "expr": dport.clone() } }), json!(0)),
        is(json!({ "numgen": { "mode": "inc", "mod": 0 } }), json!(0)),
        json!({ "vmap": { "key": dport, "data": "accept" } }),
        json!({ "goto": { "target": null } }),
        json!({ "jump": { "target": "a\u{0}b" } }),
        json!({ "accept": null, "drop": null }),
        json!({ "accept": 1 }),
        json!({ "counter": { "packets": -1, "bytes": 0 } }),
        json!({ "limit": { "rate": 0, "per": "second" } }),
        json!({ "limit": { "rate": 1, "per": "fortnight" } }),
        json!({ "log": { "prefix": "x".repeat(200) } }),
        json!({ "opaque": { "name": "match", "data": "00" } }),
        json!("accept"),
        json!(7),
    ]
}

/// Commands that are none.
fn others() -> Vec<Value> {
    let base = json!({ "family": "inet", "table": "t", "name": "n" });
    let with = |more: Value| {
        let mut object = base.as_object().unwrap().clone();
        object.extend(more.as_object().unwrap().clone());
        Value::Object(object)
    };
    let hook = json!({ "type": "filter", "hook": "input", "prio": 0, "polcy": "drop" });
    vec![
        json!(5),
        json!("add table inet t"),
        json!({}),
        json!({ "add": null }),
        json!({ "add": { "rule": "inet t c accept" } }),
        json!({ "list": { "ruleset": null } }),
        json!({ "metainfo": { "json_schema_version": 2 } }),
        json!({ "include": "/etc/shadow" }),
        json!({ "add": { "chain": with(hook) } }),
        json!({ "add": { "chain": with(json!({ "type": "filter", "hook": "none", "prio": 0 })) } }),
        json!({ "add": { "set": with(json!({ "type": "no_type" })) } }),
        json!({ "add": { "set": with(json!({ "type": [] })) } }),
        json!({ "add": { "set": with(json!({ "type": "ipv4_addr", "elem": ["10.0.0.300"] })) } }),
        json!({ "add": { "set": with(json!({ "type": "ipv4_addr", "elem": [["10.0.0.1", 5]] })) } }),
        json!({ "add": { "map": with(json!({ "type": "ipv4_addr" })) } }),
        json!({ "add": { "element": with(json!({ "elem": [] })) } }),
        json!({ "add": { "element": with(json!({ "elem": [1] })) } }),
        json!({ "delete": { "rule": { "family": "inet", "table": "t", "chain": "c" } } }),
        json!({ "delete": { "table": { "family": "inet" } } }),
        json!({ "flush": { "chain": { "family": "inet", "table": "t" } } }),
        json!({ "add": { "table": { "family": "inet", "name": "n".repeat(300) } } }),
        json!({ "add": { "table": { "family": "inet", "name": "t\u{0}t" } } }),
        json!({ "add": { "table": { "family": "all", "name": "t" } } }),
        json!({ "add": { "counter": with(json!({ "packets": "many" })) } }),
    ]
}

#[test]
fn what_is_no_command_is_refused_where_it_stands() {
    network(|| {
        nft("add table inet t; add chain inet t c; add rule inet t c accept").unwrap();
        let netlink = raw::Netlink::open();
        let mut world = World::new(TABLES);
        let before = comparable(&netlink);
        let good = json!({ "add": { "chain": { "family": "inet", "table": "t", "name": "good" } } });
        let wrapped = statements().into_iter().map(|statement| {
            let rule = json!({ "family": "inet", "table": "t", "chain": "c", "expr": [{ "counter": null }, statement] });
            json!({ "add": { "rule": rule } })
        });
        let alone = statements().into_iter().map(|statement| {
            let rule = json!({ "family": "inet", "table": "t", "chain": "c", "expr": [statement] });
            json!({ "insert": { "rule": rule } })
        });
        let all: Vec<Value> = wrapped.chain(alone).chain(others()).collect();
        for command in &all {
            match world.apply(&json!([good, command])) {
                Err(RequestError::BadRequest(path, _)) => {
                    let named = path.contains(&portcullis::error::Step::Index(2));
                    assert!(named, "{command}: {path:?}");
                }
                Err(RequestError::Nft(2, _, text)) => assert!(!text.is_empty()),
                other => panic!("{command}: {other:?}"),
            }
            assert_eq!(comparable(&netlink), before, "{command}");
        }
        println!("{} refused", all.len());
        world.apply(&json!([good])).unwrap();
        assert_ne!(comparable(&netlink), before);
    });
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    network(|| {
        let mut world = World::new(TABLES);
        let text = r#"[{"add": {"table": {"family": "inet", "name": "t", "name": "t"}}}]"#;
        let (path, why) = crate::world::bad(world.apply_text(text).unwrap_err());
        assert_eq!((path.as_str(), why), ("1.add.table.name", portcullis::error::Why::Duplicate));
    });
}
