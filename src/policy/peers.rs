//! Nodes of Erlang distribution as principals: what the policy says of one narrows everything else that it says, and nothing widens it.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use crate::error::Denial;
use crate::policy::Policy;
use crate::policy::file::PATH;
use crate::policy::rules::{Limits, Line, Nft, ProcLevel, Rules, Sysctl};

/// What a node may do that no section names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Others {
    /// Nothing. So it is where nothing is said: a policy that knew only the BEAM of its own host gives nothing to others.
    #[default]
    Deny,
    /// Everything that the policy grants.
    All,
}

/// `[peers]`, `[peer."NODE"]` and `[peer_group.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// `default` of `[peers]`.
    pub others: Others,
    /// Where it stands.
    pub others_line: Option<Line>,
    /// The sections.
    pub sections: Vec<Section>,
}

/// A list of words, and where it stands.
pub type Words = (BTreeSet<String>, Line);

/// One section: what it says narrows its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// As it stands in brackets.
    pub name: String,
    /// Whom it is about.
    pub nodes: BTreeSet<String>,
    /// `operations`: no others.
    pub operations: Option<Words>,
    /// `tables`: no others.
    pub tables: Option<Words>,
    /// `level`: of processes, no more.
    pub level: Option<(ProcLevel, Line)>,
    /// Limits, no more.
    pub limits: Narrow,
}

/// Limits that a section can lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Requests in a second.
    pub requests_per_s: Option<u64>,
    /// Changes in a second.
    pub writes_per_s: Option<u64>,
    /// The longest deadline of a request, in milliseconds.
    pub deadline_ms: Option<u64>,
    /// Rows of one answer.
    pub rows_max: Option<u64>,
}

impl Narrow {
    fn of(&self, limits: &mut Limits) {
        let Self { requests_per_s, writes_per_s, deadline_ms, rows_max } = *self;
        for (bound, limit) in [
            (requests_per_s, &mut limits.requests_per_s),
            (writes_per_s, &mut limits.writes_per_s),
            (deadline_ms, &mut limits.deadline_ms),
            (rows_max, &mut limits.rows_max),
        ] {
            *limit = bound.map_or(*limit, |bound| bound.min(*limit));
        }
    }
}

/// A node under a policy.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    name: String,
    sections: Vec<Section>,
    /// No section names it, and what none names may do nothing.
    denied: Option<Option<Line>>,
}

const PROCESSES: &[&str] = &["process", "processes", "query", "subscribe"];
const FIREWALL: &[&str] = &[
    "nft_apply",
    "nft_confirm",
    "nft_rollback",
    "nft_list",
    "nft_json",
    "ban",
    "unban",
    "banned",
    "subscribe",
];
const PARAMETERS: &[&str] = &["sysctl_get", "sysctl_set", "sysctl_list"];

impl Policy {
    /// What is left of it for a node: every section that names the node narrows it. What no operation is left for is not granted, so that a
    /// copy for the node holds no capability for it.
    #[must_use]
    pub fn for_peer(self, node: &str) -> Self {
        let Self { source, mut rules, .. } = self;
        let naming = rules.peers.sections.iter().filter(|section| section.nodes.contains(node));
        let sections: Vec<Section> = naming.cloned().collect();
        let denied = sections.is_empty() && rules.peers.others == Others::Deny;
        let denied = denied.then_some(rules.peers.others_line);
        for Section { level, limits, .. } in &sections {
            let (level, line) =
                level.map_or((rules.proc.level, rules.proc.level_line), |(l, n)| (l, Some(n)));
            if level < rules.proc.level {
                (rules.proc.level, rules.proc.level_line) = (level, line);
            }
            limits.of(&mut rules.limits);
        }
        let peer = Peer { name: node.to_owned(), sections, denied };
        peer.leave_out(&mut rules);
        Self { source, rules, peer: Some(peer) }
    }

    /// Whether the node that this is for may ask for an operation.
    ///
    /// # Errors
    /// The line that does not let it.
    pub fn admit(&self, operation: &str) -> Result<(), Denial> {
        self.peer.as_ref().map_or(Ok(()), |peer| peer.admit(operation))
    }

