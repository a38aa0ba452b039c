//! Attacks on unmodified nodes that were shown to work, and their like.
#![forbid(unsafe_code)]

use super::*;
use crate::dist::control::answer::{exit, monitor_exit, spawn_failed, unlink_ack};
use crate::dist::etf::write;

/// A peer that is allowed to speak to a name has the protected node answer to a process of a third node: it would dial that node by
/// itself, and sign a challenge of the attacker's choice with its own cookie.
#[test]
fn a_relay_of_the_cookie_by_a_process_of_a_third_node() {
    let mut bench = Bench::open();
    let evil = Pid { node: "evil@127.0.0.1", creation: 7, id: 1, serial: 0 };
    for hidden in [
        term(|w| write::pid(w, &evil)),
        term(|w| write::reference(w, &Ref { node: "evil@127.0.0.1", ..reference(PEER, 7, 1) })),
        // As a port of the older and the newer form; deep inside; as a tail; as a key.
        [&b"\x59\x77\x01x"[..], &[0; 8]].concat(),
        [&b"\x78\x77\x01x"[..], &[0; 12]].concat(),
        [b"\x68\x02\x6a\x74\0\0\0\x01\x61\x01", &term(|w| write::pid(w, &evil))[..]].concat(),
        [b"\x6c\0\0\0\x01\x6a", &term(|w| write::pid(w, &evil))[..]].concat(),
        [b"\x74\0\0\0\x01", &term(|w| write::pid(w, &evil))[..], b"\x6a"].concat(),
    ] {
        let frame = reg_send(&peer(1), "gateway", &hidden);
        assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Deny(Reason::ForeignNode), "{hidden:?}");
    }
    assert_eq!(
        bench.pass_frame(Direction::In, &reg_send(&evil, "gateway", &[106])),
        Verdict::Deny(Reason::ForeignNode)
    );
    let link = exit(&evil, &protected(1), "x");
    assert_eq!(bench.pass_frame(Direction::In, &link), Verdict::Deny(Reason::ForeignNode));
    // The same from a process of the receiver that the peer was never told of: its answer would go wherever the peer likes.
    let own = term(|w| write::pid(w, &protected(3)));
    assert_eq!(
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &own)),
        Verdict::Deny(Reason::NotLearned)
    );
}

/// Distinct atoms until the node has no room for any.
#[test]
fn a_flood_of_atoms_to_an_allowed_name() {
    let mut bench = Bench::open();
    bench.policy.limits.message_atoms = 50;
    bench.atoms = Atoms::new(120);
    let flood = |from: usize, n: usize| {
        let mut list = vec![108];
        list.extend(u32::try_from(n).unwrap().to_be_bytes());
        (from..from + n).for_each(|i| list.extend(term(|w| write::atom(w, &format!("q{i:08}")))));
        list.push(106);
        reg_send(&peer(1), "x", &list)
    };
    assert_eq!(bench.pass_frame(Direction::In, &flood(0, 50)), Verdict::Deny(Reason::NewAtoms));
    assert_eq!(bench.pass_frame(Direction::In, &flood(0, 49)), Verdict::Accept);
    // What it has brought costs nothing more; in all there is an end.
    assert_eq!(bench.pass_frame(Direction::In, &flood(0, 49)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &flood(1000, 49)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &flood(2000, 49)), Verdict::Deny(Reason::NewAtoms));
    assert_eq!(bench.pass_frame(Direction::In, &flood(1000, 49)), Verdict::Accept);
    // Names in control messages are atoms too.
    for i in 0..30 {
        let _ = bench.pass_frame(Direction::In, &reg_send(&peer(1), &format!("n{i}"), &[106]));
    }
    assert_eq!(
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "one_more", &[106])),
        Verdict::Deny(Reason::NewAtoms)
    );
    assert_eq!(bench.atoms.left(), 0);
}

