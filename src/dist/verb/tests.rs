//! Requests that are ones, requests that are none, and answers as OTP reads them.
#![forbid(unsafe_code)]

use super::*;
use crate::dist::testing::{Term, request, word};

fn of(words: &str) -> Result<Verb, Wrong> {
    read(&request(words).bytes())
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name.as_bytes()).unwrap()
}

fn one() -> Whose {
    Whose::One(node("b@h"))
}

#[test]
fn every_verb_is_read() {
    let name = |text: &str| Subject::Name(text.to_owned());
    let function = |text| Subject::parse(Command::SpawnRequest, text).unwrap();
    let (way, send, spawn) = (Direction::In, Command::RegSend, Command::SpawnRequest);
    for (words, expected) in [
        ("set_filter b@h in link deny", Verb::Change(one(), way, Change::Command(Command::Link, false))),
        ("set_filter b@h out _ accept", Verb::Change(one(), Direction::Out, Change::Default(true))),
        ("add_filter b@h in reg_send x deny", Verb::Change(one(), way, Change::Add(send, name("x"), false))),
        (
            "add_filter b@h in spawn_request m:f/0 accept",
            Verb::Change(one(), way, Change::Add(spawn, function("m:f/0"), true)),
        ),
        (
            "add_filter b@h in spawn_request m:f/_ deny",
            Verb::Change(one(), way, Change::Add(spawn, function("m:f/_"), false)),
        ),
        (
            "del_filter b@h in spawn_request m:_/_",
            Verb::Change(one(), way, Change::Delete(spawn, function("m:_/_"))),
        ),
        ("set_default_filter in _ _ deny", Verb::Change(Whose::Everyone, way, Change::Default(false))),
        (
            "set_default_filter in link _ deny",
            Verb::Change(Whose::Everyone, way, Change::Command(Command::Link, false)),
        ),
        (
            "set_default_filter in monitor x deny",
            Verb::Change(Whose::Everyone, way, Change::Add(Command::Monitor, name("x"), false)),
        ),
        ("set_handler b@h reg_send guard", Verb::SetHandler(node("b@h"), send, Some("guard".into()))),
        ("set_handler b@h reg_send undefined", Verb::SetHandler(node("b@h"), send, None)),
        ("test_filter b@h in reg_send x", Verb::Test(node("b@h"), way, send, Some(name("x")))),
        ("test_filter b@h in monitor _", Verb::Test(node("b@h"), way, Command::Monitor, None)),
        ("test_filter b@h out exit2 _", Verb::Test(node("b@h"), Direction::Out, Command::Exit2, None)),
        ("statistics b@h", Verb::Statistics(one())),
        ("statistics _", Verb::Statistics(Whose::Everyone)),
        ("counters b@h", Verb::Counters(node("b@h"))),
    ] {
        assert_eq!(of(words), Ok(expected), "{words}");
    }
    assert!(is_one(&request("statistics b@h").bytes()) && is_one(&request("nonsense").bytes()));
    assert!(!is_one(&word("dist").bytes()) && !is_one(&[]) && !is_one(&[104, 1]));
}

