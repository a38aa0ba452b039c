//! The rules of the file: for all nodes, groups, single nodes, and the broken glass.
#![forbid(unsafe_code)]

use toml::de::{DeTable, DeValue};

use crate::dist::command::{Command, Direction};
use crate::dist::filter::policy::{Group, Policy};
use crate::dist::filter::table::{Rule, Rules, Subject, Table, Tables, is_atom, is_plain};
use crate::limits::GLASS_MAX_S;
use crate::settings::{Reader, Value, quoted};

impl<'t> Reader<'t> {
    /// `in` and `out` of a table that has nothing else.
    pub(super) fn tables(&mut self, table: &DeTable<'t>, path: &str) -> Tables {
        let [inward, outward] = self.keys(table, path, ["in", "out"]);
        self.both(inward, outward, path)
    }

    fn both(&mut self, inward: Option<&Value<'t>>, outward: Option<&Value<'t>>, path: &str) -> Tables {
        let mut tables = Tables::default();
        for (direction, value) in [(Direction::In, inward), (Direction::Out, outward)] {
            let path = format!("{path}.{}", direction.name());
            if let Some(table) = value.and_then(|v| self.table(v, &path)) {
                *tables.of_mut(direction) = self.one(table, direction, &path);
            }
        }
        tables
    }

