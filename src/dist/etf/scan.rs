//! Walks one term without recursion and without memory of its own, and tells a visitor what costs a node something or reaches
//! beyond it: atoms, identifiers, depth, size.
#![forbid(unsafe_code)]

use super::read::{Cursor, Head};
use super::{Fault, Identifier};
use crate::dist::reason::Reason;
use crate::limits::DIST_DEPTH_MAX;

/// What one message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Levels of containers, at most [`DIST_DEPTH_MAX`].
    pub depth: usize,
    /// Terms, with the characters of strings.
    pub terms: usize,
    /// Bytes of one integer: arithmetic on longer ones is what a peer can slow a node down with.
    pub integer_bytes: usize,
}

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The bytes are no term.
    Malformed(Fault),
    /// The term is not wanted.
    Unwanted(Reason),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault)
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Unwanted(reason)
    }
}

/// Who looks at what a walk meets.
pub trait Visitor<'a> {
    /// An atom, in the order of the bytes. Names of nodes inside identifiers are atoms too and do not come here.
    ///
    /// # Errors
    /// The reason for which the message is not wanted.
    fn atom(&mut self, text: &'a str) -> Result<(), Reason>;

    /// An identifier. `once`: it stands in `[alias|Ref]`, the tag of a call, whose alias ends with the first answer.
    ///
    /// # Errors
    /// The reason for which the message is not wanted.
    fn identifier(&mut self, identifier: Identifier<'a>, once: bool) -> Result<(), Reason>;
}

/// What a walk has met so far; several terms of one message share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    terms: usize,
    maps: bool,
}

/// `LIST_EXT` of one element, the atom `alias`, then a reference as tail.
const ALIAS: &[u8] = b"\x6c\0\0\0\x01\x77\x05alias\x5a";

impl Walk {
    /// Whether it met a map.
    #[must_use]
    pub fn met_maps(&self) -> bool {
        self.maps
    }

    /// Walks the one term at the front of `cursor`.
    ///
    /// # Errors
    /// The first thing that is wrong or not wanted.
    pub fn term<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        bounds: &Bounds,
        visitor: &mut impl Visitor<'a>,
    ) -> Result<(), Stop> {
        // How many terms are still to come on each level; the outermost is the term itself.
        let mut levels = [0_usize; DIST_DEPTH_MAX + 1];
        let mut depth = 0;
        levels[0] = 1;
        // Where the reference of `[alias|Ref]` begins, by the bytes that are left there.
        let mut alias_at = None;
        loop {
            while levels.get(depth) == Some(&0) {
                let Some(above) = depth.checked_sub(1) else { return Ok(()) };
                depth = above;
            }
            if let Some(left) = levels.get_mut(depth) {
                *left -= 1;
            }
            if cursor.rest().starts_with(ALIAS) {
                alias_at = cursor.rest().len().checked_sub(ALIAS.len() - 1);
            }
            let at = cursor.rest().len();
            let inside = self.one(cursor.head()?, alias_at == Some(at), bounds, visitor)?;
            if inside > 0 {
                depth += 1;
                if depth > bounds.depth {
                    return Err(Reason::TooDeep.into());
                }
                *levels.get_mut(depth).ok_or(Reason::TooDeep)? = inside;
            }
        }
    }

    /// Looks at one head; returns how many terms follow inside it.
    fn one<'a>(
        &mut self,
        head: Head<'a>,
        once: bool,
        bounds: &Bounds,
        visitor: &mut impl Visitor<'a>,
    ) -> Result<usize, Stop> {
        let mut more = 1;
        let inside = match head {
            Head::Integer(_) | Head::Float(_) | Head::Binary(_) | Head::Nil => 0,
            Head::Big(_, bytes) if bytes.len() > bounds.integer_bytes => return Err(Reason::Integer.into()),
            Head::Big(..) => 0,
            Head::String(bytes) => {
                more += bytes.len();
                0
            }
            Head::Atom(text) => {
                visitor.atom(text)?;
                0
            }
            Head::Identifier(identifier) => {
                visitor.identifier(identifier, once)?;
                0
            }
            Head::Tuple(n) => n,
            Head::List(n) => n.saturating_add(1),
            Head::Map(n) => {
                self.maps = true;
                n.saturating_mul(2)
            }
            Head::Fun => return Err(Reason::Fun.into()),
            Head::Export => return Err(Reason::Export.into()),
        };
        self.terms = self.terms.saturating_add(more);
        if self.terms.saturating_add(inside) > bounds.terms {
            return Err(Reason::TooManyTerms.into());
        }
        Ok(inside)
    }
}

/// Looks at nothing.
pub struct Nobody;

impl<'a> Visitor<'a> for Nobody {
    fn atom(&mut self, _: &'a str) -> Result<(), Reason> {
        Ok(())
    }

    fn identifier(&mut self, _: Identifier<'a>, _: bool) -> Result<(), Reason> {
        Ok(())
    }
}
