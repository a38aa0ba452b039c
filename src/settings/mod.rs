//! Files that root writes for this program: TOML, whose values are taken one by one. What is wrong is collected with line and column, so
//! that all of it is told at once.
//!
//! A key that a file has and this version does not know refuses the file: what an administrator misspells he believes in.
#![forbid(unsafe_code)]

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::meant::meant;
use crate::measure::{Measure, in_force};

/// Mistakes that are told at once; a file that is none at all has too many.
const MISTAKES_MAX: usize = 20;

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: u32,
    /// The character in it, from 1.
    pub column: u32,
    /// Where and what it is, and what would be right.
    pub message: String,
}

/// Reads the text of a file; `document` takes what it needs.
///
/// # Errors
/// Everything that is wrong with it, up to twenty mistakes.
pub fn read<T>(
    text: &[u8],
    document: impl for<'t> FnOnce(&mut Reader<'t>, &DeTable<'t>) -> Option<T>,
) -> Result<T, Vec<Mistake>> {
    let text = std::str::from_utf8(text).map_err(|e| {
        let valid = text.get(..e.valid_up_to()).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
        let (line, column) = position(valid, valid.len());
        vec![Mistake { line, column, message: "this is not UTF-8".into() }]
    })?;
    let mut reader = Reader { text, mistakes: Vec::new() };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(e) => {
            let more = if e.message().contains("duplicate key") {
                ": a section and a key stand once; all entries of a list go into one pair of brackets"
            } else {
                ""
            };
            reader.wrong(&e.span().unwrap_or_default(), format!("{}{more}", e.message()));
            return Err(reader.mistakes);
        }
    };
    match document(&mut reader, &table) {
        Some(found) if reader.mistakes.is_empty() => Ok(found),
        _ => Err(reader.mistakes),
    }
}

/// Line and character of a byte of the text.
fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count().saturating_add(1);
    let column = before.chars().rev().take_while(|c| *c != '\n').count().saturating_add(1);
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The text, and what was wrong with it so far.
#[derive(Debug)]
pub struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

/// A value with its place.
pub type Value<'t> = Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    /// Something is wrong there.
    pub fn wrong(&mut self, at: &Range<usize>, message: impl Into<String>) {
        if self.mistakes.len() < MISTAKES_MAX {
            let (line, column) = position(self.text, at.start);
            self.mistakes.push(Mistake { line, column, message: message.into() });
        }
    }

    /// The line of a value.
    #[must_use]
    pub fn line_of(&self, value: &Value<'t>) -> u32 {
        position(self.text, value.span().start).0
    }

    /// The values of `known` keys, in their order. Any other key is a mistake.
    pub fn keys<'d, const N: usize>(
        &mut self,
        table: &'d DeTable<'t>,
        path: &str,
        known: [&str; N],
    ) -> [Option<&'d Value<'t>>; N] {
        self.keys_but(table, path, known, |_| None)
    }

    /// The same; of a key that is not known, `else_said` may know something better to say.
    pub fn keys_but<'d, const N: usize>(
        &mut self,
        table: &'d DeTable<'t>,
        path: &str,
        known: [&str; N],
        else_said: impl Fn(&str) -> Option<String>,
    ) -> [Option<&'d Value<'t>>; N] {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) || !in_force(Measure::PolicyUnknownKeys) {
                continue;
            }
            match else_said(name) {
                Some(message) => self.wrong(&key.span(), message),
                None => self.unknown(&key.span(), path, name, &known),
            }
        }
        known.map(|name| table.get(name))
    }

    /// Says that there is no such key, and which one was meant, if one looks like it.
    pub fn unknown(&mut self, at: &Range<usize>, path: &str, name: &str, known: &[&str]) {
        let hint = match meant(name, known) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("it can have {}", known.join(", ")),
        };
        let place = if path.is_empty() { "the file" } else { path };
        self.wrong(at, format!("{place} has no key {}; {hint}", quoted(name)));
    }

    /// A table.
    pub fn table<'d>(&mut self, value: &'d Value<'t>, path: &str) -> Option<&'d DeTable<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => self.expected(value, path, "a table"),
        }
    }

    /// A text.
    pub fn string<'d>(&mut self, value: &'d Value<'t>, path: &str) -> Option<&'d str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.expected(value, path, "a text in quotes"),
        }
    }

    /// True or false.
    pub fn boolean(&mut self, value: &Value<'t>, path: &str) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(b) => Some(*b),
            _ => self.expected(value, path, "true or false"),
        }
    }

    /// A number in that range.
    pub fn integer(&mut self, value: &Value<'t>, path: &str, min: u64, max: u64) -> Option<u64> {
        let number = match value.get_ref() {
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => return self.expected(value, path, "a number"),
        };
        let found = number.filter(|n| (min..=max).contains(n));
        if found.is_none() {
            let range = if min == max { format!("{min}") } else { format!("a number from {min} to {max}") };
            self.wrong(&value.span(), format!("{path} must be {range}"));
        }
        found
    }

    /// A list.
    pub fn array<'d>(&mut self, value: &'d Value<'t>, path: &str) -> &'d [Value<'t>] {
        match value.get_ref() {
            DeValue::Array(array) => array,
            _ => self.expected(value, path, "a list in brackets").unwrap_or_default(),
        }
    }

    /// A text that is one of `words`.
    pub fn word<'d>(&mut self, value: &'d Value<'t>, path: &str, words: &[&str]) -> Option<&'d str> {
        let text = self.string(value, path)?;
        if words.contains(&text) {
            return Some(text);
        }
        self.wrong(
            &value.span(),
            format!("{path} cannot be {}; it can be {}", quoted(text), words.join(", ")),
        );
        None
    }

    /// The texts of a list, each with its value. One that stands twice is a mistake: the second would say nothing.
    pub fn texts<'d>(&mut self, value: &'d Value<'t>, path: &str) -> Vec<(&'d str, &'d Value<'t>)> {
        let DeValue::Array(array) = value.get_ref() else {
            return self.expected(value, path, "a list of texts in brackets").unwrap_or_default();
        };
        let mut found: Vec<(&'d str, &'d Value<'t>)> = Vec::new();
        for item in array {
            let Some(text) = self.string(item, path) else { continue };
            if found.iter().any(|(other, _)| *other == text) {
                self.wrong(&item.span(), format!("{path} has {} twice", quoted(text)));
            } else {
                found.push((text, item));
            }
        }
        found
    }

    /// Another type of value belongs there.
    pub fn expected<T>(&mut self, value: &Value<'t>, path: &str, expected: &str) -> Option<T> {
        self.wrong(&value.span(), format!("{path} must be {expected}"));
        None
    }

    /// Something that must be there is not.
    pub fn missing<T>(&mut self, at: &Range<usize>, path: &str, what: &str) -> Option<T> {
        self.wrong(at, format!("{path} needs {what}"));
        None
    }
}

/// A word of the file in a message: short, and without what a terminal would act on.
#[must_use]
pub fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}
