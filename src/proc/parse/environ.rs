//! `/proc/PID/environ`: the environment at the start of the program, each variable followed by NUL
//! (proc_pid_environ(5), `environ_read` in fs/proc/base.c).
//!
//! The process owns that memory too: a variable need not have a name, a value or a `=`.
#![forbid(unsafe_code)]

use super::cmdline;
use crate::measure::{Measure, in_force};

/// The variables, as they stand there: `NAME=value` if the process left them alone.
pub fn variables(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    cmdline::arguments(bytes)
}

/// A variable as it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// All of it.
    Shown(&'a [u8]),
    /// Its name; empty where what stands there is no name, and may be a piece of a secret.
    Redacted(&'a [u8]),
}

/// The variables, with the values of those alone that `shown` names.
pub fn redacted<'a>(bytes: &'a [u8], shown: &'a [Vec<u8>]) -> impl Iterator<Item = Variable<'a>> + Clone {
    variables(bytes).map(move |variable| redact(variable, shown))
}

fn redact<'a>(variable: &'a [u8], shown: &[Vec<u8>]) -> Variable<'a> {
    let end = variable.iter().position(|b| *b == b'=').unwrap_or(0);
    let name = variable.get(..end).unwrap_or_default();
    if shown.iter().any(|s| s == name) || !in_force(Measure::Redaction) {
        Variable::Shown(variable)
    } else {
        Variable::Redacted(if is_name(name) { name } else { b"" })
    }
}

/// The first variable, and how many bytes it takes with its end. Nothing of what was cut in the middle of one.
#[must_use]
pub fn first<'a>(bytes: &'a [u8], shown: &'a [Vec<u8>], cut: bool) -> Option<(Variable<'a>, usize)> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let length = end.or_else(|| (!cut && !bytes.is_empty()).then_some(bytes.len()))?;
    let variable = redact(bytes.get(..length)?, shown);
    Some((variable, length.saturating_add(usize::from(end.is_some()))))
}

/// How many bytes of it a cell of `max` bytes shows, and whether there is more. What is not shown takes no room: else where the cell
/// ends would tell how long it is.
#[must_use]
pub fn part(bytes: &[u8], shown: &[Vec<u8>], cut: bool, max: usize) -> (usize, bool) {
    let (mut at, mut room) = (0_usize, max);
    while let Some((variable, length)) = first(bytes.get(at..).unwrap_or_default(), shown, cut) {
        let (text, least) = match variable {
            Variable::Shown(text) => {
                (text, text.iter().position(|b| *b == b'=').map_or(text.len(), |at| at + 1))
            }
            Variable::Redacted(name) => (name, name.len()),
        };
        if text.len() > room {
            // A part of a value that is shown is better than nothing of it.
            return (if least <= room { at.saturating_add(room) } else { at }, true);
        }
        room = room.saturating_sub(text.len().saturating_add(1));
        at = at.saturating_add(length);
        if room == 0 && at < bytes.len() {
            return (at, true);
        }
    }
    (at, cut)
}

/// A name as shells know them (POSIX, 8.1).
fn is_name(name: &[u8]) -> bool {
    let first = name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    first && name.len() <= 128 && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// How many [`variables`] there are.
#[must_use]
pub fn count(bytes: &[u8]) -> usize {
    cmdline::count(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_kept_as_they_are() {
        let file = b"A\xff=\xfe=\n\0X=1\0no sign\0";
        assert!(variables(file).eq([&b"A\xff=\xfe=\n"[..], b"X=1", b"no sign"]));
        assert_eq!(count(file), 3);
        assert_eq!(count(b""), 0);
    }

    #[test]
    fn only_what_is_named_keeps_its_value() {
        let file = b"LANG=C\0TOKEN=hunter2\0LANGUAGE=de\0no sign\0=x\0a b=secret\0LANG\0";
        let shown = [b"LANG".to_vec()];
        let expected = [
            Variable::Shown(b"LANG=C"),
            Variable::Redacted(b"TOKEN"),
            Variable::Redacted(b"LANGUAGE"),
            Variable::Redacted(b""),
            Variable::Redacted(b""),
            Variable::Redacted(b""),
            Variable::Redacted(b""),
        ];
        assert!(redacted(file, &shown).eq(expected));
        assert!(redacted(b"TOKEN=x\0", &[]).eq([Variable::Redacted(b"TOKEN")]));
    }

    #[test]
    fn where_a_cell_ends_does_not_tell_how_long_a_secret_is() {
        let shown = [b"HOME".to_vec()];
        let file =
            |secret: &str| format!("A=1\0HOME=/h\0TOKEN={secret}\0B={secret}\0HOME=/h2\0Z=\0").into_bytes();
        for max in 0..64 {
            let cell = |secret: &str| {
                let file = file(secret);
                let (length, cut) = part(&file, &shown, false, max);
                let cell: Vec<_> = redacted(&file[..length], &shown).map(|v| format!("{v:?}")).collect();
                (cell, cut)
            };
            for secret in ["x", "hunter2", &"y".repeat(1000)] {
                assert_eq!(cell(secret), cell(""), "{max}");
            }
            let shown = |v: &String| v.contains("Shown");
            assert!(cell("").0.iter().filter(|v| shown(v)).count() <= max / 5);
        }
        assert_eq!(part(&file(""), &shown, false, 64), (file("").len(), false));
        // A process that has filled its memory with NUL.
        assert_eq!(part(&[0; 100_000], &[], false, 10), (10, true));
        assert_eq!(part(b"HOME=/home/x\0", &shown, false, 8), (8, true));
        assert_eq!(part(b"HOME=/home/x\0", &shown, false, 4), (0, true));
        assert_eq!(part(b"A=1\0B=2", &shown, true, 64), (4, true));
    }

    #[test]
    fn one_by_one_they_are_the_same() {
        let shown = [b"LANG".to_vec()];
        for file in [&b"LANG=C\0TOKEN=x\0\0no sign\0"[..], b"\0", b"A=1", b"LANG=C\0B", b""] {
            let (mut rest, mut found) = (file, Vec::new());
            while let Some((variable, length)) = first(rest, &shown, false) {
                found.push(variable);
                rest = &rest[length..];
            }
            assert!(redacted(file, &shown).eq(found), "{file:?}");
        }
        assert_eq!(first(b"A=1\0B=", &[], true), Some((Variable::Redacted(b"A"), 4)));
        assert_eq!(first(b"B=", &[], true), None);
    }
}
