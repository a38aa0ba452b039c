//! What a ban changes. Every address has the longest of the times that it was banned for: what overlaps is cut into prefixes, none
//! of which is banned for longer, or shorter, than somebody asked for. Pure.
#![forbid(unsafe_code)]

use crate::nft::intervals::Interval;

/// An element as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The addresses.
    pub interval: Interval,
    /// Seconds that are left; nothing: for ever.
    pub left: Option<u64>,
    /// Why.
    pub comment: Option<Vec<u8>>,
}

impl Held {
    fn outlasts(&self, left: Option<u64>) -> bool {
        match (self.left, left) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(held), Some(asked)) => held >= asked,
        }
    }

    fn part(&self, first: u128, last: u128) -> Option<Self> {
        Some(Self { interval: Interval::new(first, last)?, ..self.clone() })
    }
}

/// A change of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What goes, as it is held.
    pub delete: Vec<Interval>,
    /// What comes: prefixes.
    pub add: Vec<Held>,
}

/// Adds a ban. `near` is what overlaps it, in order.
#[must_use]
pub fn ban(near: &[Held], new: &Held) -> Plan {
    let covered = |held: &&Held| held.outlasts(new.left);
    let kept: Vec<&Held> = near.iter().filter(covered).collect();
    // What is banned for longer already stays as it is; the new ban fills what is left between.
    let mut gaps = vec![new.interval];
    for held in &kept {
        gaps = gaps.iter().flat_map(|gap| without(gap, &held.interval)).collect();
    }
    let mut plan = Plan::default();
    for held in near.iter().filter(|held| !covered(held) && held.interval.overlaps(&new.interval)) {
        plan.delete.push(held.interval);
        plan.add.extend(
            without(&held.interval, &new.interval).filter_map(|rest| held.part(rest.first, rest.last)),
        );
    }
    plan.add.extend(gaps.into_iter().map(|interval| Held { interval, ..new.clone() }));
    plan.add = plan.add.iter().flat_map(prefixes).collect();
    plan
}

/// Takes bans back. `near` is what overlaps.
#[must_use]
pub fn unban(near: &[Held], gone: Interval) -> Plan {
    let mut plan = Plan::default();
    for held in near.iter().filter(|held| held.interval.overlaps(&gone)) {
        plan.delete.push(held.interval);
        let rest = without(&held.interval, &gone).filter_map(|rest| held.part(rest.first, rest.last));
        plan.add.extend(rest.collect::<Vec<_>>().iter().flat_map(prefixes));
    }
    plan
}

/// What is left of an interval.
fn without(whole: &Interval, gone: &Interval) -> impl Iterator<Item = Interval> + use<> {
    let (before, after) = if whole.overlaps(gone) {
        let before = gone.first.checked_sub(1).and_then(|last| Interval::new(whole.first, last));
        (before, gone.last.checked_add(1).and_then(|first| Interval::new(first, whole.last)))
    } else {
        (Some(*whole), None)
    };
    before.into_iter().chain(after)
}

/// The same addresses as prefixes, in order.
fn prefixes(held: &Held) -> Vec<Held> {
    let mut parts = Vec::new();
    let mut next = Some(held.interval.first);
    while let Some(first) = next.filter(|first| *first <= held.interval.last) {
        let span = held.interval.last - first;
        // As many free bits as the first address has zeros at its end, and as the rest has room for.
        let room = span.checked_add(1).map_or(128, u128::ilog2);
        let free = first.trailing_zeros().min(room);
        let wild = crate::nft::intervals::low_bits(free).unwrap_or(u128::MAX);
        let last = first | wild;
        parts.extend(held.part(first, last));
        next = last.checked_add(1);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(first: u128, last: u128, left: Option<u64>) -> Held {
        Held { interval: Interval { first, last }, left, comment: None }
    }

    /// The time of each address below 64; `None`: it is free.
    fn times(all: &[Held]) -> Vec<Option<Option<u64>>> {
        (0..64)
            .map(|n| all.iter().find(|h| h.interval.first <= n && n <= h.interval.last).map(|h| h.left))
            .collect()
    }

    fn applied(before: &[Held], plan: &Plan) -> Vec<Held> {
        let mut after: Vec<Held> = before.to_vec();
        for gone in &plan.delete {
            let at = after.iter().position(|h| h.interval == *gone).expect("only what is held is deleted");
            after.remove(at);
        }
        for new in &plan.add {
            assert!(after.iter().all(|h| !h.interval.overlaps(&new.interval)), "{new:?} overlaps");
            assert!(new.interval.prefix(128).is_some(), "{new:?} is no prefix");
            after.push(new.clone());
        }
        after
    }

    /// Longer than; nothing is for ever.
    fn longest(a: Option<Option<u64>>, b: Option<u64>) -> Option<Option<u64>> {
        match (a, b) {
            (None, b) => Some(b),
            (Some(Some(a)), Some(b)) => Some(Some(a.max(b))),
            _ => Some(None),
        }
    }

    #[test]
    fn the_same_ban_again_changes_nothing() {
        let old = held(8, 15, Some(60));
        assert_eq!(ban(std::slice::from_ref(&old), &held(8, 15, Some(60))), Plan::default());
        assert_eq!(ban(&[held(8, 15, None)], &held(9, 9, Some(5))), Plan::default());
    }

    #[test]
    fn the_last_address_of_all_can_be_banned() {
        let all = held(0, u128::MAX, None);
        assert_eq!(ban(&[], &all).add, vec![all.clone()]);
        assert_eq!(ban(&[], &held(u128::MAX, u128::MAX, None)).add.len(), 1);
        let rest = unban(&[all], Interval { first: 0, last: 0 });
        assert_eq!(rest.add.len(), 128);
    }

    proptest! {
        #[test]
        fn every_address_is_banned_for_the_longest_time(
            bans in prop::collection::vec((0_u128..64, 0_u128..64, prop::option::of(1_u64..4)), 1..12),
            gone in (0_u128..64, 0_u128..64),
        ) {
            let mut now: Vec<Held> = Vec::new();
            let mut expected = vec![None; 64];
            for (a, b, left) in bans {
                let new = held(a.min(b), a.max(b), left);
                let near: Vec<Held> =
                    now.iter().filter(|h| h.interval.overlaps(&new.interval)).cloned().collect();
                now = applied(&now, &ban(&near, &new));
                for n in a.min(b)..=a.max(b) {
                    let slot = &mut expected[usize::try_from(n).expect("below 64")];
                    *slot = longest(*slot, left);
                }
                prop_assert_eq!(times(&now), expected.clone());
            }
            let gone = Interval { first: gone.0.min(gone.1), last: gone.0.max(gone.1) };
            now = applied(&now, &unban(&now, gone));
            for n in gone.first..=gone.last {
                expected[usize::try_from(n).expect("below 64")] = None;
            }
            prop_assert_eq!(times(&now), expected);
        }
    }
}
