//! The table, its sets, its chain and its rules; and what of a set is near a network.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use super::args::Network;
use super::plan::Held;
use crate::netlink::attr::Attrs;
use crate::nft::change::World;
use crate::nft::intervals::{self, Interval};
use crate::nft::kernel::{self, KExpr};
use crate::nft::model::{
    BaseChain, Chain, Command, Counter, Creation, Datum, Expr, Family, MapData, Match, Order, Part, Place,
    RawElement, Relation, Rule, Set, Statement, Table, TableRef, Text, Type, Verdict, set_flag,
};
use crate::nft::object::element::{self, Of};
use crate::nft::object::member::{Member, members};
use crate::nft::object::{chain, message, rule};
use crate::nft::tables::field;
use crate::nft::transport::dump::Dump;
use crate::nft::transport::{Error, Link, get, kind};

/// The name of the table.
pub const TABLE: &str = "portcullis";

/// The chain that drops.
const CHAIN: &[u8] = b"banned";

/// Before connection tracking, so that what is dropped costs nothing more (`NF_IP_PRI_RAW`).
const PRIORITY: i32 = -300;

/// The table.
#[must_use]
pub fn table() -> TableRef {
    TableRef { family: Family::Inet, name: Text::Borrowed(TABLE.as_bytes()) }
}

/// The name of the set for addresses of that width.
#[must_use]
pub fn set_name(width: u32) -> &'static str {
    if width == 32 { "banned4" } else { "banned6" }
}

/// What there is.
#[derive(Debug, Default)]
pub struct Near {
    /// The sets that are there, by the width of their addresses.
    pub sets: HashSet<u32>,
    /// The chain is there.
    pub chain: bool,
    /// The sets that a rule of the chain looks into.
    pub rules: HashSet<u32>,
    /// What overlaps the network, in order.
    pub held: Vec<Held>,
}

/// Looks around a network. One address is looked up; only for a larger network the set is read.
pub fn near(link: &mut Link, network: &Network) -> Result<Near, Error> {
    let mut near = Near::default();
    let world = World::new(link);
    for width in [32, 128] {
        if let Some(set) = world.set(&table(), set_name(width).as_bytes())? {
            if width == network.width() {
                let mut link = world.link();
                let found = if network.bits == width { single(&mut link, network)? } else { None };
                let raw = match found {
                    Some(raw) => raw,
                    None => all(&mut link, width)?,
                };
                let whole = members(&set, raw);
                near.held = whole.iter().filter_map(held).collect();
            }
            near.sets.insert(width);
        }
    }
    near.held.retain(|held| held.interval.overlaps(&network.interval()));
    let mut link = world.link();
    near.chain = chain_is_there(&mut link)?;
    if near.chain {
        near.rules = looked_into(&mut link)?;
    }
    Ok(near)
}

fn held(member: &Member) -> Option<Held> {
    let low = member.first.key.as_ref()?;
    let first = intervals::number(low)?;
    let last = match &member.end {
        Some(end) => intervals::number(end.key.as_ref()?)?.checked_sub(1)?,
        None => intervals::low_bits(u32::try_from(low.len()).ok()?.checked_mul(8)?)?,
    };
    let left = member.first.timeout_ms.map(|_| member.first.expires_ms.unwrap_or(0).div_ceil(1000).max(1));
    let comment = member.first.comment.as_ref().map(|c| c.to_vec());
    Some(Held { interval: Interval::new(first, last)?, left, comment })
}

/// The element around one address; nothing where only the whole set can tell. Where intervals stand side by side, one's end and the
/// next one's beginning have the same key, and the kernel answers for either.
fn single(link: &mut Link, network: &Network) -> Result<Option<Vec<RawElement>>, Error> {
    let Interval { first, last } = network.interval();
    let found = one(link, network.width(), first, last)?;
    let is_end = |element: &&RawElement| element.flags & element::flag::INTERVAL_END != 0;
    let number = |element: &RawElement| element.key.as_deref().and_then(intervals::number);
    let begins = found.iter().find(|e| !is_end(e)).and_then(number);
    let Some(begins) = begins else { return Ok(found.is_empty().then_some(found)) };
    let Some(inside) = found.iter().find(is_end).and_then(number).and_then(|end| end.checked_sub(1)) else {
        return Ok(None);
    };
    let again = one(link, network.width(), inside, inside)?;
    let same = again.iter().find(|e| !is_end(e)).and_then(number) == Some(begins);
    Ok(same.then_some(found))
}

