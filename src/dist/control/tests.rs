//! Every operation of the wire, from what two nodes of OTP said and by hand.
#![forbid(unsafe_code)]

use super::answer::*;
use super::*;
use crate::dist::reason::Reason;
use crate::dist::testing::{recorded, unhex};
use crate::wire::write::Writer;

const A: Pid<'static> = Pid { node: "a@h", creation: 7, id: 9, serial: 1 };
const B: Pid<'static> = Pid { node: "b@h", creation: 8, id: 90, serial: 0 };
const R: Ref<'static> = Ref { node: "a@h", creation: 7, words: [1, 2, 3, 0, 0], len: 3 };

/// The body of a frame, and that its length is right.
fn body(frame: &[u8]) -> &[u8] {
    let (length, body) = frame.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
    body
}

#[test]
fn what_real_nodes_say_is_understood() {
    let mut seen = [0; Command::COUNT];
    let mut traced = 0;
    for (_, frame) in recorded().messages() {
        let message = read(&frame).unwrap_or_else(|fault| panic!("{fault:?} {frame:02x?}"));
        seen[message.control.command().index()] += 1;
        traced += usize::from(message.traced);
        assert_eq!(message.size, frame.len());
    }
    for (command, times) in Command::ALL.iter().zip(seen) {
        assert!(times > 0, "no {} was recorded", command.name());
    }
    assert_eq!(traced, 1);
}

#[test]
fn what_is_said_is_read_the_same() {
    for (frame, expected) in [
        (
            monitor_exit(&Target::Name("x"), &A, &R, DENIED),
            Control::MonitorExit { from: Target::Name("x"), to: A, reference: R },
        ),
        (exit(&B, &A, DENIED), Control::Exit { from: B, to: A }),
        (
            spawn_failed(&R, &A, "eperm"),
            Control::SpawnReply { request: R, to: A, link: false, monitor: false, result: None },
        ),
        (unlink_ack(u64::MAX, &B, &A), Control::UnlinkAck { id: u64::MAX, from: B, to: A }),
        (send(&B, &A, &[106]), Control::Send { from: Some(B), to: A }),
        (reg_send(&B, "name", &[106]), Control::RegSend { from: B, to: "name" }),
        (alias_send(&B, &R, &[106]), Control::AliasSend { from: B, alias: R }),
        (monitor(&A, &Target::Pid(B), &R), Control::Monitor { from: A, to: Target::Pid(B), reference: R }),
        (
            demonitor(&A, &Target::Name("é"), &R),
            Control::Demonitor { from: A, to: Target::Name("é"), reference: R },
        ),
    ] {
        assert_eq!(read(body(&frame)).unwrap().control, expected);
    }
}

