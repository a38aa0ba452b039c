//! Commands as one batch: every message knows which command it is for, so that what the kernel refuses, and what it numbers,
//! finds its way back to the request.
#![forbid(unsafe_code)]

mod fault;
mod handles;
mod merge;
mod rule;
mod world;

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Instant;

use crate::error::{RequestError, Step, Why};
use crate::netlink::attr::{Buffer, find};
use crate::netlink::message::{CREATE, ECHO, EXCL};
use crate::nft::model::{
    Chain, Command, Creation, Flush, ObjectKind, RawElement, Set, TableRef, Target, Text,
};
use crate::nft::object::element::{self, Of};
use crate::nft::object::member::{Member, element_of};
use crate::nft::object::{Unfit, chain, message, named, set, table};
use crate::nft::schema;
use crate::nft::transport::batch::{Batch, Failure, Outcome};
use crate::nft::transport::{Link, get, kind};
use crate::wire::schema::At;
use crate::wire::term::{Items, Term};

pub use fault::{of_element, of_failure, of_transport};
pub use world::World;

/// `NFTA_TABLE_HANDLE`, `NFTA_CHAIN_HANDLE`, `NFTA_SET_HANDLE`, `NFTA_OBJ_HANDLE` (nf_tables.h).
mod handle {
    pub const TABLE: u16 = 4;
    pub const CHAIN: u16 = 2;
    pub const RULE: u16 = 3;
    pub const SET: u16 = 16;
    pub const OBJECT: u16 = 6;
}

/// A batch in the making.
#[derive(Debug)]
pub struct Plan<'c, 'l> {
    commands: &'c [Command<'c>],
    world: World<'l>,
    batch: Batch,
    /// The command of each message, from 0.
    origins: Vec<usize>,
    /// The command that messages are made for.
    now: usize,
    /// Sets of this batch that have no name of their own yet, and those that are referred to before the kernel has them.
    ids: u32,
    merging: bool,
    merged: merge::Merging,
    /// Rules whose numbers follow from those of others.
    rows: handles::Rows,
    /// The rules of the chains in which commands name a place by its index.
    counted: HashMap<(TableRef, Text), Vec<u64>>,
}

/// The numbers that the kernel gave, by command.
pub type Handles = Vec<Option<u64>>;

