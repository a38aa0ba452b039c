//! How long it takes: a bound for one question, and the figures of docs/decisions.md.

use std::time::Instant;

use portcullis::netlink::attr::{Attrs, Buffer};
use portcullis::netlink::message::{ECHO, Messages};
use portcullis::nft::transport::batch::{self, Batch};
use portcullis::nft::transport::dump::Dump;
use portcullis::nft::transport::{Error, Link, ROOM, get};
use portcullis::sys::netlink::Socket;

use crate::nft_support::messages::*;
use crate::nft_support::network;
use crate::run;

fn get_table(link: &mut Link, name: &str) -> Result<usize, Error> {
    let answer = get::point(link, GETTABLE, INET, |b| b.put_text(1, name.as_bytes()))?;
    Ok(answer.messages().count())
}

/// The median of many, in nanoseconds.
fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn time_of_get(link: &mut Link) -> u128 {
    let times = (0..2000).map(|_| {
        let started = Instant::now();
        assert_eq!(get_table(link, "t"), Ok(1));
        started.elapsed().as_nanos()
    });
    median(times.collect())
}

#[test]
fn a_question_costs_the_same_beside_ten_thousand_rules() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(0));
        assert!(matches!(get_table(&mut link, "nowhere"), Err(Error::Refused(r)) if r.errno == libc::ENOENT));
        let mut ratios: Vec<f64> = Vec::new();
        for _ in 0..5 {
            let alone = time_of_get(&mut link);
            run(&mut link, ruleset(10_000));
            let beside = time_of_get(&mut link);
            let mut batch = Batch::begin(None);
            flush(&mut batch, "t", "c");
            run(&mut link, batch);
            ratios.push(beside as f64 / alone as f64);
        }
        ratios.sort_by(f64::total_cmp);
        println!("one question beside 10,000 rules and alone: {ratios:.2?}");
        // A list would take a thousand times as long; the rest is the noise of a shared machine, which no ratio is free of.
        assert!(ratios[0] < 1.5, "{ratios:?}");
    });
}

fn walk(attrs: Attrs<'_>) -> usize {
    attrs.map(|attr| 1 + if attr.nested { walk(attr.attrs()) } else { 0 }).sum()
}

/// The bytes of a batch of so many rules as they are sent, to time the kernel alone.
fn bytes_of(rules: u32) -> Vec<u8> {
    let batch = ruleset(rules);
    let mut buffer = Buffer::new();
    let mark = buffer.message(16, 1, 1, 0, 10);
    buffer.end_message(mark).unwrap();
    for m in (0..batch.len()).map(|i| batch.command(i).unwrap()) {
        let mark = buffer.message(m.kind, m.flags, m.seq, m.family, m.res_id);
        buffer.raw(m.body);
        buffer.end_message(mark).unwrap();
    }
    let mark = buffer.message(17, 1, u32::try_from(batch.len()).unwrap() + 2, 0, 10);
    buffer.end_message(mark).unwrap();
    buffer.bytes().to_vec()
}

fn delete_table(link: &mut Link) {
    let mut batch = Batch::begin(None);
    batch.push(DELTABLE, 0, INET, |b| b.put_text(1, b"t")).unwrap();
    batch::run(link, &mut batch).unwrap();
}

/// Reads every attribute of every rule: how many of each.
fn walk_all(link: &mut Link) -> (usize, usize) {
    let mut dump = Dump::start(link, GETRULE, 0, |_| {}).unwrap();
    let (mut rows, mut attrs) = (0, 0);
    while let Some(messages) = dump.next(link).unwrap() {
        for message in messages {
            rows += 1;
            attrs += walk(message.attrs());
        }
    }
    (rows, attrs)
}

/// Figures for docs/decisions.md. `FLOOR` names a program that dumps all rules and prints how long that took.
#[test]
#[ignore = "measures; run it alone in a release build with --nocapture"]
fn measures() {
    network(|| {
        let mut link = link();
        let rules = 10_000;
        let (mut whole, mut kernel) = (Vec::new(), Vec::new());
        let bytes = bytes_of(rules);
        for _ in 0..21 {
            let started = Instant::now();
            run(&mut link, ruleset(rules));
            whole.push(started.elapsed().as_nanos());
            delete_table(&mut link);
            let alone = Socket::open(ROOM).unwrap();
            let started = Instant::now();
            alone.send(&bytes).unwrap();
            kernel.push(started.elapsed().as_nanos());
            assert_eq!(tags(&mut link).len(), 10_000);
            delete_table(&mut link);
        }
        for (of, whole, kernel) in [
            ("median", median(whole.clone()), median(kernel.clone())),
            ("least", *whole.iter().min().unwrap(), *kernel.iter().min().unwrap()),
        ] {
            let ratio = whole as f64 / kernel as f64;
            println!("add, {of}: {} us, sendto alone {} us, ratio {ratio:.3}", whole / 1000, kernel / 1000);
        }
        let started = Instant::now();
        let built = ruleset(rules).bytes();
        println!("of that to write {built} bytes: {} us", started.elapsed().as_micros());
        run(&mut link, ruleset(rules));
        for _ in 0..5 {
            let mut times = Vec::new();
            for _ in 0..41 {
                let started = Instant::now();
                let read = walk_all(&mut link);
                times.push(started.elapsed().as_nanos());
                assert_eq!(read, (10_000, 59_999), "the first has none before it");
            }
            let least = *times.iter().min().unwrap();
            println!("dump: median {} us, least {} us", median(times) / 1000, least / 1000);
            if let Ok(floor) = std::env::var("FLOOR") {
                (0..9).for_each(|_| drop(std::process::Command::new(&floor).arg("rules").status()));
            }
        }
        let short: Vec<u128> = (0..2000)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(tables(&mut link), ["t"]);
                started.elapsed().as_nanos()
            })
            .collect();
        println!("all tables: {} ns; one: {} ns", median(short), time_of_get(&mut link));
        buffers();
        for rules in [10_000, 20_000, 50_000, 100_000] {
            let mut batch = ruleset(0);
            (0..rules).for_each(|_| rule(&mut batch, ECHO, "t", "c", b"echo"));
            println!("all {rules} echoes: {}", run(&mut link, batch).complete);
            delete_table(&mut link);
        }
    });
}

/// A dump by the size of what it is received into.
fn buffers() {
    for size in [4, 8, 16, 32, 64, 128, 256, 1024].map(|k| k * 1024) {
        let mut times = Vec::new();
        let (mut buffer, mut request) = (vec![0; size], Buffer::new());
        let mark = request.message(GETRULE, 0x301, 1, 0, 0);
        request.end_message(mark).unwrap();
        for _ in 0..15 {
            let socket = Socket::open(ROOM).unwrap();
            let started = Instant::now();
            socket.send(request.bytes()).unwrap();
            loop {
                let length = socket.receive(&mut buffer).unwrap().length;
                let done = Messages::new(&buffer[..length]).any(|m| {
                    assert!(walk(m.attrs()) < 100);
                    m.kind == 3
                });
                if done {
                    break;
                }
            }
            times.push(started.elapsed().as_nanos());
        }
        println!("received into {} KiB: {} us", size / 1024, median(times) / 1000);
    }
}
