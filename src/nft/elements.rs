//! Elements of a set, as the kernel holds them: its intervals, or those around a key. A set that is not there has none.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::limits::{NFT_INTERVALS_MAX, NFT_NEAR_MAX};
use crate::nft::intervals::{self, Interval};
use crate::nft::model::{RawElement, TableRef, set_flag};
use crate::nft::object::element::{self, Of, flag};
use crate::nft::object::member::Member;
use crate::nft::object::message;
use crate::nft::transport::dump::{Dump, unless};
use crate::nft::transport::{Error, Link, get, kind};

/// Those that make the intervals that overlap `around`, in a set whose intervals do not overlap each other: what lies inside, and
/// the nearest on both sides. The others are forgotten one by one.
///
/// # Errors
/// `Overrun` if there are more than the program keeps.
pub fn near(
    link: &mut Link,
    table: &TableRef,
    set: &[u8],
    around: Interval,
) -> Result<Vec<RawElement>, Error> {
    let (mut inside, mut below, mut above) = (Vec::new(), Nearest::default(), Nearest::default());
    each(link, table, set, |element| {
        match element.key.as_deref().and_then(intervals::number) {
            None => {}
            Some(key) if key < around.first => below.offer(key, element, |new, old| new > old),
            Some(key) if key > around.last => above.offer(key, element, |new, old| new < old),
            Some(_) if inside.len() >= NFT_NEAR_MAX => return Err(Error::Overrun),
            Some(_) => inside.push(element),
        }
        Ok(())
    })?;
    inside.extend(below.elements.into_iter().chain(above.elements));
    Ok(inside)
}

/// The elements with the key that is nearest so far.
#[derive(Default)]
struct Nearest {
    key: u128,
    elements: Vec<RawElement>,
}

impl Nearest {
    fn offer(&mut self, key: u128, element: RawElement, nearer: impl Fn(u128, u128) -> bool) {
        if self.elements.is_empty() || nearer(key, self.key) {
            self.key = key;
            self.elements.clear();
        }
        // Of one key there are a beginning and an end.
        if key == self.key && self.elements.len() < 2 {
            self.elements.push(element);
        }
    }
}

/// An end of an interval.
struct Edge {
    key: u128,
    begins: bool,
    wanted: bool,
}

/// The intervals of a set whose beginnings are `wanted`, in order.
///
/// # Errors
/// `Overrun` if there are more than the program keeps.
pub fn whole(
    link: &mut Link,
    table: &TableRef,
    set: &[u8],
    wanted: impl Fn(&RawElement) -> bool,
) -> Result<Vec<Interval>, Error> {
    let (mut edges, mut bytes) = (Vec::new(), 0);
    each(link, table, set, |element| {
        let Some((key, length)) = element.key.as_ref().and_then(|k| Some((intervals::number(k)?, k.len())))
        else {
            return Ok(());
        };
        if edges.len() >= 2 * NFT_INTERVALS_MAX {
            return Err(Error::Overrun);
        }
        bytes = length;
        let begins = element.flags & flag::INTERVAL_END == 0;
        edges.push(Edge { key, begins, wanted: wanted(&element) });
        Ok(())
    })?;
    // Where an interval ends and the next begins, the end comes first.
    edges.sort_unstable_by_key(|edge| (edge.key, edge.begins));
    Ok(pairs(&edges, bytes))
}

fn pairs(edges: &[Edge], bytes: usize) -> Vec<Interval> {
    let (mut found, mut open): (Vec<Interval>, Option<&Edge>) = (Vec::new(), None);
    let close = |open: Option<&Edge>, last: Option<u128>| {
        open.filter(|edge| edge.wanted).and_then(|edge| Interval::new(edge.key, last?))
    };
    for edge in edges {
        // A beginning ends what is still open; to the kernel too.
        found.extend(close(open.take(), edge.key.checked_sub(1)));
        open = edge.begins.then_some(edge);
    }
    let last = u32::try_from(bytes).ok().and_then(|n| intervals::low_bits(n.checked_mul(8)?));
    found.extend(close(open, last));
    found
}

