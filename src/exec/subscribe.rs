//! `subscribe`: what is to be told, whether the policy lets it be, and its beginning.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::capability::Capability;
use crate::error::{RequestError, Why};
use crate::exec::output::Output;
use crate::exec::periodic::Periodic;
use crate::exec::rows::{Source, failure};
use crate::exec::session::Session;
use crate::exec::tables;
use crate::exec::trail::Topic;
use crate::exec::watches::What;
use crate::limits::{EVERY_MAX_MS, EVERY_MIN_MS, SUBSCRIPTIONS_MAX};
use crate::measure::{Measure, in_force};
use crate::nft::action::ReadNft;
use crate::op::Role;
use crate::proc::action::{ReadProcesses, Tier};
use crate::proc::args::decode_pid;
use crate::protocol::request::Request;
use crate::sys::capset;
use crate::table::{Asked, ReadTable};
use crate::watch::connector;
use crate::watch::exit::Exit;
use crate::watch::network;
use crate::watch::pressure::{Measured, Threshold};
use crate::wire::atoms::{self, Atom};
use crate::wire::schema::{At, atom, fields, integer, list};
use crate::wire::term::{Term, Word};

/// `subscribe`. Nothing is answered when it was taken.
pub fn subscribe(
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let what = match (named(request), session.court.role) {
        (Some("query"), Role::Proc) => query(request, session, output)?,
        (Some("processes"), Role::Proc) => processes(request, session, output)?,
        (Some("exit"), Role::Proc) => exit(request, session, output)?,
        (Some("pressure"), Role::Proc) => pressure(request, session, output)?,
        (Some(name), Role::Proc) => {
            let topic = network::Topic::ALL.iter().find(|topic| topic.name().name() == name);
            match topic {
                Some(topic) => changes(*topic, request, session, output)?,
                None => return records(request, session, output),
            }
        }
        _ => return records(request, session, output),
    };
    place(session)?;
    session.watches.begin(request.id, what)
}

/// The topic, as far as one is named; what is wrong with it is said by who reads it.
fn named<'a>(request: &Request<'a>) -> Option<&'a str> {
    let mut pairs = request.args;
    while let Some((key, value)) = pairs.next_word() {
        if let (Word::Atom(b"topic"), Term::Atom(name)) = (key, value) {
            return Some(name);
        }
    }
    None
}

/// A place for a subscription.
fn place(session: &Session) -> Result<(), RequestError> {
    session.place()?;
    if session.subscriptions() >= SUBSCRIPTIONS_MAX && in_force(Measure::Subscriptions) {
        return Err(RequestError::Overloaded);
    }
    Ok(())
}

/// The topics of both roles.
fn records(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let topic = Topic::decode(request.args, session.court.role)?;
    let permit = match topic {
        Topic::Audit => None,
        Topic::Nft => Some(session.permit(request.row.name, ReadNft, || b"nft".to_vec(), output)?),
    };
    place(session)?;
    session.trail.subscribe(request.id, topic);
    if let Some(permit) = permit {
        let begun = session.firewall.link().and_then(|link| session.events.begin(permit, link));
        if let Err(error) = begun {
            session.trail.cancel(request.id);
            return Err(error);
        }
    }
    Ok(())
}

fn every(term: Option<Term<'_>>) -> Result<Duration, RequestError> {
    let at = At::Key(&At::Top, "every");
    let every = term.ok_or_else(|| at.error(Why::Missing))?;
    integer(every, &at, EVERY_MIN_MS, EVERY_MAX_MS).map(Duration::from_millis)
}

