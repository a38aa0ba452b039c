//! Sets that a rule brings along: from what the schema lists to elements as the kernel wants them.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::constant::{is_constant, is_text, ordered, prefix_mask, to_bytes};
use super::fault::{Make, Within, expected};
use super::load::{Window, size};
use super::rule::{Rule, slots};
use super::{Anonymous, Fault};
use crate::error::Why;
use crate::nft::intervals::{self, Interval};
use crate::nft::kernel::Name;
use crate::nft::model::{
    Datum, Elem, Expr, Family, MapData, Order, Part, RawData, RawElement, Set, TableRef, set_flag,
};
use crate::nft::object::element::flag;
use crate::nft::object::{declared, types};

/// Parts that the number of a set's types holds (`object::types::pack`), and bytes of what they are, which leaves room for the other
/// records of user data (`NFT_USERDATA_MAXLEN`).
const TYPEOF_PARTS: usize = 5;
const TYPEOF_MAX: usize = 224;

/// What the keys of a set are.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub parts: Vec<Part>,
    /// The bits in the register that one key is compared with, where they are not all of them.
    pub window: Option<Window>,
    pub interval: bool,
}

/// The header of a set that only a rule knows.
fn header(key: Vec<Part>, data: Option<MapData>, flags: u32) -> Set {
    let name: &'static [u8] = if data.is_some() { b"__map%d" } else { b"__set%d" };
    Set {
        // Whoever sends it fills the table in.
        table: TableRef { family: Family::Inet, name: Cow::Borrowed(b"") },
        name: Cow::Borrowed(name),
        handle: None,
        key: Datum { parts: key, of: None },
        data,
        flags: flags | set_flag::ANONYMOUS | set_flag::CONSTANT,
        timeout_ms: None,
        gc_ms: None,
        size: None,
        policy: None,
        auto_merge: false,
        comment: None,
        statements: Vec::new(),
    }
}

/// What is looked up, where the names of its types do not say how wide they are: without it nft lists the elements of such a set,
/// and cannot read them again. Left out where nft has no form or no room for it.
fn typeof_key(key: &Expr, parts: &[Part]) -> Option<Expr> {
    let unsaid = parts.len() <= TYPEOF_PARTS && parts.iter().any(|part| types::width(part.ty).0 == 0);
    let fits = || matches!(declared::write(key), Ok(Some(record)) if record.len() <= TYPEOF_MAX);
    (unsaid && fits()).then(|| key.clone())
}

/// A set of single values.
pub(super) fn plain(part: Part) -> Set {
    header(vec![part], None, 0)
}

/// Whether an element has nothing but its key.
pub(super) fn is_plain(elem: &Elem) -> bool {
    let Elem { value: _, timeout_ms, expires_ms, comment, statements } = elem;
    timeout_ms.is_none() && expires_ms.is_none() && comment.is_none() && statements.is_empty()
}

/// An element taken apart: what stands around the key, the key, what it maps to.
fn parts_of(element: &Expr) -> (Option<&Elem>, &Expr, Option<&Expr>) {
    match element {
        Expr::Pair(pair) => {
            let [key, data] = &**pair;
            match key {
                Expr::Elem(elem) => (Some(elem), &elem.value, Some(data)),
                key => (None, key, Some(data)),
            }
        }
        Expr::Elem(elem) => match parts_of(&elem.value) {
            (None, key, data) => (Some(elem), key, data),
            nested => nested,
        },
        key => (None, key, None),
    }
}

fn is_any(key: &Expr) -> bool {
    matches!(key, Expr::Text(text) if **text == *b"*")
}

/// Whether a key is more than one value.
fn is_interval(parts: &[Part], key: &Expr) -> bool {
    match (key, parts) {
        (Expr::Range(_) | Expr::Prefix(..), _) => true,
        (Expr::Text(text), [part]) => is_text(part.ty) && !is_any(key) && stem(text).is_some(),
        (Expr::Concat(values), parts) => {
            values.iter().zip(parts).any(|(value, part)| is_interval(std::slice::from_ref(part), value))
        }
        _ => false,
    }
}

/// The beginning of a name that stands for all that begin so.
fn stem(text: &[u8]) -> Option<&[u8]> {
    text.strip_suffix(b"*").filter(|stem| !stem.is_empty() && !stem.ends_with(b"\\"))
}

