//! Peers that say as much as they can, and one that says little: how much is heard of them before he is. Messages are counted, and not
//! milliseconds, so that the machine's load is no part of it; alone in its program, as all of its threads are.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::{RULES, Z, call, gateway_of, mark, own, peer, protected, text};
use portcullis::dist::config;
use portcullis::dist::control::{Target, answer};

const GREEDY: usize = 30;
const QUESTIONS: usize = 41;

/// A gateway to a node that counts the bytes that reach it.
fn counting() -> (u16, Arc<AtomicUsize>) {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let inner = protected(move |mut socket| {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(n @ 1..) = socket.read(&mut bytes) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    });
    let names: Vec<String> = (0..GREEDY).map(|n| format!("\"{}\"", greedy(n))).collect();
    let allowed = format!("nodes = [\"{Z}\", {}", names.join(", "));
    let text = text(inner, "", RULES).replace(&format!("nodes = [\"{Z}\""), &allowed);
    (gateway_of(config::parse(text.as_bytes()).unwrap(), "outer", None, |_| {}), reached)
}

fn greedy(n: usize) -> String {
    format!("g{n}@127.0.0.1")
}

/// How many messages of the greedy are handed on, as the median, while one waits for an answer that the gateway gives itself.
fn handed_on(message: impl Fn(&str) -> Vec<u8>) -> usize {
    let (port, reached) = counting();
    let mut length = 0;
    for n in 0..GREEDY {
        let name = greedy(n);
        let frame = message(&name);
        length = frame.len();
        let mut peer = peer(port, &name).unwrap();
        std::thread::spawn(move || while peer.socket.write_all(&frame).is_ok() {});
    }
    let mut honest = peer(port, Z).unwrap();
    let mut between: Vec<usize> = (0..QUESTIONS)
        .map(|n| {
            let before = reached.load(Ordering::Relaxed);
            let watched = answer::monitor(&own(Z), &Target::Name("rex"), &mark(Z, u32::try_from(n).unwrap()));
            honest.say(&watched);
            honest.hears(b"denied").unwrap();
            (reached.load(Ordering::Relaxed) - before) / length
        })
        .collect();
    between.sort_unstable();
    println!("messages of others during each of {QUESTIONS} questions: {between:?}");
    between[QUESTIONS / 2]
}

#[test]
fn who_says_little_is_heard_before_those_who_say_much_are_heard_again() {
    // 240 kB take longer than a turn, and cannot be interrupted: of thirty peers who say nothing else, two or three come before.
    let long = handed_on(|who| {
        call(who, who, "sink", 1, |w| {
            w.raw(&[108, 0, 0, 0xea, 0x60]);
            (0..60_000).for_each(|_| w.raw(&[104, 1, 97, 7]));
            w.nil();
        })
    });
    assert!(long <= GREEDY / 4, "{long} long messages");
    // One read of short ones is judged in parts.
    let short = handed_on(|who| {
        call(who, who, "sink", 1, |w| {
            w.raw(&[108, 0, 0, 0, 200]);
            (0..200).for_each(|_| w.raw(&[104, 1, 97, 7]));
            w.nil();
        })
    });
    let one_read = 65_536 / 900;
    assert!(short <= GREEDY * one_read / 4, "{short} short messages");
}
