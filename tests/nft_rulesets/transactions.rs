//! All of a change or nothing of it; what is wrong is named; nobody's change is lost.

use std::collections::BTreeSet;

use portcullis::error::RequestError;
use portcullis::nft::args::How;
use serde_json::{Value, json};

use crate::held::rules;
use crate::nft_support::{network, nft, nft_list, raw};
use crate::world::{World, bad, commands};

const TABLES: &[(&str, &str)] = &[("inet", "t")];

fn rule(expressions: Value) -> Value {
    json!({ "add": { "rule": { "family": "inet", "table": "t", "chain": "c", "expr": expressions } } })
}

fn port(n: u32) -> Value {
    let dport = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
    rule(json!([{ "match": { "op": "==", "left": dport, "right": n } }, { "accept": null }]))
}

fn set_up() -> (World, raw::Netlink) {
    nft("add table inet t; add chain inet t c").unwrap();
    (World::new(TABLES), raw::Netlink::open())
}

fn many() -> Vec<Value> {
    (1..=2000).map(port).collect()
}

#[test]
fn two_thousand_rules_are_all_there() {
    network(|| {
        let (mut world, netlink) = set_up();
        let applied = world.apply(&Value::Array(many())).unwrap();
        assert_eq!(rules(&netlink, "inet", "t"), 2000);
        let listed = world.ruleset();
        let ports: Vec<u64> =
            listed.iter().filter_map(|object| object["rule"]["expr"][0]["match"]["right"].as_u64()).collect();
        assert_eq!(ports, (1..=2000).collect::<Vec<_>>(), "in their order");
        let handles: Vec<u64> =
            listed.iter().filter_map(|object| object["rule"]["handle"].as_u64()).collect();
        assert_eq!(applied.handles.into_iter().flatten().collect::<Vec<_>>(), handles);
    });
}

/// Not every rule is asked for its number: those between two others follow from theirs. Sets that belong to rules take numbers
/// too, and so does all else that a change makes.
#[test]
fn every_command_is_told_its_own_number() {
    network(|| {
        nft("add table inet t; add chain inet t c; add table inet u; add chain inet u c").unwrap();
        let mut world = World::new(&[("inet", "t"), ("inet", "u")]);
        let dport = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
        let one = |n: u32| {
            let table = if n / 30 % 2 == 0 { "t" } else { "u" };
            let right = if n % 3 == 0 { json!({ "set": [n + 1, n + 1000] }) } else { json!(n + 1) };
            let expr =
                json!([{ "match": { "op": "==", "left": dport, "right": right } }, { "accept": null }]);
            let comment = format!("rule {n}");
            let rule = json!({ "rule": { "family": "inet", "table": table, "chain": "c", "comment": comment, "expr": expr } });
            match n % 17 {
                5 => json!({ "insert": rule }),
                11 => {
                    json!({ "add": { "chain": { "family": "inet", "table": table, "name": format!("c{n}") } } })
                }
                13 => {
                    let set = json!({ "family": "inet", "table": table, "name": format!("s{n}"), "type": "ipv4_addr" });
                    json!({ "add": { "set": set } })
                }
                _ => json!({ "add": rule }),
            }
        };
        let all: Vec<Value> = (0..200).map(one).collect();
        let told = world.apply(&Value::Array(all)).unwrap().handles;
        assert_eq!(told.len(), 200);
        let mut found = 0;
        for object in world.ruleset() {
            let kind = object.as_object().unwrap().keys().next().unwrap().clone();
            let object = &object[&kind];
            let name = object["comment"].as_str().or(object["name"].as_str()).unwrap_or_default();
            let Ok(n) = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<usize>() else {
                continue;
            };
            assert_eq!(told[n], object["handle"].as_u64(), "{kind} {name}");
            found += 1;
        }
        assert_eq!(found, 200);
    });
}

#[test]
fn an_error_in_the_middle_leaves_nothing() {
    network(|| {
        let (mut world, netlink) = set_up();
        let mut all = many();
        all[999] = rule(json!([{ "jump": { "target": "nowhere" } }]));
        let Err(RequestError::Nft(command, errno, text)) = world.apply(&Value::Array(all.clone())) else {
            panic!("it is refused")
        };
        let text = String::from_utf8(text).unwrap();
        assert_eq!((command, errno), (1000, libc::ENOENT), "{text}");
        assert!(text.starts_with("add rule inet t c, expression 1: "), "{text}");
        assert_eq!(rules(&netlink, "inet", "t"), 0);
        // What is wrong before the kernel is asked: the same.
        all[999] = port(65_536);
        let (path, _) = bad(world.apply(&Value::Array(all.clone())).unwrap_err());
        assert!(path.starts_with("1000.add.rule.expr.1.match.right"), "{path}");
        let document = json!({ "nftables": [{ "insert": { "rule": { "family": "inet", "table": "t", "chain": "c",
            "expr": [{ "match": { "op": "==", "left": { "payload": { "protocol": "tcp", "field": "dport" } },
                "right": 65_536 } }] } } }] });
        let (path, _) = bad(world.apply(&document).unwrap_err());
        assert!(path.starts_with("nftables.1.insert.rule.expr.1.match.right"), "{path}");
        assert_eq!(rules(&netlink, "inet", "t"), 0);
        // The same with a check only, and without what is wrong: nothing is left of it either.
        all.remove(999);
        let check = How { check: true, ..How::default() };
        world.apply_with(&Value::Array(all.clone()), check).unwrap();
        assert_eq!(rules(&netlink, "inet", "t"), 0);
        world.apply(&Value::Array(all)).unwrap();
        assert_eq!(rules(&netlink, "inet", "t"), 1999);
    });
}

