//! Typed views of a term that the scan has accepted. Nothing is copied; walking borrows from the frame.
//!
//! To step over an element is a loop over the heads inside it, and nothing steps over the last one: behind it comes nothing
//! that anybody asks for. So a full walk takes at most heads times depth, and only one pass where elements stand alone. Iterators
//! stop early rather than panic should they meet bytes that the scan would not have let through.
#![forbid(unsafe_code)]

use super::head::{Head, extent, head, word};

/// A term of a request.
#[derive(Clone, Copy, Debug)]
pub enum Term<'a> {
    /// At most 64 bits of magnitude, and a sign.
    Integer(i128),
    /// Finite.
    Float(f64),
    /// Chosen by the peer: compared with the vocabulary, never kept.
    Atom(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
    /// A tuple of any arity.
    Tuple(Items<'a>),
    /// A proper list, whichever of its three encodings was used.
    List(Items<'a>),
    /// A map; keys can be anything and can occur twice.
    Map(Pairs<'a>),
}

/// A key of a map, as far as a schema asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// The text of an atom.
    Atom(&'a [u8]),
    /// A binary.
    Binary(&'a [u8]),
    /// Something else.
    Other,
}

impl<'a> Word<'a> {
    /// The bytes of an atom or of a binary.
    #[must_use]
    #[inline]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Atom(bytes) | Self::Binary(bytes) => Some(bytes),
            Self::Other => None,
        }
    }
}

/// The elements of a tuple or a list.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
    left: usize,
    /// The elements are the bytes themselves (`STRING_EXT`), not terms.
    bytes: bool,
}

/// The pairs of a map, in the order of the frame.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Items<'a> {
    /// Terms one behind the other, as our own writer wrote them or the scan has let them through.
    #[must_use]
    pub fn of_encoded(rest: &'a [u8], left: usize) -> Self {
        Self { rest, left, bytes: false }
    }

    /// The next element as it is encoded; nothing in a list that is made of bytes.
    pub fn next_encoded(&mut self) -> Option<&'a [u8]> {
        if self.bytes {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let behind = skip(self.rest, 1)?;
        let (term, rest) = self.rest.split_at_checked(self.rest.len().checked_sub(behind.len())?)?;
        self.rest = rest;
        Some(term)
    }

    /// A list of bytes.
    #[inline]
    pub(super) fn of_bytes(rest: &'a [u8]) -> Self {
        Self { rest, left: rest.len(), bytes: true }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Term<'a>;

    #[inline]
    fn next(&mut self) -> Option<Term<'a>> {
        self.left = self.left.checked_sub(1)?;
        if self.bytes {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            return Some(Term::Integer(i128::from(*byte)));
        }
        if self.left == 0 { first(self.rest) } else { take(&mut self.rest) }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'a> Pairs<'a> {
    /// The value of the n-th pair, from 0, as a list of this one element.
    #[must_use]
    pub fn value_alone(mut self, n: usize) -> Option<Items<'a>> {
        if n > 0 {
            self.nth(n - 1)?;
        }
        self.left.checked_sub(1)?;
        self.rest = skip(self.rest, 1)?;
        Some(Items { rest: self.rest, left: 1, bytes: false })
    }

    /// The next pair: its key as a word, and where its value stands.
    #[inline(always)]
    pub(super) fn next_place(&mut self) -> Option<(Word<'a>, &'a [u8])> {
        self.left = self.left.checked_sub(1)?;
        let key = match word(self.rest) {
            Some((key, rest)) => {
                self.rest = rest;
                key
            }
            None => {
                self.rest = skip(self.rest, 1)?;
                Word::Other
            }
        };
        let value = self.rest;
        // Nothing is asked behind the last value.
        if self.left > 0 {
            self.rest = skip(value, 1)?;
        }
        Some((key, value))
    }

    /// The next pair, of whose key only a word is wanted.
    #[inline]
    pub fn next_word(&mut self) -> Option<(Word<'a>, Term<'a>)> {
        let (key, value) = self.next_place()?;
        first(value).map(|value| (key, value))
    }

    /// The value at the front; nothing is asked behind that of the last pair.
    #[inline]
    fn value(&mut self) -> Option<Term<'a>> {
        if self.left == 0 { first(self.rest) } else { take(&mut self.rest) }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Term<'a>, Term<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((take(&mut self.rest)?, self.value()?))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// The term at the front of `rest`.
#[inline]
pub(super) fn first(rest: &[u8]) -> Option<Term<'_>> {
    let (head, inside) = head(rest).ok()?;
    Some(view(head, inside))
}

#[inline]
fn view<'a>(head: Head<'a>, rest: &'a [u8]) -> Term<'a> {
    match head {
        Head::Leaf(term) => term,
        Head::Tuple(left) => Term::Tuple(Items { rest, left, bytes: false }),
        Head::List(left) => Term::List(Items { rest, left, bytes: false }),
        Head::Map(left) => Term::Map(Pairs { rest, left }),
    }
}

/// Takes the term at the front of `rest`.
#[inline]
fn take<'a>(rest: &mut &'a [u8]) -> Option<Term<'a>> {
    let (head, inside) = head(rest).ok()?;
    *rest = match pending(&head) {
        0 => inside,
        more => skip(inside, more)?,
    };
    Some(view(head, inside))
}

