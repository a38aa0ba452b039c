//! Processes of the protected node that a peer could speak with though nobody had told it of them, and what a group leader is asked.
#![forbid(unsafe_code)]

use super::*;
use crate::dist::control::answer::{monitor_exit, unlink_ack};
use crate::dist::etf::write;
use crate::wire::write::Writer;

const LINK: u8 = 1;

/// A message without a payload that names who sends it and whom it is about.
fn of_pair(tag: u8, from: &Pid<'_>, to: &Pid<'_>) -> Vec<u8> {
    term(|w| {
        w.raw(&[b'p', 131, 104, 3, 97, tag]);
        write::pid(w, from);
        write::pid(w, to);
    })
}

/// OTP says that it has seen an unlink for whatever process the other node names. With `link`, `unlink` and `send` accepted and all pids guessed, a peer
/// had `rex` call `os:cmd/1`.
#[test]
fn an_unlink_that_was_seen_tells_of_no_process() {
    let mut bench = Bench::open();
    let unlink = term(|w| {
        w.raw(b"p\x83\x68\x04\x61\x23\x61\x09");
        write::pid(w, &peer(1));
        write::pid(w, &protected(53));
    });
    let to_it = send(&peer(1), &protected(53), &[106]);
    assert_eq!(bench.pass_frame(Direction::In, &to_it), Verdict::Deny(Reason::NotLearned));
    assert_eq!(bench.pass(Direction::In, &unlink), Verdict::Accept);
    let seen = unlink_ack(9, &protected(53), &peer(1));
    assert_eq!(bench.pass_frame(Direction::Out, &seen), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &to_it), Verdict::Deny(Reason::NotLearned));
    // Who was told of the process before is still told.
    let told = term(|w| write::pid(w, &protected(53)));
    assert_eq!(bench.pass_frame(Direction::Out, &send(&protected(1), &peer(1), &told)), Verdict::Accept);
    assert_eq!(bench.pass(Direction::In, &unlink), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::Out, &seen), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &to_it), Verdict::Accept);
}

