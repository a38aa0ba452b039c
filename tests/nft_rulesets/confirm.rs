//! A change that is not confirmed leaves nothing behind: byte for byte, whichever way it is taken back.

use std::time::{Duration, Instant};

use portcullis::error::RequestError;
use portcullis::nft::marker;
use serde_json::{Value, json};

use crate::held::{RICH, TABLES, comparable};
use crate::nft_support::{network, nft, nft_text, raw};
use crate::world::{World, link};

const HOUR: Duration = Duration::from_secs(3600);

/// A change that leaves nothing of the ruleset as it was.
fn changes() -> Value {
    let at = |name: &str| json!({ "family": "inet", "table": "rich", "name": name });
    let elements =
        |name: &str, elem: Value| json!({ "family": "inet", "table": "rich", "name": name, "elem": elem });
    json!([
        { "delete": { "element": elements("ports", json!([{ "range": [80, 90] }])) } },
        { "add": { "element": elements("ports", json!([{ "range": [85, 99] }])) } },
        { "delete": { "element": elements("temp", json!(["10.0.0.1"])) } },
        { "add": { "element": elements("temp", json!([{ "elem": { "val": "10.7.0.1", "timeout": 5 } }])) } },
        { "flush": { "set": at("nets") } },
        { "flush": { "map": at("marks") } },
        { "flush": { "chain": at("nat") } },
        { "flush": { "chain": at("in") } },
        { "add": { "set": { "family": "inet", "table": "rich", "name": "new", "type": "mark", "elem": [1, 2] } } },
        { "add": { "rule": { "family": "inet", "table": "rich", "chain": "sub", "expr": [
            { "match": { "op": "==", "left": { "meta": { "key": "mark" } }, "right": { "set": [5, 6] } } },
            { "drop": null } ] } } },
        { "delete": { "map": at("objects") } },
        { "delete": { "counter": at("c1") } },
        { "delete": { "quota": at("q1") } },
        { "delete": { "set": at("pairs") } },
        { "add": { "counter": { "family": "inet", "table": "rich", "name": "c1", "packets": 99, "bytes": 9999 } } },
        { "delete": { "table": { "family": "ip6", "name": "rich" } } },
        { "add": { "table": { "family": "ip", "name": "fresh" } } },
        { "add": { "chain": { "family": "ip", "table": "fresh", "name": "c", "type": "filter", "hook": "output",
            "prio": 0, "policy": "accept" } } },
    ])
}

fn set_up() -> (World, raw::Netlink) {
    nft(RICH).unwrap();
    let all: Vec<(&str, &str)> = TABLES.iter().copied().chain([("ip", "fresh"), ("ip", "other")]).collect();
    (World::new(&all), raw::Netlink::open())
}

fn markers() -> usize {
    nft_text("tables").unwrap().lines().filter(|line| line.contains("portcullis-unconfirmed-")).count()
}

/// Applies, takes back by `back`, and compares.
fn leaves_nothing(back: impl FnOnce(&mut World, u64) + Send) {
    network(|| {
        let (mut world, netlink) = set_up();
        let before = comparable(&netlink);
        let text = nft_text("ruleset").unwrap();
        assert!(before.len() > 80, "{}", before.len());
        assert_eq!(markers(), 0);
        let reference = world.apply_for(&changes(), HOUR).unwrap();
        assert_eq!(markers(), 1, "it is there while the change waits");
        assert!(marker::orphans(&mut link()).unwrap().is_empty(), "its maker lives");
        assert_ne!(comparable(&netlink), before);
        back(&mut world, reference);
        assert_eq!(markers(), 0, "and gone with it");
        let after = comparable(&netlink);
        for (old, new) in before.iter().zip(&after) {
            assert_eq!(old, new);
        }
        assert_eq!(before.len(), after.len());
        let lines = |text: &str| text.lines().filter(|line| !line.contains("expires")).count();
        assert_eq!(lines(&text), lines(&nft_text("ruleset").unwrap()));
        assert_eq!(world.firewall.next_due(), None);
        assert_eq!(world.firewall.roll_back(reference), Err(RequestError::Stale), "it is decided");
        assert_eq!(world.firewall.confirm(reference), Err(RequestError::Stale));
        assert_eq!(comparable(&netlink), before);
    });
}