/// A tree that no scheduler gets out of, a number that no processor gets done with, and more of everything than fits.
#[test]
fn payloads_beyond_the_bounds() {
    let mut bench = Bench::open();
    bench.policy.limits.message_bytes = 200_000;
    bench.policy.limits.terms = 10_000;
    let limits = bench.policy.limits.clone();
    let nested = |n: usize| [[104, 1].repeat(n), vec![106]].concat();
    let strings = |n: usize| [&[107][..], &u16::try_from(n).unwrap().to_be_bytes(), &vec![1; n]].concat();
    let pids = |n: usize| {
        let list = [&[108][..], &u32::try_from(n).unwrap().to_be_bytes()].concat();
        [list, term(|w| write::pid(w, &peer(1))).repeat(n), vec![106]].concat()
    };
    let big = |n: usize| [&[111][..], &u32::try_from(n).unwrap().to_be_bytes(), &[0], &vec![1; n]].concat();
    let binary = |n: usize| [&[109][..], &u32::try_from(n).unwrap().to_be_bytes(), &vec![1; n]].concat();
    for (payload, verdict) in [
        (nested(limits.depth), Verdict::Accept),
        (nested(limits.depth + 1), Verdict::Deny(Reason::TooDeep)),
        (nested(60_000), Verdict::Deny(Reason::TooDeep)),
        (strings(9_900), Verdict::Accept),
        (strings(10_001), Verdict::Deny(Reason::TooManyTerms)),
        (
            b"\x6c\0\0\x27\x11".iter().copied().chain(vec![106; 10_002]).collect(),
            Verdict::Deny(Reason::TooManyTerms),
        ),
        (b"\x6c\xff\xff\xff\xff".to_vec(), Verdict::Deny(Reason::Malformed)),
        (pids(1000), Verdict::Accept),
        (pids(1025), Verdict::Deny(Reason::TooManyIdentifiers)),
        (big(limits.integer_bytes), Verdict::Accept),
        (big(limits.integer_bytes + 1), Verdict::Deny(Reason::Integer)),
        (binary(190_000), Verdict::Accept),
        (binary(200_000), Verdict::Deny(Reason::TooLong)),
    ] {
        let short = payload.get(..20).unwrap_or(&payload);
        assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &payload)), verdict, "{short:?}");
    }
}

/// A list of millions of atoms that are known by now, behind as many new ones as a message may have, and then what denies it.
#[test]
fn many_atoms_take_no_longer_than_other_terms() {
    let mut bench = Bench::open();
    let atom = |n: usize| format!("x{n:03}");
    let encoded = |text: &str| [&[119, 4][..], text.as_bytes()].concat();
    let new: Vec<u8> = (0..250).flat_map(|n| encoded(&atom(n))).collect();
    let count = 2_000_000_u32;
    let mut list = [&[108][..], &(count + 251).to_be_bytes(), &new].concat();
    list.extend(encoded(&atom(249)).repeat(usize::try_from(count).unwrap()));
    list.extend(b"\x71\x77\x01m\x77\x01f\x61\x01\x6a");
    let began = std::time::Instant::now();
    let verdict = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &list));
    assert_eq!(verdict, Verdict::Deny(Reason::Export));
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn what_runs_and_what_is_no_term() {
    let mut bench = Bench::open();
    for (payload, reason) in [
        (&b"\x71\x77\x01m\x77\x01f\x61\x01"[..], Reason::Export),
        // EXPORT_EXT with operands that OTP's decoder takes as they are.
        (b"\x71\x61\x01\x61\x02\x61\x03", Reason::Export),
        (b"\x70\0\0\0\x01", Reason::Fun),
        (b"\x68\x02\x6a\x75", Reason::Fun),
        (b"\x77\x02\xc3\x28", Reason::Malformed),
        (b"\x50\0\0\0\x05\0", Reason::Malformed),
        (b"\x52\0", Reason::Malformed),
        (b"\x79\0\0\0\0", Reason::Malformed),
        (b"\x64\0\x01a", Reason::Malformed),
        (b"\x6a\x6a", Reason::Malformed),
        (b"\x46\x7f\xf0\0\0\0\0\0\0", Reason::Malformed),
        (b"\x6c\0\0\0\0\x6a", Reason::Malformed),
        (b"\x6e\x01\x02\x01", Reason::Malformed),
        (b"\x4d\0\0\0\x01\x09\x01", Reason::Malformed),
    ] {
        let frame = reg_send(&peer(1), "x", payload);
        assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Deny(reason), "{payload:02x?}");
    }
    assert!(Reason::Malformed.ends());
}

