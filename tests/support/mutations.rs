//! Frames that are nearly right, the same in every run.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by them")]

/// How many: `NODE_MUTATIONS`, or as many as take some seconds.
pub fn mutations(usual: usize) -> usize {
    std::env::var("NODE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// Frames of a round, which can be gone again with the same ones.
pub const ROUND: usize = 1000;

/// Numbers that are the same in every run (xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    /// Those of a round.
    pub fn of(round: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::try_from(round).unwrap() * 2 + 1))
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % most.max(1)
    }
}

/// Changes a few bytes, cuts, or doubles; mostly as a frame, so that what is inside is read at all.
pub fn mutate(frame: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    match numbers.below(4) {
        0 => bytes.truncate(numbers.below(frame.len())),
        1 => bytes.extend_from_within(numbers.below(frame.len())..),
        _ => {
            for _ in 0..=numbers.below(4) {
                let place = numbers.below(bytes.len());
                bytes[place] = u8::try_from(numbers.below(256)).unwrap();
            }
        }
    }
    if numbers.below(8) != 0 && bytes.len() >= 4 {
        let length = u32::try_from(bytes.len() - 4).unwrap().to_be_bytes();
        bytes[..4].copy_from_slice(&length);
    }
    bytes
}
