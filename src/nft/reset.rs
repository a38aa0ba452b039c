//! `reset`: the values of counters and quotas, and zero from then on. The kernel does that with a question for one object, not in a
//! transaction, so that it can neither be tried nor taken back, and stands beside no other command.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Step, Why};
use crate::nft::args::How;
use crate::nft::change::of_transport;
use crate::nft::model::{Command, Object, ObjectKind, TableRef, Text};
use crate::nft::object::{message, named};
use crate::nft::transport::{Error, Link, get, kind};
use crate::quote::printable;

/// Whether the commands are resets. There are no or only such, and then none of the ways that a transaction has.
///
/// # Errors
/// If some are, or if they are to be tried or to take themselves back.
pub fn only(commands: &[Command<'_>], how: How) -> Result<bool, RequestError> {
    let is_reset = |command: &Command<'_>| matches!(command, Command::Reset(..));
    let Some(first) = commands.iter().position(is_reset) else { return Ok(false) };
    if !commands.iter().all(is_reset) {
        let text =
            "reset is done at once and is no part of a transaction: ask for resets in a request of their own";
        return Err(RequestError::Nft(number(first), libc::EINVAL, text.as_bytes().to_vec()));
    }
    for (given, key) in [(how.confirm.is_some(), "confirm"), (how.check, "check")] {
        if given {
            return Err(RequestError::BadRequest(vec![Step::Key(key)], Why::Excludes("reset")));
        }
    }
    Ok(true)
}

/// Resets, and answers the objects as they were, by command; nothing for one that somebody deleted meanwhile.
///
/// # Errors
/// Before anything is reset: if one of the objects is not there.
pub fn run(link: &mut Link, commands: &[Command<'_>]) -> Result<Vec<Option<Object>>, RequestError> {
    // All of them first: what is reset and cannot be answered is lost.
    for (n, (table, kind, name)) in targets(commands).enumerate() {
        ask(link, message::GET_OBJECT, table, kind, name).map_err(|e| missing(&e, n, table, name))?;
    }
    let reset = targets(commands).enumerate().map(|(n, (table, kind, name))| {
        match ask(link, message::RESET_OBJECT, table, kind, name) {
            Ok(object) => Ok(Some(object)),
            Err(_) if n > 0 => Ok(None),
            Err(e) => Err(missing(&e, n, table, name)),
        }
    });
    reset.collect()
}

fn targets<'c>(commands: &'c [Command<'_>]) -> impl Iterator<Item = (&'c TableRef, ObjectKind, &'c Text)> {
    commands.iter().filter_map(|command| match command {
        Command::Reset(table, kind, name) => Some((table, *kind, name)),
        _ => None,
    })
}

fn ask(
    link: &mut Link,
    question: u16,
    table: &TableRef,
    what: ObjectKind,
    name: &Text,
) -> Result<Object, Error> {
    let family = table.family.number();
    let answer = get::point(link, kind(question), family, |buffer| {
        named::target(&table.name, what as u32, name, buffer);
    })?;
    let found = answer.messages().find_map(|m| named::decode(family, m.body));
    found.map(|seen| seen.what).ok_or(Error::Malformed)
}

fn missing(e: &Error, n: usize, table: &TableRef, name: &Text) -> RequestError {
    match e {
        Error::Refused(refusal) if refusal.errno == libc::ENOENT => {
            let (family, table, name) = (table.family.name(), printable(&table.name), printable(name));
            let text = format!("reset {family} {table} {name}: there is no such object");
            RequestError::Nft(number(n), libc::ENOENT, text.into_bytes())
        }
        e => of_transport(e),
    }
}

/// Commands are counted from 1.
fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1)
}
