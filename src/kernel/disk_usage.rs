//! How full each mounted file system is. The mounts are those of `/proc/self/mountinfo`; each is asked by a helper process, because a
//! file system can leave the question unanswered for good. Rows come as answers do, those that do not answer last.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::Instant;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::helper::message::Outcome;
use crate::helper::pool::{Asked, Pool, Target, Ticket};
use crate::kernel::column::{boolean, bytes, keyed_table, number};
use crate::kernel::lines::Lines;
use crate::kernel::mounts::{self, Mount};
use crate::limits::DISK_MOUNTS_BYTES_MAX;
use crate::sys::helper::Blocks;
use crate::table::{Column, Context, Cost, Opened, Reader, TableOf, Tally, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

const WHAT: &str = "reading /proc/self/mountinfo";

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    mount_id: u64,
    device: [u64; 2],
    mount_point: Vec<u8>,
    fs_type: Vec<u8>,
    source: Vec<u8>,
    read_only: bool,
    /// The kernel answers by itself, and nobody else stands on the way to it.
    local: bool,
}

/// What it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    Full(Blocks),
    Refused(i32),
    Failed(Atom),
    None,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    place: Place,
    usage: Usage,
}

/// A column of what the file system says.
const fn said(name: Atom, unit: Unit, value: for<'a> fn(&'a Disk) -> Value<'a>) -> Column<Disk> {
    number(name, unit, value)
}

fn cell(row: &Disk, of: impl Fn(&Blocks) -> u64) -> Value<'_> {
    match &row.usage {
        Usage::Full(blocks) => Value::Unsigned(of(blocks)),
        Usage::Refused(errno) => Value::Denied(*errno),
        Usage::Failed(why) => Value::Failed(*why),
        Usage::None => Value::Undefined,
    }
}

/// Who serves a file system of his own chooses these numbers.
fn in_bytes(blocks: &Blocks, count: u64) -> u64 {
    count.saturating_mul(blocks.size)
}

/// Columns for which the file system must be asked.
const SAID: &[Atom] = &[atoms::SIZE, atoms::USED, atoms::AVAILABLE, atoms::INODES, atoms::INODES_USED];

/// The table `disk_usage`.
pub static TABLE: TableOf<Disk> = keyed_table(
    &[atoms::MOUNT_ID],
    atoms::DISK_USAGE,
    Cost::PerRow,
    atoms::STATFS,
    &[
        number(atoms::MOUNT_ID, Unit::None, |row| Value::Unsigned(row.place.mount_id)),
        number(atoms::MAJOR, Unit::None, |row| Value::Unsigned(row.place.device[0])),
        number(atoms::MINOR, Unit::None, |row| Value::Unsigned(row.place.device[1])),
        bytes(atoms::MOUNT_POINT, |row| Value::Bytes(&row.place.mount_point)),
        bytes(atoms::FS_TYPE, |row| Value::Bytes(&row.place.fs_type)),
        bytes(atoms::SOURCE, |row| Value::Bytes(&row.place.source)),
        boolean(atoms::READ_ONLY, |row| Value::Bool(row.place.read_only)),
        said(atoms::SIZE, Unit::Bytes, |row| cell(row, |b| in_bytes(b, b.all))),
        said(atoms::USED, Unit::Bytes, |row| cell(row, |b| in_bytes(b, b.all.saturating_sub(b.free)))),
        said(atoms::AVAILABLE, Unit::Bytes, |row| cell(row, |b| in_bytes(b, b.available))),
        said(atoms::INODES, Unit::None, |row| cell(row, |b| b.files)),
        said(atoms::INODES_USED, Unit::None, |row| cell(row, |b| b.files.saturating_sub(b.files_free))),
    ],
    open,
);

/// Types for which the kernel answers from memory or from a disk of this host. Any other may be served by a program or another host
/// (`fuse`, `nfs`, `cifs`, `9p`), and may not answer.
const LOCAL: &[&[u8]] = &[
    b"bcachefs",
    b"binfmt_misc",
    b"bpf",
    b"btrfs",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"erofs",
    b"exfat",
    b"ext2",
    b"ext3",
    b"ext4",
    b"f2fs",
    b"fusectl",
    b"hugetlbfs",
    b"iso9660",
    b"jfs",
    b"mqueue",
    b"nsfs",
    b"ntfs3",
    b"overlay",
    b"proc",
    b"pstore",
    b"ramfs",
    b"reiserfs",
    b"rootfs",
    b"rpc_pipefs",
    b"securityfs",
    b"selinuxfs",
    b"squashfs",
    b"sysfs",
    b"tmpfs",
    b"tracefs",
    b"udf",
    b"vfat",
    b"xfs",
    b"zfs",
];

/// Nothing to be asked: what is mounted below it has rows of its own.
const AUTOFS: &[u8] = b"autofs";

