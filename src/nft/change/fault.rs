//! What goes wrong with a change, in the words of the request: which command, where in it, what the kernel says.
#![forbid(unsafe_code)]

use std::fmt::Write;

use nix::errno::Errno;

use crate::error::{RequestError, Step, Why};
use crate::nft::model::{Command, Creation, Flush, ObjectKind, TableRef, Target};
use crate::nft::object::member::BadElement;
use crate::nft::transport::Error;
use crate::nft::transport::batch::{Batch, Failure};
use crate::nft::value::BadValue;
use crate::quote::printable;

/// Characters of a text that names a command and what is wrong with it.
const TEXT_MAX: usize = 1024;

/// What the request hears of a failure. The first fault decides: it is the one that the others may follow from.
#[must_use]
pub fn of_failure(
    failure: &Failure,
    batch: &Batch,
    commands: &[Command<'_>],
    messages: &[usize],
) -> RequestError {
    match failure {
        Failure::Refused { faults, more } => {
            let Some(fault) = faults.first() else { return RequestError::Busy };
            let others = faults.len().saturating_sub(1).saturating_add(*more);
            let command = fault.command.and_then(|message| messages.get(message)).copied();
            let mut text =
                command.map_or_else(|| "the change as a whole".to_owned(), |n| describe(commands, n));
            if let (Some(message), Some(offset)) = (fault.command, fault.refusal.offset) {
                text.push_str(&place(batch, message, offset));
            }
            // Writing to a String does not fail.
            let _ = write!(text, ": {}", Errno::from_raw(fault.refusal.errno).desc());
            if let Some(said) = &fault.refusal.text {
                let _ = write!(text, " ({})", printable(said));
            }
            if others > 0 {
                let _ = write!(text, "; and {others} more");
            }
            let text: String = text.chars().take(TEXT_MAX).collect();
            let number = command.map_or(0, |n| u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1));
            RequestError::Nft(number, fault.refusal.errno, text.into_bytes())
        }
        Failure::Stale { .. } => RequestError::Stale,
        Failure::Busy { .. } | Failure::Unknown { changed: false } => RequestError::Busy,
        Failure::Unknown { changed: true } => RequestError::UnknownOutcome,
        Failure::Transport(e) => of_transport(e),
    }
}

/// What it hears where the kernel did not answer as it should.
#[must_use]
pub fn of_transport(e: &Error) -> RequestError {
    match e {
        Error::Socket(errno) => RequestError::Posix(*errno as i32, "the firewall's socket"),
        Error::Refused(refusal) => {
            let said = refusal.text.as_deref().map(printable).unwrap_or_default();
            let text = format!("{} {said}", Errno::from_raw(refusal.errno).desc());
            RequestError::Nft(0, refusal.errno, text.trim_end().as_bytes().to_vec())
        }
        Error::Interrupted => RequestError::Stale,
        Error::TimedOut => RequestError::Timeout,
        Error::Truncated | Error::Malformed | Error::TooLong(_) => {
            RequestError::Posix(libc::EPROTO, "reading the firewall")
        }
        Error::Overrun => RequestError::Posix(libc::ENOBUFS, "reading the firewall"),
        Error::TooBig { .. } => {
            RequestError::Posix(libc::EMSGSIZE, "a change larger than the socket sends at once")
        }
        Error::NoMemory { .. } => RequestError::Posix(libc::ENOMEM, "the change"),
    }
}