#[test]
fn the_slower_of_two_is_told() {
    network(|| {
        let (mut first, netlink) = set_up();
        let mut second = World::new(TABLES);
        let seen = first.apply(&json!([port(1)])).unwrap().generation;
        let how = How { generation: Some(seen), ..How::default() };
        assert_eq!(second.apply_with(&json!([port(2)]), how).unwrap().generation, seen + 1);
        let slower =
            json!([{ "flush": { "chain": { "family": "inet", "table": "t", "name": "c" } } }, port(3)]);
        assert_eq!(first.apply_with(&slower, how), Err(RequestError::Stale));
        assert_eq!(rules(&netlink, "inet", "t"), 2, "nothing is overwritten");
        assert_eq!(first.apply_with(&slower, How { check: true, ..how }), Err(RequestError::Stale));
        // Without the condition the last one wins.
        first.apply(&slower).unwrap();
        assert_eq!(rules(&netlink, "inet", "t"), 1);
    });
}

/// Reads, thinks, writes, until nobody came between.
fn writer(rounds: u32) -> u32 {
    let mut world = World::new(TABLES);
    let mut stale = 0;
    for _ in 0..rounds {
        loop {
            // A change of nothing: what it would have made is the generation that there is.
            let check = How { check: true, ..How::default() };
            let generation = world.apply_with(&json!([port(1)]), check).unwrap().generation;
            let count = world.list(&json!({ "chain": { "family": "inet", "table": "t", "name": "c" } }));
            // It changed while it was read.
            let Ok(listed) = count else { continue };
            let next = u32::try_from(listed.len()).unwrap();
            let how = How { generation: Some(generation), ..How::default() };
            match world.apply_with(&json!([port(next)]), how) {
                Ok(_) => break,
                Err(RequestError::Stale | RequestError::Busy) => stale += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    stale
}

#[test]
fn no_change_is_lost_between_two_who_write() {
    network(|| {
        let (mut world, _) = set_up();
        let stale: u32 = std::thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| writer(50)));
            both.into_iter().map(|one| one.join().unwrap()).sum()
        });
        println!("two writers, 50 changes each: {stale} came too late and were made again");
        let ports: BTreeSet<u64> = world
            .ruleset()
            .iter()
            .filter_map(|object| object["rule"]["expr"][0]["match"]["right"].as_u64())
            .collect();
        // The chain itself is the first row: each counted one more than the one before.
        assert_eq!(ports, (1..=100).collect(), "each saw what the others had done");
    });
}

#[test]
fn in_use_is_not_busy() {
    network(|| {
        let (mut world, netlink) = set_up();
        world
            .apply(&json!([
                { "add": { "chain": { "family": "inet", "table": "t", "name": "used" } } },
                rule(json!([{ "jump": { "target": "used" } }])),
            ]))
            .unwrap();
        let delete = json!({ "delete": { "chain": { "family": "inet", "table": "t", "name": "used" } } });
        let refused = world.apply(&json!([port(1), delete])).unwrap_err();
        let RequestError::Nft(2, libc::EBUSY, text) = refused else { panic!("{refused:?}") };
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("delete chain inet t used"), "{text}");
        assert_eq!(rules(&netlink, "inet", "t"), 1);
    });
}

#[test]
fn what_the_policy_does_not_grant_is_not_done() {
    network(|| {
        let (mut world, netlink) = set_up();
        nft("add table ip t").unwrap();
        let before = nft_list("ruleset").unwrap();
        let other = json!({ "add": { "chain": { "family": "ip", "table": "t", "name": "c" } } });
        let denied = world.apply(&json!([port(1), other])).unwrap_err();
        assert!(matches!(denied, RequestError::DeniedByPolicy(_)), "{denied:?}");
        assert_eq!(rules(&netlink, "inet", "t"), 0);
        assert_eq!(nft_list("ruleset").unwrap(), before);
        // What is listed can be made again, but by whom it is granted.
        let all = commands(&world.ruleset());
        assert!(matches!(world.apply(&all), Err(RequestError::DeniedByPolicy(_))));
    });
}