fn query(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<What, RequestError> {
    let [_, every_ms, table, columns, conditions, limit, cell_max] =
        fields(request.args, &At::Top, ["topic", "every", "table", "columns", "where", "limit", "cell_max"])?;
    let every = every(every_ms)?;
    let table = tables::find(session.court.role, table)?;
    let (limit, cell_max) = tables::bounds(session, limit, cell_max)?;
    let asked = Asked { columns, conditions, limit, cell_max, interval: None, at: At::Top };
    let rows = table.keyed_query(&asked)?;
    let action = tables::action(table, rows.as_ref(), session.court.hidden_proc);
    let permit =
        session.permit(request.row.name, action, || tables::target(request, table, rows.as_ref()), output)?;
    let source = Source::Table { permit, rows };
    Ok(What::Query(Box::new(Periodic::new(source, table.name(), table.key(), every))))
}

/// Asks the policy for what every user sees of a table.
fn public(
    table: Atom,
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let action = ReadTable::new(table, &[]);
    let target = || table.name().as_bytes().to_vec();
    // Nothing is raised for it: the kernel tells it to everybody.
    session.permit(request.row.name, action, target, output).map(drop)
}

/// What it takes to be told what processes do: the kernel tells of those too that `/proc` hides, and these are seen from level `basic` on.
fn of_processes(hidden_proc: bool) -> ReadTable {
    ReadTable::new(atoms::PROCESSES, if hidden_proc { &[Capability::SysPtrace] } else { &[] })
}

fn processes(
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<What, RequestError> {
    let [_, events, threads] = fields(request.args, &At::Top, ["topic", "events", "threads"])?;
    let mut kinds = 0;
    if let Some(events) = events {
        let at = At::Key(&At::Top, "events");
        for (term, n) in list(events, &at, connector::KINDS.len())?.zip(1..) {
            let at = At::Index(&at, n);
            let name = atom(term, &at)?;
            let found = connector::KINDS.iter().find(|(_, word)| word.name() == name);
            let (bit, _) = found.ok_or_else(|| at.error(Why::Expected(connector::KIND)))?;
            if kinds & bit != 0 {
                return Err(at.error(Why::Duplicate));
            }
            kinds |= bit;
        }
        if kinds == 0 {
            return Err(at.error(Why::Empty));
        }
    }
    let threads = match threads {
        None | Some(Term::Atom("false")) => false,
        Some(Term::Atom("true")) => true,
        Some(_) => return Err(At::Key(&At::Top, "threads").error(Why::Expected("boolean"))),
    };
    // Nothing is raised for it: the kernel tells it to everybody.
    let target = || atoms::PROCESSES.name().as_bytes().to_vec();
    session.permit(request.row.name, of_processes(session.court.hidden_proc), target, output).map(drop)?;
    Ok(What::Processes { kinds: if kinds == 0 { connector::DEFAULT } else { kinds }, threads })
}

fn exit(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<What, RequestError> {
    let [_, pid] = fields(request.args, &At::Top, ["topic", "pid"])?;
    let at = At::Key(&At::Top, "pid");
    let (pid, starttime) = decode_pid(pid.ok_or_else(|| at.error(Why::Missing))?, &at)?;
    let action = ReadProcesses::new([Tier::Stat]).on_hidden_proc(session.court.hidden_proc);
    let target = || format!("exit {}", pid.get()).into_bytes();
    let permit = session.permit(request.row.name, action, target, output)?;
    // Before the descriptor is made, so that there are never more of them.
    place(session)?;
    if session.watches.exits() >= crate::limits::EXITS_MAX {
        return Err(RequestError::Overloaded);
    }
    let _raised = capset::raise(permit.capabilities()).map_err(failure)?;
    Exit::of(pid, starttime).map(What::Exit)
}

fn changes(
    topic: network::Topic,
    request: &Request<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<What, RequestError> {
    let [_] = fields(request.args, &At::Top, ["topic"])?;
    public(topic.name(), request, session, output)?;
    Ok(What::Network(topic))
}

fn pressure(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<What, RequestError> {
    let [_, every_ms, resource, share, measure, threshold] =
        fields(request.args, &At::Top, ["topic", "every", "resource", "share", "measure", "threshold"])?;
    let resource = word(
        resource,
        "resource",
        "cpu, memory, io or irq",
        &[atoms::CPU, atoms::MEMORY, atoms::IO, atoms::IRQ],
        None,
    )?;
    let share = word(share, "share", "some or full", &[atoms::SOME, atoms::FULL], Some(atoms::SOME))?;
    let measures = [Measured::Avg10, Measured::Stall];
    let words = measures.map(Measured::word);
    let measure = word(measure, "measure", "avg10 or stall", &words, Some(atoms::AVG10))?;
    let measured = if measure == atoms::STALL { Measured::Stall } else { Measured::Avg10 };
    let at = At::Key(&At::Top, "threshold");
    let threshold = integer(threshold.ok_or_else(|| at.error(Why::Missing))?, &at, 0, u64::MAX)?;
    let every = every(every_ms)?;
    public(atoms::PRESSURE, request, session, output)?;
    let due = Instant::now();
    let mut new = Threshold { resource, share, measured, threshold, every, due, above: false, total: None };
    // What cannot be sampled is said at once. What is above the threshold from the beginning is told as an event.
    new.sample(due)?;
    (new.above, new.due) = (false, if measured == Measured::Stall { new.due } else { due });
    Ok(What::Pressure(new))
}

fn word(
    term: Option<Term<'_>>,
    key: &'static str,
    expected: &'static str,
    words: &[Atom],
    default: Option<Atom>,
) -> Result<Atom, RequestError> {
    let at = At::Key(&At::Top, key);
    let Some(term) = term else { return default.ok_or_else(|| at.error(Why::Missing)) };
    let name = atom(term, &at)?;
    words.iter().find(|word| word.name() == name).copied().ok_or_else(|| at.error(Why::Expected(expected)))
}

/// Why a socket of events is not there, where that is no reason not to start.
pub fn absent(e: Errno) -> bool {
    matches!(e, Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EPERM | Errno::EACCES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capabilities;
    use crate::policy::{self, Policy};

    #[test]
    fn who_does_not_see_hidden_processes_is_not_told_what_they_do() {
        let public = Policy::without_a_file();
        let judged = |hidden| policy::authorize(&public, Capabilities::NONE, of_processes(hidden));
        assert!(judged(false).is_ok());
        assert_eq!(judged(true).unwrap_err().rule, "proc.level");
    }
}
