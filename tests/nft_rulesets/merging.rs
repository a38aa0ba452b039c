//! Sets that merge by themselves: what is added and deleted, against the numbers that must then be in them, and against nft.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use portcullis::error::RequestError;
use serde_json::{Value, json};

use crate::nft_support::{network, nft, nft_list, raw};
use crate::world::World;

/// Numbers that are tried.
const MOST: u64 = 63;

type Span = (u64, u64);

fn command(verb: &str, spans: &[Span]) -> Value {
    let one = |(low, high): &Span| if low == high { json!(low) } else { json!({ "range": [low, high] }) };
    let elements: Vec<Value> = spans.iter().map(one).collect();
    json!([{ verb: { "element": { "family": "inet", "table": "t", "name": "ours", "elem": elements } } }])
}

fn script(verb: &str, spans: &[Span]) -> String {
    let one = |(low, high): &Span| if low == high { low.to_string() } else { format!("{low}-{high}") };
    let elements: Vec<String> = spans.iter().map(one).collect();
    format!("{verb} element inet t theirs {{ {} }}", elements.join(", "))
}

/// The spans of a set, as nft lists them, those that touch as one: what nft joins when it adds is left apart here if the kernel
/// takes it, since joining means reading the set.
fn spans(set: &str) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for (low, high) in elements(set) {
        match all.last_mut() {
            Some((_, end)) if *end + 1 == low => *end = high,
            _ => all.push((low, high)),
        }
    }
    all
}

fn elements(set: &str) -> Vec<Span> {
    let listed = nft_list(&format!("set inet t {set}")).unwrap();
    let objects = listed["nftables"].as_array().unwrap();
    let set = objects.iter().find_map(|object| object.get("set")).unwrap();
    let one = |element: &Value| match element["range"].as_array() {
        Some(range) => (range[0].as_u64().unwrap(), range[1].as_u64().unwrap()),
        None => (element.as_u64().unwrap(), element.as_u64().unwrap()),
    };
    let mut all: Vec<Span> =
        set["elem"].as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default();
    all.sort_unstable();
    all
}

/// The keys of the set and their flags, as the kernel has them.
fn raw_elements() -> Vec<(u64, bool)> {
    let held = raw::Netlink::open().elements(raw::family("inet"), "t", "ours");
    let one = |element: &Vec<u8>| {
        let key = raw::attribute(raw::attribute(element, 1).unwrap(), 1).unwrap();
        (u64::from(u16::from_be_bytes([key[0], key[1]])), raw::attribute(element, 3).is_some())
    };
    held.iter().map(one).collect()
}

/// The fewest spans of these numbers.
fn fewest(numbers: &BTreeSet<u64>) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for n in numbers {
        match all.last_mut() {
            Some((_, high)) if *high + 1 == *n => *high = *n,
            _ => all.push((*n, *n)),
        }
    }
    all
}

fn set_up() -> World {
    nft("add table inet t; add set inet t ours { type inet_service; flags interval; auto-merge; }").unwrap();
    nft("add set inet t theirs { type inet_service; flags interval; auto-merge; }").unwrap();
    World::new(&[("inet", "t")])
}

