//! For all rules, all changes at run time and all kinds of messages: what `test_filter` answers, on the command line and as a verb, is what
//! the gate does; and no change at run time lets through what the file denies.
#![forbid(unsafe_code)]

use proptest::prelude::*;

use super::super::super::gate::{Gate, Passage};
use super::*;
use crate::dist::control::{Mfa, Target, answer, read};
use crate::dist::etf::{Pid, Ref, write};
use crate::dist::filter::Verdict;
use crate::dist::filter::policy::Group;
use crate::dist::filter::table::{Rule, Subject, Table, Tables};
use crate::dist::learn::Node;
use crate::dist::question::{Question, ask};

const OWN: &str = "own@h";

/// A rule to be put somewhere.
#[derive(Clone, Debug)]
enum Put {
    Default(bool),
    Command(Command, bool),
    Fine(Command, String, bool),
    Handler(Command),
}

/// A kind of message, with its target.
type Kind = (Direction, Command, Option<&'static str>);

fn command() -> impl Strategy<Value = Command> {
    prop::sample::select(Command::ALL)
}

fn subject() -> impl Strategy<Value = (Command, String)> {
    let names = (prop::sample::select(&["x", "y"][..]), prop::bool::ANY).prop_map(|(name, monitor)| {
        (if monitor { Command::Monitor } else { Command::RegSend }, name.to_owned())
    });
    let functions = prop::sample::select(&["m:f/0", "m:f/1", "m:f/_", "m:_/_", "m:g/0", "n:f/0"][..]);
    prop_oneof![names, functions.prop_map(|text| (Command::SpawnRequest, text.to_owned()))]
}

fn put() -> impl Strategy<Value = Put> {
    prop_oneof![
        2 => prop::bool::ANY.prop_map(Put::Default),
        4 => (command(), prop::bool::ANY).prop_map(|(c, a)| Put::Command(c, a)),
        6 => (subject(), prop::bool::ANY).prop_map(|((c, s), a)| Put::Fine(c, s, a)),
        1 => prop::sample::select(&[Command::RegSend, Command::Send, Command::SpawnRequest][..]).prop_map(Put::Handler),
    ]
}

fn direction() -> impl Strategy<Value = Direction> {
    prop::sample::select(&[Direction::In, Direction::Out][..])
}

fn kind() -> impl Strategy<Value = Kind> {
    (direction(), command(), 0_usize..6).prop_map(|(direction, command, n)| {
        let names = [None, Some("x"), Some("y"), Some("z"), Some("x"), Some("y")];
        let functions = ["m:f/0", "m:f/1", "m:f/2", "m:g/0", "n:f/0", "o:f/0"];
        let target = match command {
            Command::Monitor => names[n],
            Command::RegSend => Some(names[n].unwrap_or("z")),
            Command::SpawnRequest => Some(functions[n]),
            _ => None,
        };
        (direction, command, target)
    })
}

fn add(table: &mut Table, put: &Put) {
    let rule = |accept| Rule { accept, line: 7 };
    match put {
        Put::Default(a) => table.default = Some(rule(*a)),
        Put::Command(c, a) => table.rules(*c).coarse = Some(rule(*a)),
        Put::Fine(c, s, a) => {
            table.rules(*c).fine.insert(Subject::parse(*c, s).unwrap(), rule(*a));
        }
        Put::Handler(c) => table.rules(*c).handler = Some("guard".to_owned()),
    }
}

fn file(puts: &[(u8, Direction, Put)]) -> Policy {
    let mut policy = policy(&[OPS]);
    policy.default = Tables::default();
    let nodes = [APP.to_owned()].into();
    policy.groups.push(Group { name: "g".into(), nodes, tables: Tables::default() });
    for (level, direction, put) in puts {
        let tables = match level {
            0 => policy.nodes.entry(APP.to_owned()).or_default(),
            1 => &mut policy.groups[0].tables,
            _ => &mut policy.default,
        };
        add(tables.of_mut(*direction), put);
    }
    policy
}

/// The verb that makes a change: of the node, by itself or by another, or of all.
fn verb((direction, put, whose): &(Direction, Put, u8)) -> (&'static str, String) {
    let way = direction.name();
    let word = |accept: &bool| if *accept { "accept" } else { "deny" };
    let asker = if *whose == 0 { APP } else { OPS };
    let words = match (put, whose) {
        (Put::Default(a), 2) => format!("set_default_filter {way} _ _ {}", word(a)),
        (Put::Default(a), _) => format!("set_filter {APP} {way} _ {}", word(a)),
        (Put::Command(c, a), 2) => format!("set_default_filter {way} {} _ {}", c.name(), word(a)),
        (Put::Command(c, a), _) => format!("set_filter {APP} {way} {} {}", c.name(), word(a)),
        (Put::Fine(c, s, a), 2) => format!("set_default_filter {way} {} {s} {}", c.name(), word(a)),
        (Put::Fine(c, s, a), 1) => format!("add_filter {APP} {way} {} {s} {}", c.name(), word(a)),
        (Put::Fine(c, s, _), _) => format!("del_filter {APP} {way} {} {s}", c.name()),
        (Put::Handler(c), _) => format!("set_handler {APP} {} guard", c.name()),
    };
    (asker, words)
}

fn pid(way: Direction, id: u32) -> Pid<'static> {
    let (node, creation) = if way == Direction::In { (APP, 7) } else { (OWN, 8) };
    Pid { node, creation, id, serial: 0 }
}

