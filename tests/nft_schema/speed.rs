//! Reading elements and writing rules cost little; the bounds are many times what is measured, so that a build without
//! optimisation passes.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use portcullis::nft::model::Command;
use portcullis::nft::schema;
use portcullis::wire::scan::validate;
use portcullis::wire::schema::At;
use portcullis::wire::write::Writer;
use serde_json::{Value, json};

use crate::support::{BOUNDS, Keys, etf, with_commands};

/// The processor's time of the shortest of some runs: what others do on the machine does not count.
fn fastest(mut work: impl FnMut()) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let run = |_| {
        let start = now();
        work();
        now() - start
    };
    (0..5).map(run).min().unwrap()
}

#[test]
fn a_hundred_thousand_elements_are_read_at_once() {
    let address = |n: u32| std::net::Ipv4Addr::from(n * 7919).to_string();
    let plain: Vec<Value> = (0..100_000).map(|n| address(n).into()).collect();
    let timed: Vec<Value> =
        (0..100_000).map(|n| json!({"elem": {"val": address(n), "timeout": 60}})).collect();
    for (what, elements) in [("addresses", plain), ("with timeout", timed)] {
        let bytes = etf(&Value::Array(elements), Keys::Atoms);
        let accepted = validate(&bytes, &BOUNDS).unwrap();
        let time = fastest(|| {
            let portcullis::wire::term::Term::List(items) = accepted.term() else { panic!() };
            assert!(items.into_iter().all(|term| schema::element(term, &At::Top).is_ok()));
        });
        println!("100,000 {what}: {time:?}");
        assert!(time < Duration::from_secs(1), "{time:?}");
    }
}

#[test]
fn ten_thousand_rules_are_read_and_written_at_once() {
    let rule = |n: u32| {
        json!({"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": n, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                "right": {"prefix": {"addr": "192.0.2.0", "len": 24}}}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": n}},
            {"counter": {"packets": 0, "bytes": 0}},
            {"accept": null},
        ]}})
    };
    let rules: Vec<Value> = (1..=10_000).map(rule).collect();
    let bytes = etf(&Value::Array(rules), Keys::Atoms);
    let reading = fastest(|| with_commands(&bytes, |read| assert_eq!(read.unwrap().len(), 10_000)));
    println!("10,000 rules read: {reading:?}");
    with_commands(&bytes, |read| {
        let commands = read.unwrap();
        let mut w = Writer::new();
        let written = fastest(|| {
            w.clear();
            for command in &commands {
                let Command::Append(rule, _) = command else { panic!("{command:?}") };
                schema::write_rule(rule, &mut w);
            }
        });
        println!("10,000 rules written: {written:?}, {} bytes", w.len());
        assert!(
            reading < Duration::from_secs(1) && written < Duration::from_millis(200),
            "{reading:?} {written:?}"
        );
    });
}