/// A node that has a process started elsewhere tells of its group leader, and that one calls the functions that it is given: one `rpc:cast/4` of the protected
/// node, and the peer had it call `os:cmd/1`.
#[test]
fn a_group_leader_is_not_asked_to_call_functions() {
    let mut bench = Bench::open();
    let leader = protected(72);
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &[106])), Verdict::Accept);
    let told = send(&protected(1), &peer(1), &term(|w| write::pid(w, &leader)));
    assert_eq!(bench.pass_frame(Direction::Out, &told), Verdict::Accept);
    let asked = |bench: &mut Bench, request: &dyn Fn(&mut Writer)| {
        let payload = term(|w| {
            w.raw(b"\x68\x04");
            write::atom(w, "io_request");
            write::pid(w, &peer(1));
            write::reference(w, &reference(PEER, 7, 9));
            request(w);
        });
        let frame = send(&peer(1), &leader, &payload);
        let verdict = bench.pass_frame(Direction::In, &frame);
        let message = read(&frame[4..]).unwrap();
        let heard = crate::dist::control::answer::denial(&message, Reason::System).unwrap();
        let down = monitor_exit(&Target::Pid(leader), &peer(1), &reference(PEER, 7, 9), "denied");
        assert_eq!(heard, down, "who waits for it hears of it");
        verdict
    };
    let asks = |bench: &mut Bench, words: &[&str]| {
        asked(bench, &|w| {
            w.tuple(words.len() + 1);
            words.iter().for_each(|word| write::atom(w, word));
            w.nil();
        })
    };
    // `io:format(Format, [x])`: the format as the reader of a node can have written it.
    let formats = |bench: &mut Bench, format: &dyn Fn(&mut Writer)| {
        asked(bench, &|w| {
            w.tuple(5);
            ["put_chars", "unicode", "io_lib", "format"].iter().for_each(|word| write::atom(w, word));
            w.list(2);
            format(w);
            w.list(1);
            write::atom(w, "x");
            w.nil();
            w.nil();
        })
    };
    for harmful in [
        &["put_chars", "latin1", "os", "cmd"][..],
        &["put_chars", "unicode", "io_lib", "fread"],
        &["put_chars", "os", "cmd"],
        &["get_until", "unicode", "prompt", "os", "cmd"],
        &["get_until", "prompt", "os", "cmd"],
        &["requests"],
        &["setopts"],
        &["get_something_new", "x"],
    ] {
        assert_eq!(asks(&mut bench, harmful), Verdict::Deny(Reason::System), "{harmful:?}");
    }
    for harmless in [
        &["put_chars", "unicode", "io_lib", "write"][..],
        &["put_chars", "io_lib", "write"],
        &["put_chars", "unicode"],
        &["get_line", "unicode"],
        &["get_geometry"],
    ] {
        assert_eq!(asks(&mut bench, harmless), Verdict::Accept, "{harmless:?}");
    }
    // A prompt that is made by a format.
    let prompt = |w: &mut Writer| {
        w.tuple(3);
        ["get_line", "unicode"].iter().for_each(|word| write::atom(w, word));
        w.tuple(3);
        ["format", "~1000000000c", "x"].iter().for_each(|word| write::atom(w, word));
    };
    assert_eq!(asked(&mut bench, &prompt), Verdict::Deny(Reason::System));
    for (text, verdict) in [
        ("in 123456789 ms: ~p~n", Verdict::Accept),
        ("~-60000s", Verdict::Accept),
        ("~1000000000c", Verdict::Deny(Reason::System)),
        ("~40000c~40000c", Verdict::Deny(Reason::System)),
        ("~*c", Verdict::Deny(Reason::System)),
    ] {
        let string =
            |w: &mut Writer| w.raw(&[&[107, 0, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat());
        let list = |w: &mut Writer| {
            w.list(text.len());
            text.bytes().for_each(|byte| w.int(byte.into()));
            w.nil();
        };
        assert_eq!(formats(&mut bench, &|w| w.binary(text.as_bytes())), verdict, "{text}");
        assert_eq!(formats(&mut bench, &string), verdict, "{text}");
        assert_eq!(formats(&mut bench, &list), verdict, "{text}");
        assert_eq!(formats(&mut bench, &|w| write::atom(w, text)), verdict, "{text}");
    }
    let nested = |w: &mut Writer| {
        w.list(1);
        w.binary(b"~1000000000c");
        w.nil();
    };
    assert_eq!(formats(&mut bench, &nested), Verdict::Deny(Reason::System));
    bench.policy.default.inward.system = Some(Rule { accept: true, line: 3 });
    assert_eq!(asks(&mut bench, &["put_chars", "latin1", "os", "cmd"]), Verdict::Accept);
}

/// A group leader that a spawn request told of is often the master of an application: `{stop, Tag, From}` ends that, and so a node whose application it is.
#[test]
fn a_group_leader_is_asked_to_read_and_write_and_nothing_else() {
    let mut bench = Bench::open();
    let (asks, leader) = (protected(87), protected(46));
    let spawn = |from: &Pid<'_>, leader: &Pid<'_>, of: &Ref<'_>| {
        term(|w| {
            w.raw(b"p\x83\x68\x06\x61\x1d");
            write::reference(w, of);
            write::pid(w, from);
            write::pid(w, leader);
            w.raw(b"\x68\x03\x77\x01m\x77\x01f\x61\0\x6a\x83\x6a");
        })
    };
    let of = reference(PROTECTED, 8, 1);
    assert_eq!(bench.pass(Direction::Out, &spawn(&asks, &leader, &of)), Verdict::Accept);
    let stop = |to: &Pid<'_>| send(&peer(1), to, b"\x68\x03\x77\x04stop\x6a\x6a");
    let writes = |to: &Pid<'_>| {
        let request = term(|w| {
            w.raw(b"\x68\x04\x77\x0aio_request");
            write::pid(w, &peer(1));
            write::reference(w, &reference(PEER, 7, 9));
            w.raw(b"\x68\x03\x77\x09put_chars\x77\x07unicode\x6a");
        });
        send(&peer(1), to, &request)
    };
    let nobody = protected(47);
    let mut says = |frame: &[u8]| bench.pass_frame(Direction::In, frame);
    assert_eq!(says(&stop(&leader)), Verdict::Deny(Reason::NotLearned));
    assert_eq!(says(&writes(&nobody)), Verdict::Deny(Reason::NotLearned));
    assert_eq!(says(&writes(&leader)), Verdict::Accept);
    assert_eq!(says(&monitor(&peer(1), &Target::Pid(leader), &reference(PEER, 7, 9))), Verdict::Accept);
    assert_eq!(
        bench.pass(Direction::In, &of_pair(LINK, &peer(1), &leader)),
        Verdict::Deny(Reason::NotLearned)
    );
    // What the peer's process starts in turn has the same leader; who asked for it is told to nobody.
    assert_eq!(bench.pass(Direction::In, &spawn(&peer(1), &leader, &reference(PEER, 7, 3))), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &stop(&asks)), Verdict::Deny(Reason::NotLearned));
    // A leader that is told of in another way is a process as any other.
    let told = term(|w| write::pid(w, &leader));
    assert_eq!(bench.pass_frame(Direction::Out, &send(&asks, &peer(1), &told)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &stop(&leader)), Verdict::Accept);
}