    /// Whether it may read a table.
    pub(super) fn admit_table(&self, table: &str) -> Result<(), Denial> {
        self.peer.as_ref().map_or(Ok(()), |peer| peer.admit_table(table))
    }

    /// What denies a level of processes: the section that narrows it, if one does.
    pub(super) fn level_denial(&self) -> Option<Denial> {
        let peer = self.peer.as_ref()?;
        let level = self.rules.proc.level;
        let (section, line) = peer.sections.iter().find_map(|section| {
            let (own, line) = section.level.filter(|(own, _)| *own == level)?;
            (Some(line) == self.rules.proc.level_line && own == level).then_some((section, line))
        })?;
        let text = format!("level = \"{}\"", level.name());
        Some(narrowed("peer.level", section, line, &peer.name, &text))
    }

    /// What denies because of a limit, which `line` would raise.
    #[must_use]
    pub fn limit_denial(&self, rule: &'static str, line: String) -> Denial {
        let Some(peer) = &self.peer else {
            return self.explained(Denial::needs(rule, PATH, "[limits]", line));
        };
        let sections: Vec<&str> = peer.sections.iter().map(|section| section.name.as_str()).collect();
        let whose =
            if sections.is_empty() { String::new() } else { format!(", or [{}]", sections.join("], [")) };
        let hint = format!(
            "node {} has reached a limit of {PATH}; under [limits]{whose} this would: {line}",
            peer.name
        );
        Denial::new(rule, hint)
    }
}

impl Peer {
    fn admits(&self, operation: &str) -> bool {
        self.admit(operation).is_ok()
    }

    fn admit(&self, operation: &str) -> Result<(), Denial> {
        if let Some(line) = self.denied {
            return Err(self.unnamed(line));
        }
        self.all(operation, "peer.operations", "operations", |section| section.operations.as_ref())
    }

    fn admit_table(&self, table: &str) -> Result<(), Denial> {
        self.all(table, "peer.tables", "tables", |section| section.tables.as_ref())
    }

    /// Whether every section that has such a list has the word in it.
    fn all(
        &self,
        word: &str,
        rule: &'static str,
        key: &str,
        list: impl Fn(&Section) -> Option<&Words>,
    ) -> Result<(), Denial> {
        for section in &self.sections {
            if let Some((words, line)) = list(section).filter(|(words, _)| !words.contains(word)) {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let text = format!("{key} = [{}], and {word} is none of them", words.join(", "));
                let denial = narrowed(rule, section, *line, &self.name, &text);
                // No grant beside it: what narrows a node is not taken out by what a log suggests.
                let hint =
                    format!("{}; under [{}] this would: {key} = [\"{word}\"]", denial.hint, section.name);
                return Err(Denial { hint, ..denial });
            }
        }
        Ok(())
    }

    fn unnamed(&self, line: Option<Line>) -> Denial {
        let Self { name, .. } = self;
        let said = line.map_or_else(
            || "as it has no [peers]".to_owned(),
            |Line(n)| format!("by line {n}, default = \"deny\""),
        );
        let hint = format!(
            "{PATH} does not name node {name}, and such nodes may do nothing ({said}); this would: [peer.\"{name}\"] with what it may do, or \
             under [peers]: default = \"all\""
        );
        Denial::new("peers.default", hint)
    }

    /// Takes out of the rules what no operation is left for.
    fn leave_out(&self, rules: &mut Rules) {
        let none = |operations: &[&str]| !operations.iter().any(|operation| self.admits(operation));
        let nothing = Rules::nothing();
        if none(PROCESSES) {
            rules.proc = nothing.proc;
        }
        if none(&["file_open"]) {
            rules.files = Vec::new();
        }
        if none(&["ping"]) {
            rules.ping = Vec::new();
        }
        if none(FIREWALL) {
            rules.nft = Nft { confirm: rules.nft.confirm, ..nothing.nft };
        }
        if none(PARAMETERS) {
            rules.sysctl = Sysctl::default();
        }
    }
}

