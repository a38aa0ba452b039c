//! The table `sockets`: sockets of IP, unix, netlink and packets (sock_diag(7)), as `ss -a` shows them.
#![forbid(unsafe_code)]

use super::plan;
use super::reader::Sockets;
use super::row::{KINDS, STATES, Socket, TIMERS, kind, maybe, nonzero, state, timer};
use crate::op::Role;
use crate::table::{Column, Context, Cost, Kind, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// Words of `family`.
pub const FAMILIES: &[Atom] = &[atoms::INET, atoms::INET6, atoms::UNIX, atoms::NETLINK, atoms::PACKET];

/// Words of `protocol`.
pub const PROTOCOLS: &[Atom] = &[atoms::TCP, atoms::UDP, atoms::RAW];

/// The table.
pub static TABLE: TableOf<Socket> = TableOf {
    name: atoms::SOCKETS,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerRow,
    source: atoms::SOCK_DIAG,
    key: &[atoms::COOKIE],
    columns: &[
        FAMILY,
        PROTOCOL,
        word(atoms::TYPE, KINDS, |s| Value::Word(kind(s.kind))),
        word(atoms::STATE, STATES, |s| Value::Word(state(s.state))),
        LOCAL_ADDRESS,
        LOCAL_PORT,
        address(atoms::REMOTE_ADDRESS, |s| s.remote.map_or(Value::Undefined, Value::Address)),
        number(atoms::REMOTE_PORT, Unit::None, |s| maybe(s.remote_port)),
        number(atoms::PROTOCOL_NUMBER, Unit::None, Socket::number),
        INTERFACE,
        UID,
        INODE,
        COOKIE,
        number(atoms::RQUEUE, Unit::Bytes, Socket::received),
        number(atoms::WQUEUE, Unit::Bytes, Socket::sent),
        BACKLOG,
        MAX_BACKLOG,
        word(atoms::TIMER, TIMERS, |s| s.timer.map_or(Value::Undefined, |n| Value::Word(timer(n)))),
        number(atoms::TIMER_EXPIRES, Unit::Millis, |s| maybe(s.timer.filter(|n| *n > 0).map(|_| s.expires))),
        number(atoms::RETRANSMITS, Unit::None, |s| maybe(s.timer.map(|_| s.retransmits))),
        CGROUP_ID,
        bytes(atoms::PATH, Socket::path),
        number(atoms::PEER, Unit::None, Socket::peer),
        number(atoms::PORTID, Unit::None, Socket::portid),
        number(atoms::RTT, Unit::Micros, |s| s.tcp(|t| t.rtt)),
        number(atoms::RTTVAR, Unit::Micros, |s| s.tcp(|t| t.rttvar)),
        number(atoms::MIN_RTT, Unit::Micros, |s| s.tcp(|t| t.min_rtt)),
        number(atoms::SND_CWND, Unit::None, |s| s.tcp(|t| t.snd_cwnd)),
        number(atoms::RETRANS, Unit::None, |s| s.tcp(|t| t.retrans)),
        number(atoms::TOTAL_RETRANS, Unit::None, |s| s.tcp(|t| t.total_retrans)),
        number(atoms::BYTES_ACKED, Unit::Bytes, |s| s.tcp(|t| t.bytes_acked)),
        number(atoms::BYTES_RECEIVED, Unit::Bytes, |s| s.tcp(|t| t.bytes_received)),
        number(atoms::SEGS_OUT, Unit::None, |s| s.tcp(|t| t.segs_out)),
        number(atoms::SEGS_IN, Unit::None, |s| s.tcp(|t| t.segs_in)),
        number(atoms::PACING_RATE, Unit::Bytes, |s| s.tcp(|t| t.pacing_rate)),
        number(atoms::DELIVERY_RATE, Unit::Bytes, |s| s.tcp(|t| t.delivery_rate)),
        bytes(atoms::CONGESTION, |s| Value::maybe_bytes(s.tcp.as_ref().and_then(|t| t.congestion()))),
    ],
    open,
};

fn open(wanted: &Wanted<'_, Socket>, _: &mut Context<'_>) -> Opened<Socket> {
    Ok(Sockets::of(plan::plan(wanted), |_| true))
}

/// Columns that `listening` has too.
pub(super) const FAMILY: Column<Socket> = word(atoms::FAMILY, FAMILIES, Socket::family_word);
pub(super) const PROTOCOL: Column<Socket> = word(atoms::PROTOCOL, PROTOCOLS, |s| {
    s.protocol.map_or(Value::Undefined, |protocol| Value::Word(protocol.word()))
});
pub(super) const LOCAL_ADDRESS: Column<Socket> =
    address(atoms::LOCAL_ADDRESS, |s| s.local.map_or(Value::Undefined, Value::Address));
pub(super) const LOCAL_PORT: Column<Socket> = number(atoms::LOCAL_PORT, Unit::None, |s| maybe(s.local_port));
pub(super) const INTERFACE: Column<Socket> = number(atoms::INTERFACE, Unit::None, |s| nonzero(s.interface));
pub(super) const UID: Column<Socket> = number(atoms::UID, Unit::None, |s| maybe(s.uid));
pub(super) const INODE: Column<Socket> = number(atoms::INODE, Unit::None, |s| nonzero(s.inode));
pub(super) const COOKIE: Column<Socket> =
    number(atoms::COOKIE, Unit::None, |s| Value::maybe(Some(s.cookie).filter(|cookie| *cookie != 0)));
pub(super) const BACKLOG: Column<Socket> = number(atoms::BACKLOG, Unit::None, Socket::backlog);
pub(super) const MAX_BACKLOG: Column<Socket> = number(atoms::MAX_BACKLOG, Unit::None, Socket::max_backlog);
pub(super) const CGROUP_ID: Column<Socket> = number(atoms::CGROUP_ID, Unit::None, |s| Value::maybe(s.cgroup));

type Get<R> = for<'a> fn(&'a R) -> Value<'a>;

pub(super) const fn number<R>(name: Atom, unit: Unit, value: Get<R>) -> Column<R> {
    Column { name, kind: Kind::Number, unit, value }
}

pub(super) const fn bytes<R>(name: Atom, value: Get<R>) -> Column<R> {
    Column { name, kind: Kind::Bytes, unit: Unit::None, value }
}

pub(super) const fn address<R>(name: Atom, value: Get<R>) -> Column<R> {
    Column { name, kind: Kind::Address, unit: Unit::None, value }
}

pub(super) const fn word<R>(name: Atom, words: &'static [Atom], value: Get<R>) -> Column<R> {
    Column { name, kind: Kind::Word(words), unit: Unit::None, value }
}
