//! `test_filter` of the RFC: what becomes of a message, and by which rule, before anybody sends it. The question becomes a message like one
//! of the wire and goes through the same function as those; what it addresses counts as told, and what it answers as asked.
#![forbid(unsafe_code)]

use crate::dist::atoms::Atoms;
use crate::dist::command::{Command, Direction, Party};
use crate::dist::control::{Control, Message, Mfa, SpawnOptions, Target};
use crate::dist::etf::{Identifier, Pid, Ref};
use crate::dist::filter::policy::{Level, Policy};
use crate::dist::filter::runtime::Runtime;
use crate::dist::filter::table::{Key, Subject};
use crate::dist::filter::{BrokenGlass, By, State, Verdict, decide};
use crate::dist::handshake::name::NodeName;
use crate::dist::learn::{Learned, Lesson, Node, Nodes};
use crate::wire::write::Writer;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The other node.
    pub node: NodeName,
    /// Which way the message goes.
    pub direction: Direction,
    /// What it is.
    pub command: Command,
    /// Its target, where rules can name it.
    pub subject: Option<Subject>,
    /// As if the glass were broken.
    pub glass: bool,
}

impl Question {
    /// From words: the node, `in` or `out`, the command, and a target where it has one.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(node: &str, direction: &str, command: &str, target: Option<&str>) -> Result<Self, String> {
        let name = NodeName::parse(node.as_bytes())
            .ok_or_else(|| format!("{node:?} is not the name of a node, such as app@host.example"))?;
        let direction = [Direction::In, Direction::Out].into_iter().find(|d| d.name() == direction);
        let direction = direction
            .ok_or("the direction is in (from that node) or out (to it), seen from the protected node")?;
        let names: Vec<&str> = Command::ALL.iter().map(|c| c.name()).collect();
        let known = format!("a message is one of {}", names.join(", "));
        let command = Command::named(command).ok_or(known)?;
        let subject = match (command.target(), target) {
            (None, None) => None,
            // A monitor of a process has no name.
            (Some(_), None) if command == Command::Monitor => None,
            (Some(what), None) => return Err(format!("{} needs {what}", command.name())),
            (None, Some(_)) => return Err(format!("{} has no target that rules could name", command.name())),
            (Some(what), Some(text)) => {
                let exact = |subject: &Subject| !subject.is_pattern();
                let subject = Subject::parse(command, text).filter(exact);
                Some(subject.ok_or_else(|| format!("{text:?} is not {what}"))?)
            }
        };
        Ok(Self { node: name, direction, command, subject, glass: false })
    }
}

/// An answer, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'p> {
    /// What becomes of the message.
    pub verdict: Verdict<'p>,
    /// The rule that decided; `None` if none was asked.
    pub by: Option<By<'p>>,
}

const PROTECTED: &str = "protected@node";

/// The message that is asked about, and what it needs to be neither unknown nor unasked.
struct Probe<'q> {
    control: Control<'q>,
    /// Identifiers of the receiver that must have been told.
    told: [Identifier<'q>; 2],
    /// What must have been asked before.
    asked: Option<Control<'q>>,
}

/// Asks the rules of the file.
#[must_use]
pub fn ask<'p>(policy: &'p Policy, question: &Question) -> Answer<'p> {
    ask_with(policy, &Runtime::default(), question)
}

/// Asks the rules of the file, and what was set at run time.
#[must_use]
pub fn ask_with<'p>(policy: &'p Policy, runtime: &Runtime, question: &Question) -> Answer<'p> {
    let node = |name: &str| Node { name: name.to_owned(), creation: 1 };
    let nodes = Nodes { protected: node(PROTECTED), peer: node(question.node.as_str()) };
    let probe = probe(question);
    let mut learned = Learned::new(64);
    let told = probe.told.map(|identifier| Lesson { identifier, once: false });
    let back = match question.direction {
        Direction::In => Direction::Out,
        Direction::Out => Direction::In,
    };
    let asked = probe
        .asked
        .unwrap_or(Control::RegSend { from: pid(question, question.direction.receiver()), to: "" });
    learned.note(back, &asked, &told, 0);
    // What it carries is nobody's question: a payload of nothing, and no terms but those of the tuple.
    let nothing: &[u8] = &[106];
    let arguments = match probe.control {
        Control::SpawnRequest { mfa, .. } => arguments(mfa.arity),
        _ => nothing.to_vec(),
    };
    let message = Message {
        control: probe.control,
        traced: false,
        tuple: nothing,
        reason: None,
        payload: Some(&arguments),
        size: 2,
    };
    let state = State {
        nodes: &nodes,
        learned: &learned,
        atoms: &Atoms::new(usize::MAX),
        runtime,
        glass: question.glass.then_some(BrokenGlass { until: 1 }),
        now: 0,
    };
    let decision = decide(&policy.view(question.node.as_str()), question.direction, &message, &state);
    Answer { verdict: decision.verdict, by: decision.by }
}

/// A list of so many empty lists.
fn arguments(arity: u8) -> Vec<u8> {
    let mut w = Writer::new();
    w.list(usize::from(arity));
    (0..arity).for_each(|_| w.nil());
    if arity > 0 {
        w.nil();
    }
    w.bytes().to_vec()
}

fn pid(question: &Question, party: Party) -> Pid<'_> {
    let node = match party {
        Party::Protected => PROTECTED,
        Party::Peer => question.node.as_str(),
    };
    Pid { node, creation: 1, id: 1, serial: 0 }
}

