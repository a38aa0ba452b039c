//! The arguments of this folder's operations, from terms to types.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Why};
use crate::ids::{Pid, StartTime};
use crate::limits::PID_MAX;
use crate::proc::action::{ReadProcesses, Tier};
use crate::proc::columns::{self, COLUMNS, Column};
use crate::proc::each;
use crate::table::condition::Condition;
use crate::table::query::{self, Asked};
use crate::wire::atoms::Atom;
use crate::wire::schema::{At, fields, integer};
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
    pub limit: u64,
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

    /// Reads what is asked of the table.
    pub fn decode(asked: &Asked<'_>) -> Result<Self, RequestError> {
        let Asked { columns, conditions, limit, cell_max, interval: _, at } = asked;
        asked.one_sample()?;
        let columns = match columns {
            Some(term) => query::decode_columns(*term, &At::Key(at, "columns"), COLUMNS)?,
            None => columns::DEFAULT.iter().filter_map(|name| columns::named(name.name())).collect(),
        };
        let conditions = match conditions {
            Some(term) => query::decode_conditions(*term, &At::Key(at, "where"), COLUMNS)?,
            None => Vec::new(),
        };
        let pids = conditions.iter().find_map(|(column, condition)| pids(column, condition));
        Ok(Self { columns, conditions, pids, limit: *limit, cell_max: *cell_max })
    }

    /// The same with these columns in every row: behind those that are asked for, where they are not among them.
    #[must_use]
    pub fn keyed(mut self, key: &[Atom]) -> Self {
        let missing: Vec<_> =
            key.iter().filter(|name| self.columns.iter().all(|column| column.name != **name)).collect();
        self.columns.extend(missing.into_iter().filter_map(|name| columns::named(name.name())));
        self
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
            Some(term) => query::decode_columns(term, &At::Key(at, "items"), COLUMNS)?,
            None => columns::items(links).collect(),
        };
        Ok(Self { pid, starttime, items, cell_max: query::decode_cell_max(cell_max, at)? })
    }

    /// What the policy is asked for.
    #[must_use]
    pub fn action(&self) -> ReadProcesses {
        ReadProcesses::new(self.items.iter().map(|c| c.tier).chain(NAMED.iter().copied()))
    }
}

/// The pids that a condition on the pid names one by one. Numbers that no process can have are met by none.
fn pids(column: &Column, condition: &Condition) -> Option<Vec<Pid>> {
    if column.tier == Tier::Listing { each::named(condition) } else { None }
}

/// A pid, or one and when its process started.
pub fn decode_pid(term: Term<'_>, at: &At<'_>) -> Result<(Pid, Option<StartTime>), RequestError> {
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