/// A question about what a command names was refused: the command's fault, in the end.
pub(super) fn of_lookup(e: &Error, commands: &[Command<'_>], now: usize) -> RequestError {
    match e {
        Error::Refused(refusal) => {
            let text = format!("{}: {}", describe(commands, now), Errno::from_raw(refusal.errno).desc());
            let number = u64::try_from(now).unwrap_or(u64::MAX).saturating_add(1);
            RequestError::Nft(number, refusal.errno, text.into_bytes())
        }
        e => of_transport(e),
    }
}

/// Something of a command cannot be put into a message.
pub(super) fn unfit(commands: &[Command<'_>], now: usize, why: &str) -> RequestError {
    let text = format!("{}: {why}", describe(commands, now));
    let number = u64::try_from(now).unwrap_or(u64::MAX).saturating_add(1);
    RequestError::Nft(number, libc::EINVAL, text.into_bytes())
}

/// An element that is not of its set's types.
pub fn of_element(bad: BadElement, at: &[Step]) -> RequestError {
    let mut at = at.to_vec();
    let why = match bad {
        BadElement::Value(part, bad) => {
            if part > 0 {
                at.push(Step::Index(u64::try_from(part).unwrap_or(u64::MAX).saturating_add(1)));
            }
            of_value(bad)
        }
        BadElement::Expected(what) => Why::Expected(what),
        BadElement::Backwards => Why::Expected("range"),
    };
    RequestError::BadRequest(at, why)
}

fn of_value(bad: BadValue) -> Why {
    match bad {
        BadValue::Expected(what) => Why::Expected(what),
        BadValue::TooLarge { max } => Why::Range(0, max),
        BadValue::UnknownSymbol(name) => Why::UnknownName(name),
    }
}

/// A command in the words of nft(8): `add rule inet filter input`.
pub(super) fn describe(commands: &[Command<'_>], n: usize) -> String {
    let Some(command) = commands.get(n) else { return "a command".to_owned() };
    match command {
        Command::Add(what) => format!("add {}", created(what)),
        Command::Create(what) => format!("create {}", created(what)),
        Command::Insert(rule, _) => format!("insert rule {}", inside(&rule.table, &rule.chain)),
        Command::Append(rule, _) => format!("add rule {}", inside(&rule.table, &rule.chain)),
        Command::Replace(rule) => {
            format!("replace rule {} handle {}", inside(&rule.table, &rule.chain), rule.handle.unwrap_or(0))
        }
        Command::Delete(target) => format!("delete {}", aimed(target)),
        Command::Destroy(target) => format!("destroy {}", aimed(target)),
        Command::Flush(Flush::Table(table)) => format!("flush table {}", of(table)),
        Command::Flush(Flush::Chain(table, chain)) => format!("flush chain {}", inside(table, chain)),
        Command::Flush(Flush::Set(table, set)) => format!("flush set {}", inside(table, set)),
        Command::Flush(Flush::Ruleset(_) | Flush::Tables(_)) => "flush ruleset".to_owned(),
        Command::Rename(table, old, _) => format!("rename chain {}", inside(table, old)),
        Command::Reset(table, kind, name) => format!("reset {} {}", word(*kind), inside(table, name)),
        Command::Metainfo => "metainfo".to_owned(),
    }
}

fn created(what: &Creation<'_>) -> String {
    match what {
        Creation::Table(table) => format!("table {}", of(&table.id)),
        Creation::Chain(chain) => format!("chain {}", inside(&chain.table, &chain.name)),
        Creation::Set(set, _) => format!("set {}", inside(&set.table, &set.name)),
        Creation::Elements(table, set, _) => format!("element {}", inside(table, set)),
        Creation::Object(object) => format!("object {}", inside(&object.table, &object.name)),
    }
}

fn aimed(target: &Target<'_>) -> String {
    match target {
        Target::Table(table) => format!("table {}", of(table)),
        Target::TableHandle(family, handle) => format!("table {} handle {handle}", family.name()),
        Target::Chain(table, chain) => format!("chain {}", inside(table, chain)),
        Target::ChainHandle(table, handle) => format!("chain {} handle {handle}", of(table)),
        Target::Rule(table, chain, handle) => format!("rule {} handle {handle}", inside(table, chain)),
        Target::Set(table, set) => format!("set {}", inside(table, set)),
        Target::SetHandle(table, handle) => format!("set {} handle {handle}", of(table)),
        Target::Elements(table, set, _) => format!("element {}", inside(table, set)),
        Target::Object(table, kind, name) => format!("{} {}", word(*kind), inside(table, name)),
        Target::ObjectHandle(table, kind, handle) => format!("{} {} handle {handle}", word(*kind), of(table)),
    }
}

fn of(table: &TableRef) -> String {
    format!("{} {}", table.family.name(), printable(&table.name))
}

fn inside(table: &TableRef, name: &[u8]) -> String {
    format!("{} {}", of(table), printable(name))
}

fn word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Counter => "counter",
        ObjectKind::Quota => "quota",
        ObjectKind::Limit => "limit",
        _ => "object",
    }
}

/// Where in the command's message the kernel saw it, as far as that has a word.
fn place(batch: &Batch, message: usize, offset: u32) -> String {
    let way = batch.way(message, offset);
    let Some(command) = batch.command(message) else { return String::new() };
    let [_, number] = command.kind.to_be_bytes();
    match (number, way.as_slice()) {
        (6 | 8, [(4, _), (1, nth), ..]) => format!(", expression {}", nth.saturating_add(1)),
        (_, [(1, _), ..]) => ", table".to_owned(),
        (6 | 8, [(2, _), ..]) => ", chain".to_owned(),
        (6 | 8, [(3 | 6, _), ..]) => ", handle".to_owned(),
        (12 | 14, [(2, _), ..]) => ", set".to_owned(),
        (12 | 14, [(3, _), (1, nth), ..]) => format!(", element {}", nth.saturating_add(1)),
        (3 | 5, [(4, _), ..]) => ", hook".to_owned(),
        (3 | 5, [(7, _), ..]) => ", type".to_owned(),
        (0..=5 | 9..=11 | 18..=20, [(2 | 3, _), ..]) => ", name".to_owned(),
        _ => String::new(),
    }
}