    pub(super) fn groups(&mut self, table: &DeTable<'t>, policy: &mut Policy) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let path = format!("group.{name}");
            let path =
                if is_atom(name) && name.chars().all(|c| !c.is_control()) { path } else { "group".into() };
            let Some(fields) = self.table(value, &path) else { continue };
            let [nodes, inward, outward] = self.keys(fields, &path, ["nodes", "in", "out"]);
            let tables = self.both(inward, outward, &path);
            let Some(nodes) = nodes else {
                self.missing::<()>(&key.span(), &path, "nodes");
                continue;
            };
            let names = self.nodes(nodes, &format!("{path}.nodes"));
            for node in &names {
                self.must_be_allowed(node, nodes, &path, policy);
                // Whose rules hold must not depend on the order of the groups.
                if let Some(other) = policy.groups.iter().find(|group| group.nodes.contains(node)) {
                    let message = format!("{path}.nodes: {node} is in group {} already", quoted(&other.name));
                    self.wrong(&nodes.span(), message);
                }
            }
            let nodes = names.into_iter().collect();
            policy.groups.push(Group { name: name.to_owned(), nodes, tables });
        }
    }

    /// Rules of a node that is not allowed would never be asked.
    fn must_be_allowed(&mut self, node: &str, at: &Value<'t>, path: &str, policy: &Policy) {
        if !policy.allow.contains(node) {
            self.wrong(&at.span(), format!("{path}: {node} is not in allow.nodes, so it can never connect"));
        }
    }

    pub(super) fn peers(&mut self, table: &DeTable<'t>, policy: &mut Policy) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            if crate::dist::handshake::name::NodeName::parse(name.as_bytes()).is_none() {
                let message = format!(
                    "peer: {} is not the name of a node; in quotes: [peer.\"app@host\"]",
                    quoted(name)
                );
                self.wrong(&key.span(), message);
                continue;
            }
            let path = format!("peer.{name:?}");
            self.must_be_allowed(name, value, &path, policy);
            let Some(fields) = self.table(value, &path) else { continue };
            policy.nodes.insert(name.to_owned(), self.tables(fields, &path));
        }
    }

    pub(super) fn break_glass(&mut self, table: &DeTable<'t>, policy: &mut Policy) {
        let known = ["max_s", "code_file", "code_digits", "in", "out"];
        let [max_s, code_file, code_digits, inward, outward] = self.keys(table, "break_glass", known);
        let digits = code_digits.map(|v| self.integer(v, "break_glass.code_digits", 6, 8));
        let digits = digits.map_or(Some(6), |digits| u32::try_from(digits?).ok());
        let file = code_file.and_then(|v| self.path(v, "break_glass.code_file"));
        policy.code = file.zip(digits);
        if let (Some(digits), None) = (code_digits, code_file) {
            self.wrong(&digits.span(), "break_glass.code_digits has no effect without code_file");
        }
        policy.break_glass = self.both(inward, outward, "break_glass");
        match max_s {
            Some(value) => {
                policy.break_glass_s = self.integer(value, "break_glass.max_s", 1, GLASS_MAX_S).unwrap_or(0);
            }
            None => {
                self.missing::<()>(&(0..0), "break_glass", "max_s, the longest time in seconds");
            }
        }
    }

    /// The nodes that may tighten and read for all.
    pub(super) fn control(&mut self, table: &DeTable<'t>, policy: &mut Policy) {
        let [nodes] = self.keys(table, "control", ["nodes"]);
        let Some(nodes) = nodes else {
            self.missing::<()>(&(0..0), "control", "nodes");
            return;
        };
        let names = self.nodes(nodes, "control.nodes");
        for node in &names {
            self.must_be_allowed(node, nodes, "control.nodes", policy);
        }
        policy.control = names.into_iter().collect();
    }

    /// The rules of one direction.
    fn one(&mut self, table: &DeTable<'t>, direction: Direction, path: &str) -> Table {
        let mut known: Vec<&str> = vec!["default", "ping"];
        if direction == Direction::In {
            known.push("system");
        }
        known.extend(Command::ALL.iter().map(|command| command.name()));
        let mut rules = Table::default();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let here = format!("{path}.{name}");
            if name == "default" {
                rules.default = self.verdict(value, &here);
            } else if name == "ping" {
                rules.ping = self.verdict(value, &here);
            } else if name == "system" && direction == Direction::In {
                rules.system = self.verdict(value, &here);
            } else if let Some(command) = Command::named(name) {
                *rules.rules(command) = self.command(command, value, &here);
            } else {
                self.unknown(&key.span(), path, name, &known);
            }
        }
        rules
    }

    /// `"accept"`, `"deny"`, or a table with rules about single targets.
    fn command(&mut self, command: Command, value: &Value<'t>, path: &str) -> Rules {
        let DeValue::Table(table) = value.get_ref() else {
            return Rules { coarse: self.verdict(value, path), ..Rules::default() };
        };
        let [default, accept, deny, handler] =
            self.keys(table, path, ["default", "accept", "deny", "handler"]);
        let mut rules = Rules { coarse: default.and_then(|v| self.verdict(v, path)), ..Rules::default() };
        for (list, word, accept) in [(accept, "accept", true), (deny, "deny", false)] {
            let Some(list) = list else { continue };
            let path = format!("{path}.{word}");
            if command.target().is_none() {
                self.wrong(
                    &list.span(),
                    format!("{path}: {} has no rules about single targets", command.name()),
                );
                continue;
            }
            for (text, item) in self.texts(list, &path) {
                self.subject(command, text, item, &path, accept, &mut rules);
            }
        }
        if let Some(value) = handler {
            rules.handler = self.handler(command, value, path);
        }
        if let (None, true) = (rules.coarse, rules.fine.is_empty()) {
            self.wrong(&value.span(), format!("{path} has no rule: default, accept or deny"));
        } else if rules.handler.is_some() && !rules.accepts_something() {
            let message = format!(
                "{path}.handler gets what is accepted here, and nothing is: write default = \"accept\", or accept"
            );
            self.wrong(&value.span(), message);
        }
        rules
    }

    fn subject(
        &mut self,
        command: Command,
        text: &str,
        item: &Value<'t>,
        path: &str,
        accept: bool,
        rules: &mut Rules,
    ) {
        let Some(subject) = Subject::parse(command, text) else {
            let expected = command.target().unwrap_or_default();
            let message = format!("{path}: {} is not {expected}{}", quoted(text), meant(text));
            self.wrong(&item.span(), message);
            return;
        };
        let rule = Rule { accept, line: self.line_of(item) };
        if rules.fine.insert(subject, rule).is_some() {
            self.wrong(&item.span(), format!("{path}: {} is accepted already", quoted(text)));
        }
    }

    fn handler(&mut self, command: Command, value: &Value<'t>, path: &str) -> Option<String> {
        let path = format!("{path}.handler");
        let name = self.string(value, &path)?;
        if !command.can_be_handled() {
            self.wrong(&value.span(), format!("{path}: {} cannot be given to a handler", command.name()));
        } else if !is_plain(name) {
            return self.expected(value, &path, "a registered name");
        }
        Some(name.to_owned())
    }

    fn verdict(&mut self, value: &Value<'t>, path: &str) -> Option<Rule> {
        let line = self.line_of(value);
        match self.string(value, path)? {
            "accept" => Some(Rule { accept: true, line }),
            "deny" => Some(Rule { accept: false, line }),
            other => {
                let more = match other {
                    "reject" | "drop" => "did you mean deny?",
                    _ => "it can be accept or deny",
                };
                self.wrong(&value.span(), format!("{path} cannot be {}; {more}", quoted(other)));
                None
            }
        }
    }
}

/// How a name would be written that was written in another way.
fn meant(text: &str) -> &'static str {
    if text.contains('*') || text == "_" {
        "; a rule names one target, and default holds for all that none names"
    } else if text.starts_with(':') || text.contains(['\'', '"', '`']) {
        "; names are written without quotes and colons, and a module of Elixir as Elixir.Module"
    } else {
        ""
    }
}
