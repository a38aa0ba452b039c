//! Elements for sets that merge by themselves: the kernel refuses what overlaps, so that joining is done here, as nft(8) does it.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

use super::{Plan, element_at, fault, kind_of, member, of_transport};
use crate::error::RequestError;
use crate::nft::intervals::{self, Change, Interval};
use crate::nft::model::{Command, Creation, RawElement, Set, TableRef, Target, Text};
use crate::nft::object::element::{self, Of, flag};
use crate::nft::object::member::{Member, members};
use crate::nft::object::message;
use crate::nft::transport::dump::{Dump, unless};
use crate::nft::transport::{Error, get};
use crate::wire::term::Items;

/// A set of a table.
type Key = (TableRef, Text);

/// Intervals of a command that are looked up one by one; where there are more, the set is read.
const LOOKUPS_MAX: usize = 32;

/// What a change makes of sets that merge.
#[derive(Debug, Default)]
pub(super) struct Merging {
    /// Sets whose elements more than one command names.
    shared: HashSet<Key>,
    /// Sets that it empties or deletes, and tables that it deletes.
    emptied: HashSet<Key>,
    gone: HashSet<TableRef>,
    /// Sets that were read. What becomes of them is sent when all is known: the kernel does not always find again what was added
    /// and deleted in one batch.
    read: HashMap<Key, State>,
}

/// A set that was read.
#[derive(Debug)]
struct State {
    set: Set,
    id: Option<u32>,
    flags: u16,
    /// The last command that was about it.
    command: usize,
    /// Of a key.
    bytes: usize,
    /// What it holds as far as the change has come.
    held: Vec<Interval>,
    gone: Vec<Interval>,
    come: Vec<Interval>,
}

impl State {
    fn make(&mut self, change: Change) {
        self.held.retain(|old| !change.delete.contains(old));
        self.held.extend(&change.add);
        for old in change.delete {
            // What one part brought and the next takes away again was never there.
            match self.come.iter().position(|new| *new == old) {
                Some(at) => drop(self.come.remove(at)),
                None => self.gone.push(old),
            }
        }
        self.come.extend(change.add);
    }
}

impl Merging {
    /// Looks through the commands.
    pub(super) fn of(commands: &[Command<'_>]) -> Self {
        let (mut seen, mut shared) = (HashSet::new(), HashSet::new());
        for command in commands {
            let (table, set) = match command {
                Command::Add(Creation::Elements(table, set, _))
                | Command::Create(Creation::Elements(table, set, _))
                | Command::Delete(Target::Elements(table, set, _))
                | Command::Destroy(Target::Elements(table, set, _)) => (table, set),
                Command::Add(Creation::Set(set, Some(_))) | Command::Create(Creation::Set(set, Some(_))) => {
                    (&set.table, &set.name)
                }
                _ => continue,
            };
            let key = (table.clone(), set.clone());
            if seen.contains(&key) {
                shared.insert(key);
            } else {
                seen.insert(key);
            }
        }
        Self { shared, ..Self::default() }
    }

    /// A set is emptied by the change, or a table goes with all its sets.
    pub(super) fn empty(&mut self, table: &TableRef, set: Option<&Text>) {
        match set {
            Some(set) => {
                let key = (table.clone(), set.clone());
                self.read.remove(&key);
                self.emptied.insert(key);
            }
            None => {
                self.read.retain(|(of, _), _| of != table);
                self.gone.insert(table.clone());
            }
        }
    }
}

impl Plan<'_, '_> {
    /// Adds or takes away intervals. The set is read where one of them meets what is there: the kernel refuses what overlaps, but
    /// takes an edge that is there already for the same element, and leaves a beginning without an end.
    pub(super) fn merged_elements(
        &mut self,
        set: &Set,
        items: Items<'_>,
        number: u16,
        flags: u16,
        id: Option<u32>,
    ) -> Result<(), RequestError> {
        let Some((bytes, new)) = self.intervals(set, items)? else {
            // What has a time or a comment of its own is no one's part.
            return self.plain_elements(set, items, number, flags, id);
        };
        let key = (set.table.clone(), set.name.clone());
        let mut state = match self.merged.read.remove(&key) {
            Some(state) => state,
            None if number == message::NEW_ELEMENT && !self.meets(&key, &new, bytes)? => {
                return self.send(set, raw(new, bytes), number, flags, id);
            }
            None => {
                let held = self.held(&key, set)?.iter().filter_map(interval).collect();
                let (gone, come) = (Vec::new(), Vec::new());
                State { set: set.clone(), id, flags, command: self.now, bytes, held, gone, come }
            }
        };
        for one in new {
            if number == message::DEL_ELEMENT && !holds(&state.held, &one) {
                return Err(self.absent());
            }
            state.make(if number == message::NEW_ELEMENT {
                intervals::add(&state.held, one)
            } else {
                intervals::remove(&state.held, one)
            });
        }
        (state.id, state.command) = (id.or(state.id), self.now);
        self.merged.read.insert(key, state);
        Ok(())
    }