/// How many terms stand between a head and the end of its term. The tail of a list is one of them.
#[inline]
fn pending(head: &Head<'_>) -> usize {
    match head {
        Head::Leaf(_) => 0,
        Head::Tuple(n) => *n,
        Head::List(n) => n.saturating_add(1),
        Head::Map(n) => n.saturating_mul(2),
    }
}

/// Steps over `left` terms and everything inside them. A number is enough to remember, as the order in which
/// containers end does not matter.
#[inline]
fn skip(mut rest: &[u8], mut left: usize) -> Option<&[u8]> {
    while left > 0 {
        let (bytes, inside) = extent(rest)?;
        debug_assert!(agrees(rest, bytes, inside), "a head of {bytes} bytes and {inside} terms");
        left = (left - 1).saturating_add(inside);
        rest = rest.get(bytes..)?;
    }
    Some(rest)
}

/// Whether a head is as long as its reader says, and as much follows.
fn agrees(rest: &[u8], bytes: usize, inside: usize) -> bool {
    head(rest).is_ok_and(|(head, behind)| rest.len() == behind.len() + bytes && pending(&head) == inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of head, with lengths of every width.
    #[test]
    fn what_is_stepped_over_is_as_long_as_what_is_read() {
        let heads: &[&[u8]] = &[
            &[97, 255],
            &[98, 255, 255, 255, 255],
            &[70, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18],
            &[119, 2, b'o', b'k'],
            &[118, 0, 2, b'o', b'k'],
            &[109, 0, 0, 0, 3, 1, 2, 3],
            &[107, 0, 2, 7, 7],
            &[110, 2, 1, 0, 1],
            &[111, 0, 0, 0, 2, 0, 0, 1],
            &[106],
            &[104, 0],
            &[104, 3],
            &[105, 0, 0, 1, 0],
            &[108, 0, 0, 0, 9],
            &[116, 0, 0, 0, 4],
        ];
        for bytes in heads {
            for behind in [&[][..], &[97, 1, 106]] {
                let bytes = [bytes, behind].concat();
                let (length, inside) = extent(&bytes).unwrap();
                assert!(agrees(&bytes, length, inside), "{bytes:?}");
            }
            for cut in 0..bytes.len() {
                let read = head(&bytes[..cut]).is_ok();
                let stepped = extent(&bytes[..cut]).is_some_and(|(length, _)| length <= cut);
                assert_eq!(read, stepped, "{:?}", &bytes[..cut]);
            }
        }
        assert!(extent(&[0]).is_none() && extent(&[]).is_none());
    }
}
