//! Elements as the schema says them, and as the kernel keeps them: a value, a range or a prefix becomes a beginning and an end
//! in a set of intervals, two keys in a set of concatenated intervals, and one key in any other.
#![forbid(unsafe_code)]

use super::{element::flag, types};
use crate::nft::intervals::{self, Interval};
use crate::nft::model::{
    Datum, Elem, Expr, MapData, Order, Part, RawData, RawElement, Set, Text, Type, set_flag,
};
use crate::nft::value::{self, BadValue};

/// What is wrong with an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadElement {
    /// A part of the key or of the data (from 0) has a wrong value.
    Value(usize, BadValue),
    /// Another form belongs here.
    Expected(&'static str),
    /// A range that ends before it begins, or a prefix with bits behind it.
    Backwards,
}

/// An element of the kernel: one, or the beginning and the end of an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The element, or the beginning.
    pub first: RawElement,
    /// The end, which is no longer inside. An interval that goes to the last key has none.
    pub end: Option<RawElement>,
}

impl Member {
    /// In the order in which they are added.
    pub fn into_elements(self) -> impl Iterator<Item = RawElement> {
        std::iter::once(self.first).chain(self.end)
    }
}

/// Whether elements of the set are a beginning and an end.
#[must_use]
pub fn is_halved(set: &Set) -> bool {
    set.flags & set_flag::INTERVAL != 0 && set.key.parts.len() == 1
}

/// An element of the schema as the kernel's.
///
/// # Errors
/// If it is not of the set's types.
pub fn element_of(set: &Set, expr: &Expr) -> Result<Member, BadElement> {
    let (key, data) = match expr {
        Expr::Pair(pair) => {
            let [key, data] = &**pair;
            (key, Some(data))
        }
        key => (key, None),
    };
    // Timeout and comment can stand around the key or around the pair.
    if let (Expr::Elem(elem), None) = (key, data) {
        if let Expr::Pair(_) = elem.value {
            let mut member = element_of(set, &elem.value)?;
            describe(&mut member.first, elem);
            return Ok(member);
        }
    }
    let (value, elem) = match key {
        Expr::Elem(elem) => (&elem.value, Some(elem)),
        value => (value, None),
    };
    let mut member = keys(set, value)?;
    member.first.data = match (&set.data, data) {
        (None, None) => None,
        (None, Some(_)) => return Err(BadElement::Expected("key")),
        // An element is deleted by its key alone.
        (Some(_), None) => None,
        (Some(kind), Some(data)) => Some(mapped(kind, data)?),
    };
    if let Some(elem) = elem {
        describe(&mut member.first, elem);
    }
    Ok(member)
}

fn describe(element: &mut RawElement, elem: &Elem) {
    element.timeout_ms = elem.timeout_ms;
    element.expires_ms = elem.expires_ms;
    element.comment.clone_from(&elem.comment);
    element.statements.clone_from(&elem.statements);
}

fn keys(set: &Set, value: &Expr) -> Result<Member, BadElement> {
    let mut first = RawElement::default();
    if matches!(value, Expr::Text(text) if **text == *b"*") {
        first.flags = flag::CATCH_ALL;
        return Ok(Member { first, end: None });
    }
    let interval = set.flags & set_flag::INTERVAL != 0;
    match set.key.parts.as_slice() {
        [part] if interval => {
            let (low, high) = bounds(*part, value, 0)?;
            let end = intervals::number(&high).and_then(|last| last.checked_add(1));
            let end = end.and_then(|next| intervals::key(next, high.len()));
            first.key = Some(low);
            let end = end.map(|key| RawElement {
                key: Some(key),
                flags: flag::INTERVAL_END,
                ..RawElement::default()
            });
            Ok(Member { first, end })
        }
        parts if interval => {
            let (low, high) = concatenated(parts, value, bounds)?;
            first.key = Some(low);
            first.key_end = Some(high);
            Ok(Member { first, end: None })
        }
        parts => {
            first.key = Some(plain(parts, value)?);
            Ok(Member { first, end: None })
        }
    }
}

