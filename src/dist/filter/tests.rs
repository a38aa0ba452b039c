//! What the firewall lets through: the conversation of two real nodes, the attacks that were shown to work, and rules of every kind.
#![forbid(unsafe_code)]

mod answered;
mod attacks;
mod decoded;
mod properties;
mod told;

use super::policy::Policy;
use super::table::Rule;
use super::*;
use crate::dist::command::Command;
use crate::dist::control::answer::{alias_send, monitor, reg_send, send};
use crate::dist::control::read;
use crate::dist::learn::Node;
use crate::dist::testing::recorded;

pub(super) const PEER: &str = "a@127.0.0.2";
pub(super) const PROTECTED: &str = "b@127.0.0.1";

/// A connection with everything that is known about it.
pub(super) struct Bench {
    pub policy: Policy,
    pub nodes: Nodes,
    pub learned: Learned,
    pub atoms: Atoms,
    pub runtime: Runtime,
    pub glass: Option<BrokenGlass>,
    pub now: u64,
}

impl Bench {
    /// Rules that accept everything from an allowed node.
    pub fn open() -> Self {
        let mut policy = Policy::default();
        policy.allow.insert(PEER.into());
        policy.default.inward.default = Some(Rule { accept: true, line: 1 });
        Self {
            policy,
            nodes: Nodes {
                protected: Node { name: PROTECTED.into(), creation: 8 },
                peer: Node { name: PEER.into(), creation: 7 },
            },
            learned: Learned::new(1000),
            atoms: Atoms::new(1000),
            runtime: Runtime::default(),
            glass: None,
            now: 0,
        }
    }

    pub fn decide<'m>(&'m self, direction: Direction, message: &Message<'m>) -> Decision<'m, 'm> {
        let state = State {
            nodes: &self.nodes,
            learned: &self.learned,
            atoms: &self.atoms,
            runtime: &self.runtime,
            glass: self.glass,
            now: self.now,
        };
        decide(&self.policy.view(PEER), direction, message, &state)
    }

    /// Decides about a body, and remembers what it teaches if it is delivered.
    pub fn pass(&mut self, direction: Direction, body: &[u8]) -> Verdict<'static> {
        let message = read(body).unwrap();
        let decision = self.decide(direction, &message);
        let verdict = match decision.verdict {
            Verdict::Accept => Verdict::Accept,
            Verdict::Deny(reason) => return Verdict::Deny(reason),
            Verdict::Handler(_) => Verdict::Handler("handled"),
        };
        let (lessons, atoms) = (decision.lessons, decision.atoms.clone());
        let atoms: Vec<String> = atoms.into_iter().map(str::to_owned).collect();
        let lessons: Vec<_> = lessons.into_iter().collect();
        self.learned = {
            let mut learned = self.learned.clone();
            learned.note(direction, &message.control, &lessons, self.now);
            learned
        };
        self.atoms.note(&atoms.iter().map(String::as_str).collect::<Vec<_>>());
        verdict
    }

    /// A frame made by `control::answer`.
    pub fn pass_frame(&mut self, direction: Direction, frame: &[u8]) -> Verdict<'static> {
        self.pass(direction, &frame[4..])
    }
}

pub(super) fn peer(id: u32) -> Pid<'static> {
    Pid { node: PEER, creation: 7, id, serial: 0 }
}

pub(super) fn protected(id: u32) -> Pid<'static> {
    Pid { node: PROTECTED, creation: 8, id, serial: 0 }
}

