//! The keys of maps. OTP takes no map that has one key twice, but that it finds out only behind the firewall: it writes the whole message into its log then,
//! some 600 bytes of memory for each byte of it. And it compares the keys of a small map each with each while nobody else runs, so that keys which hold much
//! hold up the whole node.
//!
//! One term can be written in several ways. Keys are compared by a hash of what they are, under a secret that is new at each start.
#![forbid(unsafe_code)]

use std::collections::hash_map::{DefaultHasher, RandomState};
use std::hash::{BuildHasher, Hasher};

use super::Identifier;
use super::read::{Cursor, Head};
use crate::dist::reason::Reason;
use crate::limits::{DIST_KEY_BYTES_MAX, DIST_PAIRS_MAX};

/// What a hash is taken of begins with one of these.
mod kind {
    pub const INTEGER: u8 = 0;
    pub const FLOAT: u8 = 1;
    pub const ATOM: u8 = 2;
    pub const BITS: u8 = 3;
    pub const NIL: u8 = 4;
    pub const CONS: u8 = 5;
    pub const TUPLE: u8 = 6;
    pub const MAP: u8 = 7;
    pub const PID: u8 = 8;
    pub const PORT: u8 = 9;
    pub const REFERENCE: u8 = 10;
}

/// `BIT_BINARY_EXT`, and the terms that hold others.
const BIT_BINARY: u8 = 77;
const TUPLE: u8 = 104;
const LARGE_TUPLE: u8 = 105;
const STRING: u8 = 107;
const LIST: u8 = 108;
const MAP: u8 = 116;

/// Looks at the maps in the term at the front of `bytes`, which was walked before: what is no term is not told here.
///
/// # Errors
/// [`Reason::DuplicateKey`]; [`Reason::TooManyTerms`] for more pairs than [`DIST_PAIRS_MAX`], or more bytes than [`DIST_KEY_BYTES_MAX`] of keys that hold
/// others.
pub fn check(bytes: &[u8]) -> Result<(), Reason> {
    let mut keys = Keys { secret: RandomState::new(), wrong: None, pairs: 0, held: 0 };
    let _ = keys.term(&mut Cursor::new(bytes), None);
    keys.wrong.map_or(Ok(()), Err)
}

struct Keys {
    secret: RandomState,
    wrong: Option<Reason>,
    pairs: usize,
    /// Bytes of keys that are tuples, lists and maps, each as often as it stands in such a key.
    held: usize,
}

impl Keys {
    /// Reads one term; into a hash, if it is a key or stands in one. Nothing where it ends early.
    fn term(&mut self, cursor: &mut Cursor<'_>, mut hash: Option<&mut DefaultHasher>) -> Option<()> {
        // A tail goes on where its list ends.
        loop {
            let front = cursor.rest();
            let head = cursor.head().ok()?;
            if let Some(hash) = hash.as_deref_mut() {
                scalar(head, front, hash);
            }
            match head {
                Head::Tuple(n) => {
                    for _ in 0..n {
                        self.term(cursor, hash.as_deref_mut())?;
                    }
                }
                Head::Map(n) => self.map(n, cursor, hash.as_deref_mut())?,
                Head::List(n) => {
                    for _ in 0..n {
                        if let Some(hash) = hash.as_deref_mut() {
                            hash.write_u8(kind::CONS);
                        }
                        self.term(cursor, hash.as_deref_mut())?;
                    }
                    continue;
                }
                Head::Fun | Head::Export => return None,
                _ => {}
            }
            return self.wrong.is_none().then_some(());
        }
    }

    fn map(&mut self, n: usize, cursor: &mut Cursor<'_>, hash: Option<&mut DefaultHasher>) -> Option<()> {
        self.pairs = self.pairs.saturating_add(n);
        if self.pairs > DIST_PAIRS_MAX {
            self.wrong = Some(Reason::TooManyTerms);
            return None;
        }
        let (mut keys, mut pairs) = (Vec::with_capacity(n), 0_u64);
        for _ in 0..n {
            let mut pair = self.secret.build_hasher();
            let front = cursor.rest();
            self.term(cursor, Some(&mut pair))?;
            if matches!(front.first(), Some(&(TUPLE | LARGE_TUPLE | STRING | LIST | MAP))) {
                self.held = self.held.saturating_add(front.len().saturating_sub(cursor.rest().len()));
                if self.held > DIST_KEY_BYTES_MAX {
                    self.wrong = Some(Reason::TooManyTerms);
                    return None;
                }
            }
            keys.push(pair.finish());
            self.term(cursor, hash.is_some().then_some(&mut pair))?;
            pairs = pairs.wrapping_add(pair.finish());
        }
        keys.sort_unstable();
        if keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            self.wrong = Some(Reason::DuplicateKey);
            return None;
        }
        if let Some(hash) = hash {
            // In whatever order they come.
            hash.write_u64(pairs);
        }
        Some(())
    }
}

