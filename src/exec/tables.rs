//! Queries of tables, and what tables there are.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::error::{RequestError, Why};
use crate::exec::output::Output;
use crate::exec::rows::{RowAnswer, Source};
use crate::exec::session::Session;
use crate::limits::{INTERVAL_MAX_MS, INTERVAL_MIN_MS};
use crate::op::Role;
use crate::protocol::reply;
use crate::protocol::request::Request;
use crate::protocol::tables;
use crate::table::query::{decode_cell_max, decode_interval};
use crate::table::{Asked, Cost, Kind, ReadTable, Rows, Table, Unit};
use crate::wire::atoms::{self, Atom};
use crate::wire::schema::{At, atom, fields, integer};
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// What is asked of a table, not looked at yet.
pub struct Arguments<'a> {
    /// `columns`.
    pub columns: Option<Term<'a>>,
    /// `where`.
    pub conditions: Option<Term<'a>>,
    /// `limit`.
    pub limit: Option<Term<'a>>,
    /// `cell_max`.
    pub cell_max: Option<Term<'a>>,
    /// `interval`.
    pub interval: Option<Term<'a>>,
}

/// `query`.
pub fn query(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let keys = ["table", "columns", "where", "limit", "cell_max", "interval"];
    let [table, columns, conditions, limit, cell_max, interval] = fields(request.args, &At::Top, keys)?;
    let table = find(session.court.role, table)?;
    rows(request, table, &Arguments { columns, conditions, limit, cell_max, interval }, session, output)
}

/// Begins to answer rows of a table.
pub fn rows(
    request: &Request<'_>,
    table: &dyn Table,
    arguments: &Arguments<'_>,
    session: &mut Session,
    output: &mut Output,
) -> Result<(), RequestError> {
    let Arguments { columns, conditions, limit, cell_max, interval } = *arguments;
    let (limit, cell_max) = bounds(session, limit, cell_max)?;
    let rows = table.query(&Asked { columns, conditions, limit, cell_max, interval, at: At::Top })?;
    let time = session.court.policy.deadline(request.timeout_ms);
    if table.is_sampled() {
        let at = At::Key(&At::Top, "interval");
        // The second sample would come too late for an answer.
        if decode_interval(interval, &at)? >= time {
            let most = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_sub(1);
            return Err(at.error(Why::Range(INTERVAL_MIN_MS, most.min(INTERVAL_MAX_MS))));
        }
    }
    let action = action(table, rows.as_ref(), session.court.hidden_proc);
    let permit =
        session.permit(request.row.name, action, || target(request, table, rows.as_ref()), output)?;
    session.place()?;
    let deadline = Instant::now() + time;
    session.running.queue(RowAnswer::new(request.id, deadline, Source::Table { permit, rows }));
    Ok(())
}

