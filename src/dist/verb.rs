//! What `portcullis_dist` asks of a node while it runs: calls to `portcullis` of the form `{dist, Verb, ...}`, and their answers. Verbs and
//! results are those of the RFC; the peer and the direction are always said, since a node has many of the first and filters both ways.
//!
//! A request is a term that the firewall has walked and let through; it is read here once more, and strictly: every element has one
//! type, and nothing is left over.
#![forbid(unsafe_code)]

use crate::dist::command::{Command, Direction};
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::write::atom;
use crate::dist::filter::Verdict;
use crate::dist::filter::counters::Counters;
use crate::dist::filter::runtime::{Change, Filter};
use crate::dist::filter::table::{Subject, is_atom};
use crate::dist::handshake::name::NodeName;
use crate::wire::write::Writer;

/// In the place of a node, a command or a target: every one. No node and no command has this name.
pub const ANY: &str = "_";

/// Whose filters or counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One node's.
    One(NodeName),
    /// Every node's, also of those that were never connected.
    Everyone,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `set_filter`, `add_filter`, `del_filter` of one node, `set_default_filter` of all.
    Change(Whose, Direction, Change),
    /// `set_handler`; no name takes it away.
    SetHandler(NodeName, Command, Option<String>),
    /// `test_filter`.
    Test(NodeName, Direction, Command, Option<Subject>),
    /// `filters`: those of run time that hold for a node, or that are every node's.
    Filters(Whose),
    /// `statistics`: what came from a node, or from all.
    Statistics(Whose),
    /// `counters`: both directions of one node, with reasons.
    Counters(NodeName),
}

/// Why a request is none, for who asked.
pub type Wrong = &'static str;

const VERBS: Wrong = "{dist, Verb, ...} has one of the verbs set_filter, add_filter, del_filter, set_default_filter, set_handler, filters, \
                      test_filter, statistics, counters, with as many arguments as docs/distribution.md says";
const PEER: Wrong = "the peer is the name of a node, such as 'app@host.example'";
const DIRECTION: Wrong = "the direction is in (from the peer) or out (to it)";
const COMMAND: Wrong = "the command is one of the fourteen of statistics, such as reg_send or spawn_request";
const VERDICT: Wrong = "a filter is accept or deny";
const TARGET: Wrong = "the target of reg_send and monitor is a registered name, that of spawn_request {Module, Function, Arity}; \
                       other commands have none, which is '_'";
const ALL_TARGETS: Wrong =
    "add_filter and del_filter are about one target; set_filter is about all of a command";
const EXACT: Wrong = "test_filter asks about one message: a name, or {Module, Function, Arity} without '_'";
const HANDLER: Wrong = "a handler is a registered name, or undefined";
const REST: Wrong = "something follows the request";

/// Whether a request is meant for this reader: a tuple that begins with `dist`.
#[must_use]
pub fn is_one(request: &[u8]) -> bool {
    let mut c = Cursor::new(request);
    matches!(c.head(), Ok(Head::Tuple(_))) && c.atom() == Ok("dist")
}

