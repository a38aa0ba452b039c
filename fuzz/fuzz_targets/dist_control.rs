//! Bytes in the place of a node's message. Whatever they are, the firewall has one answer, and the same twice; it teaches only what belongs
//! to the sender; a rule that denies lets nothing through that was not let through before; what the firewall says to the sender is a
//! message itself. The first byte chooses the direction.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis::dist::atoms::Atoms;
use portcullis::dist::command::Direction;
use portcullis::dist::control::{Message, answer, read};
use portcullis::dist::filter::policy::Policy;
use portcullis::dist::filter::runtime::Runtime;
use portcullis::dist::filter::table::Rule;
use portcullis::dist::filter::{Decision, State, Verdict, decide};
use portcullis::dist::learn::{Learned, Node, Nodes};
use portcullis::dist::reason::Reason;

const PEER: &str = "a@127.0.0.2";

/// The nodes of tests/vectors/dist, whose messages are the seeds.
static NODES: LazyLock<Nodes> = LazyLock::new(|| Nodes {
    protected: Node { name: "b@127.0.0.1".into(), creation: creation("<", 13) },
    peer: Node { name: PEER.into(), creation: creation(">", 9) },
});

fn creation(way: &str, at: usize) -> u32 {
    let text = include_str!("../../tests/vectors/dist/otp-25.txt");
    let front = format!("{way} 4E");
    let line = text.lines().find(|line| line.starts_with(&front)).expect("a name");
    u32::from_str_radix(&line[2 + 2 * at..2 + 2 * at + 8], 16).expect("a creation")
}

fn policy(accept: bool) -> Policy {
    let mut policy = Policy::default();
    policy.allow.insert(PEER.into());
    policy.default.inward.default = Some(Rule { accept, line: 1 });
    policy.default.outward.default = Some(Rule { accept, line: 1 });
    policy
}

static OPEN: LazyLock<Policy> = LazyLock::new(|| policy(true));
static CLOSED: LazyLock<Policy> = LazyLock::new(|| policy(false));

fn decided<'m>(
    rules: &'static Policy,
    direction: Direction,
    message: &Message<'m>,
    learned: &Learned,
) -> Decision<'static, 'm> {
    let state = State {
        nodes: &NODES,
        learned,
        atoms: &Atoms::new(1000),
        runtime: &Runtime::default(),
        glass: None,
        now: 0,
    };
    decide(&rules.view(PEER), direction, message, &state)
}

fuzz_target!(|data: &[u8]| {
    let Some((way, body)) = data.split_first() else { return };
    let direction = if way % 2 == 0 { Direction::In } else { Direction::Out };
    let Ok(message) = read(body) else { return };
    let mut learned = Learned::new(2000);
    // As if the receiver had said the same before: then what it names is known, and only the direction can be wrong.
    let back = if way % 2 == 0 { Direction::Out } else { Direction::In };
    for _ in 0..2 {
        let decision = decided(&OPEN, direction, &message, &learned);
        assert_eq!(decision, decided(&OPEN, direction, &message, &learned));
        assert!(matches!(decided(&CLOSED, direction, &message, &learned).verdict, Verdict::Deny(_)));
        if let Verdict::Deny(reason) = decision.verdict {
            assert!(decision.lessons.is_empty() && decision.atoms.is_empty());
            if let Some(frame) = answer::denial(&message, reason) {
                read(&frame[4..]).expect("what the firewall says is a message");
            }
            assert!(!reason.ends() || reason == Reason::Malformed);
        } else {
            for lesson in &decision.lessons {
                assert_eq!(NODES.party(lesson.identifier.node()), Some(direction.sender()));
            }
            learned.note(direction, &message.control, &decision.lessons, 1);
            assert!(learned.len() <= 2000);
        }
        learned.note(back, &message.control, &[], 1);
    }
});
