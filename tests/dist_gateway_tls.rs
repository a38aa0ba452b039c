//! A gateway that speaks TLS with peers, and an OTP node behind it that does not: real nodes through it, those whose certificates are wrong, and
//! bytes and connections that want it dead. `NODE_MUTATIONS` says how many streams.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "dist_tls/flights.rs"]
mod flights;
mod gateway;
#[path = "support/mutations.rs"]
mod mutations;
#[path = "support/node.rs"]
mod node;
#[path = "dist_tls/support.rs"]
#[allow(dead_code, reason = "its node is not used here")]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use flights::{broken, first_flight, in_drops};
use gateway::free_port::free_port;
use gateway::waiting::{self, PATIENCE, below, timed, unnoticed};
use gateway::{B, Node, RULES, Z, call as question, config, gateway_of, otp_with};
use mutations::{Numbers, ROUND, mutations};
use node::COOKIE;
use portcullis::dist::etf::write::atom;
use portcullis::dist::frame::{Frames, Length};
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::exec::stream::tls::Identity;
use portcullis::exec::stream::{Stop, Stream};
use portcullis::wire::write::Writer;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::ClientConnection;
use support::{Authority, call, connect, identity, keys, name, next, now, say};

const Y: &str = "y@127.0.0.1";
const PATIENT: &str = "[connections]\nfailures_per_minute = 1000000";

fn quiet(_: &str) {}

fn tls_gateway(node: &Node, more: &str, tls: Identity, report: fn(&str)) -> u16 {
    gateway_of(config(node.port, more, RULES), COOKIE, Some(tls), report)
}

