//! Conditions of a `where`: a row is answered if it meets all of them. A cell that is denied, does not apply or was cut
//! meets none, since nothing is known about it.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Why};
use crate::limits::ANY_OF_MAX;
use crate::proc::columns::{Column, Kind};
use crate::proc::parse::state::State;
use crate::proc::value::{Value, state_named};
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
    /// A state.
    State(State),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Condition {
    /// Reads a condition on `column`; `budget` is how many values the request may still name.
    pub fn decode(
        term: Term<'_>,
        column: &Column,
        at: &At<'_>,
        budget: &mut usize,
    ) -> Result<Self, RequestError> {
        match term {
            _ if column.kind == Kind::Compound => Err(at.error(Why::NotComparable(column.name.name()))),
            Term::List(_) => {
                let items = list(term, at, *budget)?;
                *budget = budget.saturating_sub(items.len());
                let values =
                    items.zip(1..).map(|(item, n)| Want::decode(item, column.kind, &At::Index(at, n)));
                Ok(Self::AnyOf(values.collect::<Result<_, _>>()?))
            }
            Term::Tuple(items) => Self::decode_tuple(items, column.kind, at),
            single => Ok(Self::AnyOf(vec![Want::decode(single, column.kind, at)?])),
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
    pub fn met_by(&self, cell: &Value<'_>) -> bool {
        match (self, cell) {
            (Self::AnyOf(wants), cell) => wants.iter().any(|w| w.is(cell)),
            (Self::Range(min, max), cell) => number(cell).is_some_and(|n| (*min..=*max).contains(&n)),
            (Self::Prefix(prefix), Value::Bytes(bytes)) => bytes.starts_with(prefix),
            (Self::Prefix(_), _) => false,
        }
    }
}

impl Want {
    fn decode(term: Term<'_>, kind: Kind, at: &At<'_>) -> Result<Self, RequestError> {
        match (kind, term) {
            (Kind::Number, Term::Integer(n)) => Ok(Self::Number(n)),
            (Kind::Number, _) => Err(at.error(Why::Expected("integer"))),
            (Kind::State, term) => {
                let state = state_named(atom(term, at)?);
                state.map(Self::State).ok_or_else(|| at.error(Why::Expected("state")))
            }
            (Kind::Bytes, term) => Ok(Self::Bytes(binary(term, at)?.to_vec())),
            (Kind::Compound, _) => Err(at.error(Why::Expected("condition"))),
        }
    }

    fn is(&self, cell: &Value<'_>) -> bool {
        match (self, cell) {
            (Self::Number(n), cell) => number(cell) == Some(*n),
            (Self::State(want), Value::State(state)) => want == state,
            (Self::Bytes(want), Value::Bytes(bytes)) => want == bytes,
            _ => false,
        }
    }
}

fn number(cell: &Value<'_>) -> Option<i128> {
    match cell {
        Value::Unsigned(n) => Some(i128::from(*n)),
        Value::Signed(n) => Some(i128::from(*n)),
        _ => None,
    }
}

/// How many values one request may name in all its conditions.
pub const BUDGET: usize = ANY_OF_MAX;
