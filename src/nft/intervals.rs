//! Intervals of keys: numbers of up to sixteen bytes, most significant first, as sets with `flags interval` order them. Pure.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

/// Bytes of the longest key that is calculated with: an IPv6 address, the name of an interface.
pub const BYTES_MAX: usize = 16;

/// An interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The first.
    pub first: u128,
    /// The last; never below the first.
    pub last: u128,
}

impl Interval {
    /// From the first to the last; nothing if they are the wrong way round.
    #[must_use]
    pub fn new(first: u128, last: u128) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether they have a key in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether all of `other` is inside.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether they have a key in common or stand side by side, so that they can be one.
    #[must_use]
    pub fn touches(&self, other: &Self) -> bool {
        let (low, high) = if self.first <= other.first { (self, other) } else { (other, self) };
        low.last.checked_add(1).is_none_or(|next| high.first <= next)
    }

    /// How many leading bits of a key of `bits` bits all of it shares, if it is exactly those keys that share them.
    #[must_use]
    pub fn prefix(&self, bits: u32) -> Option<u32> {
        let wild = self.first ^ self.last;
        let free = 128_u32.saturating_sub(wild.leading_zeros());
        let aligned = wild & wild.wrapping_add(1) == 0 && self.first & wild == 0;
        if aligned { bits.checked_sub(free) } else { None }
    }

    /// The keys of `bits` bits that share the first `length` bits with `key`; nothing if `length` is too long, or `key` has
    /// bits behind them.
    #[must_use]
    pub fn of_prefix(key: u128, length: u32, bits: u32) -> Option<Self> {
        let wild = low_bits(bits.checked_sub(length)?)?;
        (key & wild == 0 && key <= low_bits(bits)?).then_some(Self { first: key, last: key | wild })
    }
}

/// So many ones at the end; nothing if a key has not as many bits.
#[must_use]
pub fn low_bits(bits: u32) -> Option<u128> {
    match bits {
        128 => Some(u128::MAX),
        0..128 => Some((1_u128 << bits).wrapping_sub(1)),
        _ => None,
    }
}

/// A key as a number; nothing if it is too long.
#[must_use]
pub fn number(key: &[u8]) -> Option<u128> {
    let mut bytes = [0; BYTES_MAX];
    let start = BYTES_MAX.checked_sub(key.len())?;
    bytes.get_mut(start..)?.copy_from_slice(key);
    Some(u128::from_be_bytes(bytes))
}

/// A number as a key of `length` bytes; nothing if it does not fit.
#[must_use]
pub fn key(number: u128, length: usize) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let (zeros, key) = bytes.split_at_checked(BYTES_MAX.checked_sub(length)?)?;
    zeros.iter().all(|b| *b == 0).then(|| key.to_vec())
}

/// The intervals of a set, of which none overlaps another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ordered(BTreeMap<u128, u128>);

impl FromIterator<Interval> for Ordered {
    fn from_iter<I: IntoIterator<Item = Interval>>(each: I) -> Self {
        Self(each.into_iter().map(|one| (one.first, one.last)).collect())
    }
}

impl Ordered {
    /// Those that overlap the interval or stand beside it, in order.
    #[must_use]
    pub fn near(&self, one: &Interval) -> Vec<Interval> {
        let from_behind = self.0.range(..=one.last.saturating_add(1)).rev();
        let each = from_behind.map(|(first, last)| Interval { first: *first, last: *last });
        let mut near: Vec<Interval> = each.take_while(|old| old.touches(one)).collect();
        near.reverse();
        near
    }

    /// Whether all of the interval is there, be it in parts.
    #[must_use]
    pub fn holds(&self, one: &Interval) -> bool {
        merged(self.near(one)).iter().any(|whole| whole.contains(one))
    }

    /// Makes a change that was worked out for it.
    pub fn make(&mut self, change: &Change) {
        for old in &change.delete {
            self.0.remove(&old.first);
        }
        self.0.extend(change.add.iter().map(|one| (one.first, one.last)));
    }
}

/// A change of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What goes, as it is in the set.
    pub delete: Vec<Interval>,
    /// What comes.
    pub add: Vec<Interval>,
}

/// Adds an interval to a set that merges (`auto-merge`). `near` are, in order, the intervals of the set that overlap it or stand
/// beside it; others do not matter and may be among them.
#[must_use]
pub fn add(near: &[Interval], new: Interval) -> Change {
    if near.iter().any(|old| old.contains(&new)) {
        return Change::default();
    }
    let delete: Vec<_> = near.iter().filter(|old| old.touches(&new)).copied().collect();
    let first = delete.iter().map(|old| old.first).fold(new.first, u128::min);
    let last = delete.iter().map(|old| old.last).fold(new.last, u128::max);
    Change { delete, add: vec![Interval { first, last }] }
}

/// Takes an interval out of a set that merges: what overlaps it is cut.
#[must_use]
pub fn remove(near: &[Interval], gone: Interval) -> Change {
    let mut change = Change::default();
    for old in near.iter().filter(|old| old.overlaps(&gone)) {
        change.delete.push(*old);
        let before = gone.first.checked_sub(1).and_then(|last| Interval::new(old.first, last));
        let after = gone.last.checked_add(1).and_then(|first| Interval::new(first, old.last));
        change.add.extend(before.into_iter().chain(after));
    }
    change
}

/// Intervals in order, each with no neighbour: what a set that merges holds of them.
#[must_use]
pub fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    intervals.dedup_by(|next, kept| {
        let one = kept.touches(next);
        if one {
            kept.last = kept.last.max(next.last);
        }
        one
    });
    intervals
}

/// The first two that overlap, by their places; the kernel refuses them in a set that does not merge.
#[must_use]
pub fn overlap(intervals: &[Interval]) -> Option<(usize, usize)> {
    let mut order: Vec<_> = intervals.iter().enumerate().collect();
    order.sort_unstable_by_key(|(_, interval)| **interval);
    let mut widest: Option<(usize, &Interval)> = None;
    for (at, interval) in order {
        if let Some((other, wide)) = widest {
            if wide.overlaps(interval) {
                return Some((other.min(at), other.max(at)));
            }
        }
        if widest.is_none_or(|(_, wide)| wide.last < interval.last) {
            widest = Some((at, interval));
        }
    }
    None
}

#[cfg(test)]
mod tests;
