//! A peer that reads nothing and goes on speaking: what it says is not handed on, as the node behind keeps what it cannot answer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gateway::free_port::free_port;
use gateway::waiting::eventually;
use gateway::{B, Node, RULES, Z, call, peer, protected};
use portcullis::dist::control::answer;
use portcullis::dist::etf::Pid;

/// More than all sockets on the way hold.
const MUCH: usize = 128 << 20;

/// A node that says as much as is taken of it, and counts the bytes that reach it: its port.
fn talkative() -> (u16, Arc<AtomicUsize>) {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let port = protected(move |mut socket| {
        let mut out = socket.try_clone().unwrap();
        std::thread::spawn(move || {
            let sender = Pid { node: B, creation: 99, id: 7, serial: 0 };
            let frame =
                answer::reg_send(&sender, "anybody", &[&[109, 0, 0, 0xff, 0xff][..], &[7; 0xffff]].concat());
            for _ in 0..MUCH / frame.len() {
                if out.write_all(&frame).is_err() {
                    return;
                }
            }
        });
        let mut bytes = vec![0; 1 << 20];
        while let Ok(n @ 1..) = socket.read(&mut bytes) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    });
    (port, reached)
}

#[test]
fn who_does_not_read_is_not_heard_until_he_does() {
    let (inner, reached) = talkative();
    let port = gateway::gateway(inner, "", RULES);
    let mut peer = peer(port, Z).unwrap();
    let frame = call(Z, Z, "sink", 1, |w| w.binary(&[7; 60_000]));
    peer.socket.set_nonblocking(true).unwrap();
    let (mut sent, mut last) = (0, Instant::now());
    let rest = |sent: usize| frame.get(sent % frame.len()..).unwrap().to_vec();
    while last.elapsed() < Duration::from_secs(2) && sent < MUCH {
        match peer.socket.write(&rest(sent)) {
            Ok(n) => (sent, last) = (sent + n, Instant::now()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    println!("{sent} bytes were taken, {} reached the node", reached.load(Ordering::Relaxed));
    assert!(sent < MUCH, "{sent} bytes of one who reads nothing were taken");
    // What was taken is handed on as soon as he reads.
    peer.socket.set_nonblocking(false).unwrap();
    let mut reads = peer.socket.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut reads, &mut std::io::sink()));
    peer.socket.write_all(&rest(sent)).unwrap();
    let all = sent.next_multiple_of(frame.len());
    eventually("all has come that was said", || reached.load(Ordering::Relaxed) >= all);
}

/// The end of a node is not read behind what a peer does not take: nobody else is to be told of the node that there was.
#[test]
fn who_reads_nothing_keeps_no_node_alive_that_was_started_anew() {
    let inner = free_port();
    let node = Node::protected(inner);
    let port = gateway::gateway(inner, "", RULES);
    let mut deaf = peer(port, Z).unwrap();
    deaf.socket.set_nonblocking(true).unwrap();
    let asks = |n| call(Z, Z, "echo", n, |w| w.binary(&[7; 60_000]));
    let (mut n, mut rest, mut last) = (0, Vec::new(), Instant::now());
    while last.elapsed() < Duration::from_secs(2) {
        if rest.is_empty() {
            n += 1;
            rest = asks(n);
        }
        match deaf.socket.write(&rest) {
            Ok(written) => {
                drop(rest.drain(..written));
                last = Instant::now();
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    drop(node);
    let _anew = Node::protected(inner);
    let mut other = peer(port, "y@127.0.0.1").expect("the first attempt comes in");
    other.echo("y@127.0.0.1", 1).unwrap();
}
