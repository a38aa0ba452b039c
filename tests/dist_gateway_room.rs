//! The places in front of a gateway: the last is given once, an older connection makes room for the same node, and who may have one is what
//! the file says last.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Barrier, Mutex};

use gateway::handshake::{connected_from, initiate, name, named};
use gateway::waiting::eventually;
use gateway::{B, RULES, Z, config, gateway_of, ignore, peer, protected, text};
use portcullis::dist::config::Place;
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::dist::handshake::flags::Flags;
use portcullis::exec::gateway::dialer;
use portcullis::exec::node::words::Told;
use portcullis::sys::handover;

const Y: &str = "y@127.0.0.1";

/// The dialer calls for one after the other, and who has waited for it comes when the last place was taken by who came before him.
#[test]
fn the_last_place_is_given_once_and_who_finds_none_has_not_failed() {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let limits = "[connections]\nnodes = 1\nfailures_per_minute = 1";
    let port = gateway_of(config(protected(ignore), limits, RULES), "outer", None, |line| {
        SAID.lock().unwrap().push(line.to_owned());
    });
    let (both, up) = (Arc::new(Barrier::new(2)), Arc::new(Mutex::new(Vec::new())));
    let come = |who: &'static str| {
        let (both, up) = (both.clone(), up.clone());
        std::thread::spawn(move || {
            both.wait();
            let peer = peer(port, who);
            up.lock().unwrap().extend(peer.map(|peer| (who, peer)));
        })
    };
    [come(Y), come(Z)].into_iter().for_each(|thread| thread.join().unwrap());
    let mut up = std::mem::take(&mut *up.lock().unwrap());
    assert_eq!(up.len(), 1, "there is room for one");
    let (first, connection) = up.pop().unwrap();
    let other = if first == Y { Z } else { Y };
    // Had one of these been a failure, who comes from this address would not be listened to any more.
    for _ in 0..3 {
        assert!(peer(port, other).is_none());
    }
    let told = || SAID.lock().unwrap().iter().filter(|line| line.contains("connections.nodes")).count();
    eventually("each is told of", || told() == 4);
    drop(connection);
    eventually("its place is free when it has gone", || peer(port, other).is_some());
}

#[test]
fn an_older_connection_of_the_same_node_is_over_and_that_is_told() {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let port = gateway_of(config(protected(ignore), "", RULES), "outer", None, |line| {
        SAID.lock().unwrap().push(line.to_owned());
    });
    let mut old = peer(port, Z).unwrap();
    let _new = peer(port, Z).unwrap();
    assert_eq!(old.hears(b"anything"), None, "it is closed");
    let lines: Vec<String> = SAID.lock().unwrap().clone();
    let again = format!("{Z}: it has connected again; what was left of its older connection is over");
    assert_eq!(lines, [format!("{Z}: connected"), again, format!("{Z}: connected")]);
}

/// As in front of a node.
#[test]
fn who_comes_from_where_a_node_came_from_is_pushed_out_last() {
    let port = gateway_of(config(protected(ignore), "", RULES), "outer", None, |_| {});
    let mut before = connected_from([127, 3, 2, 1], port, None);
    assert!(initiate(&mut before, Z, B, "outer").is_some());
    let mut good = connected_from([127, 3, 2, 1], port, None);
    let silent: Vec<_> = (1..=200).map(|n| connected_from([127, 3, 0, n], port, None)).collect();
    let mut last = connected_from([127, 3, 2, 2], port, None);
    assert!(named(&mut last, Y, B, "outer").is_some(), "all of them were taken in");
    assert!(initiate(&mut good, Z, B, "outer").is_some(), "it was pushed out");
    drop((before, silent));
}

/// What the dialer says to a question for a connection of Z, with a protected node there.
fn asked(place: Place, allow: &[&str], files: &[&str]) -> (Vec<u8>, bool) {
    let ((asks, answers), (file, learns)) = (handover::messages().unwrap(), handover::messages().unwrap());
    let callee = dialer::Callee {
        name: name(B),
        cookie: Cookie::parse(b"inner").unwrap(),
        place,
        allow: allow.iter().map(|&name| name.to_owned()).collect(),
    };
    for text in files {
        handover::send(file.as_fd(), &Told::Policy(text.as_bytes()).write(), None).unwrap();
    }
    let question = [&b"c"[..], &Flags::OFFERED.0.to_be_bytes(), &5_u32.to_be_bytes(), Z.as_bytes()].concat();
    handover::send(asks.as_fd(), &question, None).unwrap();
    std::thread::spawn(move || dialer::serve(&answers, &learns, callee));
    let mut answer = [0; 512];
    let (length, socket) = handover::receive(asks.as_fd(), &mut answer).unwrap();
    (answer[..length].to_vec(), socket.is_some())
}

/// The gateway knows the file before the dialer does, and asks at once for whom it lets in.
#[test]
fn the_dialer_reads_every_file_that_has_come_before_it_is_asked() {
    let node = protected(ignore);
    let allowing = text(node, "", RULES);
    let nobody = allowing.replace(&format!("nodes = [\"{Z}\", \"{Y}\"]"), "nodes = []");
    assert_ne!(nobody, allowing);
    let place = Place::At(([127, 0, 0, 1], node).into());
    let (answer, socket) = asked(place, &[], &[&nobody, &nobody, &allowing]);
    assert!(answer[0] == 0 && socket, "{}", String::from_utf8_lossy(&answer));
}

/// What docs/distribution.md says of `epmd` behind a gateway: the handshake proves the cookie to whoever passes it on.
#[test]
fn a_port_mapper_that_lies_gets_the_connection() {
    let node = protected(ignore);
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = between.local_addr().unwrap().port();
    let mapper = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = mapper.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut asked, _) = mapper.accept().unwrap();
        assert!(asked.read(&mut [0; 64]).unwrap() > 0);
        asked.write_all(&[&[119, 0][..], &port.to_be_bytes()].concat()).unwrap();
    });
    std::thread::spawn(move || {
        let (gateway, _) = between.accept().unwrap();
        let node = TcpStream::connect(("127.0.0.1", node)).unwrap();
        for (mut from, mut to) in [(gateway.try_clone().unwrap(), node.try_clone().unwrap()), (node, gateway)]
        {
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    let (answer, socket) = asked(Place::Epmd(at), &[Z], &[]);
    assert!(answer[0] == 0 && socket, "{}", String::from_utf8_lossy(&answer));
}
