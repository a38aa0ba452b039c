//! Hostile peers in front of a gateway, with a real OTP node behind it: what kills or misuses a node that stands alone, bytes of every kind,
//! connections in numbers, sides that read nothing. `NODE_MUTATIONS` says how many frames.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;
#[path = "support/mutations.rs"]
mod mutations;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use gateway::free_port::free_port;
use gateway::handshake::{is_over, name};
use gateway::waiting::{PATIENCE, below, timed, unnoticed};
use gateway::{B, Node, Peer, RULES, Z, call, gateway, mark, otp, own, peer, peer_as};
use mutations::{Numbers, ROUND, mutate, mutations};
use portcullis::dist::control::{Target, answer};
use portcullis::dist::etf::write::{atom, pid, reference};
use portcullis::dist::etf::{Pid, Ref};
use portcullis::dist::frame::Length;
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::wire::write::Writer;

const Y: &str = "y@127.0.0.1";

/// Says to a node that a process of `evil@127.0.0.2` calls `echo`: whether the node dials that host in this time.
fn relayed(node: &Node, peer: &mut Peer, time: Duration) -> bool {
    let evil = TcpListener::bind(("127.0.0.2", node.port)).unwrap();
    evil.set_nonblocking(true).unwrap();
    peer.say(&call("evil@127.0.0.2", Z, "echo", 1, |w| w.nil()));
    let until = Instant::now() + time;
    while Instant::now() < until {
        if evil.accept().is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_call_in_the_name_of_a_third_node_makes_the_protected_one_dial_nobody() {
    let node = Node::that_dials(free_port());
    // Without the gateway it does: or this test could not fail.
    assert!(
        relayed(&node, &mut peer_as(node.port, Z, "inner").unwrap(), PATIENCE),
        "the attack works no more"
    );
    let port = gateway(node.port, "", RULES);
    let mut peer = peer(port, Z).unwrap();
    assert!(!relayed(&node, &mut peer, Duration::from_millis(1500)));
    peer.echo(Z, 2).expect("it is only the message that is denied");
}

/// A list of atoms that nobody has.
fn atoms(from: u32, n: u32, w: &mut Writer) {
    w.list(usize::try_from(n).unwrap());
    (from..from + n).for_each(|i| atom(w, &format!("never_heard_of_{i}")));
    w.nil();
}

fn atom_count(port: u16) -> usize {
    otp(port, Y, "outer", &format!("pong = net_adm:ping('{B}'), Call(echo, atoms)")).parse().unwrap()
}

#[test]
fn a_flood_of_atoms_costs_the_protected_node_its_budget_and_no_more() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "[limits]\natoms = 300\nmessage_atoms = 200", RULES);
    let before = atom_count(port);
    let mut sent = 0;
    for _ in 0..3 {
        let mut peer = peer(port, Z).unwrap();
        for _ in 0..20 {
            peer.say(&call(Z, Z, "echo", sent, |w| atoms(sent, 100, w)));
            sent += 100;
        }
        // However often it connects.
        let more = peer.hears(b"denied").is_some();
        assert!(more, "it is told");
    }
    let after = atom_count(port);
    println!("{sent} new atoms: from {before} to {after}");
    assert!(after - before <= 300 + 20, "{before} {after}");
    assert!(after - before >= 100, "the first were let through: {before} {after}");
}

/// Whoever may have one function called asks for more memory with it than there is: without the gateway that ends a node.
#[test]
fn options_of_a_process_end_no_node() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let option = |option: &str| {
        format!(
            "pong = net_adm:ping('{B}'),
             R = erlang:spawn_request('{B}', timer, sleep, [1], [{option}]),
             receive {{spawn_reply, R, ok, _}} -> made; {{spawn_reply, R, error, Why}} -> Why after 10000 -> nothing end"
        )
    };
    for harmful in ["{min_heap_size, 1 bsl 36}", "{min_bin_vheap_size, 1 bsl 40}", "{priority, max}"] {
        assert_eq!(otp(port, Z, "outer", &option(harmful)), "eperm", "{harmful}");
    }
    assert_eq!(otp(port, Z, "outer", &option("monitor, {priority, low}")), "made");
}

