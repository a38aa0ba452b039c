//! What there is of the table of bans, and what of a set is near a network.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use super::args::Network;
use super::plan::Held;
use super::table::{CHAIN, TABLE, set_name, table};
use crate::netlink::attr::Attrs;
use crate::nft::change::World;
use crate::nft::elements;
use crate::nft::intervals::{self, Interval};
use crate::nft::kernel::{self, KExpr};
use crate::nft::model::{Family, RawElement};
use crate::nft::object::element;
use crate::nft::object::member::{Member, members};
use crate::nft::object::{chain, message, rule};
use crate::nft::transport::dump::Dump;
use crate::nft::transport::{Error, Link, get, kind};

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
                    None => {
                        elements::near(&mut link, &table(), set_name(width).as_bytes(), network.interval())?
                    }
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
    let left = member.first.timeout_ms.map(|_| member.first.expires_ms.unwrap_or(0).div_ceil(1000).max(1));
    let comment = member.first.comment.as_ref().map(|c| c.to_vec());
    Some(Held { interval: elements::interval(member)?, left, comment })
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
    let asked = Interval::new(first, last).into_iter().flat_map(|one| elements::of_interval(one, bytes));
    elements::around(link, &table(), set_name(width).as_bytes(), asked)
}

fn chain_is_there(link: &mut Link) -> Result<bool, Error> {
    let family = Family::Inet.number();
    let answer = get::point(link, kind(message::GET_CHAIN), family, |buffer| {
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
    let mut dump = Dump::start(link, kind(message::GET_RULE), Family::Inet.number(), |buffer| {
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
