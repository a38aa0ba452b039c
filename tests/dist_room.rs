//! Who is pushed out by others where there is no more room: not who is in the middle of a handshake by those who say nothing, and nobody by
//! answers that others do not read.
//!
//! What is held is counted for the whole process, and waiting is timed, so that the tests take turns.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/handshake.rs"]
mod handshake;
#[path = "support/node.rs"]
mod node;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use counting::HELD;
use handshake::{connected, connected_from, named, proved};
use node::NODE;
use portcullis::dist::control::{Target, answer};
use portcullis::dist::etf::{Pid, Ref};

const GOOD: &str = "good@127.0.0.1";

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rules(peers: &[String], connections: &str) -> String {
    format!("[allow]\nnodes = {peers:?}\n[connections]\n{connections}\n[default.in]\nping = \"accept\"\n")
}

/// 200 addresses are more than have room. None of them says a word, so that none of them fails.
#[test]
fn who_says_nothing_pushes_nobody_out_of_a_handshake() {
    let _turn = turn();
    let config = node::config(&rules(&[GOOD.to_owned()], "failures_per_minute = 1"));
    let port = node::alone(config, None, |_| {});
    for round in 1..=2 {
        let mut good = connected(port).unwrap();
        let begun = named(&mut good, GOOD, NODE, "secret").unwrap();
        let silent: Vec<TcpStream> = (1..=200).map(|n| connected_from([127, 3, 0, n], port, None)).collect();
        // Whoever is taken in now comes behind all of them.
        let mut last = connected_from([127, 3, 1, round], port, None);
        assert!(named(&mut last, GOOD, NODE, "secret").is_some());
        assert!(proved(&mut good, begun).is_some(), "it was pushed out, which counted as its failure");
        drop((silent, last));
    }
}

/// A network of some length, and a flood of others: who has come between the two says his name when all of them are there.
#[test]
fn who_comes_from_where_a_node_came_from_is_pushed_out_last() {
    let _turn = turn();
    let port = node::alone(node::config(&rules(&[GOOD.to_owned()], "")), None, |_| {});
    let mut before = connected_from([127, 3, 2, 1], port, None);
    assert!(handshake::initiate(&mut before, GOOD, NODE, "secret").is_some());
    drop(before);
    let mut good = connected_from([127, 3, 2, 1], port, None);
    let silent: Vec<TcpStream> = (1..=200).map(|n| connected_from([127, 3, 0, n], port, None)).collect();
    let mut last = connected_from([127, 3, 2, 2], port, None);
    assert!(named(&mut last, GOOD, NODE, "secret").is_some(), "all of them were taken in");
    assert!(handshake::initiate(&mut good, GOOD, NODE, "secret").is_some(), "it was pushed out");
    drop(silent);
}

/// 200 monitors of a name that is denied, each of which is answered with as many bytes.
fn denied(who: &str, round: u32) -> Vec<u8> {
    let pid = Pid { node: who, creation: 5, id: 80, serial: 0 };
    let name = "x".repeat(250);
    let monitor = |n: u32| {
        let mark = Ref { node: who, creation: 5, words: [n, round, 2, 0, 0], len: 3 };
        answer::monitor(&pid, &Target::Name(&name), &mark)
    };
    (0..200).flat_map(monitor).collect()
}

/// Says it until the node does not listen any more.
fn say_without_reading(peers: &mut [(TcpStream, String, Vec<u8>)]) {
    let (mut round, mut moved) = (0, Instant::now());
    while moved.elapsed() < Duration::from_millis(700) {
        round += 1;
        for (socket, who, rest) in &mut *peers {
            if rest.is_empty() {
                *rest = denied(who, round);
            }
            match socket.write(rest) {
                Ok(n) => {
                    drop(rest.drain(..n));
                    moved = Instant::now();
                }
                Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock, "the node has ended it"),
            }
        }
    }
}

#[test]
fn answers_that_nobody_reads_have_one_bound_for_all() {
    let _turn = turn();
    let names: Vec<String> = (0..60).map(|n| format!("p{n}@127.0.0.1")).collect();
    let config = node::config(&rules(&[&names[..], &[GOOD.to_owned()]].concat(), ""));
    let port = node::alone(config, None, |_| {});
    let mut peers: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(who, n)| {
            let mut socket = connected_from([127, 4, 0, n], port, Some(4096));
            handshake::initiate(&mut socket, who, NODE, "secret").expect("let in");
            socket.set_nonblocking(true).unwrap();
            (socket, who.clone(), Vec::new())
        })
        .collect();
    let before = HELD.load(Ordering::Relaxed);
    say_without_reading(&mut peers);
    let grown = HELD.load(Ordering::Relaxed).saturating_sub(before) / (1024 * 1024);
    println!("{grown} MiB for {} peers", peers.len());
    assert!(grown > 8, "they have not made it say anything: {grown} MiB");
    assert!(grown < 80, "{grown} MiB for {} peers", peers.len());
    // And another is heard.
    let mut good = connected(port).unwrap();
    assert!(handshake::initiate(&mut good, GOOD, NODE, "secret").is_some());
}

/// A message of many small numbers, which takes as long to judge as thousands of others, but for its last byte.
fn many_terms(who: &str) -> Vec<u8> {
    let pid = Pid { node: who, creation: 5, id: 80, serial: 0 };
    let mut payload = vec![131, 108];
    payload.extend(1_500_000_u32.to_be_bytes());
    payload.extend([97, 1].repeat(1_500_000));
    payload.push(106);
    answer::reg_send(&pid, "nobody", &payload[1..])
}

/// Milliseconds until one more is let in, while so many say such a message at once: the least of some tries.
fn let_in_beside(port: u16, peers: &mut [(TcpStream, String)]) -> u128 {
    let once = |_| {
        let mut lasts = Vec::new();
        for (socket, who) in &mut *peers {
            let message = many_terms(who);
            let (last, rest) = message.split_last().unwrap();
            socket.write_all(rest).unwrap();
            lasts.push(*last);
        }
        // All of it has been read.
        std::thread::sleep(Duration::from_millis(300));
        let mut good = connected(port).unwrap();
        for ((socket, _), last) in peers.iter_mut().zip(lasts) {
            socket.write_all(&[last]).unwrap();
        }
        let begun = Instant::now();
        assert!(handshake::initiate(&mut good, GOOD, NODE, "secret").is_some());
        begun.elapsed().as_millis()
    };
    (0..3).map(once).min().unwrap()
}

#[test]
fn those_with_long_messages_take_turns_with_others_between() {
    let _turn = turn();
    let names: Vec<String> = (0..16).map(|n| format!("p{n}@127.0.0.1")).collect();
    let rules =
        rules(&[&names[..], &[GOOD.to_owned()]].concat(), "") + "reg_send = { accept = [\"nobody\"] }\n";
    let config = node::config(&rules);
    let port = node::alone(config, None, |_| {});
    let mut peers: Vec<_> = names
        .into_iter()
        .map(|who| {
            let mut socket = connected(port).unwrap();
            handshake::initiate(&mut socket, &who, NODE, "secret").expect("let in");
            (socket, who)
        })
        .collect();
    let one = let_in_beside(port, &mut peers[..1]).max(1);
    let all = let_in_beside(port, &mut peers);
    println!("beside one {one} ms, beside all {all} ms");
    assert!(all < one * 8, "beside one {one} ms, beside all {all} ms");
}