/// Each monitor takes memory of the protected node, so that what a peer has of them is bounded: under whatever references, and whatever ends it says.
#[test]
fn monitors_of_a_peer_are_bounded_whatever_it_says_of_them() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "[limits]\nlearned = 500", RULES);
    let many = 2000;
    for elsewhere in [false, true] {
        let mut peer = peer(port, Z).unwrap();
        let nobody = Pid { node: B, creation: peer.creation, id: 0, serial: 0 };
        for n in 1..=many {
            let under = mark(Z, if elsewhere { n } else { 1 });
            peer.say(&answer::monitor(&own(Z), &Target::Name("echo"), &under));
            if elsewhere {
                peer.say(&answer::demonitor(&own(Z), &Target::Pid(nobody), &under));
            }
        }
        // When this one is answered, all before it are heard.
        peer.say(&answer::monitor(&own(Z), &Target::Name("rex"), &mark(Z, 0x7777_7777)));
        peer.hears(b"wwww\0\0\0\x01").expect("the connection stays");
        let code = format!("pong = net_adm:ping('{B}'), Call(echo, watchers)");
        let watchers: u32 = otp(port, Y, "outer", &code).parse().unwrap();
        assert!((2..=501).contains(&watchers), "{watchers} of {many}");
        drop(peer);
        let gone = format!(
            "pong = net_adm:ping('{B}'),
             W = fun W(N) -> case Call(echo, watchers) of 1 -> 1; O when N =:= 0 -> O; _ -> timer:sleep(100), W(N - 1) end end, W(300)"
        );
        assert_eq!(otp(port, Y, "outer", &gone), "1", "they end with their connection");
    }
}

#[test]
fn names_of_strangers_never_reach_the_protected_node() {
    let node = Node::protected(free_port());
    let bounds = "[connections]\nhalf_open_per_address = 64\nfailures_per_minute = 1000000";
    let port = gateway(node.port, bounds, RULES);
    let before = atom_count(port);
    for n in 0..500 {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let hello =
            Hello { flags: Flags::OFFERED, creation: 5, name: name(&format!("stranger{n}@127.0.0.1")) };
        socket.write_all(&Length::Two.frame(&hello.write_name()).unwrap()).unwrap();
        let mut said = [0; 64];
        let n = socket.read(&mut said).unwrap();
        assert_eq!(&said[2..n], b"snot_allowed");
    }
    let after = atom_count(port);
    assert!(after - before <= 5, "{before} {after}");
}

#[test]
fn an_address_whose_handshakes_fail_is_not_listened_to_for_a_while() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "[connections]\nfailures_per_minute = 3", RULES);
    let mut held = peer(port, Z).unwrap();
    let said = |_| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let hello = Hello { flags: Flags::OFFERED, creation: 5, name: name("stranger@127.0.0.1") };
        let _ = socket.write_all(&Length::Two.frame(&hello.write_name()).unwrap());
        let mut said = [0; 64];
        socket.read(&mut said).unwrap_or(0)
    };
    let lengths: Vec<usize> = (0..6).map(said).collect();
    assert!(lengths[..3].iter().all(|n| *n > 0) && lengths[3..] == [0; 3], "{lengths:?}");
    assert!(peer(port, "y@127.0.0.1").is_none(), "it has the same address");
    // Who is connected hears nothing of it.
    assert!(held.echo(Z, 1).is_some());
}

#[test]
fn what_was_not_asked_and_what_is_of_another_start_is_not_passed_on() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let mut peer = peer(port, Z).unwrap();
    peer.say(&call(Z, Z, "echo", 1, |w| atom(w, "whoami")));
    let body = peer.hears(&[88, 119, 11]).unwrap();
    // The answer ends with the pid of `echo`: name, id, serial, creation.
    let id = u32::from_be_bytes(body[body.len() - 12..body.len() - 8].try_into().unwrap());
    let creation = peer.creation;
    let echo = Pid { node: B, creation, id, serial: 0 };
    let old = Pid { creation: creation ^ 1, ..echo };
    let (me, of_b) = (own(Z), Ref { node: B, creation, words: [9, 9, 9, 0, 0], len: 3 });
    for frame in [
        answer::unlink_ack(7, &me, &old),
        answer::unlink_ack(7, &me, &echo),
        answer::send(&me, &old, &[97, 1]),
        answer::exit(&me, &echo, "kill"),
        answer::monitor_exit(&Target::Pid(me), &echo, &of_b, "noproc"),
        answer::spawn_failed(&of_b, &echo, "eperm"),
        answer::alias_send(&me, &of_b, &[97, 1]),
        answer::send(&me, &Pid { id: id ^ 1, ..echo }, &[97, 1]),
    ] {
        peer.say(&frame);
    }
    peer.echo(Z, 2).unwrap();
    // A link that B's process never made ends nothing; a monitor of a process that was never told of has its end at once.
    peer.say(&answer::monitor(&me, &Target::Pid(Pid { id: id ^ 1, ..echo }), &mark(Z, 50)));
    assert!(peer.hears(b"noproc").is_some());
    peer.echo(Z, 3).unwrap();
}

