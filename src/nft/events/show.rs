//! A transaction as a term: its changes as the schema writes them, rules with the sets that they look into. What belongs to a rule
//! alone is shown as a part of it.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use super::gather::{Change, Maker, Transaction};
use crate::limits::{NFT_EVENT_SETS_MAX, NFT_EVENT_TERM_MAX};
use crate::netlink::attr::{Attrs, find};
use crate::netlink::message::APPEND;
use crate::nft::kernel::{self, KExpr};
use crate::nft::lift;
use crate::nft::model::{Expr, Family, ObjectKind, RawElement, Set, TableRef, Text, set_flag};
use crate::nft::object::member::{expr_of, is_halved, members};
use crate::nft::object::{chain, element, message, named, rule, set, table};
use crate::nft::schema;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// Looks up the header of a set that is there by now.
pub type Find<'f> = dyn FnMut(&TableRef, &[u8]) -> Option<Set> + 'f;

/// Writes it: `#{kind, generation, pid, comm, changes, more}`.
pub fn write(transaction: &Transaction, find: &mut Find<'_>, w: &mut Writer) {
    let Transaction { maker, changes, more } = transaction;
    w.map(6);
    w.atom(atoms::KIND);
    w.atom(atoms::NFT);
    let (generation, pid, comm) = match maker {
        Some(Maker { generation, pid, comm }) => (Some(*generation), Some(*pid), Some(comm)),
        None => (None, None, None),
    };
    for (key, value) in [(atoms::GENERATION, generation), (atoms::PID, pid)] {
        w.atom(key);
        match value {
            Some(value) => w.uint(value.into()),
            None => w.atom(atoms::UNDEFINED),
        }
    }
    w.atom(atoms::COMM);
    match comm {
        Some(comm) => w.binary(comm),
        None => w.atom(atoms::UNDEFINED),
    }
    w.atom(atoms::CHANGES);
    let mut showing = Showing { tables: Tables::new(), find, asked: 0, left_out: 0 };
    let left_out = showing.changes(changes, *more > 0, w);
    w.atom(atoms::MORE);
    w.uint(more.saturating_add(left_out));
}

/// A set as far as it is known; nothing: nobody knows it.
#[derive(Debug)]
struct Known {
    set: Option<Set>,
    /// Of a set that belongs to a rule.
    elements: Vec<RawElement>,
}

impl Known {
    fn of(set: Option<Set>) -> Self {
        Self { set, elements: Vec::new() }
    }
}

type Names = HashMap<Vec<u8>, Known>;
type Tables = HashMap<TableRef, Names>;

/// The sets of one table.
struct InTable<'k>(Option<&'k Names>);

impl lift::Sets for InTable<'_> {
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        let known = self.0?.get(name)?;
        Some((known.set.as_ref()?, &known.elements))
    }
}

struct Showing<'s, 'f> {
    tables: Tables,
    find: &'s mut Find<'f>,
    asked: u32,
    left_out: usize,
}

impl Showing<'_, '_> {
    /// Writes the list, and says how many messages did not fit. `cut`: there was more than was kept.
    fn changes(&mut self, mut rest: &[Change], cut: bool, w: &mut Writer) -> u64 {
        let (start, mark) = (w.len(), w.begin_list());
        let mut count = 0_usize;
        while let Some(first) = rest.first() {
            let more = rest.iter().skip(1).take_while(|change| change.is_beside(first)).count();
            let Some((group, others)) = rest.split_at_checked(more.saturating_add(1)) else { break };
            let before = w.len();
            let written = self.change(first, group, cut && others.is_empty(), w);
            if w.len().saturating_sub(start) > NFT_EVENT_TERM_MAX {
                w.truncate(before);
                self.left_out = self.left_out.saturating_add(rest.len());
                break;
            }
            count = count.saturating_add(written);
            rest = others;
        }
        w.end_list(mark, count);
        u64::try_from(self.left_out).unwrap_or(u64::MAX)
    }