#[test]
fn rolled_back_when_asked() {
    leaves_nothing(|world, reference| world.firewall.roll_back(reference).unwrap());
}

#[test]
fn taken_back_when_it_is_due() {
    leaves_nothing(|world, reference| {
        let due = world.firewall.next_due().unwrap();
        assert!(due > Instant::now() + HOUR / 2 && due <= Instant::now() + HOUR);
        assert!(world.firewall.take_back_due(due.checked_sub(Duration::from_millis(1)).unwrap()).is_empty());
        assert_eq!(markers(), 1);
        let taken = world.firewall.take_back_due(due);
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].reference, &taken[0].result), (reference, &Ok(())));
        assert_eq!(taken[0].tables.len(), 3);
    });
}

#[test]
fn taken_back_when_nobody_is_left() {
    leaves_nothing(|world, reference| {
        // Another change of another table waits too; both go.
        let other = json!([{ "add": { "table": { "family": "ip", "name": "other" } } }]);
        let second = world.apply_for(&other, HOUR).unwrap();
        let taken = world.firewall.take_back_all();
        let references: Vec<u64> = taken.iter().map(|taken| taken.reference).collect();
        assert_eq!(references, [second, reference], "the last one first");
        assert!(taken.iter().all(|taken| taken.result == Ok(())));
    });
}

#[test]
fn what_others_did_to_the_tables_meanwhile_goes_too() {
    leaves_nothing(|world, reference| {
        nft("add table ip6 rich; add chain ip6 rich c; add element inet rich ports { 5000-6000 }").unwrap();
        nft("add rule inet rich sub counter; delete set inet rich new").unwrap();
        world.firewall.roll_back(reference).unwrap();
    });
}

#[test]
fn a_change_that_is_confirmed_stays() {
    network(|| {
        let (mut world, netlink) = set_up();
        let reference = world.apply_for(&changes(), HOUR).unwrap();
        let changed: Vec<_> = comparable(&netlink);
        world.firewall.confirm(reference).unwrap();
        assert_eq!(markers(), 0);
        assert_eq!(world.firewall.roll_back(reference), Err(RequestError::Stale));
        assert!(world.firewall.take_back_all().is_empty());
        let without = |all: Vec<(u8, u8, Vec<u8>)>| -> Vec<(u8, u8, Vec<u8>)> {
            let marker = b"portcullis-unconfirmed";
            all.into_iter().filter(|(_, _, body)| !body.windows(marker.len()).any(|w| w == marker)).collect()
        };
        assert_eq!(comparable(&netlink), without(changed));
    });
}

#[test]
fn another_change_of_the_same_table_has_to_wait() {
    network(|| {
        let (mut world, netlink) = set_up();
        let reference = world.apply_for(&changes(), HOUR).unwrap();
        let second = json!([{ "flush": { "chain": { "family": "inet", "table": "rich", "name": "sub" } } }]);
        let held = comparable(&netlink);
        for refused in [world.apply(&second).map(|_| 0), world.apply_for(&second, HOUR)] {
            let Err(RequestError::Nft(0, libc::EBUSY, text)) = refused else { panic!("{refused:?}") };
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(&format!("nft_confirm({reference})")), "{text}");
            assert!(text.contains(&format!("nft_rollback({reference})")), "{text}");
        }
        assert_eq!(comparable(&netlink), held);
        let other = json!([{ "add": { "table": { "family": "ip", "name": "other" } } }]);
        world.apply(&other).unwrap();
        world.firewall.confirm(reference).unwrap();
        world.apply(&second).unwrap();
        assert_ne!(comparable(&netlink), held);
    });
}

