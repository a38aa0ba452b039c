//! What the policy judges: reading the rules, one change to one object, and the commands of a request, each of which is such
//! a change.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fmt;

use crate::nft::model::{
    Command, Creation, DynsetOp, Family, Flush, Rule, Statement, TableRef, Target, Text,
};

/// The families of tables (nft(8)).
pub const FAMILIES: &[&str] = &["ip", "ip6", "inet", "arp", "bridge", "netdev"];

/// The verbs that a policy can grant: what is done, and to which kind of object.
pub const VERBS: &[&str] = &[
    "add_chain",
    "add_element",
    "add_object",
    "add_rule",
    "add_set",
    "add_table",
    "del_chain",
    "del_element",
    "del_object",
    "del_rule",
    "del_set",
    "del_table",
    "flush_chain",
    "flush_set",
    "flush_table",
    "rename_chain",
    "replace_rule",
    "reset_counter",
];

/// Names that nft accepts without quotes (nft(8), lexical conventions).
#[must_use]
pub fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.len() <= 127 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b))
}

/// Whether a verb works on an object inside a chain.
#[must_use]
pub fn needs_chain(verb: &str) -> bool {
    verb.ends_with("_chain") || verb.ends_with("_rule")
}

/// Whether a verb works on an object inside a set.
#[must_use]
pub fn needs_set(verb: &str) -> bool {
    verb.ends_with("_set") || verb.ends_with("_element")
}

/// Whether a verb works on a named object: a counter, a quota, a limit.
#[must_use]
pub fn needs_object(verb: &str) -> bool {
    verb.ends_with("_object") || verb == "reset_counter"
}

/// Reading rules, sets and chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadNft;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChangeNft {
    /// One of [`VERBS`].
    pub verb: String,
    /// One of [`FAMILIES`].
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain, the set or the named object that is changed; nothing for a verb on the table itself.
    pub object: Option<String>,
}

/// The commands of a request, all or nothing. The permit holds them, so that what was judged is what will be done.
#[derive(Clone, Debug)]
pub struct ApplyNft<'a> {
    commands: Vec<Command<'a>>,
    changes: Vec<ChangeNft>,
    confirmed: bool,
    whole: bool,
}

impl<'a> ApplyNft<'a> {
    /// These commands, which are all taken back unless they are confirmed in time if `confirmed`. `flush ruleset` is none of them:
    /// whoever calls says which tables that is.
    #[must_use]
    pub fn new(commands: Vec<Command<'a>>, confirmed: bool) -> Self {
        let mut changes: Vec<ChangeNft> = Vec::new();
        let mut seen = HashSet::new();
        for change in commands.iter().flat_map(ChangeNft::of) {
            if !seen.contains(&change) {
                seen.insert(change.clone());
                changes.push(change);
            }
        }
        Self { commands, changes, confirmed, whole: false }
    }

    /// The commands of a ban, or of taking one back. Of elements only `verb` counts: what overlaps is taken out and put back in
    /// parts, which changes nothing of what others asked for. Nobody confirms a ban: it keeps out whom it names and no other.
    #[must_use]
    pub fn of_bans(commands: Vec<Command<'a>>, verb: &str) -> Self {
        let mut action = Self::new(commands, true);
        action.changes.retain(|change| !change.verb.ends_with("_element") || change.verb == verb);
        action
    }

    /// The commands, in their order.
    #[must_use]
    pub fn commands(&self) -> &[Command<'a>] {
        &self.commands
    }

    /// What they change: each once.
    #[must_use]
    pub fn changes(&self) -> &[ChangeNft] {
        &self.changes
    }

    /// The same for whom the policy grants all of the tables that it changes.
    #[must_use]
    pub fn of_whole_tables(self, whole: bool) -> Self {
        Self { whole, ..self }
    }

    /// Whether all of its tables may be changed: what others did to them can be undone then.
    #[must_use]
    pub fn is_of_whole_tables(&self) -> bool {
        self.whole
    }

    /// Whether it takes itself back unless it is confirmed.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }
}

impl fmt::Display for ChangeNft {
    /// As `policy explain nft_apply` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, family, table, object } = self;
        write!(f, "{verb} {family} {table}")?;
        object.as_ref().map_or(Ok(()), |object| write!(f, " {object}"))
    }
}

impl ChangeNft {
    /// A change of a set's elements.
    #[must_use]
    pub fn element(verb: &str, table: &TableRef, set: &str) -> Self {
        Self::new(verb, table, Some(&Text::Owned(set.as_bytes().to_vec())))
    }

    fn new(verb: &str, table: &TableRef, object: Option<&Text>) -> Self {
        Self {
            verb: verb.to_owned(),
            family: table.family.name().to_owned(),
            table: lossy(&table.name),
            object: object.map(lossy),
        }
    }

