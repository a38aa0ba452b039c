//! The table `cgroups`: every group of every hierarchy, from the top down. A process that has a part of the tree for its own can make
//! as many groups as it is allowed, as deep as it likes and with any bytes but a slash and a newline in their names.
#![forbid(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::vec::IntoIter;

use nix::errno::Errno;

use super::group::{self, Amounts, SOURCES};
use super::hierarchy::{self, Hierarchy};
use crate::error::RequestError;
use crate::kernel::column::{boolean, bytes, keyed_table, number};
use crate::sys::{fd, names};
use crate::table::{Column, Context, Cost, Opened, Reader, TableOf, Tally, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

const WHAT: &str = "reading /sys/fs/cgroup";

/// Levels that are read: a container in a container in a session of a user has ten.
const DEPTH_MAX: usize = 32;

/// Bytes of the paths of groups that wait for their turn.
const PENDING_MAX: usize = 2 << 20;

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    version: u64,
    path: Vec<u8>,
    controllers: Option<Vec<u8>>,
    populated: Option<bool>,
    amounts: Amounts,
}

/// The table `cgroups`.
pub static TABLE: TableOf<Group> =
    keyed_table(&[atoms::VERSION, atoms::PATH], atoms::CGROUPS, Cost::PerRow, atoms::CGROUPFS, COLUMNS, open);

macro_rules! columns {
    ($($place:literal)*) => {
        &[
            number(atoms::VERSION, Unit::None, |row| Value::Unsigned(row.version)),
            bytes(atoms::PATH, |row| Value::Bytes(&row.path)),
            bytes(atoms::CONTROLLERS, |row| Value::maybe_bytes(row.controllers.as_deref())),
            boolean(atoms::POPULATED, |row| row.populated.map_or(Value::Undefined, Value::Bool)),
            $(column::<$place>()),*
        ]
    };
}

const COLUMNS: &[Column<Group>] =
    columns!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26);

#[allow(clippy::indexing_slicing)] // looked up when the program is compiled
const fn column<const N: usize>() -> Column<Group> {
    let (name, unit, ..) = SOURCES[N];
    number(name, unit, |row| row.amounts.get(N).map_or(Value::Undefined, |amount| amount.value()))
}

fn open(wanted: &Wanted<'_, Group>, _: &mut Context<'_>) -> Opened<Group> {
    let version = wanted.condition(atoms::VERSION);
    let mut all = hierarchy::all()?;
    all.retain(|hierarchy| version.is_none_or(|condition| condition.allows(hierarchy.version)));
    let names = TABLE.columns.iter().map(|column| column.name);
    Ok(of(all, names.filter(|name| wanted.has(*name)).collect()))
}

/// The groups of these hierarchies, with these columns filled.
#[must_use]
pub fn of(hierarchies: Vec<Hierarchy>, wanted: Vec<Atom>) -> Box<dyn Reader<Group>> {
    Box::new(Tree { wanted, hierarchies: hierarchies.into_iter(), current: None })
}

/// Where the reading stands.
struct Tree {
    wanted: Vec<Atom>,
    hierarchies: IntoIter<Hierarchy>,
    current: Option<Current>,
}

/// The hierarchy that is being read.
struct Current {
    hierarchy: Hierarchy,
    top: OwnedFd,
    /// Paths of groups that have not been read; the next one last.
    pending: Vec<Vec<u8>>,
    pending_bytes: usize,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Reader<Group> for Tree {
    fn next(&mut self, _: &mut Context<'_>, tally: &mut Tally) -> Result<Option<Group>, RequestError> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(hierarchy) = self.hierarchies.next() else { return Ok(None) };
                self.current = Current::open(hierarchy)?;
                continue;
            };
            let Some(path) = current.pending.pop() else {
                self.current = None;
                continue;
            };
            current.pending_bytes = current.pending_bytes.saturating_sub(path.len());
            match current.read(path, &self.wanted, tally) {
                Ok(group) => return Ok(Some(group)),
                Err(Errno::ENOENT | Errno::ENODEV) => tally.vanished = tally.vanished.saturating_add(1),
                Err(errno) => return Err(RequestError::Posix(errno as i32, WHAT)),
            }
        }
    }
}

impl Current {
    fn open(hierarchy: Hierarchy) -> Result<Option<Self>, RequestError> {
        match hierarchy::open(&hierarchy.mount_point) {
            Ok(top) => Ok(Some(Self { hierarchy, top, pending: vec![b"/".to_vec()], pending_bytes: 1 })),
            // Unmounted meanwhile, or something else was mounted above it.
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(RequestError::Posix(errno as i32, WHAT)),
        }
    }

    fn read(&mut self, path: Vec<u8>, wanted: &[Atom], tally: &mut Tally) -> Result<Group, Errno> {
        let group = self.enter(&path)?;
        self.add_below(&path, &group, tally)?;
        let wants = |name| wanted.contains(&name);
        let version = self.hierarchy.version;
        let controllers = match version {
            2 if wants(atoms::CONTROLLERS) => group::controllers(group.as_fd()),
            2 => None,
            _ => Some(self.hierarchy.controllers.clone()),
        };
        let populated = (version == 2 && wants(atoms::POPULATED)).then(|| group::populated(group.as_fd()));
        let amounts = group::read(group.as_fd(), version, &wants);
        Ok(Group { version, path, controllers, populated: populated.flatten(), amounts })
    }

    fn enter(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        // fcntl(2), which copies a descriptor, is none of the port's system calls.
        let mut group = fd::open_directory_path(self.top.as_fd(), c".", false)?;
        for name in hierarchy::names(path) {
            group = hierarchy::enter(&group, name)?;
        }
        Ok(group)
    }

    /// Puts the groups below on the list, so that they come in the order of their names.
    fn add_below(&mut self, path: &[u8], group: &OwnedFd, tally: &mut Tally) -> Result<(), Errno> {
        let listing = match fd::open_read(group.as_fd(), c".") {
            Ok(listing) => listing,
            Err(Errno::EACCES) => {
                tally.denied = tally.denied.saturating_add(1);
                return Ok(());
            }
            Err(errno) => return Err(errno),
        };
        let above = if path == b"/" { b"" } else { path };
        let deep = hierarchy::names(path).count() >= DEPTH_MAX;
        let mut below = Vec::new();
        while let Some(some) = names::read(&listing)? {
            for (name, _) in some.into_iter().filter(|(_, is_directory)| *is_directory) {
                let path = [above, b"/", name.to_bytes()].concat();
                let bytes = self.pending_bytes.saturating_add(path.len());
                if deep || bytes > PENDING_MAX {
                    tally.truncated = true;
                    break;
                }
                self.pending_bytes = bytes;
                below.push(path);
            }
        }
        below.sort_unstable_by(|a, b| b.cmp(a));
        self.pending.append(&mut below);
        Ok(())
    }
}