    /// Writes one change, or nothing where it belongs to a rule: how many terms.
    fn change(&mut self, first: &Change, group: &[Change], cut: bool, w: &mut Writer) -> usize {
        let before = w.len();
        let shown = match first.number {
            message::NEW_ELEMENT | message::DEL_ELEMENT => self.elements(first, group, cut, w),
            message::NEW_SET => self.set(first, w),
            message::DEL_SET => self.deleted_set(first, w),
            message::NEW_RULE | message::DEL_RULE => self.rule(first, w),
            _ => plain(first, w),
        };
        match shown {
            Some(shown) => usize::from(shown),
            None => {
                w.truncate(before);
                group.iter().for_each(|change| opaque(change, w));
                group.len()
            }
        }
    }

    /// A set that was made or changed, unless it belongs to a rule.
    fn set(&mut self, change: &Change, w: &mut Writer) -> Option<bool> {
        let set = set::decode(change.family, &change.body)?.what;
        let shown = !is_anonymous(&set);
        if shown {
            head(change, 1, w);
            schema::write_set_head(&set, false, w);
        }
        let names = self.tables.entry(set.table.clone()).or_default();
        names.insert(set.name.to_vec(), Known::of(Some(set)));
        Some(shown)
    }

    /// A set that was deleted. Of one that belonged to a rule the kernel tells behind the rule, which has named it, and no more
    /// than its name.
    fn deleted_set(&mut self, change: &Change, w: &mut Writer) -> Option<bool> {
        let set = set::decode(change.family, &change.body)?.what;
        let known = self.tables.get_mut(&set.table).and_then(|names| names.remove(&*set.name));
        if known.is_some() && (set.name.starts_with(b"__set") || set.name.starts_with(b"__map")) {
            return Some(false);
        }
        head(change, 1, w);
        deleted(atoms::SET, &set.table, &set.name, set.handle, w);
        Some(true)
    }

    /// Elements of one set, beginnings and ends of intervals put together.
    fn elements(&mut self, first: &Change, group: &[Change], cut: bool, w: &mut Writer) -> Option<bool> {
        let text = |kind| find(&first.body, kind)?.text();
        let name = text(element::list::SET)?;
        let table = in_family(first.family, text(element::list::TABLE)?)?;
        self.look_up(&table, name);
        let known = self.tables.get_mut(&table)?.get_mut(name)?;
        let set = known.set.as_ref()?;
        let raw = group.iter().flat_map(|change| element::elements(&change.body));
        let mut raw: Vec<RawElement> = raw.map(|attr| element::decode(&attr).0).collect();
        if is_anonymous(set) {
            known.elements.append(&mut raw);
            return Some(false);
        }
        if cut && is_halved(set) {
            // A beginning whose end was not kept would be an interval to the last key.
            let end = |element: &RawElement| element.flags & element::flag::INTERVAL_END != 0;
            let whole = raw.iter().rposition(end).map_or(0, |last| last.saturating_add(1));
            self.left_out = self.left_out.saturating_add(raw.len().saturating_sub(whole));
            raw.truncate(whole);
        }
        let shown: Vec<Expr> = members(set, raw).iter().map(|member| expr_of(set, member)).collect();
        if shown.is_empty() {
            return Some(false);
        }
        head(first, 1, w);
        schema::write_elements(&table, name, &shown, w);
        Some(true)
    }

    /// A rule. One that is neither first nor last says which stands before it.
    fn rule(&mut self, change: &Change, w: &mut Writer) -> Option<bool> {
        let raw = rule::decode(&change.body)?;
        let table = in_family(change.family, raw.table)?;
        let mut expressions: Vec<KExpr<'_>> = Vec::with_capacity(8);
        kernel::decode(Attrs::new(raw.expressions), &mut expressions);
        expressions.iter().filter_map(set_of).for_each(|name| self.look_up(&table, name));
        let statements = lift::statements(&expressions, table.family, &InTable(self.tables.get(&table)));
        let after = raw.after.filter(|_| change.number == message::NEW_RULE);
        head(change, 1 + usize::from(after.is_some()), w);
        schema::write_rule_parts(&table, raw.chain, Some(raw.handle), &statements, raw.comment, w);
        if let Some(after) = after {
            w.atom(atoms::AFTER);
            w.uint(after);
        }
        Some(true)
    }

