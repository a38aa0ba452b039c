//! What two nodes have told each other on one connection: the processes and references that may be addressed, and what was asked and
//! not answered yet. All of it bounded; a message that would teach more than fits is refused, not half remembered.
//!
//! What is remembered goes when it has ended (the process is down, the monitor is removed, the alias of a call was answered), or when
//! nobody used it for long.
#![forbid(unsafe_code)]

mod key;
mod nodes;

use std::collections::{HashMap, HashSet};

use crate::dist::command::{Direction, Party};
use crate::dist::control::{Control, SpawnOptions, Target};
use crate::dist::etf::{Identifier, Pid, Ref};
use crate::dist::reason::Reason;
use crate::limits::{DIST_OLD_ID_MAX, DIST_OLD_SERIAL_MAX};
use key::{Key, Process, Rest, Words, parts, process, words};
pub use nodes::{Node, Nodes};

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When it was last used, in milliseconds of the caller's clock.
    used: u64,
    /// A reference that the first message to it ends.
    once: bool,
    /// Of a reference.
    rest: Rest,
    /// Who asked: a monitor, a spawn request. Of an unlink the process that is to answer.
    owner: Option<Process>,
    /// Of a monitor.
    watched: Watched,
    options: SpawnOptions,
}

/// What a monitor is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watched {
    /// A process that is being made.
    #[default]
    Coming,
    /// A name.
    Name,
    /// A process.
    Process(Process),
}

impl Watched {
    fn of(target: &Target<'_>) -> Self {
        match target {
            Target::Name(_) => Self::Name,
            Target::Pid(pid) => Self::Process(process(pid)),
        }
    }
}

/// An identifier in a message, of the party that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson<'a> {
    /// What may be addressed from now on.
    pub identifier: Identifier<'a>,
    /// For one message only.
    pub once: bool,
}

