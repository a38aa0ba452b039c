//! The firewall: commands that the policy does not grant, in every form that a command has, as terms and as text; and what
//! became of changes that nobody confirms. Whatever is tried, the ruleset that nft prints afterwards decides.

use std::time::{Duration, Instant};

use portcullis::measure::Measure;
use serde_json::json;

use crate::Attempt;
use crate::network::{
    CONFIRMED, NO_READING, NOTHING, PART, RULESET, apply, beside, done, nft, printed, serving, term, tried,
};
use crate::support::{self, Term, atom, binary, int, map};
use crate::world::{Stopped, Through, World, ask, got};

pub fn attempts() -> Vec<Attempt> {
    let mut all = commands();
    all.extend(names());
    all.extend(readings());
    all.extend(bans());
    all.extend(unconfirmed());
    all
}

/// Each as terms and as text.
fn both(name: &str, measures: &[Measure], policy: &'static str, commands: &str) -> [Attempt; 2] {
    [false, true].map(|as_text| {
        let form = if as_text { "text" } else { "terms" };
        let commands = commands.to_owned();
        Attempt::user(format!("{name}, as {form}"), measures, move |w| {
            tried(w, policy, &commands, as_text, &[])
        })
    })
}

/// Whatever the policy does not name.
fn commands() -> Vec<Attempt> {
    const RULE: &str = r#""expr": [{ "accept": null }]"#;
    let judged: &[Measure] = &[Measure::Authorize];
    let part = r#""family": "inet", "table": "part""#;
    let dynset = |op: &str| {
        format!(
            r#"[{{ "add": {{ "rule": {{ {part}, "chain": "mine", "expr": [{{ "set": {{ "op": "{op}",
                "elem": {{ "payload": {{ "protocol": "ip", "field": "saddr" }} }}, "set": "@other" }} }}] }} }} }}]"#
        )
    };
    let mut all = Vec::new();
    let mut judge = |name: &str, commands: String| all.extend(both(name, judged, PART, &commands));
    let whole = r#""family": "inet", "table": "whole""#;
    let of_ip = r#""family": "ip", "table": "part""#;
    for (name, place) in [("another table", whole), ("the same name in another family", of_ip)] {
        judge(
            &format!("a rule in {name}"),
            format!(r#"[{{ "add": {{ "rule": {{ {place}, "chain": "mine", {RULE} }} }} }}]"#),
        );
        judge(
            &format!("an element in {name}"),
            format!(r#"[{{ "add": {{ "element": {{ {place}, "name": "own", "elem": ["10.1.1.1"] }} }} }}]"#),
        );
        judge(
            &format!("a chain flushed in {name}"),
            format!(r#"[{{ "flush": {{ "chain": {{ {place}, "name": "mine" }} }} }}]"#),
        );
    }
    for verb in ["add", "insert"] {
        judge(
            &format!("{verb} a rule in another chain"),
            format!(r#"[{{ "{verb}": {{ "rule": {{ {part}, "chain": "theirs", {RULE} }} }} }}]"#),
        );
    }
    judge(
        "a bare rule in another chain",
        format!(r#"[{{ "rule": {{ {part}, "chain": "theirs", {RULE} }} }}]"#),
    );
    judge("a bare table", r#"[{ "table": { "family": "inet", "name": "fresh" } }]"#.into());
    for verb in ["replace", "insert", "add"] {
        judge(
            &format!("{verb} by the handle of a rule in another chain"),
            format!(
                r#"[{{ "{verb}": {{ "rule": {{ {part}, "chain": "theirs", "handle": "$their rule", {RULE} }} }} }}]"#
            ),
        );
    }
    for verb in ["delete", "destroy"] {
        let delete = |what: &str| format!(r#"[{{ "{verb}": {{ {what} }} }}]"#);
        for (name, what) in [
            (
                "a rule of another chain",
                format!(r#""rule": {{ {part}, "chain": "theirs", "handle": "$their rule" }}"#),
            ),
            ("a granted table", r#""table": { "family": "inet", "name": "part" }"#.into()),
            ("another set", format!(r#""set": {{ {part}, "name": "other" }}"#)),
            ("a granted set, of which only elements are", format!(r#""set": {{ {part}, "name": "own" }}"#)),
            ("another set by its handle", format!(r#""set": {{ {part}, "handle": "$set other" }}"#)),
            (
                "an element of another set",
                format!(r#""element": {{ {part}, "name": "other", "elem": ["10.0.0.2"] }}"#),
            ),
            ("another counter", format!(r#""counter": {{ {part}, "name": "m" }}"#)),
            ("another counter by its handle", format!(r#""counter": {{ {part}, "handle": "$counter m" }}"#)),
        ] {
            judge(&format!("{verb} {name}"), delete(&what));
        }
    }
    for (name, what) in [
        ("a table", r#""table": { "family": "inet", "name": "part" }"#.into()),
        ("another chain", format!(r#""chain": {{ {part}, "name": "theirs" }}"#)),
        ("another set", format!(r#""set": {{ {part}, "name": "other" }}"#)),
        ("the ruleset", r#""ruleset": null"#.into()),
        ("the ruleset of a family", r#""ruleset": { "family": "ip" }"#.into()),
    ] {
        judge(&format!("flush {name}"), format!(r#"[{{ "flush": {{ {what} }} }}]"#));
    }
    judge(
        "rename another chain",
        format!(r#"[{{ "rename": {{ "chain": {{ {part}, "name": "theirs", "newname": "mine2" }} }} }}]"#),
    );
    judge(
        "rename away from a granted name",
        format!(r#"[{{ "rename": {{ "chain": {{ {part}, "name": "mine", "newname": "gone" }} }} }}]"#),
    );
    judge(
        "make another chain",
        format!(
            r#"[{{ "add": {{ "chain": {{ {part}, "name": "x", "type": "filter", "hook": "input", "prio": -400, "policy": "drop" }} }} }}]"#
        ),
    );
    judge(
        "give another base chain another policy",
        format!(
            r#"[{{ "add": {{ "chain": {{ {part}, "name": "theirs", "type": "filter", "hook": "input", "prio": 0, "policy": "accept" }} }} }}]"#
        ),
    );
    judge(
        "make another set",
        format!(r#"[{{ "add": {{ "set": {{ {part}, "name": "x", "type": "mark" }} }} }}]"#),
    );
    judge(
        "make a map of a granted set's neighbour",
        format!(r#"[{{ "add": {{ "map": {{ {part}, "name": "x", "type": "mark", "map": "verdict" }} }} }}]"#),
    );
    judge("make another counter", format!(r#"[{{ "create": {{ "counter": {{ {part}, "name": "x" }} }} }}]"#));
    judge(
        "a set with elements, where only the set may be made",
        r#"[{ "add": { "set": { "family": "inet", "table": "empty", "name": "only", "type": "ipv4_addr", "elem": ["10.0.0.1"] } } }]"#.into(),
    );
    judge("reset another counter", format!(r#"[{{ "reset": {{ "counter": {{ {part}, "name": "m" }} }} }}]"#));
    judge(
        "reset a granted counter and another",
        format!(
            r#"[{{ "reset": {{ "counter": {{ {part}, "name": "n" }} }} }}, {{ "reset": {{ "counter": {{ {part}, "name": "m" }} }} }}]"#
        ),
    );
    judge(
        "take a table's chains out of force",
        r#"[{ "add": { "table": { "family": "inet", "name": "part", "flags": ["dormant"] } } }]"#.into(),
    );
    judge(
        "something behind what is granted",
        format!(
            r#"[{{ "metainfo": {{ "version": "1" }} }}, {{ "add": {{ "element": {{ {part}, "name": "own", "elem": ["10.1.1.1"] }} }} }},
                {{ "flush": {{ "chain": {{ {part}, "name": "theirs" }} }} }}]"#
        ),
    );
    for op in ["add", "update", "delete"] {
        judge(&format!("a rule that packets {op} to another set by"), dynset(op));
    }
    // Which table that is nobody knows before, so that no line can grant it.
    for (name, table) in [("a table", "$table inet whole"), ("a granted table", "$table inet part")] {
        for verb in ["delete", "destroy"] {
            let command =
                format!(r#"[{{ "{verb}": {{ "table": {{ "family": "inet", "handle": "{table}" }} }} }}]"#);
            all.extend(both(&format!("{verb} {name} by its handle"), &[], PART, &command));
        }
    }
    // The kernel looks for a rule in the chain that was named, and that is all that protects the others.
    for verb in ["replace", "insert", "add"] {
        all.extend(both(
            &format!("{verb} by another chain's handle under the granted chain"),
            &[],
            PART,
            &format!(
                r#"[{{ "{verb}": {{ "rule": {{ {part}, "chain": "mine", "handle": "$their rule", {RULE} }} }} }}]"#
            ),
        ));
    }
    all.extend(both(
        "delete by another chain's handle under the granted chain",
        &[],
        PART,
        &format!(r#"[{{ "delete": {{ "rule": {{ {part}, "chain": "mine", "handle": "$their rule" }} }} }}]"#),
    ));
    all.extend(both(
        "rename onto a name that is there",
        &[],
        PART,
        &format!(r#"[{{ "rename": {{ "chain": {{ {part}, "name": "mine", "newname": "theirs" }} }} }}]"#),
    ));
    all.extend(both(
        "a chain's handle beside a granted name",
        &[],
        PART,
        &format!(
            r#"[{{ "create": {{ "chain": {{ {part}, "name": "mine", "handle": "$chain theirs" }} }} }}]"#
        ),
    ));
    all.extend(both(
        "bytes of an expression that has no word",
        &[],
        PART,
        &format!(
            r#"[{{ "add": {{ "rule": {{ {part}, "chain": "mine", "expr": [{{ "opaque": {{ "name": "immediate", "data": "00" }} }}] }} }} }}]"#
        ),
    ));
    all.extend(both("a whole ruleset by a file", &[], PART, r#"[{ "include": "/etc/nftables.conf" }]"#));
    all
}

/// Names that look like what is granted.
fn names() -> Vec<Attempt> {
    let mut all = Vec::new();
    for name in [
        "Part",
        "part ",
        " part",
        "part\n",
        "p\u{430}rt",
        "part/",
        "./part",
        "part\u{200b}",
        "par",
        "party",
        "*",
        "inet part",
    ] {
        let command = json!([{ "add": { "table": { "family": "inet", "name": name } } }]).to_string();
        all.extend(both(&format!("table {name:?}"), &[], PART, &command));
    }
    for name in ["Own", "own ", "own\n", "ow", "owner", "@own", "handle 5", "\u{202e}nwo"] {
        let set = json!([{ "add": { "set": { "family": "inet", "table": "empty", "name": name, "type": "mark" } } }]);
        all.extend(both(&format!("set {name:?}"), &[Measure::Authorize], PART, &set.to_string()));
    }
    let nul = json!([{ "add": { "table": { "family": "inet", "name": "part\0x" } } }]).to_string();
    all.extend(both("a table with a NUL behind its name", &[], PART, &nul));
    let element = json!([{ "add": { "element": { "family": "inet", "table": "part", "name": "other\0own", "elem": ["10.1.1.1"] } } }]);
    all.extend(both("a set with a NUL before a granted name", &[], PART, &element.to_string()));
    all
}

/// What is not to be read.
fn readings() -> Vec<Attempt> {
    let mut all = Vec::new();
    let read = |name: &'static str, policy: &'static str, op: &'static str, args: fn() -> Term| {
        Attempt::user(
            format!("{name}, {}", if policy == NOTHING { "with nothing" } else { "with writing" }),
            &[Measure::Authorize],
            move |w| {
                let mut port = serving(w, policy);
                if policy != NOTHING {
                    nft(&port, RULESET);
                }
                port.request(1, op, args());
                // A subscription says nothing when it is taken: something is asked behind it.
                port.request(2, "info", map(&[]));
                let first = support::elements(&port.receive().unwrap());
                let refused = support::name(&first[0]) == "error" && support::integer(&first[1]) == 1;
                got(!refused, format!("{:?}", first.last().map(ToString::to_string)))
            },
        )
    };
    all.extend([
        read("list everything", NO_READING, "nft_list", || map(&[])),
        read("list a granted table", NO_READING, "nft_list", || {
            let table = map(&[("family", binary(b"inet")), ("name", binary(b"part"))]);
            map(&[("what", map(&[("table", table)]))])
        }),
        read("list elements of a granted set", NO_READING, "nft_list", || {
            let element = json!({ "element": { "family": "inet", "table": "part", "name": "own", "elem": ["10.0.0.1"] } });
            map(&[("what", term(&element))])
        }),
        read("list as text", NO_READING, "nft_json", || {
            map(&[("text", binary(br#"{"nftables":[{"list":{"ruleset":null}}]}"#))])
        }),
        read("list who is banned", NO_READING, "banned", || map(&[])),
        read("be told of changes", NO_READING, "subscribe", || map(&[("topic", atom("nft"))])),
    ]);
    all.push(Attempt::user("learn from flush ruleset which tables there are", &[], |w| {
        let mut port = serving(w, NO_READING);
        nft(&port, RULESET);
        let (tag, value) = apply(&mut port, 1, &json!([{ "flush": { "ruleset": null } }]), true, &[]);
        let said = value.to_string();
        got(tag == "ok" || said.contains("whole") && w.is_strong(), said)
    }));
    all
}

fn bans() -> Vec<Attempt> {
    let of = |op: &'static str| {
        Attempt::user(format!("{op} that is not granted"), &[Measure::Authorize], move |w| {
            let mut port = serving(w, PART);
            nft(&port, RULESET);
            nft(
                &port,
                "table inet portcullis {\n set banned4 { type ipv4_addr; flags interval, timeout; elements = { 192.0.2.1 } }\n}\n",
            );
            let before = printed(&port);
            let address = support::tuple_of([192, 0, 2, if op == "ban" { 9 } else { 1 }].map(int).to_vec());
            let (tag, value) = ask(&mut port, 1, op, map(&[("address", address)]));
            got(tag == "ok" || printed(&port) != before, format!("{tag} {value}"))
        })
    };
    vec![of("ban"), of("unban")]
}

/// Changes without the confirmation that is demanded.
fn unconfirmed() -> Vec<Attempt> {
    let table = json!([{ "add": { "table": { "family": "inet", "name": "t" } } }]);
    let mut all = Vec::new();
    for as_text in [false, true] {
        let form = if as_text { "text" } else { "terms" };
        let commands = table.to_string();
        all.push(Attempt::user(
            format!("a change that nobody must confirm, as {form}"),
            &[Measure::Authorize],
            move |w| tried(w, CONFIRMED, &commands, as_text, &[]),
        ));
        for (name, key, value) in [
            ("in no time", "confirm", int(0)),
            ("in a time without end", "confirm", int(1 << 40)),
            ("in less than no time", "confirm", int(-1)),
            ("in an hour and more", "confirm", int(3_600_001)),
            ("at a time that is none", "confirm", atom("infinity")),
            ("at a time that is null", "confirm", atom("null")),
            ("because it is checked only, and not", "check", atom("false")),
        ] {
            let commands = table.to_string();
            all.push(Attempt::user(format!("a change to be confirmed {name}, as {form}"), &[], move |w| {
                tried(w, CONFIRMED, &commands, as_text, &[(key, value.clone())])
            }));
        }
    }
    all.push(Attempt::user("confirm a change of another copy", &[], |w| {
        let mut port = serving(w, CONFIRMED);
        let table = json!([{ "add": { "table": { "family": "inet", "name": "t" } } }]);
        done(&mut port, 1, &table, &[("confirm", int(3_600_000))]);
        let mut other = beside(w, &port, CONFIRMED);
        let (confirmed, _) = ask(&mut other, 1, "nft_confirm", map(&[("ref", int(1))]));
        let (back, _) = ask(&mut other, 2, "nft_rollback", map(&[("ref", int(1))]));
        got(confirmed == "ok" || back == "ok", format!("{confirmed} {back}"))
    }));
    all.push(Attempt::user("confirm twice, or what is taken back", &[], |w| {
        let mut port = serving(w, CONFIRMED);
        let table = json!([{ "add": { "table": { "family": "inet", "name": "t" } } }]);
        done(&mut port, 1, &table, &[("confirm", int(3_600_000))]);
        ask(&mut port, 2, "nft_rollback", map(&[("ref", int(1))]));
        let (again, _) = ask(&mut port, 3, "nft_confirm", map(&[("ref", int(1))]));
        got(again == "ok" || printed(&port).contains("inet t"), again)
    }));
    let signals = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGUSR1,
        libc::SIGALRM,
        libc::SIGIO,
        libc::SIGSTKFLT,
        // Of real time: the first that a program may use, and the last.
        34,
        64,
    ];
    for signal in signals {
        all.push(Attempt::user(
            format!("signal {signal} loses a change that is not confirmed"),
            &[],
            move |w| {
                let mut port = serving(w, CONFIRMED);
                let witness = beside(w, &port, NOTHING);
                let table = json!([{ "add": { "table": { "family": "inet", "name": "t" } } }]);
                done(&mut port, 1, &table, &[("confirm", int(3_600_000))]);
                let kill = format!("kill -{signal} {}", port.pid());
                assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
                let until = Instant::now() + crate::support::PATIENCE;
                while Instant::now() < until {
                    if !printed(&witness).contains("inet t ") {
                        return Stopped("it is taken back".into());
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Through("it stays".into())
            },
        ));
    }
    all
}

/// Not one of them for each measure, as in `every_measure_is_missed_when_it_is_left_out`, but each for each that it names.
#[test]
fn each_measure_that_an_attempt_names_is_what_stops_it() {
    let Some(f) = support::fixtures() else { return };
    if !f.directory.join("weak").is_dir() {
        eprintln!("skipped: needs the builds of the attack suite; run sh scripts/test-all.sh");
        return;
    }
    let (mut tried, mut stopped) = (0, Vec::new());
    for attempt in attempts() {
        for measure in &attempt.stopped_by {
            let world = World::weakened(support::fixtures().unwrap(), *measure);
            if let Stopped(by) = (attempt.run)(&world) {
                stopped.push(format!("{} without {}: {:.40}", attempt.name, measure.name(), by));
            }
            tried += 1;
        }
    }
    assert!(stopped.is_empty(), "{}", stopped.join("\n"));
    assert!(tried >= 40, "{tried}");
}

#[test]
fn none_of_it_gets_through() {
    let Some(f) = support::fixtures() else { return };
    let world = World::strong(f);
    let mut through = Vec::new();
    let all = attempts();
    for attempt in &all {
        match (attempt.run)(&world) {
            Through(what) => through.push(format!("{}: {what}", attempt.name)),
            Stopped(_) => {}
        }
    }
    println!("{} attempts on the firewall", all.len());
    assert!(all.len() >= 40);
    assert!(through.is_empty(), "{}", through.join("\n"));
}
