//! The sections of nodes: `[peers]`, `[peer."NODE"]`, `[peer_group.NAME]`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::{Reader, Value, quoted};
use crate::dist::handshake::name::NodeName;
use crate::limits::{DEADLINE_MAX_MS, PID_MAX};
use crate::meant::meant;
use crate::op::Role;
use crate::policy::peers::{Narrow, Others, Peers, Section, Words};
use crate::policy::rules::ProcLevel;
use crate::protocol::{ops, tables};

impl<'t> Reader<'t> {
    /// `[peers]`.
    pub(super) fn other_peers(&mut self, table: &DeTable<'t>, peers: &mut Peers) {
        let [default] = self.keys(table, "[peers]", ["default"]);
        if let Some(value) = default {
            peers.others_line = Some(self.line(value));
            if self.word(value, "default", &["deny", "all"]) == Some("all") {
                peers.others = Others::All;
            }
        }
    }

    /// `[peer."NODE"]`.
    pub(super) fn peer(&mut self, table: &DeTable<'t>, peers: &mut Peers) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            if NodeName::parse(name.as_bytes()).is_none() {
                let message = format!(
                    "peer: {} is not the name of a node; in quotes: [peer.\"app@host\"]",
                    quoted(name)
                );
                self.wrong(&key.span(), message);
                continue;
            }
            let path = format!("peer.{name:?}");
            if let Some(fields) = self.table(value, &path) {
                let nodes = [name.to_owned()].into();
                let section = self.section(fields, path, Some(nodes), value);
                peers.sections.extend(section);
            }
        }
    }

    /// `[peer_group.NAME]`.
    pub(super) fn peer_groups(&mut self, table: &DeTable<'t>, peers: &mut Peers) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
                let message = format!("peer_group: {} is no name of letters, digits, _ and -", quoted(name));
                self.wrong(&key.span(), message);
                continue;
            }
            let path = format!("peer_group.{name}");
            if let Some(fields) = self.table(value, &path) {
                let section = self.section(fields, path, None, value);
                peers.sections.extend(section);
            }
        }
    }

    fn section(
        &mut self,
        table: &DeTable<'t>,
        name: String,
        own: Option<BTreeSet<String>>,
        at: &Value<'t>,
    ) -> Option<Section> {
        const KNOWN: [&str; 8] = [
            "operations",
            "tables",
            "level",
            "requests_per_s",
            "writes_per_s",
            "deadline_ms",
            "rows_max",
            "nodes",
        ];
        let [operations, tables, level, requests, writes, deadline, rows, nodes] =
            self.keys(table, &name, KNOWN);
        let nodes = match (own, nodes) {
            (Some(_), Some(nodes)) => {
                self.wrong(
                    &nodes.span(),
                    format!("{name} is about that node alone: nodes belongs into [peer_group.NAME]"),
                );
                return None;
            }
            (Some(own), None) => own,
            (None, Some(nodes)) => self.node_names(nodes, &format!("{name}.nodes")),
            (None, None) => return self.missing(&at.span(), &name, "nodes"),
        };
        let known = Role::ALL.iter().flat_map(|role| ops::of(*role)).map(|row| row.name).collect();
        let operations = operations.map(|v| self.known_words(v, "operations", &known));
        let known = tables::of(Role::Proc).map(|table| table.name().name()).collect();
        let tables = tables.map(|v| self.known_words(v, "tables", &known));
        let level = level.and_then(|value| {
            let words: Vec<&str> = ProcLevel::ALL.iter().map(|l| l.name()).collect();
            let word = self.word(value, "level", &words);
            let level = ProcLevel::ALL.iter().copied().find(|l| Some(l.name()) == word)?;
            Some((level, self.line(value)))
        });
        let mut number = |value: Option<&Value<'t>>, name: &str, max| {
            value.and_then(|value| self.integer(value, name, 1, max))
        };
        let limits = Narrow {
            requests_per_s: number(requests, "requests_per_s", 1_000_000_000),
            writes_per_s: number(writes, "writes_per_s", 1_000_000_000),
            deadline_ms: number(deadline, "deadline_ms", DEADLINE_MAX_MS),
            rows_max: number(rows, "rows_max", u64::from(PID_MAX)),
        };
        Some(Section { name, nodes, operations, tables, level, limits })
    }

    /// Names of nodes, each of which stands for one.
    fn node_names(&mut self, value: &Value<'t>, path: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (text, item) in self.texts(value, path) {
            match NodeName::parse(text.as_bytes()) {
                Some(name) => drop(names.insert(name.as_str().to_owned())),
                None => {
                    let message = format!(
                        "{path}: {} is not the name of a node, such as app@host.example",
                        quoted(text)
                    );
                    self.wrong(&item.span(), message);
                }
            }
        }
        names
    }

    /// Words of a closed list.
    fn known_words(&mut self, value: &Value<'t>, key: &str, known: &BTreeSet<&'static str>) -> Words {
        let mut words = BTreeSet::new();
        for (text, item) in self.texts(value, key) {
            if known.contains(text) {
                words.insert(text.to_owned());
                continue;
            }
            let all: Vec<&str> = known.iter().copied().collect();
            let hint = match meant(text, &all) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("there are {}", all.join(", ")),
            };
            self.wrong(&item.span(), format!("{key} has no {}; {hint}", quoted(text)));
        }
        (words, self.line(value))
    }
}
