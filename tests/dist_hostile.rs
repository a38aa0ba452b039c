//! Hostile peers of a node: bytes before they have said who they are and after, connections in numbers. The node lives, and others notice
//! nothing. `NODE_MUTATIONS` says how many frames; without it as many as take some seconds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/handshake.rs"]
mod handshake;
#[path = "support/mutations.rs"]
mod mutations;
#[path = "support/node.rs"]
mod node;
#[path = "support/waiting.rs"]
mod waiting;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

use handshake::{is_over, name};
use mutations::{Numbers, ROUND, mutate, mutations};
use node::NODE;
use portcullis::dist::control::{Target, answer};
use portcullis::dist::etf::write as etf;
use portcullis::dist::etf::{Pid, Ref};
use portcullis::dist::frame::{Frames, Input, Length};
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::wire::write::Writer;
use waiting::{below, timed, unnoticed};

const GOOD: &str = "good@127.0.0.1";
const BAD: &str = "bad@127.0.0.1";

/// A node without programs: the port. All come from one address, and what each says is to be read.
fn node() -> u16 {
    node_with("failures_per_minute = 1000000", |_| {})
}

fn node_with(connections: &str, report: fn(&str)) -> u16 {
    let rules = format!(
        r#"[allow]
nodes = ["{GOOD}", "{BAD}"]
[connections]
{connections}
[default.in]
ping = "accept"
default = "accept"
"#
    );
    node::alone(node::config(&rules), None, report)
}

/// A peer that has proved who it is; nothing, if it was not let in.
fn peer(port: u16, who: &str) -> Option<Peer> {
    let mut socket = handshake::connected(port)?;
    let (frames, _) = handshake::initiate(&mut socket, who, NODE, "secret")?;
    Some(Peer { socket, frames, who: who.to_owned() })
}

struct Peer {
    socket: TcpStream,
    frames: Frames,
    who: String,
}