/// A reply to what was not asked, an acknowledgement of nothing, the end of a monitor and of a link that there is not.
#[test]
fn answers_that_nobody_asked_for() {
    let mut bench = Bench::open();
    let told = term(|w| write::pid(w, &protected(5)));
    let _ = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &[106]));
    assert_eq!(bench.pass_frame(Direction::Out, &send(&protected(5), &peer(1), &told)), Verdict::Accept);
    let r = reference(PROTECTED, 8, 1);
    for frame in [
        spawn_failed(&r, &protected(5), "x"),
        monitor_exit(&Target::Name("x"), &protected(5), &r, "x"),
        monitor_exit(&Target::Pid(peer(1)), &protected(5), &r, "x"),
        exit(&peer(1), &protected(5), "x"),
        unlink_ack(1, &peer(1), &protected(5)),
    ] {
        assert_eq!(
            bench.pass_frame(Direction::In, &frame),
            Verdict::Deny(Reason::Unsolicited),
            "{frame:02x?}"
        );
    }
    // Asked for by one process, it is no answer for another.
    assert_eq!(
        bench.pass_frame(Direction::Out, &monitor(&protected(5), &Target::Name("x"), &r)),
        Verdict::Accept
    );
    let other = monitor_exit(&Target::Name("x"), &protected(6), &r, "x");
    assert_eq!(bench.pass_frame(Direction::In, &other), Verdict::Deny(Reason::Unsolicited));
    let own = monitor_exit(&Target::Name("x"), &protected(5), &r, "x");
    assert_eq!(bench.pass_frame(Direction::In, &own), Verdict::Accept);
}

/// Identifiers of another start of a node, and of the wrong one of the two.
#[test]
fn identifiers_of_somebody_else() {
    let mut bench = Bench::open();
    let stale = Pid { creation: 3, ..protected(5) };
    let zero = Pid { creation: 0, ..protected(5) };
    let own = Pid { creation: 9, ..peer(1) };
    // The element of a message to a name that nobody reads.
    let unused = |pid: &Pid<'_>| {
        term(|w| {
            w.raw(b"\0\0\0\0p\x83\x68\x04\x61\x06");
            write::pid(w, &peer(1));
            write::pid(w, pid);
            write::atom(w, "x");
            w.raw(&[131, 106]);
        })
    };
    let told = term(|w| write::pid(w, &protected(5)));
    let _ = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &[106]));
    let _ = bench.pass_frame(Direction::Out, &send(&protected(5), &peer(1), &told));
    for (frame, reason) in [
        (send(&peer(1), &stale, &[106]), Reason::WrongCreation),
        (send(&peer(1), &zero, &[106]), Reason::WrongCreation),
        // UNLINK_ID has the shape of its acknowledgement.
        (unlink(&peer(1), &stale), Reason::WrongCreation),
        (unlink(&own, &protected(5)), Reason::WrongCreation),
        (send(&protected(5), &protected(5), &[106]), Reason::Forged),
        (send(&peer(1), &peer(1), &[106]), Reason::Forged),
        (alias_send(&peer(1), &reference(PEER, 7, 1), &[106]), Reason::Forged),
        (monitor(&peer(1), &Target::Name("x"), &reference(PROTECTED, 8, 1)), Reason::Forged),
        (reg_send(&peer(1), "x", &term(|w| write::pid(w, &stale))), Reason::WrongCreation),
        // Of its own, too: a node keeps each start of another that anything names, and 25 million of them were 3.6 GB.
        (reg_send(&peer(1), "x", &term(|w| write::pid(w, &own))), Reason::WrongCreation),
        (
            reg_send(
                &peer(1),
                "x",
                &term(|w| write::reference(w, &Ref { creation: 9, ..reference(PEER, 7, 1) })),
            ),
            Reason::WrongCreation,
        ),
    ] {
        assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Deny(reason), "{frame:02x?}");
    }
    assert_eq!(bench.pass_frame(Direction::In, &unlink(&peer(1), &protected(5))), Verdict::Accept);
    for pid in [&own, &stale, &peer(1)] {
        assert!(read(&unused(pid)[4..]).is_err(), "{pid:?}");
    }
}