impl<'c, 'l> Plan<'c, 'l> {
    /// Makes a batch of the commands. It holds only for generation `expected`, since what named sets are was looked up.
    /// `merging`: sets that merge by themselves (`auto-merge`) are read at any rate, and what is added joined with what is there.
    /// `until`: it is given up then.
    ///
    /// # Errors
    /// The first thing that is wrong with a command, with the way to it: the number of the command, and inside its object.
    pub fn new(
        link: &'l mut Link,
        commands: &'c [Command<'c>],
        expected: u32,
        merging: bool,
        until: Option<Instant>,
    ) -> Result<Self, RequestError> {
        let mut plan = Self {
            commands,
            world: World::new(link),
            batch: Batch::begin(Some(expected)),
            origins: Vec::new(),
            now: 0,
            ids: 0,
            merging,
            merged: merge::Merging::of(commands),
            rows: handles::Rows::default(),
            counted: HashMap::new(),
        };
        for (n, command) in commands.iter().enumerate() {
            // What is looked up for one may take the kernel long, where there are many sets.
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(RequestError::Timeout);
            }
            plan.now = n;
            plan.command(command)?;
        }
        plan.merge()?;
        Ok(plan)
    }

    /// The batch, and what makes sense of the kernel's answer to it.
    #[must_use]
    pub fn split(self) -> (Batch, Origins<'c>) {
        (self.batch, Origins { commands: self.commands, messages: self.origins, rows: self.rows })
    }

    fn command(&mut self, command: &'c Command<'c>) -> Result<(), RequestError> {
        match command {
            Command::Add(what) => self.create(what, CREATE),
            Command::Create(what) => self.create(what, CREATE | EXCL),
            Command::Insert(rule, place) => self.rule(rule, rule::Way::Insert(*place)),
            Command::Append(rule, place) => self.rule(rule, rule::Way::Append(*place)),
            Command::Replace(rule) => self.rule(rule, rule::Way::Replace),
            Command::Delete(target) => self.delete(target, false),
            Command::Destroy(target) => self.delete(target, true),
            Command::Flush(what) => self.flush(what),
            Command::Rename(table, old, new) => self.rename(table, old, new),
            Command::Reset(..) => Err(self.wrong(Why::Unsupported("reset"))),
            Command::Metainfo => Ok(()),
        }
    }

    fn create(&mut self, what: &'c Creation<'c>, flags: u16) -> Result<(), RequestError> {
        match what {
            Creation::Table(it) => {
                let echoed = flags | ECHO;
                self.push(message::NEW_TABLE, echoed, &it.id, |buffer| table::encode(it, buffer))
            }
            Creation::Chain(it) => {
                self.push(message::NEW_CHAIN, flags | ECHO, &it.table, |b| chain::encode(it, b))
            }
            Creation::Set(it, elements) => {
                self.ids = self.ids.saturating_add(1);
                let id = self.ids;
                self.push(message::NEW_SET, flags | ECHO, &it.table, |buffer| set::encode(it, id, buffer))?;
                self.world.learn(it);
                match elements {
                    Some(elements) => self.elements(it, *elements, message::NEW_ELEMENT, flags, Some(id)),
                    None => Ok(()),
                }
            }
            Creation::Elements(table, name, elements) => {
                let set = self.known(table, name)?;
                self.elements(&set, *elements, message::NEW_ELEMENT, flags, None)
            }
            Creation::Object(it) => {
                self.push(message::NEW_OBJECT, flags | ECHO, &it.table, |b| named::encode(it, b))
            }
        }
    }

    /// The header of a set that elements are added to or taken from.
    fn known(&self, table: &TableRef, name: &Text) -> Result<Set, RequestError> {
        self.world.set(table, name).map_err(|e| of_transport(&e))?.ok_or_else(|| {
            let number = u64::try_from(self.now).unwrap_or(u64::MAX).saturating_add(1);
            let what = format!("{}: there is no such set or map", fault::describe(self.commands, self.now));
            RequestError::Nft(number, libc::ENOENT, what.into_bytes())
        })
    }

    /// Elements, in as many messages as they need. They are read, converted and forgotten one by one.
    fn elements(
        &mut self,
        set: &Set,
        items: Items<'_>,
        number: u16,
        flags: u16,
        id: Option<u32>,
    ) -> Result<(), RequestError> {
        if set.auto_merge {
            return self.merged_elements(set, items, number, flags, id);
        }
        self.plain_elements(set, items, number, flags, id)
    }

    fn plain_elements(
        &mut self,
        set: &Set,
        items: Items<'_>,
        number: u16,
        flags: u16,
        id: Option<u32>,
    ) -> Result<(), RequestError> {
        let failed = RefCell::new(None);
        let command = self.at_command();
        let each = (1..).zip(items).map_while(|(n, term)| {
            let member = member(set, term, || element_at(&command, n));
            member.map_err(|e| *failed.borrow_mut() = Some(e)).ok()
        });
        self.send(set, each.flat_map(Member::into_elements), number, flags, id)?;
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Elements as the kernel has them.
    fn send(
        &mut self,
        set: &Set,
        each: impl Iterator<Item = RawElement>,
        number: u16,
        flags: u16,
        id: Option<u32>,
    ) -> Result<(), RequestError> {
        let mut each = each.peekable();
        let of = Of { table: &set.table.name, set: &set.name, set_id: id };
        while each.peek().is_some() {
            let mut unfit = None;
            let pushed = self.batch.push(kind(number), flags, set.table.family.number(), |buffer| {
                unfit = element::encode(&of, &mut each, buffer).err();
            });
            if let Some(Unfit(why)) = unfit {
                return Err(fault::unfit(self.commands, self.now, why));
            }
            pushed.map_err(|e| of_transport(&e))?;
            self.origins.push(self.now);
        }
        Ok(())
    }

    fn delete(&mut self, target: &'c Target<'c>, destroy: bool) -> Result<(), RequestError> {
        let which = |delete, or_destroy| if destroy { or_destroy } else { delete };
        match target {
            Target::Table(it) => self.delete_table(it, destroy),
            Target::TableHandle(family, it) => {
                let number = which(message::DEL_TABLE, message::DESTROY_TABLE);
                let table = TableRef { family: *family, name: Text::Borrowed(b"") };
                self.tell(number, &table, |b| b.put_be64(handle::TABLE, *it))
            }
            Target::Chain(table, name) => {
                let number = which(message::DEL_CHAIN, message::DESTROY_CHAIN);
                self.tell(number, table, |b| named_target(table, 3, name, b))
            }
            Target::ChainHandle(table, it) => {
                let number = which(message::DEL_CHAIN, message::DESTROY_CHAIN);
                self.tell(number, table, |b| handle_target(table, handle::CHAIN, *it, b))
            }
            Target::Rule(table, chain, it) => {
                let number = which(message::DEL_RULE, message::DESTROY_RULE);
                self.tell(number, table, |b| crate::nft::object::rule::target(&table.name, chain, *it, b))
            }
            Target::Set(table, name) => {
                let number = which(message::DEL_SET, message::DESTROY_SET);
                self.tell(number, table, |b| set::target(&table.name, name, b))?;
                self.world.forget(table, name);
                self.merged.empty(table, Some(name));
                Ok(())
            }
            Target::SetHandle(table, it) => {
                let number = which(message::DEL_SET, message::DESTROY_SET);
                self.tell(number, table, |b| handle_target(table, handle::SET, *it, b))
            }
            Target::Elements(table, name, items) => {
                let number = which(message::DEL_ELEMENT, message::DESTROY_ELEMENT);
                let set = self.known(table, name)?;
                self.elements(&set, *items, number, 0, None)
            }
            Target::Object(table, it, name) => {
                let number = which(message::DEL_OBJECT, message::DESTROY_OBJECT);
                self.tell(number, table, |b| named::target(&table.name, *it as u32, name, b))
            }
            Target::ObjectHandle(table, object, it) => {
                let number = which(message::DEL_OBJECT, message::DESTROY_OBJECT);
                self.tell(number, table, |b| object_handle(table, *object, *it, b))
            }
        }
    }

    fn delete_table(&mut self, table: &TableRef, destroy: bool) -> Result<(), RequestError> {
        self.merged.empty(table, None);
        let number = if destroy { message::DESTROY_TABLE } else { message::DEL_TABLE };
        self.tell(number, table, |b| b.put_text(1, &table.name))
    }

    fn flush(&mut self, what: &Flush) -> Result<(), RequestError> {
        match what {
            // A missing handle, and a missing chain, mean all of them.
            Flush::Table(table) => self.tell(message::DEL_RULE, table, |b| b.put_text(1, &table.name)),
            Flush::Chain(table, chain) => {
                self.tell(message::DEL_RULE, table, |b| named_target(table, 2, chain, b))
            }
            Flush::Set(table, name) => {
                self.merged.empty(table, Some(name));
                self.tell(message::DEL_ELEMENT, table, |b| set::target(&table.name, name, b))
            }
            // Somebody else may have deleted one meanwhile.
            Flush::Tables(tables) => tables.iter().try_for_each(|it| self.delete_table(it, true)),
            Flush::Ruleset(_) => Err(self.wrong(Why::Unsupported("ruleset"))),
        }
    }

    fn rename(&mut self, table: &TableRef, old: &Text, new: &Text) -> Result<(), RequestError> {
        let found =
            get::point(&mut self.world.link(), kind(message::GET_CHAIN), table.family.number(), |b| {
                named_target(table, 3, old, b);
            });
        let found = found.map_err(|e| fault::of_lookup(&e, self.commands, self.now))?;
        let chain: Option<Chain> =
            found.messages().find_map(|m| chain::decode(table.family.number(), m.body).map(|seen| seen.what));
        let number = chain.and_then(|c| c.handle).unwrap_or(0);
        self.push(message::NEW_CHAIN, 0, table, |b| {
            b.put_text(1, &table.name);
            b.put_be64(handle::CHAIN, number);
            b.put_text(3, new);
            Ok(())
        })
    }

    fn tell(
        &mut self,
        number: u16,
        table: &TableRef,
        fill: impl FnOnce(&mut Buffer),
    ) -> Result<(), RequestError> {
        self.push(number, 0, table, |buffer| {
            fill(buffer);
            Ok(())
        })
    }

    fn push(
        &mut self,
        number: u16,
        flags: u16,
        table: &TableRef,
        fill: impl FnOnce(&mut Buffer) -> Result<(), Unfit>,
    ) -> Result<(), RequestError> {
        let mut unfit = None;
        let pushed = self.batch.push(kind(number), flags, table.family.number(), |buffer| {
            unfit = fill(buffer).err();
        });
        if let Some(Unfit(why)) = unfit {
            return Err(fault::unfit(self.commands, self.now, why));
        }
        pushed.map_err(|e| of_transport(&e))?;
        self.origins.push(self.now);
        match number {
            message::NEW_RULE => {}
            // The sets of a rule are made without asking for their numbers.
            message::NEW_SET if flags & ECHO == 0 => self.rows.set(table),
            _ => self.rows.end(),
        }
        Ok(())
    }

    fn wrong(&self, why: Why) -> RequestError {
        RequestError::BadRequest(self.at_command(), why)
    }

    /// The way to the object of the command in work, as [`schema::placed`] takes it.
    fn at_command(&self) -> Vec<Step> {
        vec![Step::Index(u64::try_from(self.now).unwrap_or(u64::MAX).saturating_add(1))]
    }
}

