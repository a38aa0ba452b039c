//! Conditions of a `where`: a row is answered if it meets all of them. A cell that is denied, does not apply or was cut
//! meets none, since nothing is known about it.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::cell::Cell;
use super::column::{Described, Kind};
use crate::error::{RequestError, Why};
use crate::limits::ANY_OF_MAX;
use crate::wire::address;
use crate::wire::atoms::Atom;
use crate::wire::schema::{At, atom, binary, list};
use crate::wire::term::{Items, Term};

/// What a cell must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// One of these.
    AnyOf(Vec<Want>),
    /// A number from the first to the second.
    Range(i128, i128),
    /// Bytes that begin so.
    Prefix(Vec<u8>),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// A number.
    Number(i128),
    /// A word.
    Word(Atom),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An address.
    Address(IpAddr),
}

impl Condition {
    /// Reads a condition on `column`; `budget` is how many values the request may still name.
    pub fn decode<C: Described>(
        term: Term<'_>,
        column: &C,
        at: &At<'_>,
        budget: &mut usize,
    ) -> Result<Self, RequestError> {
        let kind = column.kind();
        match term {
            _ if kind == Kind::Compound => Err(at.error(Why::NotComparable(column.name().name()))),
            Term::List(_) => {
                let items = list(term, at, *budget)?;
                *budget = budget.saturating_sub(items.len());
                let values = items.zip(1..).map(|(item, n)| Want::decode(item, kind, &At::Index(at, n)));
                Ok(Self::AnyOf(values.collect::<Result<_, _>>()?))
            }
            Term::Tuple(items) if kind != Kind::Address => Self::decode_tuple(items, kind, at),
            single => Ok(Self::AnyOf(vec![Want::decode(single, kind, at)?])),
        }
    }

    fn decode_tuple(mut items: Items<'_>, kind: Kind, at: &At<'_>) -> Result<Self, RequestError> {
        let wrong = || at.error(Why::Expected("condition"));
        let arity = items.len();
        let name = atom(items.next().ok_or_else(wrong)?, &At::Index(at, 1))?;
        let mut number = |n| match items.next() {
            Some(Term::Integer(i)) => Ok(i),
            _ => Err(At::Index(at, n).error(Why::Expected("integer"))),
        };
        match (name, kind, arity) {
            ("min", Kind::Number, 2) => Ok(Self::Range(number(2)?, i128::MAX)),
            ("max", Kind::Number, 2) => Ok(Self::Range(i128::MIN, number(2)?)),
            ("range", Kind::Number, 3) => Ok(Self::Range(number(2)?, number(3)?)),
            ("prefix", Kind::Bytes, 2) => {
                let bytes = binary(items.next().ok_or_else(wrong)?, &At::Index(at, 2))?;
                Ok(Self::Prefix(bytes.to_vec()))
            }
            _ => Err(wrong()),
        }
    }

    /// Whether the cell meets it.
    #[must_use]
    pub fn met_by(&self, cell: &impl Cell) -> bool {
        match self {
            Self::AnyOf(wants) => wants.iter().any(|w| w.is(cell)),
            Self::Range(min, max) => cell.number().is_some_and(|n| (*min..=*max).contains(&n)),
            Self::Prefix(prefix) => cell.bytes().is_some_and(|bytes| bytes.starts_with(prefix)),
        }
    }

    /// Whether a number would meet it.
    #[must_use]
    pub fn allows(&self, number: u64) -> bool {
        self.met_by(&super::cell::Value::Unsigned(number))
    }

    /// Whether a word would meet it.
    #[must_use]
    pub fn allows_word(&self, word: Atom) -> bool {
        self.met_by(&super::cell::Value::Word(word))
    }
}

impl Want {
    fn decode(term: Term<'_>, kind: Kind, at: &At<'_>) -> Result<Self, RequestError> {
        match (kind, term) {
            (Kind::Number, Term::Integer(n)) => Ok(Self::Number(n)),
            (Kind::Number, _) => Err(at.error(Why::Expected("integer"))),
            (Kind::Word(words), term) => {
                let word = words.iter().find(|word| matches!(term, Term::Atom(name) if word.name() == name));
                word.copied().map(Self::Word).ok_or_else(|| at.error(Why::OneOf(choice(words))))
            }
            (Kind::Bytes, term) => Ok(Self::Bytes(binary(term, at)?.to_vec())),
            (Kind::Address, term) => address::read(term, at).map(Self::Address),
            (Kind::Compound, _) => Err(at.error(Why::Expected("condition"))),
        }
    }

    fn is(&self, cell: &impl Cell) -> bool {
        match self {
            Self::Number(n) => cell.number() == Some(*n),
            Self::Word(want) => cell.word() == Some(*want),
            Self::Bytes(want) => cell.bytes() == Some(want),
            Self::Address(want) => cell.address().is_some_and(|a| a.to_canonical() == *want),
        }
    }
}

/// `tcp, udp or raw`.
fn choice(words: &[Atom]) -> String {
    let names: Vec<&str> = words.iter().map(|word| word.name()).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// How many values one request may name in all its conditions.
pub const BUDGET: usize = ANY_OF_MAX;
