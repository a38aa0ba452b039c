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
use crate::wire::schema::{At, atom, binary, list, text};
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
            Term::List(items) => match Text::of(items) {
                Some(text) if !text.is_meant_as_numbers(kind) => {
                    Ok(Self::AnyOf(vec![Want::of_text(&text, kind, at)?]))
                }
                _ => Self::any_of(term, kind, at, budget),
            },
            Term::Tuple(items) => match explicit(items) {
                Some(values) => Self::any_of(values, kind, &At::Index(at, 2), budget),
                None if kind == Kind::Address => Ok(Self::AnyOf(vec![Want::decode(term, kind, at)?])),
                None => Self::decode_tuple(items, kind, at),
            },
            single => Ok(Self::AnyOf(vec![Want::decode(single, kind, at)?])),
        }
    }

    fn any_of(term: Term<'_>, kind: Kind, at: &At<'_>, budget: &mut usize) -> Result<Self, RequestError> {
        let items = list(term, at, *budget)?;
        *budget = budget.saturating_sub(items.len());
        let values = items.zip(1..).map(|(item, n)| Want::decode(item, kind, &At::Index(at, n)));
        Ok(Self::AnyOf(values.collect::<Result<_, _>>()?))
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
                let bytes = bytes(items.next().ok_or_else(wrong)?, &At::Index(at, 2))?;
                Ok(Self::Prefix(bytes))
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
            (_, Term::List(items)) => match Text::of(items) {
                Some(text) => Self::of_text(&text, kind, at),
                None => Err(at.error(expected(kind))),
            },
            (Kind::Number, Term::Integer(n)) => Ok(Self::Number(n)),
            (Kind::Word(words), Term::Atom(name)) => {
                let word = words.iter().find(|word| word.name() == name);
                word.copied().map(Self::Word).ok_or_else(|| at.error(expected(kind)))
            }
            (Kind::Bytes, term) => Ok(Self::Bytes(binary(term, at)?.to_vec())),
            (Kind::Address, Term::Binary(text)) => Self::of_address(text, at),
            (Kind::Address, term) => address::read(term, at).map(Self::Address),
            (Kind::Number | Kind::Word(_) | Kind::Compound, _) => Err(at.error(expected(kind))),
        }
    }

    /// Where a text can be the value, it is. Elsewhere who wrote it would be answered with no rows.
    fn of_text(text: &Text, kind: Kind, at: &At<'_>) -> Result<Self, RequestError> {
        match kind {
            Kind::Bytes => Ok(Self::Bytes(text.0.as_bytes().to_vec())),
            Kind::Address => Self::of_address(text.0.as_bytes(), at),
            Kind::Number => Err(at.error(Why::OneOf(text.no_number()))),
            Kind::Word(words) => Err(at.error(Why::OneOf(format!("{}, as an atom", choice(words))))),
            Kind::Compound => Err(at.error(expected(kind))),
        }
    }

    fn of_address(text: &[u8], at: &At<'_>) -> Result<Self, RequestError> {
        let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let address = address.ok_or_else(|| at.error(address::why_none(&String::from_utf8_lossy(text))))?;
        Ok(Self::Address(address.to_canonical()))
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

/// What a value of such a column is.
fn expected(kind: Kind) -> Why {
    match kind {
        Kind::Number => Why::Expected("integer"),
        Kind::Bytes => Why::Expected("binary"),
        Kind::Word(words) => Why::OneOf(choice(words)),
        Kind::Address => Why::Expected("address"),
        Kind::Compound => Why::Expected("condition"),
    }
}

/// The list of `{any_of, List}`, which is never taken for a text.
fn explicit(mut items: Items<'_>) -> Option<Term<'_>> {
    match (items.len(), items.next(), items.next()) {
        (2, Some(Term::Atom("any_of")), Some(values)) => Some(values),
        _ => None,
    }
}

/// Bytes, or the text that a list is.
fn bytes(term: Term<'_>, at: &At<'_>) -> Result<Vec<u8>, RequestError> {
    match term {
        Term::List(items) => {
            let text = Text::of(items).ok_or_else(|| at.error(Why::Expected("binary")))?;
            Ok(text.0.into_bytes())
        }
        other => Ok(binary(other, at)?.to_vec()),
    }
}

/// A list of characters, which is what a string is in Erlang. An empty list is none: it is a list of no values.
struct Text(String);

impl Text {
    fn of(items: Items<'_>) -> Option<Self> {
        text(items, BUDGET).map(Self)
    }

    /// In a column of numbers, a list of them is as good as a text. It is taken for one where it reads as a number, as `"80"`, which
    /// is [56, 48], does, or as a name, as `"root"` does; and its characters do not ascend: what a program lists is sorted most often, and pids of a
    /// container, as [50, 52], are digits.
    fn is_meant_as_numbers(&self, kind: Kind) -> bool {
        let bytes = self.0.as_bytes();
        let number = bytes.len() >= NUMBER_MIN && bytes.iter().all(u8::is_ascii_digit);
        let name = bytes.len() >= NAME_MIN
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(b));
        kind == Kind::Number && (bytes.is_sorted_by(|a, b| a < b) || !number && !name)
    }

    fn no_number(&self) -> String {
        let text: String = self.0.chars().take(SHOWN_MAX).collect();
        let dots = if text.len() < self.0.len() { "..." } else { "" };
        let asked = if text.bytes().all(|b| b.is_ascii_digit()) {
            format!(" such as {text}{dots}")
        } else {
            String::new()
        };
        format!(
            "a number{asked}, and \"{text}{dots}\" is a text: a list of its characters; for a list of numbers that reads as a text, \
             write {{any_of, List}}"
        )
    }
}

/// A single digit is a list of one number more often than a text: of uid 48, say.
const NUMBER_MIN: usize = 2;

/// Two numbers that happen to be letters are not rare: users of services have uids from 100 on.
const NAME_MIN: usize = 3;

/// Characters of a text that an error repeats.
const SHOWN_MAX: usize = 32;

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

#[cfg(test)]
mod tests;