pub(super) fn reference(node: &'static str, creation: u32, n: u32) -> Ref<'static> {
    Ref { node, creation, words: [n, 2, 3, 0, 0], len: 3 }
}

pub(super) fn term(write: impl FnOnce(&mut crate::wire::write::Writer)) -> Vec<u8> {
    let mut w = crate::wire::write::Writer::new();
    write(&mut w);
    w.bytes().to_vec()
}

fn creation(direction: Direction) -> u32 {
    let all = recorded();
    let (_, body) = &all.handshake()[if direction == Direction::In { 0 } else { 2 }];
    let at = if direction == Direction::In { 9 } else { 13 };
    u32::from_be_bytes(body[at..at + 4].try_into().unwrap())
}

/// What two nodes of OTP say to each other is let through as a whole, but for what must not: funs and exports, a trace token, and what
/// comes of those.
#[test]
fn a_conversation_of_real_nodes_passes() {
    let mut bench = Bench::open();
    bench.nodes.peer.creation = creation(Direction::In);
    bench.nodes.protected.creation = creation(Direction::Out);
    let mut denied = Vec::new();
    for (n, (direction, body)) in recorded().messages().into_iter().enumerate() {
        let command = read(&body).unwrap().control.command();
        if let Verdict::Deny(reason) = bench.pass(direction, &body) {
            denied.push((n, command.name(), direction.name(), reason.name()));
        }
    }
    let found: Vec<_> = denied.iter().map(|(_, c, d, r)| (*c, *d, *r)).collect();
    assert_eq!(
        found,
        [
            // The map with `fun lists:map/2` in it, and what the server answers to it.
            ("reg_send", "in", "export"),
            ("alias_send", "out", "export"),
            // A process that has ended before, and is forgotten: the caller is told `noproc`, as by the node itself.
            ("monitor", "in", "not_learned"),
            ("monitor_exit", "out", "unsolicited"),
            ("reg_send", "in", "trace_token"),
            // erpc:cast of a fun, and that it was started.
            ("spawn_request", "in", "fun"),
            ("spawn_reply", "out", "unsolicited"),
        ],
        "{denied:?}"
    );
    // What has ended is forgotten: no monitor, no link, no request is left.
    assert!(bench.learned.len() < 60, "{}", bench.learned.len());
}

#[test]
fn a_process_can_be_sent_to_when_it_was_told_and_until_it_ends() {
    let mut bench = Bench::open();
    let hello = send(&peer(1), &protected(5), &[106]);
    assert_eq!(bench.pass_frame(Direction::In, &hello), Verdict::Deny(Reason::NotLearned));
    // It is told by what is sent, and who sends it is not: no process sees that.
    let told = term(|w| crate::dist::etf::write::pid(w, &protected(5)));
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &[106])), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::Out, &send(&protected(4), &peer(1), &told)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &hello), Verdict::Accept);
    for other in [4, 6] {
        assert_eq!(
            bench.pass_frame(Direction::In, &send(&peer(1), &protected(other), &[106])),
            Verdict::Deny(Reason::NotLearned)
        );
    }
    // It is monitored and goes down.
    let r = reference(PEER, 7, 1);
    assert_eq!(
        bench.pass_frame(Direction::In, &monitor(&peer(1), &Target::Pid(protected(5)), &r)),
        Verdict::Accept
    );
    let down = crate::dist::control::answer::monitor_exit(&Target::Pid(protected(5)), &peer(1), &r, "gone");
    assert_eq!(bench.pass_frame(Direction::Out, &down), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::Out, &down), Verdict::Deny(Reason::Unsolicited));
    assert_eq!(bench.pass_frame(Direction::In, &hello), Verdict::Deny(Reason::NotLearned));
    // Nobody speaks of it for long.
    bench.learned.expire(3_600_000, 3_600_000);
    assert!(bench.learned.is_empty());
}

/// The alias of a call is good for one answer.
#[test]
fn the_alias_of_a_call_is_answered_once() {
    let mut bench = Bench::open();
    let r = reference(PEER, 7, 1);
    let call = term(|w| {
        w.raw(b"\x68\x03\x77\x09$gen_call\x68\x02");
        crate::dist::etf::write::pid(w, &peer(1));
        w.raw(b"\x6c\0\0\0\x01\x77\x05alias");
        crate::dist::etf::write::reference(w, &r);
        w.raw(b"\x77\x05hello");
    });
    let answer = alias_send(&protected(5), &r, &[106]);
    assert_eq!(bench.pass_frame(Direction::Out, &answer), Verdict::Deny(Reason::NotLearned));
    assert_eq!(bench.pass_frame(Direction::In, &monitor(&peer(1), &Target::Name("x"), &r)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &call)), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::Out, &answer), Verdict::Accept);
    assert_eq!(bench.pass_frame(Direction::Out, &answer), Verdict::Deny(Reason::NotLearned));
}

