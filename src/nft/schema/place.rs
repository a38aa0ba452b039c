//! Where in a request the reader stands, and how much more it may make: the typed getters of the schema.
#![forbid(unsafe_code)]

use std::cell::Cell;

use crate::error::{RequestError, Why};
use crate::limits::{NFT_EXPRESSIONS_MAX, NFT_LEVELS_MAX, NFT_NAME_MAX};
use crate::meant::meant;
use crate::nft::model::{Family, TableRef, Text};
use crate::wire::schema::{At, echo, integer, text_fields, word};
use crate::wire::term::{Items, Pairs, Term, Word};

/// What a reader returns.
pub(super) type Read<T> = Result<T, RequestError>;

/// A place in a request.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    at: At<'p>,
    levels: u32,
    left: &'p Cell<u32>,
}

/// Expressions that one request may still make.
pub(super) struct Budget(Cell<u32>);

impl Budget {
    pub fn new() -> Self {
        Self(Cell::new(NFT_EXPRESSIONS_MAX))
    }

    /// The outermost place.
    pub fn place<'p>(&'p self, at: &At<'p>) -> Place<'p> {
        Place { at: *at, levels: NFT_LEVELS_MAX, left: &self.0 }
    }
}

impl<'p> Place<'p> {
    /// The value of a key here.
    #[inline]
    pub fn key<'c>(&'c self, key: &'static str) -> Place<'c> {
        Place { at: At::Key(&self.at, key), levels: self.levels, left: self.left }
    }

