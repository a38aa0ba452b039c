//! The table `routes`: `RTM_GETROUTE` (rtnetlink(7)), as `ip route show table all` shows them. A route of several hops is a
//! row for each of them.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::plan::INET;
use super::route::{self, Ask, FAMILIES, Lists, SCOPE_WORDS, SCOPES};
use super::row::{maybe, nonzero};
use super::table::{address, number, word};
use crate::netlink::attr::{Attr, Attrs, ne32_at};
use crate::op::Role;
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// `RTM_GETROUTE`.
const GET: u16 = 26;

/// Attributes: `RTA_DST`, `OIF`, `GATEWAY`, `PRIORITY`, `PREFSRC`, `MULTIPATH`, `TABLE`, `VIA`, `NH_ID`.
const DESTINATION: u16 = 1;
const OIF: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const PREFSRC: u16 = 7;
const MULTIPATH: u16 = 9;
const TABLE_ID: u16 = 15;
const VIA: u16 = 18;
const NEXTHOP: u16 = 30;

/// `RTM_F_CLONED`: what the kernel keeps for a single destination, which nobody made.
const CLONED: u32 = 0x200;

/// Who made it (`RTPROT_*`; above 4 the kernel only keeps it).
const PROTOCOLS: &[(u8, Atom)] = &[
    (0, atoms::UNSPEC),
    (1, atoms::REDIRECT),
    (2, atoms::KERNEL),
    (3, atoms::BOOT),
    (4, atoms::STATIC),
    (9, atoms::RA),
    (11, atoms::ZEBRA),
    (12, atoms::BIRD),
    (16, atoms::DHCP),
    (18, atoms::KEEPALIVED),
    (186, atoms::BGP),
    (187, atoms::ISIS),
    (188, atoms::OSPF),
    (189, atoms::RIP),
    (192, atoms::EIGRP),
];

const PROTOCOL_WORDS: &[Atom] = &[
    atoms::UNSPEC,
    atoms::REDIRECT,
    atoms::KERNEL,
    atoms::BOOT,
    atoms::STATIC,
    atoms::RA,
    atoms::ZEBRA,
    atoms::BIRD,
    atoms::DHCP,
    atoms::KEEPALIVED,
    atoms::BGP,
    atoms::ISIS,
    atoms::OSPF,
    atoms::RIP,
    atoms::EIGRP,
];

/// `RTN_*`, from 0.
const TYPES: &[Atom] = &[
    atoms::UNSPEC,
    atoms::UNICAST,
    atoms::LOCAL,
    atoms::BROADCAST,
    atoms::ANYCAST,
    atoms::MULTICAST,
    atoms::BLACKHOLE,
    atoms::UNREACHABLE,
    atoms::PROHIBIT,
    atoms::THROW,
    atoms::NAT,
    atoms::XRESOLVE,
];

/// One hop of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    family: u8,
    destination: IpAddr,
    prefix_length: u8,
    table: u32,
    protocol: u8,
    scope: u8,
    kind: u8,
    gateway: Option<IpAddr>,
    interface: u32,
    prefsrc: Option<IpAddr>,
    metric: Option<u32>,
    flags: u32,
    tos: u8,
    weight: Option<u16>,
    nexthop: u32,
}

/// The table.
pub static TABLE: TableOf<Route> = TableOf {
    name: atoms::ROUTES,
    roles: &[Role::Proc],
    capabilities: &[],
    cost: Cost::PerRow,
    source: atoms::RTNETLINK,
    key: &[
        atoms::FAMILY,
        atoms::DESTINATION,
        atoms::PREFIX_LENGTH,
        atoms::TABLE,
        atoms::TOS,
        atoms::METRIC,
        atoms::INTERFACE,
        atoms::GATEWAY,
    ],
    columns: &[
        word(atoms::FAMILY, FAMILIES, |r| route::family(r.family)),
        address(atoms::DESTINATION, |r| Value::Address(r.destination)),
        number(atoms::PREFIX_LENGTH, Unit::None, |r| Value::Unsigned(r.prefix_length.into())),
        number(atoms::TABLE, Unit::None, |r| Value::Unsigned(r.table.into())),
        word(atoms::PROTOCOL, PROTOCOL_WORDS, |r| route::named(r.protocol, PROTOCOLS)),
        word(atoms::SCOPE, SCOPE_WORDS, |r| route::named(r.scope, SCOPES)),
        word(atoms::TYPE, TYPES, |r| {
            TYPES.get(usize::from(r.kind)).map_or(Value::Unsigned(r.kind.into()), |word| Value::Word(*word))
        }),
        address(atoms::GATEWAY, |r| r.gateway.map_or(Value::Undefined, Value::Address)),
        number(atoms::INTERFACE, Unit::None, |r| nonzero(r.interface)),
        address(atoms::PREFSRC, |r| r.prefsrc.map_or(Value::Undefined, Value::Address)),
        number(atoms::METRIC, Unit::None, |r| maybe(r.metric)),
        number(atoms::FLAGS, Unit::None, |r| Value::Unsigned(r.flags.into())),
        number(atoms::TOS, Unit::None, |r| Value::Unsigned(r.tos.into())),
        number(atoms::WEIGHT, Unit::None, |r| maybe(r.weight)),
        number(atoms::NEXTHOP_ID, Unit::None, |r| nonzero(r.nexthop)),
    ],
    open,
};