/// What is in use though nothing is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// A process.
    Process(Pid<'a>),
    /// A monitor.
    Monitor(Ref<'a>),
    /// A reference that may be addressed, or named.
    Reference(Ref<'a>),
}

impl Kept<'_> {
    fn key(&self, party: Party) -> Key {
        match self {
            Self::Process(pid) => Key::Pid(party, process(pid)),
            Self::Monitor(reference) => Key::Monitor(party, words(reference)),
            Self::Reference(reference) => Key::Ref(party, parts(reference).0),
        }
    }
}

/// What is remembered of one connection.
#[derive(Clone, Debug)]
pub struct Learned {
    entries: HashMap<Key, Entry>,
    max: usize,
    /// The monitors of each process that has some.
    watching: HashMap<(Party, Process), Watching>,
    /// How many entries came and went since it was looked for what nobody uses.
    changes: usize,
    /// When that was.
    relieved: u64,
}

/// How many monitors a process has, and their references, each added without carry (`^`): of one it is that one, and none is looked for.
#[derive(Clone, Copy, Debug, Default)]
struct Watching {
    count: usize,
    sum: Words,
}

impl Watching {
    fn add(&mut self, (words, len): &Words) {
        self.sum.0.iter_mut().zip(words).for_each(|(sum, word)| *sum ^= word);
        self.sum.1 ^= len;
    }
}

/// Most entries that one control message makes beside those of its identifiers: a link and a monitor.
const OWN_ENTRIES: usize = 2;

/// Milliseconds between two looks through a table of which hardly anything can be forgotten.
const RELIEF_MS: u64 = 1000;

impl Learned {
    /// Nothing, and room for `max` entries.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), max, watching: HashMap::new(), changes: 0, relieved: 0 }
    }

    /// Another bound. What is there stays, though it be more.
    pub fn limit(&mut self, max: usize) {
        self.max = max;
        self.changes = max;
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the table is nearly full, forgets what was used least recently, an eighth of it: not monitors, links and what is still asked
    /// for, nor a process that has one. A sender of many short-lived processes is no reason to be deaf for an hour.
    ///
    /// All of it is looked through for that, so not for every message: where nothing but monitors and links was found, as little will be found
    /// again until as many entries have come or gone as there is room for. And where little more than that was found, one message that names
    /// as many fills it again: then once a second.
    pub fn relieve(&mut self, now: u64) {
        let few = self.max / 64;
        if self.entries.len().saturating_add(few + OWN_ENTRIES) < self.max || self.changes < few {
            return;
        }
        if self.changes < self.max / 8 && now.saturating_sub(self.relieved) < RELIEF_MS {
            return;
        }
        (self.changes, self.relieved) = (0, now);
        let mut held: HashSet<(Party, Process)> = HashSet::new();
        for (key, entry) in &self.entries {
            match (key, entry.owner) {
                (Key::Monitor(party, _) | Key::Spawn(party, _), Some(owner)) => {
                    held.insert((*party, owner));
                }
                (Key::Link(protected, peer), _) => {
                    held.extend([(Party::Protected, *protected), (Party::Peer, *peer)]);
                }
                _ => {}
            }
        }
        let idle = |key: &Key| match key {
            Key::Pid(party, process) => !held.contains(&(*party, *process)),
            Key::Ref(..) | Key::Leader(..) => true,
            _ => false,
        };
        let mut used: Vec<u64> =
            self.entries.iter().filter(|(key, _)| idle(key)).map(|(_, entry)| entry.used).collect();
        let most = used.len().min(self.max / 8);
        if most == 0 {
            return;
        }
        let (_, oldest, _) = used.select_nth_unstable(most - 1);
        let (oldest, mut left) = (*oldest, most);
        self.entries.retain(|key, entry| {
            let goes = left > 0 && entry.used <= oldest && idle(key);
            left -= usize::from(goes);
            !goes
        });
        self.changes = most - left;
    }

    /// The monitor of a process of that party, where it has exactly one.
    #[must_use]
    pub fn only_monitor<'n>(&self, party: Party, of: &Pid<'n>) -> Option<Ref<'n>> {
        let watching = self.watching.get(&(party, process(of))).filter(|watching| watching.count == 1)?;
        let (words, len) = watching.sum;
        Some(Ref { node: of.node, creation: of.creation, words, len })
    }

    /// Whether an identifier of that party was told to the other one.
    #[must_use]
    pub fn knows(&self, party: Party, identifier: &Identifier<'_>) -> bool {
        let Some(entry) = Key::of(party, identifier).and_then(|key| self.entries.get(&key)) else {
            return false;
        };
        !matches!(identifier, Identifier::Ref(reference) if parts(reference).1 != entry.rest)
    }

    /// Whether another reference of that party is remembered that differs behind the words which make it the only one.
    #[must_use]
    pub fn clashes(&self, party: Party, reference: &Ref<'_>) -> bool {
        let (mark, rest) = parts(reference);
        self.entries.get(&Key::Ref(party, mark)).is_some_and(|entry| entry.rest != rest)
    }

    /// Whether the other party was told that this process of that one is a group leader, whatever else it was told of it.
    #[must_use]
    pub fn leads(&self, party: Party, pid: &Pid<'_>) -> bool {
        self.entries.contains_key(&Key::Leader(party, process(pid)))
    }

    /// Whether there is room for what a message with these lessons makes.
    pub(super) fn has_room(&self, sender: Party, lessons: &[Lesson<'_>]) -> bool {
        let new = lessons.iter().filter(|lesson| !self.knows(sender, &lesson.identifier)).count();
        self.entries.len().saturating_add(new).saturating_add(OWN_ENTRIES) <= self.max
    }

    /// Whether what a message addresses was told, and what it answers was asked.
    ///
    /// # Errors
    /// [`Reason::NotLearned`], [`Reason::Unsolicited`].
    pub fn check(&self, direction: Direction, control: &Control<'_>) -> Result<(), Reason> {
        let receiver = direction.receiver();
        let told = |identifier: Identifier<'_>| {
            if self.knows(receiver, &identifier) { Ok(()) } else { Err(Reason::NotLearned) }
        };
        let asked = |key: Key, owner: Option<&Pid<'_>>| match self.entries.get(&key) {
            Some(entry) if owner.is_none() || entry.owner == owner.map(process) => Ok(entry),
            _ => Err(Reason::Unsolicited),
        };
        // The receiver keeps each of them, and here they would count as one.
        let fresh = |reference: &Ref<'_>| {
            let keys = [
                Key::Monitor(direction.sender(), words(reference)),
                Key::Spawn(direction.sender(), words(reference)),
            ];
            if keys.iter().any(|key| self.entries.contains_key(key)) { Err(Reason::InUse) } else { Ok(()) }
        };
        match control {
            Control::Monitor { to: Target::Pid(to), reference, .. } => {
                let told = if self.leads(receiver, to) { Ok(()) } else { told(Identifier::Pid(*to)) };
                told.and_then(|()| fresh(reference))
            }
            Control::Monitor { to: Target::Name(_), reference, .. } => fresh(reference),
            Control::SpawnRequest { request, .. } => fresh(request),
            // What is sent to a group leader the payload says.
            Control::Send { to, .. } if self.leads(receiver, to) => Ok(()),
            Control::Send { to, .. }
            | Control::Link { to, .. }
            | Control::Exit2 { to, .. }
            | Control::GroupLeader { to, .. } => told(Identifier::Pid(*to)),
            Control::AliasSend { alias, .. } => told(Identifier::Ref(*alias)),
            Control::Exit { from, to } => asked(Key::link(direction, from, to), None).map(|_| ()),
            Control::MonitorExit { to, reference, .. } => {
                asked(Key::Monitor(receiver, words(reference)), Some(to)).map(|_| ())
            }
            Control::SpawnReply { request, to, link, monitor, .. } => {
                let entry = asked(Key::Spawn(receiver, words(request)), Some(to))?;
                let more = link & !entry.options.link || monitor & !entry.options.monitor;
                if more { Err(Reason::Unsolicited) } else { Ok(()) }
            }
            Control::UnlinkAck { id, from, to } => {
                asked(Key::Unlink(receiver, process(to), *id), Some(from)).map(|_| ())
            }
            // An end of something may cross its own end on the way: the node that gets it finds nothing, and that is all.
            Control::Unlink { from, to, .. } => self.ends(direction, to, Key::link(direction, from, to)),
            Control::Demonitor { to: Target::Pid(to), reference, .. } => {
                self.ends(direction, to, Key::Monitor(direction.sender(), words(reference)))
            }
            Control::Demonitor { to: Target::Name(_), .. } => Ok(()),
            Control::RegSend { .. } => Ok(()),
        }
    }

    /// Whether the end of a link or a monitor may name this process. It need not have been told of; but one that OTP 25 cannot have is no term to
    /// it, so that it ends the connection and reports that.
    fn ends(&self, direction: Direction, to: &Pid<'_>, what: Key) -> Result<(), Reason> {
        let receiver = direction.receiver();
        let known = || {
            self.entries.contains_key(&what)
                || self.knows(receiver, &Identifier::Pid(*to))
                || self.leads(receiver, to)
        };
        let anybody = to.id <= DIST_OLD_ID_MAX && to.serial <= DIST_OLD_SERIAL_MAX;
        if direction == Direction::Out || anybody || known() { Ok(()) } else { Err(Reason::NotLearned) }
    }

    /// A message was delivered: remembers what it teaches and forgets what it ends. The filter has seen that there is room.
    pub fn note(&mut self, direction: Direction, control: &Control<'_>, lessons: &[Lesson<'_>], now: u64) {
        let (sender, receiver) = (direction.sender(), direction.receiver());
        for lesson in lessons {
            if let Some(key) = Key::of(sender, &lesson.identifier) {
                self.learn(key, now, lesson.once, None, SpawnOptions::default());
                if let (Identifier::Ref(reference), Some(entry)) =
                    (&lesson.identifier, self.entries.get_mut(&key))
                {
                    entry.rest = parts(reference).1;
                }
            }
        }
        let mut remember = |key, owner: Option<&Pid<'_>>, options| {
            self.learn(key, now, false, owner.map(process), options);
        };
        match control {
            Control::Link { from, to } => {
                remember(Key::link(direction, from, to), None, SpawnOptions::default())
            }
            Control::Monitor { from, to, reference } => {
                let key = Key::Monitor(sender, words(reference));
                remember(key, Some(from), SpawnOptions::default());
                self.watches(key, Watched::of(to));
            }
            Control::SpawnRequest { request, from, options, .. } => {
                remember(Key::Spawn(sender, words(request)), Some(from), *options);
                if options.monitor {
                    remember(Key::Monitor(sender, words(request)), Some(from), *options);
                }
            }
            Control::Send { to, .. } => {
                self.touch(Key::Pid(receiver, process(to)), now);
                self.touch(Key::Leader(receiver, process(to)), now);
            }
            Control::AliasSend { alias, .. } => self.answered(Key::Ref(receiver, parts(alias).0), now),
            Control::Exit { from, to } => {
                self.forget(Key::link(direction, from, to));
                self.forget(Key::Pid(sender, process(from)));
                self.forget(Key::Leader(sender, process(from)));
            }
            Control::Unlink { id, from, to } => {
                self.forget(Key::link(direction, from, to));
                if let Some(id) = id {
                    let key = Key::Unlink(sender, process(from), *id);
                    self.learn(key, now, false, Some(process(to)), SpawnOptions::default());
                }
            }
            Control::UnlinkAck { id, to, .. } => self.forget(Key::Unlink(receiver, process(to), *id)),
            Control::Demonitor { to, reference, .. } => {
                // OTP looks for it where it is said to be, among names or in a process: one that is elsewhere stays.
                let key = Key::Monitor(sender, words(reference));
                if self.entries.get(&key).is_none_or(|entry| entry.watched == Watched::of(to)) {
                    self.forget(key);
                    self.forget(Key::Ref(sender, parts(reference).0));
                }
            }
            Control::MonitorExit { from, reference, .. } => {
                self.forget(Key::Monitor(receiver, words(reference)));
                self.forget(Key::Ref(receiver, parts(reference).0));
                if let Target::Pid(from) = from {
                    self.forget(Key::Pid(sender, process(from)));
                    self.forget(Key::Leader(sender, process(from)));
                }
            }
            Control::SpawnReply { request, to, link: linked, result, .. } => {
                self.forget(Key::Spawn(receiver, words(request)));
                match result {
                    Some(new) => {
                        self.watches(Key::Monitor(receiver, words(request)), Watched::Process(process(new)));
                        if *linked {
                            let key = Key::link(direction, new, to);
                            self.learn(key, now, false, None, SpawnOptions::default());
                        }
                    }
                    None => self.forget(Key::Monitor(receiver, words(request))),
                }
            }
            Control::RegSend { .. } | Control::GroupLeader { .. } | Control::Exit2 { .. } => {}
        }
        // Behind the rest, for which there is room in any case.
        if let Some(leader) = own_leader(control) {
            self.learn(Key::Leader(sender, process(leader)), now, false, None, SpawnOptions::default());
        }
    }

    /// What the caller knows to be in use though nothing is said about it: a process that waits, a monitor on it.
    pub fn keep(&mut self, party: Party, what: &Kept<'_>, now: u64) {
        self.touch(what.key(party), now);
    }

    /// The caller knows that something has ended, or that nobody will address it.
    pub fn end(&mut self, party: Party, what: &Kept<'_>) {
        self.forget(what.key(party));
    }

    /// Who of that party monitors something under this reference.
    #[must_use]
    pub fn watcher<'n>(&self, party: Party, reference: &Ref<'n>) -> Option<Pid<'n>> {
        let (id, serial) = self.entries.get(&Key::Monitor(party, words(reference)))?.owner?;
        Some(Pid { node: reference.node, creation: reference.creation, id, serial })
    }

    /// Whether what that party monitors under this reference is a name.
    #[must_use]
    pub fn watches_name(&self, party: Party, reference: &Ref<'_>) -> bool {
        let entry = self.entries.get(&Key::Monitor(party, words(reference)));
        entry.is_some_and(|entry| entry.watched == Watched::Name)
    }

    /// Forgets what was not used for `idle` milliseconds. Not monitors and links: nothing is said about them until they end, and who
    /// has one would wait for ever.
    pub fn expire(&mut self, now: u64, idle: u64) {
        let stays = |key: &Key| matches!(key, Key::Monitor(..) | Key::Link(..));
        let before = self.entries.len();
        self.entries.retain(|key, entry| stays(key) || now.saturating_sub(entry.used) < idle);
        self.changes = self.changes.saturating_add(before.saturating_sub(self.entries.len()));
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to_fit();
        }
    }

    fn learn(&mut self, key: Key, now: u64, once: bool, owner: Option<Process>, options: SpawnOptions) {
        if !self.entries.contains_key(&key) {
            if self.entries.len() >= self.max {
                return;
            }
            self.changes = self.changes.saturating_add(1);
            if let (Key::Monitor(party, words), Some(owner)) = (&key, owner) {
                let watching = self.watching.entry((*party, owner)).or_default();
                watching.count = watching.count.saturating_add(1);
                watching.add(words);
            }
        }
        let new =
            Entry { used: now, once, rest: Rest::default(), owner, watched: Watched::default(), options };
        let entry = self.entries.entry(key).or_insert(new);
        entry.used = now;
        // The reference of a call is told twice: as that of a monitor, and then as an alias for one answer.
        entry.once |= once;
    }

    /// What a monitor is of, if that was not known: one reference is of one monitor.
    fn watches(&mut self, key: Key, what: Watched) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.watched == Watched::Coming) {
            entry.watched = what;
        }
    }

    fn touch(&mut self, key: Key, now: u64) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used = now;
        }
    }

    /// A message went to a reference.
    fn answered(&mut self, key: Key, now: u64) {
        if self.entries.get(&key).is_some_and(|entry| entry.once) {
            self.forget(key);
        } else {
            self.touch(key, now);
        }
    }

    fn forget(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else { return };
        self.changes = self.changes.saturating_add(1);
        let (Key::Monitor(party, words), Some(owner)) = (&key, entry.owner) else { return };
        if let Some(watching) = self.watching.get_mut(&(*party, owner)) {
            watching.count = watching.count.saturating_sub(1);
            watching.add(words);
            if watching.count == 0 {
                self.watching.remove(&(*party, owner));
            }
        }
    }
}

/// The group leader in a message, if it is a process of the sender's and not the one that sends.
#[must_use]
pub fn own_leader<'c, 'a>(control: &'c Control<'a>) -> Option<&'c Pid<'a>> {
    match control {
        Control::SpawnRequest { from, leader, .. } => {
            Some(leader).filter(|_| leader.node == from.node && leader != from)
        }
        Control::GroupLeader { leader, to } => Some(leader).filter(|_| leader.node != to.node),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