    /// Sends what has become of the sets that were read.
    pub(super) fn merge(&mut self) -> Result<(), RequestError> {
        let mut all: Vec<State> = std::mem::take(&mut self.merged.read).into_values().collect();
        all.sort_by_key(|state| state.command);
        for State { set, id, flags, command, bytes, held: _, gone, come } in all {
            self.now = command;
            self.send(&set, raw(gone, bytes), message::DEL_ELEMENT, 0, id)?;
            self.send(&set, raw(come, bytes), message::NEW_ELEMENT, flags, id)?;
        }
        Ok(())
    }

    /// The elements as intervals, and the bytes of a key; nothing if one is more than that.
    fn intervals(&self, set: &Set, items: Items<'_>) -> Result<Option<(usize, Vec<Interval>)>, RequestError> {
        let command = self.at_command();
        let (mut bytes, mut all) = (0, Vec::with_capacity(items.len()));
        for (n, term) in (1..).zip(items) {
            let member = member(set, term, || element_at(&command, n))?;
            let Some(one) = interval(&member) else { return Ok(None) };
            bytes = member.first.key.as_ref().map_or(bytes, Vec::len);
            all.push(one);
        }
        Ok(Some((bytes, intervals::merged(all))))
    }

    /// Whether what is added may meet what is there.
    fn meets(&self, key: &Key, new: &[Interval], bytes: usize) -> Result<bool, RequestError> {
        if self.merging || new.len() > LOOKUPS_MAX || self.merged.shared.contains(key) {
            return Ok(true);
        }
        for edge in new.iter().flat_map(|one| [one.first, one.last]) {
            if self.is_held(key, edge, bytes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an interval of the set holds the number. The kernel is asked for it alone.
    fn is_held(&self, (table, set): &Key, number: u128, bytes: usize) -> Result<bool, RequestError> {
        let of = Of { table: &table.name, set, set_id: None };
        let asked = RawElement { key: intervals::key(number, bytes), ..RawElement::default() };
        let mut asked = std::iter::once(asked).peekable();
        let kind = kind_of(message::GET_ELEMENT);
        let answer = get::point(&mut self.world.link(), kind, table.family.number(), |buffer| {
            // One key fits into a message.
            let _ = element::encode(&of, &mut asked, buffer);
        });
        match answer {
            Ok(_) => Ok(true),
            Err(Error::Refused(refusal)) if refusal.errno == libc::ENOENT => Ok(false),
            Err(e) => Err(of_transport(&e)),
        }
    }

    /// Deleting what is not there is an error, as it is for the kernel where nothing is merged.
    fn absent(&self) -> RequestError {
        let number = u64::try_from(self.now).unwrap_or(u64::MAX).saturating_add(1);
        let what = format!("{}: there is no such element", fault::describe(self.commands, self.now));
        RequestError::Nft(number, libc::ENOENT, what.into_bytes())
    }

    /// What the set holds in the kernel; nothing if it is of this change.
    fn held(&self, key: &Key, set: &Set) -> Result<Vec<Member>, RequestError> {
        if self.merged.gone.contains(&key.0) || self.merged.emptied.contains(key) {
            return Ok(Vec::new());
        }
        let mut link = self.world.link();
        let mut raw = Vec::new();
        let started = Dump::start(&mut link, kind_of(message::GET_ELEMENT), set.table.family.number(), |b| {
            b.put_text(1, &set.table.name);
            b.put_text(2, &set.name);
        });
        let mut dump = started.map_err(|e| of_transport(&e))?;
        while let Some(messages) =
            unless(dump.next(&mut link), &[libc::ENOENT]).map_err(|e| of_transport(&e))?
        {
            raw.extend(messages.flat_map(|m| element::elements(m.body)).map(|attr| element::decode(&attr).0));
        }
        // The dump has read to its end; asking once more makes the socket free.
        get::generation(&mut link).map_err(|e| of_transport(&e))?;
        Ok(members(set, raw))
    }
}

/// As the kernel has them.
fn raw(all: Vec<Interval>, bytes: usize) -> impl Iterator<Item = RawElement> {
    all.into_iter().flat_map(move |one| elements(one, bytes))
}

/// Whether all of it is there, be it in parts.
fn holds(held: &[Interval], one: &Interval) -> bool {
    let near = held.iter().filter(|old| old.overlaps(one)).copied().collect();
    intervals::merged(near).iter().any(|whole| whole.contains(one))
}

/// The keys of a member that has nothing else.
fn interval(member: &Member) -> Option<Interval> {
    let RawElement { key, key_end, data, flags, timeout_ms, comment, statements, expires_ms: _ } =
        &member.first;
    let plain = key_end.is_none() && data.is_none() && *flags == 0 && timeout_ms.is_none();
    let low = key.as_ref().filter(|_| plain && comment.is_none() && statements.is_empty())?;
    let first = intervals::number(low)?;
    let last = match &member.end {
        Some(end) => intervals::number(end.key.as_ref()?)?.checked_sub(1)?,
        None => intervals::low_bits(u32::try_from(low.len()).ok()?.checked_mul(8)?)?,
    };
    Interval::new(first, last)
}

fn elements(interval: Interval, bytes: usize) -> impl Iterator<Item = RawElement> {
    let first = RawElement { key: intervals::key(interval.first, bytes), ..RawElement::default() };
    let next = interval.last.checked_add(1).and_then(|next| intervals::key(next, bytes));
    let end =
        next.map(|key| RawElement { key: Some(key), flags: flag::INTERVAL_END, ..RawElement::default() });
    std::iter::once(first).chain(end)
}