#[test]
fn as_nft_joins_and_cuts() {
    network(|| {
        let mut world = set_up();
        let steps: &[(&str, &[Span], &[Span])] = &[
            ("add", &[(10, 20)], &[(10, 20)]),
            ("add", &[(15, 30)], &[(10, 30)]),          // overlapping
            ("add", &[(31, 40)], &[(10, 40)]),          // adjacent behind
            ("add", &[(5, 9)], &[(5, 40)]),             // adjacent before
            ("add", &[(12, 13)], &[(5, 40)]),           // inside
            ("add", &[(5, 40)], &[(5, 40)]),            // the same
            ("add", &[(50, 60)], &[(5, 40), (50, 60)]), // apart
            ("delete", &[(20, 25)], &[(5, 19), (26, 40), (50, 60)]),
            ("delete", &[(5, 6)], &[(7, 19), (26, 40), (50, 60)]),
            ("delete", &[(60, 60)], &[(7, 19), (26, 40), (50, 59)]),
            ("delete", &[(26, 40)], &[(7, 19), (50, 59)]),
            ("add", &[(0, 63)], &[(0, 63)]), // around
            ("add", &[(65_000, 65_535), (64, 70)], &[(0, 70), (65_000, 65_535)]),
            ("delete", &[(65_535, 65_535)], &[(0, 70), (65_000, 65_534)]),
            ("delete", &[(0, 0), (70, 70), (35, 35)], &[(1, 34), (36, 69), (65_000, 65_534)]),
            // The edges of two as one.
            ("add", &[(1, 69)], &[(1, 69), (65_000, 65_534)]),
            ("add", &[(70, 79)], &[(1, 79), (65_000, 65_534)]),
            ("delete", &[(1, 79)], &[(65_000, 65_534)]),
            ("add", &[(5, 9), (20, 40)], &[(5, 9), (20, 40), (65_000, 65_534)]),
            ("add", &[(5, 40)], &[(5, 40), (65_000, 65_534)]),
            ("delete", &[(5, 40)], &[(65_000, 65_534)]),
            // One edge is there already.
            ("add", &[(20, 21)], &[(20, 21), (65_000, 65_534)]),
            ("add", &[(18, 21)], &[(18, 21), (65_000, 65_534)]),
            ("add", &[(18, 30)], &[(18, 30), (65_000, 65_534)]),
            ("delete", &[(20, 30)], &[(18, 19), (65_000, 65_534)]),
        ];
        for (verb, change, expected) in steps {
            world.apply(&command(verb, change)).unwrap_or_else(|e| panic!("{verb} {change:?}: {e:?}"));
            assert_eq!(spans("ours"), *expected, "{verb} {change:?}");
            let raw = raw_elements();
            let ends = raw.iter().filter(|(_, end)| *end).count();
            // Nothing lies behind the last number, so that what holds it has no end.
            let open = usize::from(expected.last().is_some_and(|(_, high)| *high == 65_535));
            assert_eq!(2 * ends + open, raw.len(), "beginnings and ends: {verb} {change:?}: {raw:?}");
            match nft(&script(verb, change)) {
                Ok(_) => assert_eq!(spans("theirs"), *expected, "nft: {verb} {change:?}"),
                // 1.0.6 deletes whole intervals only.
                Err(why) => {
                    assert_eq!(*verb, "delete", "{why}");
                    nft(&format!("flush set inet t theirs; {}", script("add", expected))).unwrap();
                }
            }
        }
        let before = spans("ours");
        for absent in [&[(500, 510)][..], &[(19, 22)], &[(18, 19), (500, 500)], &[(17, 17)]] {
            let refused = world.apply(&command("delete", absent)).unwrap_err();
            assert!(matches!(refused, RequestError::Nft(1, libc::ENOENT, _)), "{absent:?}: {refused:?}");
            assert!(nft(&script("delete", absent)).is_err());
            assert_eq!(spans("ours"), before);
        }
    });
}

#[test]
fn commands_of_a_change_build_on_one_another() {
    network(|| {
        let mut world = set_up();
        let all = |steps: &[(&str, &[Span])]| -> Value {
            steps.iter().map(|(verb, change)| command(verb, change)[0].clone()).collect()
        };
        world.apply(&all(&[("add", &[(10, 20)]), ("add", &[(15, 30)]), ("delete", &[(12, 13)])])).unwrap();
        assert_eq!(spans("ours"), [(10, 11), (14, 30)]);
        world.apply(&all(&[("delete", &[(14, 30)]), ("add", &[(11, 40)]), ("delete", &[(10, 40)])])).unwrap();
        assert_eq!(spans("ours"), []);
        // Emptied in between: what was there before is not what is joined with.
        world.apply(&command("add", &[(10, 20)])).unwrap();
        let flush = json!({ "flush": { "set": { "family": "inet", "table": "t", "name": "ours" } } });
        let mut change = all(&[("add", &[(15, 30)]), ("add", &[(5, 8)]), ("add", &[(8, 9)])]);
        change.as_array_mut().unwrap().insert(1, flush);
        world.apply(&change).unwrap();
        assert_eq!(spans("ours"), [(5, 9)]);
        // The table anew.
        let set = json!({ "family": "inet", "table": "t", "name": "ours", "type": "inet_service",
            "flags": ["interval"], "auto-merge": true, "elem": [7] });
        let table = json!({ "table": { "family": "inet", "name": "t" } });
        let mut anew = json!([{ "delete": table }, { "add": table }, { "add": { "set": set } }]);
        anew.as_array_mut().unwrap().extend(all(&[("add", &[(6, 8)])]).as_array().unwrap().clone());
        world.apply(&anew).unwrap();
        assert_eq!(spans("ours"), [(6, 8)]);
    });
}

