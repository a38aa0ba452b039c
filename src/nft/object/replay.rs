//! A table as the kernel dumped it, and the messages that make the same again: byte for byte, whether this program understands
//! it or not. What the kernel tells and does not take back (handles, use counts) is left out, by a list of what it does take.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{chain, element, message, named, rule, set, table};
use crate::netlink::attr::{Attr, Attrs, Buffer, find};
use crate::netlink::message::{APPEND, CREATE};
use crate::nft::kernel::{self, Immediate, KExpr};
use crate::nft::model::set_flag;

/// `NFTA_FLOWTABLE_*`
mod flowtable {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const HOOK: u16 = 3;
    pub const USE: u16 = 4;
    pub const HANDLE: u16 = 5;
    pub const PAD: u16 = 6;
    pub const FLAGS: u16 = 7;
}

/// `NFTA_HOOK_DEV` and `NFTA_HOOK_DEVS`: a single device is told in both forms, and taken in one.
const HOOK_DEV: u16 = 3;
const HOOK_DEVS: u16 = 4;

/// `NFT_CHAIN_BINDING`: a chain that belongs to the one rule that jumps to it, and takes no rules once that rule is there.
const BINDING: u32 = 4;

/// `NLA_F_NESTED`
const NESTED: u16 = 1 << 15;

/// Chains inside of rules inside of chains: the kernel follows no more jumps (`NFT_JUMP_STACK_SIZE`).
const DEPTH_MAX: usize = 16;

/// What is taken back of a kind of message, and what is told only.
struct Kept {
    taken: &'static [u16],
    told: &'static [u16],
}

fn kept(kind: u16) -> Option<Kept> {
    use {chain::attribute as c, element::list as e, flowtable as f, named::attribute as o};
    use {rule::attribute as r, set::attribute as s, table::attribute as t};
    let (taken, told): (&[u16], &[u16]) = match kind {
        message::NEW_TABLE => (&[t::NAME, t::FLAGS, t::USERDATA], &[t::USE, t::HANDLE, t::PAD, t::OWNER]),
        message::NEW_CHAIN => (
            &[c::TABLE, c::NAME, c::HOOK, c::POLICY, c::TYPE, c::COUNTERS, c::FLAGS, c::USERDATA],
            &[c::HANDLE, c::USE, c::PAD, c::ID],
        ),
        message::NEW_RULE => {
            (&[r::TABLE, r::CHAIN, r::EXPRESSIONS, r::COMPAT, r::USERDATA], &[r::HANDLE, r::POSITION, r::PAD])
        }
        message::NEW_SET => (
            &[
                s::TABLE,
                s::NAME,
                s::FLAGS,
                s::KEY_TYPE,
                s::KEY_LEN,
                s::DATA_TYPE,
                s::DATA_LEN,
                s::POLICY,
                s::DESC,
                s::TIMEOUT,
                s::GC_INTERVAL,
                s::USERDATA,
                s::OBJ_TYPE,
                s::EXPR,
                s::EXPRESSIONS,
            ],
            &[s::ID, s::PAD, s::HANDLE, s::BACKEND, s::COUNT],
        ),
        message::NEW_ELEMENT => (&[e::TABLE, e::SET, e::ELEMENTS], &[e::SET_ID]),
        message::NEW_OBJECT => {
            (&[o::TABLE, o::NAME, o::TYPE, o::DATA, o::USERDATA], &[o::USE, o::HANDLE, o::PAD])
        }
        message::NEW_FLOWTABLE => (&[f::TABLE, f::NAME, f::HOOK, f::FLAGS], &[f::USE, f::HANDLE, f::PAD]),
        _ => return None,
    };
    Some(Kept { taken, told })
}

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// `NFT_MSG_*`, without the subsystem.
    pub kind: u16,
    /// `NLM_F_*`, without those that all have.
    pub flags: u16,
    /// The family.
    pub family: u8,
    /// Its attributes.
    pub body: &'a [u8],
}

/// What was made of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is of another table, or of a kind that is no part of one.
    Not,
    /// All of it will be restored.
    Whole,
    /// There are attributes of these numbers that this program does not know, so they will not be restored.
    Without(Vec<u16>),
}

/// A table as it was.
#[derive(Clone, Debug)]
pub struct Snapshot {
    family: u8,
    name: Vec<u8>,
    /// The table itself; without it there is nothing to restore.
    table: Option<Vec<u8>>,
    flowtables: Vec<Vec<u8>>,
    chains: Vec<Vec<u8>>,
    objects: Vec<Vec<u8>>,
    sets: Vec<Vec<u8>>,
    elements: Vec<Vec<u8>>,
    rules: Vec<Vec<u8>>,
}

