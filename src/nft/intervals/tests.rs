//! Against a model that counts keys one by one.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Change, Interval, Ordered, add, key, low_bits, merged, number, overlap, remove};

/// Keys that the model counts; half of them at the top, where adding one would be too much.
const KEYS: u128 = 64;

fn place(n: u128) -> u128 {
    if n < KEYS / 2 { n } else { u128::MAX - (KEYS - 1 - n) }
}

/// Only intervals of keys that the model counts: none reaches over the gap in the middle.
fn interval() -> impl Strategy<Value = Interval> {
    (0..KEYS, 0..12_u128).prop_map(|(n, more)| {
        let (first, half) = (place(n), n < KEYS / 2);
        let end = if half { KEYS / 2 - 1 } else { KEYS - 1 };
        Interval { first, last: place((n + more).min(end)) }
    })
}

fn keys(intervals: &[Interval]) -> BTreeSet<u128> {
    (0..KEYS).map(place).filter(|k| intervals.iter().any(|i| i.first <= *k && *k <= i.last)).collect()
}

fn after(set: &[Interval], change: &Change) -> Vec<Interval> {
    assert!(change.delete.iter().all(|gone| set.contains(gone)), "what is not there cannot be deleted");
    let mut set: Vec<_> = set.iter().filter(|i| !change.delete.contains(i)).copied().collect();
    set.extend(&change.add);
    set
}

fn apart(set: &[Interval]) -> bool {
    set.iter().enumerate().all(|(n, a)| set.iter().skip(n + 1).all(|b| !a.touches(b)))
}

proptest! {
    #[test]
    fn in_order_the_same_are_near_and_changes_come_to_the_same(
        set in proptest::collection::vec(interval(), 0..10).prop_map(merged),
        new in interval(),
        adds in any::<bool>(),
    ) {
        // Cut in two, so that some stand side by side, as they may in the kernel.
        let cut = |i: &Interval| {
            let middle = i.first + (i.last - i.first) / 2;
            [Interval::new(i.first, middle), middle.checked_add(1).and_then(|n| Interval::new(n, i.last))]
        };
        let set: Vec<_> = set.iter().flat_map(cut).flatten().collect();
        let mut ordered: Ordered = set.iter().copied().collect();
        let near: Vec<_> = set.iter().filter(|old| old.touches(&new)).copied().collect();
        prop_assert_eq!(ordered.near(&new), near.clone());
        let whole = keys(&[new]).is_subset(&keys(&set));
        prop_assert_eq!(ordered.holds(&new), whole);
        let work = if adds { add } else { remove };
        let change = work(&near, new);
        prop_assert_eq!(&change, &work(&set, new), "what is not near does not matter");
        ordered.make(&change);
        let mut left = after(&set, &change);
        left.sort_unstable();
        prop_assert_eq!(ordered, left.into_iter().collect());
    }

    #[test]
    fn what_is_merged_holds_the_same_keys_and_nothing_touches(set in proptest::collection::vec(interval(), 0..12)) {
        let result = merged(set.clone());
        prop_assert_eq!(keys(&result), keys(&set));
        prop_assert!(apart(&result));
        prop_assert!(result.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn adding_gives_all_keys_and_nothing_that_touches(
        set in proptest::collection::vec(interval(), 0..10).prop_map(merged),
        new in interval(),
    ) {
        let change = add(&set, new);
        let result = after(&set, &change);
        let all: BTreeSet<_> = keys(&set).union(&keys(&[new])).copied().collect();
        prop_assert_eq!(keys(&result), all);
        prop_assert!(apart(&result));
        prop_assert_eq!(add(&result, new), Change::default(), "again changes nothing");
        let near: Vec<_> = set.iter().filter(|old| old.touches(&new)).copied().collect();
        prop_assert_eq!(add(&near, new), change, "what is not near does not matter");
    }

    #[test]
    fn removing_takes_those_keys_and_no_others(
        set in proptest::collection::vec(interval(), 0..10).prop_map(merged),
        gone in interval(),
    ) {
        let change = remove(&set, gone);
        let result = after(&set, &change);
        let left: BTreeSet<_> = keys(&set).difference(&keys(&[gone])).copied().collect();
        prop_assert_eq!(keys(&result), left);
        prop_assert!(apart(&result));
        prop_assert_eq!(remove(&result, gone), Change::default(), "again changes nothing");
    }

    #[test]
    fn overlaps_are_found(set in proptest::collection::vec(interval(), 0..8)) {
        let pairs = set.iter().enumerate().any(|(n, a)| set.iter().skip(n + 1).any(|b| a.overlaps(b)));
        let found = overlap(&set);
        prop_assert_eq!(found.is_some(), pairs);
        if let Some((a, b)) = found {
            prop_assert!(a < b && set[a].overlaps(&set[b]));
        }
    }

    #[test]
    fn prefixes_come_back(value: u128, length in 0..=128_u32, bits in 1..=128_u32) {
        let bits = bits.max(length);
        let wild = low_bits(bits - length).unwrap();
        let first = value & low_bits(bits).unwrap() & !wild;
        let interval = Interval::of_prefix(first, length, bits).unwrap();
        prop_assert_eq!(interval.prefix(bits), Some(length));
        if length < bits {
            prop_assert_eq!(Interval::of_prefix(first | 1, length, bits), None, "bits behind the prefix");
            let less = Interval { first, last: interval.last - 1 };
            prop_assert_eq!(less.prefix(bits).is_some(), bits - length == 1);
        }
        prop_assert_eq!(Interval::of_prefix(first, bits + 1, bits), None);
    }

    #[test]
    fn keys_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
        match number(&bytes) {
            Some(n) => prop_assert_eq!(key(n, bytes.len()), Some(bytes)),
            None => prop_assert!(bytes.len() > 16),
        }
    }
}

#[test]
fn a_number_that_does_not_fit_is_no_key() {
    assert_eq!(key(255, 1), Some(vec![255]));
    assert_eq!(key(256, 1), None);
    assert_eq!(key(0, 17), None);
}
