//! What a file says about every node, before any of them connects. Groups are tables that their nodes share.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Said, Table, Tables};
use crate::dist::command::Direction;
use crate::dist::etf::scan;
use crate::limits;

/// What one message may be, and what one node may bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message.
    pub message_bytes: usize,
    /// Levels of its terms.
    pub depth: usize,
    /// Its terms.
    pub terms: usize,
    /// Bytes of one integer.
    pub integer_bytes: usize,
    /// Its identifiers.
    pub identifiers: usize,
    /// Its atoms that the receiver may not know.
    pub message_atoms: usize,
    /// Such atoms in all, for each node.
    pub atoms: usize,
    /// What is remembered of one connection.
    pub learned: usize,
    /// Seconds after which it is forgotten unless it is used.
    pub learned_idle_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: limits::DIST_FRAME_MAX,
            depth: limits::DIST_DEPTH_DEFAULT,
            terms: limits::DIST_TERMS_DEFAULT,
            integer_bytes: limits::DIST_INTEGER_DEFAULT,
            identifiers: limits::DIST_IDENTIFIERS_DEFAULT,
            message_atoms: limits::DIST_MESSAGE_ATOMS_DEFAULT,
            atoms: limits::DIST_ATOMS_DEFAULT,
            learned: limits::DIST_LEARNED_DEFAULT,
            learned_idle_s: limits::DIST_LEARNED_IDLE_S,
        }
    }
}

impl Limits {
    /// The bounds of a walk.
    #[must_use]
    pub fn bounds(&self) -> scan::Bounds {
        scan::Bounds { depth: self.depth, terms: self.terms, integer_bytes: self.integer_bytes }
    }
}

/// Nodes that share their rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its nodes.
    pub nodes: BTreeSet<String>,
    /// Its rules.
    pub tables: Tables,
}

/// The whole of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The nodes that may connect. None: no node may.
    pub allow: BTreeSet<String>,
    /// Of them, those that may tighten and read for every node at run time; the others do for themselves.
    pub control: BTreeSet<String>,
    /// What holds where neither node nor group says anything.
    pub default: Tables,
    /// The groups.
    pub groups: Vec<Group>,
    /// Rules of one node.
    pub nodes: BTreeMap<String, Tables>,
    /// What holds before everything else while the glass is broken.
    pub break_glass: Tables,
    /// The longest time for which it can be, in seconds; 0: never.
    pub break_glass_s: u64,
    /// The file with the key of a person's one-time codes, which break it too; and their digits.
    pub code: Option<(String, u32)>,
    /// What messages may be.
    pub limits: Limits,
}

/// Whose rules spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level<'p> {
    /// Those of the broken glass.
    BreakGlass,
    /// Those of the node itself.
    Node,
    /// Those of its group.
    Group(&'p str),
    /// Those for all nodes.
    Default,
    /// None: what is not said is denied from the peer and accepted to it.
    Nobody,
}

/// What the rules say about a node.
#[derive(Clone, Copy, Debug)]
pub struct View<'p> {
    /// It is in the allow-list.
    pub allowed: bool,
    /// What messages may be.
    pub limits: &'p Limits,
    node: Option<&'p Tables>,
    group: Option<&'p Group>,
    policy: &'p Policy,
}

impl Policy {
    /// What the rules say about a node, whether or not it is connected or ever was.
    #[must_use]
    pub fn view(&self, node: &str) -> View<'_> {
        View {
            allowed: self.allow.contains(node),
            limits: &self.limits,
            node: self.nodes.get(node),
            group: self.groups.iter().find(|group| group.nodes.contains(node)),
            policy: self,
        }
    }
}

impl<'p> View<'p> {
    /// The tables that are asked, in their order. The first that says anything decides.
    pub fn tables(&self, direction: Direction, glass: bool) -> impl Iterator<Item = (Level<'p>, &'p Table)> {
        let broken = glass.then_some((Level::BreakGlass, &self.policy.break_glass));
        let node = self.node.map(|tables| (Level::Node, tables));
        let group = self.group.map(|group| (Level::Group(&group.name), &group.tables));
        let default = Some((Level::Default, &self.policy.default));
        [broken, node, group, default]
            .into_iter()
            .flatten()
            .map(move |(level, tables)| (level, tables.of(direction)))
    }
}

/// What was said, and by whom.
pub type Spoken<'p> = (Level<'p>, Option<Said<'p>>);
