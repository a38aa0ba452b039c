//! The table `process_sockets`: the sockets among the open files of processes, with what sock_diag(7) tells of each. What it tells is
//! read first; a socket that is opened later, or belongs to another network namespace, is not among it.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::net::IpAddr;

use nix::errno::Errno;

use super::inet;
use super::others::UnixAsk;
use super::plan::{Ask, lists_of_ip};
use super::reader::Sockets;
use super::row::{KINDS, Protocol, STATES, Socket, kind, maybe, state};
use super::table::{FAMILIES, PROTOCOLS, address, number, word};
use crate::capability::Capability;
use crate::error::RequestError;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::tables::files;
use crate::sys::fd;
use crate::sys::piddir::NumberDir;
use crate::table::sample::Room;
use crate::table::{Column, Context, Cost, Opened, Reader, TableOf, Tally, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// A descriptor of a socket.
#[derive(Clone, Debug)]
pub struct Held {
    pid: u64,
    starttime: u64,
    fd: u64,
    /// 0: it is none, and no row.
    inode: u64,
    socket: Option<Known>,
    /// It may be one of those that there was no room for.
    left_out: bool,
}

/// What is kept of a socket: as little as its columns take.
#[derive(Clone, Copy, Debug)]
struct Known {
    inode: u32,
    family: u8,
    protocol: Option<Protocol>,
    kind: u8,
    state: u8,
    local: (Option<IpAddr>, Option<u16>),
    remote: (Option<IpAddr>, Option<u16>),
}

/// Columns that take what sock_diag tells.
const JOINED: &[Atom] = &[
    atoms::FAMILY,
    atoms::PROTOCOL,
    atoms::TYPE,
    atoms::STATE,
    atoms::LOCAL_ADDRESS,
    atoms::LOCAL_PORT,
    atoms::REMOTE_ADDRESS,
    atoms::REMOTE_PORT,
];

/// The table.
pub static TABLE: TableOf<Held> = TableOf {
    name: atoms::PROCESS_SOCKETS,
    roles: &[Role::Proc],
    capabilities: &[Capability::SysPtrace, Capability::DacReadSearch],
    cost: Cost::PerProcess,
    source: atoms::SOCK_DIAG,
    key: &[atoms::PID, atoms::STARTTIME, atoms::FD],
    columns: COLUMNS,
    open,
};

const COLUMNS: &[Column<Held>] = &[
    number(atoms::PID, Unit::None, |h| Value::Unsigned(h.pid)),
    number(atoms::STARTTIME, Unit::Ticks, |h| Value::Unsigned(h.starttime)),
    number(atoms::FD, Unit::None, |h| Value::Unsigned(h.fd)),
    number(atoms::INODE, Unit::None, |h| Value::Unsigned(h.inode)),
    word(atoms::FAMILY, FAMILIES, |h| known(h, |s| Value::Word(family(s.family)))),
    word(atoms::PROTOCOL, PROTOCOLS, |h| {
        known(h, |s| s.protocol.map_or(Value::Undefined, |protocol| Value::Word(protocol.word())))
    }),
    word(atoms::TYPE, KINDS, |h| known(h, |s| Value::Word(kind(s.kind)))),
    word(atoms::STATE, STATES, |h| known(h, |s| Value::Word(state(s.state)))),
    address(atoms::LOCAL_ADDRESS, |h| known(h, |s| s.local.0.map_or(Value::Undefined, Value::Address))),
    number(atoms::LOCAL_PORT, Unit::None, |h| known(h, |s| maybe(s.local.1))),
    address(atoms::REMOTE_ADDRESS, |h| known(h, |s| s.remote.0.map_or(Value::Undefined, Value::Address))),
    number(atoms::REMOTE_PORT, Unit::None, |h| known(h, |s| maybe(s.remote.1))),
];

fn known<'a>(held: &'a Held, cell: impl FnOnce(&'a Known) -> Value<'a>) -> Value<'a> {
    match &held.socket {
        Some(socket) => cell(socket),
        None if held.left_out => Value::Denied(libc::ENOBUFS),
        None => Value::Undefined,
    }
}

fn family(number: u8) -> Atom {
    let socket = Socket { family: number, ..Socket::default() };
    if let Value::Word(word) = socket.family_word() { word } else { atoms::UNKNOWN }
}

fn open(wanted: &Wanted<'_, Held>, _: &mut Context<'_>) -> Opened<Held> {
    let asks = if wanted.any(JOINED) { asks(wanted) } else { Vec::new() };
    Ok(Box::new(Joined {
        sockets: Some(Sockets::of(asks, |socket| socket.inode != 0)),
        known: Vec::new(),
        room: Room::default(),
        left_out: false,
        held: each::open(wanted, Descriptors(None))?,
    }))
}

/// Lists of all sockets of the families that are wanted.
fn asks(wanted: &Wanted<'_, Held>) -> Vec<Ask> {
    let allows = |column, word| wanted.condition(column).is_none_or(|condition| condition.allows_word(word));
    let mut asks = Vec::new();
    let family = |word| allows(atoms::FAMILY, word);
    for (family, protocol) in lists_of_ip(&family, &[Protocol::Tcp, Protocol::Udp, Protocol::Raw]) {
        if allows(atoms::PROTOCOL, protocol.word()) {
            asks.push(Ask::Inet(inet::Ask {
                family,
                protocol,
                states: u32::MAX,
                local_port: 0,
                remote_port: 0,
                info: false,
                congestion: false,
            }));
        }
    }
    let unix = UnixAsk { states: u32::MAX, ..UnixAsk::default() };
    let others =
        [(atoms::UNIX, Ask::Unix(unix)), (atoms::NETLINK, Ask::Netlink), (atoms::PACKET, Ask::Packet)];
    let others = others.into_iter().filter(|(word, _)| allows(atoms::FAMILY, *word));
    asks.extend(others.map(|(_, ask)| ask));
    asks
}