/// Whether the elements are intervals.
pub(super) fn has_intervals(parts: &[Part], elements: &[Expr]) -> bool {
    elements.iter().any(|element| is_interval(parts, parts_of(element).1))
}

/// Whether what keys map to stands side by side, and whether there are ranges in it.
pub(super) fn data_shape(elements: &[Expr]) -> (bool, bool) {
    let range = |expr: &Expr| matches!(expr, Expr::Range(_) | Expr::Prefix(..));
    let data = || elements.iter().filter_map(|element| parts_of(element).2);
    let concat = data().any(|data| matches!(data, Expr::Concat(_)));
    let ranges = data().any(|data| match data {
        Expr::Concat(values) => values.iter().any(range),
        other => range(other),
    });
    (concat, ranges)
}

/// Intervals with their elements, and where they stood in the request.
type Ordered = Vec<(Interval, RawElement, usize)>;

impl Rule<'_> {
    /// Adds a set: its name and number for those who look into it.
    pub(super) fn add_set(&mut self, mut set: Set, elements: Vec<RawElement>) -> (Name<'static>, u32) {
        let id = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        set.size = u32::try_from(elements.len()).ok();
        let name = set.name.clone();
        self.sets.push(Anonymous { set, elements });
        (name, id)
    }

    /// Makes a set of these elements. `key` is what is looked up in it.
    pub(super) fn anonymous(
        &mut self,
        keys: &Keys,
        key: &Expr,
        elements: &[Expr],
        data: Option<MapData>,
    ) -> Make<(Name<'static>, u32)> {
        if elements.is_empty() {
            return Err(Fault::new(Why::Empty));
        }
        let mut flags = if keys.interval { set_flag::INTERVAL } else { 0 };
        match &data {
            None => {}
            Some(MapData::Objects(_)) => flags |= set_flag::OBJECT,
            Some(_) => flags |= set_flag::MAP,
        }
        let concat = keys.parts.len() > 1;
        if concat && keys.interval {
            flags |= set_flag::CONCAT;
        }
        let made = if keys.interval && !concat {
            self.halves(keys, elements, data.as_ref())?
        } else {
            self.whole(keys, elements, data.as_ref())?
        };
        let parts = match &keys.window {
            Some(window) => vec![whole(window)],
            None => keys.parts.clone(),
        };
        let mut set = header(parts, data, flags);
        set.key.of = typeof_key(key, &keys.parts);
        Ok(self.add_set(set, made))
    }

    /// Elements that are not split into beginning and end.
    fn whole(&self, keys: &Keys, elements: &[Expr], data: Option<&MapData>) -> Make<Vec<RawElement>> {
        let mut made: Vec<RawElement> = Vec::with_capacity(elements.len());
        let mut seen = std::collections::HashMap::new();
        for (n, element) in elements.iter().enumerate() {
            let (elem, key, mapped) = parts_of(element);
            let mut raw = self.described(elem, mapped, data).nth(n)?;
            if is_any(key) {
                raw.flags = flag::CATCH_ALL;
            } else if keys.parts.len() > 1 {
                let (low, high) = self.concatenated(&keys.parts, key, keys.interval).nth(n)?;
                raw.key = Some(low);
                raw.key_end = keys.interval.then_some(high);
            } else {
                raw.key = Some(self.key(keys, key).nth(n)?);
            }
            let place = (raw.key.clone(), raw.key_end.clone());
            match seen.get(&place).and_then(|at: &usize| made.get(*at)) {
                Some(other) if *other == raw => continue,
                Some(_) => return Err(Fault::new(Why::Duplicate)).nth(n),
                None => seen.insert(place, made.len()),
            };
            made.push(raw);
        }
        Ok(made)
    }

    /// What an element is beside its key.
    fn described(
        &self,
        elem: Option<&Elem>,
        mapped: Option<&Expr>,
        data: Option<&MapData>,
    ) -> Make<RawElement> {
        let data = match (data, mapped) {
            (None, None) => None,
            (Some(kind), Some(mapped)) => Some(self.mapped(kind, mapped).nth(1)?),
            (None, Some(_)) => return expected("a key without a value"),
            (Some(_), None) => return expected("a key and its value"),
        };
        let mut raw = RawElement { data, ..RawElement::default() };
        if let Some(elem) = elem {
            if elem.timeout_ms.is_some() || elem.expires_ms.is_some() {
                return Err(Fault::new(Why::Unsupported("timeouts in a set without a name"))).key("elem");
            }
            raw.comment.clone_from(&elem.comment);
            raw.statements.clone_from(&elem.statements);
        }
        Ok(raw)
    }

    fn key(&self, keys: &Keys, key: &Expr) -> Make<Vec<u8>> {
        if !is_constant(key) {
            return expected("a constant");
        }
        match (&keys.window, keys.parts.as_slice()) {
            (Some(window), _) => self.placed(*window, key),
            (None, [part]) => self.bytes(*part, key),
            _ => expected("a constant"),
        }
    }

    /// The intervals in order, each with its element and its place in the request, and the elements that are none. Those that
    /// touch are one where nothing keeps them apart.
    fn intervals_of(
        &self,
        keys: &Keys,
        elements: &[Expr],
        data: Option<&MapData>,
    ) -> Make<(Ordered, Vec<RawElement>)> {
        let (mut all, mut rest) = (Vec::with_capacity(elements.len()), Vec::new());
        for (n, element) in elements.iter().enumerate() {
            let (elem, key, mapped) = parts_of(element);
            let mut raw = self.described(elem, mapped, data).nth(n)?;
            if is_any(key) {
                raw.flags = flag::CATCH_ALL;
                rest.push(raw);
            } else {
                all.push((self.interval(keys, key).nth(n)?, raw, n));
            }
        }
        if all.iter().all(|(_, raw, _)| *raw == RawElement::default()) {
            let merged = intervals::merged(all.iter().map(|(interval, ..)| *interval).collect());
            all = merged.into_iter().map(|interval| (interval, RawElement::default(), 0)).collect();
        }
        all.sort_by_key(|(interval, ..)| *interval);
        Ok((all, rest))
    }

    /// Beginnings and ends.
    fn halves(&self, keys: &Keys, elements: &[Expr], data: Option<&MapData>) -> Make<Vec<RawElement>> {
        let (all, mut rest) = self.intervals_of(keys, elements, data)?;
        let mut made = Vec::with_capacity(all.len().saturating_mul(2).saturating_add(1));
        let len = key_bytes(keys);
        let end = |number: u128| -> Option<RawElement> {
            let key = Some(intervals::key(number, len)?);
            Some(RawElement { key, flags: flag::INTERVAL_END, ..RawElement::default() })
        };
        // nft puts an end before the first interval.
        if all.first().is_some_and(|(interval, ..)| interval.first > 0) {
            made.extend(end(0));
        }
        let following: Vec<(u128, usize)> =
            all.iter().skip(1).map(|(interval, _, n)| (interval.first, *n)).collect();
        let mut following = following.into_iter();
        for (interval, mut raw, n) in all {
            let next = following.next();
            if let Some((_, other)) = next.filter(|(next, _)| *next <= interval.last) {
                return Err(Fault::new(Why::Duplicate)).nth(n.max(other));
            }
            let next = next.map(|(next, _)| next);
            raw.key = intervals::key(interval.first, len);
            made.push(raw);
            // Where the next begins this one ends.
            let behind = interval.last.checked_add(1).filter(|behind| next != Some(*behind));
            made.extend(behind.and_then(end));
        }
        made.append(&mut rest);
        Ok(made)
    }

    fn interval(&self, keys: &Keys, key: &Expr) -> Make<Interval> {
        let [part] = keys.parts.as_slice() else { return expected("one value") };
        let (low, high) = self.bounds(*part, key)?;
        let number = |bytes: &[u8]| {
            let number = intervals::number(bytes)?;
            number.checked_shl(keys.window.map_or(0, |window| window.shift))
        };
        let both = number(&low).zip(number(&high)).and_then(|(first, last)| Interval::new(first, last));
        both.ok_or_else(|| Fault::new(Why::Unsupported("intervals of more than sixteen bytes")))
    }

    /// The first and the last value, most significant byte first.
    pub(super) fn bounds(&self, part: Part, value: &Expr) -> Make<(Vec<u8>, Vec<u8>)> {
        let part = ordered(part);
        match value {
            Expr::Range(ends) => {
                let [first, last] = &**ends;
                let first = self.bytes(part, first).nth(0).key("range")?;
                let last = self.bytes(part, last).nth(1).key("range")?;
                if first > last {
                    return expected("a range that does not end before it begins").key("range");
                }
                Ok((first, last))
            }
            Expr::Prefix(addr, length) => {
                let mask = prefix_mask(*length, part.bits).key("len").key("prefix")?;
                let number = self.number(part, addr).key("addr").key("prefix")?;
                let ones = prefix_mask(part.bits, part.bits)?;
                Ok((to_bytes(part, number & mask)?, to_bytes(part, number | (ones & !mask))?))
            }
            Expr::Text(text) if is_text(part.ty) => match stem(text) {
                Some(stem) => {
                    let first = self.bytes(part, value)?;
                    let (mut low, mut high) = (first.clone(), first);
                    low.truncate(stem.len());
                    high.truncate(stem.len());
                    low.resize(size(part.bits / 8), 0);
                    high.resize(size(part.bits / 8), 0xff);
                    Ok((low, high))
                }
                None => self.bytes(part, value).map(|bytes| (bytes.clone(), bytes)),
            },
            value if is_constant(value) => self.bytes(part, value).map(|bytes| (bytes.clone(), bytes)),
            _ => expected("a constant, a range or a prefix"),
        }
    }

    /// Values side by side, each filled up to a register.
    fn concatenated(&self, parts: &[Part], value: &Expr, interval: bool) -> Make<(Vec<u8>, Vec<u8>)> {
        let Expr::Concat(values) = value else {
            return expected("as many values side by side as are looked up");
        };
        if values.len() != parts.len() {
            return expected("as many values side by side as are looked up");
        }
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for (n, (part, value)) in parts.iter().zip(values).enumerate() {
            let (first, last) = if interval {
                self.bounds(*part, value).nth(n).key("concat")?
            } else if is_constant(value) {
                self.bytes(*part, value).nth(n).key("concat").map(|bytes| (bytes.clone(), bytes))?
            } else {
                return expected("a constant").nth(n).key("concat");
            };
            for (all, bytes) in [(&mut low, first), (&mut high, last)] {
                let end = all.len().saturating_add(size(slots(size(part.bits.div_ceil(8)))) * 4);
                all.extend_from_slice(&bytes);
                all.resize(end, 0);
            }
        }
        Ok((low, high))
    }

    /// What a key maps to.
    fn mapped(&self, kind: &MapData, data: &Expr) -> Make<RawData> {
        match (kind, data) {
            (MapData::Verdicts, Expr::Verdict(verdict)) => Ok(RawData::Verdict(verdict.clone())),
            (MapData::Verdicts, _) => expected("a verdict"),
            (MapData::Objects(_), Expr::Text(name)) => Ok(RawData::Object(name.clone())),
            (MapData::Objects(_), _) => expected("the name of an object"),
            (MapData::Values(datum), data) => match datum.parts.as_slice() {
                [part] if is_constant(data) => self.bytes(*part, data).map(RawData::Value),
                [_] => expected("a constant"),
                parts => self.concatenated(parts, data, false).map(|(bytes, _)| RawData::Value(bytes)),
            },
            (MapData::Ranges(datum), data) => {
                let (first, last) = match datum.parts.as_slice() {
                    [part] => self.bounds(*part, data)?,
                    parts => self.concatenated(parts, data, true)?,
                };
                Ok(RawData::Value([first, last].concat()))
            }
        }
    }
}

/// All bytes of a window: fields that are not whole bytes are numbers of the network.
fn whole(window: &Window) -> Part {
    let bits = u32::try_from(window.bytes).unwrap_or(u32::MAX).saturating_mul(8);
    Part { bits, order: Order::Network, ..window.part }
}

fn key_bytes(keys: &Keys) -> usize {
    match (&keys.window, keys.parts.as_slice()) {
        (Some(window), _) => window.bytes,
        (None, [part]) => size(part.bits.div_ceil(8)),
        _ => 0,
    }
}
