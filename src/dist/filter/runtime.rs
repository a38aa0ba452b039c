//! Filters that are set while the program runs (`set_filter`, `add_filter`, `del_filter`, `set_default_filter` of the RFC). They come after the
//! rules of the file, and a message must pass both: so they can only take away. And nothing that they took away is given back at run
//! time: a change that would accept more than before is refused.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::{Aim, Rule, Subject, Table, Tables, is_atom};
use crate::dist::command::{Command, Direction};
use crate::dist::control::Mfa;
use crate::limits::{DIST_RUNTIME_BYTES_MAX, DIST_RUNTIME_RULES_MAX};

/// What was set at run time for one node, and beside it what was set for every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    tables: Tables,
    everyone: Arc<Tables>,
    handlers: BTreeMap<Command, String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `set_default_filter`: every command.
    Default(bool),
    /// `set_filter`: one command.
    Command(Command, bool),
    /// `add_filter`: one target.
    Add(Command, Subject, bool),
    /// `del_filter`: one target.
    Delete(Command, Subject),
}

/// A filter that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    /// It is one of every node's.
    pub everyone: bool,
    /// Which way the messages go that it is about.
    pub direction: Direction,
    /// Their command; nothing where it is about every one.
    pub command: Option<Command>,
    /// Their target; nothing where it is about every one.
    pub subject: Option<&'a Subject>,
    /// It accepts; otherwise it denies.
    pub accept: bool,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would accept what is denied now. That is root's file to say, or the broken glass.
    Loosens,
    /// This command has no rules about single targets, or not about such.
    NoSuchSubject,
    /// There are as many rules as there can be.
    TooMany,
    /// This command cannot be given to a handler.
    NoHandler,
}

impl Refused {
    /// The word of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loosens => "loosens",
            Self::NoSuchSubject => "no_such_subject",
            Self::TooMany => "too_many",
            Self::NoHandler => "no_handler",
        }
    }
}

const fn rule(accept: bool) -> Rule {
    Rule { accept, line: 0 }
}

impl Runtime {
    /// Whether it lets a message through. Where it says nothing it does.
    #[must_use]
    pub fn accepts(&self, direction: Direction, command: Command, aim: Option<Aim<'_>>) -> bool {
        [&self.tables, &*self.everyone]
            .into_iter()
            .all(|tables| tables.of(direction).says(command, aim, false).is_none_or(|said| said.rule.accept))
    }

    /// Those that are set, in a fixed order.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter<'_>> {
        let mut found = Vec::new();
        for (everyone, tables) in [(false, &self.tables), (true, &*self.everyone)] {
            for direction in [Direction::In, Direction::Out] {
                let table = tables.of(direction);
                let mut put = |command, subject, rule: Rule| {
                    found.push(Filter { everyone, direction, command, subject, accept: rule.accept });
                };
                table.default.into_iter().for_each(|rule| put(None, None, rule));
                for command in Command::ALL {
                    let Some(rules) = table.about(*command) else { continue };
                    rules.coarse.into_iter().for_each(|rule| put(Some(*command), None, rule));
                    rules.fine.iter().for_each(|(subject, rule)| put(Some(*command), Some(subject), *rule));
                }
            }
        }
        found
    }

    /// The rules, to be shared by others.
    #[must_use]
    pub fn shared(&self) -> Arc<Tables> {
        Arc::new(self.tables.clone())
    }

    /// A message has to pass these too, from now on.
    pub fn share(&mut self, everyone: &Arc<Tables>) {
        self.everyone = Arc::clone(everyone);
    }

    /// Names the process that gets what is accepted of a command (`set_handler` of the RFC); answers which one did before.
    ///
    /// # Errors
    /// [`Refused::NoHandler`], [`Refused::NoSuchSubject`]: the name is none.
    pub fn set_handler(&mut self, command: Command, name: Option<&str>) -> Result<Option<String>, Refused> {
        if !command.can_be_handled() {
            return Err(Refused::NoHandler);
        }
        match name {
            None => Ok(self.handlers.remove(&command)),
            Some(name) if is_atom(name) => Ok(self.handlers.insert(command, name.to_owned())),
            Some(_) => Err(Refused::NoSuchSubject),
        }
    }

    /// The process that gets what is accepted of a command, where the file names none: root's is not set aside at run time.
    #[must_use]
    pub fn handler(&self, command: Command) -> Option<&str> {
        self.handlers.get(&command).map(String::as_str)
    }

    /// Makes a change, and answers what held before: `true` for accept.
    ///
    /// # Errors
    /// Why it is not made; then nothing has changed.
    pub fn change(&mut self, direction: Direction, change: &Change) -> Result<bool, Refused> {
        let table = self.tables.of(direction);
        let before = match change {
            Change::Default(_) => table.default.is_none_or(|rule| rule.accept),
            Change::Command(command, _) => accepts(table, *command, None),
            Change::Add(command, subject, _) | Change::Delete(command, subject) => {
                if !fits(*command, subject) {
                    return Err(Refused::NoSuchSubject);
                }
                accepts(table, *command, Some(subject))
            }
        };
        let mut next = table.clone();
        match change {
            Change::Default(accept) => next.default = Some(rule(*accept)),
            Change::Command(command, accept) => next.rules(*command).coarse = Some(rule(*accept)),
            Change::Add(command, subject, accept) => {
                next.rules(*command).fine.insert(subject.clone(), rule(*accept));
            }
            Change::Delete(command, subject) => {
                next.rules(*command).fine.remove(subject);
            }
        }
        if next.len() > DIST_RUNTIME_RULES_MAX || bytes(&next) > DIST_RUNTIME_BYTES_MAX {
            return Err(Refused::TooMany);
        }
        if loosens(table, &next) {
            return Err(Refused::Loosens);
        }
        *self.tables.of_mut(direction) = next;
        Ok(before)
    }
}

