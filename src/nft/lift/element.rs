//! The elements of anonymous sets and maps, in the order of their values where these have one.
#![forbid(unsafe_code)]

use std::cmp::Ordering;

use super::constant::{self, constant};
use super::number;
use super::register::{Shape, width};
use crate::nft::model::{Elem, Expr, Order, RawData, RawElement, Set, Text, set_flag};
use crate::nft::tables::symbol;
use crate::nft::value::Names;

/// `NFT_SET_ELEM_INTERVAL_END`
const END: u32 = 1;
/// `NFT_SET_ELEM_CATCHALL`
const CATCHALL: u32 = 2;

/// What the elements map to.
pub(super) enum Target<'t> {
    None,
    Verdicts,
    Objects,
    /// Values; with the flag, from the first to the last.
    Values(&'t [Shape], bool),
}

/// The elements; nothing if one cannot be said.
pub(super) fn all(
    names: &dyn Names,
    set: &Set,
    elements: &[RawElement],
    shapes: &[Shape],
    target: &Target<'_>,
) -> Option<Vec<Expr>> {
    let mut sorted: Vec<&RawElement> = elements.iter().filter(|e| e.flags & CATCHALL == 0).collect();
    let interval = set.flags & set_flag::INTERVAL != 0 && shapes.len() == 1;
    let mut out = Vec::with_capacity(elements.len());
    if let (true, [shape]) = (interval, shapes) {
        sorted.sort_by(|a, b| a.key.cmp(&b.key).then(b.flags.cmp(&a.flags)));
        for (index, start) in sorted.iter().enumerate().filter(|(_, e)| e.flags & END == 0) {
            let next = sorted.get(index + 1).and_then(|next| next.key.as_deref());
            let key = interval_key(names, *shape, start.key.as_deref()?, next)?;
            out.push(element(names, key, start, target)?);
        }
    } else {
        // Ranges side by side have no order, and nft leaves them in the kernel's.
        if set.flags & set_flag::INTERVAL == 0 {
            sorted.sort_by(|a, b| compare(shapes, a, b));
        }
        for one in sorted {
            let end = one.key_end.as_deref();
            let key = key(names, shapes, one.key.as_deref()?, end.or(one.key.as_deref())?)?;
            out.push(element(names, key, one, target)?);
        }
    }
    if let Some(rest) = elements.iter().find(|e| e.flags & CATCHALL != 0) {
        out.push(element(names, Expr::Text(Text::Borrowed(b"*")), rest, target)?);
    }
    Some(out)
}

/// The values of elements that are one byte each.
pub(super) fn bytes(elements: &[RawElement]) -> Option<Vec<u8>> {
    elements.iter().map(|e| e.key.as_deref().and_then(|key| key.first().copied())).collect()
}

/// From a beginning up to before the next one.
fn interval_key(names: &dyn Names, shape: Shape, start: &[u8], next: Option<&[u8]>) -> Option<Expr> {
    let used = usize::try_from(shape.len).ok()?;
    if start.len() > 16 || start.len() < used {
        return None;
    }
    let bits = shape.len * 8;
    let first = number::big(start.get(..used)?)?;
    let last = match next {
        Some(next) => number::big(next.get(..used)?)?.checked_sub(1)?,
        None => number::ones(bits),
    };
    if last < first {
        return None;
    }
    if first == last {
        return constant(names, shape, start.get(..used)?);
    }
    if constant::is_text(shape.ty) {
        return begins(names, shape, start.get(..used)?, first, last);
    }
    let (end, len) = number::bytes(last, used, Order::Network);
    constant::range(
        names,
        Shape { order: Order::Network, ..shape },
        start.get(..used)?,
        end.get(..len)?,
        true,
    )
}

/// All texts that begin like that: `eth*`.
fn begins(names: &dyn Names, shape: Shape, start: &[u8], first: u128, last: u128) -> Option<Expr> {
    let bits = number::prefix(first, last, shape.len * 8).filter(|bits| bits % 8 == 0)?;
    constant(names, shape, start.get(..usize::try_from(bits / 8).ok()?)?)
}

