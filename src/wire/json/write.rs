//! A frame body to JSON text, in one pass over its bytes, with the spaces and escapes of `nft -j`.
//!
//! Nothing is allocated but the text. It is not checked beforehand and need not be: what is no term is refused where
//! it stands, as by the scan.
#![forbid(unsafe_code)]

use std::io::Write as _;

use super::LEVELS_MAX;
use crate::wire::atoms::{self, Atom};
use crate::wire::head::{Head, NIL, VERSION, head};
use crate::wire::scan::Malformed;
use crate::wire::term::Term;

/// Between elements and between pairs, as nft prints it.
const COMMA: &[u8] = b", ";
/// Between a key and its value.
const COLON: &[u8] = b": ";
/// What stands for bytes that are not UTF-8, U+FFFD: JSON has no other text (RFC 8259, section 8.1). Names of the
/// kernel can hold such bytes, and a list with one odd name is worth more than none.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends the text of a version byte and one term. At most six bytes of text for a byte of body.
///
/// # Errors
/// The first thing that is wrong with the term, with the reasons of the scan; `unsupported` for a key that is a
/// container. The text is then left as it was.
pub fn from_term(body: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let before = out.len();
    let mut text = Text { rest: body, out, levels: [Level::NONE; LEVELS_MAX], depth: 0 };
    let result = text.run();
    let offset = body.len().saturating_sub(text.rest.len());
    if result.is_err() {
        out.truncate(before);
    }
    result.map_err(|why| Malformed { offset, why })
}

/// A container that is not at its end.
#[derive(Clone, Copy)]
struct Level {
    left: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tuple,
    List,
    Map,
}

impl Level {
    const NONE: Self = Self { left: 0, kind: Kind::Tuple };

    /// In a map, keys and values take turns, and what is left of whole pairs begins with a key.
    fn at_key(self) -> bool {
        self.kind == Kind::Map && self.left % 2 == 0
    }
}

struct Text<'a, 'o> {
    rest: &'a [u8],
    out: &'o mut Vec<u8>,
    levels: [Level; LEVELS_MAX],
    depth: usize,
}

impl<'a> Text<'a, '_> {
    fn run(&mut self) -> Result<(), Atom> {
        match self.rest.split_first() {
            None => return Err(atoms::EMPTY),
            Some((&VERSION, rest)) => self.rest = rest,
            Some(_) => return Err(atoms::VERSION),
        }
        loop {
            let opened = self.term()?;
            if !opened && self.next()? {
                break;
            }
        }
        if self.rest.is_empty() { Ok(()) } else { Err(atoms::TRAILING_BYTES) }
    }

    /// Writes a term, or the beginning of one. True if terms inside it come next.
    #[inline]
    fn term(&mut self) -> Result<bool, Atom> {
        let (head, rest) = head(self.rest)?;
        let key = self.innermost().is_some_and(Level::at_key);
        match head {
            Head::Leaf(term) if key => key_text(term, self.out)?,
            Head::Leaf(term) => value_text(term, self.out)?,
            Head::Tuple(_) | Head::List(_) | Head::Map(_) if key => return Err(atoms::UNSUPPORTED),
            Head::List(0) => return Err(atoms::LENGTH),
            Head::Tuple(0) => self.out.extend_from_slice(b"[]"),
            Head::Map(0) => self.out.extend_from_slice(b"{}"),
            Head::Tuple(left) => return self.open(rest, Level { left, kind: Kind::Tuple }),
            Head::List(left) => return self.open(rest, Level { left, kind: Kind::List }),
            Head::Map(n) => {
                return self.open(rest, Level { left: n.saturating_mul(2), kind: Kind::Map });
            }
        }
        self.rest = rest;
        Ok(false)
    }

    fn innermost(&self) -> Option<Level> {
        self.levels.get(self.depth.checked_sub(1)?).copied()
    }

    /// Goes inside a container whose terms can still come: each is a byte at least.
    fn open(&mut self, rest: &'a [u8], level: Level) -> Result<bool, Atom> {
        if level.left > rest.len() {
            return Err(atoms::LENGTH);
        }
        *self.levels.get_mut(self.depth).ok_or(atoms::TOO_DEEP)? = level;
        self.depth += 1;
        self.rest = rest;
        self.out.push(if level.kind == Kind::Map { b'{' } else { b'[' });
        Ok(true)
    }

    /// What follows a term: a separator, or the ends of the containers around it. True if nothing is open any more.
    #[inline]
    fn next(&mut self) -> Result<bool, Atom> {
        while let Some(below) = self.depth.checked_sub(1) {
            let level = self.levels.get_mut(below).ok_or(atoms::TOO_DEEP)?;
            let separator = if level.at_key() { COLON } else { COMMA };
            level.left = level.left.saturating_sub(1);
            if level.left > 0 {
                self.out.extend_from_slice(separator);
                return Ok(false);
            }
            match level.kind {
                Kind::Map => self.out.push(b'}'),
                Kind::Tuple => self.out.push(b']'),
                Kind::List => {
                    self.rest = tail(self.rest)?;
                    self.out.push(b']');
                }
            }
            self.depth = below;
        }
        Ok(true)
    }
}