fn open(wanted: &Wanted<'_, Route>, _: &mut Context<'_>) -> Opened<Route> {
    // `struct rtmsg`.
    Ok(Lists::of(Ask::families(wanted, GET, 12), parse))
}

/// Reads a route, and its hops.
pub fn parse(bytes: &[u8], rows: &mut VecDeque<Route>) -> Option<()> {
    let (head, attrs) = bytes.split_first_chunk::<12>()?;
    let [family, prefix_length, _, tos, table, protocol, scope, kind, ..] = *head;
    let flags = ne32_at(head, 8)?;
    let any = if family == INET { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let mut route = Route {
        family,
        destination: any,
        prefix_length,
        table: table.into(),
        protocol,
        scope,
        kind,
        gateway: None,
        interface: 0,
        prefsrc: None,
        metric: None,
        flags,
        tos,
        weight: None,
        nexthop: 0,
    };
    let mut hops = None;
    let mut attrs = Attrs::new(attrs);
    for attr in attrs.by_ref() {
        match attr.kind {
            DESTINATION => route.destination = route::address(family, attr.value)?,
            OIF => route.interface = attr.ne32()?,
            GATEWAY | VIA => route.gateway = Some(gateway(family, &attr)?),
            PRIORITY => route.metric = Some(attr.ne32()?),
            PREFSRC => route.prefsrc = Some(route::address(family, attr.value)?),
            MULTIPATH => hops = Some(attr.value),
            TABLE_ID => route.table = attr.ne32()?,
            NEXTHOP => route.nexthop = attr.ne32()?,
            _ => {}
        }
    }
    if !attrs.is_whole() {
        return None;
    }
    if flags & CLONED != 0 {
        return Some(());
    }
    match hops {
        None => rows.push_back(route),
        Some(hops) => rows.extend(each_hop(hops, &route)?),
    }
    Some(())
}

/// `RTA_GATEWAY` has an address of the route's family, `RTA_VIA` names the family first.
fn gateway(family: u8, attr: &Attr<'_>) -> Option<IpAddr> {
    if attr.kind == GATEWAY {
        return route::address(family, attr.value);
    }
    let ([f0, f1], address) = attr.value.split_first_chunk()?;
    route::address(u8::try_from(u16::from_ne_bytes([*f0, *f1])).ok()?, address)
}

/// `struct rtnexthop`: length, flags, the weight less 1, the interface; then attributes, and padding to four.
fn each_hop(mut bytes: &[u8], route: &Route) -> Option<Vec<Route>> {
    let mut hops = Vec::new();
    while !bytes.is_empty() {
        let (head, _) = bytes.split_first_chunk::<8>()?;
        let [l0, l1, flags, weight, ..] = *head;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let mut hop = route.clone();
        hop.interface = ne32_at(head, 4)?;
        hop.weight = Some(u16::from(weight).saturating_add(1));
        hop.flags |= u32::from(flags);
        let mut attrs = Attrs::new(bytes.get(8..length)?);
        for attr in attrs.by_ref() {
            if matches!(attr.kind, GATEWAY | VIA) {
                hop.gateway = Some(gateway(route.family, &attr)?);
            }
        }
        if !attrs.is_whole() {
            return None;
        }
        hops.push(hop);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(hops)
}
