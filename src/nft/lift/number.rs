//! Numbers in registers: at most sixteen bytes of a value as one number.
#![forbid(unsafe_code)]

use crate::nft::model::Order;

/// The bytes as a number, the first the most significant.
pub(super) fn big(bytes: &[u8]) -> Option<u128> {
    (bytes.len() <= 16).then(|| bytes.iter().fold(0, |n, b| (n << 8) | u128::from(*b)))
}

/// The bytes as a number in that order.
pub(super) fn number(bytes: &[u8], order: Order) -> Option<u128> {
    if order == Order::Network || cfg!(target_endian = "big") {
        return big(bytes);
    }
    (bytes.len() <= 16).then(|| bytes.iter().rev().fold(0, |n, b| (n << 8) | u128::from(*b)))
}

/// A number as so many bytes in that order; the first of them count.
pub(super) fn bytes(number: u128, len: usize, order: Order) -> ([u8; 16], usize) {
    let len = len.min(16);
    let mut out = [0; 16];
    let all = number.to_be_bytes();
    for (to, from) in out.iter_mut().zip(all.iter().skip(16 - len)) {
        *to = *from;
    }
    if order == Order::Host && cfg!(target_endian = "little") {
        if let Some(used) = out.get_mut(..len) {
            used.reverse();
        }
    }
    (out, len)
}

/// All ones in so many bits.
pub(super) fn ones(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

/// Whether the ones of a number stand side by side: how many zeros are below them, and how many they are.
pub(super) fn run(number: u128) -> Option<(u32, u32)> {
    if number == 0 {
        return None;
    }
    let (below, count) = (number.trailing_zeros(), number.count_ones());
    (number >> below == ones(count)).then_some((below, count))
}

/// How many leading bits of `bits` are the same in all numbers from the first to the last, if those are all numbers that have
/// them.
pub(super) fn prefix(from: u128, to: u128, bits: u32) -> Option<u32> {
    let low = from ^ to;
    let whole = low & low.wrapping_add(1) == 0 && from & low == 0 && to & low == low;
    whole.then(|| bits.saturating_sub(low.count_ones()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_are_prefixes_are_seen() {
        assert_eq!(prefix(0x0a00_0000, 0x0aff_ffff, 32), Some(8));
        assert_eq!(prefix(0, 0xffff_ffff, 32), Some(0));
        assert_eq!(prefix(5, 5, 32), Some(32));
        assert_eq!(prefix(4, 6, 32), None);
        assert_eq!(prefix(1, 2, 32), None);
        assert_eq!(prefix(0, u128::MAX, 128), Some(0));
    }

    #[test]
    fn runs_of_ones_are_measured() {
        assert_eq!(run(0x0fc0), Some((6, 6)));
        assert_eq!(run(0b101), None);
        assert_eq!(run(0), None);
        assert_eq!(run(u128::MAX), Some((0, 128)));
    }

    #[test]
    fn orders_are_inverse() {
        for order in [Order::Host, Order::Network] {
            let (out, len) = bytes(0x0102, 4, order);
            assert_eq!(number(&out[..len], order), Some(0x0102));
        }
        assert_eq!(
            bytes(0x0102, 2, Order::Network),
            (
                {
                    let mut a = [0; 16];
                    a[0] = 1;
                    a[1] = 2;
                    a
                },
                2
            )
        );
        assert_eq!(big(&[0; 17]), None);
    }
}