/// What there is of a term beside the terms in it, however it was written.
fn scalar(head: Head<'_>, front: &[u8], hash: &mut DefaultHasher) {
    match head {
        Head::Integer(n) => integer(n < 0, &n.unsigned_abs().to_le_bytes(), hash),
        Head::Big(negative, bytes) => integer(negative, bytes, hash),
        Head::Float(value) => {
            hash.write_u8(kind::FLOAT);
            // Both zeros are one key until OTP 26.
            hash.write_u64((value + 0.0).to_bits());
        }
        Head::Atom(text) => named(kind::ATOM, text, hash),
        Head::Binary(bytes) => {
            let used =
                if front.first() == Some(&BIT_BINARY) { front.get(5).copied().unwrap_or(8) } else { 8 };
            hash.write_u8(kind::BITS);
            hash.write_usize(bytes.len());
            hash.write_u8(used);
            if let Some((last, whole)) = bytes.split_last() {
                hash.write(whole);
                // The other bits of the last byte are nobody's.
                hash.write_u8(last >> 8_u8.saturating_sub(used).min(7));
            }
        }
        Head::String(bytes) => {
            for byte in bytes {
                hash.write_u8(kind::CONS);
                integer(false, &[*byte], hash);
            }
            hash.write_u8(kind::NIL);
        }
        Head::Nil => hash.write_u8(kind::NIL),
        Head::Tuple(n) => {
            hash.write_u8(kind::TUPLE);
            hash.write_usize(n);
        }
        Head::Map(n) => {
            hash.write_u8(kind::MAP);
            hash.write_usize(n);
        }
        Head::Identifier(identifier) => of_a_node(&identifier, hash),
        // Of a list each element is told by itself; functions do not pass.
        Head::List(_) | Head::Fun | Head::Export => {}
    }
}

fn integer(negative: bool, bytes: &[u8], hash: &mut DefaultHasher) {
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    hash.write_u8(kind::INTEGER);
    hash.write_usize(length);
    hash.write_u8(u8::from(negative && length > 0));
    hash.write(bytes.get(..length).unwrap_or_default());
}

fn named(kind: u8, text: &str, hash: &mut DefaultHasher) {
    hash.write_u8(kind);
    hash.write_usize(text.len());
    hash.write(text.as_bytes());
}