/// `UNLINK_ID`: a process of the peer says to one of B's that they are linked no more.
fn unlink(creation: u32, id: u32) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(&[b'p', 131]);
    w.tuple(4);
    w.uint(35);
    w.uint(u64::from(id) + 1);
    pid(&mut w, &own(Z));
    pid(&mut w, &Pid { node: B, creation, id, serial: 0 });
    Length::Four.frame(w.bytes()).unwrap()
}

/// A node acknowledges each unlink, whether or not there was a link, and in the name of the process that the peer has guessed. What is guessed is not told:
/// else whoever may unlink could speak with all processes of a node, of which `rex` calls any function for who asks.
#[test]
fn who_unlinks_from_a_process_is_not_told_of_it() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let mut peer = peer(port, Z).unwrap();
    let creation = peer.creation;
    for id in 0..200 {
        peer.say(&unlink(creation, id));
    }
    let acknowledged = [112, 131, 104, 4, 97, 36];
    for _ in 0..50 {
        peer.hears(&acknowledged).expect("each is acknowledged");
    }
    peer.echo(Z, 1).unwrap();
    let (me, mut n) = (own(Z), 10);
    for id in 0..200 {
        let mut w = Writer::new();
        w.tuple(3);
        atom(&mut w, "$gen_call");
        w.tuple(2);
        pid(&mut w, &me);
        w.raw(&[108, 0, 0, 0, 1]);
        atom(&mut w, "alias");
        n += 1;
        reference(&mut w, &mark(Z, n));
        w.tuple(5);
        for word in ["call", "erlang", "list_to_binary"] {
            atom(&mut w, word);
        }
        w.raw(&[108, 0, 0, 0, 1, 107, 0, 6]);
        w.raw(b"called");
        w.nil();
        pid(&mut w, &me);
        peer.say(&answer::send(&me, &Pid { node: B, creation, id, serial: 0 }, w.bytes()));
    }
    peer.echo(Z, 2).unwrap();
    peer.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(peer.hears(b"called"), None, "a function of the node was called");
}

/// Frames of every kind that a peer sends.
fn seeds(node: &str, creation: u32) -> Vec<Vec<u8>> {
    let (me, echo, of) = (own(node), Pid { node: B, creation, id: 90, serial: 0 }, mark(node, 9));
    vec![
        call(node, node, "echo", 1, |w| w.binary(b"x")),
        call(node, node, "sink", 1, |w| w.list(0)),
        answer::monitor(&me, &Target::Name("echo"), &of),
        answer::demonitor(&me, &Target::Name("echo"), &of),
        answer::monitor(&me, &Target::Pid(echo), &of),
        answer::send(&me, &echo, &[104, 2, 97, 1, 97, 2]),
        answer::unlink_ack(3, &me, &echo),
        answer::exit(&me, &echo, "normal"),
        answer::monitor_exit(&Target::Pid(me), &echo, &of, "noproc"),
        answer::spawn_failed(&of, &echo, "eperm"),
        answer::alias_send(&me, &of, &[97, 1]),
        vec![0; 4],
    ]
}

#[test]
fn no_frame_of_a_peer_that_is_let_in_ends_the_protected_node_or_disturbs_another() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let mut good = peer(port, Y).unwrap();
    let (rounds, mut connections, mut asked) = (mutations(30_000).div_ceil(ROUND), 0, 0);
    let longest = unnoticed(rounds, Duration::from_secs(1), |round| {
        let (mut numbers, mut longest, mut bad) = (Numbers::of(round), Duration::ZERO, None);
        for n in 0..ROUND {
            let bad_peer = match &mut bad {
                Some(bad) => bad,
                None => {
                    connections += 1;
                    bad.insert(peer(port, Z).expect("it is let in again"))
                }
            };
            let seeds = seeds(Z, bad_peer.creation);
            let frame = mutate(&seeds[numbers.below(seeds.len())], &mut numbers);
            let gone = bad_peer.socket.write_all(&frame).is_err() || is_over(&bad_peer.socket);
            if gone || n % 64 == 63 {
                bad = None;
            }
            if n % 100 == 0 {
                asked += 1;
                longest = longest.max(timed(|| good.echo(Y, asked).expect("the other peer is answered")));
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
fn a_thousand_that_say_nothing_keep_nobody_out() {
    let node = Node::protected(free_port());
    let port = gateway(node.port, "", RULES);
    let silent: Vec<_> = (0..1000).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    assert_eq!(silent.len(), 1000);
    let took = below("beside a thousand", Duration::from_secs(1), || {
        timed(|| peer(port, Z).expect("it is let in").echo(Z, 1).unwrap())
    });
    println!("beside {} others: {took:?}", silent.len());
}
