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

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use counting::HELD;
use handshake::{connected, connected_from, named, proved};
use node::NODE;
use portcullis::dist::control::{self, Control, Target, answer};
use portcullis::dist::etf::{Pid, Ref, write};
use portcullis::dist::frame::{Frames, Input};
use portcullis::exec::node::words::Told;
use portcullis::sys::handover;
use portcullis::wire::write::Writer;

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

/// Says it until the node does not listen any more. One that has not said anything `yet` has not had its turn on the processor.
fn say_without_reading(peers: &mut [(TcpStream, String, Vec<u8>)], yet: impl Fn() -> bool) {
    let (mut round, began, mut moved) = (0, Instant::now(), Instant::now());
    while moved.elapsed() < Duration::from_millis(700)
        || (!yet() && began.elapsed() < Duration::from_secs(30))
    {
        round += 1;
        if moved.elapsed() > Duration::from_millis(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
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

/// In a process of its own: the nodes of other tests give memory back when they find that nobody is there any more.
#[test]
fn answers_that_nobody_reads_have_one_bound_for_all() {
    let _turn = turn();
    let own = std::env::current_exe().unwrap();
    let name = "in_a_process_of_its_own_answers_that_nobody_reads_have_one_bound_for_all";
    let run =
        std::process::Command::new(own).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
#[ignore = "the other test of this file starts it"]
fn in_a_process_of_its_own_answers_that_nobody_reads_have_one_bound_for_all() {
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
    let grown = || HELD.load(Ordering::Relaxed).saturating_sub(before) / (1024 * 1024);
    say_without_reading(&mut peers, || grown() > 8);
    let grown = grown();
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

/// As many calls as one read brings, each of which has a long answer.
fn many_questions(who: &str) -> Vec<u8> {
    let pid = Pid { node: who, creation: 5, id: 80, serial: 0 };
    let call = |n: u32, request: &dyn Fn(&mut Writer)| {
        let mark = Ref { node: who, creation: 5, words: [n, 1, 2, 0, 0], len: 3 };
        let mut w = Writer::new();
        w.tuple(3);
        write::atom(&mut w, "$gen_call");
        w.tuple(2);
        write::pid(&mut w, &pid);
        write::reference(&mut w, &mark);
        w.tuple(3);
        write::atom(&mut w, "dist");
        request(&mut w);
        answer::reg_send(&pid, "portcullis", w.bytes())
    };
    let counters = |w: &mut Writer| {
        write::atom(w, "counters");
        write::atom(w, who);
    };
    (0..400).flat_map(|n| call(n, &counters)).collect()
}

/// Milliseconds until one more is let in, while so many ask all of it at once: the least of some tries.
fn let_in_beside_questions(port: u16, peers: &mut [(TcpStream, String)]) -> u128 {
    let once = |_| {
        let mut good = connected(port).unwrap();
        for (socket, who) in &mut *peers {
            socket.write_all(&many_questions(who)).unwrap();
        }
        let begun = Instant::now();
        assert!(handshake::initiate(&mut good, GOOD, NODE, "secret").is_some());
        let took = begun.elapsed().as_millis();
        for (socket, _) in &mut *peers {
            let mut answers = 0;
            while answers < 400 {
                let mut length = [0; 4];
                socket.read_exact(&mut length).unwrap();
                let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
                socket.read_exact(&mut body).unwrap();
                answers += usize::from(!body.is_empty());
            }
        }
        took
    };
    (0..3).map(once).min().unwrap()
}

/// What one has said is heard for a while, then what others have, and then more of it: all of it in the end.
#[test]
fn those_with_many_questions_take_turns_with_others_between() {
    let _turn = turn();
    let names: Vec<String> = (0..40).map(|n| format!("p{n}@127.0.0.1")).collect();
    let more = "reg_send = { accept = [\"portcullis\"] }\n";
    let rules = rules(&[&names[..], &[GOOD.to_owned()]].concat(), "") + more;
    let port = node::alone(node::config(&rules), None, |_| {});
    let mut peers: Vec<_> = names
        .into_iter()
        .map(|who| {
            let mut socket = connected(port).unwrap();
            handshake::initiate(&mut socket, &who, NODE, "secret").expect("let in");
            (socket, who)
        })
        .collect();
    let one = let_in_beside_questions(port, &mut peers[..1]).max(1);
    let all = let_in_beside_questions(port, &mut peers);
    println!("beside one {one} ms, beside all {all} ms");
    assert!(all < 1500, "beside one {one} ms, beside all {all} ms");
}

/// A peer that opens sessions.
struct Guest {
    socket: TcpStream,
    frames: Frames,
    who: String,
}

impl Guest {
    fn connect(port: u16, who: &str) -> Self {
        let mut socket = connected(port).unwrap();
        let (frames, _) = handshake::initiate(&mut socket, who, NODE, "secret").expect("let in");
        Self { socket, frames, who: who.to_owned() }
    }

    /// The answer to a call for one.
    fn open(&mut self) -> String {
        let pid = Pid { node: &self.who, creation: 5, id: 80, serial: 0 };
        let mark = Ref { node: &self.who, creation: 5, words: [9, 1, 2, 0, 0], len: 3 };
        let mut w = Writer::new();
        w.tuple(3);
        write::atom(&mut w, "$gen_call");
        w.tuple(2);
        write::pid(&mut w, &pid);
        w.raw(&[108, 0, 0, 0, 1]);
        write::atom(&mut w, "alias");
        write::reference(&mut w, &mark);
        w.tuple(2);
        write::atom(&mut w, "open");
        write::atom(&mut w, "proc");
        self.socket.write_all(&answer::reg_send(&pid, "portcullis", w.bytes())).unwrap();
        loop {
            match self.frames.next().unwrap() {
                Some(Input::Frame(body)) => {
                    let message = control::read(body).unwrap();
                    if let Control::AliasSend { .. } = message.control {
                        return String::from_utf8_lossy(message.payload.unwrap()).into_owned();
                    }
                }
                Some(_) => {}
                None => {
                    let n = self.socket.read(self.frames.space()).unwrap();
                    assert!(n > 0, "it is connected no more");
                    self.frames.filled(n);
                }
            }
        }
    }
}

/// A starter whose copies say nothing.
fn copies_that_say_nothing() -> OwnedFd {
    let (mine, its) = handover::messages().unwrap();
    std::thread::spawn(move || {
        let (mut asked, mut copies) = ([0; 512], Vec::new());
        while handover::receive_bytes(its.as_fd(), &mut asked).is_ok_and(|length| length > 0) {
            let (given, copy) = handover::stream().unwrap();
            handover::send(its.as_fd(), &Told::Started.write(), Some(given.as_fd())).unwrap();
            copies.push(copy);
        }
    });
    mine
}

/// Four peers have all the sessions that there may be, and keep them.
#[test]
fn who_has_no_session_gets_one_though_all_are_taken() {
    let _turn = turn();
    let names: Vec<String> = (0..4).map(|n| format!("p{n}@127.0.0.1")).collect();
    let more = "reg_send = { accept = [\"portcullis\"] }\n";
    let rules = rules(&[&names[..], &[GOOD.to_owned()]].concat(), "") + more;
    let port = node::serving(node::config(&rules), None, copies_that_say_nothing(), |_| {});
    let mut peers: Vec<_> = names.iter().map(|who| Guest::connect(port, who)).collect();
    let opened: usize =
        peers.iter_mut().map(|peer| (0..16).filter(|_| !peer.open().contains("error")).count()).sum();
    assert_eq!(opened, 64);
    let mut good = Guest::connect(port, GOOD);
    let first = good.open();
    assert!(!first.contains("error"), "{first}");
    // And no more than that: what is left is of those who have it.
    assert!(good.open().contains("there are 64 sessions"));
    let others: Vec<String> = peers.iter_mut().map(Guest::open).collect();
    assert!(others.iter().all(|answer| answer.contains("sessions: close one")), "{others:?}");
}