#[test]
fn otp_nodes_speak_inside_tls_with_a_node_that_has_none() {
    let dir = keys("through", &[B, Z]);
    let code = format!(
        "pong = net_adm:ping('{B}'), ['{B}'] = nodes(hidden), ['{Z}'] = Call(echo, nodes),
         5000000 = Call(echo, {{length, binary:copy(<<7>>, 5000000)}}), 5000000 = byte_size(Call(echo, {{make, 5000000}})),
         {{error, {{erpc, eperm}}}} = Try(fun() -> erpc:call('{B}', os, cmd, [\"id\"], 5000) end),
         {{badrpc, {{'EXIT', eperm}}}} = Try(fun() -> rpc:call('{B}', init, stop, [], 5000) end),
         [{{sink, '{B}'}} ! {{n, I}} || I <- lists:seq(1, 5000)], 5000 = Call(sink, count),
         true = disconnect_node('{B}'), pong = net_adm:ping('{B}'), back = Call(echo, back),
         P = Call(mortal, pid), M = monitor(process, P), P ! {{die, bye}},
         receive {{'DOWN', M, process, P, bye}} -> done after 5000 -> silence end"
    );
    for version in ["tlsv1.2", "tlsv1.3"] {
        let node = Node::protected(free_port());
        let port = tls_gateway(&node, "", identity(&dir, B), quiet);
        let text = std::fs::read_to_string(dir.join(format!("{Z}.conf"))).unwrap();
        let only = text.replace("['tlsv1.3', 'tlsv1.2']", &format!("['{version}']"));
        assert_ne!(text, only);
        let options = dir.join(format!("{version}.conf"));
        std::fs::write(&options, only).unwrap();
        let more = ["-proto_dist", "inet_tls", "-ssl_dist_optfile", options.to_str().unwrap()];
        assert_eq!(otp_with(port, Z, COOKIE, &more, &code), "done", "{version}");
        assert_eq!(otp_with(port, Z, COOKIE, &[], &format!("net_adm:ping('{B}')")), "pang", "without TLS");
    }
}

/// What the gateway says; one test of this program writes to it.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn said(word: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let is_there = || SAID.lock().unwrap().iter().any(|line| line.contains(word));
    while !is_there() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    is_there()
}

const DAY: u64 = 86_400;

/// `ca` has signed it, and it believes `trusted`.
fn signed(ca: &Authority, trusted: &Authority, days: (i64, i64), now: u64) -> Identity {
    let (certificate, key) = ca.sign(&[Z], days, &[ClientAuth, ServerAuth]);
    Identity::new(certificate.as_bytes(), key.as_bytes(), trusted.pem().as_bytes(), &name(Z), now).unwrap()
}

fn trusting(ca: &Authority, names: &[&str], own: &str) -> Identity {
    let (certificate, key) = ca.sign(names, (-1, 1), &[ClientAuth, ServerAuth]);
    Identity::new(certificate.as_bytes(), key.as_bytes(), ca.pem().as_bytes(), &name(own), now()).unwrap()
}

#[test]
fn who_lacks_a_part_of_it_stays_outside_and_the_gateway_says_which() {
    let node = Node::protected(free_port());
    let (ca, stranger) = (Authority::new("one"), Authority::new("two"));
    let own = trusting(&ca, &[B], B);
    let port = tls_gateway(&node, PATIENT, own, |text| SAID.lock().unwrap().push(text.to_owned()));
    let right = trusting(&ca, &[Z], Z);
    for (why, identity, word) in [
        (
            "another authority",
            signed(&stranger, &ca, (-1, 1), now()),
            "TLS: no authority of tls.authorities has signed",
        ),
        (
            "it has run out",
            signed(&ca, &ca, (-3, -2), now() - 2 * DAY - 60),
            "TLS: the peer's certificate has run out",
        ),
    ] {
        assert!(connect(call(port, &identity, B), Z, B).is_err(), "{why}");
        assert!(said(word), "{why}: {:?}", SAID.lock().unwrap());
    }
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let hello = Hello { flags: Flags::OFFERED, creation: 5, name: name(Z) };
    plain.write_all(&Length::Two.frame(&hello.write_name()).unwrap()).unwrap();
    assert!(said("TLS: what came is no TLS"), "{:?}", SAID.lock().unwrap());
    // Another's certificate: refused before a challenge, though that node is allowed too and the cookie is right.
    for names in [&[Y][..], &["127.0.0.1"], &["*@127.0.0.1"], &["Z@127.0.0.1"]] {
        let identity = trusting(&ca, &[names, &["own@h"]].concat(), "own@h");
        let mut stream = call(port, &identity, B);
        say(&mut stream, &Length::Four.frame(&hello.write_name()).unwrap()).unwrap();
        let mut frames = Frames::handshake(Length::Four);
        assert_eq!(next(&mut stream, &mut frames).unwrap(), b"snot_allowed", "{names:?}");
        assert_eq!(next(&mut stream, &mut frames), Err(Stop::Closed), "{names:?}: and no challenge");
    }
    assert!(said("the certificate of the node is not for the name"), "{:?}", SAID.lock().unwrap());
    // A certificate that is right does not make the cookie superfluous, nor the list.
    let other = trusting(&ca, &["other@127.0.0.1"], "other@127.0.0.1");
    assert!(connect(call(port, &other, B), "other@127.0.0.1", B).is_err());
    assert!(said("which calls itself other@127.0.0.1: the node is not in the allow-list"));
    let own = trusting(&ca, &[B], B);
    let closed = gateway_of(config(node.port, PATIENT, RULES), "different", Some(own), quiet);
    assert!(connect(call(closed, &right, B), Z, B).is_err(), "another cookie");
    connect(call(port, &right, B), Z, B).unwrap().ping(0).expect("who has all of it is let in");
}

#[test]
fn handshakes_of_tls_that_fail_are_counted_against_their_address() {
    let node = Node::protected(free_port());
    let dir = keys("counted", &[B, Z]);
    let port = tls_gateway(&node, "[connections]\nfailures_per_minute = 3", identity(&dir, B), quiet);
    let mut held = connect(call(port, &identity(&dir, Z), B), Z, B).unwrap();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = [0; 64];
        let _ = socket.read(&mut answer);
    }
    assert!(connect(call(port, &identity(&dir, Z), B), Z, B).is_err(), "it has the same address");
    held.ping(0).expect("who is connected hears nothing of it");
}

#[test]
fn a_thousand_that_say_nothing_keep_nobody_out() {
    let node = Node::protected(free_port());
    let dir = keys("silent", &[B, Z]);
    let port = tls_gateway(&node, PATIENT, identity(&dir, B), quiet);
    let identity = identity(&dir, Z);
    // Every other one has begun to speak, so that the gateway has signed something for it.
    let silent = |n: usize| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
        (n % 2 == 0 || socket.write_all(&first_flight(&identity, B).1).is_ok()).then_some(socket)
    };
    let silent: Vec<_> = (0..1000).filter_map(silent).collect();
    assert!(silent.len() > 900, "{}", silent.len());
    let took = below("a peer that is let in", Duration::from_secs(1), || {
        let good = || connect(call(port, &identity, B), Z, B).expect("it is let in");
        timed(|| good().ping(0).unwrap())
    });
    println!("beside {} others: {took:?}", silent.len());
}

/// One deadline for TLS and for what follows: a byte now and then does not prolong it.
#[test]
fn a_handshake_of_drops_is_over_in_time() {
    let node = Node::protected(free_port());
    let dir = keys("drops", &[B, Z]);
    let port = tls_gateway(&node, "[connections]\nhandshake_ms = 2000", identity(&dir, B), quiet);
    let hello = first_flight(&identity(&dir, Z), B).1;
    // All of these bytes would take twenty seconds.
    let pause = Duration::from_millis(50);
    let took = below("the end of it", Duration::from_secs(6), || {
        in_drops(port, hello.iter().cycle().take(400), pause)
    });
    assert!(took > Duration::from_secs(1), "{took:?}");
}

