//! Typed views of a term that the scan has accepted. Nothing is copied; walking borrows from the frame.
//!
//! To step over an element is a loop over its bytes, so a full walk takes at most bytes times depth. Iterators stop
//! early rather than panic should they meet bytes that the scan would not have let through.
#![forbid(unsafe_code)]

use super::head::{Head, head};

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
        take(&mut self.rest)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Term<'a>, Term<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((take(&mut self.rest)?, take(&mut self.rest)?))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// The term at the front of `rest`, and where the terms inside it begin.
#[inline]
pub(super) fn first(rest: &[u8]) -> Option<(Term<'_>, &[u8])> {
    let (head, rest) = head(rest).ok()?;
    let term = match head {
        Head::Leaf(term) => term,
        Head::Tuple(left) => Term::Tuple(Items { rest, left, bytes: false }),
        Head::List(left) => Term::List(Items { rest, left, bytes: false }),
        Head::Map(left) => Term::Map(Pairs { rest, left }),
    };
    Some((term, rest))
}

/// Takes the term at the front of `rest`.
#[inline]
fn take<'a>(rest: &mut &'a [u8]) -> Option<Term<'a>> {
    let (term, inside) = first(rest)?;
    *rest = skip(inside, pending(&term))?;
    Some(term)
}

/// How many terms stand between the head of `term` and its end. The tail of a list is one of them.
#[inline]
fn pending(term: &Term<'_>) -> usize {
    match term {
        Term::Tuple(items) => items.left,
        Term::List(items) if !items.bytes => items.left.saturating_add(1),
        Term::Map(pairs) => pairs.left.saturating_mul(2),
        _ => 0,
    }
}

/// Steps over `pending` terms and everything inside them. A number is enough to remember, as the order in which
/// containers end does not matter.
fn skip(mut rest: &[u8], mut pending: usize) -> Option<&[u8]> {
    while pending > 0 {
        let (term, inside) = first(rest)?;
        pending = (pending - 1).saturating_add(self::pending(&term));
        rest = inside;
    }
    Some(rest)
}
