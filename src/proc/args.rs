//! The arguments of this folder's operations, from terms to types.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Why};
use crate::ids::{Pid, StartTime};
use crate::limits::{CELL_DEFAULT, CELL_MAX, PID_MAX};
use crate::proc::action::{ReadProcesses, Tier};
use crate::proc::columns::{self, COLUMNS, Column};
use crate::proc::condition::{self, Condition, Want};
use crate::wire::schema::{At, atom, fields, integer, list, map};
use crate::wire::term::{Pairs, Term};

/// What is read of a process that the client names by its pid: `stat` says whether it is there and since when, `status`
/// whether the number is a thread's.
const NAMED: &[Tier] = &[Tier::Stat, Tier::Status];

/// The arguments of `processes`.
#[derive(Clone, Debug)]
pub struct ProcessesArgs {
    /// What a row holds, in this order.
    pub columns: Vec<&'static Column>,
    /// What a row must meet.
    pub conditions: Vec<(&'static Column, Condition)>,
    /// Only these are looked at, in ascending order; all, if `None`.
    pub pids: Option<Vec<Pid>>,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Bytes of a cell.
    pub cell_max: usize,
}

/// The arguments of `process`.
#[derive(Clone, Debug)]
pub struct ProcessArgs {
    /// Which.
    pub pid: Pid,
    /// Only if it started then.
    pub starttime: Option<StartTime>,
    /// What the answer holds.
    pub items: Vec<&'static Column>,
    /// Bytes of a cell.
    pub cell_max: usize,
}

impl ProcessesArgs {
    /// The columns, answered or compared, for a record.
    #[must_use]
    pub fn names(&self) -> Vec<u8> {
        names(self.columns.iter().chain(self.conditions.iter().map(|(column, _)| column)))
    }

    /// Reads the map.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [columns, conditions, limit, cell_max] =
            fields(args, at, ["columns", "where", "limit", "cell_max"])?;
        let columns = match columns {
            Some(term) => decode_columns(term, &At::Key(at, "columns"))?,
            None => columns::DEFAULT.iter().filter_map(|name| columns::named(name.name())).collect(),
        };
        let conditions = match conditions {
            Some(term) => decode_conditions(term, &At::Key(at, "where"))?,
            None => Vec::new(),
        };
        let limit = limit.map(|t| integer(t, &At::Key(at, "limit"), 1, u64::from(PID_MAX))).transpose()?;
        let pids = conditions.iter().find_map(|(column, condition)| pids(column, condition));
        Ok(Self { columns, conditions, pids, limit, cell_max: decode_cell_max(cell_max, at)? })
    }

    /// What the policy is asked for.
    #[must_use]
    pub fn action(&self) -> ReadProcesses {
        let conditions = self.conditions.iter().map(|(column, _)| column.tier);
        let named: &[Tier] = if self.pids.is_some() { NAMED } else { &[] };
        ReadProcesses::new(self.columns.iter().map(|c| c.tier).chain(conditions).chain(named.iter().copied()))
    }
}

/// What is asked for, as the words of `policy explain`.
fn names<'c>(columns: impl Iterator<Item = &'c &'static Column>) -> Vec<u8> {
    columns.map(|c| c.name.name()).collect::<Vec<_>>().join(",").into_bytes()
}

impl ProcessArgs {
    /// The items, for a record.
    #[must_use]
    pub fn names(&self) -> Vec<u8> {
        names(self.items.iter())
    }

    /// Reads the map. `links`: whether the policy grants what is answered by default beside what every user sees.
    pub fn decode(args: Pairs<'_>, at: &At<'_>, links: bool) -> Result<Self, RequestError> {
        let [pid, items, cell_max] = fields(args, at, ["pid", "items", "cell_max"])?;
        let at_pid = At::Key(at, "pid");
        let (pid, starttime) = decode_pid(pid.ok_or_else(|| at_pid.error(Why::Missing))?, &at_pid)?;
        let items = match items {
            Some(term) => decode_columns(term, &At::Key(at, "items"))?,
            None => columns::items(links).collect(),
        };
        Ok(Self { pid, starttime, items, cell_max: decode_cell_max(cell_max, at)? })
    }

