//! JSON text to a frame body: the parser calls, and what it found is written at once.
//!
//! Every bound is checked before what it bounds is written. The port's own [`Writer`] wants the size of a map before its
//! pairs and grows as it must; here the size is known at the end and the text is hostile, so this one has a bound, and
//! leaves to the other what numbers look like.
#![forbid(unsafe_code)]

use std::fmt;

use serde_core::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::error::Category;

use super::{LEVELS_MAX, NULL};
use crate::wire::atoms;
use crate::wire::head::{NIL, VERSION};
use crate::wire::scan::Bounds;
use crate::wire::write::Writer;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The text, or the term that it makes, has more bytes than a frame may have.
    #[error("too long")]
    TooLong,
    /// Arrays and objects inside each other.
    #[error("too deep")]
    TooDeep,
    /// Values, and keys, which are values of their own here.
    #[error("too many values")]
    TooManyTerms,
    /// Pairs of one object.
    #[error("too many pairs in an object")]
    TooManyPairs,
    /// A fraction, an exponent, a negative zero, or more than 64 bits.
    #[error("a number that is not an integer of 64 bits")]
    Number,
    /// The text ends inside a value.
    #[error("the text ends too soon")]
    Truncated,
    /// Anything else that RFC 8259 does not allow.
    #[error("not JSON")]
    Syntax,
}

/// A text that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {why}")]
pub struct NotJson {
    /// From 1; 0 if the text was not looked at.
    pub line: usize,
    /// Bytes into the line, from 1; 0 at the beginning of a line, or if the text was not looked at.
    pub column: usize,
    /// The reason.
    pub why: Cause,
}

/// A version byte and one term, which [`validate`](crate::wire::scan::validate) accepts with the same bounds.
///
/// Takes less than six times the text while it runs, and less than three when it is done; for a list of strings it is
/// the text and a quarter (`tests/wire_json.rs`).
///
/// # Errors
/// The first thing that is wrong with the text.
pub fn to_term(text: &[u8], bounds: &Bounds) -> Result<Vec<u8>, NotJson> {
    if text.len() > bounds.bytes {
        return Err(NotJson { line: 0, column: 0, why: Cause::TooLong });
    }
    let mut body = Body::new(text.len(), bounds);
    let mut parser = Deserializer::from_slice(text);
    let read = body.put(&[VERSION]).map_err(Error::custom).and_then(|()| {
        Value(&mut body).deserialize(&mut parser)?;
        parser.end()
    });
    match read {
        Ok(()) => Ok(body.bytes),
        Err(error) => Err(NotJson {
            line: error.line(),
            column: error.column(),
            why: body.refused.unwrap_or_else(|| cause(&error)),
        }),
    }
}

/// What the parser itself found. It has no other way to say that a number does not even fit a float.
fn cause(error: &serde_json::Error) -> Cause {
    match error.classify() {
        Category::Eof => Cause::Truncated,
        _ if error.to_string().starts_with("number out of range") => Cause::Number,
        _ => Cause::Syntax,
    }
}

/// The term as far as it is written, and what it may still hold.
struct Body<'b> {
    bytes: Vec<u8>,
    /// A term is never longer than that: `[[` and `]]` are 2 bytes of text a level and 6 of term, and nothing is worse.
    ceiling: usize,
    number: Writer,
    bounds: &'b Bounds,
    terms: usize,
    depth: usize,
    refused: Option<Cause>,
}

/// Where a container began, and what it holds so far.
struct Open {
    at: usize,
    items: usize,
}

impl<'b> Body<'b> {
    fn new(text: usize, bounds: &'b Bounds) -> Self {
        let ceiling = text.saturating_mul(3).saturating_add(8).min(bounds.bytes);
        // What nft prints makes a term as long as itself; without its spaces, an eighth longer.
        let usual = text.saturating_add(text / 4).saturating_add(8).min(ceiling);
        Self {
            bytes: Vec::with_capacity(usual),
            ceiling,
            number: Writer::new(),
            bounds,
            terms: 0,
            depth: 0,
            refused: None,
        }
    }

    fn refuse<T>(&mut self, cause: Cause) -> Result<T, Cause> {
        self.refused = Some(cause);
        Err(cause)
    }

