//! What is asked of a table: columns, conditions, a limit.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::column::{Column, Described};
use super::condition::{self, Condition};
use crate::error::{RequestError, Why};
use crate::limits::{CELL_DEFAULT, CELL_MAX, INTERVAL_DEFAULT_MS, INTERVAL_MAX_MS, INTERVAL_MIN_MS};
use crate::meant::meant;
use crate::wire::schema::{At, atom, integer, list, map};
use crate::wire::term::Term;

/// The arguments that every table takes, not looked at yet.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `columns`.
    pub columns: Option<Term<'a>>,
    /// `where`.
    pub conditions: Option<Term<'a>>,
    /// Rows at most.
    pub limit: u64,
    /// Bytes of a cell at most.
    pub cell_max: usize,
    /// `interval`: milliseconds between two samples.
    pub interval: Option<Term<'a>>,
    /// Where they stand.
    pub at: At<'a>,
}

/// What is asked of a table whose rows are `R`.
#[derive(Debug)]
pub struct Query<R: 'static> {
    /// What a row holds, in this order.
    pub columns: Vec<&'static Column<R>>,
    /// What a row must meet.
    pub conditions: Vec<(&'static Column<R>, Condition)>,
    /// Rows at most.
    pub limit: u64,
    /// Bytes of a cell at most.
    pub cell_max: usize,
    /// Time between two samples, of tables that take two.
    pub interval: Duration,
}

impl<R> Query<R> {
    /// Reads what is asked of a table with these columns. All of them, unless it is told.
    pub fn decode(asked: &Asked<'_>, all: &'static [Column<R>]) -> Result<Self, RequestError> {
        let Asked { columns, conditions, limit, cell_max, interval, at } = asked;
        let columns = match columns {
            Some(term) => decode_columns(*term, &At::Key(at, "columns"), all)?,
            None => all.iter().collect(),
        };
        let conditions = match conditions {
            Some(term) => decode_conditions(*term, &At::Key(at, "where"), all)?,
            None => Vec::new(),
        };
        let interval = decode_interval(*interval, &At::Key(at, "interval"))?;
        Ok(Self { columns, conditions, limit: *limit, cell_max: *cell_max, interval })
    }
}

/// A list of names of columns, each once, of one at least.
pub fn decode_columns<C: Described>(
    term: Term<'_>,
    at: &At<'_>,
    all: &'static [C],
) -> Result<Vec<&'static C>, RequestError> {
    let names = list(term, at, all.len())?;
    let mut columns: Vec<&'static C> = Vec::with_capacity(names.len());
    for (name, n) in names.zip(1..) {
        let at = At::Index(at, n);
        let column = named(atom(name, &at)?, &at, all)?;
        if columns.iter().any(|c| c.name() == column.name()) {
            return Err(at.error(Why::Duplicate));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(at.error(Why::Empty));
    }
    Ok(columns)
}

/// A map from names of columns to what their cells must be.
pub fn decode_conditions<C: Described>(
    term: Term<'_>,
    at: &At<'_>,
    all: &'static [C],
) -> Result<Vec<(&'static C, Condition)>, RequestError> {
    let mut conditions: Vec<(&'static C, Condition)> = Vec::new();
    let mut budget = condition::BUDGET;
    for (key, value) in map(term, at)? {
        let column = named(atom(key, at)?, at, all)?;
        let at = At::Key(at, column.name().name());
        if conditions.iter().any(|(c, _)| c.name() == column.name()) {
            return Err(at.error(Why::Duplicate));
        }
        conditions.push((column, Condition::decode(value, column, &at, &mut budget)?));
    }
    Ok(conditions)
}

fn named<C: Described>(name: &str, at: &At<'_>, all: &'static [C]) -> Result<&'static C, RequestError> {
    let found = all.iter().find(|c| c.name().name() == name);
    found.ok_or_else(|| {
        let known: Vec<&'static str> = all.iter().map(|c| c.name().name()).collect();
        let asked = name.as_bytes().to_vec();
        at.error(match meant(name, &known) {
            Some(near) => Why::MisspeltColumn(asked, near),
            None => Why::UnknownColumn(asked),
        })
    })
}

impl Asked<'_> {
    /// Refuses what only tables of two samples take.
    pub fn one_sample(&self) -> Result<(), RequestError> {
        match self.interval {
            Some(_) => Err(At::Key(&self.at, "interval").error(Why::NotSampled)),
            None => Ok(()),
        }
    }
}

/// Time between two samples.
pub fn decode_interval(term: Option<Term<'_>>, at: &At<'_>) -> Result<Duration, RequestError> {
    let asked = term.map(|t| integer(t, at, INTERVAL_MIN_MS, INTERVAL_MAX_MS)).transpose()?;
    Ok(Duration::from_millis(asked.unwrap_or(INTERVAL_DEFAULT_MS)))
}

/// Bytes of a cell.
pub fn decode_cell_max(term: Option<Term<'_>>, at: &At<'_>) -> Result<usize, RequestError> {
    let max = u64::try_from(CELL_MAX).unwrap_or(u64::MAX);
    let n = term.map(|t| integer(t, &At::Key(at, "cell_max"), 1, max)).transpose()?;
    Ok(n.and_then(|n| usize::try_from(n).ok()).unwrap_or(CELL_DEFAULT))
}
