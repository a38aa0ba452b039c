//! Peers that want in, or want the node dead: certificates, bytes and connections. `NODE_MUTATIONS` says how many streams; without it as many
//! as take some seconds.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portcullis::dist::frame::{Frames, Length};
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::exec::stream::tls::Identity;
use portcullis::exec::stream::{Stop, Trouble};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::ClientConnection;

use crate::flights::{broken, first_flight, in_drops};
use crate::mutations::{Numbers, ROUND, mutations};
use crate::node::NODE;
use crate::support::{Authority, BAD, GOOD, call, connect, identity, keys, name, next, node, now, say};
use crate::waiting::{below, eventually, timed, unnoticed};

fn trusting(ca: &Authority, certificate: &(String, String), node: &str, now: u64) -> Identity {
    let (certificate, key) = certificate;
    Identity::new(certificate.as_bytes(), key.as_bytes(), ca.pem().as_bytes(), &name(node), now).unwrap()
}

const DAY: u64 = 86_400;

/// What the node says; one test of this file writes to it.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn a_certificate_is_only_as_good_as_each_part_of_it() {
    let (ca, both) = (Authority::new("one"), [ClientAuth, ServerAuth]);
    let own = trusting(&ca, &ca.sign(&[NODE], (-1, 1), &both), NODE, now());
    let port = node(own, &[GOOD], |text| SAID.lock().unwrap().push(text.to_owned()));
    let enters = |identity: &Identity| connect(call(port, identity, NODE), GOOD, NODE).map(drop);
    assert_eq!(enters(&trusting(&ca, &ca.sign(&[GOOD], (-1, 1), &both), GOOD, now())), Ok(()));
    let client = trusting(&ca, &ca.sign(&[GOOD], (-1, 1), &[ClientAuth]), GOOD, now());
    assert_eq!(enters(&client), Ok(()), "it only calls");
    for (why, days, purposes, time, word) in [
        ("it has run out", (-3, -2), &both[..], now() - 2 * DAY - 60, "has run out"),
        ("it does not hold yet", (2, 3), &both, now() + 2 * DAY + 60, "does not hold yet"),
        ("it is a server's", (-1, 1), &[ServerAuth], now(), "is not made for this"),
    ] {
        let stop = enters(&trusting(&ca, &ca.sign(&[GOOD], days, purposes), GOOD, time)).unwrap_err();
        assert!(matches!(stop, Stop::Closed | Stop::Tls(Trouble::Alert(_))), "{why}: {stop:?}");
        let said = || SAID.lock().unwrap().iter().any(|line| line.contains(word));
        eventually(&format!("{why} and that is said"), said);
    }
}

/// Each step of the way to an authority reads all of them again: nine of one name and many of another took three seconds, in which nobody
/// was served.
#[test]
fn a_long_way_to_an_authority_is_not_gone() {
    let (ca, both) = (Authority::new("one"), [ClientAuth, ServerAuth]);
    let port = node(trusting(&ca, &ca.sign(&[NODE], (-1, 1), &both), NODE, now()), &[GOOD], |_| {});
    let enters = |identity: &Identity| connect(call(port, identity, NODE), GOOD, NODE).map(drop);
    let others = Authority::new("others").pem();
    let (leaf, key) = ca.sign(&[GOOD], (-1, 1), &both);
    for (more, expected) in [(4, true), (5, false)] {
        let chain = format!("{leaf}{}", others.repeat(more));
        assert_eq!(enters(&trusting(&ca, &(chain, key.clone()), GOOD, now())).is_ok(), expected, "{more}");
    }
    let forgers: Vec<Authority> = (0..9).map(|_| Authority::new("two")).collect();
    let (leaf, key) = forgers[0].sign(&[GOOD], (-1, 1), &both);
    let ways: String = forgers.iter().map(Authority::pem).collect();
    let forged = trusting(&ca, &(format!("{leaf}{}{ways}", others.repeat(120)), key), GOOD, now());
    below("a forged way", Duration::from_millis(200), || {
        let before = Instant::now();
        assert!(enters(&forged).is_err());
        before.elapsed()
    });
}

