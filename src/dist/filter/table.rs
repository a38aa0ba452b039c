//! Rules, and which of them speaks about a message.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::dist::command::{Command, Direction};
use crate::dist::control::{Control, Mfa, Target};

/// What a rule is about, where it is about one target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A registered name.
    Name(String),
    /// A function; with `None` every arity, and every function.
    Function(String, Option<(String, Option<u8>)>),
}

impl Subject {
    /// `name`, or `module:function/arity` with `_` for any.
    #[must_use]
    pub fn parse(command: Command, text: &str) -> Option<Self> {
        match command {
            Command::RegSend | Command::Monitor => is_plain(text).then(|| Self::Name(text.to_owned())),
            Command::SpawnRequest => {
                let (module, rest) = text.split_once(':')?;
                let (function, arity) = rest.rsplit_once('/')?;
                if !is_plain(module) || !(is_plain(function) || function == "_") {
                    return None;
                }
                let inside = match (function, arity) {
                    ("_", "_") => None,
                    ("_", _) => return None,
                    (function, "_") => Some((function.to_owned(), None)),
                    // One spelling each: no sign, no leading zero.
                    (function, arity) => {
                        let n = arity.parse::<u8>().ok().filter(|n| n.to_string() == arity)?;
                        Some((function.to_owned(), Some(n)))
                    }
                };
                Some(Self::Function(module.to_owned(), inside))
            }
            _ => None,
        }
    }

    /// Bytes of its names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Name(name) => name.len(),
            Self::Function(module, inside) => {
                module.len() + inside.as_ref().map_or(0, |(function, _)| function.len())
            }
        }
    }

    /// Whether it stands for more than one target.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        matches!(self, Self::Function(_, None | Some((_, None))))
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Function(module, None) => write!(f, "{module}:_/_"),
            Self::Function(module, Some((function, None))) => write!(f, "{module}:{function}/_"),
            Self::Function(module, Some((function, Some(arity)))) => write!(f, "{module}:{function}/{arity}"),
        }
    }
}

/// Whether a text can be an atom: OTP allows 255 characters.
pub(crate) fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= crate::limits::DIST_ATOM_CHARS_MAX
}

/// Whether a name is written as rules write it: one, without the quotes of Erlang and the colon of Elixir. A rule for what nothing is called
/// would deny nothing.
pub(crate) fn is_plain(text: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '*' | '\'' | '"' | '`');
    is_atom(text) && text != "_" && !text.starts_with(':') && text.trim() == text && !text.contains(odd)
}

/// What a rule says, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// It accepts; otherwise it denies.
    pub accept: bool,
    /// The line of the file, or 0.
    pub line: u32,
}

/// The rules about one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What holds for every target that no rule names.
    pub coarse: Option<Rule>,
    /// What holds for one target, or a pattern of them.
    pub fine: BTreeMap<Subject, Rule>,
    /// What is accepted by these rules goes to this registered name instead.
    pub handler: Option<String>,
}

impl Rules {
    /// Whether one of them accepts.
    #[must_use]
    pub fn accepts_something(&self) -> bool {
        self.fine.values().chain(&self.coarse).any(|rule| rule.accept)
    }
}

/// The rules of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rules: BTreeMap<Command, Rules>,
    /// What holds for every command that no rule names.
    pub default: Option<Rule>,
    /// What holds for a ping, and for nothing else that is said to `net_kernel`.
    pub ping: Option<Rule>,
    /// What holds for a message that a process of OTP obeys whatever its module is, beside the rule about the process; nothing: it is denied.
    pub system: Option<Rule>,
}

/// Which of the rules of a table spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The one that names the target.
    Exact,
    /// One that names several targets.
    Pattern,
    /// The one of the command.
    Command,
    /// The one of the table.
    Default,
}

/// What a table says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'p> {
    /// The rule.
    pub rule: Rule,
    /// Which one it is.
    pub key: Key,
    /// Who gets the message instead, if it is accepted.
    pub handler: Option<&'p str>,
}

impl Table {
    /// The rules about a command, to be changed.
    pub fn rules(&mut self, command: Command) -> &mut Rules {
        self.rules.entry(command).or_default()
    }

    /// The rules about a command, if there are any.
    #[must_use]
    pub fn about(&self, command: Command) -> Option<&Rules> {
        self.rules.get(&command)
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let of = |rules: &Rules| rules.fine.len() + usize::from(rules.coarse.is_some());
        self.rules.values().map(of).sum::<usize>()
            + usize::from(self.default.is_some())
            + usize::from(self.ping.is_some())
            + usize::from(self.system.is_some())
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it says about a command and its target, if anything: that about pings, if it is part of one; the rule of the target, a pattern that it falls under, the rule of
    /// the command, the rule of the table.
    #[must_use]
    pub fn says(&self, command: Command, target: Option<Aim<'_>>, ping: bool) -> Option<Said<'_>> {
        if let Some(rule) = self.ping.filter(|_| ping) {
            return Some(Said { rule, key: Key::Exact, handler: None });
        }
        let rules = self.rules.get(&command);
        let handler = rules.and_then(|rules| rules.handler.as_deref());
        let fine = rules.zip(target).and_then(|(rules, target)| {
            target.subjects().into_iter().flatten().find_map(|subject| {
                let rule = rules.fine.get(&subject)?;
                Some((*rule, if subject.is_pattern() { Key::Pattern } else { Key::Exact }))
            })
        });
        let coarse = || rules.and_then(|rules| rules.coarse).map(|rule| (rule, Key::Command));
        let default = || self.default.map(|rule| (rule, Key::Default));
        let (rule, key) = fine.or_else(coarse).or_else(default)?;
        Some(Said { rule, key, handler: handler.filter(|_| rule.accept && key != Key::Default) })
    }
}

/// The target of a message, where rules can name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim<'a> {
    /// A registered name.
    Name(&'a str),
    /// A function.
    Function(Mfa<'a>),
}

impl<'a> Aim<'a> {
    /// The target of a control message.
    #[must_use]
    pub fn of(control: &Control<'a>) -> Option<Self> {
        match control {
            Control::RegSend { to, .. } | Control::Monitor { to: Target::Name(to), .. } => {
                Some(Self::Name(to))
            }
            Control::SpawnRequest { mfa, .. } => Some(Self::Function(*mfa)),
            _ => None,
        }
    }

    /// What rules can say about it, the most exact first.
    fn subjects(self) -> [Option<Subject>; 3] {
        match self {
            Self::Name(name) => [Some(Subject::Name(name.to_owned())), None, None],
            Self::Function(Mfa { module, function, arity }) => {
                let of = |inside| Some(Subject::Function(module.to_owned(), inside));
                [
                    of(Some((function.to_owned(), Some(arity)))),
                    of(Some((function.to_owned(), None))),
                    of(None),
                ]
            }
        }
    }
}

/// The rules of both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// From the peer.
    pub inward: Table,
    /// To the peer.
    pub outward: Table,
}

impl Tables {
    /// The rules of one direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &Table {
        match direction {
            Direction::In => &self.inward,
            Direction::Out => &self.outward,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, direction: Direction) -> &mut Table {
        match direction {
            Direction::In => &mut self.inward,
            Direction::Out => &mut self.outward,
        }
    }
}
