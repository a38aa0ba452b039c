//! Encodes answers straight into one buffer, in the form that the BEAM itself would choose for each term.
//!
//! Lengths that are not known yet are written when they are. Nothing here fails: a term is as large as what it was
//! made from, and the address space of the program is far below what four bytes of length can say.
#![forbid(unsafe_code)]

use super::atoms::{self, Atom};

/// A buffer of frames. It keeps its memory when it is cleared.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// A frame that was started and must be ended.
#[must_use = "a frame without its length cuts the stream in the wrong places"]
#[derive(Debug)]
pub struct FrameMark(usize);

/// A list that was begun and must be ended.
#[must_use = "a list without its length and its tail is not a term"]
#[derive(Debug)]
pub struct ListMark(usize);

impl Writer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a frame: room for its length, then the version byte. Exactly one term must follow.
    #[inline]
    pub fn start_frame(&mut self) -> FrameMark {
        let mark = FrameMark(self.bytes.len());
        self.bytes.extend_from_slice(&[0, 0, 0, 0, 131]);
        mark
    }

    /// Ends a frame: writes its length into the room for it.
    #[inline]
    pub fn end_frame(&mut self, mark: FrameMark) {
        let FrameMark(at) = mark;
        let length = self.bytes.len().saturating_sub(at.saturating_add(4));
        self.patch(at, length);
    }

    /// An atom.
    #[inline]
    pub fn atom(&mut self, atom: Atom) {
        self.bytes.extend_from_slice(atom.encoded());
    }

    /// `true` or `false`.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.atom(if value { atoms::TRUE } else { atoms::FALSE });
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        match u8::try_from(value) {
            Ok(byte) => self.bytes.extend_from_slice(&[97, byte]),
            Err(_) => match i32::try_from(value) {
                Ok(word) => self.sized(98, word.to_be_bytes()),
                Err(_) => self.big(value < 0, value.unsigned_abs()),
            },
        }
    }

    /// An integer that is not negative.
    #[inline]
    pub fn uint(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(byte) => self.bytes.extend_from_slice(&[97, byte]),
            Err(_) => match i32::try_from(value) {
                Ok(word) => self.sized(98, word.to_be_bytes()),
                Err(_) => self.big(false, value),
            },
        }
    }

    /// A binary.
    #[inline]
    pub fn binary(&mut self, bytes: &[u8]) {
        self.sized(109, word(bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    /// A binary of UTF-8.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }

    /// A binary of several parts.
    #[inline]
    pub fn binary_of(&mut self, parts: &[&[u8]]) {
        self.sized(109, word(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
    }

    /// A binary of the hexadecimal digits of bytes, in lower case.
    pub fn hex(&mut self, bytes: &[u8]) {
        self.sized(109, word(bytes.len().saturating_mul(2)));
        let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + (n - 10) };
        self.bytes.extend(bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]));
    }

    /// The header of a tuple; that many terms must follow.
    #[inline]
    pub fn tuple(&mut self, arity: usize) {
        match u8::try_from(arity) {
            Ok(arity) => self.bytes.extend_from_slice(&[104, arity]),
            Err(_) => self.sized(105, word(arity)),
        }
    }

    /// A tuple of four small numbers, in one go: an address, of which a table of sockets has two in each row.
    #[inline]
    pub fn four(&mut self, [a, b, c, d]: [u8; 4]) {
        self.bytes.extend_from_slice(&[104, 4, 97, a, 97, b, 97, c, 97, d]);
    }

    /// The header of a map; that many keys, each followed by its value, must follow.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        self.sized(116, word(pairs));
    }

    /// The header of a list; that many terms must follow, and then [`nil`](Self::nil). With 0 elements it is the whole
    /// list and nothing must follow.
    #[inline]
    pub fn list(&mut self, elements: usize) {
        match elements {
            0 => self.nil(),
            _ => self.sized(108, word(elements)),
        }
    }

    /// The empty list, which is also the tail of every other.
    #[inline]
    pub fn nil(&mut self) {
        self.bytes.push(106);
    }

    /// Begins a list whose number of elements is not known yet.
    #[inline]
    pub fn begin_list(&mut self) -> ListMark {
        let mark = ListMark(self.bytes.len());
        self.sized(108, [0; 4]);
        mark
    }

    /// Ends a list of that many elements: writes the number and the tail.
    #[inline]
    pub fn end_list(&mut self, mark: ListMark, elements: usize) {
        let ListMark(at) = mark;
        if elements == 0 {
            self.bytes.truncate(at);
        } else {
            self.patch(at.saturating_add(1), elements);
        }
        self.nil();
    }

    /// Terms that were encoded before.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    /// Takes out what was written from `from` on, to be written to another frame with [`raw`](Self::raw).
    #[must_use]
    pub fn split_tail(&mut self, from: usize) -> Vec<u8> {
        self.bytes.split_off(from.min(self.bytes.len()))
    }

    /// Forgets what was written from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Forgets the first `n` bytes, which have gone out.
    pub fn discard_front(&mut self, n: usize) {
        self.bytes.drain(..n.min(self.bytes.len()));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Bytes written.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was written.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A tag and four bytes, in one go: most of what is written.
    #[inline]
    fn sized(&mut self, tag: u8, [a, b, c, d]: [u8; 4]) {
        self.bytes.extend_from_slice(&[tag, a, b, c, d]);
    }

    /// `SMALL_BIG_EXT` without leading zeros.
    fn big(&mut self, negative: bool, magnitude: u64) {
        let bytes = magnitude.to_le_bytes();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.bytes.extend_from_slice(&[110, u8::try_from(used).unwrap_or(8), u8::from(negative)]);
        self.bytes.extend_from_slice(bytes.get(..used).unwrap_or(&bytes));
    }

    fn patch(&mut self, at: usize, value: usize) {
        match self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            Some(room) => *room = word(value),
            None => debug_assert!(false, "what a mark belongs to was truncated"),
        }
    }
}

/// Four bytes of length. The address space of the program ends below what they can say.
#[inline]
fn word(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}