fn open(wanted: &Wanted<'_, Disk>, context: &mut Context<'_>) -> Opened<Disk> {
    let (places, cut) = read(wanted)?;
    let now = Instant::now();
    // The rows that are there by then are to arrive in time.
    let give_up =
        context.deadline().map(|deadline| now + deadline.saturating_duration_since(now).mul_f64(0.75));
    let (local, remote) = places.into_iter().partition(|place| place.local);
    Ok(Box::new(Disks { waiting: [local, remote], asked: Vec::new(), ask: wanted.any(SAID), give_up, cut }))
}

/// The mounts that can meet the conditions; and whether there were more than are kept.
fn read(wanted: &Wanted<'_, Disk>) -> Result<(Vec<Place>, bool), RequestError> {
    let failed = |errno: Errno| RequestError::Posix(errno as i32, WHAT);
    let mut lines = Lines::open(c"/proc/self/mountinfo").map_err(failed)?;
    let (mut places, mut kept, mut cut) = (Vec::new(), 0_usize, false);
    while let Some(line) = lines.next_line().map_err(failed)? {
        let place = Place::of(mounts::parse(line).ok_or(failed(Errno::EPROTO))?);
        kept = kept.saturating_add(place.bytes());
        if kept > DISK_MOUNTS_BYTES_MAX {
            cut = true;
            break;
        }
        places.push(place);
    }
    behind_others(&mut places);
    let rows = places.into_iter().map(|place| Disk { place, usage: Usage::None });
    Ok((rows.filter(|row| can_meet(wanted, row)).map(|row| row.place).collect(), cut))
}

/// Whether a row can meet the conditions on what is known before anybody is asked: a mount that nobody has asked for delays nobody.
fn can_meet(wanted: &Wanted<'_, Disk>, row: &Disk) -> bool {
    let known = TABLE.columns.iter().filter(|column| !SAID.contains(&column.name));
    known
        .filter_map(|column| Some((column, wanted.condition(column.name)?)))
        .all(|(column, condition)| condition.met_by(&(column.value)(row)))
}

/// The way to a local file system can lead through one that is not, whose server is asked for every step.
fn behind_others(places: &mut [Place]) {
    let mut others: Vec<Vec<u8>> =
        places.iter().filter(|place| !place.local).map(|place| place.mount_point.clone()).collect();
    others.sort_unstable();
    for place in places.iter_mut().filter(|place| place.local) {
        let ways = prefixes(&place.mount_point);
        place.local =
            !ways.into_iter().any(|way| others.binary_search_by(|other| (**other).cmp(way)).is_ok());
    }
}

/// `/`, `/a`, `/a/b` of `/a/b`.
fn prefixes(path: &[u8]) -> impl IntoIterator<Item = &[u8]> {
    let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    std::iter::once(1).chain(ends).chain([path.len()]).filter_map(|end| path.get(..end))
}

impl Place {
    fn of(mount: Mount) -> Self {
        let Mount { ids, device, mount_point, options, fs_type, source, super_options, .. } = mount;
        let read_only = |options: &[u8]| options.split(|byte| *byte == b',').any(|option| option == b"ro");
        Self {
            mount_id: ids[0],
            device,
            read_only: read_only(&options) || read_only(&super_options),
            local: LOCAL.contains(&fs_type.as_slice()),
            mount_point,
            fs_type,
            source,
        }
    }

    /// Bytes of memory.
    fn bytes(&self) -> usize {
        let names = [&self.mount_point, &self.fs_type, &self.source];
        names.iter().fold(size_of::<Self>(), |sum, name| sum.saturating_add(name.len()))
    }

    fn target(&self) -> Target<'_> {
        let Self { mount_id, device, mount_point, local, .. } = self;
        Target { mount_id: *mount_id, device: *device, path: mount_point, local: *local }
    }

    fn row(self, usage: Usage) -> Disk {
        Disk { place: self, usage }
    }
}

/// What asks.
#[derive(Debug)]
struct Disks {
    /// Local ones, and the others.
    waiting: [VecDeque<Place>; 2],
    asked: Vec<(Place, Ticket)>,
    /// Something is wanted that the file systems must be asked for.
    ask: bool,
    give_up: Option<Instant>,
    cut: bool,
}

/// What became of the next mount.
enum Next {
    Row(Disk),
    Asked,
    /// There is one, which can be asked when something has come, or at this time.
    Later(Instant),
    None,
}

impl Disks {
    /// A mount that has answered, or is too late.
    fn ended(&mut self, now: Instant) -> Option<Disk> {
        let given_up = self.give_up.is_some_and(|time| time <= now);
        let ended = |ticket: &Ticket| ticket.outcome().is_some() || ticket.late <= now || given_up;
        let at = self.asked.iter().position(|(_, ticket)| ended(ticket))?;
        let (place, ticket) = self.asked.swap_remove(at);
        Some(place.row(match ticket.outcome() {
            Some(Outcome::Full(blocks)) => Usage::Full(blocks),
            Some(Outcome::Refused(errno)) => Usage::Refused(errno),
            Some(Outcome::Covered) => Usage::Failed(atoms::COVERED),
            Some(Outcome::Lost) => Usage::Refused(libc::EIO),
            None => Usage::Failed(atoms::TIMEOUT),
        }))
    }