/// The end of a proper list.
fn tail(rest: &[u8]) -> Result<&[u8], Atom> {
    match rest.split_first() {
        None => Err(atoms::TRUNCATED),
        Some((&NIL, rest)) => Ok(rest),
        Some(_) => Err(atoms::IMPROPER_LIST),
    }
}

/// A value without terms inside, or a list of bytes.
#[inline]
fn value_text(term: Term<'_>, out: &mut Vec<u8>) -> Result<(), Atom> {
    match term {
        Term::Atom(name @ ("null" | "true" | "false")) => out.extend_from_slice(name.as_bytes()),
        Term::Atom(name) => string(name.as_bytes(), out),
        Term::Binary(bytes) => string(bytes, out),
        Term::Integer(n) => integer(n, out),
        Term::Float(x) => float(x, out),
        Term::List(bytes) => {
            let mut separator: &[u8] = b"[";
            for byte in bytes {
                out.extend_from_slice(separator);
                value_text(byte, out)?;
                separator = COMMA;
            }
            out.extend_from_slice(if separator == COMMA { b"]" } else { b"[]" });
        }
        Term::Tuple(_) | Term::Map(_) => return Err(atoms::TAG),
    }
    Ok(())
}

/// A key, which JSON wants to be a string.
#[inline]
fn key_text(term: Term<'_>, out: &mut Vec<u8>) -> Result<(), Atom> {
    match term {
        Term::Atom(name) => string(name.as_bytes(), out),
        Term::Binary(bytes) => string(bytes, out),
        Term::Integer(_) | Term::Float(_) => {
            out.push(b'"');
            value_text(term, out)?;
            out.push(b'"');
        }
        Term::List(_) | Term::Tuple(_) | Term::Map(_) => return Err(atoms::UNSUPPORTED),
    }
    Ok(())
}

fn integer(n: i128, out: &mut Vec<u8>) {
    if n < 0 {
        out.push(b'-');
    }
    let mut left = u64::try_from(n.unsigned_abs()).unwrap_or(u64::MAX);
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(left % 10).unwrap_or(0);
        used += 1;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
}

/// The shortest text that reads back as the same number. The form of `Debug` has an exponent where one is shorter;
/// that of `Display` would be up to 330 digits.
fn float(x: f64, out: &mut Vec<u8>) {
    debug_assert!(x.is_finite(), "no JSON for {x}");
    // A vector takes every byte.
    let _ = write!(out, "{x:?}");
}

#[inline]
fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if bytes.iter().all(|byte| plain(*byte) && byte.is_ascii()) {
        out.extend_from_slice(bytes);
    } else {
        for chunk in bytes.utf8_chunks() {
            escaped(chunk.valid().as_bytes(), out);
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(REPLACEMENT);
            }
        }
    }
    out.push(b'"');
}

