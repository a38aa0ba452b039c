//! The table `interfaces`: `RTM_GETLINK` (rtnetlink(7), include/uapi/linux/if_link.h), as `ip -s link` shows them.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::route::{Ask, Lists};
use super::row::{maybe, nonzero};
use super::table::{bytes, number, word};
use crate::netlink::attr::{Attrs, ne32_at, ne64_at};
use crate::op::Role;
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// `RTM_GETLINK`.
const GET: u16 = 18;

/// Attributes: `IFLA_ADDRESS`, `IFNAME`, `MTU`, `LINK`, `MASTER`, `OPERSTATE`, `LINKINFO`, `STATS64`, `EXT_MASK`.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const LINK: u16 = 5;
const QDISC: u16 = 6;
const MASTER: u16 = 10;
const OPERSTATE: u16 = 16;
const LINKINFO: u16 = 18;
const STATS64: u16 = 23;
const EXT_MASK: u16 = 29;

/// `IFLA_INFO_KIND` in `LINKINFO`.
const INFO_KIND: u16 = 1;

/// `RTEXT_FILTER_SKIP_STATS`.
const SKIP_STATS: u32 = 1 << 3;

/// The words of `operstate` (include/uapi/linux/if.h).
const OPERSTATES: &[Atom] = &[
    atoms::UNKNOWN,
    atoms::NOTPRESENT,
    atoms::DOWN,
    atoms::LOWERLAYERDOWN,
    atoms::TESTING,
    atoms::DORMANT,
    atoms::UP,
];

/// Counters, in the order of `struct rtnl_link_stats64`.
pub(super) const COUNTERS: usize = 8;
const COUNTER_COLUMNS: &[Atom] = &[
    atoms::RX_PACKETS,
    atoms::TX_PACKETS,
    atoms::RX_BYTES,
    atoms::TX_BYTES,
    atoms::RX_ERRORS,
    atoms::TX_ERRORS,
    atoms::RX_DROPPED,
    atoms::TX_DROPPED,
];

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub(super) index: u32,
    pub(super) name: Vec<u8>,
    kind: Option<Vec<u8>>,
    link_type: u16,
    flags: u32,
    mtu: Option<u32>,
    operstate: Option<u8>,
    mac: Option<Vec<u8>>,
    link: u32,
    master: u32,
    qdisc: Option<Vec<u8>>,
    pub(super) counters: Option<[u64; COUNTERS]>,
}

impl Interface {
    fn counter<'a>(&self, n: usize) -> Value<'a> {
        Value::maybe(self.counters.and_then(|all| all.get(n).copied()))
    }
}

/// The table.
pub static TABLE: TableOf<Interface> = TableOf {
    name: atoms::INTERFACES,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerRow,
    source: atoms::RTNETLINK,
    key: &[atoms::INDEX],
    columns: &[
        number(atoms::INDEX, Unit::None, |i| Value::Unsigned(i.index.into())),
        bytes(atoms::NAME, |i| Value::Bytes(&i.name)),
        bytes(atoms::KIND, |i| Value::maybe_bytes(i.kind.as_deref())),
        number(atoms::TYPE, Unit::None, |i| Value::Unsigned(i.link_type.into())),
        number(atoms::FLAGS, Unit::None, |i| Value::Unsigned(i.flags.into())),
        number(atoms::MTU, Unit::Bytes, |i| maybe(i.mtu)),
        word(atoms::OPERSTATE, OPERSTATES, |i| match i.operstate {
            Some(n) => Value::Word(OPERSTATES.get(usize::from(n)).copied().unwrap_or(atoms::UNKNOWN)),
            None => Value::Undefined,
        }),
        bytes(atoms::MAC, |i| Value::maybe_bytes(i.mac.as_deref())),
        number(atoms::LINK, Unit::None, |i| nonzero(i.link)),
        number(atoms::MASTER, Unit::None, |i| nonzero(i.master)),
        bytes(atoms::QDISC, |i| Value::maybe_bytes(i.qdisc.as_deref())),
        number(atoms::RX_PACKETS, Unit::None, |i| i.counter(0)),
        number(atoms::TX_PACKETS, Unit::None, |i| i.counter(1)),
        number(atoms::RX_BYTES, Unit::Bytes, |i| i.counter(2)),
        number(atoms::TX_BYTES, Unit::Bytes, |i| i.counter(3)),
        number(atoms::RX_ERRORS, Unit::None, |i| i.counter(4)),
        number(atoms::TX_ERRORS, Unit::None, |i| i.counter(5)),
        number(atoms::RX_DROPPED, Unit::None, |i| i.counter(6)),
        number(atoms::TX_DROPPED, Unit::None, |i| i.counter(7)),
    ],
    open,
};

fn open(wanted: &Wanted<'_, Interface>, _: &mut Context<'_>) -> Opened<Interface> {
    Ok(Lists::of(vec![ask(wanted.any(COUNTER_COLUMNS))], parse))
}

/// The list of all, with their counters or without.
pub(super) fn ask(counters: bool) -> Ask {
    let skip = if counters { 0 } else { SKIP_STATS };
    let numbers = vec![(EXT_MASK, skip)];
    // `struct ifinfomsg`, of any family.
    Ask { kind: GET, answer: GET - 2, family: 0, header: vec![0; 16], numbers }
}

/// Reads an interface.
pub fn parse(bytes: &[u8], rows: &mut VecDeque<Interface>) -> Option<()> {
    let (head, attrs) = bytes.split_first_chunk::<16>()?;
    let [_, _, t0, t1, ..] = *head;
    let mut interface = Interface {
        link_type: u16::from_ne_bytes([t0, t1]),
        index: ne32_at(head, 4)?,
        flags: ne32_at(head, 8)?,
        ..Interface::default()
    };
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        match attr.kind {
            NAME => interface.name = attr.text()?.to_vec(),
            // A tunnel's ends stand here too; an interface without an address has none, or zero bytes of it.
            ADDRESS => interface.mac = Some(attr.value.to_vec()).filter(|mac| !mac.is_empty()),
            MTU => interface.mtu = Some(attr.ne32()?),
            LINK => interface.link = attr.ne32()?,
            QDISC => interface.qdisc = Some(attr.text()?.to_vec()),
            MASTER => interface.master = attr.ne32()?,
            OPERSTATE => interface.operstate = Some(attr.u8()?),
            LINKINFO => {
                let mut kind = attr.attrs().filter(|attr| attr.kind == INFO_KIND);
                interface.kind = kind.next().and_then(|kind| kind.text()).map(<[u8]>::to_vec);
            }
            STATS64 => {
                let mut counters = [0; COUNTERS];
                for (counter, n) in counters.iter_mut().zip(0_usize..) {
                    *counter = ne64_at(attr.value, n.checked_mul(8)?)?;
                }
                interface.counters = Some(counters);
            }
            _ => {}
        }
    }
    if !attrs.is_whole() || interface.name.is_empty() {
        return None;
    }
    rows.push_back(interface);
    Some(())
}
