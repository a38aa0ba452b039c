//! The trail: forging it, flooding it, doing without it.

use std::time::{Duration, Instant};

use portcullis::measure::Measure;

use crate::Attempt;
use crate::support::{Port, Term, atoms, binary, int, map};
use crate::world::{DevLog, Outcome, Start, Started, Stopped, Through, World, ask, got};

const FILES: &str = "version = 1\n[files]\nread = [{path = \"/etc/hostname\", max_bytes = 10}]\n";

/// A port whose log is here, and what it wrote when `act` was done. The record of the start comes first.
fn trail(w: &World, policy: &str, act: impl FnOnce(&mut Port)) -> Vec<String> {
    let log = DevLog::new(&w.f);
    let (mut port, _) = w.serving(&Start { options: vec!["--log", &log.path], ..w.start("proc", policy) });
    act(&mut port);
    log.records()
}

fn open(port: &mut Port, path: &[u8]) -> (String, Term) {
    ask(port, 1, "file_open", map(&[("path", binary(path))]))
}

pub fn attempts() -> Vec<Attempt> {
    let mut all = forgeries();
    all.extend([
        Attempt::user("a refusal without a record", &[Measure::AuditRefusals], |w| {
            let records = trail(w, FILES, |port| {
                open(port, b"/etc/shadow");
            });
            let found =
                records.iter().any(|r| r.contains("target=\"/etc/shadow\" decision=denied rule=files.read"));
            got(!found, format!("{records:?}"))
        }),
        Attempt::user("a file opened without a record", &[], |w| {
            let records = trail(w, FILES, |port| {
                assert_eq!(open(port, b"/etc/hostname").0, "ok");
            });
            got(
                !records.iter().any(|r| r.contains("target=\"/etc/hostname\" decision=granted")),
                format!("{records:?}"),
            )
        }),
        Attempt::user("a start without a record", &[], |w| {
            let records = trail(w, FILES, |_| ());
            got(
                !records.iter().any(|r| r.contains("seq=1 ") && r.contains("op=start target=\"sha256:")),
                format!("{records:?}"),
            )
        }),
        Attempt::user("a flood of records", &[Measure::AuditRate], flood),
        Attempt::user("numbers that hide a gap", &[], gaps),
        Attempt::user("required and nobody listens", &[], |w| {
            let policy = format!("{FILES}[audit]\nsyslog = \"required\"\n");
            w.run(&w.start("proc", &policy)).serves()
        }),
        Attempt::user("required and the daemon ends", &[], daemon_ends),
    ]);
    all
}

/// Targets that try to be more than a target.
fn forgeries() -> Vec<Attempt> {
    let mut all = Vec::new();
    for (name, target) in [
        ("newline", &b"/x\n<85>portcullis-proc[1]: seq=9 decision=granted"[..]),
        ("carriage return", b"/x\rseq=9 decision=granted"),
        ("quote", b"/x\" decision=granted rule=files.read seq=9 x=\""),
        ("escape sequence", b"/x\x1b[2J\x1b[1;1Hnothing happened"),
        ("backspaces", b"/x\x08\x08\x08\x08ok"),
        ("other controls", b"/x\x01\x02\x7f\x80\x9b31m"),
        ("no UTF-8", b"/x\xff\xfe"),
        ("direction marks", "/x\u{202e}drowssap".as_bytes()),
        ("backslash", b"/x\\x22 decision=granted"),
        ("very long", &[b'/'; 1]),
    ] {
        let target = if name == "very long" { [&b"/"[..], &[b'a'; 3000]].concat() } else { target.to_vec() };
        let target: Vec<u8> = target.chunks(250).collect::<Vec<_>>().join(&b'/');
        let measures: &[Measure] = if name == "newline" { &[Measure::AuditEscape] } else { &[] };
        all.push(Attempt::user(format!("record with a {name}"), measures, move |w| {
            let target = target.clone();
            let records = trail(w, FILES, move |port| {
                open(port, &target);
            });
            let clean = |r: &String| {
                r.bytes().all(|b| (b' '..=b'~').contains(&b)) && r.matches('"').count() == 2 && r.len() < 3000
            };
            let denied = records.iter().filter(|r| r.contains(" decision=denied ")).count();
            got(!records.iter().all(clean) || denied != 1, format!("{records:?}"))
        }));
    }
    all
}

/// Refusals cost the client nothing; each is counted, few are written: a hundred at once, and a hundred in a second.
fn flood(w: &World) -> Outcome {
    let begun = Instant::now();
    let records = trail(w, FILES, |port| {
        for n in 0..1000 {
            open(port, b"/etc/shadow");
            if n % 5 == 0 {
                // The queue of a socket holds ten.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let allowed = 150 + begun.elapsed().as_millis() / 10;
    got(
        records.len() as u128 > allowed,
        format!("{} records of 1000 refusals, {allowed} are allowed", records.len()),
    )
}

/// After a flood the next record says how many are missing, and its number has counted them.
fn gaps(w: &World) -> Outcome {
    let log = DevLog::new(&w.f);
    let (mut port, _) = w.serving(&Start { options: vec!["--log", &log.path], ..w.start("proc", FILES) });
    let field = |record: &str, key: &str| -> u64 {
        let rest = record.split_once(key).map_or("0", |(_, rest)| rest);
        rest.split(' ').next().unwrap().parse().unwrap_or(0)
    };
    let mut records = Vec::new();
    for _ in 0..4 {
        for _ in 0..200 {
            open(&mut port, b"/etc/shadow");
        }
        records.extend(log.records());
    }
    std::thread::sleep(Duration::from_millis(1100));
    open(&mut port, b"/etc/shadow");
    records.extend(log.records());
    let mut last = 0;
    for record in &records {
        let (seq, lost) = (field(record, " seq="), field(record, " lost="));
        if seq != last + lost + 1 {
            return Through(format!("after {last}: {record}"));
        }
        last = seq;
    }
    got(last != 802, format!("802 events, the last is {last}"))
}

/// What cannot be recorded is not done.
fn daemon_ends(w: &World) -> Outcome {
    let policy = format!("{FILES}[audit]\nsyslog = \"required\"\n");
    let log = DevLog::new(&w.f);
    let start = Start { options: vec!["--log", &log.path], ..w.start("proc", &policy) };
    let Started::Serving(mut port, _) = w.run(&start) else { panic!("it does not serve") };
    assert_eq!(open(&mut port, b"/etc/hostname").0, "ok");
    drop(log);
    let (tag, value) = open(&mut port, b"/etc/hostname");
    if tag == "ok" {
        return Through(format!("{value}"));
    }
    let (tag, value) = ask(&mut port, 2, "process", map(&[("pid", int(1)), ("items", atoms(&["comm"]))]));
    if tag == "ok" { Through("processes".into()) } else { Stopped(format!("{value}")) }
}