fn reference(way: Direction, n: u32) -> Ref<'static> {
    let Pid { node, creation, .. } = pid(way, 0);
    Ref { node, creation, words: [n, 2, 3, 0, 0], len: 3 }
}

fn back(way: Direction) -> Direction {
    if way == Direction::In { Direction::Out } else { Direction::In }
}

/// A tuple of an operation without a function in `answer`.
fn raw(operation: u8, elements: u8, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(&[0, 0, 0, 0, b'p', 131, 104, elements + 1, 97, operation]);
    write(&mut w);
    w.bytes().to_vec()
}

fn spawn(way: Direction, request: &Ref<'_>, mfa: &Mfa<'_>) -> Vec<u8> {
    raw(29, 5, |w| {
        write::reference(w, request);
        write::pid(w, &pid(way, 1));
        write::pid(w, &pid(way, 1));
        w.raw(&[104, 3]);
        write::atom(w, mfa.module);
        write::atom(w, mfa.function);
        w.raw(&[97, mfa.arity, 106, 131]);
        if mfa.arity > 0 {
            w.raw(&[108, 0, 0, 0, mfa.arity]);
            (0..mfa.arity).for_each(|_| w.nil());
        }
        w.nil();
    })
}

/// A message of that kind. References of the own side begin at 20, those of the other, which it was told or asked under, at 10.
fn message((way, command, target): &Kind) -> Vec<u8> {
    let (way, other) = (*way, back(*way));
    let (from, to) = (pid(way, 1), pid(other, 1));
    let named = target.map_or(Target::Pid(to), Target::Name);
    let pair = |operation| {
        raw(operation, 2, |w| {
            write::pid(w, &from);
            write::pid(w, &to);
        })
    };
    match command {
        Command::AliasSend => answer::alias_send(&from, &reference(other, 10), &[106]),
        Command::Demonitor => answer::demonitor(&from, &Target::Pid(to), &reference(way, 20)),
        Command::Exit => answer::exit(&from, &to, "gone"),
        Command::Exit2 => [pair(26), vec![131, 106]].concat(),
        Command::GroupLeader => pair(7),
        Command::Link => pair(1),
        Command::Monitor => answer::monitor(&from, &named, &reference(way, 21)),
        Command::MonitorExit => answer::monitor_exit(&Target::Pid(from), &to, &reference(other, 11), "gone"),
        Command::RegSend => answer::reg_send(&from, target.unwrap(), &[106]),
        Command::Send => answer::send(&from, &to, &[106]),
        Command::SpawnReply => answer::spawn_failed(&reference(other, 12), &to, "gone"),
        Command::SpawnRequest => {
            let Some(Subject::Function(module, Some((function, Some(arity))))) =
                Subject::parse(Command::SpawnRequest, target.unwrap())
            else {
                panic!("{target:?}")
            };
            let mfa = Mfa { module: &module, function: &function, arity };
            spawn(way, &reference(way, 22), &mfa)
        }
        Command::Unlink => raw(35, 3, |w| {
            w.uint(5);
            write::pid(w, &from);
            write::pid(w, &to);
        }),
        Command::UnlinkAck => answer::unlink_ack(6, &from, &to),
    }
}

/// What makes any message of that kind an answer to something, or addressed to somebody who was told: said the other way, under rules that accept all.
fn before(kind: &Kind) -> Vec<Vec<u8>> {
    let (way, other) = (kind.0, back(kind.0));
    let (from, to) = (pid(other, 1), pid(way, 1));
    let mut told = Writer::new();
    told.tuple(2);
    write::pid(&mut told, &from);
    write::reference(&mut told, &reference(other, 10));
    let mut all = vec![answer::reg_send(&from, "x", told.bytes())];
    // And that the other way can be addressed at all.
    let mut own = Writer::new();
    write::pid(&mut own, &to);
    match kind.1 {
        Command::Exit => all.push(raw(1, 2, |w| {
            write::pid(w, &from);
            write::pid(w, &to);
        })),
        Command::MonitorExit => all.push(answer::monitor(&from, &Target::Pid(to), &reference(other, 11))),
        Command::SpawnReply => {
            let mfa = Mfa { module: "m", function: "f", arity: 0 };
            all.push(spawn(other, &reference(other, 12), &mfa));
        }
        Command::UnlinkAck => all.push(raw(35, 3, |w| {
            w.uint(6);
            write::pid(w, &from);
            write::pid(w, &to);
        })),
        _ => {}
    }
    all
}