pub(super) fn unlink(from: &Pid<'_>, to: &Pid<'_>) -> Vec<u8> {
    let mut frame = unlink_ack(1, from, to);
    // p, version, tuple of 4, small integer: the operation.
    assert_eq!(frame[9], 36);
    frame[9] = 35;
    frame
}

/// The one line that ends every node: a spawn request by `erpc` with a fun.
#[test]
fn a_fun_that_halts_whoever_it_reaches() {
    let mut bench = Bench::open();
    bench.nodes.peer.creation = creation(Direction::In);
    bench.nodes.protected.creation = creation(Direction::Out);
    let all = recorded().messages();
    let cast = all.iter().rev().find(|(_, body)| body[5] == 29).unwrap();
    assert_eq!(bench.pass(Direction::In, &cast.1), Verdict::Deny(Reason::Fun));
    bench.policy.default.inward.rules(Command::SpawnRequest).coarse = Some(Rule { accept: false, line: 4 });
    assert_eq!(bench.pass(Direction::In, &cast.1), Verdict::Deny(Reason::Rule));
}

/// A rule is about `m:f/0`; the arguments would make `m:f/1` of it, or nothing that can be called.
#[test]
fn a_spawn_request_with_other_arguments_than_it_says() {
    let mut bench = Bench::open();
    let mfa = crate::dist::control::Mfa { module: "m", function: "f", arity: 1 };
    for (n, (arguments, verdict)) in (1..).zip([
        (&b"\x6c\0\0\0\x01\x6a\x6a"[..], Verdict::Accept),
        (b"\x6b\0\x01\x07", Verdict::Accept),
        (b"\x6a", Verdict::Deny(Reason::Arity)),
        (b"\x6b\0\x02\x07\x07", Verdict::Deny(Reason::Arity)),
        (b"\x6c\0\0\0\x02\x6a\x6a\x6a", Verdict::Deny(Reason::Arity)),
        (b"\x6c\0\0\0\x01\x6a\x61\x01", Verdict::Deny(Reason::Arity)),
        (b"\x68\x01\x6a", Verdict::Deny(Reason::Arity)),
    ]) {
        let frame = super::properties::spawn(&reference(PEER, 7, n), &peer(1), &mfa);
        let front = &frame[..frame.len() - 7];
        assert_eq!(front.last(), Some(&131));
        let body = [&front[4..], arguments].concat();
        assert_eq!(bench.pass(Direction::In, &body), verdict, "{arguments:02x?}");
    }
}