/// `net_kernel` answers a ping itself, and a call to it starts processes: with `ping` and `send` accepted, as most files have them, a peer had it
/// call `os:cmd/1`. The sender stands in the control message alone, which no process ever sees.
#[test]
fn who_sends_an_answer_is_not_told_by_it() {
    let mut bench = Bench::open();
    let kernel = protected(61);
    let to_it = send(&peer(1), &kernel, &[106]);
    let alias = reference(PEER, 7, 1);
    let asks = term(|w| {
        w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
        write::reference(w, &alias);
    });
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &asks)), Verdict::Accept);
    for answer in
        [send(&kernel, &peer(1), &[106]), alias_send(&kernel, &alias, &[106]), reg_send(&kernel, "y", &[106])]
    {
        assert_eq!(bench.pass_frame(Direction::Out, &answer), Verdict::Accept);
        assert_eq!(bench.pass_frame(Direction::In, &to_it), Verdict::Deny(Reason::NotLearned));
    }
    // What came in may be answered by whoever was told who sent it.
    assert_eq!(bench.pass_frame(Direction::Out, &send(&kernel, &peer(1), &[106])), Verdict::Accept);
    let told = term(|w| write::pid(w, &kernel));
    assert_eq!(bench.pass_frame(Direction::Out, &send(&kernel, &peer(1), &told)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &to_it), Verdict::Accept);
}

/// A server that monitors its callers, or links to them, or has a process started where one of them is, tells no pid by that: with `link` and `exit`
/// accepted any of them ended it. What answers is heard all the same.
#[test]
fn who_monitors_or_links_or_has_something_started_is_not_told_by_it() {
    let mut bench = Bench::open();
    let server = protected(86);
    let to_it = send(&peer(1), &server, &[106]);
    let r = reference(PROTECTED, 8, 1);
    assert_eq!(
        bench.pass_frame(Direction::In, &send(&peer(1), &server, &[106])),
        Verdict::Deny(Reason::NotLearned)
    );
    let told = term(|w| write::pid(w, &peer(1)));
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &told)), Verdict::Accept);
    assert_eq!(
        bench.pass_frame(Direction::Out, &monitor(&server, &Target::Pid(peer(1)), &r)),
        Verdict::Accept
    );
    assert_eq!(bench.pass(Direction::Out, &of_pair(LINK, &server, &peer(1))), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &to_it), Verdict::Deny(Reason::NotLearned));
    assert_eq!(
        bench.pass(Direction::In, &of_pair(LINK, &peer(1), &server)),
        Verdict::Deny(Reason::NotLearned)
    );
    // The ends of both are heard.
    let down = monitor_exit(&Target::Pid(peer(1)), &server, &r, "x");
    assert_eq!(bench.pass_frame(Direction::In, &down), Verdict::Accept);
    let end = crate::dist::control::answer::exit(&peer(1), &server, "x");
    assert_eq!(bench.pass_frame(Direction::In, &end), Verdict::Accept);
}