/// The table that is named.
pub fn find(role: Role, table: Option<Term<'_>>) -> Result<&'static dyn Table, RequestError> {
    let at = At::Key(&At::Top, "table");
    let name = atom(table.ok_or_else(|| at.error(Why::Missing))?, &at)?;
    tables::named(role, name).ok_or_else(|| at.error(Why::UnknownName(name.as_bytes().to_vec())))
}

/// Rows, and bytes of a cell, as far as the policy allows them.
pub fn bounds(
    session: &Session,
    limit: Option<Term<'_>>,
    cell_max: Option<Term<'_>>,
) -> Result<(u64, usize), RequestError> {
    let limits = session.court.policy.limits();
    let limit = limit.map(|t| integer(t, &At::Key(&At::Top, "limit"), 1, u64::MAX)).transpose()?;
    let limit = limit.map_or(limits.rows_max, |limit| limit.min(limits.rows_max));
    Ok((limit, self::cell_max(session, decode_cell_max(cell_max, &At::Top)?)))
}

/// The bytes of a cell that are asked for, as far as the policy allows them.
pub fn cell_max(session: &Session, asked: usize) -> usize {
    usize::try_from(session.court.policy.limits().cell_max).map_or(asked, |max| asked.min(max))
}

/// What a record says that was asked for, as `policy explain` takes it: the columns where not all are wanted, behind the name where
/// the operation does not say it.
pub fn target(request: &Request<'_>, table: &dyn Table, rows: &dyn Rows) -> Vec<u8> {
    let name = table.name().name();
    let (mut columns, mut all) = (Vec::new(), true);
    table.each_column(&mut |column, _, _| {
        let wanted = rows.wants(column);
        all &= wanted;
        columns.extend(wanted.then(|| column.name()));
    });
    let columns = columns.join(",");
    match request.row.name == name {
        true => columns,
        false if all => name.to_owned(),
        false => format!("{name} {columns}"),
    }
    .into_bytes()
}

/// What reading these rows asks of the policy, on a host whose `/proc` hides processes or does not.
pub fn action(table: &dyn Table, rows: &dyn Rows, hidden_proc: bool) -> ReadTable {
    let action = table.action(&|column| rows.wants(column));
    action.on_hidden_proc(hidden_proc && table.cost() == Cost::PerProcess)
}

/// `tables`.
pub fn list(request: &Request<'_>, session: &Session, output: &mut Output) -> Result<(), RequestError> {
    let [] = fields(request.args, &At::Top, [])?;
    let all: Vec<&dyn Table> = tables::of(session.court.role).collect();
    reply::ok(output.frames(), request.id, |w| {
        let mark = w.begin_list();
        all.iter().for_each(|table| describe(*table, w));
        w.end_list(mark, all.len());
    });
    Ok(())
}

fn describe(table: &dyn Table, w: &mut Writer) {
    w.map(6);
    w.atom(atoms::NAME);
    w.atom(table.name());
    w.atom(atoms::SOURCE);
    w.atom(table.source());
    w.atom(atoms::COST);
    w.atom(match table.cost() {
        Cost::Constant => atoms::CONSTANT,
        Cost::PerRow => atoms::PER_ROW,
        Cost::PerProcess => atoms::PER_PROCESS,
    });
    w.atom(atoms::CAPABILITIES);
    let mark = w.begin_list();
    table.capabilities().iter().for_each(|capability| w.atom(atoms::named(capability.name())));
    w.end_list(mark, table.capabilities().len());
    w.atom(atoms::SAMPLED);
    w.bool(table.is_sampled());
    w.atom(atoms::COLUMNS);
    let (mark, mut count) = (w.begin_list(), 0_usize);
    table.each_column(&mut |name, kind, unit| {
        count = count.saturating_add(1);
        w.tuple(3);
        w.atom(name);
        w.atom(kind_word(kind));
        w.atom(unit_word(unit));
    });
    w.end_list(mark, count);
}

fn kind_word(kind: Kind) -> Atom {
    match kind {
        Kind::Number => atoms::NUMBER,
        Kind::Bytes => atoms::BINARY,
        Kind::Word(..) => atoms::ATOM,
        Kind::Address => atoms::ADDRESS,
        Kind::Compound => atoms::COMPOUND,
    }
}

fn unit_word(unit: Unit) -> Atom {
    match unit {
        Unit::None => atoms::NONE,
        Unit::Bytes => atoms::BYTES,
        Unit::Ticks => atoms::TICKS,
        Unit::Micros => atoms::MICROSECONDS,
        Unit::Millis => atoms::MILLISECONDS,
        Unit::Nanos => atoms::NANOSECONDS,
        Unit::Seconds => atoms::SECONDS,
        Unit::Hundredths => atoms::HUNDREDTHS,
        Unit::PerSecond => atoms::PER_SECOND,
        Unit::BytesPerSecond => atoms::BYTES_PER_SECOND,
        Unit::Thousandths => atoms::THOUSANDTHS,
    }
}