/// All of them, one by one.
fn each(
    link: &mut Link,
    table: &TableRef,
    set: &[u8],
    mut one: impl FnMut(RawElement) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut dump = Dump::start(link, number(), table.family.number(), |buffer| {
        buffer.put_text(1, &table.name);
        buffer.put_text(2, set);
    })?;
    while let Some(messages) = unless(dump.next(link), &[libc::ENOENT])? {
        for attr in messages.flat_map(|m| element::elements(m.body)) {
            one(element::decode(&attr).0)?;
        }
    }
    Ok(())
}

/// Those that the kernel finds for these keys, without reading the others; none if one of the keys has none.
pub fn around(
    link: &mut Link,
    table: &TableRef,
    set: &[u8],
    keys: impl Iterator<Item = RawElement>,
) -> Result<Vec<RawElement>, Error> {
    let of = Of { table: &table.name, set, set_id: None };
    let mut asked = keys.peekable();
    let answer = get::point(link, number(), table.family.number(), |buffer| {
        // The few keys that are asked for fit into a message.
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

/// An interval as its beginning and its end, with keys of so many bytes. What reaches the last key has no end.
pub fn of_interval(interval: Interval, bytes: usize) -> impl Iterator<Item = RawElement> {
    let first = RawElement { key: intervals::key(interval.first, bytes), ..RawElement::default() };
    let next = interval.last.checked_add(1).and_then(|next| intervals::key(next, bytes));
    let end =
        next.map(|key| RawElement { key: Some(key), flags: flag::INTERVAL_END, ..RawElement::default() });
    std::iter::once(first).chain(end)
}

/// The keys of a member; nothing if they are longer than what is calculated with.
#[must_use]
pub fn interval(member: &Member) -> Option<Interval> {
    let low = member.first.key.as_ref()?;
    let first = intervals::number(low)?;
    let last = match &member.end {
        Some(end) => intervals::number(end.key.as_ref()?)?.checked_sub(1)?,
        None => intervals::low_bits(u32::try_from(low.len()).ok()?.checked_mul(8)?)?,
    };
    Interval::new(first, last)
}

/// Elements of a set that came already. The kernel grows a hash table some time after elements have come, and a dump meanwhile begins
/// anew and counts on: it gives some elements twice and leaves as many out (measured: 30,000 rows, 28,099 elements), in one
/// generation and without `NLM_F_DUMP_INTR`. An element that comes twice tells.
#[derive(Debug, Default)]
pub struct Seen {
    /// Of their keys; the hash's own key is chosen when the program starts, so that nobody chooses two that are alike.
    hashes: HashSet<u64>,
    state: RandomState,
}

impl Seen {
    /// Whether an element that comes twice tells of that: intervals are in no hash table, and a set that packets add to (`dynamic`)
    /// changes under every dump, so that no list of it is of one moment.
    #[must_use]
    pub fn is_needed(set_flags: u32) -> bool {
        set_flags & (set_flag::INTERVAL | set_flag::EVAL) == 0
    }

    /// Notes an element.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if it came before: others are left out.
    pub fn once(&mut self, element: &RawElement) -> Result<(), Error> {
        let new = self.hashes.insert(self.state.hash_one(&element.key));
        if new { Ok(()) } else { Err(Error::Interrupted) }
    }
}

fn number() -> u16 {
    kind(message::GET_ELEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_is_no_whole_list() {
        let element =
            |key: Option<&[u8]>| RawElement { key: key.map(<[u8]>::to_vec), ..RawElement::default() };
        let mut seen = Seen::default();
        for key in [Some(&b"a"[..]), Some(b"b"), Some(b""), None] {
            assert_eq!(seen.once(&element(key)), Ok(()), "{key:?}");
        }
        assert_eq!(seen.once(&element(Some(b"b"))), Err(Error::Interrupted));
        for (flags, needed) in
            [(0, true), (set_flag::TIMEOUT, true), (set_flag::INTERVAL, false), (set_flag::EVAL, false)]
        {
            assert_eq!(Seen::is_needed(flags), needed);
        }
    }
}