    /// Makes room for `more` bytes: half as much again, as a vector's own doubling could take twice the ceiling.
    fn room(&mut self, more: usize) -> Result<(), Cause> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.bounds.bytes {
            return self.refuse(Cause::TooLong);
        }
        let capacity = self.bytes.capacity();
        if needed > capacity {
            let wanted = capacity.saturating_add(capacity / 2).min(self.ceiling).max(needed);
            self.bytes.reserve_exact(wanted.saturating_sub(self.bytes.len()));
        }
        Ok(())
    }

    fn put(&mut self, encoded: &[u8]) -> Result<(), Cause> {
        self.room(encoded.len())?;
        self.bytes.extend_from_slice(encoded);
        Ok(())
    }

    /// A tag and four bytes of length, for a map or a list still open.
    fn sized(&mut self, tag: u8, length: usize) -> Result<(), Cause> {
        let Ok(length) = u32::try_from(length) else { return self.refuse(Cause::TooLong) };
        let [a, b, c, d] = length.to_be_bytes();
        self.put(&[tag, a, b, c, d])
    }

    fn binary(&mut self, text: &str) -> Result<(), Cause> {
        self.sized(109, text.len())?;
        self.put(text.as_bytes())
    }

    fn number(&mut self, write: impl FnOnce(&mut Writer)) -> Result<(), Cause> {
        let mut number = std::mem::take(&mut self.number);
        write(&mut number);
        let put = self.put(number.bytes());
        number.clear();
        self.number = number;
        put
    }

    /// Counts one term before it is written.
    fn count(&mut self) -> Result<(), Cause> {
        self.terms = self.terms.saturating_add(1);
        if self.terms > self.bounds.terms { self.refuse(Cause::TooManyTerms) } else { Ok(()) }
    }

    /// Begins a list (108) or a map (116) of a size that is not known yet.
    fn open(&mut self, tag: u8) -> Result<Open, Cause> {
        let at = self.bytes.len();
        self.sized(tag, 0)?;
        Ok(Open { at, items: 0 })
    }

    /// One more element or pair. The first makes it a level, as the scan counts none for what is empty.
    fn item(&mut self, open: &mut Open) -> Result<(), Cause> {
        if open.items == 0 {
            if self.depth >= self.bounds.depth.min(LEVELS_MAX) {
                return self.refuse(Cause::TooDeep);
            }
            self.depth += 1;
        }
        open.items = open.items.saturating_add(1);
        Ok(())
    }

    /// Ends a container: writes its size where it began.
    fn close(&mut self, open: &Open) -> Result<(), Cause> {
        if open.items > 0 {
            self.depth = self.depth.saturating_sub(1);
        }
        let Ok(size) = u32::try_from(open.items) else { return self.refuse(Cause::TooLong) };
        let room = self.bytes.get_mut(open.at.saturating_add(1)..).and_then(<[u8]>::first_chunk_mut);
        match room {
            Some(room) => *room = size.to_be_bytes(),
            None => return self.refuse(Cause::TooLong),
        }
        Ok(())
    }

    /// Ends a list. The empty one has a form of its own.
    fn close_list(&mut self, open: &Open) -> Result<(), Cause> {
        match open.items {
            0 => self.bytes.truncate(open.at),
            _ => self.close(open)?,
        }
        self.put(&[NIL])
    }
}

/// The next value of the text.
struct Value<'a, 'b>(&'a mut Body<'b>);

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: serde_core::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        self.0.count().map_err(Error::custom)?;
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.put(NULL).map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let atom = if value { atoms::TRUE } else { atoms::FALSE };
        self.0.put(atom.encoded()).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.number(|w| w.int(value)).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.number(|w| w.uint(value)).map_err(E::custom)
    }

    /// Also integers beyond 64 bits, and `-0`.
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.refuse(Cause::Number).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.binary(text).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let body = self.0;
        let mut open = body.open(108).map_err(A::Error::custom)?;
        while elements.next_element_seed(Item { body, open: &mut open })?.is_some() {}
        body.close_list(&open).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let body = self.0;
        let mut open = body.open(116).map_err(A::Error::custom)?;
        while pairs.next_key_seed(Item { body, open: &mut open })?.is_some() {
            if open.items > body.bounds.map_pairs {
                return body.refuse(Cause::TooManyPairs).map_err(A::Error::custom);
            }
            pairs.next_value_seed(Value(body))?;
        }
        body.close(&open).map_err(A::Error::custom)
    }
}