/// A message of that kind.
fn probe(question: &Question) -> Probe<'_> {
    let (sender, receiver) = (question.direction.sender(), question.direction.receiver());
    let (from, to) = (pid(question, sender), pid(question, receiver));
    let own = Ref { node: from.node, creation: 1, words: [1, 0, 0, 0, 0], len: 3 };
    let theirs = Ref { node: to.node, ..own };
    let target = match &question.subject {
        Some(Subject::Name(name)) => Target::Name(name),
        _ => Target::Pid(to),
    };
    let mfa = match &question.subject {
        Some(Subject::Function(module, Some((function, arity)))) => {
            Mfa { module, function, arity: arity.unwrap_or(0) }
        }
        _ => Mfa { module: "", function: "", arity: 0 },
    };
    let name = match target {
        Target::Name(name) => name,
        Target::Pid(_) => "",
    };
    let options = SpawnOptions::default();
    let mut asked = None;
    let control = match question.command {
        Command::AliasSend => Control::AliasSend { from, alias: theirs },
        Command::Demonitor => Control::Demonitor { from, to: target, reference: own },
        Command::Exit => {
            asked = Some(Control::Link { from: to, to: from });
            Control::Exit { from, to }
        }
        Command::Exit2 => Control::Exit2 { from, to },
        Command::GroupLeader => Control::GroupLeader { leader: from, to },
        Command::Link => Control::Link { from, to },
        Command::Monitor => Control::Monitor { from, to: target, reference: own },
        Command::MonitorExit => {
            asked = Some(Control::Monitor { from: to, to: Target::Pid(from), reference: theirs });
            Control::MonitorExit { from: Target::Pid(from), to, reference: theirs }
        }
        Command::RegSend => Control::RegSend { from, to: name },
        Command::Send => Control::Send { from: Some(from), to },
        Command::SpawnReply => {
            asked = Some(Control::SpawnRequest { request: theirs, from: to, leader: to, mfa, options });
            Control::SpawnReply { request: theirs, to, link: false, monitor: false, result: Some(from) }
        }
        Command::SpawnRequest => Control::SpawnRequest { request: own, from, leader: from, mfa, options },
        Command::Unlink => Control::Unlink { id: Some(1), from, to },
        Command::UnlinkAck => {
            asked = Some(Control::Unlink { id: Some(1), from: to, to: from });
            Control::UnlinkAck { id: 1, from, to }
        }
    };
    Probe { control, told: [Identifier::Pid(to), Identifier::Ref(theirs)], asked }
}

/// The answer in words, for a person: the verdict, the rule, and the line of the file.
#[must_use]
pub fn words(answer: &Answer<'_>, file: &str, text: &str) -> String {
    let verdict = match answer.verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Deny(reason) => format!("deny: {}", reason.name()),
        Verdict::Handler(name) => format!("accept: given to the handler {name}"),
    };
    let Some(By { level, key, line }) = answer.by else {
        return format!("{verdict}\n  the node is not in allow.nodes of {file}\n");
    };
    let whose = match level {
        Level::BreakGlass => "the rules of the broken glass".to_owned(),
        Level::Node => "the rules of this node".to_owned(),
        Level::Group(name) => format!("the rules of group {name:?}"),
        Level::Default => "the rules for all nodes".to_owned(),
        Level::Nobody => return format!("{verdict}\n  no rule of {file} speaks about it\n"),
    };
    let which = match key {
        Some(Key::Exact) => "the one about this target",
        Some(Key::Pattern) => "the one about targets like this",
        Some(Key::Command) => "the one about this command",
        Some(Key::Default) | None => "their default",
    };
    let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let shown: String =
        text.lines().nth(at).unwrap_or_default().trim().chars().filter(|c| !c.is_control()).collect();
    format!("{verdict}\n  by {whose}, {which}: line {line} of {file}\n    {shown}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::filter::table::Rule;

    /// Under rules that accept everything each command is accepted, both ways: what was made up around the message holds.
    #[test]
    fn every_command_can_be_asked_about() {
        let mut policy = Policy::default();
        policy.allow.insert("a@h".into());
        for accept in [true, false] {
            policy.default.inward.default = Some(Rule { accept, line: 1 });
            policy.default.outward.default = Some(Rule { accept, line: 2 });
            for command in Command::ALL {
                for direction in ["in", "out"] {
                    let target = match command {
                        Command::RegSend => Some("x"),
                        Command::SpawnRequest => Some("m:f/1"),
                        _ => None,
                    };
                    let question = Question::parse("a@h", direction, command.name(), target).unwrap();
                    let answer = ask(&policy, &question);
                    assert_eq!(
                        answer.verdict == Verdict::Accept,
                        accept,
                        "{command:?} {direction} {answer:?}"
                    );
                    assert_eq!(answer.by.unwrap().level, Level::Default);
                }
            }
        }
    }

    #[test]
    fn a_question_that_is_none_says_what_would_be_one() {
        for (node, direction, command, target) in [
            ("a", "in", "link", None),
            ("a@h", "inward", "link", None),
            ("a@h", "in", "lnk", None),
            ("a@h", "in", "link", Some("x")),
            ("a@h", "in", "reg_send", None),
            ("a@h", "in", "spawn_request", Some("m:f")),
            ("a@h", "in", "spawn_request", Some("m:_/_")),
        ] {
            let error = Question::parse(node, direction, command, target).unwrap_err();
            assert!(error.len() > 10, "{error}");
        }
        assert!(Question::parse("a@h", "in", "monitor", None).is_ok());
    }
}