#[test]
fn the_name_that_is_said_is_the_one_that_is_certified_letter_for_letter() {
    let (ca, both) = (Authority::new("one"), [ClientAuth, ServerAuth]);
    let port = node(trusting(&ca, &ca.sign(&[NODE], (-1, 1), &both), NODE, now()), &[GOOD, BAD], |_| {});
    for names in [
        &["127.0.0.1"][..],
        &[BAD],
        &["GOOD@127.0.0.1"],
        &["*@127.0.0.1"],
        &["good@*"],
        &["good@127.0.0.1."],
        &["xgood@127.0.0.1"],
        &["good@127.0.0.1\0"],
        &["good@127.0.0.1 "],
        &["good", "127.0.0.1", "@"],
    ] {
        // What the peer says of itself must not be what makes it right.
        let own = [names, &["own@h"]].concat();
        let identity = trusting(&ca, &ca.sign(&own, (-1, 1), &both), "own@h", now());
        let mut stream = call(port, &identity, NODE);
        let hello = Hello { flags: Flags::OFFERED, creation: 5, name: name(GOOD) };
        say(&mut stream, &Length::Four.frame(&hello.write_name()).unwrap()).unwrap();
        let mut frames = Frames::handshake(Length::Four);
        assert_eq!(next(&mut stream, &mut frames).unwrap(), b"snot_allowed", "{names:?}");
        assert_eq!(next(&mut stream, &mut frames), Err(Stop::Closed), "{names:?}: and no challenge");
    }
    let several = trusting(&ca, &ca.sign(&["other@h", GOOD], (-1, 1), &both), GOOD, now());
    assert!(connect(call(port, &several, NODE), GOOD, NODE).is_ok());
    assert!(connect(call(port, &several, NODE), "other@h", NODE).is_err(), "certified, but not allowed");
}

/// The end that calls believes nobody else than whom it calls.
#[test]
fn a_caller_speaks_with_the_node_that_it_means_or_with_none() {
    let (ca, stranger, both) = (Authority::new("one"), Authority::new("one"), [ClientAuth, ServerAuth]);
    let caller = trusting(&ca, &ca.sign(&[GOOD], (-1, 1), &both), GOOD, now());
    let port = node(trusting(&ca, &ca.sign(&[NODE], (-1, 1), &both), NODE, now()), &[GOOD], |_| {});
    assert!(connect(call(port, &caller, NODE), GOOD, NODE).is_ok());
    let other = connect(call(port, &caller, "b@127.0.0.1"), GOOD, "b@127.0.0.1").map(drop);
    assert_eq!(other, Err(Stop::Tls(Trouble::OtherNode)));
    let false_ca = trusting(&stranger, &stranger.sign(&[NODE], (-1, 1), &both), NODE, now());
    let port = node(false_ca, &[GOOD], |_| {});
    assert_eq!(connect(call(port, &caller, NODE), GOOD, NODE).map(drop), Err(Stop::Tls(Trouble::Authority)));
    let client_only = trusting(&ca, &ca.sign(&[NODE], (-1, 1), &[ClientAuth]), NODE, now());
    let port = node(client_only, &[GOOD], |_| {});
    assert_eq!(connect(call(port, &caller, NODE), GOOD, NODE).map(drop), Err(Stop::Tls(Trouble::Purpose)));
}

#[test]
fn long_messages_and_many_come_whole() {
    let dir = keys("long", &[NODE, GOOD]);
    let port = node(identity(&dir, NODE), &[GOOD], |_| {});
    let mut peer = connect(call(port, &identity(&dir, GOOD), NODE), GOOD, NODE).unwrap();
    for bytes in [0, 1, 16_384, 16_385, 65_536, 5_000_000] {
        peer.ping(bytes).unwrap_or_else(|| panic!("{bytes}"));
    }
    for _ in 0..1000 {
        peer.ping(0).unwrap();
    }
}