/// Reads a request.
///
/// # Errors
/// What would be right.
pub fn read(request: &[u8]) -> Result<Verb, Wrong> {
    let mut c = Cursor::new(request);
    let Ok(Head::Tuple(arity)) = c.head() else { return Err(VERBS) };
    if c.atom() != Ok("dist") {
        return Err(VERBS);
    }
    let verb = match (c.atom().map_err(|_| VERBS)?, arity) {
        ("set_filter", 6) => {
            let (peer, direction) = (peer(&mut c)?, direction(&mut c)?);
            let command = command_or_any(&mut c)?;
            let accept = verdict(&mut c)?;
            let change = command.map_or(Change::Default(accept), |one| Change::Command(one, accept));
            Verb::Change(Whose::One(peer), direction, change)
        }
        ("add_filter", 7) => {
            let (peer, direction, command) = (peer(&mut c)?, direction(&mut c)?, command(&mut c)?);
            let subject = target(&mut c, command)?.ok_or(ALL_TARGETS)?;
            Verb::Change(Whose::One(peer), direction, Change::Add(command, subject, verdict(&mut c)?))
        }
        ("del_filter", 6) => {
            let (peer, direction, command) = (peer(&mut c)?, direction(&mut c)?, command(&mut c)?);
            let subject = target(&mut c, command)?.ok_or(ALL_TARGETS)?;
            Verb::Change(Whose::One(peer), direction, Change::Delete(command, subject))
        }
        ("set_default_filter", 6) => {
            let (direction, command) = (direction(&mut c)?, command_or_any(&mut c)?);
            let subject = match command {
                Some(command) => target(&mut c, command)?,
                None => any(&mut c).map(|()| None)?,
            };
            let accept = verdict(&mut c)?;
            let change = match (command, subject) {
                (None, _) => Change::Default(accept),
                (Some(command), None) => Change::Command(command, accept),
                (Some(command), Some(subject)) => Change::Add(command, subject, accept),
            };
            Verb::Change(Whose::Everyone, direction, change)
        }
        ("set_handler", 5) => Verb::SetHandler(peer(&mut c)?, command(&mut c)?, handler(&mut c)?),
        ("test_filter", 6) => {
            let (peer, direction, command) = (peer(&mut c)?, direction(&mut c)?, command(&mut c)?);
            let subject = target(&mut c, command)?;
            let nameless = command.target().is_none() || command == Command::Monitor;
            match &subject {
                None if !nameless => return Err(EXACT),
                Some(subject) if subject.is_pattern() => return Err(EXACT),
                _ => {}
            }
            Verb::Test(peer, direction, command, subject)
        }
        ("filters", 3) => Verb::Filters(whose(&mut c)?),
        ("statistics", 3) => Verb::Statistics(whose(&mut c)?),
        ("counters", 3) => Verb::Counters(peer(&mut c)?),
        _ => return Err(VERBS),
    };
    if c.rest().is_empty() { Ok(verb) } else { Err(REST) }
}

fn named(text: &str) -> Result<NodeName, Wrong> {
    NodeName::parse(text.as_bytes()).ok_or(PEER)
}

fn peer(c: &mut Cursor<'_>) -> Result<NodeName, Wrong> {
    named(c.atom().map_err(|_| PEER)?)
}

fn whose(c: &mut Cursor<'_>) -> Result<Whose, Wrong> {
    match c.atom().map_err(|_| PEER)? {
        ANY => Ok(Whose::Everyone),
        name => named(name).map(Whose::One),
    }
}

fn direction(c: &mut Cursor<'_>) -> Result<Direction, Wrong> {
    let name = c.atom().map_err(|_| DIRECTION)?;
    [Direction::In, Direction::Out].into_iter().find(|way| way.name() == name).ok_or(DIRECTION)
}

fn command(c: &mut Cursor<'_>) -> Result<Command, Wrong> {
    Command::named(c.atom().map_err(|_| COMMAND)?).ok_or(COMMAND)
}

/// `None`: every command.
fn command_or_any(c: &mut Cursor<'_>) -> Result<Option<Command>, Wrong> {
    match c.atom().map_err(|_| COMMAND)? {
        ANY => Ok(None),
        name => Command::named(name).map(Some).ok_or(COMMAND),
    }
}

fn any(c: &mut Cursor<'_>) -> Result<(), Wrong> {
    if c.atom() == Ok(ANY) { Ok(()) } else { Err(TARGET) }
}

fn verdict(c: &mut Cursor<'_>) -> Result<bool, Wrong> {
    match c.atom().map_err(|_| VERDICT)? {
        "accept" => Ok(true),
        "deny" => Ok(false),
        _ => Err(VERDICT),
    }
}

/// A name, `{Module, Function, Arity}` with `_` as in the file, or `_`: `None`.
fn target(c: &mut Cursor<'_>, command: Command) -> Result<Option<Subject>, Wrong> {
    match (c.head().map_err(|_| TARGET)?, command) {
        (Head::Atom(ANY), _) => Ok(None),
        (Head::Atom(name), Command::RegSend | Command::Monitor) if is_atom(name) => {
            Ok(Some(Subject::Name(name.to_owned())))
        }
        (Head::Tuple(3), Command::SpawnRequest) => function(c).map(Some).ok_or(TARGET),
        _ => Err(TARGET),
    }
}