#[test]
fn what_fits_nowhere_any_more_is_refused() {
    let mut bench = Bench::open();
    bench.learned = Learned::new(10);
    let mut verdicts = Vec::new();
    for id in 0..12 {
        verdicts.push(bench.pass_frame(Direction::In, &reg_send(&peer(id), "x", &[106])));
    }
    assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Accept).count(), 8);
    assert_eq!(verdicts[11], Verdict::Deny(Reason::TableFull));
    assert!(bench.learned.len() <= 10);
    // Who is known already still comes through.
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(0), "x", &[106])), Verdict::Accept);
    bench.learned.expire(1000, 1000);
    assert_eq!(bench.pass_frame(Direction::In, &reg_send(&peer(11), "x", &[106])), Verdict::Accept);
}

#[test]
fn a_glass_is_broken_for_its_time_and_opens_what_its_rules_say() {
    let mut bench = Bench::open();
    bench.policy.default.inward.default = Some(Rule { accept: false, line: 1 });
    bench.policy.break_glass.inward.rules(Command::RegSend).coarse = Some(Rule { accept: true, line: 9 });
    let frame = reg_send(&peer(1), "x", &[106]);
    assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Deny(Reason::Default));
    bench.glass = Some(BrokenGlass { until: 100 });
    bench.now = 99;
    assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Accept);
    // Not beyond its rules, and a node that is not allowed stays outside.
    let m = monitor(&peer(1), &Target::Name("x"), &reference(PEER, 7, 1));
    assert_eq!(bench.pass_frame(Direction::In, &m), Verdict::Deny(Reason::Default));
    bench.policy.allow.clear();
    assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Deny(Reason::NotAllowed));
    bench.policy.allow.insert(PEER.into());
    bench.now = 100;
    assert_eq!(bench.pass_frame(Direction::In, &frame), Verdict::Deny(Reason::Default));
}

#[test]
fn a_handler_gets_what_is_accepted_and_nothing_else() {
    let mut bench = Bench::open();
    let rules = bench.policy.default.inward.rules(Command::RegSend);
    rules.coarse = Some(Rule { accept: true, line: 2 });
    rules.handler = Some("guard".into());
    rules.fine.insert(table::Subject::Name("secret".into()), Rule { accept: false, line: 3 });
    assert_eq!(
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &[106])),
        Verdict::Handler("handled")
    );
    assert_eq!(
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "secret", &[106])),
        Verdict::Deny(Reason::Rule)
    );
    let body = &reg_send(&peer(1), "x", &[106])[4..];
    let message = read(body).unwrap();
    assert_eq!(bench.decide(Direction::In, &message).verdict, Verdict::Handler("guard"));
}

#[test]
fn decisions_are_counted_by_command_and_reason() {
    let bench = Bench::open();
    let mut counters = counters::Counters::default();
    for frame in [reg_send(&peer(1), "x", &[106]), send(&peer(1), &protected(9), &[106])] {
        let message = read(&frame[4..]).unwrap();
        counters.count(message.control.command(), &bench.decide(Direction::In, &message));
    }
    counters.count_malformed();
    let rows: Vec<_> = counters.rows().filter(|(_, row)| row.accept + row.deny > 0).collect();
    let row = |accept, deny| counters::Row { accept, deny };
    assert_eq!(rows, [(Command::RegSend, row(1, 0)), (Command::Send, row(0, 1))]);
    assert_eq!(counters.rows().count(), 14);
    let reasons: Vec<_> = counters.reasons().collect();
    assert_eq!(reasons, [(Reason::Malformed, 1), (Reason::NotLearned, 1)]);
}
