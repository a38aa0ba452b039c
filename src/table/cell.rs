//! The value of one cell: what conditions compare and what goes on the wire.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use crate::wire::address;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// What a condition can compare of a cell.
pub trait Cell {
    /// The number that it is.
    fn number(&self) -> Option<i128>;
    /// The bytes that it is, all of them.
    fn bytes(&self) -> Option<&[u8]>;
    /// The word that it is.
    fn word(&self) -> Option<Atom>;
    /// The address that it is.
    fn address(&self) -> Option<IpAddr>;
}

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A count, a size, an id.
    Unsigned(u64),
    /// A number that can be negative.
    Signed(i64),
    /// Bytes as the kernel has them.
    Bytes(&'a [u8]),
    /// A word of the table's.
    Word(Atom),
    /// Some of them.
    Words(&'a [Atom]),
    /// Numbers.
    Numbers(&'a [u64]),
    /// Pairs of a name and a number, as a map from bytes.
    Counts(&'a [(Vec<u8>, u64)]),
    /// True or false.
    Bool(bool),
    /// An address, as `inet:ip_address()`.
    Address(IpAddr),
    /// Does not apply to this row.
    Undefined,
    /// The kernel refused; its errno.
    Denied(i32),
    /// There is none, for a reason that is no errno.
    Failed(Atom),
}

/// What came of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it is there, or there is none.
    Whole,
    /// It was longer than it may be.
    Cut,
    /// The kernel refused it to us.
    Denied,
}

impl Cell for Value<'_> {
    fn number(&self) -> Option<i128> {
        match self {
            Self::Unsigned(n) => Some(i128::from(*n)),
            Self::Signed(n) => Some(i128::from(*n)),
            _ => None,
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    fn word(&self) -> Option<Atom> {
        match self {
            Self::Word(word) => Some(*word),
            Self::Bool(yes) => Some(if *yes { atoms::TRUE } else { atoms::FALSE }),
            _ => None,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        if let Self::Address(address) = self { Some(*address) } else { None }
    }
}

impl<'a> Value<'a> {
    /// A number, if there is one.
    #[must_use]
    pub fn maybe(number: Option<u64>) -> Self {
        number.map_or(Self::Undefined, Self::Unsigned)
    }

    /// Bytes, if there are some.
    #[must_use]
    pub fn maybe_bytes(bytes: Option<&'a [u8]>) -> Self {
        bytes.map_or(Self::Undefined, Self::Bytes)
    }

    /// Whether it is longer than a cell may be.
    #[must_use]
    pub fn is_cut(&self, cell_max: usize) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.len() > cell_max)
    }

    /// Writes the cell as one term, of `cell_max` bytes at most: `{truncated, First}` where there was more. Says what came of it, as
    /// whoever counts that would otherwise ask each cell twice more.
    #[inline]
    pub fn write(&self, cell_max: usize, w: &mut Writer) -> Written {
        match *self {
            Self::Unsigned(n) => w.uint(n),
            Self::Signed(n) => w.int(n),
            Self::Bytes(bytes) => match bytes.split_at_checked(cell_max) {
                Some((first, [_, ..])) => {
                    w.tuple(2);
                    w.atom(atoms::TRUNCATED);
                    w.binary(first);
                    return Written::Cut;
                }
                _ => w.binary(bytes),
            },
            Self::Word(word) => w.atom(word),
            Self::Words(words) => list(words, w, |word, w| w.atom(*word)),
            Self::Numbers(numbers) => list(numbers, w, |n, w| w.uint(*n)),
            Self::Counts(counts) => {
                w.map(counts.len());
                for (name, n) in counts {
                    w.binary(name);
                    w.uint(*n);
                }
            }
            Self::Bool(yes) => w.bool(yes),
            Self::Address(address) => address::write(address, w),
            Self::Undefined => w.atom(atoms::UNDEFINED),
            Self::Denied(errno) => {
                w.tuple(2);
                w.atom(atoms::ERROR);
                w.atom(atoms::errno(errno));
                if matches!(errno, libc::EACCES | libc::EPERM) {
                    return Written::Denied;
                }
            }
            Self::Failed(why) => {
                w.tuple(2);
                w.atom(atoms::ERROR);
                w.atom(why);
            }
        }
        Written::Whole
    }
}

fn list<T>(items: &[T], w: &mut Writer, write: impl Fn(&T, &mut Writer)) {
    let mark = w.begin_list();
    items.iter().for_each(|item| write(item, w));
    w.end_list(mark, items.len());
}