#[test]
fn what_is_none_says_what_would_be_one() {
    let long = "x".repeat(256);
    for (words, expected) in [
        ("set_filters b@h in link deny", VERBS),
        ("set_filter b@h link deny", VERBS),
        ("set_filter b@h in link deny more", VERBS),
        ("statistics", VERBS),
        ("set_filter b in link deny", PEER),
        ("set_filter _ in link deny", PEER),
        ("counters _", PEER),
        ("set_filter b@h inward link deny", DIRECTION),
        ("set_filter b@h in lnk deny", COMMAND),
        ("add_filter b@h in _ x deny", COMMAND),
        ("set_filter b@h in link reject", VERDICT),
        ("set_filter b@h in link drop", VERDICT),
        ("add_filter b@h in reg_send _ deny", ALL_TARGETS),
        ("del_filter b@h in reg_send _", ALL_TARGETS),
        ("add_filter b@h in link x deny", TARGET),
        ("add_filter b@h in reg_send m:f/1 deny", TARGET),
        ("add_filter b@h in spawn_request x deny", TARGET),
        ("add_filter b@h in spawn_request m:_/1 deny", TARGET),
        ("add_filter b@h in spawn_request _:f/1 deny", TARGET),
        ("add_filter b@h in spawn_request m:f/256 deny", TARGET),
        ("add_filter b@h in spawn_request m:f/-1 deny", TARGET),
        ("set_default_filter in _ x deny", TARGET),
        ("test_filter b@h in reg_send _", EXACT),
        ("test_filter b@h in spawn_request m:f/_", EXACT),
        (&format!("add_filter b@h in reg_send {long} deny"), TARGET),
        ("set_handler b@h link 1:f/1", HANDLER),
    ] {
        assert_eq!(of(words), Err(expected), "{words}");
    }
    // The empty atom is no name of a process.
    let empty = ["dist", "add_filter", "b@h", "in", "reg_send", "", "deny"].map(word).to_vec();
    assert_eq!(read(&Term::Tuple(empty).bytes()), Err(TARGET));
    let numbers = vec![word("dist"), word("statistics"), Term::Integer(1)];
    assert_eq!(read(&Term::Tuple(numbers).bytes()), Err(PEER));
    assert_eq!(read(&word("dist").bytes()), Err(VERBS));
    let mut more = request("statistics b@h").bytes();
    more.push(106);
    assert_eq!(read(&more), Err(REST));
}

/// Every cut and every changed byte of every request has an answer; one that is read is read the same twice.
#[test]
fn no_bytes_are_more_than_a_request_or_none() {
    for words in
        ["add_filter b@h in spawn_request m:f/1 deny", "set_default_filter in monitor x deny", "statistics _"]
    {
        let bytes = request(words).bytes();
        for n in 0..bytes.len() {
            assert!(read(&bytes[..n]).is_err(), "{words} cut at {n}");
            for byte in 0..=255 {
                let mut changed = bytes.clone();
                changed[n] = byte;
                assert_eq!(read(&changed), read(&changed));
            }
        }
    }
}

/// As `term_to_binary` writes them, but for the version byte.
#[test]
fn answers_are_terms_of_the_shape_of_the_rfc() {
    let written = |write: &dyn Fn(&mut Writer)| {
        let mut w = Writer::new();
        write(&mut w);
        w.bytes().to_vec()
    };
    let accept = written(&|w| ok(w, |w| filter(w, true)));
    assert_eq!(accept, b"\x68\x02\x77\x02ok\x77\x06accept");
    let deny = written(&|w| ok(w, |w| tested(w, &Verdict::Deny(crate::dist::reason::Reason::Rule))));
    assert_eq!(deny, b"\x68\x02\x77\x02ok\x68\x02\x77\x04deny\x77\x04rule");
    assert_eq!(
        written(&|w| error(w, "loosens", "no")),
        b"\x68\x02\x77\x05error\x68\x02\x77\x07loosens\x6d\0\0\0\x02no"
    );
    let rows = written(&|w| statistics(w, &Counters::default()));
    let row = |name: &str| {
        let pair = |word: &str| [&[104, 2][..], &word_of(word), &[97, 0]].concat();
        let inside = [&[108, 0, 0, 0, 2][..], &pair("accept"), &pair("deny"), &[106]].concat();
        [&[104, 2][..], &word_of(name), &inside].concat()
    };
    let all: Vec<u8> = Command::ALL.iter().flat_map(|command| row(command.name())).collect();
    assert_eq!(rows, [&[108, 0, 0, 0, 14][..], &all, &[106]].concat());
    assert_eq!(Command::ALL[0].name(), "alias_send");
    assert_eq!(Command::ALL[13].name(), "unlink_ack");
}

fn word_of(text: &str) -> Vec<u8> {
    [&[119, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}
