//! Reads the first part of one term: a whole scalar, or the header of a container.
//!
//! The scan and the walk both use this one function, so they cannot disagree about where a term ends; what only steps over a
//! term uses [`extent`], which is held to it. Layouts are those of the ERTS User's Guide, External Term Format.
#![forbid(unsafe_code)]

use super::atoms::{self, Atom};
use super::term::{Items, Term, Word};
use crate::limits::{ATOM_BYTES_MAX, INTEGER_BYTES_MAX};

/// The version byte in front of every term.
pub(super) const VERSION: u8 = 131;
/// `NIL_EXT`: the empty list and the end of every proper list.
pub(super) const NIL: u8 = 106;

const NEW_FLOAT: u8 = 70;
const SMALL_INTEGER: u8 = 97;
const INTEGER: u8 = 98;
const SMALL_TUPLE: u8 = 104;
const LARGE_TUPLE: u8 = 105;
const STRING: u8 = 107;
const LIST: u8 = 108;
const BINARY: u8 = 109;
const SMALL_BIG: u8 = 110;
const LARGE_BIG: u8 = 111;
const MAP: u8 = 116;
const ATOM_UTF8: u8 = 118;
const SMALL_ATOM_UTF8: u8 = 119;

/// The beginning of a term.
pub(super) enum Head<'a> {
    /// A whole term without terms inside; `NIL` and `STRING_EXT` are such lists.
    Leaf(Term<'a>),
    /// That many elements follow.
    Tuple(usize),
    /// That many elements follow, then the tail.
    List(usize),
    /// That many pairs follow, first the key.
    Map(usize),
}

/// Bytes that are still to be read.
type Rest<'a> = &'a [u8];

/// Reads the head at the front of `rest` and returns what comes after it.
///
/// The error is a reason of `bad_frame`. Counts are not compared with anything. Inlined with all it calls, so that
/// the scan does not make values and a skip does not hand them on through memory: both are twice as fast for it.
#[inline(always)]
pub(super) fn head(rest: Rest<'_>) -> Result<(Head<'_>, Rest<'_>), Atom> {
    let (tag, rest) = rest.split_first().ok_or(atoms::TRUNCATED)?;
    let (term, rest) = match *tag {
        SMALL_INTEGER => {
            let ([n], rest) = fixed(rest)?;
            (Term::Integer(i128::from(*n)), rest)
        }
        INTEGER => {
            let (n, rest) = fixed(rest)?;
            (Term::Integer(i128::from(i32::from_be_bytes(*n))), rest)
        }
        SMALL_BIG => {
            let (n, rest) = length1(rest)?;
            big(rest, n)?
        }
        LARGE_BIG => {
            let (n, rest) = length4(rest)?;
            big(rest, n)?
        }
        NEW_FLOAT => float(rest)?,
        SMALL_ATOM_UTF8 => {
            let (n, rest) = length1(rest)?;
            atom(rest, n)?
        }
        ATOM_UTF8 => {
            let (n, rest) = length2(rest)?;
            atom(rest, n)?
        }
        BINARY => {
            let (n, rest) = length4(rest)?;
            let (bytes, rest) = take(rest, n)?;
            (Term::Binary(bytes), rest)
        }
        STRING => {
            let (n, rest) = length2(rest)?;
            let (bytes, rest) = take(rest, n)?;
            (Term::List(Items::of_bytes(bytes)), rest)
        }
        NIL => (Term::List(Items::of_bytes(&[])), rest),
        other => return container(other, rest),
    };
    Ok((Head::Leaf(term), rest))
}