#[test]
fn a_thousand_that_say_nothing_keep_nobody_out() {
    let dir = keys("silent", &[NODE, GOOD]);
    let port = node(identity(&dir, NODE), &[GOOD], |_| {});
    let identity = identity(&dir, GOOD);
    // Every other one has begun to speak, so that the node has signed something for it.
    let silent = |n: usize| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
        (n % 2 == 0 || socket.write_all(&first_flight(&identity, NODE).1).is_ok()).then_some(socket)
    };
    let silent: Vec<_> = (0..1000).filter_map(silent).collect();
    assert!(silent.len() > 900, "{}", silent.len());
    let took = below("beside a thousand", Duration::from_secs(1), || {
        let good = || connect(call(port, &identity, NODE), GOOD, NODE).expect("it is let in");
        timed(|| good().ping(0).unwrap())
    });
    println!("beside {} others: {took:?}", silent.len());
}

/// One deadline for TLS and for what follows: a byte now and then does not prolong it.
#[test]
fn a_handshake_of_drops_is_over_in_time() {
    let dir = keys("drops", &[NODE, GOOD]);
    let port = node(identity(&dir, NODE), &[GOOD], |_| {});
    let hello = first_flight(&identity(&dir, GOOD), NODE).1;
    // All of these bytes would take twenty seconds.
    let pause = Duration::from_millis(100);
    let took = below("the end of it", Duration::from_secs(8), || {
        in_drops(port, hello.iter().cycle().take(200), pause)
    });
    assert!(took > Duration::from_secs(3), "{took:?}");
}

/// What it says next: its certificate, the signature, and the end of TLS's handshake.
fn second_flight(mut client: ClientConnection, socket: &mut TcpStream) -> Option<Vec<u8>> {
    while !client.wants_write() || client.wants_read() && client.is_handshaking() {
        if client.read_tls(socket).ok()? == 0 || client.process_new_packets().is_err() {
            return None;
        }
        if client.wants_write() {
            break;
        }
    }
    let mut flight = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut flight).ok()?;
    }
    Some(flight)
}

#[test]
fn no_bytes_of_a_stranger_end_the_node_or_disturb_another() {
    let dir = keys("mutations", &[NODE, GOOD, BAD]);
    let port = node(identity(&dir, NODE), &[GOOD, BAD], |_| {});
    let (right, bad) = (identity(&dir, GOOD), identity(&dir, BAD));
    let mut good = connect(call(port, &right, NODE), GOOD, NODE).unwrap();
    let (rounds, mut second, mut inside) = (mutations(3000).div_ceil(ROUND), 0, 0);
    let hello = Hello { flags: Flags::OFFERED, creation: 5, name: name(BAD) };
    let said = Length::Four.frame(&hello.write_name()).unwrap();
    let longest = unnoticed(rounds, Duration::from_secs(1), |round| {
        let (mut numbers, mut longest) = (Numbers::of(round), Duration::ZERO);
        for n in 0..ROUND {
            match n % 20 {
                // Up to the first message between nodes, all is right.
                0 => {
                    let mut stream = call(port, &bad, NODE);
                    let _ = say(&mut stream, &broken(&said, &mut numbers));
                    inside += 1;
                }
                1 => {
                    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    let (client, first) = first_flight(&bad, NODE);
                    socket.write_all(&first).unwrap();
                    if let Some(flight) = second_flight(client, &mut socket) {
                        let _ = socket.write_all(&broken(&flight, &mut numbers));
                        second += 1;
                    }
                }
                _ => {
                    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    let _ = socket.write_all(&broken(&first_flight(&bad, NODE).1, &mut numbers));
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
        "{count} streams, {second} behind the first answer, {inside} inside TLS; the other peer waited {longest:?} at most"
    );
    assert!(second > count / 40 && inside > count / 40, "{second}, {inside}");
    assert!(connect(call(port, &bad, NODE), BAD, NODE).is_ok(), "who has a certificate is let in");
}