#[test]
fn as_the_numbers_say() {
    network(|| {
        let mut world = set_up();
        let mut numbers = BTreeSet::new();
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut both, mut only_ours, mut first) = (0, 0, String::new());
        for _ in 0..300 {
            let mut change: Vec<Span> = Vec::new();
            let delete = random(2) == 0 && !numbers.is_empty();
            for _ in 0..=random(3) {
                let low = random(MOST);
                let high = (low + random(12)).min(MOST);
                let fits = !delete || (low..=high).all(|n| numbers.contains(&n));
                // nft's words for a change hold no number twice.
                let apart = change.iter().all(|(a, b)| high + 1 < *a || *b + 1 < low);
                if fits && apart {
                    change.push((low, high));
                }
            }
            if change.is_empty() {
                continue;
            }
            let verb = if delete { "delete" } else { "add" };
            for n in change.iter().flat_map(|(low, high)| *low..=*high) {
                if delete {
                    numbers.remove(&n)
                } else {
                    numbers.insert(n)
                };
            }
            let expected = fewest(&numbers);
            let before = spans("ours");
            let was = raw_elements();
            world
                .apply(&command(verb, &change))
                .unwrap_or_else(|e| panic!("{verb} {change:?} of {before:?} {:?}: {e:?}", raw_elements()));
            // Each beginning has its end: the edges of two never become those of one.
            let is = raw_elements();
            let ends = is.iter().filter(|(_, end)| *end).count();
            assert_eq!(2 * ends, is.len(), "{verb} {change:?} of {was:?}: {is:?}");
            assert_eq!(spans("ours"), expected, "{verb} {change:?} of {before:?}");
            let said = nft(&script(verb, &change));
            if said.is_ok() && spans("theirs") == expected {
                both += 1;
            } else {
                assert!(delete, "add {change:?} of {before:?}: nft says {said:?}, {:?}", spans("theirs"));
                only_ours += 1;
                if first.is_empty() {
                    first = format!("{verb} {change:?} of {before:?}: {said:?}");
                }
                let all: Vec<String> = expected.iter().map(|(low, high)| format!("{low}-{high}")).collect();
                let again = format!("add element inet t theirs {{ {} }}", all.join(", "));
                nft(&format!("flush set inet t theirs; {}", if all.is_empty() { "" } else { &again }))
                    .unwrap();
            }
        }
        println!(
            "{both} changes as nft makes them, {only_ours} where nft does something else; the first: {first}"
        );
        assert!(both > 100, "{both} and {only_ours}");
    });
}

/// Processor time of this thread outside of the kernel, which is what the kernel's own work and other programs do not change.
fn own_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    Duration::from_micros(u64::try_from(usage.user_time().num_microseconds()).unwrap())
}

#[test]
fn many_that_meet_many_take_no_square_of_time() {
    network(|| {
        nft("add table inet t; add set inet t ours { type ipv4_addr; flags interval; auto-merge; }").unwrap();
        let mut world = World::new(&[("inet", "t")]);
        let ip = |n: u32| std::net::Ipv4Addr::from(n).to_string();
        let change = |verb: &str, from: u32, to: u32| {
            let each: Vec<Value> =
                (0..60_000_u32).map(|n| json!({ "range": [ip(16 * n + from), ip(16 * n + to)] })).collect();
            json!([{ verb: { "element": { "family": "inet", "table": "t", "name": "ours", "elem": each } } }])
        };
        let mut timed = |change: Value| {
            let since = own_time();
            world.apply(&change).unwrap();
            own_time() - since
        };
        let alone = timed(change("add", 4, 7));
        let joined = timed(change("add", 6, 9));
        let cut = timed(change("delete", 5, 8));
        eprintln!("60,000 intervals: alone {alone:?}, joined with as many {joined:?}, cut {cut:?}");
        // One by one against each other they would take a thousand times as long.
        assert!(joined.max(cut) < alone * 20, "{alone:?} {joined:?} {cut:?}");
        assert_eq!(raw::Netlink::open().elements(raw::family("inet"), "t", "ours").len(), 240_000);
    });
}