fn narrowed(rule: &'static str, section: &Section, Line(line): Line, node: &str, text: &str) -> Denial {
    Denial::new(
        rule,
        format!("{PATH} does not grant it to node {node}: line {line}, [{}], has {text}", section.name),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::Role;
    use crate::policy::parse::parse;
    use crate::policy::question::ask;

    const BASE: &str = r#"version = 1
[proc]
level = "full"
environ = ["LANG"]
disk_usage = true
[files]
read = [{ path = "/var/log", max_bytes = 10 }]
[ping]
allow = ["10.0.0.0/8"]
[nft]
read = true
write = [{ family = "inet", table = "fw", all = true }]
[sysctl]
read = ["net.ipv4.tcp_rmem"]
[limits]
requests_per_s = 100
"#;

    fn policy(more: &str) -> Policy {
        let text = format!("{BASE}{more}");
        Policy::of(parse(text.as_bytes()).unwrap_or_else(|m| panic!("{text}\n{m:?}")), "test".into())
    }

    /// What a node may be asked to be allowed, as words.
    const QUESTIONS: &[&str] = &[
        "process pid",
        "processes exe",
        "processes environ",
        "query load",
        "query sockets",
        "query processes",
        "query disk_usage",
        "file_open /var/log/x",
        "ping 10.1.2.3",
        "nft_list",
        "nft_apply flush_table inet fw",
        "sysctl_get net.ipv4.tcp_rmem",
        "sysctl_list",
    ];

    fn granted(policy: &Policy, question: &str) -> Result<(), Denial> {
        let mut words = question.split(' ').map(str::as_bytes);
        let op = words.next().unwrap();
        ask(policy, op, &words.collect::<Vec<_>>()).unwrap_or_else(|e| panic!("{question}: {e}")).map(drop)
    }

    #[test]
    fn who_is_not_named_may_do_nothing_unless_that_is_said() {
        for text in ["", "[peers]\n", "[peers]\ndefault = \"deny\"\n", "[peer.\"b@h\"]\n"] {
            let policy = policy(text).for_peer("a@h");
            for question in QUESTIONS {
                assert_eq!(
                    granted(&policy, question).unwrap_err().rule,
                    "peers.default",
                    "{text} {question}"
                );
            }
            assert_eq!(policy.admit("info").unwrap_err().rule, "peers.default");
            for role in Role::ALL {
                assert!(policy.capabilities(*role).is_empty());
            }
        }
        assert_eq!(
            Policy::without_a_file().for_peer("a@h").admit("processes").unwrap_err().rule,
            "peers.default"
        );
        let all = policy("[peers]\ndefault = \"all\"\n[peer.\"b@h\"]\noperations = []\n");
        assert!(QUESTIONS.iter().all(|question| granted(&all.clone().for_peer("a@h"), question).is_ok()));
        assert!(QUESTIONS.iter().all(|question| granted(&all.clone().for_peer("b@h"), question).is_err()));
        // The host's own applications are nobody's peer.
        assert!(QUESTIONS.iter().all(|question| granted(&policy(""), question).is_ok()));
    }

    #[test]
    fn a_denial_names_the_line_that_narrows() {
        let policy = policy(
            "[peer.\"a@h\"]\noperations = [\"processes\", \"query\"]\ntables = [\"load\", \"processes\"]\n[peer_group.few]\n\
             nodes = [\"a@h\", \"c@h\"]\nlevel = \"public\"\nrequests_per_s = 5\n",
        );
        let a = policy.clone().for_peer("a@h");
        let at = |line: usize| format!("line {},", BASE.lines().count() + line);
        for (question, rule, line, text) in [
            (
                "ping 10.1.2.3",
                "peer.operations",
                2,
                "[peer.\"a@h\"], has operations = [processes, query], and ping is none of them; under [peer.\"a@h\"] this would: operations = \
                 [\"ping\"]",
            ),
            (
                "query sockets",
                "peer.tables",
                3,
                "has tables = [load, processes], and sockets is none of them; under [peer.\"a@h\"] this would: tables = [\"sockets\"]",
            ),
            ("processes exe", "peer.level", 6, "[peer_group.few], has level = \"public\""),
        ] {
            let denial = granted(&a, question).unwrap_err();
            assert_eq!(denial.rule, rule);
            assert!(denial.hint.contains(&at(line)) && denial.hint.contains(text), "{}", denial.hint);
            // What narrows a node is no line that a log should suggest to add.
            assert_eq!(denial.grant, None);
        }
        assert!(granted(&a, "query load").is_ok() && granted(&a, "processes pid").is_ok());
        assert_eq!(a.limits().requests_per_s, 5);
        let c = policy.for_peer("c@h");
        assert!(granted(&c, "ping 10.1.2.3").is_ok() && granted(&c, "processes exe").is_err());
        let hint = c.limit_denial("limits.requests_per_s", "requests_per_s = 10".into()).hint;
        assert!(hint.contains("[limits], or [peer_group.few]"), "{hint}");
    }

    #[test]
    fn what_no_operation_is_left_for_takes_no_capability() {
        let names = |text: &str| {
            let policy = policy(text).for_peer("a@h");
            Role::ALL.iter().map(|role| policy.capabilities(*role)).collect::<Vec<_>>()
        };
        let base = policy("");
        let whole: Vec<_> = Role::ALL.iter().map(|role| base.capabilities(*role)).collect();
        assert_eq!(names("[peer.\"a@h\"]\n"), whole);
        let none = names("[peer.\"a@h\"]\noperations = [\"info\", \"ping\"]\n");
        assert!(none.iter().all(|capabilities| capabilities.is_empty()));
        let files = names("[peer.\"a@h\"]\noperations = [\"query\"]\nlevel = \"public\"\n");
        assert!(!files[0].has(crate::capability::Capability::SysPtrace));
    }

    /// A section of any shape.
    fn section(name: &'static str) -> impl Strategy<Value = String> {
        let words = |of: &'static [&'static str]| proptest::sample::subsequence(of, 0..=of.len());
        let operations = &[
            "process",
            "processes",
            "query",
            "file_open",
            "ping",
            "nft_list",
            "nft_apply",
            "sysctl_get",
            "sysctl_list",
            "info",
        ];
        let tables = &["load", "processes", "sockets", "disk_usage"];
        (
            proptest::option::of(words(operations)),
            proptest::option::of(words(tables)),
            proptest::option::of(proptest::sample::select(vec!["none", "public", "basic", "full"])),
            proptest::option::of(1_u64..1000),
        )
            .prop_map(move |(operations, tables, level, rate)| {
                let mut text = format!("[{name}]\n");
                for (key, words) in [("operations", operations), ("tables", tables)] {
                    text += &words.map_or(String::new(), |words| format!("{key} = {words:?}\n"));
                }
                text += &level.map_or(String::new(), |level| format!("level = {level:?}\n"));
                text += &rate.map_or(String::new(), |rate| format!("requests_per_s = {rate}\n"));
                text
            })
    }

    proptest! {
        /// Whatever the sections say: what is granted to a node is granted by the policy, and by every one of them alone.
        #[test]
        fn a_section_narrows_and_never_widens(
            own in section("peer.\"a@h\""),
            group in section("peer_group.g"),
            level in proptest::sample::select(vec!["none", "public", "basic", "full"]),
            question in proptest::sample::select(QUESTIONS),
        ) {
            let group = format!("{group}nodes = [\"a@h\"]\n");
            // What has no effect at a level is a mistake there.
            let base = BASE.replace("level = \"full\"", &format!("level = {level:?}"));
            let base = base.replace("environ = [\"LANG\"]\ndisk_usage = true\n", if level == "full" { "environ = [\"LANG\"]\ndisk_usage = true\n" } else { "" });
            let of = |more: &str| Policy::of(parse(format!("{base}{more}").as_bytes()).unwrap(), "test".into());
            let whole = of("");
            let peer = of(&format!("{own}{group}")).for_peer("a@h");
            let allowed = granted(&peer, question).is_ok();
            prop_assert!(!allowed || granted(&whole, question).is_ok(), "{question}\n{own}{group}");
            for alone in [&own, &group] {
                prop_assert!(!allowed || granted(&of(alone).for_peer("a@h"), question).is_ok(), "{question}\n{alone}");
            }
            for role in Role::ALL {
                prop_assert!(peer.capabilities(*role).without(whole.capabilities(*role)).is_empty());
            }
            prop_assert!(peer.limits().requests_per_s <= whole.limits().requests_per_s);
        }
    }
}
