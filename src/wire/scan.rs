//! Decides whether a frame of the peer is a term that the port looks at, before anything looks at it.
//!
//! One pass, no recursion and no allocation: nesting is a fixed array of counters, and a count that the frame cannot
//! hold is refused where it stands. What is accepted is a [`Validated`], which only this module can make.
#![forbid(unsafe_code)]

use super::atoms::{self, Atom};
use super::head::{Head, NIL, VERSION, head};
use super::term::{self, Term};
use crate::limits;
use crate::op::Role;

/// Most levels that any bounds can allow: the size of the array of counters.
const LEVELS_MAX: usize = 64;

/// What a frame may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the frame, with the version byte.
    pub bytes: usize,
    /// Levels of containers that are not empty, at most 64.
    pub depth: usize,
    /// Terms that a full walk meets: the outermost, elements, keys, values, characters of strings.
    pub terms: usize,
    /// Pairs of any one map.
    pub map_pairs: usize,
}

impl Bounds {
    /// A request of that role.
    #[must_use]
    pub fn of(role: Role) -> &'static Self {
        match role {
            Role::Proc => &Self::PROC,
            Role::Net => &Self::NET,
        }
    }

    /// A request of the `proc` role.
    pub const PROC: Self = Self {
        bytes: limits::PROC_FRAME_MAX,
        depth: limits::PROC_DEPTH_MAX,
        terms: limits::TERMS_MAX,
        map_pairs: limits::MAP_PAIRS_MAX,
    };

    /// A request of the `net` role.
    pub const NET: Self = Self {
        bytes: limits::NET_FRAME_MAX,
        depth: limits::NET_DEPTH_MAX,
        terms: limits::NET_TERMS_MAX,
        map_pairs: limits::MAP_PAIRS_MAX,
    };
}

/// A frame that was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Validated<'a> {
    term: Term<'a>,
}

impl<'a> Validated<'a> {
    /// The term.
    #[must_use]
    pub fn term(&self) -> Term<'a> {
        self.term
    }
}

/// A frame that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where: the first byte of the term that is wrong, counted from the version byte.
    pub offset: usize,
    /// One of the reasons of `bad_frame`.
    pub why: Atom,
}

/// Accepts or refuses a frame.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn validate<'a>(frame: &'a [u8], bounds: &Bounds) -> Result<Validated<'a>, Malformed> {
    let root = outside(frame, bounds).map_err(|why| Malformed { offset: 0, why })?;
    let mut scan = Scan { rest: root, bounds, terms: 1, levels: [Level::NONE; LEVELS_MAX], depth: 0 };
    loop {
        let at = scan.rest;
        let opened = scan.term().map_err(|why| malformed(frame, at, why))?;
        if !opened && scan.close().map_err(|why| malformed(frame, scan.rest, why))? {
            break;
        }
    }
    if !scan.rest.is_empty() {
        return Err(malformed(frame, scan.rest, atoms::TRAILING_BYTES));
    }
    match term::first(root) {
        Some(term) => Ok(Validated { term }),
        None => Err(malformed(frame, root, atoms::TRUNCATED)),
    }
}

fn malformed(frame: &[u8], rest: &[u8], why: Atom) -> Malformed {
    Malformed { offset: frame.len().saturating_sub(rest.len()), why }
}

/// Checks the length and the version; returns what is inside.
fn outside<'a>(frame: &'a [u8], bounds: &Bounds) -> Result<&'a [u8], Atom> {
    if frame.len() > bounds.bytes {
        return Err(atoms::FRAME_TOO_LONG);
    }
    match frame.split_first() {
        None => Err(atoms::EMPTY),
        Some((&VERSION, rest)) => Ok(rest),
        Some(_) => Err(atoms::VERSION),
    }
}

/// A container that is not at its end.
#[derive(Clone, Copy)]
struct Level {
    left: usize,
    list: bool,
}

impl Level {
    const NONE: Self = Self { left: 0, list: false };
}

struct Scan<'a, 'b> {
    rest: &'a [u8],
    bounds: &'b Bounds,
    terms: usize,
    levels: [Level; LEVELS_MAX],
    depth: usize,
}

impl Scan<'_, '_> {
    /// Reads the head of a term. True if terms inside it come next.
    #[inline]
    fn term(&mut self) -> Result<bool, Atom> {
        let (head, rest) = head(self.rest)?;
        self.rest = rest;
        match head {
            Head::Leaf(Term::List(string)) if string.len() > 0 => {
                self.count(string.len())?;
                self.level().map(|_| false)
            }
            Head::Leaf(_) | Head::Tuple(0) | Head::Map(0) => Ok(false),
            // `term_to_binary` never makes it, and its tail would be the whole term.
            Head::List(0) => Err(atoms::LENGTH),
            Head::Tuple(n) => self.open(n, n, false),
            Head::List(n) => self.open(n, n.saturating_add(1), true),
            Head::Map(n) if n > self.bounds.map_pairs => Err(atoms::TOO_MANY_PAIRS),
            Head::Map(n) => self.open(n.saturating_mul(2), n.saturating_mul(2), false),
        }
    }

    /// Goes inside a container of `left` terms, which take at least `bytes`.
    fn open(&mut self, left: usize, bytes: usize, list: bool) -> Result<bool, Atom> {
        if bytes > self.rest.len() {
            return Err(atoms::LENGTH);
        }
        self.count(left)?;
        *self.level()? = Level { left, list };
        self.depth += 1;
        Ok(true)
    }

    /// Counts terms before they are read, so that none beyond the bound is.
    #[inline]
    fn count(&mut self, more: usize) -> Result<(), Atom> {
        self.terms = self.terms.saturating_add(more);
        if self.terms > self.bounds.terms { Err(atoms::TOO_MANY_TERMS) } else { Ok(()) }
    }

    /// The counter of the next level, if one more is allowed.
    #[inline]
    fn level(&mut self) -> Result<&mut Level, Atom> {
        if self.depth >= self.bounds.depth {
            return Err(atoms::TOO_DEEP);
        }
        self.levels.get_mut(self.depth).ok_or(atoms::TOO_DEEP)
    }

    /// A term has ended, and with it perhaps the containers around it. True if nothing is open any more.
    #[inline]
    fn close(&mut self) -> Result<bool, Atom> {
        while let Some(below) = self.depth.checked_sub(1) {
            let level = self.levels.get_mut(below).ok_or(atoms::TOO_DEEP)?;
            level.left = level.left.saturating_sub(1);
            if level.left > 0 {
                return Ok(false);
            }
            if level.list {
                self.rest = tail(self.rest)?;
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
