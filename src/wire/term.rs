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

impl<'a> Pairs<'a> {
    /// The value of the n-th pair, from 0, as a list of this one element.
    #[must_use]
    pub fn value_alone(mut self, n: usize) -> Option<Items<'a>> {
        if n > 0 {
            self.nth(n - 1)?;
        }
        self.left.checked_sub(1)?;
        take(&mut self.rest)?;
        Some(Items { rest: self.rest, left: 1, bytes: false })
    }
}

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
fn skip(mut rest: &[u8], mut left: usize) -> Option<&[u8]> {
    while left > 0 {
        let (head, inside) = head(rest).ok()?;
        left = (left - 1).saturating_add(pending(&head));
        rest = inside;
    }
    Some(rest)
}