/// Whoever may have one function called could end the node by the options of the process: of memory that there is not.
#[test]
fn a_spawn_request_whose_options_are_about_the_whole_node() {
    let mfa = crate::dist::control::Mfa { module: "m", function: "f", arity: 0 };
    let named = |name: &'static str, value: &'static [u8]| {
        term(|w| {
            w.tuple(2);
            write::atom(w, name);
            w.raw(value);
        })
    };
    let word = |name: &'static str| term(|w| write::atom(w, name));
    let harmless = [
        word("link"),
        word("monitor"),
        named("monitor", b"\x6a"),
        named("priority", b"\x77\x03low"),
        named("priority", b"\x77\x06normal"),
        named("max_heap_size", b"\x62\0\x10\0\0"),
        named("message_queue_data", b"\x77\x07on_heap"),
        named("fullsweep_after", b"\x61\x05"),
        named("async_dist", b"\x77\x04true"),
    ];
    let harmful = [
        named("min_heap_size", b"\x6e\x05\0\0\0\0\0\x10"),
        named("min_heap_size", b"\x61\x01"),
        named("min_bin_vheap_size", b"\x6e\x05\0\0\0\0\0\x10"),
        named("priority", b"\x77\x04high"),
        named("priority", b"\x77\x03max"),
        named("priority", b"\x6a"),
        named("scheduler", b"\x61\x01"),
        named("link", b"\x61\x01"),
        word("min_heap_size"),
        word("unheard_of"),
    ];
    let mut bench = Bench::open();
    let mut asked = |direction, options: &[&Vec<u8>], n| {
        let (node, from) = match direction {
            Direction::In => (reference(PEER, 7, n), peer(1)),
            Direction::Out => (reference(PROTECTED, 8, n), protected(1)),
        };
        let frame = super::properties::spawn(&node, &from, &mfa);
        // Behind the function there are its options, of which that has none, and two bytes of arguments.
        let front = &frame[4..frame.len() - 3];
        let count = u32::try_from(options.len()).unwrap();
        let list = options.iter().flat_map(|option| option.iter().copied()).collect::<Vec<_>>();
        let body = [front, &[108], &count.to_be_bytes(), &list, &[106, 131, 106]].concat();
        bench.pass(direction, &body)
    };
    let mut n = 0;
    for option in &harmless {
        n += 1;
        assert_eq!(asked(Direction::In, &[option], n), Verdict::Accept, "{option:02x?}");
    }
    for option in &harmful {
        n += 1;
        let denied = Verdict::Deny(Reason::SpawnOption);
        assert_eq!(asked(Direction::In, &[option], n), denied, "{option:02x?}");
        assert_eq!(asked(Direction::In, &[&harmless[0], option, &harmless[3]], n), denied, "{option:02x?}");
        // What the protected node asks of others is theirs to judge.
        assert_eq!(asked(Direction::Out, &[option], n), Verdict::Accept, "{option:02x?}");
    }
}

/// A process of the receiver's own that the sender was never told of, as leader of a process.
#[test]
fn a_leader_that_nobody_told_of() {
    let mut bench = Bench::open();
    let told = term(|w| write::pid(w, &protected(5)));
    let _ = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &[106]));
    let _ = bench.pass_frame(Direction::Out, &send(&protected(5), &peer(1), &told));
    let leads = |leader: &Pid<'_>| {
        term(|w| {
            w.raw(b"p\x83\x68\x03\x61\x07");
            write::pid(w, leader);
            write::pid(w, &protected(5));
        })
    };
    assert_eq!(bench.pass(Direction::In, &leads(&protected(6))), Verdict::Deny(Reason::NotLearned));
    assert_eq!(bench.pass(Direction::In, &leads(&protected(5))), Verdict::Accept);
    assert_eq!(bench.pass(Direction::In, &leads(&peer(3))), Verdict::Accept);
}