    /// The changes that a command makes: one, and for a set that comes with elements two.
    #[must_use]
    pub fn of(command: &Command<'_>) -> Vec<Self> {
        match command {
            Command::Add(what) | Command::Create(what) => creation(what),
            Command::Insert(rule, _) | Command::Append(rule, _) => with_rule("add_rule", rule),
            Command::Replace(rule) => with_rule("replace_rule", rule),
            Command::Delete(target) | Command::Destroy(target) => vec![deletion(target)],
            Command::Flush(Flush::Table(table)) => vec![Self::new("flush_table", table, None)],
            Command::Flush(Flush::Chain(table, chain)) => vec![Self::new("flush_chain", table, Some(chain))],
            Command::Flush(Flush::Set(table, set)) => vec![Self::new("flush_set", table, Some(set))],
            Command::Flush(Flush::Tables(tables)) => {
                tables.iter().map(|table| Self::new("del_table", table, None)).collect()
            }
            // Which tables that is has to be looked up before it is judged; a permit for it must never be given.
            Command::Flush(Flush::Ruleset(_)) => vec![no_table(Family::Inet)],
            Command::Rename(table, old, new) => {
                vec![Self::new("rename_chain", table, Some(old)), Self::new("rename_chain", table, Some(new))]
            }
            Command::Reset(table, _, name) => vec![Self::new("reset_counter", table, Some(name))],
            Command::Metainfo => Vec::new(),
        }
    }
}

/// A rule, and the sets that it would change packet by packet: without that, whoever can add a rule to a chain could add what
/// he likes to every set of the table.
fn with_rule(verb: &str, rule: &Rule) -> Vec<ChangeNft> {
    let mut changes = vec![ChangeNft::new(verb, &rule.table, Some(&rule.chain))];
    for statement in &rule.statements {
        if let Statement::Dynset(dynset) = statement {
            let verb = if dynset.op == DynsetOp::Delete { "del_element" } else { "add_element" };
            changes.push(ChangeNft::new(verb, &rule.table, Some(&dynset.set)));
        }
    }
    changes
}

fn creation(what: &Creation<'_>) -> Vec<ChangeNft> {
    match what {
        // Of a table that is there its flags are changed: `dormant` takes all of its chains out of force.
        Creation::Table(table) => {
            let verbs: &[&str] =
                if table.flags == 0 { &["add_table"] } else { &["add_table", "flush_table"] };
            verbs.iter().map(|verb| ChangeNft::new(verb, &table.id, None)).collect()
        }
        Creation::Chain(chain) => vec![ChangeNft::new("add_chain", &chain.table, Some(&chain.name))],
        Creation::Set(set, elements) => {
            let verbs: &[&str] = if elements.is_some() { &["add_set", "add_element"] } else { &["add_set"] };
            verbs.iter().map(|verb| ChangeNft::new(verb, &set.table, Some(&set.name))).collect()
        }
        Creation::Elements(table, set, _) => vec![ChangeNft::new("add_element", table, Some(set))],
        Creation::Object(object) => vec![ChangeNft::new("add_object", &object.table, Some(&object.name))],
    }
}

fn deletion(target: &Target<'_>) -> ChangeNft {
    match target {
        Target::Table(table) => ChangeNft::new("del_table", table, None),
        // Which table that is nobody has looked up: the request names it, or is denied.
        Target::TableHandle(family, _) => no_table(*family),
        Target::Chain(table, chain) => ChangeNft::new("del_chain", table, Some(chain)),
        Target::ChainHandle(table, handle) => ChangeNft::new("del_chain", table, Some(&by_handle(*handle))),
        Target::Rule(table, chain, _) => ChangeNft::new("del_rule", table, Some(chain)),
        Target::Set(table, set) => ChangeNft::new("del_set", table, Some(set)),
        Target::SetHandle(table, handle) => ChangeNft::new("del_set", table, Some(&by_handle(*handle))),
        Target::Elements(table, set, _) => ChangeNft::new("del_element", table, Some(set)),
        Target::Object(table, _, name) => ChangeNft::new("del_object", table, Some(name)),
        Target::ObjectHandle(table, _, handle) => {
            ChangeNft::new("del_object", table, Some(&by_handle(*handle)))
        }
    }
}

/// A change that no policy can grant.
fn no_table(family: Family) -> ChangeNft {
    ChangeNft::new("del_table", &TableRef { family, name: Text::Borrowed(b"*") }, None)
}

/// What is known by its handle only: no list of names can hold it, so that it takes the whole table.
fn by_handle(handle: u64) -> Text {
    Text::Owned(format!("handle {handle}").into_bytes())
}

/// A name for the policy. One that is not UTF-8 becomes one that no policy can hold ([`is_name`]).
fn lossy(name: &Text) -> String {
    String::from_utf8_lossy(name).into_owned()
}
