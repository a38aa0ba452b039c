//! What holds for all rules and all messages.
#![forbid(unsafe_code)]

use proptest::prelude::*;

use super::*;
use crate::dist::control::Mfa;
use crate::dist::etf::write;
use crate::dist::filter::policy::Group;
use crate::dist::filter::runtime::Change;
use crate::dist::filter::table::{Subject, Table, Tables};
use crate::dist::question::{Question, ask};

/// A rule to be put somewhere.
#[derive(Clone, Debug)]
enum Put {
    Default(bool),
    Command(Command, bool),
    Fine(Command, Subject, bool),
}

fn command() -> impl Strategy<Value = Command> {
    prop::sample::select(Command::ALL)
}

fn subject() -> impl Strategy<Value = (Command, Subject)> {
    const TEXTS: &[&str] = &["m:f/0", "m:f/1", "m:f/_", "m:_/_", "m:g/0", "n:f/0"];
    prop_oneof![
        (prop::sample::select(&["x", "y"][..]), prop::bool::ANY).prop_map(|(name, monitor)| {
            let command = if monitor { Command::Monitor } else { Command::RegSend };
            (command, Subject::parse(command, name).unwrap())
        }),
        prop::sample::select(TEXTS)
            .prop_map(|text| (Command::SpawnRequest, Subject::parse(Command::SpawnRequest, text).unwrap())),
    ]
}

fn put() -> impl Strategy<Value = Put> {
    prop_oneof![
        prop::bool::ANY.prop_map(Put::Default),
        (command(), prop::bool::ANY).prop_map(|(c, a)| Put::Command(c, a)),
        (subject(), prop::bool::ANY).prop_map(|((c, s), a)| Put::Fine(c, s, a)),
    ]
}

fn add(table: &mut Table, put: &Put) {
    let rule = |accept| Rule { accept, line: 0 };
    match put {
        Put::Default(a) => table.default = Some(rule(*a)),
        Put::Command(c, a) => table.rules(*c).coarse = Some(rule(*a)),
        Put::Fine(c, s, a) => {
            table.rules(*c).fine.insert(s.clone(), rule(*a));
        }
    }
}

/// Rules in the table of the node, of its group, or of all; from the peer or to it.
fn place(policy: &mut Policy, level: u8, direction: Direction) -> &mut Table {
    let tables: &mut Tables = match level {
        0 => policy.nodes.entry(PEER.into()).or_default(),
        1 => {
            if policy.groups.is_empty() {
                let nodes = [PEER.to_owned()].into();
                policy.groups.push(Group { name: "g".into(), nodes, tables: Tables::default() });
            }
            &mut policy.groups[0].tables
        }
        _ => &mut policy.default,
    };
    tables.of_mut(direction)
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(&[Direction::In, Direction::Out][..])
}

fn bench(puts: &[(u8, Direction, Put)]) -> Bench {
    let mut bench = Bench::open();
    bench.policy.default = Tables::default();
    for (level, direction, put) in puts {
        add(place(&mut bench.policy, *level, *direction), put);
    }
    // Both have told each other of one process and one alias, so that rules decide.
    for party in [Direction::In, Direction::Out] {
        let mut open = Bench::open();
        std::mem::swap(&mut open.learned, &mut bench.learned);
        open.policy.default.outward.default = Some(Rule { accept: true, line: 0 });
        let (from, r) = match party {
            Direction::In => (peer(1), reference(PEER, 7, 1)),
            Direction::Out => (protected(1), reference(PROTECTED, 8, 1)),
        };
        let told = term(|w| {
            w.tuple(2);
            write::reference(w, &r);
            write::pid(w, &from);
        });
        assert_eq!(open.pass_frame(party, &reg_send(&from, "x", &told)), Verdict::Accept);
        std::mem::swap(&mut open.learned, &mut bench.learned);
    }
    bench
}

/// One message of each kind that rules tell apart, each way.
fn messages(direction: Direction) -> Vec<Vec<u8>> {
    let (from, to, own, theirs) = match direction {
        Direction::In => (peer(1), protected(1), reference(PEER, 7, 2), reference(PROTECTED, 8, 1)),
        Direction::Out => (protected(1), peer(1), reference(PROTECTED, 8, 2), reference(PEER, 7, 1)),
    };
    let mut all = vec![send(&from, &to, &[106]), alias_send(&from, &theirs, &[106])];
    for name in ["x", "y", "z"] {
        all.push(reg_send(&from, name, &[106]));
        all.push(monitor(&from, &Target::Name(name), &own));
    }
    all.push(monitor(&from, &Target::Pid(to), &own));
    for (module, function, arity) in [
        ("m", "f", 0),
        ("m", "f", 1),
        ("m", "f", 2),
        ("m", "g", 0),
        ("m", "h", 9),
        ("n", "f", 0),
        ("o", "f", 0),
    ] {
        all.push(spawn(&own, &from, &Mfa { module, function, arity }));
    }
    let mut link = send(&from, &to, &[106]);
    link.truncate(link.len() - 2);
    link[9] = 1;
    all.push(link);
    all
}

pub(super) fn spawn(request: &Ref<'_>, from: &Pid<'_>, mfa: &Mfa<'_>) -> Vec<u8> {
    let body = term(|w| {
        w.raw(b"p\x83\x68\x06\x61\x1d");
        write::reference(w, request);
        write::pid(w, from);
        write::pid(w, from);
        w.raw(&[104, 3]);
        write::atom(w, mfa.module);
        write::atom(w, mfa.function);
        w.raw(&[97, mfa.arity, 106, 131]);
        if mfa.arity > 0 {
            w.raw(&[108, 0, 0, 0, mfa.arity]);
            (0..mfa.arity).for_each(|_| w.nil());
        }
        w.nil();
    });
    [vec![0; 4], body].concat()
}