/// May stand in a string as it is (RFC 8259, section 7).
#[inline]
fn plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// UTF-8 with the escapes that nft prints: short where there is a short one, and upper case.
fn escaped(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = text.iter().position(|byte| !plain(*byte)) {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(before);
        let Some((byte, rest)) = rest.split_first() else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // A vector takes every byte.
            other => drop(write!(out, "\\u{other:04X}")),
        }
        text = rest;
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(term: &[u8]) -> String {
        let mut out = b"before".to_vec();
        from_term(&[&[VERSION], term].concat(), &mut out).unwrap();
        String::from_utf8(out).unwrap().split_off(6)
    }

    #[test]
    fn every_kind_of_term() {
        assert_eq!(text(b"w\x04null"), "null");
        assert_eq!(text(b"w\x04true"), "true");
        assert_eq!(text(b"w\x05false"), "false");
        assert_eq!(text(b"w\x06accept"), "\"accept\"");
        assert_eq!(text(b"a\x00"), "0");
        assert_eq!(text(b"b\xff\xff\xff\xff"), "-1");
        assert_eq!(text(b"n\x08\x01\xff\xff\xff\xff\xff\xff\xff\xff"), "-18446744073709551615");
        assert_eq!(text(&[&[70], &1.5_f64.to_be_bytes()[..]].concat()), "1.5");
        assert_eq!(text(&[&[70], &(-1e300_f64).to_be_bytes()[..]].concat()), "-1e300");
        assert_eq!(text(b"j"), "[]");
        assert_eq!(text(b"h\x00"), "[]");
        assert_eq!(text(b"t\x00\x00\x00\x00"), "{}");
        assert_eq!(text(b"k\x00\x02\x01\xff"), "[1, 255]");
        assert_eq!(text(b"l\x00\x00\x00\x02h\x02ja\x01t\x00\x00\x00\x00j"), "[[[], 1], {}]");
        assert_eq!(
            text(b"t\x00\x00\x00\x02w\x01al\x00\x00\x00\x01a\x01jm\x00\x00\x00\x01bt\x00\x00\x00\x00"),
            "{\"a\": [1], \"b\": {}}"
        );
    }

    #[test]
    fn keys_are_strings_whatever_they_were() {
        assert_eq!(text(b"t\x00\x00\x00\x01w\x04nullw\x04null"), "{\"null\": null}");
        assert_eq!(text(b"t\x00\x00\x00\x01a\x07a\x07"), "{\"7\": 7}");
        assert_eq!(
            text(&[b"t\x00\x00\x00\x01F", &0.5_f64.to_be_bytes()[..], b"j"].concat()),
            "{\"0.5\": []}"
        );
    }

    #[test]
    fn strings_are_escaped_as_nft_does_and_never_break_the_text() {
        assert_eq!(
            text(b"m\x00\x00\x00\x0b\"\\/\x08\x0c\n\r\t\x00\x1f\x7f"),
            r#""\"\\/\b\f\n\r\t\u0000\u001F"#.to_owned() + "\x7f\""
        );
        assert_eq!(text("m\0\0\0\u{4}a\u{e9}b".as_bytes()), "\"a\u{e9}b\"");
        assert_eq!(text(b"m\x00\x00\x00\x04a\xff\"\xc3"), "\"a\u{fffd}\\\"\u{fffd}\"");
        // A surrogate in the shape of UTF-8 is not UTF-8: three bytes, none of which begins a character.
        assert_eq!(text(b"m\x00\x00\x00\x03\xed\xa0\x80"), "\"\u{fffd}\u{fffd}\u{fffd}\"");
    }

    #[test]
    fn what_is_no_term_leaves_the_text_as_it_was() {
        let cases: [(&[u8], usize, Atom); 12] = [
            (b"", 0, atoms::EMPTY),
            (b"\x82j", 0, atoms::VERSION),
            (b"\x83", 1, atoms::TRUNCATED),
            (b"\x83jj", 2, atoms::TRAILING_BYTES),
            (b"\x83l\x00\x00\x00\x00j", 1, atoms::LENGTH),
            (b"\x83l\xff\xff\xff\xffj", 1, atoms::LENGTH),
            (b"\x83t\xff\xff\xff\xffjj", 1, atoms::LENGTH),
            (b"\x83l\x00\x00\x00\x01ja\x01", 7, atoms::IMPROPER_LIST),
            (b"\x83l\x00\x00\x00\x01j", 7, atoms::TRUNCATED),
            (b"\x83t\x00\x00\x00\x01jj", 6, atoms::UNSUPPORTED),
            (b"\x83t\x00\x00\x00\x01h\x01jj", 6, atoms::UNSUPPORTED),
            (b"\x83h\x02a\x01R\x00", 5, atoms::TAG),
        ];
        for (body, offset, why) in cases {
            let mut out = b"before".to_vec();
            assert_eq!(from_term(body, &mut out), Err(Malformed { offset, why }), "{body:?}");
            assert_eq!(out, b"before");
        }
    }

    #[test]
    fn as_many_levels_as_the_scan_allows() {
        let nested = |levels: usize| [b"\x83".to_vec(), b"h\x01".repeat(levels), b"j".to_vec()].concat();
        let mut out = Vec::new();
        assert_eq!(from_term(&nested(64), &mut out), Ok(()));
        assert_eq!(out, ["[".repeat(65), "]".repeat(65)].concat().as_bytes());
        assert_eq!(from_term(&nested(65), &mut out).unwrap_err().why, atoms::TOO_DEEP);
    }
}