/// Reads the sockets, and then the descriptors.
#[derive(Debug)]
struct Joined {
    sockets: Option<Box<dyn Reader<Socket>>>,
    /// By inode, when all are there.
    known: Vec<Known>,
    room: Room,
    left_out: bool,
    held: Box<dyn Reader<Held>>,
}

/// Sockets between two pauses.
const STEPS: usize = 512;

/// Descriptors that are no sockets between two pauses: a process can have a million of them.
const OTHERS: usize = 64;

impl Joined {
    fn keep(&mut self, socket: &Socket) {
        if !self.room.has(&mut self.known) {
            self.left_out = true;
            return;
        }
        self.known.push(Known {
            inode: socket.inode,
            family: socket.family,
            protocol: socket.protocol,
            kind: socket.kind,
            state: socket.state,
            local: (socket.local, socket.local_port),
            remote: (socket.remote, socket.remote_port),
        });
    }
}

impl Reader<Held> for Joined {
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<Held>, RequestError> {
        let mut steps = 0_usize;
        while let Some(mut sockets) = self.sockets.take() {
            let next = sockets.next(context, tally)?;
            if let Some(socket) = &next {
                self.keep(socket);
            }
            steps = steps.saturating_add(1);
            if steps >= STEPS {
                context.later();
            }
            if next.is_some() || context.is_waiting() {
                self.sockets = Some(sockets);
            } else {
                self.known.sort_by_key(|socket| socket.inode);
            }
            if context.is_waiting() {
                return Ok(None);
            }
        }
        for _ in 0..OTHERS {
            let Some(mut held) = self.held.next(context, tally)? else { return Ok(None) };
            if held.inode == 0 {
                continue;
            }
            let found = u32::try_from(held.inode).ok();
            let at =
                found.and_then(|inode| self.known.binary_search_by_key(&inode, |known| known.inode).ok());
            held.socket = at.and_then(|at| self.known.get(at)).copied();
            held.left_out = self.left_out;
            return Ok(Some(held));
        }
        context.later();
        Ok(None)
    }

    fn park(&mut self) {
        match &mut self.sockets {
            Some(sockets) => sockets.park(),
            None => self.held.park(),
        }
    }
}

#[derive(Debug)]
struct Descriptors(Option<NumberDir>);

impl PerProcess<Held> for Descriptors {
    fn enter(&mut self, here: &Here) -> Result<(), Errno> {
        self.0 = Some(NumberDir::of(fd::open_listing(here.directory(), c"fd")?));
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<Held>, Errno> {
        let Some(listing) = &mut self.0 else { return Ok(None) };
        while let Some(number) = listing.next_number()? {
            let name = CString::new(number.to_string()).map_err(|_| Errno::EINVAL)?;
            let target = match fd::read_link(listing.fd(), &name) {
                // It was closed meanwhile.
                Err(Errno::ENOENT | Errno::ESRCH) => continue,
                other => other?,
            };
            let inode = files::inode(&target).filter(|_| target.starts_with(b"socket:")).unwrap_or(0);
            let (pid, fd) = (u64::from(here.pid.get()), u64::from(number));
            let held = Held { pid, starttime: here.starttime, fd, inode, socket: None, left_out: false };
            return Ok(Some(held));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::table::{Asked, Table};
    use crate::wire::chunk::{Chunk, Slice};
    use crate::wire::scan::{Bounds, validate};
    use crate::wire::schema::At;
    use crate::wire::write::Writer;

    #[test]
    fn descriptors_that_are_no_sockets_hold_nobody_up() {
        let files: Vec<_> = (0..300).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let mut w = Writer::new();
        w.map(1);
        w.atom(atoms::PID);
        w.uint(std::process::id().into());
        let where_pid = [&[131], w.bytes()].concat();
        let conditions = Some(validate(&where_pid, &Bounds::PROC).unwrap().term());
        w.clear();
        w.list(1);
        w.atom(atoms::FD);
        w.nil();
        let fd = [&[131], w.bytes()].concat();
        let columns = Some(validate(&fd, &Bounds::PROC).unwrap().term());
        let asked = Asked { columns, conditions, limit: 1000, cell_max: 64, interval: None, at: At::Top };
        let mut rows = TABLE.query(&asked).unwrap();
        let (mut chunk, mut pauses) = (Chunk::default(), 0);
        let long = Instant::now() + Duration::from_secs(3600);
        while rows.slice(&mut Context::default(), &mut chunk, long).unwrap() == Slice::Paused {
            pauses += 1;
        }
        // Tests beside this one have sockets in the same process: each begins to count anew.
        let runs = chunk.rows().1 + 1;
        assert!(pauses * OTHERS + runs * (OTHERS - 1) >= files.len(), "{pauses} pauses, {runs} runs");
    }
}
