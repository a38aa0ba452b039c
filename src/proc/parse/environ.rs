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
    variables(bytes).map(move |variable| {
        let end = variable.iter().position(|b| *b == b'=').unwrap_or(0);
        let name = variable.get(..end).unwrap_or_default();
        if shown.iter().any(|s| s == name) || !in_force(Measure::Redaction) {
            Variable::Shown(variable)
        } else {
            Variable::Redacted(if is_name(name) { name } else { b"" })
        }
    })
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
}
