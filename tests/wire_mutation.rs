//! Frames that were damaged at random, many of them and always the same ones: none may panic.
//!
//! `WIRE_MUTATIONS` sets how many; a million take less than a second.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use portcullis::wire::scan::{Bounds, validate};
use wire_support::tree::walk;
use wire_support::{hostile, read_vectors, vectors};

/// xorshift64*: the test must damage the same bytes wherever it runs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next()).unwrap() % n.max(1)
    }
}

/// Bytes that decide something: tags, and the ends of ranges.
const TELLING: &[u8] = &[
    0, 1, 2, 127, 128, 255, 131, 70, 97, 98, 104, 105, 106, 107, 108, 109, 110, 111, 116, 118, 119, 68, 77,
    80, 82, 103,
];

fn damage(frame: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(frame.len() + 1);
    let end = (at + random.below(12)).min(frame.len());
    match random.below(8) {
        0 => frame.truncate(at),
        1 => frame.splice(at..end, []).for_each(drop),
        2 => frame.insert(at, TELLING[random.below(TELLING.len())]),
        3 => {
            let copy = frame[at..end].to_vec();
            frame.splice(at..at, copy).for_each(drop);
        }
        4 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            frame.splice(at.., other[from..].iter().copied()).for_each(drop);
        }
        kind => {
            if let Some(byte) = frame.get_mut(at) {
                *byte = match kind {
                    5 => *byte ^ (1 << random.below(8)),
                    6 => TELLING[random.below(TELLING.len())],
                    _ => u8::try_from(random.below(256)).unwrap(),
                };
            }
        }
    }
    frame.truncate(Bounds::PROC.bytes + 1);
}

#[test]
fn damaged_frames_are_refused_or_walked() {
    let wanted = std::env::var("WIRE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let valid = read_vectors(&vectors()).into_iter().map(|(_, frame)| frame);
    // Valid ones more often: damage to the others is rarely accepted, and then there is nothing to walk.
    let mut seeds: Vec<Vec<u8>> = valid.flat_map(|frame| vec![frame; 6]).collect();
    seeds.extend(hostile::terms().iter().map(|case| hostile::inside_request(&case.bytes)));
    let (mut random, mut accepted) = (Random(0x9e37_79b9_7f4a_7c15), 0_usize);
    for _ in 0..wanted {
        let mut frame = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            damage(&mut frame, &seeds, &mut random);
        }
        match validate(&frame, &Bounds::PROC) {
            Ok(valid) => {
                accepted += 1;
                assert!(walk(valid.term()) <= Bounds::PROC.terms, "{frame:?}");
            }
            Err(refused) => assert!(refused.offset <= frame.len(), "{frame:?}"),
        }
    }
    // Damage that is always fatal would leave the walk untested.
    assert!(accepted > wanted / 100, "{accepted} of {wanted} accepted");
    println!("{accepted} of {wanted} accepted");
}
