//! Neighbouring places of the packet that are compared with constants become one comparison, as nft does it.
//! Observed with nft 1.0.6, and for what is between them with the listings of nft 1.1.6.
#![forbid(unsafe_code)]

use super::rule::{Place, Unit};
use crate::nft::model::Base;

/// Bytes of a register: no comparison is longer.
const REGISTER: u32 = 16;

/// Bytes that the kernel loads and compares without a call (`nft_payload_fast_eval`, `nft_cmp_fast`).
const FAST: u32 = 4;

/// Merges what can be merged between statements that do something.
pub(super) fn merged(units: Vec<Unit>) -> Vec<Unit> {
    let mut slots: Vec<Option<Unit>> = units.into_iter().map(Some).collect();
    let mut group: Vec<usize> = Vec::new();
    for at in 0..=slots.len() {
        match slots.get(at) {
            Some(Some(Unit::Equal { .. })) => group.push(at),
            Some(Some(Unit::Test(_)) | None) => {}
            Some(Some(Unit::Act(_))) | None => {
                join(&mut slots, std::mem::take(&mut group));
            }
        }
    }
    slots.into_iter().flatten().collect()
}

fn place(slots: &[Option<Unit>], at: usize) -> Option<Place> {
    match slots.get(at) {
        Some(Some(Unit::Equal { place, .. })) => Some(*place),
        _ => None,
    }
}

/// Goes through the places by their offsets, whatever their base.
fn join(slots: &mut [Option<Unit>], mut group: Vec<usize>) {
    group.sort_by_key(|at| place(slots, *at).map(|place| place.offset));
    let mut group = group.into_iter();
    let Some(mut last) = group.next() else { return };
    for this in group {
        let both = place(slots, last).zip(place(slots, this));
        if both.is_some_and(|(a, b)| can_join(a, b)) {
            last = join_two(slots, last, this);
        } else {
            last = this;
        }
    }
}

/// Four bytes behind the header of the link are as fast as can be: two of such stay alone, unless they are as fast together.
fn can_join(a: Place, b: Place) -> bool {
    let total = a.len.saturating_add(b.len);
    let adjacent = a.base == b.base && a.offset.saturating_add(a.len) == b.offset;
    let fast = |len: u32| len <= FAST && a.base != Base::Link;
    adjacent && total <= REGISTER && (fast(total) || !fast(a.len) || !fast(b.len))
}

/// The two become one, where the first stands; but where only the second says which header follows, there.
fn join_two(slots: &mut [Option<Unit>], first: usize, second: usize) -> usize {
    let (Some(a), Some(b)) =
        (slots.get_mut(first).and_then(Option::take), slots.get_mut(second).and_then(Option::take))
    else {
        return second;
    };
    let (
        Unit::Equal { place: low, value: mut start, key: key_low },
        Unit::Equal { place: high, value: end, key: key_high },
    ) = (a, b)
    else {
        return second;
    };
    start.extend_from_slice(&end);
    let place = Place { len: low.len.saturating_add(high.len), ..low };
    let at = if key_high && !key_low { second } else { first };
    if let Some(slot) = slots.get_mut(at) {
        *slot = Some(Unit::Equal { place, value: start, key: key_low || key_high });
    }
    at
}
