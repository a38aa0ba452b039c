//! What a gateway holds where each of as many peers as a file allows leaves a message unfinished that is not long by itself. Alone in its
//! program, as all that is held is counted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/counting.rs"]
mod counting;
mod gateway;

use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use counting::HELD;
use gateway::handshake::{connected_from, initiate};
use gateway::{B, Peer, RULES, Z, gateway_of, ignore, peer, protected, text};
use portcullis::dist::config;
use portcullis::limits::{DIST_CONNECTIONS_MAX, GATEWAY_ADDRESS_SPACE_MAX, GATEWAY_BUFFERS_MAX};

/// Bytes of each message that come: one more than makes room for twice as much.
const PART: usize = 1024 * 1024 + 100_000;

#[test]
fn unfinished_messages_of_many_peers_have_one_bound() {
    let names: Vec<String> = (1..DIST_CONNECTIONS_MAX).map(|n| format!("p{n}@127.0.0.1")).collect();
    let allowed = format!("{:?}", [&names[..], &[Z.to_owned()]].concat());
    let text = text(protected(ignore), "[connections]\nnodes = 256", RULES);
    let text = text.replace(&format!("[\"{Z}\", \"y@127.0.0.1\"]"), &allowed);
    let port = gateway_of(config::parse(text.as_bytes()).unwrap(), "outer", None, |_| {});
    let mut peers: Vec<_> = names
        .iter()
        .zip(1_u8..=255)
        .map(|(who, n)| {
            let mut socket = connected_from([127, 5, 0, n], port, None);
            initiate(&mut socket, who, B, "outer").expect("let in");
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let begun = [&(16_000_000_u32).to_be_bytes()[..], &vec![112; PART]].concat();
    let before = HELD.load(Ordering::Relaxed);
    let (mut most, mut moved, mut sent) = (0, Instant::now(), vec![0; peers.len()]);
    // Who is not read any more has said less.
    while moved.elapsed() < Duration::from_secs(2) && sent.iter().any(|n| *n < begun.len()) {
        for (socket, n) in peers.iter_mut().zip(&mut sent) {
            match socket.write(&begun[*n..]) {
                Ok(0) => {}
                Ok(went) => (*n, moved) = (*n + went, Instant::now()),
                Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock, "the gateway has ended it"),
            }
        }
        most = most.max(HELD.load(Ordering::Relaxed).saturating_sub(before));
    }
    // What the kernel holds of it comes later.
    while moved.elapsed() < Duration::from_secs(3) {
        let held = HELD.load(Ordering::Relaxed).saturating_sub(before);
        if held > most {
            (most, moved) = (held, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{} MiB of {} MiB that there are", most >> 20, GATEWAY_ADDRESS_SPACE_MAX >> 20);
    let began = Instant::now();
    let mut good: Peer = peer(port, Z).expect("another is let in");
    good.say(&gateway::call(Z, Z, "sink", 1, |w| w.binary(&[7; 1000])));
    println!("another was let in after {:?}", began.elapsed());
    // Each buffer can double before it is counted again.
    assert!(most < 2 * GATEWAY_BUFFERS_MAX, "{} MiB are held", most >> 20);
}