/// A value without ranges, of one part or several.
fn plain(parts: &[Part], value: &Expr) -> Result<Vec<u8>, BadElement> {
    let one = |part, value: &Expr, at| Ok((whole(part, value, at)?, Vec::new()));
    match parts {
        [part] => one(*part, value, 0).map(|(bytes, _)| bytes),
        parts => concatenated(parts, value, one).map(|(bytes, _)| bytes),
    }
}

type Bounds = (Vec<u8>, Vec<u8>);

/// The parts side by side, each filled up to a register.
fn concatenated(
    parts: &[Part],
    value: &Expr,
    one: impl Fn(Part, &Expr, usize) -> Result<Bounds, BadElement>,
) -> Result<Bounds, BadElement> {
    let Expr::Concat(values) = value else { return Err(BadElement::Expected("concatenation")) };
    if values.len() != parts.len() {
        return Err(BadElement::Expected("as many parts as the set has"));
    }
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for (at, (part, value)) in parts.iter().zip(values).enumerate() {
        let (first, last) = one(*part, value, at)?;
        for (all, bytes) in [(&mut low, first), (&mut high, last)] {
            let end = all.len().saturating_add(types::padded(part));
            all.extend_from_slice(&bytes);
            all.resize(end, 0);
        }
    }
    Ok((low, high))
}

/// The first and the last key of a value, a range or a prefix, as they are ordered: most significant byte first.
fn bounds(part: Part, value: &Expr, at: usize) -> Result<Bounds, BadElement> {
    match value {
        Expr::Range(range) => {
            let [first, last] = &**range;
            let (first, last) = (ordered(part, first, at)?, ordered(part, last, at)?);
            if first > last { Err(BadElement::Backwards) } else { Ok((first, last)) }
        }
        Expr::Prefix(value, length) => {
            let first = ordered(part, value, at)?;
            prefixed(first, *length, part.bits).ok_or(BadElement::Backwards)
        }
        Expr::Text(text) if is_text(part.ty) => match text.strip_suffix(b"*") {
            Some(stem) if !stem.ends_with(b"\\") => {
                let first = ordered(part, &Expr::Text(Text::Owned(stem.to_vec())), at)?;
                let bits = u32::try_from(stem.len()).ok().and_then(|n| n.checked_mul(8));
                bits.and_then(|n| prefixed(first, n, part.bits)).ok_or(BadElement::Backwards)
            }
            _ => ordered(part, value, at).map(|key| (key.clone(), key)),
        },
        _ => ordered(part, value, at).map(|key| (key.clone(), key)),
    }
}

/// Bits behind the prefix do not count: nft takes `10.0.0.1/8` too.
fn prefixed(first: Vec<u8>, length: u32, bits: u32) -> Option<Bounds> {
    let wild = intervals::low_bits(bits.checked_sub(length)?)?;
    let number = intervals::number(&first)?;
    let low = intervals::key(number & !wild, first.len())?;
    let high = intervals::key(number | wild, first.len())?;
    Some((low, high))
}

fn is_text(ty: Type) -> bool {
    matches!(ty, Type::Ifname | Type::String)
}

/// Numbers in the order of the host are turned around in sets of intervals, since the kernel orders keys by their bytes; what
/// is looked up is turned around likewise (`byteorder`).
fn turns(part: Part) -> bool {
    part.order == Order::Host && !is_text(part.ty) && cfg!(target_endian = "little")
}

/// A value of all bytes of its part; the beginning of a name is none.
fn whole(part: Part, value: &Expr, at: usize) -> Result<Vec<u8>, BadElement> {
    let data = value::parse(part, value).map_err(|bad| BadElement::Value(at, bad))?;
    if data.bytes().len() == types::bytes(&part) {
        Ok(data.bytes().to_vec())
    } else {
        Err(BadElement::Value(at, BadValue::Expected("a whole value")))
    }
}