/// An element or a key: it exists only now that the parser asks what to do with it.
struct Item<'a, 'b> {
    body: &'a mut Body<'b>,
    open: &'a mut Open,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_> {
    type Value = ();

    fn deserialize<D: serde_core::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        self.body.item(self.open).map_err(Error::custom)?;
        Value(self.body).deserialize(parser)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1 << 20, depth: 64, terms: 1000, map_pairs: 4 };

    fn term(text: &[u8]) -> Vec<u8> {
        to_term(text, &BOUNDS).unwrap().split_off(1)
    }

    fn why(text: &[u8], bounds: &Bounds) -> Cause {
        to_term(text, bounds).unwrap_err().why
    }

    #[test]
    fn every_kind_of_value_byte_for_byte() {
        assert_eq!(to_term(b"null", &BOUNDS).unwrap(), b"\x83w\x04null");
        assert_eq!(term(b" true "), b"w\x04true");
        assert_eq!(term(b"false"), b"w\x05false");
        assert_eq!(term(b"255"), [97, 255]);
        assert_eq!(term(b"-1"), b"b\xff\xff\xff\xff");
        assert_eq!(term(b"18446744073709551615"), b"n\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_eq!(term(b"-9223372036854775808"), b"n\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80");
        assert_eq!(term(b"\"a\\u00e9\\n\""), b"m\x00\x00\x00\x04a\xc3\xa9\n");
        assert_eq!(term(b"[]"), b"j");
        assert_eq!(term(b"[1,[]]"), b"l\x00\x00\x00\x02a\x01jj");
        assert_eq!(term(b"{}"), b"t\x00\x00\x00\x00");
        assert_eq!(term(b"{\"a\":1}"), b"t\x00\x00\x00\x01m\x00\x00\x00\x01aa\x01");
    }

    #[test]
    fn a_key_that_stands_twice_is_left_to_the_schema() {
        assert_eq!(
            term(b"{\"a\":1,\"a\":2}"),
            b"t\x00\x00\x00\x02m\x00\x00\x00\x01aa\x01m\x00\x00\x00\x01aa\x02"
        );
    }

    #[test]
    fn the_place_is_told() {
        let refused = to_term(b"{\n  \"a\": 1.5\n}", &BOUNDS).unwrap_err();
        assert_eq!(refused, NotJson { line: 2, column: 10, why: Cause::Number });
        assert_eq!(refused.to_string(), "line 2, column 10: a number that is not an integer of 64 bits");
        assert_eq!(
            to_term(b"[1,\n,]", &BOUNDS).unwrap_err(),
            NotJson { line: 2, column: 1, why: Cause::Syntax }
        );
    }

    /// At each bound the text is taken, and one beyond it is refused for that reason.
    #[test]
    fn each_bound_holds_by_itself() {
        let text = b"[[{\"a\":1,\"b\":[]}],{},\"c\"]";
        let body = to_term(text, &BOUNDS).unwrap();
        let exact = Bounds { bytes: body.len(), depth: 3, terms: 9, map_pairs: 2 };
        assert!(body.len() > text.len());
        assert_eq!(to_term(text, &exact).as_ref(), Ok(&body));
        assert!(crate::wire::scan::validate(&body, &exact).is_ok());
        assert_eq!(why(text, &Bounds { bytes: body.len() - 1, ..exact }), Cause::TooLong);
        assert_eq!(why(text, &Bounds { bytes: text.len() - 1, ..exact }), Cause::TooLong);
        assert_eq!(why(text, &Bounds { depth: 2, ..exact }), Cause::TooDeep);
        assert_eq!(why(text, &Bounds { terms: 8, ..exact }), Cause::TooManyTerms);
        assert_eq!(why(text, &Bounds { map_pairs: 1, ..exact }), Cause::TooManyPairs);
    }

    #[test]
    fn no_bounds_allow_more_levels_than_the_scan_can_count() {
        let none = Bounds { bytes: usize::MAX, depth: usize::MAX, terms: usize::MAX, map_pairs: usize::MAX };
        let nested = |levels: usize| [b"[".repeat(levels), b"1".to_vec(), b"]".repeat(levels)].concat();
        let body = to_term(&nested(64), &none).unwrap();
        assert!(crate::wire::scan::validate(&body, &none).is_ok());
        assert_eq!(why(&nested(65), &none), Cause::TooDeep);
    }
}