#[test]
fn a_change_that_is_refused_leaves_no_marker() {
    network(|| {
        let (mut world, netlink) = set_up();
        let before = comparable(&netlink);
        let mut all = changes();
        all.as_array_mut()
            .unwrap()
            .push(json!({ "delete": { "set": { "family": "inet", "table": "rich", "name": "none" } } }));
        let refused = world.apply_for(&all, HOUR).unwrap_err();
        assert!(matches!(refused, RequestError::Nft(19, libc::ENOENT, _)), "{refused:?}");
        assert_eq!(markers(), 0);
        assert_eq!(comparable(&netlink), before);
        assert_eq!(world.firewall.next_due(), None);
        world.apply(&changes()).unwrap();
    });
}

#[test]
fn a_marker_without_its_maker_is_told_of_once() {
    network(|| {
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let name = format!("portcullis-unconfirmed-{}-77-3", gone.id());
        nft(&format!("add table inet {name} {{ comment \"inet rich, ip fresh\"; }}")).unwrap();
        nft("add table inet rich; add table ip portcullis-unconfirmed-x").unwrap();
        let mut link = link();
        let found = marker::orphans(&mut link).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].name, name.as_bytes());
        assert_eq!(found[0].tables, b"inet rich, ip fresh");
        assert_eq!(marker::orphans(&mut link).unwrap(), []);
        assert_eq!(nft_text("tables").unwrap().lines().count(), 2, "others' tables stay");
    });
}

/// Whenever others change the table, before, between or behind what a change and its end are made of: what they did stays.
#[test]
fn taking_back_a_part_of_a_table_never_undoes_what_others_do_to_it_meanwhile() {
    network(|| {
        nft("table inet part {\nset s { type ipv4_addr; }\nchain c { }\n}\n").unwrap();
        let mut world =
            World::partly(r#"{ family = "inet", table = "part", ops = ["add_element"], sets = ["s"] }"#);
        let element = json!([{ "add": { "element": { "family": "inet", "table": "part", "name": "s",
            "elem": ["10.0.0.1"] } } }]);
        let (mut taken_back, mut refused) = (0, 0);
        // Thirty rounds show both, and a machine on which they do not goes on.
        for round in 0..300_u64 {
            if round >= 30 && taken_back > 0 && refused > 0 {
                break;
            }
            let others = std::thread::spawn(move || {
                let mut administrator = World::new(&[("inet", "part")]);
                for n in 0..10 {
                    let rule = json!([{ "add": { "rule": { "family": "inet", "table": "part", "chain": "c",
                        "expr": [{ "counter": null }], "comment": format!("r{round}n{n}") } } }]);
                    loop {
                        match administrator.apply(&rule) {
                            Ok(_) => break,
                            Err(RequestError::Busy) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                    // A change and its end take the kernel some 50 ms: each time at another moment of it.
                    std::thread::sleep(Duration::from_micros((round * 977 + n * 4_999) % 30_000));
                }
            });
            while !others.is_finished() {
                let reference = match world.apply_for(&element, HOUR) {
                    Ok(reference) => reference,
                    Err(RequestError::Busy | RequestError::Stale) => continue,
                    Err(other) => panic!("{other:?}"),
                };
                match world.firewall.roll_back(reference) {
                    Ok(()) => taken_back += 1,
                    Err(RequestError::Nft(0, libc::EBUSY, _)) => {
                        refused += 1;
                        world.firewall.confirm(reference).unwrap();
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            others.join().unwrap();
            let text = nft_text("ruleset").unwrap();
            for n in 0..10 {
                assert!(text.contains(&format!("comment \"r{round}n{n}\"")), "round {round}, {n}: {text}");
            }
        }
        eprintln!("{taken_back} taken back, {refused} left because others came between");
        assert!(taken_back > 0 && refused > 0);
    });
}