/// Bytes of the names in a table: atoms are long if somebody wants them to be.
fn bytes(table: &Table) -> usize {
    let rules = Command::ALL.iter().filter_map(|command| table.about(*command));
    rules.flat_map(|rules| rules.fine.keys()).map(Subject::bytes).sum()
}

fn fits(command: Command, subject: &Subject) -> bool {
    match subject {
        Subject::Name(_) => matches!(command, Command::RegSend | Command::Monitor),
        Subject::Function(..) => command == Command::SpawnRequest,
    }
}

/// Whether there is a message that `next` accepts and `table` does not. A rule of either is about a target, and what no rule names is alike
/// for both: so asking about every target that stands in one of them, and about one that stands in none, asks about all.
fn loosens(table: &Table, next: &Table) -> bool {
    Command::ALL.iter().any(|command| {
        let named = [table, next].into_iter().filter_map(|t| t.about(*command)).flat_map(|r| r.fine.keys());
        let mut probes: Vec<Option<Subject>> = vec![None];
        for subject in named {
            probes.push(Some(subject.clone()));
        }
        probes.iter().any(|subject| {
            !accepts(table, *command, subject.as_ref()) && accepts(next, *command, subject.as_ref())
        })
    })
}

/// What a table says about a target, or about one that no rule names. Of a pattern: about what falls under it and under nothing narrower.
fn accepts(table: &Table, command: Command, subject: Option<&Subject>) -> bool {
    let says = |aim| table.says(command, aim, false).is_none_or(|said| said.rule.accept);
    match subject {
        None => says(None),
        Some(Subject::Name(name)) => says(Some(Aim::Name(name))),
        Some(Subject::Function(module, inside)) => {
            // No rule can name the empty atom, so it stands for a function that no rule names. An arity that no narrower rule names is
            // looked for among all that there are.
            let (function, mut arities) = match inside {
                None => ("", 0..=0),
                Some((function, Some(arity))) => (function.as_str(), *arity..=*arity),
                Some((function, None)) => (function.as_str(), 0..=u8::MAX),
            };
            let narrower = |arity| {
                let exact = Subject::Function(module.clone(), Some((function.to_owned(), Some(arity))));
                subject != Some(&exact)
                    && table.about(command).is_some_and(|rules| rules.fine.contains_key(&exact))
            };
            let free = arities.find(|arity| !narrower(*arity));
            free.is_none_or(|arity| says(Some(Aim::Function(Mfa { module, function, arity }))))
        }
    }
}