/// An element of a request as the kernel's.
fn member(set: &Set, term: Term<'_>, at: impl Fn() -> Vec<Step>) -> Result<Member, RequestError> {
    let expr = schema::element(term, &At::Top).map_err(|e| e.below(&at()))?;
    element_of(set, &expr).map_err(|bad| fault::of_element(bad, &at()))
}

/// Which message is for which command.
#[derive(Debug)]
pub struct Origins<'c> {
    commands: &'c [Command<'c>],
    messages: Vec<usize>,
    rows: handles::Rows,
}

impl Origins<'_> {
    /// The numbers of what was added.
    #[must_use]
    pub fn handles(&self, outcome: &Outcome) -> Handles {
        let mut handles = vec![None; self.commands.len()];
        for (message, echo) in outcome.echoes() {
            let attribute = match echo.kind.to_be_bytes() {
                [_, 0] => handle::TABLE,
                [_, 3] => handle::CHAIN,
                [_, 6] => handle::RULE,
                [_, 9] => handle::SET,
                [_, 18] => handle::OBJECT,
                _ => continue,
            };
            // A rule's own sets come before it, so that the last number is that of what was asked for.
            let slot = self.messages.get(message).and_then(|command| handles.get_mut(*command));
            if let (Some(slot), Some(number)) = (slot, find(echo.body, attribute).and_then(|a| a.be64())) {
                *slot = Some(number);
            }
        }
        let told = handles.clone();
        let of = |message: usize| self.messages.get(message).copied();
        self.rows.fill(
            |message| told.get(of(message)?).copied().flatten(),
            |message, number| {
                if let Some(slot) = of(message).and_then(|command| handles.get_mut(command)) {
                    *slot = Some(number);
                }
            },
        );
        handles
    }

    /// What went wrong, as the request's.
    #[must_use]
    pub fn error(&self, failure: &Failure, batch: &Batch) -> RequestError {
        of_failure(failure, batch, self.commands, &self.messages)
    }
}

fn named_target(table: &TableRef, attribute: u16, name: &[u8], buffer: &mut Buffer) {
    buffer.put_text(1, &table.name);
    buffer.put_text(attribute, name);
}

fn handle_target(table: &TableRef, attribute: u16, number: u64, buffer: &mut Buffer) {
    buffer.put_text(1, &table.name);
    buffer.put_be64(attribute, number);
}

fn object_handle(table: &TableRef, object: ObjectKind, number: u64, buffer: &mut Buffer) {
    buffer.put_text(1, &table.name);
    buffer.put_be32(3, object as u32);
    buffer.put_be64(handle::OBJECT, number);
}

fn element_at(command: &[Step], n: u64) -> Vec<Step> {
    [command, &[Step::Key("elem"), Step::Index(n)]].concat()
}