impl Snapshot {
    /// Of a table from which no message was taken yet.
    #[must_use]
    pub fn new(family: u8, name: &[u8]) -> Self {
        Self {
            family,
            name: name.to_vec(),
            table: None,
            flowtables: Vec::new(),
            chains: Vec::new(),
            objects: Vec::new(),
            sets: Vec::new(),
            elements: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let lists = [&self.flowtables, &self.chains, &self.objects, &self.sets, &self.elements, &self.rules];
        let bodies = lists.into_iter().flatten().chain(&self.table);
        bodies.map(Vec::len).fold(0, usize::saturating_add)
    }

    /// Whether the table is not there, so that restoring would mean that it goes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_none()
    }

    /// Takes a message of a dump: `kind` as in [`message`]. Those of one kind must come in the order of the dump.
    pub fn take(&mut self, kind: u16, family: u8, body: &[u8]) -> Taken {
        let Some(kept) = kept(kind) else { return Taken::Not };
        // The name of the table has the same number in all of them.
        let ours = find(body, table::attribute::NAME).and_then(|attr| attr.text()) == Some(&self.name[..]);
        if family != self.family || !ours {
            return Taken::Not;
        }
        let unknown: Vec<u16> = Attrs::new(body)
            .map(|attr| attr.kind)
            .filter(|kind| !kept.taken.contains(kind) && !kept.told.contains(kind))
            .collect();
        match kind {
            message::NEW_TABLE => self.table = Some(body.to_vec()),
            message::NEW_CHAIN => self.chains.push(body.to_vec()),
            message::NEW_RULE => self.rules.push(body.to_vec()),
            message::NEW_SET => self.sets.push(body.to_vec()),
            message::NEW_ELEMENT => self.elements.push(body.to_vec()),
            message::NEW_OBJECT => self.objects.push(body.to_vec()),
            _ => self.flowtables.push(body.to_vec()),
        }
        if unknown.is_empty() { Taken::Whole } else { Taken::Without(unknown) }
    }

    /// The messages that make the table what it was, for one batch: whatever is there under its name goes, then all comes back.
    ///
    /// # Errors
    /// Those of `send`; after the first nothing more is sent.
    pub fn restore<E>(&self, mut send: impl FnMut(Command<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut name = Buffer::new();
        name.put_text(table::attribute::NAME, &self.name);
        let family = self.family;
        // Deleting what is not there is an error; adding what is there is none.
        send(Command { kind: message::NEW_TABLE, flags: CREATE, family, body: name.bytes() })?;
        send(Command { kind: message::DEL_TABLE, flags: 0, family, body: name.bytes() })?;
        let Some(table) = &self.table else { return Ok(()) };
        let mut out = Out { family, buffer: Buffer::new(), send };
        out.one(message::NEW_TABLE, CREATE, table)?;
        for (kind, bodies) in [
            (message::NEW_FLOWTABLE, &self.flowtables),
            (message::NEW_CHAIN, &self.chains),
            (message::NEW_OBJECT, &self.objects),
        ] {
            bodies.iter().try_for_each(|body| out.one(kind, CREATE, body))?;
        }
        let grown = self.grown();
        for (id, body) in (1..).zip(&self.sets) {
            out.set(id, body, grown.contains(name_of(body, set::attribute::NAME)))?;
        }
        self.elements.iter().try_for_each(|body| out.elements(body))?;
        for rule in self.ordered() {
            out.one(message::NEW_RULE, CREATE | APPEND, rule)?;
        }
        Ok(())
    }

    /// Sets that rules add to, though they were not made for it (`NFT_SET_EVAL`). The kernel gives such a set a size when the rule
    /// comes (`nft_dynset_init`), and had it chosen how to keep a set of that size, the rule would be refused.
    fn grown(&self) -> HashSet<&[u8]> {
        let fixed = |body: &[u8]| {
            let flags = find(body, set::attribute::FLAGS).and_then(|attr| attr.be32()).unwrap_or(0);
            flags & set_flag::EVAL == 0
        };
        let names =
            self.sets.iter().filter(|body| fixed(body)).map(|body| name_of(body, set::attribute::NAME));
        let fixed: HashSet<&[u8]> = names.collect();
        if fixed.is_empty() {
            return fixed;
        }
        let lists = self.rules.iter().filter_map(|rule| find(rule, rule::attribute::EXPRESSIONS));
        let added =
            lists.flat_map(|list| list.attrs()).filter_map(|expression| kernel::adds_to(expression.value));
        added.filter(|name| fixed.contains(name)).collect()
    }

    /// The rules in an order in which they can be added: those of a chain that belongs to a rule before that rule.
    fn ordered(&self) -> Vec<&[u8]> {
        let bound: HashSet<&[u8]> = self.chains.iter().filter_map(|body| binding(body)).collect();
        if bound.is_empty() {
            return self.rules.iter().map(Vec::as_slice).collect();
        }
        let mut order = Order { of: HashMap::new(), bound, rules: Vec::with_capacity(self.rules.len()) };
        let mut chains = Vec::new();
        for body in &self.rules {
            let chain = name_of(body, rule::attribute::CHAIN);
            let rules = order.of.entry(chain).or_insert_with(|| {
                chains.push(chain);
                Vec::new()
            });
            rules.push(body.as_slice());
        }
        // First the chains that nobody owns; they bring the others along, and what is left comes last.
        let (owned, free): (Vec<&[u8]>, Vec<&[u8]>) = chains.iter().partition(|c| order.bound.contains(*c));
        for chain in free.into_iter().chain(owned) {
            order.chain(chain, 0);
        }
        order.rules
    }
}

struct Order<'a> {
    /// The rules of each chain that are not in the order yet.
    of: HashMap<&'a [u8], Vec<&'a [u8]>>,
    bound: HashSet<&'a [u8]>,
    rules: Vec<&'a [u8]>,
}