fn of_a_node(identifier: &Identifier<'_>, hash: &mut DefaultHasher) {
    match identifier {
        Identifier::Pid(pid) => {
            named(kind::PID, pid.node, hash);
            [pid.creation, pid.id, pid.serial].iter().for_each(|word| hash.write_u32(*word));
        }
        Identifier::Port(port) => {
            named(kind::PORT, port.node, hash);
            hash.write_u32(port.creation);
            hash.write_u64(port.id);
        }
        Identifier::Ref(reference) => {
            named(kind::REFERENCE, reference.node, hash);
            hash.write_u32(reference.creation);
            // Of two of different lengths, words of 0 make one for OTP.
            reference.words.iter().for_each(|word| hash.write_u32(*word));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_a_key_twice(bytes: &[u8]) -> bool {
        check(bytes) == Err(Reason::DuplicateKey)
    }

    /// A map of these keys, each with `[]`.
    fn map(keys: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![116];
        bytes.extend(u32::try_from(keys.len()).unwrap().to_be_bytes());
        keys.iter().for_each(|key| bytes.extend([key, &[106][..]].concat()));
        bytes
    }

    /// Ways to write one term, and others that are near it and are not the same.
    #[test]
    fn one_key_in_two_ways_is_one() {
        let node = b"\x77\x03a@h";
        let reference = |len: u8, words: &[u32]| {
            let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            [&[90, 0, len][..], node, &[0, 0, 0, 7], &words].concat()
        };
        let port = |tag: u8, id: &[u8]| [&[tag][..], node, id, &[0, 0, 0, 7]].concat();
        let inner = [map(&[b"\x61\x01", b"\x61\x02"]), map(&[b"\x61\x02", b"\x61\x01"])];
        let same: &[&[&[u8]]] = &[
            &[
                b"\x61\x61",
                b"\x62\0\0\0\x61",
                b"\x6e\x01\0\x61",
                b"\x6e\x03\0\x61\0\0",
                b"\x6f\0\0\0\x01\0\x61",
            ],
            &[b"\x62\xff\xff\xff\xff", b"\x6e\x01\x01\x01"],
            &[b"\x61\0", b"\x6e\x01\x01\0", b"\x6e\0\0"],
            &[b"\x62\x80\0\0\0", b"\x6e\x04\x01\0\0\0\x80"],
            &[b"\x46\0\0\0\0\0\0\0\0", b"\x46\x80\0\0\0\0\0\0\0"],
            &[b"\x77\x01x", b"\x76\0\x01x"],
            &[b"\x6d\0\0\0\x01x", b"\x4d\0\0\0\x01\x08x"],
            &[b"\x4d\0\0\0\x01\x03\xa0", b"\x4d\0\0\0\x01\x03\xbf"],
            &[
                b"\x6b\0\x02\x01\x02",
                b"\x6c\0\0\0\x02\x61\x01\x61\x02\x6a",
                b"\x6c\0\0\0\x01\x61\x01\x6b\0\x01\x02",
            ],
            &[b"\x6a", b"\x6b\0\0"],
            &[b"\x68\x01\x61\x01", b"\x69\0\0\0\x01\x62\0\0\0\x01"],
            &[&inner[0], &inner[1]],
            &[&reference(3, &[7, 0, 0]), &reference(5, &[7, 0, 0, 0, 0]), &reference(1, &[7])],
            &[&port(89, &[0, 0, 0, 9]), &port(120, &[0, 0, 0, 0, 0, 0, 0, 9])],
        ];
        for (n, ways) in same.iter().enumerate() {
            for (at, way) in ways.iter().enumerate() {
                for other in ways.get(at + 1..).unwrap() {
                    assert!(
                        has_a_key_twice(&map(&[way, b"\x77\x05other", other])),
                        "{n}: {way:x?} {other:x?}"
                    );
                }
            }
        }
        // Wherever the map stands.
        let twice = map(&[b"\x61\x01", b"\x61\x01"]);
        let nested = [&b"\x68\x02\x6c\0\0\0\x01\x6a\x74\0\0\0\x01\x61\x05"[..], &twice, b"\x6a"].concat();
        assert!(has_a_key_twice(&nested));
        let as_key = map(&[&twice]);
        assert!(has_a_key_twice(&as_key));
    }

    #[test]
    fn what_is_not_the_same_stays_apart() {
        let keys: &[&[u8]] = &[
            b"\x61\x01",
            b"\x6e\x01\x01\x01",
            b"\x46\x3f\xf0\0\0\0\0\0\0",
            b"\x77\x01x",
            b"\x6d\0\0\0\x01x",
            b"\x4d\0\0\0\x01\x07x",
            b"\x6d\0\0\0\x02x\0",
            b"\x6b\0\x01x",
            b"\x68\x01\x61\x78",
            b"\x6a",
            b"\x68\0",
            b"\x74\0\0\0\0",
            b"\x74\0\0\0\x01\x61\x01\x61\x02",
            b"\x74\0\0\0\x01\x61\x02\x61\x01",
            b"\x6c\0\0\0\x01\x61\x01\x61\x02",
            b"\x6c\0\0\0\x02\x61\x01\x61\x02\x6a",
            b"\x6c\0\0\0\x01\x6b\0\x02\x01\x02\x6a",
            b"\x58\x77\x03a@h\0\0\0\x01\0\0\0\x02\0\0\0\x03",
            b"\x58\x77\x03a@h\0\0\0\x02\0\0\0\x01\0\0\0\x03",
        ];
        assert!(!has_a_key_twice(&map(keys)));
        // Values, and keys of other maps, are not compared.
        assert!(!has_a_key_twice(b"\x68\x02\x74\0\0\0\x01\x61\x01\x61\x01\x74\0\0\0\x01\x61\x01\x61\x01"));
        assert!(!has_a_key_twice(b"\x74\0\0\0\x02\x61\x01"));
    }

    /// 4 MB of maps in keys of maps held up a node for 0.8 s.
    #[test]
    fn keys_that_hold_others_are_bounded_together() {
        let key = |n: u32, length: usize| {
            let bytes = vec![b'x'; length - 14];
            [
                &b"\x68\x02\x62"[..],
                &n.to_be_bytes(),
                b"\x6d",
                &u32::try_from(bytes.len()).unwrap().to_be_bytes(),
                &bytes,
            ]
            .concat()
        };
        let of = |keys: usize, length: usize| {
            let keys: Vec<Vec<u8>> = (0..u32::try_from(keys).unwrap()).map(|n| key(n, length)).collect();
            map(&keys.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let each = DIST_KEY_BYTES_MAX / 64;
        assert_eq!(check(&of(64, each)), Ok(()));
        assert_eq!(check(&of(66, each)), Err(Reason::TooManyTerms));
        // What stands in a key counts in each that it stands in.
        let inner = of(40, each);
        assert_eq!(check(&inner), Ok(()));
        assert_eq!(check(&map(&[&inner])), Err(Reason::TooManyTerms));
        // All pairs count, in however many maps.
        let many: Vec<[u8; 5]> = (0..=u32::try_from(DIST_PAIRS_MAX).unwrap())
            .map(|n| [&[98][..], &n.to_be_bytes()].concat().try_into().unwrap())
            .collect();
        let many: Vec<&[u8]> = many.iter().map(<[u8; 5]>::as_slice).collect();
        assert_eq!(check(&map(&many[1..])), Ok(()));
        assert_eq!(check(&map(&many)), Err(Reason::TooManyTerms));
        let two = [&b"\x68\x02"[..], &map(&many[..40_000]), &map(&many[40_000..])].concat();
        assert_eq!(check(&two), Err(Reason::TooManyTerms));
        // What holds nothing is compared in one step.
        let long = [
            &b"\x6d"[..],
            &u32::try_from(DIST_KEY_BYTES_MAX).unwrap().to_be_bytes(),
            &vec![7; DIST_KEY_BYTES_MAX],
        ]
        .concat();
        assert_eq!(check(&map(&[&long, b"\x6a"])), Ok(()));
    }
}