impl Peer {
    fn pid(&self, id: u32) -> Pid<'_> {
        Pid { node: &self.who, creation: 5, id, serial: 0 }
    }

    /// Pings, and waits for the answer.
    fn ping(&mut self) -> Option<()> {
        let frame = self.ping_frame(7);
        self.socket.write_all(&frame).ok()?;
        loop {
            match self.frames.next().ok()? {
                // The answer to a ping holds the word; ticks and others do not.
                Some(Input::Frame(body)) if body.windows(3).any(|word| word == b"yes") => return Some(()),
                Some(_) => {}
                None => match self.socket.read(self.frames.space()) {
                    Ok(n) if n > 0 => self.frames.filled(n),
                    _ => return None,
                },
            }
        }
    }

    fn ping_frame(&self, n: u32) -> Vec<u8> {
        self.call_frame(n, "net_kernel", |w| {
            w.raw(&[104, 2, 119, 7]);
            w.raw(b"is_auth");
            portcullis::dist::etf::write::atom(w, &self.who);
        })
    }

    /// A verb of `portcullis_dist`.
    fn verb_frame(&self) -> Vec<u8> {
        let words = ["dist", "add_filter", &self.who, "in", "reg_send", "x", "deny"];
        self.call_frame(3, "portcullis", |w| {
            w.tuple(words.len());
            words.iter().for_each(|word| portcullis::dist::etf::write::atom(w, word));
        })
    }

    fn call_frame(
        &self,
        n: u32,
        to: &str,
        request: impl FnOnce(&mut portcullis::wire::write::Writer),
    ) -> Vec<u8> {
        let mut term = vec![104, 3, 119, 9];
        term.extend(b"$gen_call");
        term.extend([104, 2]);
        let (mut w, pid) = (portcullis::wire::write::Writer::new(), self.pid(80));
        portcullis::dist::etf::write::pid(&mut w, &pid);
        w.raw(&[108, 0, 0, 0, 1, 119, 5]);
        w.raw(b"alias");
        let tag = Ref { node: &self.who, creation: 5, words: [n, 1, 2, 0, 0], len: 3 };
        portcullis::dist::etf::write::reference(&mut w, &tag);
        request(&mut w);
        term.extend(w.bytes());
        answer::reg_send(&pid, to, &term)
    }

    /// What is said to `portcullis` without the client: a call of an operation, one of several nodes, a subscription and its end, casts.
    fn direct(&self) -> Vec<Vec<u8>> {
        let pid = self.pid(80);
        let term = |write: &dyn Fn(&mut Writer)| {
            let mut w = Writer::new();
            write(&mut w);
            w
        };
        let request = |op: &str, args: &[u8], options: bool| {
            term(&|w| {
                w.tuple(if options { 3 } else { 2 });
                etf::atom(w, op);
                w.raw(args);
                if options {
                    w.raw(b"\x74\0\0\0\x02\x77\x07timeout\x61\x09\x77\x04role\x77\x03net");
                }
            })
        };
        let tag = Ref { node: &self.who, creation: 5, words: [3, 1, 2, 0, 0], len: 3 };
        let call = |several: bool, request: &Writer| {
            let w = term(&|w| {
                w.tuple(3);
                etf::atom(w, "$gen_call");
                w.tuple(2);
                etf::pid(w, &pid);
                if several {
                    w.tuple(2);
                } else {
                    w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
                }
                etf::reference(w, &tag);
                if several {
                    etf::atom(w, NODE);
                }
                w.raw(request.bytes());
            });
            answer::reg_send(&pid, "portcullis", w.bytes())
        };
        let cast = |request: &Writer| {
            let w = term(&|w| {
                w.tuple(2);
                etf::atom(w, "$gen_cast");
                w.raw(request.bytes());
            });
            answer::reg_send(&pid, "portcullis", w.bytes())
        };
        let handle = Ref { node: NODE, creation: 77, words: [1, 1, 0, 0, 0], len: 3 };
        let end = term(&|w| {
            w.tuple(2);
            etf::atom(w, "unsubscribe");
            etf::reference(w, &handle);
        });
        let processes =
            request("processes", b"\x74\0\0\0\x01\x77\x07columns\x6c\0\0\0\x01\x77\x03pid\x6a", true);
        let subscribe = request("subscribe", b"\x74\0\0\0\x01\x77\x05topic\x77\x05audit", false);
        let ban =
            request("ban", b"\x74\0\0\0\x01\x77\x07address\x68\x04\x61\x01\x61\x01\x61\x01\x61\x01", false);
        vec![
            call(false, &processes),
            call(true, &processes),
            call(false, &subscribe),
            call(false, &end),
            cast(&ban),
            cast(&end),
        ]
    }

    /// Frames of every kind that a peer sends.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let pid = self.pid(80);
        let own = Pid { node: NODE, creation: 77, id: 16, serial: 0 };
        let mut seeds = self.direct();
        let mark = Ref { node: &self.who, creation: 5, words: [9, 1, 2, 0, 0], len: 3 };
        seeds.extend([
            self.ping_frame(1),
            self.verb_frame(),
            answer::monitor(&pid, &Target::Name("portcullis"), &mark),
            answer::demonitor(&pid, &Target::Name("portcullis"), &mark),
            answer::monitor(&pid, &Target::Pid(own), &mark),
            answer::send(&pid, &own, &[104, 2, 97, 1, 97, 2]),
            answer::unlink_ack(3, &pid, &own),
            answer::exit(&pid, &own, "normal"),
            answer::monitor_exit(&Target::Pid(pid), &own, &mark, "noproc"),
            answer::spawn_failed(&mark, &own, "eperm"),
            answer::alias_send(&pid, &mark, &[97, 1]),
            vec![0; 4],
        ]);
        seeds
    }
}

#[test]
fn no_frame_of_a_peer_that_is_let_in_ends_the_node_or_disturbs_another() {
    let port = node();
    let mut good = peer(port, GOOD).unwrap();
    let (rounds, mut connections) = (mutations(30_000).div_ceil(ROUND), 0);
    let longest = unnoticed(rounds, Duration::from_secs(1), |round| {
        let (mut numbers, mut longest) = (Numbers::of(round), Duration::ZERO);
        let mut bad: Option<Peer> = None;
        for n in 0..ROUND {
            let peer = match &mut bad {
                Some(peer) => peer,
                None => {
                    connections += 1;
                    bad.insert(peer(port, BAD).expect("it is let in again"))
                }
            };
            let seeds = peer.seeds();
            let frame = mutate(&seeds[numbers.below(seeds.len())], &mut numbers);
            let gone = peer.socket.write_all(&frame).is_err() || is_over(&peer.socket);
            // A frame that was announced longer than it is waits for ever: another connection takes its place.
            if gone || n % 64 == 63 {
                bad = None;
            }
            if n % 100 == 0 {
                longest = longest.max(timed(|| good.ping().expect("the other peer is answered")));
            }
        }
        longest
    });
    println!(
        "{} frames, {connections} connections; the other peer waited {longest:?} at most",
        rounds * ROUND
    );
}

