//! Elements for sets that merge by themselves: the kernel refuses what overlaps, so that joining is done here, as nft(8) does it.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Plan, element_at, fault, member, of_transport};
use crate::error::{RequestError, Step, Why};
use crate::limits::NFT_INTERVALS_MAX;
use crate::nft::elements;
use crate::nft::intervals::{self, Change, Interval, Ordered};
use crate::nft::model::{Command, Creation, RawElement, Set, TableRef, Target, Text};
use crate::nft::object::member::Member;
use crate::nft::object::message;
use crate::nft::transport::get;
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
    /// Intervals that the commands so far have named: all of them are kept until what becomes of them is known.
    named: usize,
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
    held: Ordered,
    gone: BTreeSet<Interval>,
    come: BTreeSet<Interval>,
}

impl State {
    fn make(&mut self, change: Change) {
        self.held.make(&change);
        for old in change.delete {
            // What one part brought and the next takes away again was never there.
            if !self.come.remove(&old) {
                self.gone.insert(old);
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
                let held = self.held(&key)?.into_iter().collect();
                let (gone, come) = (BTreeSet::new(), BTreeSet::new());
                State { set: set.clone(), id, flags, command: self.now, bytes, held, gone, come }
            }
        };
        for one in new {
            if number == message::DEL_ELEMENT && !state.held.holds(&one) {
                return Err(self.absent());
            }
            let near = state.held.near(&one);
            state.make(if number == message::NEW_ELEMENT {
                intervals::add(&near, one)
            } else {
                intervals::remove(&near, one)
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
    fn intervals(
        &mut self,
        set: &Set,
        items: Items<'_>,
    ) -> Result<Option<(usize, Vec<Interval>)>, RequestError> {
        let command = self.at_command();
        self.merged.named = self.merged.named.saturating_add(items.len());
        if self.merged.named > NFT_INTERVALS_MAX {
            let max = u64::try_from(NFT_INTERVALS_MAX).unwrap_or(u64::MAX);
            let at = [command.as_slice(), &[Step::Key("elem")]].concat();
            return Err(RequestError::BadRequest(at, Why::TooMany(max)));
        }
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
        let asked = RawElement { key: intervals::key(number, bytes), ..RawElement::default() };
        let found = elements::around(&mut self.world.link(), table, set, std::iter::once(asked));
        found.map(|found| !found.is_empty()).map_err(|e| of_transport(&e))
    }

    /// Deleting what is not there is an error, as it is for the kernel where nothing is merged.
    fn absent(&self) -> RequestError {
        let number = u64::try_from(self.now).unwrap_or(u64::MAX).saturating_add(1);
        let what = format!("{}: there is no such element", fault::describe(self.commands, self.now));
        RequestError::Nft(number, libc::ENOENT, what.into_bytes())
    }

    /// What the set holds in the kernel; nothing if it is of this change.
    fn held(&self, key: &Key) -> Result<Vec<Interval>, RequestError> {
        if self.merged.gone.contains(&key.0) || self.merged.emptied.contains(key) {
            return Ok(Vec::new());
        }
        let mut link = self.world.link();
        let held = elements::whole(&mut link, &key.0, &key.1, is_plain).map_err(|e| of_transport(&e))?;
        // The dump has read to its end; asking once more makes the socket free.
        get::generation(&mut link).map_err(|e| of_transport(&e))?;
        Ok(held)
    }
}

/// As the kernel has them.
fn raw(all: impl IntoIterator<Item = Interval>, bytes: usize) -> impl Iterator<Item = RawElement> {
    all.into_iter().flat_map(move |one| elements::of_interval(one, bytes))
}

/// The keys of a member that has nothing else.
fn interval(member: &Member) -> Option<Interval> {
    is_plain(&member.first).then(|| elements::interval(member)).flatten()
}

fn is_plain(element: &RawElement) -> bool {
    let RawElement { key: _, key_end, data, flags, timeout_ms, comment, statements, expires_ms: _ } = element;
    let bare = key_end.is_none() && data.is_none() && *flags == 0 && timeout_ms.is_none();
    bare && comment.is_none() && statements.is_empty()
}
