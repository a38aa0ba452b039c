//! A ban as a row.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::nft::intervals::{self, Interval};
use crate::nft::model::{Counter, Statement};
use crate::nft::object::member::Member;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// `inet:ip_address()`, leading bits, milliseconds (`undefined`: for ever), milliseconds that are left, a comment, what was dropped.
pub const COLUMNS: &[Atom] = &[
    atoms::ADDRESS,
    atoms::PREFIX,
    atoms::TIMEOUT,
    atoms::EXPIRES,
    atoms::COMMENT,
    atoms::PACKETS,
    atoms::BYTES,
];

/// Writes the row. What somebody else put into the set and is no prefix has `undefined` bits.
pub fn write(member: &Member, w: &mut Writer) {
    let low = member.first.key.as_deref().unwrap_or_default();
    let first = intervals::number(low).unwrap_or(0);
    let width = u32::try_from(low.len()).unwrap_or(16).saturating_mul(8);
    let end = member.end.as_ref().and_then(|end| intervals::number(end.key.as_deref()?)?.checked_sub(1));
    let last = if member.end.is_some() { end } else { intervals::low_bits(width) };
    let bits = last.and_then(|last| Interval::new(first, last)).and_then(|interval| interval.prefix(width));
    w.tuple(COLUMNS.len());
    address(first, width, w);
    optional(bits.map(u64::from), w);
    optional(member.first.timeout_ms, w);
    optional(member.first.expires_ms, w);
    match &member.first.comment {
        Some(comment) => w.binary(comment),
        None => w.atom(atoms::UNDEFINED),
    }
    let counter = member.first.statements.iter().find_map(|statement| match statement {
        Statement::Counter(counter) => Some(*counter),
        _ => None,
    });
    let Counter { packets, bytes } = counter.unwrap_or_default();
    w.uint(packets);
    w.uint(bytes);
}

fn optional(value: Option<u64>, w: &mut Writer) {
    match value {
        Some(value) => w.uint(value),
        None => w.atom(atoms::UNDEFINED),
    }
}

fn address(number: u128, width: u32, w: &mut Writer) {
    match u32::try_from(number) {
        Ok(number) if width == 32 => {
            w.tuple(4);
            Ipv4Addr::from(number).octets().iter().for_each(|part| w.uint(u64::from(*part)));
        }
        _ => {
            w.tuple(8);
            Ipv6Addr::from(number).segments().iter().for_each(|part| w.uint(u64::from(*part)));
        }
    }
}