#[test]
fn no_bytes_of_a_stranger_end_the_node() {
    let port = node();
    let mut good = peer(port, GOOD).unwrap();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let own = Hello { flags: Flags::OFFERED, creation: 5, name: name(BAD) };
    let seeds = [Length::Two.frame(&own.write_name()).unwrap(), vec![0, 3, b's', b'o', b'k'], vec![0, 0]];
    let count = mutations(30_000) / 10;
    for n in 0..count {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let frame = mutate(&seeds[numbers.below(seeds.len())], &mut numbers);
        let _ = socket.write_all(&frame);
        if n % 100 == 0 {
            good.ping().expect("who is connected notices nothing");
        }
    }
    good.ping().unwrap();
    assert!(peer(port, BAD).is_some(), "who knows the cookie is let in");
}

#[test]
fn a_thousand_that_say_nothing_keep_nobody_out() {
    let port = node();
    let silent: Vec<_> = (0..1000).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    assert_eq!(silent.len(), 1000);
    let took = below("beside a thousand", Duration::from_secs(1), || {
        timed(|| peer(port, GOOD).expect("it is let in").ping().unwrap())
    });
    println!("beside {} others: {took:?}", silent.len());
}

/// What the node says; one test of this file writes to it.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether there is room was asked when a name was said, and as many as could say one at a time came in.
#[test]
fn two_that_say_who_they_are_at_once_do_not_share_the_last_place() {
    let port =
        node_with("nodes = 1\nfailures_per_minute = 1", |line| SAID.lock().unwrap().push(line.to_owned()));
    let half = |who: &str| {
        let mut socket = handshake::connected(port).unwrap();
        let initiator = handshake::named(&mut socket, who, NODE, "secret").unwrap();
        (socket, initiator)
    };
    let ((mut first, good), (mut second, bad)) = (half(GOOD), half(BAD));
    let (frames, _) = handshake::proved(&mut first, good).expect("there is room");
    let mut good = Peer { socket: first, frames, who: GOOD.to_owned() };
    good.ping().unwrap();
    if let Some((frames, _)) = handshake::proved(&mut second, bad) {
        let mut bad = Peer { socket: second, frames, who: BAD.to_owned() };
        assert_eq!(bad.ping(), None, "there is room for one");
    }
    good.ping().expect("who was there first stays");
    // Who comes now hears it at once, and so does the administrator.
    for _ in 0..3 {
        assert!(peer(port, BAD).is_none());
    }
    let told = || SAID.lock().unwrap().iter().filter(|line| line.contains("connections.nodes")).count();
    waiting::eventually("each is told of", || told() == 4);
    // The same node comes anew, from the address of those for whom there was no place: that is no failure of theirs.
    peer(port, GOOD).expect("its place is its own").ping().unwrap();
    let again = |line: &String| line.starts_with(GOOD) && line.contains("it has connected again");
    waiting::eventually("the end of its older connection is told", || SAID.lock().unwrap().iter().any(again));
}

/// Of several nodes of a host, the administrator would have to guess which it was.
#[test]
fn who_is_refused_is_named_in_the_log() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let port = node_with("failures_per_minute = 1000000", |line| LINES.lock().unwrap().push(line.to_owned()));
    assert!(peer(port, "web-2@127.0.0.1").is_none());
    let line = "127.0.0.1, which calls itself web-2@127.0.0.1: the node is not in the allow-list";
    waiting::eventually("its name is told", || LINES.lock().unwrap().iter().any(|said| said == line));
    // What is no name of a node is not repeated.
    let mut socket = handshake::connected(port).unwrap();
    let hello = Hello { flags: Flags::OFFERED, creation: 5, name: name("x@127.0.0.1") };
    let frame = Length::Two.frame(&hello.write_name()).unwrap();
    let escape: Vec<u8> = frame.iter().map(|b| if *b == b'x' { 0x1b } else { *b }).collect();
    socket.write_all(&escape).unwrap();
    let nameless = "127.0.0.1: the name of the node is not ";
    waiting::eventually("it is told", || LINES.lock().unwrap().iter().any(|said| said.starts_with(nameless)));
    assert!(!LINES.lock().unwrap().iter().any(|said| said.contains('\u{1b}')));
}