/// Answers have the very bytes that an OTP node uses for the same thing.
#[test]
fn answers_have_the_bytes_of_a_real_node() {
    let mut compared = 0;
    for (_, frame) in recorded().messages() {
        let message = read(&frame).unwrap();
        let again = match message.control {
            Control::MonitorExit { from, to, reference } if message.payload == Some(b"\x77\x06noproc") => {
                monitor_exit(&from, &to, &reference, "noproc")
            }
            Control::Exit { from, to } if message.payload == Some(b"\x77\x07because") => {
                exit(&from, &to, "because")
            }
            Control::UnlinkAck { id, from, to } => unlink_ack(id, &from, &to),
            Control::Monitor { from, to, reference } => monitor(&from, &to, &reference),
            Control::Demonitor { from, to, reference } => demonitor(&from, &to, &reference),
            Control::RegSend { from, to } if !message.traced => reg_send(&from, to, message.payload.unwrap()),
            Control::AliasSend { from, alias } => alias_send(&from, &alias, message.payload.unwrap()),
            Control::Send { from: Some(from), to } => send(&from, &to, message.payload.unwrap()),
            _ => continue,
        };
        assert_eq!(body(&again), frame);
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn who_waits_for_a_denied_message_is_told() {
    let told = |frame: &[u8]| denial(&read(body(frame)).unwrap(), Reason::Rule);
    assert_eq!(
        told(&monitor(&A, &Target::Name("x"), &R)),
        Some(monitor_exit(&Target::Name("x"), &A, &R, DENIED))
    );
    let mut call = vec![104, 3, 119, 9];
    call.extend(b"$gen_call\x68\x02");
    let mut w = Writer::new();
    crate::dist::etf::write::pid(&mut w, &A);
    w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
    crate::dist::etf::write::reference(&mut w, &R);
    call.extend([w.bytes(), &[106]].concat());
    assert_eq!(told(&reg_send(&A, "x", &call)), Some(monitor_exit(&Target::Name("x"), &A, &R, DENIED)));
    assert_eq!(told(&reg_send(&A, "x", &[106])), None);
    assert_eq!(told(&send(&A, &B, &call)), Some(monitor_exit(&Target::Pid(B), &A, &R, DENIED)));
    assert_eq!(told(&send(&A, &B, &[106])), None);
    let link = [&b"p\x83\x68\x03\x61\x01"[..], &pid_bytes(&A), &pid_bytes(&B)].concat();
    assert_eq!(denial(&read(&link).unwrap(), Reason::Rule), Some(exit(&B, &A, DENIED)));
    for reason in [Reason::NotLearned, Reason::WrongCreation] {
        assert_eq!(denial(&read(&link).unwrap(), reason), Some(exit(&B, &A, "noproc")), "{reason:?}");
    }
    let request = recorded().messages().into_iter().find(|(_, f)| f[5] == 29).unwrap().1;
    let Control::SpawnRequest { request: asked, from, .. } = read(&request).unwrap().control else {
        panic!()
    };
    assert_eq!(denial(&read(&request).unwrap(), Reason::Rule), Some(spawn_failed(&asked, &from, "eperm")));
}

fn pid_bytes(pid: &Pid<'_>) -> Vec<u8> {
    let mut w = Writer::new();
    crate::dist::etf::write::pid(&mut w, pid);
    w.bytes().to_vec()
}

#[test]
fn what_is_no_message_is_refused() {
    let a = &pid_bytes(&A);
    let with = |front: &[u8], parts: &[&[u8]]| [front, &parts.concat()].concat();
    for (bytes, fault) in [
        (vec![], Fault::Truncated),
        (b"\x83D\0".to_vec(), Fault::PassThrough),
        (b"p\x82".to_vec(), Fault::Version),
        (b"p\x83h\0".to_vec(), Fault::Truncated),
        (b"p\x83a\x01".to_vec(), Fault::Shape),
        (b"p\x83h\x01w\x01a".to_vec(), Fault::Shape),
        // NODE_LINK, ALTACT_SIG_SEND, and what nobody knows.
        (b"p\x83h\x01a\x05".to_vec(), Fault::Operation),
        (with(b"p\x83h\x04a\x25a\0", &[a, b"w\x01x\x83w\x01y"]), Fault::Operation),
        (b"p\x83h\x01a\xff".to_vec(), Fault::Operation),
        // LINK of one, of a name, with a payload; SEND without.
        (with(b"p\x83h\x02a\x01", &[a]), Fault::Shape),
        (with(b"p\x83h\x03a\x01", &[a, b"w\x01x"]), Fault::Shape),
        (with(b"p\x83h\x03a\x01", &[a, a, b"\x83j"]), Fault::Payload),
        (with(b"p\x83h\x03a\x16", &[a, a]), Fault::Payload),
        (with(b"p\x83h\x03a\x16", &[a, a, b"\x82j"]), Fault::Version),
        // UNLINK_ID of nothing and of what does not fit.
        (with(b"p\x83h\x04a\x23a\0", &[a, a]), Fault::Shape),
        (with(b"p\x83h\x04a\x23b\xff\xff\xff\xff", &[a, a]), Fault::Shape),
        (with(b"p\x83h\x04a\x23n\x09\0\x01\0\0\0\0\0\0\0\0\x01", &[a, a]), Fault::Shape),
        // What a BEAM's decoder was once led astray by.
        (b"p\x83l\xff\xff\xff\xff".to_vec(), Fault::Length),
        (b"p\x83i\xff\xff\xff\xff".to_vec(), Fault::Length),
        (b"p\x83R\0".to_vec(), Fault::Tag),
        (b"p\x83P\0\0\0\x01".to_vec(), Fault::Tag),
        (b"p\x83y".to_vec(), Fault::Tag),
        (b"p\x83w\x02\xff\xfe".to_vec(), Fault::Atom),
        (b"p\x83Z\0\0w\0\0\0\0\0".to_vec(), Fault::Reference),
        (b"p\x83Z\0\x06w\0\0\0\0\0".to_vec(), Fault::Reference),
    ] {
        assert_eq!(read(&bytes).map(|m| m.control), Err(fault), "{bytes:02x?}");
    }
}

#[test]
fn a_message_that_is_cut_anywhere_is_no_message_or_ends_in_its_payload() {
    for (_, frame) in recorded().messages() {
        let whole = read(&frame).unwrap();
        let control = 2 + whole.tuple.len();
        for cut in 0..frame.len() {
            assert_eq!(
                read(&frame[..cut]).is_ok(),
                whole.payload.is_some() && cut > control,
                "{cut} of {frame:02x?}"
            );
        }
    }
}

/// Spawn requests with options of every shape, and with ones that are no list.
#[test]
fn options_of_a_spawn_request_are_read_as_far_as_they_are_answered() {
    let mut w = Writer::new();
    crate::dist::etf::write::reference(&mut w, &R);
    let front =
        [b"p\x83h\x06a\x1d", w.bytes(), &pid_bytes(&A), &pid_bytes(&A), b"h\x03w\x01mw\x01fa\x01"].concat();
    let options = |text: &str| {
        let bytes = [&front[..], &unhex(text), b"\x83j"].concat();
        read(&bytes).map(|m| match m.control {
            Control::SpawnRequest { mfa, options, .. } => {
                assert_eq!(mfa, Mfa { module: "m", function: "f", arity: 1 });
                (options.link, options.monitor)
            }
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(options("6a"), Ok((false, false)));
    // [link], [{monitor, []}, {priority, high}]
    assert_eq!(options("6c0000000177046c696e6b6a"), Ok((true, false)));
    assert_eq!(
        options("6c00000002680277076d6f6e69746f726a680277087072696f72697479770468696768 6a"),
        Ok((false, true))
    );
    assert_eq!(options("6c00000001610177016a"), Err(Fault::Shape));
    assert_eq!(options("6101"), Err(Fault::Shape));
    assert_eq!(options("6c0000000177046c696e6b7704 6c696e6b"), Err(Fault::Shape));
}

/// Every shape in which somebody waits for an answer, as OTP writes them.
#[test]
fn calls_are_known_by_every_tag() {
    let pid = b"\x58\x77\x03a@h\0\0\0\x01\0\0\0\0\0\0\0\x07";
    let mark = b"\x5a\0\x01\x77\x03a@h\0\0\0\x07\0\0\0\x09";
    let alias = [&b"\x6c\0\0\0\x01\x77\x05alias"[..], mark].concat();
    let call = |word: &[u8], tag: &[u8]| [b"\x68\x03", word, b"\x68\x02", pid, tag, b"\x77\x04info"].concat();
    let (plain, system) = (&b"\x77\x09$gen_call"[..], &b"\x77\x06system"[..]);
    let several = [&b"\x6c\0\0\0\x01"[..], &alias, b"\x77\x03b@h"].concat();
    let before = [&b"\x68\x02"[..], mark, b"\x77\x03b@h"].concat();
    for (word, tag, watches) in [
        (plain, &mark[..], true),
        (plain, &alias, true),
        (plain, &several, false),
        (plain, &before, false),
        (system, &alias, true),
    ] {
        let payload = call(word, tag);
        let call = gen_call(&payload).unwrap();
        assert_eq!((call.reference.words[0], call.watches, call.system), (9, watches, word == system));
        assert_eq!(call.request, b"\x77\x04info");
    }
    for odd in [
        call(b"\x77\x09$gen_cast", mark),
        call(plain, b"\x61\x01"),
        call(plain, b"\x6c\0\0\0\x02"),
        Vec::new(),
    ] {
        assert!(gen_call(&odd).is_none());
    }
}
