//! Columns and tables: what they are called, what they are made of, what reading them costs.
#![forbid(unsafe_code)]

use std::fmt;

use super::action::ReadTable;
use super::cell::Value;
use super::query::{Asked, Query};
use super::scan::{Opener, Rows, Scan};
use crate::capability::Capability;
use crate::error::RequestError;
use crate::op::Role;
use crate::wire::atoms::Atom;

/// What conditions a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Bytes.
    Bytes,
    /// One of these words.
    Word(&'static [Atom]),
    /// IP addresses.
    Address,
    /// Lists and maps: none.
    Compound,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing: an id, a flag, a name, a plain count.
    None,
    /// Bytes.
    Bytes,
    /// Clock ticks, of which `hello` says how many are a second.
    Ticks,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Nanoseconds.
    Nanos,
    /// Seconds.
    Seconds,
    /// Hundredths.
    Hundredths,
    /// So many in a second.
    PerSecond,
    /// Bytes in a second.
    BytesPerSecond,
    /// Thousandths of a degree and the like.
    Thousandths,
}

/// A column by its name and what it can be compared with.
pub trait Described: Sync + 'static {
    /// Its name.
    fn name(&self) -> Atom;
    /// What it can be compared with.
    fn kind(&self) -> Kind;
}

/// A column of a table whose rows are `R`.
pub struct Column<R: 'static> {
    /// Its name.
    pub name: Atom,
    /// What it can be compared with.
    pub kind: Kind,
    /// What a number counts.
    pub unit: Unit,
    /// Its value in a row.
    pub value: for<'a> fn(&'a R) -> Value<'a>,
}

impl<R> Described for Column<R> {
    fn name(&self) -> Atom {
        self.name
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

impl<R> fmt::Debug for Column<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.name())
    }
}

/// How much work a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// A file or one question to the kernel, whatever there is on the host.
    Constant,
    /// Grows with what the kernel has of it.
    PerRow,
    /// Grows with the number of processes.
    PerProcess,
}

/// A table, whatever its rows are.
pub trait Table: Sync {
    /// Its name.
    fn name(&self) -> Atom;
    /// The roles that answer it.
    fn roles(&self) -> &'static [Role];
    /// What reading all of it takes; without it, some cells are `{error, eacces}`.
    fn capabilities(&self) -> &'static [Capability];
    /// How much work it is.
    fn cost(&self) -> Cost;
    /// Where its rows come from, as in `Meta`.
    fn source(&self) -> Atom;
    /// Tells of each column: name, what it can be compared with, unit.
    fn each_column(&self, tell: &mut dyn FnMut(Atom, Kind, Unit));
    /// The columns that tell its rows apart; none where there is one row only.
    fn key(&self) -> &'static [Atom];
    /// What reading these columns asks of the policy.
    fn action(&self, _: &dyn Fn(Atom) -> bool) -> ReadTable {
        ReadTable::new(self.name(), self.capabilities())
    }
    /// Whether it takes two samples, and a query can say how far they lie apart.
    fn is_sampled(&self) -> bool {
        false
    }
    /// Reads what is asked of it.
    fn query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError>;
    /// The same with the columns of the key in every row: behind those that are asked for, where they are not among them.
    fn keyed_query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError>;
}

/// A table whose rows are `R`.
pub struct TableOf<R: 'static> {
    /// Its name.
    pub name: Atom,
    /// The roles that answer it.
    pub roles: &'static [Role],
    /// What reading all of it takes.
    pub capabilities: &'static [Capability],
    /// How much work it is.
    pub cost: Cost,
    /// Where its rows come from.
    pub source: Atom,
    /// The columns that tell its rows apart.
    pub key: &'static [Atom],
    /// Its columns; what is not asked for otherwise is all of them.
    pub columns: &'static [Column<R>],
    /// Begins to read it.
    pub open: Opener<R>,
}

impl<R: fmt::Debug + 'static> Table for TableOf<R> {
    fn name(&self) -> Atom {
        self.name
    }

    fn roles(&self) -> &'static [Role] {
        self.roles
    }

    fn capabilities(&self) -> &'static [Capability] {
        self.capabilities
    }

    fn cost(&self) -> Cost {
        self.cost
    }

    fn source(&self) -> Atom {
        self.source
    }

    fn each_column(&self, tell: &mut dyn FnMut(Atom, Kind, Unit)) {
        self.columns.iter().for_each(|column| tell(column.name, column.kind, column.unit));
    }

    fn key(&self) -> &'static [Atom] {
        self.key
    }

    fn query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        asked.one_sample()?;
        self.scan(asked)
    }

    fn keyed_query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        asked.one_sample()?;
        self.keyed_scan(asked)
    }
}

impl<R: fmt::Debug + 'static> TableOf<R> {
    fn keyed_scan(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        let mut query = Query::decode(asked, self.columns)?;
        let missing = |query: &Query<R>, name| query.columns.iter().all(|column| column.name != name);
        for name in self.key.iter().filter(|name| missing(&query, **name)).collect::<Vec<_>>() {
            query.columns.extend(self.columns.iter().find(|column| column.name == *name));
        }
        Ok(Box::new(Scan::new(query, self.open, self.source)))
    }

    fn scan(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        let query = Query::decode(asked, self.columns)?;
        Ok(Box::new(Scan::new(query, self.open, self.source)))
    }
}

/// A table of which not every column takes the same, or that takes two samples.
pub struct Special<R: 'static> {
    /// The table; its capabilities are what all of it takes.
    pub table: TableOf<R>,
    /// Whether it takes two samples.
    pub sampled: bool,
    /// The columns that take the table's capabilities, if not all do.
    pub guarded: Option<&'static [Atom]>,
    /// The columns that hold environments of processes.
    pub environ: &'static [Atom],
}

impl<R: fmt::Debug + 'static> Table for Special<R> {
    fn name(&self) -> Atom {
        self.table.name
    }

    fn roles(&self) -> &'static [Role] {
        self.table.roles
    }

    fn capabilities(&self) -> &'static [Capability] {
        self.table.capabilities
    }

    fn cost(&self) -> Cost {
        self.table.cost
    }

    fn source(&self) -> Atom {
        self.table.source
    }

    fn each_column(&self, tell: &mut dyn FnMut(Atom, Kind, Unit)) {
        self.table.each_column(tell);
    }

    fn action(&self, wants: &dyn Fn(Atom) -> bool) -> ReadTable {
        let any = |columns: &[Atom]| columns.iter().any(|column| wants(*column));
        let guarded = self.guarded.is_none_or(any);
        let capabilities = if guarded { self.table.capabilities } else { &[] };
        ReadTable::new(self.table.name, capabilities).with_environ(any(self.environ))
    }

    fn is_sampled(&self) -> bool {
        self.sampled
    }

    fn query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        if !self.sampled {
            asked.one_sample()?;
        }
        self.table.scan(asked)
    }

    fn key(&self) -> &'static [Atom] {
        self.table.key
    }

    fn keyed_query(&self, asked: &Asked<'_>) -> Result<Box<dyn Rows>, RequestError> {
        if !self.sampled {
            asked.one_sample()?;
        }
        self.table.keyed_scan(asked)
    }
}
