//! What the kernel writes in its files: words, numbers, escaped names. Everything is bytes: a name can have any in it.
#![forbid(unsafe_code)]

/// The words of a line, between blanks and tabs. No other byte parts words: the kernel escapes no others in names.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// The lines of a file; a last one without its end is a part of one and is left out.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

/// Lines of a name and what follows it.
pub fn pairs(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    lines(bytes).filter_map(|line| {
        let (name, rest) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
        Some((name, rest.trim_ascii()))
    })
}

/// The number that stands behind a name.
#[must_use]
pub fn number_of(bytes: &[u8], name: &[u8]) -> Option<u64> {
    pairs(bytes).find(|(of, _)| *of == name).and_then(|(_, rest)| decimal(rest))
}

/// Decimal digits and nothing else.
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    digits_of(digits, 10)
}

/// Octal digits and nothing else.
#[must_use]
pub fn octal(digits: &[u8]) -> Option<u64> {
    digits_of(digits, 8)
}

fn digits_of(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        n.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

/// The same, with a minus where it is negative.
#[must_use]
pub fn signed(digits: &[u8]) -> Option<i64> {
    match digits.strip_prefix(b"-") {
        Some(digits) => 0_i64.checked_sub_unsigned(decimal(digits)?),
        None => i64::try_from(decimal(digits)?).ok(),
    }
}

/// A number with two digits behind its point, which is how the kernel writes averages and times.
#[must_use]
pub fn hundredths(text: &[u8]) -> Option<u64> {
    let (whole, part) = text.split_at_checked(text.iter().position(|byte| *byte == b'.')?)?;
    let part = part.strip_prefix(b".").filter(|part| part.len() == 2)?;
    decimal(whole)?.checked_mul(100)?.checked_add(decimal(part)?)
}

/// Bytes without the end of their line.
#[must_use]
pub fn without_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// A name in which the kernel wrote blanks and the like as a backslash and three octal digits (`mangle_path` in
/// fs/seq_file.c). The backslash is among them, so that none stands for itself; one that is not followed so stays.
#[must_use]
pub fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, others)) = rest.split_first() {
        let escaped = others.get(..3).filter(|_| *first == b'\\').and_then(octal);
        match escaped.and_then(|n| u8::try_from(n).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = others.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = others;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(octal(b"1600"), Some(0o1600));
        assert_eq!((signed(b"-2"), signed(b"7")), (Some(-2), Some(7)));
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        for wrong in [&b""[..], b" 1", b"+1", b"-", b"--1", b"1\n", b"\xff", b"18446744073709551616"] {
            assert_eq!((decimal(wrong), signed(wrong)), (None, None), "{wrong:?}");
        }
        assert_eq!((octal(b"8"), signed(b"9223372036854775808")), (None, None));
    }

    #[test]
    fn hundredths_have_two_digits_behind_the_point() {
        assert_eq!((hundredths(b"0.07"), hundredths(b"118.30")), (Some(7), Some(11_830)));
        for wrong in [&b""[..], b"1", b"1.", b".10", b"1.5", b"1.500", b"184467440737095516.16", b"1.+5"] {
            assert_eq!(hundredths(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_once() {
        assert_eq!(unescaped(br"/a\040b\011\012\134040\043"), b"/a b\t\n\\040#");
        assert_eq!(unescaped(b"\\377\xff\\"), b"\xff\xff\\");
        // The kernel writes none of these.
        assert_eq!(unescaped(br"\04 \400 \09x"), br"\04 \400 \09x");
    }

    #[test]
    fn words_lines_and_pairs() {
        assert_eq!(words(b" a\t b\rc ").collect::<Vec<_>>(), [&b"a"[..], b"b\rc"]);
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a"[..], b""]);
        assert_eq!(
            pairs(b"a 1\nb\nc  x y\nd 4").collect::<Vec<_>>(),
            [(&b"a"[..], &b"1"[..]), (b"c", b"x y")]
        );
        assert_eq!((number_of(b"a 1\nb 2\n", b"b"), number_of(b"a 1\n", b"b")), (Some(2), None));
    }
}
