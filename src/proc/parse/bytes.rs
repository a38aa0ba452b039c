//! Numbers as the kernel prints them, from bytes. A whole slice is one number: `str::parse` would accept `+1` and
//! needs UTF-8.
#![forbid(unsafe_code)]

/// Decimal digits and nothing else.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    number(digits, 10)
}

/// Octal digits and nothing else.
pub(super) fn octal(digits: &[u8]) -> Option<u64> {
    number(digits, 8)
}

/// Hexadecimal digits and nothing else.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u64> {
    number(digits, 16)
}

#[inline]
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        n.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_only() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"0042"), Some(42));
        assert_eq!(octal(b"0022"), Some(0o22));
        assert_eq!(hexadecimal(b"000001ffFEffffff"), Some(0x1ff_feff_ffff));
        for wrong in [&b""[..], b" 1", b"1 ", b"+1", b"-1", b"1\n", b"\xff", b"9a", b"\xd9\xa1"] {
            assert_eq!(decimal(wrong), None, "{wrong:?}");
        }
        assert_eq!(octal(b"8"), None);
        assert_eq!(hexadecimal(b"g"), None);
    }

    #[test]
    fn a_number_beyond_64_bits_is_none() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), None);
        assert_eq!(decimal(b"99999999999999999999999"), None);
        assert_eq!(hexadecimal(b"ffffffffffffffff"), Some(u64::MAX));
        assert_eq!(hexadecimal(b"10000000000000000"), None);
        assert_eq!(octal(b"1777777777777777777777"), Some(u64::MAX));
        assert_eq!(octal(b"2000000000000000000000"), None);
    }
}