fn open() -> Policy {
    let mut policy = policy(&[OPS]);
    policy.default.inward.default = Some(Rule { accept: true, line: 1 });
    policy
}

/// Through the gate: `accept`, or the reason for which it is denied.
fn pass(gate: &mut Gate, control: &mut Control, policy: &Policy, way: Direction, frame: &[u8]) -> String {
    let mut ledger = control.ledger(policy, &APP.into());
    let before = reasons(ledger.record, way);
    let passed = match way {
        Direction::In => gate.inbound(policy, &mut ledger, &read(&frame[4..]).unwrap()) == Passage::Through,
        Direction::Out => gate.outbound(policy, &mut ledger, frame).unwrap(),
    };
    let after = reasons(ledger.record, way);
    let more = after.iter().find(|(reason, n)| !before.contains(&(*reason, *n)));
    assert_eq!(more.is_none(), passed, "counted otherwise than done");
    more.map_or_else(|| "accept".to_owned(), |(reason, _)| format!("{{deny,{}}}", reason.name()))
}

fn reasons(record: &Record, way: Direction) -> Vec<(Reason, u64)> {
    record.counters[usize::from(way == Direction::Out)].reasons().collect()
}

/// A gate where everything is known that a message of that kind needs.
fn gate(kind: &Kind) -> Gate {
    let node = |name: &str, creation| Node { name: name.to_owned(), creation };
    let (open, mut scratch) = (open(), Control::new(false, |_| {}));
    let mut gate = Gate::new(node(OWN, 8), node(APP, 7), &open);
    let other = back(kind.0);
    // Each side has told of itself first, so that it can be addressed.
    for (way, to) in [(kind.0, "x"), (other, "x")] {
        let mut own = Writer::new();
        write::pid(&mut own, &pid(way, 1));
        let hello = answer::reg_send(&pid(way, 1), to, own.bytes());
        assert_eq!(pass(&mut gate, &mut scratch, &open, way, &hello), "accept");
    }
    for frame in before(kind) {
        assert_eq!(pass(&mut gate, &mut scratch, &open, other, &frame), "accept", "{kind:?}");
    }
    gate
}

fn cases() -> u32 {
    std::env::var("FILTER_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_question_is_answered_as_the_message_is(
        puts in prop::collection::vec((0_u8..3, direction(), put()), 0..8),
        changes in prop::collection::vec((direction(), put(), 0_u8..3), 0..5),
        kind in kind(),
    ) {
        let (policy, mut control) = (file(&puts), Control::new(false, |_| {}));
        let (way, command, target) = kind;
        let text = format!("test_filter {APP} {} {} {}", way.name(), command.name(), target.unwrap_or("_"));
        let question = Question::parse(APP, way.name(), command.name(), target).unwrap();
        let by_file = ask(&policy, &question).verdict;
        let mut made = 0;
        for (asker, words) in changes.iter().map(verb) {
            let said = super::answer(&mut control, &policy, asker, &words);
            prop_assert!(said.starts_with("{ok,") || said.starts_with("{error,{"), "{}", said);
            made += usize::from(said.starts_with("{ok,"));
        }
        let asked = super::answer(&mut control, &policy, APP, &text);
        let done = pass(&mut gate(&kind), &mut control, &policy, way, &message(&kind));
        prop_assert_eq!(&asked, &format!("{{ok,{}}}", done));
        let file_says = match by_file {
            Verdict::Accept => "accept".to_owned(),
            Verdict::Deny(reason) => format!("{{deny,{}}}", reason.name()),
            Verdict::Handler(_) => "{deny,no_handler}".to_owned(),
        };
        // Never more than the file; and where nothing was set, as the command line says.
        prop_assert!(done != "accept" || file_says == "accept");
        prop_assert!(made > 0 || done == file_says);
    }
}

/// The property is about something: of every kind some messages pass, and each reason of the rules denies some.
#[test]
fn the_messages_of_the_property_pass_where_everything_is_accepted() {
    for direction in [Direction::In, Direction::Out] {
        for command in Command::ALL {
            let target = match command {
                Command::RegSend => Some("x"),
                Command::SpawnRequest => Some("m:f/1"),
                _ => None,
            };
            let kind = (direction, *command, target);
            let mut control = Control::new(false, |_| {});
            assert_eq!(
                pass(&mut gate(&kind), &mut control, &open(), direction, &message(&kind)),
                "accept",
                "{kind:?}"
            );
            let everything = [(0, direction, Put::Default(false))];
            let denied = pass(&mut gate(&kind), &mut control, &file(&everything), direction, &message(&kind));
            assert_eq!(denied, "{deny,default}", "{kind:?}");
        }
    }
}