fn ordered(part: Part, value: &Expr, at: usize) -> Result<Vec<u8>, BadElement> {
    let mut bytes = whole(part, value, at)?;
    if turns(part) {
        bytes.reverse();
    }
    Ok(bytes)
}

fn mapped(kind: &MapData, data: &Expr) -> Result<RawData, BadElement> {
    match (kind, data) {
        (MapData::Verdicts, Expr::Verdict(verdict)) => Ok(RawData::Verdict(verdict.clone())),
        (MapData::Verdicts, _) => Err(BadElement::Expected("verdict")),
        (MapData::Objects(_), Expr::Text(name)) => Ok(RawData::Object(name.clone())),
        (MapData::Objects(_), _) => Err(BadElement::Expected("name")),
        (MapData::Values(datum), data) => plain(&datum.parts, data).map(RawData::Value),
        (MapData::Ranges(datum), data) => {
            let (first, last) = match (datum.parts.as_slice(), data) {
                ([part], data) => data_bounds(*part, data, 0)?,
                (parts, data) => concatenated(parts, data, data_bounds)?,
            };
            Ok(RawData::Value([first, last].concat()))
        }
    }
}

/// As [`bounds`], with the bytes as the register has them.
fn data_bounds(part: Part, data: &Expr, at: usize) -> Result<Bounds, BadElement> {
    let (mut first, mut last) = bounds(part, data, at)?;
    if turns(part) {
        first.reverse();
        last.reverse();
    }
    Ok((first, last))
}

/// What the kernel holds, as whole elements: beginnings with their ends, in the order of their keys. Elements of other sets
/// stay as they come.
#[must_use]
pub fn members(set: &Set, mut elements: Vec<RawElement>) -> Vec<Member> {
    if !is_halved(set) {
        return elements.into_iter().map(|first| Member { first, end: None }).collect();
    }
    let end = |element: &RawElement| element.flags & flag::INTERVAL_END != 0;
    // Where an interval ends and the next begins at the same key, the end comes first; what has no key comes last.
    elements.sort_by(|a, b| (a.key.is_none(), &a.key, !end(a)).cmp(&(b.key.is_none(), &b.key, !end(b))));
    let mut members: Vec<Member> = Vec::with_capacity(elements.len() / 2 + 1);
    for element in elements {
        let open = members.last_mut().filter(|member| member.end.is_none());
        match (end(&element), open) {
            (true, Some(open)) => open.end = Some(element),
            // nft puts an end before the first interval.
            (true, None) => {}
            (false, open) => {
                // A beginning ends what is still open; to the kernel too.
                if let (Some(open), true) = (open, element.key.is_some()) {
                    let flags = flag::INTERVAL_END;
                    open.end = Some(RawElement { key: element.key.clone(), flags, ..RawElement::default() });
                }
                members.push(Member { first: element, end: None });
            }
        }
    }
    members
}

/// An element of the kernel as the schema says it.
#[must_use]
pub fn expr_of(set: &Set, member: &Member) -> Expr {
    let first = &member.first;
    let key = match (&first.key, set.key.parts.as_slice()) {
        (None, _) => Expr::Text(Text::Borrowed(b"*")),
        (Some(low), [part]) if is_halved(set) => {
            let end = member.end.as_ref().and_then(|end| end.key.as_deref());
            let last = match end.map(intervals::number) {
                Some(end) => {
                    end.and_then(|end| end.checked_sub(1)).and_then(|n| intervals::key(n, low.len()))
                }
                None => Some(vec![0xff; low.len()]),
            };
            range_of(*part, low, last.as_deref().unwrap_or(low))
        }
        (Some(low), [part]) => value::format(*part, low),
        (Some(low), parts) => {
            let interval = set.flags & set_flag::INTERVAL != 0;
            concat_of(parts, low, first.key_end.as_deref().or(interval.then_some(low)))
        }
    };
    let data = first.data.as_ref().map(|data| data_of(set, data));
    let plain = first.timeout_ms.is_none()
        && first.expires_ms.is_none()
        && first.comment.is_none()
        && first.statements.is_empty();
    let key = if plain {
        key
    } else {
        Expr::Elem(Box::new(Elem {
            value: key,
            timeout_ms: first.timeout_ms,
            expires_ms: first.expires_ms,
            comment: first.comment.clone(),
            statements: first.statements.clone(),
        }))
    };
    match data {
        Some(data) => Expr::Pair(Box::new([key, data])),
        None => key,
    }
}