impl<'a> Order<'a> {
    fn chain(&mut self, chain: &[u8], depth: usize) {
        for rule in self.of.remove(chain).unwrap_or_default() {
            if depth < DEPTH_MAX {
                for target in targets(rule) {
                    if self.bound.contains(&*target) {
                        self.chain(&target, depth.saturating_add(1));
                    }
                }
            }
            self.rules.push(rule);
        }
    }
}

/// Where a rule jumps to by itself.
fn targets(rule: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut expressions = Vec::new();
    if let Some(list) = find(rule, rule::attribute::EXPRESSIONS) {
        kernel::decode(list.attrs(), &mut expressions);
    }
    let target = |expression| match expression {
        KExpr::Immediate { data: Immediate::Verdict(_, chain), .. } => chain,
        _ => None,
    };
    expressions.into_iter().filter_map(target).collect()
}

fn name_of(body: &[u8], kind: u16) -> &[u8] {
    find(body, kind).and_then(|attr| attr.text()).unwrap_or(&[])
}

/// The name of a chain that belongs to a rule.
fn binding(body: &[u8]) -> Option<&[u8]> {
    let flags = find(body, chain::attribute::FLAGS)?.be32()?;
    (flags & BINDING != 0).then(|| name_of(body, chain::attribute::NAME))
}

struct Out<S> {
    family: u8,
    buffer: Buffer,
    send: S,
}

impl<E, S: FnMut(Command<'_>) -> Result<(), E>> Out<S> {
    fn one(&mut self, kind: u16, flags: u16, body: &[u8]) -> Result<(), E> {
        self.buffer.clear();
        self.copy(kind, body);
        self.flush(kind, flags)
    }

    fn set(&mut self, id: u32, body: &[u8], grown: bool) -> Result<(), E> {
        self.buffer.clear();
        let taken = kept(message::NEW_SET).map_or(&[][..], |kept| kept.taken);
        for attr in Attrs::new(body).filter(|attr| taken.contains(&attr.kind)) {
            if grown && attr.kind == set::attribute::DESC {
                let nest = self.buffer.nest(attr.kind);
                let others = attr.attrs().filter(|attr| attr.kind != set::DESC_SIZE);
                others.for_each(|attr| self.buffer.put(attr.kind, attr.value));
                self.buffer.end(nest);
            } else {
                self.attribute(&attr);
            }
        }
        self.buffer.put_be32(set::attribute::ID, id);
        self.flush(message::NEW_SET, CREATE)
    }

    /// The last message of a dump of elements may have none; without a list it would be refused.
    fn elements(&mut self, body: &[u8]) -> Result<(), E> {
        match element::elements(body).next() {
            Some(_) => self.one(message::NEW_ELEMENT, CREATE, body),
            None => Ok(()),
        }
    }

    fn copy(&mut self, kind: u16, body: &[u8]) {
        let taken = kept(kind).map_or(&[][..], |kept| kept.taken);
        for attr in Attrs::new(body).filter(|attr| taken.contains(&attr.kind)) {
            match (kind, attr.kind) {
                (message::NEW_CHAIN, chain::attribute::HOOK) => self.hook(&attr),
                (message::NEW_RULE, rule::attribute::EXPRESSIONS) => {
                    let nest = self.buffer.nest(attr.kind);
                    kernel::copy(attr.attrs(), &mut self.buffer);
                    self.buffer.end(nest);
                }
                _ => self.attribute(&attr),
            }
        }
    }

    fn attribute(&mut self, attr: &Attr<'_>) {
        self.buffer.put(attr.kind | if attr.nested { NESTED } else { 0 }, attr.value);
    }

    fn hook(&mut self, hook: &Attr<'_>) {
        let several = hook.attrs().any(|attr| attr.kind == HOOK_DEVS);
        let nest = self.buffer.nest(hook.kind);
        for attr in hook.attrs().filter(|attr| !(several && attr.kind == HOOK_DEV)) {
            self.buffer.put(attr.kind, attr.value);
        }
        self.buffer.end(nest);
    }

    fn flush(&mut self, kind: u16, flags: u16) -> Result<(), E> {
        (self.send)(Command { kind, flags, family: self.family, body: self.buffer.bytes() })
    }
}
