//! Commands: what a request asks for, one after the other, all or nothing.
#![forbid(unsafe_code)]

use std::slice;

use super::{Chain, Family, Object, ObjectKind, Rule, Set, Table, TableRef, Text};
use crate::wire::term::Items;

/// A command of a change. Elements stay terms of the frame until they are encoded: a hundred thousand of them would
/// otherwise be held twice.
#[derive(Clone, Debug)]
pub enum Command<'a> {
    /// `add`; nothing if it is there.
    Add(Creation<'a>),
    /// `create`; an error if it is there.
    Create(Creation<'a>),
    /// `insert` a rule before another, or as the first.
    Insert(Rule, Place),
    /// `add` a rule behind another, or as the last.
    Append(Rule, Place),
    /// `replace` a rule; [`Rule::handle`] is there.
    Replace(Rule),
    /// `delete`; an error if it is not there.
    Delete(Target<'a>),
    /// `destroy`; nothing if it is not there.
    Destroy(Target<'a>),
    /// `flush`: what is inside goes, the object stays.
    Flush(Flush),
    /// `rename` a chain.
    Rename(TableRef, Text, Text),
    /// `reset` a counter or a quota.
    Reset(TableRef, ObjectKind, Text),
    /// `metainfo`, which changes nothing. It keeps its place, so that what stands behind it keeps its number.
    Metainfo,
}

impl Command<'_> {
    /// The tables that it changes, as far as it names them: a table that is known by its handle has no name here, and `flush ruleset`
    /// says nothing of those that there are.
    #[must_use]
    pub fn tables(&self) -> &[TableRef] {
        match self {
            Self::Add(what) | Self::Create(what) => slice::from_ref(what.table()),
            Self::Insert(rule, _) | Self::Append(rule, _) | Self::Replace(rule) => {
                slice::from_ref(&rule.table)
            }
            Self::Delete(target) | Self::Destroy(target) => target.table().map_or(&[], slice::from_ref),
            Self::Flush(Flush::Table(table) | Flush::Chain(table, _) | Flush::Set(table, _))
            | Self::Rename(table, ..)
            | Self::Reset(table, ..) => slice::from_ref(table),
            Self::Flush(Flush::Tables(tables)) => tables,
            Self::Flush(Flush::Ruleset(_)) | Self::Metainfo => &[],
        }
    }
}

impl Creation<'_> {
    fn table(&self) -> &TableRef {
        match self {
            Creation::Table(table) => &table.id,
            Creation::Chain(chain) => &chain.table,
            Creation::Set(set, _) => &set.table,
            Creation::Elements(table, ..) => table,
            Creation::Object(object) => &object.table,
        }
    }
}

impl Target<'_> {
    fn table(&self) -> Option<&TableRef> {
        match self {
            Target::TableHandle(..) => None,
            Target::Table(table)
            | Target::Chain(table, _)
            | Target::ChainHandle(table, _)
            | Target::Rule(table, ..)
            | Target::Set(table, _)
            | Target::SetHandle(table, _)
            | Target::Elements(table, ..)
            | Target::Object(table, ..)
            | Target::ObjectHandle(table, ..) => Some(table),
        }
    }
}

/// Where a rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The end of the chain for `add`, its beginning for `insert`.
    Edge,
    /// Beside the rule of that handle.
    Handle(u64),
    /// Beside the rule of that index, from 0.
    Index(u32),
}

/// What can be added.
#[derive(Clone, Debug)]
pub enum Creation<'a> {
    /// A table.
    Table(Table),
    /// A chain.
    Chain(Chain),
    /// A set or a map, with elements.
    Set(Box<Set>, Option<Items<'a>>),
    /// Elements of a set that is there.
    Elements(TableRef, Text, Items<'a>),
    /// A counter, quota or limit.
    Object(Object),
}

/// What can be deleted. Everything is named: an omission would be "all of them" to the kernel.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// A table.
    Table(TableRef),
    /// A table of that family, by its handle.
    TableHandle(Family, u64),
    /// A chain.
    Chain(TableRef, Text),
    /// A chain, by its handle.
    ChainHandle(TableRef, u64),
    /// A rule, by its handle.
    Rule(TableRef, Text, u64),
    /// A set or a map.
    Set(TableRef, Text),
    /// A set or a map, by its handle.
    SetHandle(TableRef, u64),
    /// Elements.
    Elements(TableRef, Text, Items<'a>),
    /// A named object.
    Object(TableRef, ObjectKind, Text),
    /// A named object, by its handle.
    ObjectHandle(TableRef, ObjectKind, u64),
}

/// What can be flushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flush {
    /// All rules of a table.
    Table(TableRef),
    /// The rules of a chain.
    Chain(TableRef, Text),
    /// The elements of a set or map.
    Set(TableRef, Text),
    /// Everything, or all tables of a family.
    Ruleset(Option<Family>),
    /// The same once somebody has looked which tables that is: they go, with all that is in them.
    Tables(Vec<TableRef>),
}