fn accepted(bench: &Bench) -> Vec<bool> {
    let ways = [Direction::In, Direction::Out];
    let all =
        ways.into_iter().flat_map(|direction| messages(direction).into_iter().map(move |m| (direction, m)));
    all.map(|(direction, frame)| {
        let message = read(&frame[4..]).unwrap();
        let decision = bench.decide(direction, &message);
        assert_eq!(decision, bench.decide(direction, &message), "not the same twice");
        !matches!(decision.verdict, Verdict::Deny(_))
    })
    .collect()
}

fn puts() -> impl Strategy<Value = Vec<(u8, Direction, Put)>> {
    prop::collection::vec((0_u8..3, direction(), put()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_rule_that_denies_never_lets_more_through(puts in puts(), more in (0_u8..3, direction(), put())) {
        let before = accepted(&bench(&puts));
        let (level, way, put) = more;
        let denying = match put {
            Put::Default(_) => Put::Default(false),
            Put::Command(c, _) => Put::Command(c, false),
            Put::Fine(c, s, _) => Put::Fine(c, s, false),
        };
        let after = accepted(&bench(&[puts, vec![(level, way, denying)]].concat()));
        prop_assert!(before.iter().zip(&after).all(|(before, after)| *before || !after));
    }

    #[test]
    fn a_change_at_run_time_never_lets_more_through(
        puts in puts(),
        changes in prop::collection::vec((direction(), put(), prop::bool::ANY), 1..12),
    ) {
        let mut bench = bench(&puts);
        let mut before = accepted(&bench);
        for (way, put, delete) in changes {
            let change = match put {
                Put::Default(a) => Change::Default(a),
                Put::Command(c, a) => Change::Command(c, a),
                Put::Fine(c, s, _) if delete => Change::Delete(c, s),
                Put::Fine(c, s, a) => Change::Add(c, s, a),
            };
            let unchanged = bench.runtime.clone();
            let made = bench.runtime.change(way, &change);
            prop_assert!(made.is_ok() || bench.runtime == unchanged);
            let after = accepted(&bench);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| *before || !after), "{change:?}");
            before = after;
        }
    }

    #[test]
    fn without_an_allowed_node_nothing_passes(puts in puts()) {
        let mut bench = bench(&puts);
        bench.policy.allow.clear();
        prop_assert!(accepted(&bench).iter().all(|accepted| !accepted));
    }

    #[test]
    fn where_no_rule_speaks_the_defaults_hold(puts in puts()) {
        let bench = bench(&puts);
        for direction in [Direction::In, Direction::Out] {
            for frame in messages(direction) {
                let message = read(&frame[4..]).unwrap();
                let decision = bench.decide(direction, &message);
                if decision.by.is_some_and(|by| by.level == Level::Nobody) {
                    let expected = match direction {
                        Direction::In => Verdict::Deny(Reason::Default),
                        Direction::Out => Verdict::Accept,
                    };
                    prop_assert_eq!(decision.verdict, expected);
                }
            }
        }
    }

    /// `test_filter` answers what becomes of the message itself.
    #[test]
    fn a_question_is_answered_as_the_message_is(puts in puts(), way in direction()) {
        let bench = bench(&puts);
        for frame in messages(way) {
            let message = read(&frame[4..]).unwrap();
            let target = match Aim::of(&message.control) {
                None => None,
                Some(Aim::Name(name)) => Some(name.to_owned()),
                Some(Aim::Function(Mfa { module, function, arity })) => Some(format!("{module}:{function}/{arity}")),
            };
            let command = message.control.command().name();
            let question = Question::parse(PEER, way.name(), command, target.as_deref()).unwrap();
            let (answer, decision) = (ask(&bench.policy, &question), bench.decide(way, &message));
            prop_assert_eq!((answer.verdict, answer.by), (decision.verdict, decision.by));
        }
    }

    /// Frames of real nodes with bytes changed: a decision, or no message, and the same twice. What is let through can be walked.
    #[test]
    fn every_frame_has_an_answer(n in 0_usize..70, edits in prop::collection::vec((0_usize..400, any::<u8>()), 0..6)) {
        let all = recorded().messages();
        let (direction, mut body) = all[n % all.len()].clone();
        for (at, byte) in edits {
            let at = at % body.len();
            body[at] = byte;
        }
        let mut bench = Bench::open();
        bench.nodes.peer.creation = creation(Direction::In);
        bench.nodes.protected.creation = creation(Direction::Out);
        if let Ok(message) = read(&body) {
            let decision = bench.decide(direction, &message);
            prop_assert_eq!(&decision, &bench.decide(direction, &message));
            if let Verdict::Deny(_) = decision.verdict {
                prop_assert!(decision.lessons.is_empty() && decision.atoms.is_empty());
            }
        }
    }

    #[test]
    fn arbitrary_bytes_have_an_answer(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = read(&[b"p\x83", &body[..]].concat()) {
            let _ = Bench::open().decide(Direction::In, &message).verdict;
        }
    }
}

/// The properties are about something: some of the messages pass, some do not.
#[test]
fn rules_decide_about_the_messages_of_the_properties() {
    let open = accepted(&bench(&[(2, Direction::In, Put::Default(true))]));
    assert!(open.iter().all(|accepted| *accepted), "{open:?}");
    let closed = accepted(&bench(&[]));
    assert_eq!(closed.iter().filter(|accepted| **accepted).count(), closed.len() / 2);
}
