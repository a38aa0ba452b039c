//! Typed getters: from a term that the scan accepted to a value of a schema, or an error that says where and why.
//! Unknown and repeated keys are errors; nothing is ignored, since what a client misspells it believes in.
#![forbid(unsafe_code)]

use super::term::{Items, Pairs, Term, Word, first};
use crate::error::{RequestError, Step, Why};
use crate::limits::ECHO_MAX;
use crate::meant::meant;

/// Where in a request the reader stands. It lives on the stack; a path is only made when there is an error to tell.
#[derive(Clone, Copy, Debug)]
pub enum At<'p> {
    /// The outermost term.
    Top,
    /// The value of a key.
    Key(&'p At<'p>, &'static str),
    /// An element, from 1.
    Index(&'p At<'p>, u64),
}

impl At<'_> {
    fn steps(&self, more: usize) -> Vec<Step> {
        let mut steps = match self {
            Self::Top => return Vec::with_capacity(more),
            Self::Key(parent, _) | Self::Index(parent, _) => parent.steps(more.saturating_add(1)),
        };
        match self {
            Self::Top => {}
            Self::Key(_, key) => steps.push(Step::Key(key)),
            Self::Index(_, n) => steps.push(Step::Index(*n)),
        }
        steps
    }

    /// The way to this place.
    #[must_use]
    pub fn path(&self) -> Vec<Step> {
        self.steps(0)
    }

    /// An error at this place.
    #[must_use]
    pub fn error(&self, why: Why) -> RequestError {
        RequestError::BadRequest(self.steps(0), why)
    }

    /// An error about a key below this place that the schema does not have, which has these.
    #[cold]
    #[must_use]
    pub fn unknown(&self, key: Word<'_>, known: &[&'static str]) -> RequestError {
        let Some(name) = key.bytes() else { return self.error(Why::Expected("atom")) };
        let mut steps = self.steps(1);
        steps.push(Step::Unknown(echo(name)));
        let near = std::str::from_utf8(name).ok().and_then(|name| meant(name, known));
        RequestError::BadRequest(steps, near.map_or(Why::UnknownKey, Why::MisspeltKey))
    }
}

/// What an error repeats of a word of the peer, which can be as long as a frame.
#[must_use]
pub fn echo(word: &[u8]) -> Vec<u8> {
    word.get(..ECHO_MAX).unwrap_or(word).to_vec()
}

/// The bytes of an atom or of a binary.
#[must_use]
#[inline]
pub fn word<'a>(term: &Term<'a>) -> Option<&'a [u8]> {
    match term {
        Term::Atom(name) => Some(name.as_bytes()),
        Term::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

/// The values of a map's `keys`, in their order.
pub fn fields<'a, const N: usize>(
    pairs: Pairs<'a>,
    at: &At<'_>,
    keys: [&'static str; N],
) -> Result<[Option<Term<'a>>; N], RequestError> {
    named(pairs, at, keys, |key| if let Word::Atom(name) = key { Some(name) } else { None })
}

/// The values of a map's `keys`, in their order, where a key can be a binary as well: the form that a schema has which comes
/// from JSON. An atom and a binary of the same text are the same key.
pub fn text_fields<'a, const N: usize>(
    pairs: Pairs<'a>,
    at: &At<'_>,
    keys: [&'static str; N],
) -> Result<[Option<Term<'a>>; N], RequestError> {
    named(pairs, at, keys, Word::bytes)
}

#[inline]
fn named<'a, const N: usize>(
    mut pairs: Pairs<'a>,
    at: &At<'_>,
    keys: [&'static str; N],
    name_of: fn(Word<'a>) -> Option<&'a [u8]>,
) -> Result<[Option<Term<'a>>; N], RequestError> {
    // Where the values stand; no term has no bytes. They become terms at the end, once and where they are returned: a term is
    // large, and moving it about took a fourth of the time of reading ten thousand rules.
    let mut places: [&'a [u8]; N] = [&[]; N];
    while let Some((key, place)) = pairs.next_place() {
        let name = name_of(key);
        let found = keys.iter().zip(places.iter_mut()).find(|(k, _)| name == Some(k.as_bytes()));
        let Some((name, slot)) = found else { return Err(at.unknown(key, &keys)) };
        if !slot.is_empty() {
            return Err(At::Key(at, name).error(Why::Duplicate));
        }
        *slot = place;
    }
    Ok(places.map(first))
}

/// A map.
pub fn map<'a>(term: Term<'a>, at: &At<'_>) -> Result<Pairs<'a>, RequestError> {
    if let Term::Map(pairs) = term { Ok(pairs) } else { Err(at.error(Why::Expected("map"))) }
}

/// A list of at most `max` elements.
pub fn list<'a>(term: Term<'a>, at: &At<'_>, max: usize) -> Result<Items<'a>, RequestError> {
    match term {
        Term::List(items) if items.len() <= max => Ok(items),
        Term::List(_) => Err(at.error(Why::TooMany(u64::try_from(max).unwrap_or(u64::MAX)))),
        _ => Err(at.error(Why::Expected("list"))),
    }
}

/// An integer from `min` to `max`.
pub fn integer(term: Term<'_>, at: &At<'_>, min: u64, max: u64) -> Result<u64, RequestError> {
    match term {
        Term::Integer(n) => u64::try_from(n)
            .ok()
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| at.error(Why::Range(min, max))),
        _ => Err(at.error(Why::Expected("integer"))),
    }
}

/// An atom.
pub fn atom<'a>(term: Term<'a>, at: &At<'_>) -> Result<&'a str, RequestError> {
    if let Term::Atom(name) = term { Ok(name) } else { Err(at.error(Why::Expected("atom"))) }
}

/// A binary.
pub fn binary<'a>(term: Term<'a>, at: &At<'_>) -> Result<&'a [u8], RequestError> {
    if let Term::Binary(bytes) = term { Ok(bytes) } else { Err(at.error(Why::Expected("binary"))) }
}

/// The text that a list of characters is, of so many at most: a string of Erlang.
#[must_use]
pub fn text(items: Items<'_>, max: usize) -> Option<String> {
    if items.len() == 0 || items.len() > max {
        return None;
    }
    let character = |item| match item {
        Term::Integer(n) => u32::try_from(n).ok().and_then(char::from_u32).filter(|c| !c.is_control()),
        _ => None,
    };
    items.map(character).collect()
}