/// The parts of a concatenation; with an end, each part is a range.
fn concat_of(parts: &[Part], low: &[u8], high: Option<&[u8]>) -> Expr {
    let mut at = 0_usize;
    let values = parts.iter().map(|part| {
        let slice = |key: &'_ [u8]| -> Vec<u8> {
            let rest = key.get(at..).unwrap_or(&[]);
            rest.get(..types::bytes(part)).unwrap_or(rest).to_vec()
        };
        let first = slice(low);
        let value = match high.map(slice) {
            Some(last) => range_of(*part, &first, &last),
            None => value::format(*part, &first),
        };
        at = at.saturating_add(types::padded(part));
        value
    });
    Expr::Concat(values.collect())
}

/// A value where both ends are one, a prefix where nft would say so, otherwise a range. Both are most significant byte first.
fn range_of(part: Part, first: &[u8], last: &[u8]) -> Expr {
    let shown = |key: &[u8]| {
        let mut key = key.to_vec();
        if turns(part) {
            key.reverse();
        }
        value::format(part, &key)
    };
    if first == last {
        return shown(first);
    }
    let bits = u32::try_from(first.len()).unwrap_or(u32::MAX).saturating_mul(8);
    let both = intervals::number(first).zip(intervals::number(last));
    let prefix = both.and_then(|(first, last)| Interval::new(first, last)?.prefix(bits));
    match prefix {
        Some(length) if is_text(part.ty) && length % 8 == 0 => {
            let stem = first.get(..usize::try_from(length / 8).unwrap_or(0)).unwrap_or(first);
            Expr::Text(Text::Owned([stem, b"*"].concat()))
        }
        // The types that nft knows prefixes of.
        Some(length) if matches!(part.ty, Type::Ipv4Addr | Type::Ipv6Addr | Type::Mark) => {
            Expr::Prefix(Box::new(shown(first)), length)
        }
        _ => Expr::Range(Box::new([shown(first), shown(last)])),
    }
}

fn data_of(set: &Set, data: &RawData) -> Expr {
    match (data, &set.data) {
        (RawData::Verdict(verdict), _) => Expr::Verdict(verdict.clone()),
        (RawData::Object(name), _) => Expr::Text(name.clone()),
        (RawData::Value(bytes), Some(MapData::Values(datum))) => value_of(datum, bytes, None),
        (RawData::Value(bytes), Some(MapData::Ranges(datum))) => {
            let (first, last) = bytes.split_at(bytes.len() / 2);
            value_of(datum, first, Some(last))
        }
        (RawData::Value(bytes), _) => {
            let bits = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_mul(8);
            value::format(Part { ty: Type::Integer, bits, order: Order::Network }, bytes)
        }
    }
}

/// Data are as the register has them; ranges of them are shown as ranges of keys are.
fn value_of(datum: &Datum, first: &[u8], last: Option<&[u8]>) -> Expr {
    match (datum.parts.as_slice(), last) {
        ([part], None) => value::format(*part, first),
        ([part], Some(last)) => {
            let turned = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                if turns(*part) {
                    bytes.reverse();
                }
                bytes
            };
            range_of(*part, &turned(first), &turned(last))
        }
        (parts, last) => concat_of(parts, first, last),
    }
}