fn function(c: &mut Cursor<'_>) -> Option<Subject> {
    let (module, function) = (c.atom().ok()?, c.atom().ok()?);
    let inside = match (function, c.head().ok()?) {
        (ANY, Head::Atom(ANY)) => None,
        (ANY, _) => return None,
        (function, Head::Atom(ANY)) => Some((function.to_owned(), None)),
        (function, Head::Integer(arity)) => Some((function.to_owned(), Some(u8::try_from(arity).ok()?))),
        _ => return None,
    };
    (is_atom(module) && is_atom(function) && module != ANY)
        .then(|| Subject::Function(module.to_owned(), inside))
}

fn handler(c: &mut Cursor<'_>) -> Result<Option<String>, Wrong> {
    match c.atom().map_err(|_| HANDLER)? {
        "undefined" => Ok(None),
        name if is_atom(name) => Ok(Some(name.to_owned())),
        _ => Err(HANDLER),
    }
}

// --- answers -------------------------------------------------------------------------------------------------------

/// `{ok, Value}`.
pub fn ok(w: &mut Writer, value: impl FnOnce(&mut Writer)) {
    w.tuple(2);
    atom(w, "ok");
    value(w);
}

/// `{error, {Why, Text}}`.
pub fn error(w: &mut Writer, why: &str, text: &str) {
    w.tuple(2);
    atom(w, "error");
    w.tuple(2);
    atom(w, why);
    w.binary(text.as_bytes());
}

/// `accept | deny`: what held before.
pub fn filter(w: &mut Writer, accept: bool) {
    atom(w, if accept { "accept" } else { "deny" });
}

/// `accept | {deny, Reason} | {handler, Name}`.
pub fn tested(w: &mut Writer, verdict: &Verdict<'_>) {
    let (word, more) = match verdict {
        Verdict::Accept => return filter(w, true),
        Verdict::Deny(reason) => ("deny", reason.name()),
        Verdict::Handler(name) => ("handler", *name),
    };
    w.tuple(2);
    atom(w, word);
    atom(w, more);
}

/// `[{node | everyone, in | out, Command | '_', Target | '_', accept | deny}]`. A target is written as in the file: an atom for each would be
/// known to the peer for ever.
pub fn filters(w: &mut Writer, filters: &[Filter<'_>]) {
    if !filters.is_empty() {
        w.list(filters.len());
    }
    for found in filters {
        w.tuple(5);
        atom(w, if found.everyone { "everyone" } else { "node" });
        atom(w, found.direction.name());
        atom(w, found.command.map_or(ANY, Command::name));
        match found.subject {
            Some(subject) => w.binary(subject.to_string().as_bytes()),
            None => atom(w, ANY),
        }
        filter(w, found.accept);
    }
    w.nil();
}

/// `[{alias_send, [{accept, 0}, {deny, 0}]}, ...]`: `statistics` of the RFC, in its order.
pub fn statistics(w: &mut Writer, counters: &Counters) {
    pairs(w, counters.rows().collect(), |w, (command, row)| {
        atom(w, command.name());
        pairs(w, vec![("accept", row.accept), ("deny", row.deny)], |w, (word, n)| {
            atom(w, word);
            w.uint(n);
        });
    });
}

/// `#{in => Counters, out => Counters}`, each with `statistics`, `reasons`, `handled` and `malformed`.
pub fn counters(w: &mut Writer, ways: [&Counters; 2]) {
    w.map(2);
    for (name, counters) in ["in", "out"].into_iter().zip(ways) {
        atom(w, name);
        w.map(4);
        atom(w, "statistics");
        statistics(w, counters);
        atom(w, "reasons");
        let reasons: Vec<_> = counters.reasons().collect();
        w.map(reasons.len());
        for (reason, n) in reasons {
            atom(w, reason.name());
            w.uint(n);
        }
        for (word, n) in [("handled", counters.handled()), ("malformed", counters.malformed())] {
            atom(w, word);
            w.uint(n);
        }
    }
}

/// A proper list of pairs, of which there are some.
fn pairs<T>(w: &mut Writer, rows: Vec<T>, mut pair: impl FnMut(&mut Writer, T)) {
    w.list(rows.len());
    for row in rows {
        w.tuple(2);
        pair(w, row);
    }
    w.nil();
}

#[cfg(test)]
mod tests;