    /// What the policy is asked for.
    #[must_use]
    pub fn action(&self) -> ReadProcesses {
        ReadProcesses::new(self.items.iter().map(|c| c.tier).chain(NAMED.iter().copied()))
    }
}

fn decode_columns(term: Term<'_>, at: &At<'_>) -> Result<Vec<&'static Column>, RequestError> {
    let names = list(term, at, COLUMNS.len())?;
    let mut columns: Vec<&'static Column> = Vec::with_capacity(names.len());
    for (name, n) in names.zip(1..) {
        let at = At::Index(at, n);
        let name = atom(name, &at)?;
        let column = column_named(name, &at)?;
        if columns.iter().any(|c| c.name == column.name) {
            return Err(at.error(Why::Duplicate));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(at.error(Why::Empty));
    }
    Ok(columns)
}

fn column_named(name: &str, at: &At<'_>) -> Result<&'static Column, RequestError> {
    columns::named(name).ok_or_else(|| at.error(Why::UnknownColumn(name.as_bytes().to_vec())))
}

fn decode_conditions(term: Term<'_>, at: &At<'_>) -> Result<Vec<(&'static Column, Condition)>, RequestError> {
    let mut conditions: Vec<(&'static Column, Condition)> = Vec::new();
    let mut budget = condition::BUDGET;
    for (key, value) in map(term, at)? {
        let column = column_named(atom(key, at)?, at)?;
        let at = At::Key(at, column.name.name());
        if conditions.iter().any(|(c, _)| c.name == column.name) {
            return Err(at.error(Why::Duplicate));
        }
        conditions.push((column, Condition::decode(value, column, &at, &mut budget)?));
    }
    Ok(conditions)
}

/// The pids that a condition on the pid names one by one. Numbers that no process can have are met by none.
fn pids(column: &Column, condition: &Condition) -> Option<Vec<Pid>> {
    let Condition::AnyOf(wants) = condition else { return None };
    if column.tier != Tier::Listing {
        return None;
    }
    let number = |want: &Want| if let Want::Number(n) = want { u32::try_from(*n).ok() } else { None };
    let mut pids: Vec<Pid> = wants.iter().filter_map(number).filter_map(Pid::new).collect();
    pids.sort_unstable();
    pids.dedup();
    Some(pids)
}

fn decode_pid(term: Term<'_>, at: &At<'_>) -> Result<(Pid, Option<StartTime>), RequestError> {
    match term {
        Term::Integer(_) => Ok((pid(term, at)?, None)),
        Term::Tuple(mut both) if both.len() == 2 => {
            let (Some(first), Some(second)) = (both.next(), both.next()) else {
                return Err(at.error(Why::Expected("pid")));
            };
            let started = integer(second, &At::Index(at, 2), 0, u64::MAX)?;
            Ok((pid(first, &At::Index(at, 1))?, Some(StartTime(started))))
        }
        _ => Err(at.error(Why::Expected("pid"))),
    }
}

fn pid(term: Term<'_>, at: &At<'_>) -> Result<Pid, RequestError> {
    let n = integer(term, at, 1, u64::from(PID_MAX))?;
    let pid = u32::try_from(n).ok().and_then(Pid::new);
    pid.ok_or_else(|| at.error(Why::Range(1, u64::from(PID_MAX))))
}

fn decode_cell_max(term: Option<Term<'_>>, at: &At<'_>) -> Result<usize, RequestError> {
    let max = u64::try_from(CELL_MAX).unwrap_or(u64::MAX);
    let n = term.map(|t| integer(t, &At::Key(at, "cell_max"), 1, max)).transpose()?;
    Ok(n.and_then(|n| usize::try_from(n).ok()).unwrap_or(CELL_DEFAULT))
}
