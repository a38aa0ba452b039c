//! The table `neighbours`: `RTM_GETNEIGH` (rtnetlink(7), include/uapi/linux/neighbour.h), as `ip neighbour show nud all` shows
//! them: who was found, or looked for, on the links of this host.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::net::IpAddr;

use super::route::{self, Ask, FAMILIES, Lists};
use super::table::{address, bytes, number, word};
use crate::netlink::attr::{Attrs, ne32_at};
use crate::op::Role;
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// `RTM_GETNEIGH`.
const GET: u16 = 30;

/// Attributes: `NDA_DST`, `NDA_LLADDR`.
const DESTINATION: u16 = 1;
const MAC: u16 = 2;

/// The words of `state` by their bit (`NUD_*`).
const STATES: &[(u16, Atom)] = &[
    (0x00, atoms::NONE),
    (0x01, atoms::INCOMPLETE),
    (0x02, atoms::REACHABLE),
    (0x04, atoms::STALE),
    (0x08, atoms::DELAY),
    (0x10, atoms::PROBE),
    (0x20, atoms::FAILED),
    (0x40, atoms::NOARP),
    (0x80, atoms::PERMANENT),
];

const STATE_WORDS: &[Atom] = &[
    atoms::NONE,
    atoms::INCOMPLETE,
    atoms::REACHABLE,
    atoms::STALE,
    atoms::DELAY,
    atoms::PROBE,
    atoms::FAILED,
    atoms::NOARP,
    atoms::PERMANENT,
    atoms::UNKNOWN,
];

/// One neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    family: u8,
    address: IpAddr,
    interface: u32,
    mac: Option<Vec<u8>>,
    state: u16,
    flags: u8,
}

/// The table.
pub static TABLE: TableOf<Neighbour> = TableOf {
    name: atoms::NEIGHBOURS,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerRow,
    source: atoms::RTNETLINK,
    key: &[atoms::INTERFACE, atoms::FAMILY, atoms::ADDRESS],
    columns: &[
        word(atoms::FAMILY, FAMILIES, |n| route::family(n.family)),
        address(atoms::ADDRESS, |n| Value::Address(n.address)),
        number(atoms::INTERFACE, Unit::None, |n| Value::Unsigned(n.interface.into())),
        bytes(atoms::MAC, |n| Value::maybe_bytes(n.mac.as_deref())),
        word(atoms::STATE, STATE_WORDS, |n| {
            let word = STATES.iter().find(|(bit, _)| *bit == n.state);
            Value::Word(word.map_or(atoms::UNKNOWN, |(_, word)| *word))
        }),
        number(atoms::FLAGS, Unit::None, |n| Value::Unsigned(n.flags.into())),
    ],
    open,
};

fn open(wanted: &Wanted<'_, Neighbour>, _: &mut Context<'_>) -> Opened<Neighbour> {
    // `struct ndmsg`.
    Ok(Lists::of(Ask::families(wanted, GET, 12), parse))
}

/// Reads a neighbour.
pub fn parse(bytes: &[u8], rows: &mut VecDeque<Neighbour>) -> Option<()> {
    let (head, attrs) = bytes.split_first_chunk::<12>()?;
    let [family, _, _, _, _, _, _, _, s0, s1, flags, _] = *head;
    let (mut address, mut mac) = (None, None);
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        match attr.kind {
            DESTINATION => address = Some(route::address(family, attr.value)?),
            MAC => mac = Some(attr.value.to_vec()),
            _ => {}
        }
    }
    if !attrs.is_whole() {
        return None;
    }
    let (address, state) = (address?, u16::from_ne_bytes([s0, s1]));
    rows.push_back(Neighbour { family, address, interface: ne32_at(head, 4)?, mac, state, flags });
    Some(())
}
