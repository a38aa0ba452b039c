//! Handshakes with what a real node said, with ourselves, and with those who want something else.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::cookie::Cookie;
use super::message::Status;
use super::name::NodeName;
use super::*;
use crate::dist::command::Direction;
use crate::dist::testing::recorded;

struct House {
    allowed: &'static [&'static str],
    existing: Existing,
}

impl Guests for House {
    fn cookie(&self, name: &NodeName) -> Option<Cookie> {
        self.allowed.contains(&name.as_str()).then(|| Cookie::parse(b"secret").unwrap())
    }

    fn existing(&self, _: &NodeName) -> Existing {
        self.existing
    }
}

const OPEN: House = House { allowed: &["a@127.0.0.2", "a@h", "z@h"], existing: Existing::None };

fn hello(name: &str) -> Hello {
    Hello { flags: Flags::OFFERED, creation: 5, name: NodeName::parse(name.as_bytes()).unwrap() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn acceptor() -> Acceptor {
    Acceptor::new(hello("b@h"), 77, soon())
}

fn sent(progress: Result<Progress, Failure>) -> Vec<Vec<u8>> {
    match progress {
        Ok(Progress::Send(bodies)) => bodies,
        other => panic!("{other:?}"),
    }
}

/// We stand where b@127.0.0.1 stood when a@127.0.0.2 called it, and say the very bytes that it said.
#[test]
fn an_acceptor_says_what_a_real_node_says() {
    let recorded = recorded();
    let [name, status, challenge, reply, ack] = recorded.handshake() else { panic!() };
    let (own, number) = Hello::read_challenge(&challenge.1).unwrap();
    let mut acceptor = Acceptor::new(own.clone(), number, soon());
    let out = sent(acceptor.receive(&name.1, &OPEN, Instant::now()));
    assert_eq!(out, [status.1.clone(), challenge.1.clone()]);
    let Ok(Progress::Done(Some(out), connected)) = acceptor.receive(&reply.1, &OPEN, Instant::now()) else {
        panic!("the digest of a real node was refused")
    };
    assert_eq!(out, ack.1);
    assert_eq!(connected.peer, Hello::read_name(&name.1).unwrap());
    assert_eq!(connected.flags, own.flags.and(connected.peer.flags));
}

/// And where a@127.0.0.2 stood.
#[test]
fn an_initiator_says_what_a_real_node_says() {
    let recorded = recorded();
    let [name, status, challenge, reply, ack] = recorded.handshake() else { panic!() };
    assert_eq!((name.0, status.0), (Direction::In, Direction::Out));
    let (number, _) = message::read_reply(&reply.1).unwrap();
    let own = Hello::read_name(&name.1).unwrap();
    let callee = NodeName::parse(b"b@127.0.0.1").unwrap();
    let cookie = Cookie::parse(b"secret").unwrap();
    let (mut initiator, first) = Initiator::new(own, callee, cookie, number, soon());
    assert_eq!(first, name.1);
    assert!(sent(initiator.receive(&status.1, Instant::now())).is_empty());
    assert_eq!(sent(initiator.receive(&challenge.1, Instant::now())), vec![reply.1.clone()]);
    let Ok(Progress::Done(None, connected)) = initiator.receive(&ack.1, Instant::now()) else { panic!() };
    assert_eq!(connected.peer.name.as_str(), "b@127.0.0.1");
}

/// A real node has all that we require, and would take what we offer.
#[test]
fn a_real_node_and_we_would_connect() {
    let peer = Hello::read_name(&recorded().handshake()[0].1).unwrap();
    assert_eq!(required(peer.flags), Ok(()));
    assert!(Flags::OFFERED.has(Flags::MANDATORY_26));
    for never in [
        Flags::PUBLISHED,
        Flags::DIST_HDR_ATOM_CACHE,
        Flags::FRAGMENTS,
        Flags::NAME_ME,
        Flags::ALTACT_SIG,
        Flags(0x2),
        Flags(0x40),
        Flags(1 << 36),
    ] {
        assert!(!Flags::OFFERED.has(never), "{never:?}");
    }
}

/// Both of our sides, with every status on the way.
fn converse(existing: Existing, wrong_cookie: bool) -> Result<(Connected, Connected), Failure> {
    let house = House { allowed: &["z@h"], existing };
    let cookie = Cookie::parse(if wrong_cookie { b"other" } else { b"secret" }).unwrap();
    let mut acceptor = acceptor();
    let (mut initiator, first) =
        Initiator::new(hello("z@h"), NodeName::parse(b"b@h").unwrap(), cookie, 99, soon());
    let mut to_acceptor = vec![first];
    for _ in 0..10 {
        let mut to_initiator = Vec::new();
        let mut accepted = None;
        for body in to_acceptor.drain(..) {
            match acceptor.receive(&body, &house, Instant::now())? {
                Progress::Send(bodies) => to_initiator.extend(bodies),
                Progress::Done(last, connected) => {
                    to_initiator.extend(last);
                    accepted = Some(connected);
                }
                Progress::Refuse(body, _) => to_initiator.push(body),
            }
        }
        for body in to_initiator {
            match initiator.receive(&body, Instant::now())? {
                Progress::Send(bodies) => to_acceptor.extend(bodies),
                Progress::Done(_, connected) => return Ok((accepted.unwrap(), connected)),
                Progress::Refuse(..) => panic!("an initiator refuses nobody"),
            }
        }
    }
    panic!("no end")
}

#[test]
fn both_sides_connect_by_every_way_there_is() {
    for existing in [Existing::None, Existing::Up, Existing::Calling] {
        let (accepted, initiated) = converse(existing, false).unwrap();
        assert_eq!((accepted.peer, initiated.peer), (hello("z@h"), hello("b@h")), "{existing:?}");
        assert_eq!((accepted.flags, initiated.flags), (Flags::OFFERED, Flags::OFFERED));
    }
    assert_eq!(converse(Existing::None, true), Err(Failure::Cookie));
}

#[test]
fn the_call_of_the_greater_name_stands() {
    let house = House { existing: Existing::Calling, ..OPEN };
    let said = |name| acceptor().receive(&hello(name).write_name(), &house, Instant::now());
    assert_eq!(sent(said("z@h"))[0], b"sok_simultaneous");
    assert_eq!(said("a@h"), Ok(Progress::Refuse(b"snok".to_vec(), Failure::OtherConnection)));
    let house = House { existing: Existing::Up, ..OPEN };
    let mut asked = acceptor();
    assert_eq!(sent(asked.receive(&hello("a@h").write_name(), &house, Instant::now())), [b"salive".to_vec()]);
    assert_eq!(asked.receive(b"sfalse", &house, Instant::now()), Err(Failure::OtherConnection));
}

/// An allow-list without names allows nobody, one with names exactly those, and nobody else gets a challenge.
#[test]
fn who_is_not_allowed_gets_no_challenge() {
    let refused = |allowed, name: &str| {
        let house = House { allowed, existing: Existing::None };
        let mut acceptor = acceptor();
        assert_eq!(acceptor.said(), None);
        let answer = acceptor.receive(&hello(name).write_name(), &house, Instant::now());
        // A log can name whom it was.
        assert_eq!(acceptor.said().map(NodeName::as_str), Some(name));
        answer == Ok(Progress::Refuse(b"snot_allowed".to_vec(), Failure::NotAllowed))
    };
    assert!(refused(&[], "a@h"));
    assert!(refused(&["a@h"], "a@hh") && refused(&["a@h"], "A@h") && refused(&["h"], "a@h"));
    assert!(!refused(&["a@h"], "a@h"));
    // Nobody is us.
    assert!(refused(&["b@h"], "b@h"));
}

#[test]
fn a_node_without_what_is_required_is_refused_before_a_challenge() {
    for bit in 0..64 {
        let flag = Flags(1 << bit);
        // The digest says that it has what OTP 25 asks for, so it is taken away too.
        let flags = Flags(Flags::OFFERED.0 & !flag.0 & !Flags::MANDATORY_25_DIGEST.0);
        let name = Hello { flags, ..hello("a@h") }.write_name();
        let refused = acceptor().receive(&name, &OPEN, Instant::now());
        let missing = Ok(Progress::Refuse(b"snot_allowed".to_vec(), Failure::MissingFlags(flag.0)));
        assert_eq!(refused == missing, Flags::REQUIRED.has(flag), "bit {bit}: {refused:?}");
    }
    let digest = Flags(Flags::OFFERED.0 & !Flags::MANDATORY_25.0);
    assert_eq!(required(digest), Ok(()));
}

#[test]
fn what_is_no_message_of_a_handshake_ends_it() {
    let name = hello("a@h").write_name();
    for (body, failure) in [
        (b"".to_vec(), Failure::Malformed("name")),
        (b"n\0\x05\0\0\0\0a@h".to_vec(), Failure::OldVersion),
        (name[..name.len() - 1].to_vec(), Failure::Malformed("name")),
        ([&name[..], b"x"].concat(), Failure::Malformed("name")),
        (b"sok".to_vec(), Failure::Malformed("name")),
        ([&name[..13], b"\0\x05a\n@hx"].concat(), Failure::Name),
        (
            Hello { flags: Flags(Flags::OFFERED.0 | Flags::NAME_ME.0), ..hello("a@h") }.write_name(),
            Failure::DynamicName,
        ),
    ] {
        let mut acceptor = acceptor();
        assert_eq!(acceptor.receive(&body, &OPEN, Instant::now()), Err(failure), "{body:?}");
        assert_eq!(acceptor.receive(&name, &OPEN, Instant::now()), Err(Failure::Over));
    }
    let mut acceptor = acceptor();
    let _ = sent(acceptor.receive(&name, &OPEN, Instant::now()));
    assert_eq!(acceptor.receive(b"r123", &OPEN, Instant::now()), Err(Failure::Malformed("challenge reply")));
}

#[test]
fn the_deadline_is_for_the_whole_handshake() {
    let start = Instant::now();
    let mut acceptor = Acceptor::new(hello("b@h"), 77, start + Duration::from_secs(5));
    let _ = sent(acceptor.receive(&hello("a@h").write_name(), &OPEN, start + Duration::from_millis(4999)));
    let reply = message::reply(1, &Cookie::parse(b"secret").unwrap().digest(77));
    assert_eq!(acceptor.receive(&reply, &OPEN, start + Duration::from_secs(5)), Err(Failure::Deadline));
    assert_eq!(acceptor.receive(&reply, &OPEN, start), Err(Failure::Over));
}

/// Who is called and has another name gets no digest; a status that is a refusal ends the call.
#[test]
fn an_initiator_gives_its_digest_to_nobody_else() {
    let start = || {
        let cookie = Cookie::parse(b"secret").unwrap();
        Initiator::new(hello("a@h"), NodeName::parse(b"b@h").unwrap(), cookie, 1, soon()).0
    };
    let mut initiator = start();
    let _ = sent(initiator.receive(b"sok", Instant::now()));
    let other = hello("evil@h").write_challenge(4);
    assert_eq!(initiator.receive(&other, Instant::now()), Err(Failure::OtherNode));
    for (status, failure) in [
        (&b"snok"[..], Failure::Refused("nok")),
        (b"snot_allowed", Failure::Refused("not_allowed")),
        (b"snamed:\0\x03x@y\0\0\0\x01", Failure::Malformed("status")),
        (b"sok ", Failure::Malformed("status")),
        (b"N", Failure::Malformed("status")),
    ] {
        assert_eq!(start().receive(status, Instant::now()), Err(failure));
    }
    assert_eq!(Status::read(b"salive"), Ok(Status::Alive));
}
