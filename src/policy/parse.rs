//! From the text of a policy file to its rules, or to everything that is wrong with it, each with line and column.
//!
//! A key that the file has and this version does not know refuses the file: what an administrator misspells he believes
//! in. Nothing has a default that grants.
#![forbid(unsafe_code)]

mod sections;

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::measure::{Measure, in_force};
use crate::policy::rules::{Line, Rules};

/// Mistakes that are told at once; a file that is no policy at all has too many.
const MISTAKES_MAX: usize = 20;

/// The version of the format.
const VERSION: u64 = 1;

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: u32,
    /// The character in it, from 1.
    pub column: u32,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Reads the text of a policy file.
pub fn parse(text: &[u8]) -> Result<Rules, Vec<Mistake>> {
    let text = std::str::from_utf8(text).map_err(|e| {
        let valid = text.get(..e.valid_up_to()).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default();
        let (line, column) = position(valid, valid.len());
        vec![Mistake { line, column, message: "this is not UTF-8".into() }]
    })?;
    let mut reader = Reader { text, mistakes: Vec::new() };
    let document = match DeTable::parse(text) {
        Ok(document) => document.into_inner(),
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
    let rules = reader.document(&document);
    if reader.mistakes.is_empty() { Ok(rules) } else { Err(reader.mistakes) }
}

/// Line and character of a byte of the text.
fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count().saturating_add(1);
    let column = before.chars().rev().take_while(|c| *c != '\n').count().saturating_add(1);
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The text, and what was wrong with it so far.
struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    fn wrong(&mut self, at: &Range<usize>, message: impl Into<String>) {
        if self.mistakes.len() < MISTAKES_MAX {
            let (line, column) = position(self.text, at.start);
            self.mistakes.push(Mistake { line, column, message: message.into() });
        }
    }

    fn line(&self, value: &Value<'t>) -> Line {
        Line(position(self.text, value.span().start).0)
    }

    fn document(&mut self, document: &DeTable<'t>) -> Rules {
        let mut rules = Rules::nothing();
        let known = ["version", "proc", "files", "ping", "nft", "sysctl", "limits", "audit"];
        let [version, proc, files, ping, nft, sysctl, limits, audit] =
            self.keys(document, "the policy", known);
        match version {
            Some(value) => {
                self.integer(value, "version", VERSION, VERSION);
            }
            None => self.wrong(&(0..0), "before the first [section] there must be: version = 1"),
        }
        if let Some(table) = proc.and_then(|v| self.table(v, "[proc]")) {
            rules.proc = self.proc(table);
        }
        if let Some(table) = files.and_then(|v| self.table(v, "[files]")) {
            rules.files = self.files(table);
        }
        if let Some(table) = ping.and_then(|v| self.table(v, "[ping]")) {
            rules.ping = self.ping(table);
        }
        if let Some(table) = nft.and_then(|v| self.table(v, "[nft]")) {
            rules.nft = self.nft(table);
        }
        if let Some(table) = sysctl.and_then(|v| self.table(v, "[sysctl]")) {
            rules.sysctl = self.sysctl(table);
        }
        if let Some(table) = limits.and_then(|v| self.table(v, "[limits]")) {
            rules.limits = self.limits(table);
        }
        if let Some(table) = audit.and_then(|v| self.table(v, "[audit]")) {
            rules.audit = self.audit(table);
        }
        rules
    }

    /// The values of `known` keys, in their order. Any other key is a mistake.
    fn keys<'d, const N: usize>(
        &mut self,
        table: &'d DeTable<'t>,
        place: &str,
        known: [&str; N],
    ) -> [Option<&'d Value<'t>>; N] {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) || !in_force(Measure::PolicyUnknownKeys) {
                continue;
            }
            let message = if place == "the policy" && ["node", "uid"].contains(&name) {
                format!(
                    "{name}: principals are reserved for a later version; this one has one policy for all"
                )
            } else {
                format!("{place} has no key {}; it can have {}", quoted(name), known.join(", "))
            };
            self.wrong(&key.span(), message);
        }
        known.map(|name| table.get(name))
    }

    fn table<'d>(&mut self, value: &'d Value<'t>, what: &str) -> Option<&'d DeTable<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => self.expected(value, what, "a table"),
        }
    }

    fn array<'d>(&mut self, value: &'d Value<'t>, what: &str) -> &'d [Value<'t>] {
        match value.get_ref() {
            DeValue::Array(array) => array,
            _ => self.expected(value, what, "a list in brackets").unwrap_or_default(),
        }
    }

    fn string<'d>(&mut self, value: &'d Value<'t>, what: &str) -> Option<&'d str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.expected(value, what, "a text in quotes"),
        }
    }

    fn boolean(&mut self, value: &Value<'t>, what: &str) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(b) => Some(*b),
            _ => self.expected(value, what, "true or false"),
        }
    }

    fn integer(&mut self, value: &Value<'t>, what: &str, min: u64, max: u64) -> Option<u64> {
        let number = match value.get_ref() {
            DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => return self.expected(value, what, "a number"),
        };
        let found = number.filter(|n| (min..=max).contains(n));
        if found.is_none() {
            let range = if min == max { format!("{min}") } else { format!("a number from {min} to {max}") };
            self.wrong(&value.span(), format!("{what} must be {range}"));
        }
        found
    }

    /// A text that is one of `words`.
    fn word<'d>(&mut self, value: &'d Value<'t>, what: &str, words: &[&str]) -> Option<&'d str> {
        let text = self.string(value, what)?;
        if words.contains(&text) {
            return Some(text);
        }
        self.wrong(
            &value.span(),
            format!("{what} cannot be {}; it can be {}", quoted(text), words.join(", ")),
        );
        None
    }

    /// A list of texts, each of which `fits`.
    fn texts(
        &mut self,
        value: &Value<'t>,
        what: &str,
        expected: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.array(value, what) {
            match self.string(item, what) {
                Some(text) if fits(text) => texts.push(text.to_owned()),
                Some(text) => {
                    let message = format!("{what}: {} is not {expected}", quoted(text));
                    self.wrong(&item.span(), message);
                }
                None => {}
            }
        }
        texts
    }

    fn expected<T>(&mut self, value: &Value<'t>, what: &str, expected: &str) -> Option<T> {
        self.wrong(&value.span(), format!("{what} must be {expected}"));
        None
    }

    fn missing<T>(&mut self, value: &Value<'t>, what: &str) -> Option<T> {
        self.wrong(&value.span(), format!("this entry needs {what}"));
        None
    }
}

/// A word of the file in a message: short, and without what a terminal would act on.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