/// The bytes of the atom or the binary at the front of `rest`, what comes behind it, and whether it is an atom. Nothing if it is
/// neither. That an atom is text the scan has seen to; so it need not be done again for every key of every map.
#[inline(always)]
pub(super) fn word(rest: Rest<'_>) -> Option<(Word<'_>, Rest<'_>)> {
    let (tag, rest) = rest.split_first()?;
    let (n, rest) = match *tag {
        SMALL_ATOM_UTF8 => length1(rest).ok()?,
        BINARY => length4(rest).ok()?,
        ATOM_UTF8 => length2(rest).ok()?,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(n)?;
    Some((if *tag == BINARY { Word::Binary(bytes) } else { Word::Atom(bytes) }, rest))
}

/// How many bytes the head at the front of `rest` has, and how many terms follow before its term ends: the tail of a list is one
/// of them. What [`head`] accepts it measures alike, without looking at what the bytes say.
#[inline(always)]
pub(super) fn extent(rest: Rest<'_>) -> Option<(usize, usize)> {
    let (tag, rest) = rest.split_first()?;
    let one = |rest: Rest<'_>| rest.first().map(|n| usize::from(*n));
    let two = |rest: Rest<'_>| length2(rest).ok().map(|(n, _)| n);
    let four = |rest: Rest<'_>| length4(rest).ok().map(|(n, _)| n);
    Some(match *tag {
        SMALL_ATOM_UTF8 => (2_usize.checked_add(one(rest)?)?, 0),
        BINARY => (5_usize.checked_add(four(rest)?)?, 0),
        SMALL_INTEGER => (2, 0),
        MAP => (5, four(rest)?.saturating_mul(2)),
        LIST => (5, four(rest)?.saturating_add(1)),
        NIL => (1, 0),
        INTEGER => (5, 0),
        SMALL_TUPLE => (2, one(rest)?),
        LARGE_TUPLE => (5, four(rest)?),
        SMALL_BIG => (3_usize.checked_add(one(rest)?)?, 0),
        LARGE_BIG => (6_usize.checked_add(four(rest)?)?, 0),
        NEW_FLOAT => (9, 0),
        ATOM_UTF8 | STRING => (3_usize.checked_add(two(rest)?)?, 0),
        _ => return None,
    })
}

#[inline(always)]
fn container(tag: u8, rest: Rest<'_>) -> Result<(Head<'_>, Rest<'_>), Atom> {
    let (head, (n, rest)): (fn(usize) -> Head<'static>, _) = match tag {
        SMALL_TUPLE => (Head::Tuple, length1(rest)?),
        LARGE_TUPLE => (Head::Tuple, length4(rest)?),
        LIST => (Head::List, length4(rest)?),
        MAP => (Head::Map, length4(rest)?),
        _ => return Err(atoms::TAG),
    };
    Ok((head(n), rest))
}

/// `n` bytes of magnitude, least significant first, after one byte of sign. Leading zeros and a negative zero are
/// accepted, as the BEAM does; they mean the same number.
#[inline(always)]
fn big(rest: Rest<'_>, n: usize) -> Result<(Term<'_>, Rest<'_>), Atom> {
    if n > INTEGER_BYTES_MAX {
        return Err(atoms::INTEGER);
    }
    let ([sign], rest) = fixed(rest)?;
    let (bytes, rest) = take(rest, n)?;
    let magnitude = bytes.iter().rev().fold(0_i128, |sum, byte| (sum << 8) | i128::from(*byte));
    match *sign {
        0 => Ok((Term::Integer(magnitude), rest)),
        1 => Ok((Term::Integer(-magnitude), rest)),
        _ => Err(atoms::INTEGER),
    }
}

#[inline(always)]
fn float(rest: Rest<'_>) -> Result<(Term<'_>, Rest<'_>), Atom> {
    let (bytes, rest) = fixed(rest)?;
    let value = f64::from_be_bytes(*bytes);
    if value.is_finite() { Ok((Term::Float(value), rest)) } else { Err(atoms::FLOAT) }
}

#[inline(always)]
fn atom(rest: Rest<'_>, n: usize) -> Result<(Term<'_>, Rest<'_>), Atom> {
    if n > ATOM_BYTES_MAX {
        return Err(atoms::ATOM);
    }
    let (bytes, rest) = take(rest, n)?;
    let text = std::str::from_utf8(bytes).map_err(|_| atoms::ATOM)?;
    Ok((Term::Atom(text), rest))
}

#[inline]
fn fixed<const N: usize>(rest: Rest<'_>) -> Result<(&[u8; N], Rest<'_>), Atom> {
    rest.split_first_chunk().ok_or(atoms::TRUNCATED)
}

#[inline]
fn take(rest: Rest<'_>, n: usize) -> Result<(&[u8], Rest<'_>), Atom> {
    rest.split_at_checked(n).ok_or(atoms::TRUNCATED)
}

#[inline]
fn length1(rest: Rest<'_>) -> Result<(usize, Rest<'_>), Atom> {
    fixed(rest).map(|([n], rest)| (usize::from(*n), rest))
}

#[inline]
fn length2(rest: Rest<'_>) -> Result<(usize, Rest<'_>), Atom> {
    fixed(rest).map(|(n, rest)| (usize::from(u16::from_be_bytes(*n)), rest))
}

#[inline]
fn length4(rest: Rest<'_>) -> Result<(usize, Rest<'_>), Atom> {
    let (n, rest) = fixed(rest)?;
    let n = usize::try_from(u32::from_be_bytes(*n)).map_err(|_| atoms::LENGTH)?;
    Ok((n, rest))
}
