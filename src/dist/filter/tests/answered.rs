//! Whom the answer to a message goes to, and ends of what cannot be.
#![forbid(unsafe_code)]

use super::attacks::unlink;
use super::*;
use crate::dist::control::answer::demonitor;
use crate::dist::etf::write;
use crate::dist::filter::runtime::Change;
use crate::wire::write::Writer;

/// Who answers a call sends to its caller what the caller has chosen as tag: named as caller, a process that may not be sent to got it from its own node.
#[test]
fn whom_an_answer_goes_to() {
    let victim = protected(5);
    let alias = reference(PROTECTED, 8, 3);
    let ours = peer(1);
    let pair = |pid: &Pid<'_>, tag: &dyn Fn(&mut Writer)| {
        term(|w| {
            w.tuple(2);
            write::pid(w, pid);
            tag(w);
        })
    };
    let any = |w: &mut Writer| write::atom(w, "$gen_cast");
    let to_alias = |w: &mut Writer| {
        w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
        write::reference(w, &alias);
    };
    let deeper = |w: &mut Writer| {
        w.raw(b"\x6c\0\0\0\x01");
        to_alias(w);
        w.raw(b"\x77\x01n");
    };
    let call = |first: &[u8], from: &[u8]| [b"\x68\x03".as_slice(), first, from, b"\x6a"].concat();
    let word = |name: &'static str| term(|w| write::atom(w, name));
    let four = |name: &'static str, from: &Pid<'_>| {
        let pid = term(|w| write::pid(w, from));
        [b"\x68\x04".as_slice(), &word(name), &pid, b"\x6a\x68\x03\x77\x09put_chars\x77\x07unicode\x6a"]
            .concat()
    };
    let pid = term(|w| write::pid(w, &ours));
    let to_others = [
        (Command::Send, call(&word("$gen_call"), &pair(&victim, &any))),
        (Command::Send, call(&word("system"), &pair(&victim, &any))),
        (Command::Send, call(&pid, &pair(&victim, &any))),
        (Command::Send, four("io_request", &victim)),
        (Command::Send, four("file_request", &victim)),
        (Command::AliasSend, call(&word("$gen_call"), &pair(&ours, &to_alias))),
        (Command::AliasSend, call(&word("$gen_call"), &pair(&ours, &deeper))),
    ];
    let own = [
        call(&word("$gen_call"), &pair(&ours, &any)),
        call(&word("$gen_call"), &pair(&ours, &|w| write::reference(w, &reference(PEER, 7, 4)))),
        call(&pid, &pair(&ours, &any)),
        four("io_request", &ours),
        // What is said to a process in words of its own is its own to judge.
        call(&word("order"), &pair(&victim, &any)),
    ];
    let bench = |accepted: &[Command]| {
        let mut bench = Bench::open();
        bench.policy.default.inward.default = Some(Rule { accept: false, line: 1 });
        bench.policy.default.inward.system = Some(Rule { accept: true, line: 2 });
        for command in [Command::RegSend].iter().chain(accepted) {
            bench.policy.default.inward.rules(*command).coarse = Some(Rule { accept: true, line: 3 });
        }
        let told = term(|w| {
            w.tuple(2);
            write::pid(w, &victim);
            write::reference(w, &alias);
        });
        assert_eq!(bench.pass_frame(Direction::In, &reg_send(&ours, "x", &pid)), Verdict::Accept);
        assert_eq!(bench.pass_frame(Direction::Out, &send(&protected(9), &ours, &told)), Verdict::Accept);
        bench
    };
    for (command, payload) in &to_others {
        let said =
            |accepted: &[Command]| bench(accepted).pass_frame(Direction::In, &reg_send(&ours, "x", payload));
        assert_eq!(said(&[]), Verdict::Deny(Reason::Caller), "{payload:02x?}");
        assert_eq!(said(&[*command]), Verdict::Accept, "{payload:02x?}");
        let mut handled = bench(&[*command]);
        handled.policy.default.inward.rules(*command).handler = Some("guard".into());
        assert_eq!(
            handled.pass_frame(Direction::In, &reg_send(&ours, "x", payload)),
            Verdict::Deny(Reason::Caller),
            "who may not send to it but to a handler: {payload:02x?}"
        );
        let mut tight = bench(&[*command]);
        tight.runtime.change(Direction::In, &Change::Command(*command, false)).unwrap();
        assert_eq!(
            tight.pass_frame(Direction::In, &reg_send(&ours, "x", payload)),
            Verdict::Deny(Reason::Caller),
            "{payload:02x?}"
        );
    }
    for payload in &own {
        let said = bench(&[]).pass_frame(Direction::In, &reg_send(&ours, "x", payload));
        assert_eq!(said, Verdict::Accept, "{payload:02x?}");
    }
    // A ping is a call, too.
    let mut ping = bench(&[]);
    ping.policy.default.inward.ping = Some(Rule { accept: true, line: 4 });
    let request = [b"\x68\x02".as_slice(), &word("is_auth"), &word(PEER)].concat();
    let asks = |from: &[u8]| [b"\x68\x03".as_slice(), &word("$gen_call"), from, &request].concat();
    let mut said = |from: &[u8]| ping.pass_frame(Direction::In, &reg_send(&ours, "net_kernel", &asks(from)));
    assert_eq!(said(&pair(&ours, &any)), Verdict::Accept);
    assert_eq!(said(&pair(&victim, &any)), Verdict::Deny(Reason::Caller));
    // A group leader may be asked to write, and is not to be told answers.
    let mut led = bench(&[Command::Send]);
    let leader = protected(70);
    let starts = term(|w| {
        w.raw(b"p\x83\x68\x06\x61\x1d");
        write::reference(w, &reference(PROTECTED, 8, 1));
        write::pid(w, &protected(9));
        write::pid(w, &leader);
        w.raw(b"\x68\x03\x77\x01m\x77\x01f\x61\0\x6a\x83\x6a");
    });
    assert_eq!(led.pass(Direction::Out, &starts), Verdict::Accept);
    let payload = call(&word("$gen_call"), &pair(&leader, &any));
    assert_eq!(led.pass_frame(Direction::In, &reg_send(&ours, "x", &payload)), Verdict::Deny(Reason::Caller));
}

/// A process that OTP 25 cannot have is no term to it: it ended the connection, and wrote 260 bytes about each.
#[test]
fn the_end_of_a_link_to_what_cannot_be() {
    let mut bench = Bench::open();
    let at = |id, serial| Pid { id, serial, ..protected(0) };
    let says = |bench: &mut Bench, to: &Pid<'_>| {
        let r = reference(PEER, 7, 9);
        let demonitor = demonitor(&peer(1), &Target::Pid(*to), &r);
        let both = [unlink(&peer(1), to), demonitor].map(|frame| bench.pass_frame(Direction::In, &frame));
        assert_eq!(both[0], both[1]);
        both[0]
    };
    for whole in [at(0, 0), at(32_767, 8191)] {
        assert_eq!(says(&mut bench, &whole), Verdict::Accept);
    }
    for odd in [at(32_768, 0), at(1, 8192), at(u32::MAX, u32::MAX)] {
        assert_eq!(says(&mut bench, &odd), Verdict::Deny(Reason::NotLearned));
        // Where the node has told of it, it has it.
        let told = term(|w| write::pid(w, &odd));
        let _ = bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &term(|w| write::pid(w, &peer(1)))));
        assert_eq!(bench.pass_frame(Direction::Out, &send(&protected(9), &peer(1), &told)), Verdict::Accept);
        assert_eq!(says(&mut bench, &odd), Verdict::Accept);
    }
}