/// What the kernel has around an address: a beginning and an end.
fn one(link: &mut Link, width: u32, first: u128, last: u128) -> Result<Vec<RawElement>, Error> {
    let bytes = usize::try_from(width / 8).unwrap_or(16);
    let low = RawElement { key: intervals::key(first, bytes), ..RawElement::default() };
    let next = last.checked_add(1).and_then(|next| intervals::key(next, bytes));
    let end = next.map(|key| RawElement {
        key: Some(key),
        flags: element::flag::INTERVAL_END,
        ..RawElement::default()
    });
    let name = set_name(width);
    let of = Of { table: TABLE.as_bytes(), set: name.as_bytes(), set_id: None };
    let mut asked = std::iter::once(low).chain(end).peekable();
    let answer = get::point(link, number(message::GET_ELEMENT), Family::Inet.number(), |buffer| {
        // Two keys of an address fit into a message.
        let _ = element::encode(&of, &mut asked, buffer);
    });
    match answer {
        Ok(answer) => {
            let found = answer.messages().flat_map(|m| element::elements(m.body));
            Ok(found.map(|attr| element::decode(&attr).0).collect())
        }
        Err(Error::Refused(refusal)) if refusal.errno == libc::ENOENT => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

fn all(link: &mut Link, width: u32) -> Result<Vec<RawElement>, Error> {
    let mut found = Vec::new();
    let name = set_name(width);
    let mut dump = Dump::start(link, number(message::GET_ELEMENT), Family::Inet.number(), |buffer| {
        buffer.put_text(1, TABLE.as_bytes());
        buffer.put_text(2, name.as_bytes());
    })?;
    while let Some(messages) = dump.next(link)? {
        found.extend(messages.flat_map(|m| element::elements(m.body)).map(|attr| element::decode(&attr).0));
    }
    Ok(found)
}

fn chain_is_there(link: &mut Link) -> Result<bool, Error> {
    let family = Family::Inet.number();
    let answer = get::point(link, number(message::GET_CHAIN), family, |buffer| {
        buffer.put_text(1, TABLE.as_bytes());
        buffer.put_text(3, CHAIN);
    });
    match answer {
        Ok(answer) => Ok(answer.messages().any(|m| chain::decode(family, m.body).is_some())),
        Err(Error::Refused(refusal)) if refusal.errno == libc::ENOENT => Ok(false),
        Err(e) => Err(e),
    }
}

/// The sets that the chain's rules look into: a chain that somebody has flushed keeps nobody out.
fn looked_into(link: &mut Link) -> Result<HashSet<u32>, Error> {
    let mut widths = HashSet::new();
    let mut dump = Dump::start(link, number(message::GET_RULE), Family::Inet.number(), |buffer| {
        buffer.put_text(1, TABLE.as_bytes());
        buffer.put_text(2, CHAIN);
    })?;
    while let Some(messages) = dump.next(link)? {
        for message in messages {
            let Some(raw) = rule::decode(message.body) else { continue };
            let mut expressions = Vec::new();
            kernel::decode(Attrs::new(raw.expressions), &mut expressions);
            for expression in &expressions {
                if let KExpr::Lookup { set, .. } = expression {
                    widths.extend([32, 128].iter().filter(|w| set_name(**w).as_bytes() == set.as_ref()));
                }
            }
        }
    }
    Ok(widths)
}

/// The commands that make what is missing.
#[must_use]
pub fn set_up(near: &Near) -> Vec<Command<'static>> {
    let mut commands = Vec::new();
    let missing =
        |has: &HashSet<u32>| [32_u32, 128].into_iter().filter(|w| !has.contains(w)).collect::<Vec<_>>();
    if near.sets.is_empty() && !near.chain {
        let table = Table { id: table(), handle: None, flags: 0, comment: None };
        commands.push(Command::Add(Creation::Table(table)));
    }
    for width in missing(&near.sets) {
        commands.push(Command::Add(Creation::Set(Box::new(set(width)), None)));
    }
    if !near.chain {
        commands.push(Command::Add(Creation::Chain(base_chain())));
    }
    for width in missing(&near.rules) {
        commands.push(Command::Append(drop_rule(width), Place::Edge));
    }
    commands
}

fn set(width: u32) -> Set {
    let ty = if width == 32 { Type::Ipv4Addr } else { Type::Ipv6Addr };
    let data: Option<MapData> = None;
    Set {
        table: table(),
        name: Text::Borrowed(set_name(width).as_bytes()),
        handle: None,
        key: Datum { parts: vec![Part { ty, bits: width, order: Order::Network }], of: None },
        data,
        flags: set_flag::INTERVAL | set_flag::TIMEOUT,
        timeout_ms: None,
        gc_ms: None,
        size: None,
        policy: None,
        auto_merge: false,
        comment: None,
        statements: vec![Statement::Counter(Counter::default())],
    }
}

fn base_chain() -> Chain {
    let base = BaseChain {
        kind: Text::Borrowed(b"filter"),
        // NF_INET_PRE_ROUTING: what is forwarded is meant too.
        hook: 0,
        priority: PRIORITY,
        accepts: Some(true),
        devices: Vec::new(),
        offload: false,
    };
    Chain { table: table(), name: Text::Borrowed(CHAIN), handle: None, base: Some(base), comment: None }
}

fn drop_rule(width: u32) -> Rule {
    let protocol: &[u8] = if width == 32 { b"ip" } else { b"ip6" };
    let compared = field(protocol, b"saddr").map(|source| {
        Statement::Match(Match {
            op: Relation::Equal,
            left: Expr::Payload(source),
            right: Expr::SetRef(Text::Borrowed(set_name(width).as_bytes())),
        })
    });
    let statements = compared
        .into_iter()
        .chain([Statement::Counter(Counter::default()), Statement::Verdict(Verdict::Drop)])
        .collect();
    Rule { table: table(), chain: Text::Borrowed(CHAIN), handle: None, statements, comment: None }
}

fn number(of: u16) -> u16 {
    kind(u8::try_from(of).unwrap_or(u8::MAX))
}