    /// An element here, from 1.
    #[inline]
    pub fn index<'c>(&'c self, n: usize) -> Place<'c> {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        Place { at: At::Index(&self.at, n), levels: self.levels, left: self.left }
    }

    /// The same place, with room for so many levels less.
    pub fn below(mut self, levels: usize) -> Read<Self> {
        let less = u32::try_from(levels).ok().and_then(|n| self.levels.checked_sub(n));
        self.levels = less.ok_or_else(|| self.error(Why::TooMany(u64::from(NFT_LEVELS_MAX))))?;
        Ok(self)
    }

    /// Counts an expression or statement before it is made.
    #[inline]
    pub fn count(&self) -> Read<()> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(self.error(Why::TooMany(u64::from(NFT_EXPRESSIONS_MAX)))),
        }
    }

    /// An error here.
    #[cold]
    pub fn error(&self, why: Why) -> RequestError {
        self.at.error(why)
    }

    /// The values of a map's keys.
    #[inline]
    pub fn fields<'a, const N: usize>(
        &self,
        term: Term<'a>,
        keys: [&'static str; N],
    ) -> Read<[Option<Term<'a>>; N]> {
        text_fields(self.map(term)?, &self.at, keys)
    }

    pub fn map<'a>(&self, term: Term<'a>) -> Read<Pairs<'a>> {
        if let Term::Map(pairs) = term { Ok(pairs) } else { Err(self.error(Why::Expected("map"))) }
    }

    /// The only pair of a map, as one of `keys` has it.
    pub fn only<'a>(&self, term: Term<'a>, keys: &[&'static str]) -> Read<(&'static str, Term<'a>)> {
        let mut pairs = self.map(term)?;
        let Some((name, value)) = pairs.next_word() else { return Err(self.error(Why::Empty)) };
        let key = self.one_of(name, keys)?;
        match pairs.next_word() {
            None => Ok((key, value)),
            Some((other, _)) => Err(self.second(key, other, keys)),
        }
    }

    /// What is wrong with another pair.
    #[cold]
    fn second(&self, key: &'static str, name: Word<'_>, keys: &[&'static str]) -> RequestError {
        let other = match self.one_of(name, keys) {
            Ok(other) => self.key(other),
            Err(unknown) => return unknown,
        };
        let same = name.bytes() == Some(key.as_bytes());
        other.error(if same { Why::Duplicate } else { Why::Excludes(key) })
    }

    #[inline]
    fn one_of(&self, name: Word<'_>, keys: &[&'static str]) -> Read<&'static str> {
        let text = name.bytes();
        let found = keys.iter().find(|k| text == Some(k.as_bytes()));
        found.copied().ok_or_else(|| self.at.unknown(name, keys))
    }

    /// A value that has to be there.
    #[inline]
    pub fn needed<'a>(&self, value: Option<Term<'a>>, key: &'static str) -> Read<Term<'a>> {
        value.ok_or_else(|| self.key(key).error(Why::Missing))
    }

    /// A list of at most `max` elements, of one at least.
    pub fn list<'a>(&self, term: Term<'a>, max: usize) -> Read<Items<'a>> {
        let items = self.list_or_none(term, max)?;
        if items.len() == 0 { Err(self.error(Why::Empty)) } else { Ok(items) }
    }

    /// A list of at most `max` elements, also of none.
    pub fn list_or_none<'a>(&self, term: Term<'a>, max: usize) -> Read<Items<'a>> {
        crate::wire::schema::list(term, &self.at, max)
    }

    /// A list of exactly two.
    pub fn two<'a>(&self, term: Term<'a>) -> Read<(Term<'a>, Term<'a>)> {
        let mut items = self.list(term, 2)?;
        match (items.next(), items.next()) {
            (Some(a), Some(b)) => Ok((a, b)),
            _ => Err(self.index(2).error(Why::Missing)),
        }
    }

    /// An integer from 0 to `max`.
    pub fn uint(&self, term: Term<'_>, max: u64) -> Read<u64> {
        integer(term, &self.at, 0, max)
    }

    /// An integer from `min` to `max`.
    pub fn between(&self, term: Term<'_>, min: u64, max: u64) -> Read<u64> {
        integer(term, &self.at, min, max)
    }

    /// An integer of 64 bits.
    pub fn u64(&self, term: Term<'_>) -> Read<u64> {
        self.uint(term, u64::MAX)
    }

    /// An integer of 32 bits.
    pub fn u32(&self, term: Term<'_>) -> Read<u32> {
        self.narrow(term, u64::from(u32::MAX))
    }

    /// An integer of 16 bits.
    pub fn u16(&self, term: Term<'_>) -> Read<u16> {
        self.narrow(term, u64::from(u16::MAX))
    }

    /// An integer of 8 bits.
    pub fn u8(&self, term: Term<'_>) -> Read<u8> {
        self.narrow(term, u64::from(u8::MAX))
    }

    fn narrow<T: TryFrom<u64>>(&self, term: Term<'_>, max: u64) -> Read<T> {
        T::try_from(self.uint(term, max)?).map_err(|_| self.error(Why::Range(0, max)))
    }

    /// `true` or `false`.
    pub fn bool(&self, term: Term<'_>) -> Read<bool> {
        match term {
            Term::Atom("true") => Ok(true),
            Term::Atom("false") => Ok(false),
            _ => Err(self.error(Why::Expected("boolean"))),
        }
    }

    /// `null`.
    pub fn null(&self, term: Term<'_>) -> Read<()> {
        if is_null(&term) { Ok(()) } else { Err(self.error(Why::Expected("null"))) }
    }

    /// A word: an atom or a binary.
    #[inline]
    pub fn word<'a>(&self, term: Term<'a>) -> Read<&'a [u8]> {
        word(&term).filter(|_| !is_null(&term)).ok_or_else(|| self.error(Why::Expected("text")))
    }

    /// A word that has a meaning.
    pub fn meaning<T>(&self, term: Term<'_>, of: impl FnOnce(&[u8]) -> Option<T>) -> Read<T> {
        let word = self.word(term)?;
        of(word).ok_or_else(|| self.error(Why::UnknownName(echo(word))))
    }

    /// A word that has a meaning, as one of those that are known has; one that only looks like them is told which.
    pub fn among<T>(
        &self,
        term: Term<'_>,
        known: impl FnOnce() -> Vec<&'static str>,
        of: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Read<T> {
        let word = self.word(term)?;
        of(word).ok_or_else(|| self.misspelt(word, &known()))
    }

    /// A word is none of those.
    #[cold]
    pub fn misspelt(&self, word: &[u8], known: &[&'static str]) -> RequestError {
        let near = std::str::from_utf8(word).ok().and_then(|word| meant(word, known));
        self.error(match near {
            Some(near) => Why::Misspelt(echo(word), near),
            None => Why::UnknownName(echo(word)),
        })
    }

    /// One of the words of a table.
    pub fn keyword<T: Copy>(&self, term: Term<'_>, table: &[(&'static str, T)]) -> Read<T> {
        let names = || table.iter().map(|(name, _)| *name).collect();
        self.among(term, names, |word| {
            table.iter().find(|(name, _)| name.as_bytes() == word).map(|(_, meaning)| *meaning)
        })
    }

    /// Bytes of a text that the peer chose, without NUL.
    pub fn text<'a>(&self, term: Term<'a>, min: usize, max: usize) -> Read<&'a [u8]> {
        let Term::Binary(bytes) = term else { return Err(self.error(Why::Expected("binary"))) };
        self.bounded(bytes, min, max)
    }

    /// The same bytes, if they are not too many and none is NUL.
    #[inline]
    pub fn bounded<'a>(&self, bytes: &'a [u8], min: usize, max: usize) -> Read<&'a [u8]> {
        if !(min..=max).contains(&bytes.len()) {
            let far = |n| u64::try_from(n).unwrap_or(u64::MAX);
            return Err(self.error(Why::Length(far(min), far(max))));
        }
        if bytes.contains(&0) { Err(self.error(Why::Nul)) } else { Ok(bytes) }
    }

    /// The name of an object. The kernel allows any bytes, and so do we: what others created must have a name here.
    pub fn name(&self, term: Term<'_>) -> Read<Text> {
        self.text(term, 1, NFT_NAME_MAX).map(owned)
    }

    pub fn family(&self, term: Term<'_>) -> Read<Family> {
        self.among(term, || Family::ALL.iter().map(|family| family.name()).collect(), Family::named)
    }

    /// The table that an object lies in, as `family` and the key of the table's name have it.
    pub fn table(
        &self,
        family: Option<Term<'_>>,
        name: Option<Term<'_>>,
        key: &'static str,
    ) -> Read<TableRef> {
        let family = self.key("family").family(self.needed(family, "family")?)?;
        let name = self.key(key).name(self.needed(name, key)?)?;
        Ok(TableRef { family, name })
    }

    /// The value of a key, where it is there.
    pub fn optional<T>(
        &self,
        value: Option<Term<'_>>,
        key: &'static str,
        read: impl FnOnce(&Place<'_>, Term<'_>) -> Read<T>,
    ) -> Read<Option<T>> {
        value.map(|term| read(&self.key(key), term)).transpose()
    }
}

/// `null` of JSON, and what Erlang and Elixir programs mean by nothing.
pub(super) fn is_null(term: &Term<'_>) -> bool {
    matches!(term, Term::Atom("null" | "undefined" | "nil"))
}

/// Bytes that outlive the frame.
#[inline]
pub(super) fn owned(bytes: &[u8]) -> Text {
    Text::Owned(bytes.to_vec())
}