    /// Takes the first of those that wait, of one kind after the other.
    fn begin(&mut self, pool: &mut Pool, now: Instant) -> Next {
        let given_up = self.give_up.is_some_and(|time| time <= now);
        let mut later = Next::None;
        for waiting in &mut self.waiting {
            let Some(place) = waiting.pop_front() else { continue };
            if !self.ask || place.fs_type == AUTOFS {
                return Next::Row(place.row(Usage::None));
            }
            if given_up {
                return Next::Row(place.row(Usage::Failed(atoms::TIMEOUT)));
            }
            let usage = match pool.ask(&place.target(), now) {
                Asked::Ticket(ticket) => {
                    self.asked.push((place, ticket));
                    return Next::Asked;
                }
                Asked::Later(time) => {
                    waiting.push_front(place);
                    let sooner = if let Next::Later(other) = later { other.min(time) } else { time };
                    later = Next::Later(sooner);
                    continue;
                }
                Asked::Late => Usage::Failed(atoms::TIMEOUT),
                Asked::Busy => Usage::Failed(atoms::BUSY),
                Asked::TooLong => Usage::Refused(libc::ENAMETOOLONG),
            };
            return Next::Row(place.row(usage));
        }
        later
    }
}

impl Reader<Disk> for Disks {
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<Disk>, RequestError> {
        tally.truncated |= self.cut;
        let gone = |errno: Errno| {
            RequestError::Posix(
                errno as i32,
                "asking file systems: the helper processes have ended; restart the port",
            )
        };
        loop {
            let now = Instant::now();
            if let Some(row) = self.ended(now) {
                return Ok(Some(row));
            }
            let next = if self.ask {
                self.begin(context.helpers().map_err(gone)?, now)
            } else {
                self.begin(&mut Pool::none(), now)
            };
            let later = match next {
                Next::Row(row) => return Ok(Some(row)),
                Next::Asked => continue,
                Next::Later(time) => Some(time),
                Next::None if self.asked.is_empty() => return Ok(None),
                Next::None => None,
            };
            let late = self.asked.iter().map(|(_, ticket)| ticket.late);
            if let Some(time) = late.chain(later).chain(self.give_up).min() {
                context.not_before(time);
            }
            return Ok(None);
        }
    }

    fn is_open(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &[u8]) -> Place {
        Place::of(mounts::parse(line).unwrap())
    }

    #[test]
    fn a_mount_is_read_only_where_either_says_so() {
        assert!(place(b"1 2 0:5 / /a ro,nosuid - tmpfs none rw").read_only);
        assert!(place(b"1 2 0:5 / /a rw - tmpfs none ro,size=4k").read_only);
        assert!(!place(b"1 2 0:5 / /a rw,nosuid - tmpfs none rw,errors=remount-ro").read_only);
    }

    #[test]
    fn what_others_serve_is_not_local_and_nothing_below_it_is() {
        let mut places: Vec<Place> = [
            &b"1 0 8:1 / / rw - ext4 /dev/sda1 rw"[..],
            b"2 1 0:30 / /home/u/f rw - fuse.sshfs u@h: rw",
            b"3 2 0:31 / /home/u/f/in/it rw - tmpfs none rw",
            b"4 1 0:32 / /home/u/fx rw - tmpfs none rw",
            b"5 1 0:33 / /srv rw - nfs4 h:/ rw",
            b"6 1 8:1 / /home/u/f rw - ext4 /dev/sda1 rw",
            b"7 1 0:34 / /v rw - unheard-of x rw",
        ]
        .map(place)
        .into();
        behind_others(&mut places);
        let local: Vec<u64> = places.iter().filter(|place| place.local).map(|place| place.mount_id).collect();
        assert_eq!(local, [1, 4]);
        let mut over_all = [place(b"1 0 0:9 / / rw - fuse x rw"), place(b"2 1 0:3 / /a rw - tmpfs none rw")];
        behind_others(&mut over_all);
        assert!(over_all.iter().all(|place| !place.local));
    }

    #[test]
    fn numbers_of_a_file_system_that_lies_do_not_overflow() {
        let blocks =
            Blocks { size: u64::MAX, all: u64::MAX, free: u64::MAX, available: 2, files: 1, files_free: 3 };
        let row = place(b"1 2 0:5 / /a rw - fuse x rw").row(Usage::Full(blocks));
        let cells: Vec<Value<'_>> = TABLE
            .columns
            .iter()
            .filter(|column| SAID.contains(&column.name))
            .map(|column| (column.value)(&row))
            .collect();
        let most = Value::Unsigned(u64::MAX);
        assert_eq!(cells, [most, Value::Unsigned(0), most, Value::Unsigned(1), Value::Unsigned(0)]);
    }
}