/// It was asked again and again, without a pause, whether it takes more, and everybody else waited.
#[test]
fn a_peer_that_reads_no_denials_stops_nobody_else() {
    let node = Node::protected(free_port());
    let dir = keys("unread", &[B, Z, Y]);
    for tls in [false, true] {
        let own = tls.then(|| identity(&dir, B));
        let port = gateway_of(config(node.port, "", RULES), COOKIE, own, quiet);
        let stream = |who: &str| {
            let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let identity = tls.then(|| identity(&dir, who));
            Stream::call(socket, identity.as_ref(), &name(B)).unwrap()
        };
        let (mut deaf, mut good) = (connect(stream(Z), Z, B).unwrap(), connect(stream(Y), Y, B).unwrap());
        let denied = question(Z, Z, "rex", 1, |w| w.binary(&[7; 10]));
        let sent = deaf.stuff(&denied, Duration::from_millis(700));
        let took = below("20 pings of another", Duration::from_secs(1), || {
            timed(|| (0..20).for_each(|_| good.ping(0).expect("the other peer is answered")))
        });
        println!("TLS {tls}: {sent} bytes were taken; 20 pings of another {took:?}");
    }
}

/// More than the buffers between hold, to somebody who reads slowly: all of it comes, and in order. Who does not read is not heard meanwhile, so
/// that the questions are short.
#[test]
fn what_waits_inside_tls_is_written_when_the_peer_reads() {
    let node = Node::protected(free_port());
    let dir = keys("slow", &[B, Z]);
    let port = tls_gateway(&node, "", identity(&dir, B), quiet);
    let mut peer = connect(call(port, &identity(&dir, Z), B), Z, B).unwrap();
    let asks = 24;
    for n in 0..asks {
        let make = |w: &mut Writer| {
            w.tuple(2);
            atom(w, "make");
            w.uint(500_000 + u64::from(n));
        };
        peer.tell(&question(Z, Z, "echo", n, make)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    let first = peer.body(500_000).expect("it comes whole").len();
    for n in 1..asks {
        let body = peer.body(500_000).expect("it comes whole");
        assert!(body.ends_with(&[7; 500_000]), "answer {n}");
        assert_eq!(body.len(), first + usize::try_from(n).unwrap(), "answer {n}");
    }
    peer.ping(0).unwrap();
}

/// A handshake of TLS that is over, and its socket.
fn handshake(identity: &Identity, port: u16) -> Option<(ClientConnection, TcpStream)> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let (mut client, first) = first_flight(identity, B);
    socket.write_all(&first).ok()?;
    client.complete_io(&mut socket).ok()?;
    Some((client, socket))
}

#[test]
fn no_bytes_of_a_stranger_end_the_gateway_or_disturb_another() {
    let node = Node::protected(free_port());
    let dir = keys("mutations", &[B, Z, Y]);
    let port = tls_gateway(&node, PATIENT, identity(&dir, B), quiet);
    let (right, bad) = (identity(&dir, Y), identity(&dir, Z));
    let mut good = connect(call(port, &right, B), Y, B).unwrap();
    let (rounds, mut records, mut inside) = (mutations(3000).div_ceil(ROUND), 0, 0);
    let hello = Hello { flags: Flags::OFFERED, creation: 5, name: name(Z) };
    let said = Length::Four.frame(&hello.write_name()).unwrap();
    let longest = unnoticed(rounds, Duration::from_secs(1), |round| {
        let (mut numbers, mut longest) = (Numbers::of(round), Duration::ZERO);
        for n in 0..ROUND {
            match n % 20 {
                // Up to the first message between nodes, all is right.
                0 => {
                    let mut stream = call(port, &bad, B);
                    let _ = say(&mut stream, &broken(&said, &mut numbers));
                    inside += 1;
                }
                // Up to the first record behind TLS's handshake.
                1 => {
                    let Some((mut client, mut socket)) = handshake(&bad, port) else { continue };
                    client.writer().write_all(&said).unwrap();
                    let mut record = Vec::new();
                    client.write_tls(&mut record).unwrap();
                    let _ = socket.write_all(&broken(&record, &mut numbers));
                    records += 1;
                }
                _ => {
                    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    let _ = socket.write_all(&broken(&first_flight(&bad, B).1, &mut numbers));
                }
            }
            if n % 50 == 0 {
                longest = longest.max(timed(|| good.ping(0).expect("who is connected notices nothing")));
            }
        }
        longest
    });
    let count = rounds * ROUND;
    println!(
        "{count} streams, {records} broken records, {inside} inside TLS; the other peer waited {longest:?} at most"
    );
    assert!(records > count / 40 && inside > count / 40, "{records}, {inside}");
    assert!(connect(call(port, &bad, B), Z, B).is_ok(), "who has a certificate is let in");
}

/// A peer that is let in breaks a record: its connection ends, its other half behind the gateway too, and nobody else's.
#[test]
fn a_broken_record_ends_one_connection_and_both_halves_of_it() {
    let node = Node::protected(free_port());
    let dir = keys("record", &[B, Z, Y]);
    let port = tls_gateway(&node, PATIENT, identity(&dir, B), quiet);
    let mut good = connect(call(port, &identity(&dir, Y), B), Y, B).unwrap();
    let mut numbers = Numbers(7);
    for _ in 0..200 {
        let mut bad = connect(call(port, &identity(&dir, Z), B), Z, B).expect("it is let in again");
        bad.ping(0).unwrap();
        bad.raw(&broken(
            &[23, 3, 3, 0, 40].iter().chain(&[9; 40]).copied().collect::<Vec<u8>>(),
            &mut numbers,
        ));
    }
    good.ping(0).expect("the other peer is answered");
}