/// Whoever may speak with a process would own it: its state, its end, a file that it writes.
#[test]
fn what_a_process_obeys_whatever_its_module_is() {
    let mut bench = Bench::open();
    let from = term(|w| {
        w.tuple(2);
        write::pid(w, &peer(1));
        write::reference(w, &reference(PEER, 7, 1));
    });
    let word = |name: &'static str| term(|w| write::atom(w, name));
    let three = |first: &'static str, second: &[u8], third: &[u8]| {
        let front = term(|w| {
            w.tuple(3);
            write::atom(w, first);
        });
        [&front, second, third].concat()
    };
    let state = word("get_state");
    // As a tuple with a length of four bytes, too.
    let system = three("system", &from, &state);
    let long = [b"\x69\0\0\0\x03", &system[2..]].concat();
    let pid = term(|w| write::pid(w, &peer(1)));
    let owns = [
        (system.clone(), Reason::System),
        (long, Reason::System),
        (three("system", &word("x"), &word("suspend")), Reason::System),
        (three("EXIT", &pid, &word("kill")), Reason::System),
        (three("$gen_call", &word("x"), &state), Reason::Caller),
        (
            three("$gen_call", &[b"\x68\x02".as_slice(), &word("x"), &word("y")].concat(), &state),
            Reason::Caller,
        ),
        (three("$gen_call", &[b"\x68\x01".as_slice(), &pid].concat(), &state), Reason::Caller),
        (three("$gen_call", &[b"\x68\x03".as_slice(), &pid, &pid, &pid].concat(), &state), Reason::Caller),
    ];
    // What only looks like it, and what every call is.
    let plain = [
        three("$gen_call", &from, &state),
        three("$gen_call", &[b"\x68\x02".as_slice(), &pid, &word("any")].concat(), &state),
        three("systems", &from, &state),
        [b"\x68\x02".as_slice(), &word("system"), &state].concat(),
        [b"\x68\x04".as_slice(), &word("system"), &from, &state, &state].concat(),
        word("system"),
    ];
    // Each is told of a process of the other.
    let _ = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &pid));
    let own = term(|w| write::pid(w, &protected(5)));
    let _ = bench.pass_frame(Direction::Out, &send(&protected(5), &peer(1), &own));
    let said = |bench: &mut Bench, payload: &[u8]| {
        let by_name = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", payload));
        let by_pid = bench.pass_frame(Direction::In, &send(&peer(1), &protected(5), payload));
        assert_eq!(by_name, by_pid, "{payload:02x?}");
        by_name
    };
    for (payload, reason) in &owns {
        assert_eq!(said(&mut bench, payload), Verdict::Deny(*reason), "{payload:02x?}");
    }
    for payload in &plain {
        assert_eq!(said(&mut bench, payload), Verdict::Accept, "{payload:02x?}");
    }
    // What goes out is for the other side to judge.
    assert_eq!(
        bench.pass_frame(Direction::Out, &reg_send(&protected(1), "x", &three("system", &word("a"), &state))),
        Verdict::Accept
    );
    // A rule lets it in, beside the one about the process; a call without a caller is none all the same.
    bench.policy.default.inward.system = Some(Rule { accept: true, line: 3 });
    assert_eq!(said(&mut bench, &system), Verdict::Accept);
    assert_eq!(said(&mut bench, &owns[4].0), Verdict::Deny(Reason::Caller));
    bench.policy.default.inward.default = Some(Rule { accept: false, line: 1 });
    assert_eq!(said(&mut bench, &system), Verdict::Deny(Reason::Default));
}

/// Whoever may ping may ask `net_kernel` nothing else: it starts processes for whoever asks.
#[test]
fn a_ping_that_is_none() {
    let mut bench = Bench::open();
    bench.policy.default.inward.default = Some(Rule { accept: false, line: 1 });
    bench.policy.default.inward.ping = Some(Rule { accept: true, line: 2 });
    let r = reference(PEER, 7, 1);
    let call = |request: &dyn Fn(&mut crate::wire::write::Writer)| {
        term(|w| {
            w.raw(b"\x68\x03\x77\x09$gen_call\x68\x02");
            write::pid(w, &peer(1));
            w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
            write::reference(w, &r);
            request(w);
        })
    };
    let is_auth = |name: &'static str| {
        call(&move |w| {
            w.raw(b"\x68\x02");
            write::atom(w, "is_auth");
            write::atom(w, name);
        })
    };
    let mut said =
        |name: &str, payload: &[u8]| bench.pass_frame(Direction::In, &reg_send(&peer(1), name, payload));
    assert_eq!(said("net_kernel", &is_auth(PEER)), Verdict::Accept);
    let spawns = call(&|w| w.raw(b"\x68\x05\x77\x05spawn\x6a\x6a\x6a\x6a"));
    for (name, payload) in [
        ("net_kernel", &is_auth("other@h")),
        ("net_kernel", &spawns),
        ("net_kernel", &vec![106]),
        ("rex", &is_auth(PEER)),
    ] {
        assert_eq!(said(name, payload), Verdict::Deny(Reason::Default), "{name}");
    }
    let watch = |name| monitor(&peer(1), &Target::Name(name), &r);
    assert_eq!(bench.pass_frame(Direction::In, &watch("net_kernel")), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &watch("x")), Verdict::Deny(Reason::Default));
}