    /// Sees to it that a set is known, if it can be: of this transaction, or by asking. Of one that belongs to a rule no elements
    /// would come with the answer, and it must not look as if it had none.
    fn look_up(&mut self, table: &TableRef, name: &[u8]) {
        if self.tables.get(table).is_some_and(|names| names.contains_key(name)) {
            return;
        }
        let found = if self.asked < NFT_EVENT_SETS_MAX {
            self.asked = self.asked.saturating_add(1);
            (self.find)(table, name)
        } else {
            None
        };
        let known = Known::of(found.filter(|set| !is_anonymous(set)));
        self.tables.entry(table.clone()).or_default().insert(name.to_vec(), known);
    }
}

/// Tables, chains and named objects.
fn plain(change: &Change, w: &mut Writer) -> Option<bool> {
    let Change { number, family, body, .. } = change;
    head(change, 1, w);
    match *number {
        message::NEW_TABLE | message::DEL_TABLE => {
            schema::write_table(&table::decode(*family, body)?.what, w);
        }
        // Of a chain that loses devices, too.
        message::NEW_CHAIN | message::DEL_CHAIN => {
            schema::write_chain(&chain::decode(*family, body)?.what, w);
        }
        message::NEW_OBJECT => schema::write_object(&named::decode(*family, body)?.what, w),
        message::DEL_OBJECT => {
            let object = named::decode(*family, body)?.what;
            let counter = ObjectKind::Counter as u32;
            let (quota, limit) = (ObjectKind::Quota as u32, ObjectKind::Limit as u32);
            match named::kind(&object.state) {
                kind if kind == counter => {
                    deleted(atoms::COUNTER, &object.table, &object.name, object.handle, w)
                }
                kind if kind == quota => deleted(atoms::QUOTA, &object.table, &object.name, object.handle, w),
                kind if kind == limit => deleted(atoms::LIMIT, &object.table, &object.name, object.handle, w),
                _ => schema::write_object(&object, w),
            }
        }
        _ => return None,
    }
    Some(true)
}

/// Which object was deleted. Newer kernels tell no more than that; what else a set or a counter has would be what a message says
/// where something is missing.
fn deleted(kind: Atom, table: &TableRef, name: &[u8], handle: Option<u64>, w: &mut Writer) {
    w.map(1);
    w.atom(kind);
    w.map(3 + usize::from(handle.is_some()));
    w.atom(atoms::FAMILY);
    w.text(table.family.name());
    for (key, value) in [(atoms::TABLE, &*table.name), (atoms::NAME, name)] {
        w.atom(key);
        w.binary(value);
    }
    if let Some(handle) = handle {
        w.atom(atoms::HANDLE);
        w.uint(handle);
    }
}

/// What this program has no word for.
fn opaque(change: &Change, w: &mut Writer) {
    w.map(1);
    w.atom(atoms::OPAQUE);
    w.map(3);
    w.atom(atoms::TYPE);
    w.uint(change.number.into());
    w.atom(atoms::FAMILY);
    w.uint(change.family.into());
    w.atom(atoms::DATA);
    w.binary(&change.body);
}

/// The beginning of a change: what was done. Its object follows.
fn head(change: &Change, pairs: usize, w: &mut Writer) {
    w.map(pairs);
    w.atom(verb(change));
}

fn verb(change: &Change) -> Atom {
    match change.number {
        message::NEW_RULE if change.flags & APPEND == 0 => atoms::INSERT,
        message::DEL_TABLE | message::DEL_CHAIN | message::DEL_RULE => atoms::DELETE,
        message::DEL_SET | message::DEL_ELEMENT | message::DEL_OBJECT => atoms::DELETE,
        _ => atoms::ADD,
    }
}

fn in_family(family: u8, table: &[u8]) -> Option<TableRef> {
    Some(TableRef { family: Family::numbered(family)?, name: Text::Owned(table.to_vec()) })
}

fn is_anonymous(set: &Set) -> bool {
    set.flags & set_flag::ANONYMOUS != 0
}

/// The set that an expression looks into.
fn set_of<'e>(expression: &'e KExpr<'_>) -> Option<&'e [u8]> {
    match expression {
        KExpr::Lookup { set, .. } | KExpr::Dynset { set, .. } | KExpr::ObjrefMap { set, .. } => Some(set),
        _ => None,
    }
}
