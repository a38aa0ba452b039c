//! The table `addresses`: `RTM_GETADDR` (rtnetlink(7), include/uapi/linux/if_addr.h), as `ip address` shows them.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::net::IpAddr;

use super::route::{self, Ask, FAMILIES, Lists, SCOPE_WORDS, SCOPES};
use super::row::maybe;
use super::table::{address, bytes, number, word};
use crate::netlink::attr::{Attrs, ne32_at};
use crate::op::Role;
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// `RTM_GETADDR`.
const GET: u16 = 22;

/// Attributes: `IFA_ADDRESS`, `LOCAL`, `LABEL`, `BROADCAST`, `CACHEINFO`, `FLAGS`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const LABEL: u16 = 3;
const BROADCAST: u16 = 4;
const CACHEINFO: u16 = 6;
const FLAGS: u16 = 8;

/// One address of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    family: u8,
    address: Option<IpAddr>,
    peer: Option<IpAddr>,
    broadcast: Option<IpAddr>,
    prefix_length: u8,
    interface: u32,
    scope: u8,
    flags: u32,
    label: Option<Vec<u8>>,
    /// Seconds for which it is preferred, and valid.
    lifetimes: Option<(u32, u32)>,
}

/// The table.
pub static TABLE: TableOf<Address> = TableOf {
    name: atoms::ADDRESSES,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerRow,
    source: atoms::RTNETLINK,
    key: &[atoms::INTERFACE, atoms::FAMILY, atoms::ADDRESS, atoms::PREFIX_LENGTH],
    columns: &[
        word(atoms::FAMILY, FAMILIES, |a| route::family(a.family)),
        address(atoms::ADDRESS, |a| a.address.map_or(Value::Undefined, Value::Address)),
        number(atoms::PREFIX_LENGTH, Unit::None, |a| Value::Unsigned(a.prefix_length.into())),
        number(atoms::INTERFACE, Unit::None, |a| Value::Unsigned(a.interface.into())),
        word(atoms::SCOPE, SCOPE_WORDS, |a| route::named(a.scope, SCOPES)),
        address(atoms::PEER, |a| a.peer.map_or(Value::Undefined, Value::Address)),
        address(atoms::BROADCAST, |a| a.broadcast.map_or(Value::Undefined, Value::Address)),
        bytes(atoms::LABEL, |a| Value::maybe_bytes(a.label.as_deref())),
        number(atoms::FLAGS, Unit::None, |a| Value::Unsigned(a.flags.into())),
        number(atoms::PREFERRED_LIFETIME, Unit::Seconds, |a| maybe(finite(a.lifetimes.map(|l| l.0)))),
        number(atoms::VALID_LIFETIME, Unit::Seconds, |a| maybe(finite(a.lifetimes.map(|l| l.1)))),
    ],
    open,
};

/// All bits: for ever.
fn finite(seconds: Option<u32>) -> Option<u32> {
    seconds.filter(|seconds| *seconds != u32::MAX)
}

fn open(wanted: &Wanted<'_, Address>, _: &mut Context<'_>) -> Opened<Address> {
    // `struct ifaddrmsg`.
    Ok(Lists::of(Ask::families(wanted, GET, 8), parse))
}

/// Reads an address. On a link with two ends `IFA_LOCAL` is this end and `IFA_ADDRESS` the other; else there may be one of them.
pub fn parse(bytes: &[u8], rows: &mut VecDeque<Address>) -> Option<()> {
    let (head, attrs) = bytes.split_first_chunk::<8>()?;
    let [family, prefix_length, flags, scope, ..] = *head;
    let interface = ne32_at(head, 4)?;
    let mut row =
        Address { family, prefix_length, scope, interface, flags: flags.into(), ..Address::default() };
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        let address = || route::address(family, attr.value);
        match attr.kind {
            ADDRESS => row.peer = Some(address()?),
            LOCAL => row.address = Some(address()?),
            LABEL => row.label = Some(attr.text()?.to_vec()),
            BROADCAST => row.broadcast = Some(address()?),
            CACHEINFO => row.lifetimes = Some((ne32_at(attr.value, 0)?, ne32_at(attr.value, 4)?)),
            FLAGS => row.flags = attr.ne32()?,
            _ => {}
        }
    }
    if !attrs.is_whole() {
        return None;
    }
    if row.address.is_none() || row.address == row.peer {
        row.address = row.address.or(row.peer);
        row.peer = None;
    }
    row.address?;
    rows.push_back(row);
    Some(())
}