/// The parts of a key, each filled up to a multiple of four bytes; ranges where it has an end.
fn key(names: &dyn Names, shapes: &[Shape], from: &[u8], to: &[u8]) -> Option<Expr> {
    let mut parts = Vec::with_capacity(shapes.len());
    let (mut from, mut to) = (from, to);
    for shape in shapes {
        let used = usize::try_from(shape.len).ok()?;
        let (first, last) = (from.get(..used)?, to.get(..used)?);
        parts.push(if first == last {
            constant(names, *shape, first)?
        } else {
            constant::range(names, *shape, first, last, true)?
        });
        let step = width(shape.len) * 4;
        (from, to) = (from.get(step..).unwrap_or(&[]), to.get(step..).unwrap_or(&[]));
    }
    if parts.len() == 1 { parts.pop() } else { Some(Expr::Concat(parts)) }
}

/// By the values of the parts, one after the other.
fn compare(shapes: &[Shape], a: &RawElement, b: &RawElement) -> Ordering {
    let (mut a, mut b) = (a.key.as_deref().unwrap_or(&[]), b.key.as_deref().unwrap_or(&[]));
    for shape in shapes {
        let used = usize::try_from(shape.len).unwrap_or(0);
        let (x, y) = (a.get(..used).unwrap_or(a), b.get(..used).unwrap_or(b));
        let order = rank(*shape, x).cmp(&rank(*shape, y)).then_with(|| x.cmp(y));
        if order != Ordering::Equal {
            return order;
        }
        let step = width(shape.len) * 4;
        (a, b) = (a.get(step..).unwrap_or(&[]), b.get(step..).unwrap_or(&[]));
    }
    Ordering::Equal
}

fn rank(shape: Shape, bytes: &[u8]) -> u128 {
    let order = if constant::is_text(shape.ty) { Order::Network } else { shape.order };
    let value = number::number(bytes, order).unwrap_or(0);
    // nft sorts flags by the first of them.
    if symbol::is_flags(shape.ty) && value != 0 { 1 << value.trailing_zeros() } else { value }
}

fn element(names: &dyn Names, key: Expr, raw: &RawElement, target: &Target<'_>) -> Option<Expr> {
    let more = raw.comment.is_some() || raw.timeout_ms.is_some() || raw.expires_ms.is_some();
    let key = if more || !raw.statements.is_empty() {
        Expr::Elem(Box::new(Elem {
            value: key,
            timeout_ms: raw.timeout_ms,
            expires_ms: raw.expires_ms,
            comment: raw.comment.clone(),
            statements: raw.statements.clone(),
        }))
    } else {
        key
    };
    let data = match (target, &raw.data) {
        (Target::None, None) => return Some(key),
        (Target::Verdicts, Some(RawData::Verdict(verdict))) => Expr::Verdict(verdict.clone()),
        (Target::Objects, Some(RawData::Object(name))) => Expr::Text(name.clone()),
        (Target::Values(shapes, ranges), Some(RawData::Value(data))) => values(names, shapes, data, *ranges)?,
        _ => return None,
    };
    Some(Expr::Pair(Box::new([key, data])))
}

/// The data of a map; from the first to the last where it has two of each.
fn values(names: &dyn Names, shapes: &[Shape], data: &[u8], ranges: bool) -> Option<Expr> {
    let size: usize = match shapes {
        [only] if !ranges => usize::try_from(only.len).ok()?,
        _ => shapes.iter().map(|shape| width(shape.len) * 4).sum(),
    };
    let (from, to) = match ranges {
        true => data.split_at_checked(size)?,
        false => (data, data),
    };
    if !ranges || from.len() <= to.len().next_multiple_of(4) {
        return data_parts(names, shapes, from, to, ranges);
    }
    None
}

fn data_parts(names: &dyn Names, shapes: &[Shape], from: &[u8], to: &[u8], ranges: bool) -> Option<Expr> {
    let mut parts = Vec::with_capacity(shapes.len());
    let (mut from, mut to) = (from, to);
    for shape in shapes {
        let used = usize::try_from(shape.len).ok()?;
        let (first, last) = (from.get(..used)?, to.get(..used)?);
        // Address translation lists an address as the prefix that it is.
        let prefix = ranges && shapes.len() == 1 && first == last;
        parts.push(match first == last {
            true if prefix && constant::has_prefixes(shape.ty) => {
                constant::range(names, *shape, first, last, true)?
            }
            true => constant(names, *shape, first)?,
            false => constant::range(names, *shape, first, last, true)?,
        });
        let step = width(shape.len) * 4;
        (from, to) = (from.get(step..).unwrap_or(&[]), to.get(step..).unwrap_or(&[]));
    }
    if parts.len() == 1 { parts.pop() } else { Some(Expr::Concat(parts)) }
}
