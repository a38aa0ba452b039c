//! Reading a table in slices: rows that meet the conditions, until a frame's worth of them is there.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::cell::Written;
use super::column::Column;
use super::condition::Condition;
use super::query::Query;
use crate::error::RequestError;
use crate::helper::pool::Pool;
use crate::limits::ROW_BYTES_MAX;
use crate::netlink::dump::{Link, Links};
use crate::sys::netlink::Asked;
use crate::wire::atoms::Atom;
use crate::wire::chunk::{Chunk, Slice};

/// What a scan has met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that met the conditions.
    pub rows: u64,
    /// What ended while it was read.
    pub vanished: u64,
    /// Cells that the kernel denied.
    pub denied: u64,
    /// Cells that were cut.
    pub cut: u64,
    /// `limit` ended the scan.
    pub truncated: bool,
    /// The kernel says that what it listed has changed meanwhile.
    pub interrupted: bool,
}

/// Which columns a reader has to fill, so that it reads nothing for the others, and what their cells must be, so that it can leave to
/// the kernel what the kernel can sort out. Every row is compared again with what comes.
pub struct Wanted<'q, R: 'static> {
    query: &'q Query<R>,
}

impl<R> Wanted<'_, R> {
    /// Whether the column is answered or compared.
    #[must_use]
    pub fn has(&self, column: Atom) -> bool {
        let Query { columns, conditions, .. } = self.query;
        columns.iter().chain(conditions.iter().map(|(column, _)| column)).any(|c| c.name == column)
    }

    /// Whether one of these is.
    #[must_use]
    pub fn any(&self, columns: &[Atom]) -> bool {
        columns.iter().any(|column| self.has(*column))
    }

    /// What the column must be.
    #[must_use]
    pub fn condition(&self, column: Atom) -> Option<&Condition> {
        self.query.conditions.iter().find(|(c, _)| c.name == column).map(|(_, condition)| condition)
    }

    /// Time between two samples.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.query.interval
    }
}

/// What readers have beside files: the sockets of the session.
#[derive(Debug, Default)]
pub struct Context<'s> {
    links: Option<&'s mut Links>,
    helpers: Option<&'s mut Pool>,
    deadline: Option<Instant>,
    later: bool,
    not_before: Option<Instant>,
    shown: Arc<[Vec<u8>]>,
}

impl<'s> Context<'s> {
    /// With these sockets.
    #[must_use]
    pub fn with(links: &'s mut Links) -> Self {
        Self { links: Some(links), ..Self::default() }
    }

    /// And with these helper processes.
    #[must_use]
    pub fn helped_by(self, helpers: &'s mut Pool) -> Self {
        Self { helpers: Some(helpers), ..self }
    }

    /// And so much time: what is not answered by then is not answered at all.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// When the whole answer is too late.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Who can be asked what may never be answered.
    ///
    /// # Errors
    /// There is nobody.
    pub fn helpers(&mut self) -> Result<&mut Pool, Errno> {
        self.helpers.as_deref_mut().filter(|helpers| !helpers.is_empty()).ok_or(Errno::ESRCH)
    }

    /// The same, with the environment variables whose values the policy shows.
    #[must_use]
    pub fn showing(self, shown: Arc<[Vec<u8>]>) -> Self {
        Self { shown, ..self }
    }

    /// The environment variables whose values are shown.
    #[must_use]
    pub fn shown(&self) -> Arc<[Vec<u8>]> {
        Arc::clone(&self.shown)
    }

    /// The socket for such questions.
    ///
    /// # Errors
    /// Why there is none.
    pub fn link(&mut self, asked: Asked) -> Result<&mut Link, Errno> {
        self.links.as_mut().ok_or(Errno::ENOTCONN)?.link(asked)
    }

    /// Where a reader says that it has no row: it may have some the next time.
    pub fn later(&mut self) {
        self.later = true;
    }

    /// Where a reader says that it has no row before this time, or before what it waits for has come.
    pub fn not_before(&mut self, time: Instant) {
        self.not_before = Some(time);
    }

    /// Whether a reader has said one of these.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.later || self.not_before.is_some()
    }

    /// What a reader without a row has said of when it may have one.
    fn pause(&mut self) -> Option<Slice> {
        let waiting = self.not_before.take().map(Slice::Waiting);
        let paused = std::mem::take(&mut self.later).then_some(Slice::Paused);
        waiting.or(paused)
    }
}

/// What reads a table row by row. It may hold what it has read, but no more than 4 MiB of it.
pub trait Reader<R>: fmt::Debug {
    /// The next row, whether it meets the conditions or not; nothing at the end. What ended meanwhile is counted in `tally`.
    ///
    /// # Errors
    /// What makes the rest unreadable.
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<R>, RequestError>;

    /// Rows between two looks at the clock, which costs as much as a cheap row.
    fn pace(&self) -> u32 {
        1
    }

    /// Whether it holds what there are few of: one that only remembers what it has read does not.
    fn is_open(&self) -> bool {
        true
    }

    /// It will not be asked for a while: what others wait for it gives free, as far as it can.
    fn park(&mut self) {}

    /// At its end: begins again from the first row, with what it has kept of the last time. `false`: it keeps nothing, and another is
    /// to be opened.
    fn again(&mut self) -> bool {
        false
    }
}

/// What came of opening a table.
pub type Opened<R> = Result<Box<dyn Reader<R>>, RequestError>;

/// Begins to read a table: what is wanted of it, and what there is to read with.
pub type Opener<R> = fn(&Wanted<'_, R>, &mut Context<'_>) -> Opened<R>;

/// The rows of an answer, whatever they are.
pub trait Rows: fmt::Debug {
    /// The columns, in their order.
    fn columns(&self) -> Vec<Atom>;
    /// What it has met so far.
    fn tally(&self) -> Tally;
    /// Where they come from.
    fn source(&self) -> Atom;
    /// Whether the column is answered or compared.
    fn wants(&self, column: Atom) -> bool;
    /// Whether it holds what there are few of.
    fn is_open(&self) -> bool;
    /// Its client may take its time.
    fn park(&mut self);
    /// Asks the same once more, from the first row on.
    fn again(&mut self);
    /// Adds rows to `chunk` until it is full, the table ends, or it is `until`.
    fn slice(
        &mut self,
        context: &mut Context<'_>,
        chunk: &mut Chunk,
        until: Instant,
    ) -> Result<Slice, RequestError>;
}

/// A scan of a table whose rows are `R`.
#[derive(Debug)]
pub struct Scan<R: 'static> {
    query: Query<R>,
    open: Opener<R>,
    source: Atom,
    tally: Tally,
    reader: Option<Box<dyn Reader<R>>>,
    /// The reader that has come to the end and knows how to begin again. Any other has given back what it held.
    ended: Option<Box<dyn Reader<R>>>,
    /// A row that did not fit into its chunk.
    carried: Option<Vec<u8>>,
}

impl<R> Scan<R> {
    /// A scan that has not begun.
    #[must_use]
    pub fn new(query: Query<R>, open: Opener<R>, source: Atom) -> Self {
        Self { query, open, source, tally: Tally::default(), reader: None, ended: None, carried: None }
    }

    /// Adds a row, if it is wanted.
    fn put(&mut self, row: &R, chunk: &mut Chunk) {
        let Query { columns, conditions, cell_max, .. } = &self.query;
        let met = |(column, condition): &(&'static Column<R>, Condition)| {
            let value = (column.value)(row);
            !value.is_cut(*cell_max) && condition.met_by(&value)
        };
        if !conditions.iter().all(met) {
            return;
        }
        let tally = &mut self.tally;
        tally.rows = tally.rows.saturating_add(1);
        chunk.push(|w| {
            w.tuple(columns.len());
            // A row is never longer than a frame may be: what comes late has less room.
            let end = w.len().saturating_add(ROW_BYTES_MAX);
            for column in columns {
                let room = end.saturating_sub(w.len());
                match (column.value)(row).write(room.min(*cell_max), w) {
                    Written::Whole => {}
                    Written::Cut => tally.cut = tally.cut.saturating_add(1),
                    Written::Denied => tally.denied = tally.denied.saturating_add(1),
                }
            }
        });
        if let Some(row) = chunk.overhang() {
            self.carried = Some(row);
        }
    }
}

impl<R: fmt::Debug> Rows for Scan<R> {
    fn columns(&self) -> Vec<Atom> {
        self.query.columns.iter().map(|column| column.name).collect()
    }

    fn tally(&self) -> Tally {
        self.tally
    }

    fn source(&self) -> Atom {
        self.source
    }

    fn wants(&self, column: Atom) -> bool {
        Wanted { query: &self.query }.has(column)
    }

    fn is_open(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.is_open())
    }

    fn park(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.park();
        }
    }

    fn again(&mut self) {
        self.reader = self.ended.take();
        self.tally = Tally::default();
        self.carried = None;
    }

    fn slice(
        &mut self,
        context: &mut Context<'_>,
        chunk: &mut Chunk,
        until: Instant,
    ) -> Result<Slice, RequestError> {
        if let Some(carried) = self.carried.take() {
            chunk.push(|w| w.raw(&carried));
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => (self.open)(&Wanted { query: &self.query }, context)?,
        };
        let mut rows = reader.pace();
        loop {
            if chunk.is_full() || self.carried.is_some() {
                self.reader = Some(reader);
                return Ok(Slice::Full);
            }
            let row = reader.next(context, &mut self.tally)?;
            if let (None, Some(pause)) = (&row, context.pause()) {
                self.reader = Some(reader);
                return Ok(pause);
            }
            if row.is_some() && self.tally.rows >= self.query.limit {
                self.tally.truncated = true;
                return Ok(Slice::End);
            }
            let Some(row) = &row else {
                self.ended = reader.again().then_some(reader);
                return Ok(Slice::End);
            };
            self.put(row, chunk);
            rows = rows.saturating_sub(1);
            if rows == 0 {
                if Instant::now() >= until {
                    self.reader = Some(reader);
                    return Ok(if chunk.is_full() { Slice::Full } else { Slice::Paused });
                }
                rows = reader.pace();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::table::Value;
    use crate::table::column::{Kind, Unit};
    use crate::wire::atoms;

    thread_local! {
        static OPEN: Cell<u32> = const { Cell::new(0) };
    }

    /// What holds something until it is dropped.
    #[derive(Debug)]
    struct Holding {
        begins_again: bool,
    }

    impl Reader<u64> for Holding {
        fn next(&mut self, _: &mut Context<'_>, _: &mut Tally) -> Result<Option<u64>, RequestError> {
            Ok(None)
        }

        fn again(&mut self) -> bool {
            self.begins_again
        }
    }

    impl Drop for Holding {
        fn drop(&mut self) {
            OPEN.with(|open| open.set(open.get() - 1));
        }
    }

    fn holding(begins_again: bool) -> Opened<u64> {
        OPEN.with(|open| open.set(open.get() + 1));
        Ok(Box::new(Holding { begins_again }))
    }

    static PID: Column<u64> =
        Column { name: atoms::PID, kind: Kind::Number, unit: Unit::None, value: |n| Value::Unsigned(*n) };

    #[test]
    fn at_its_end_a_reader_is_kept_that_begins_again_and_no_other() {
        let cases: [(Opener<u64>, u32); 2] = [(|_, _| holding(false), 0), (|_, _| holding(true), 1)];
        for (open, kept) in cases {
            let query = Query {
                columns: vec![&PID],
                conditions: Vec::new(),
                limit: 9,
                cell_max: 9,
                interval: Duration::ZERO,
            };
            let mut scan = Scan::new(query, open, atoms::PROCFS);
            let soon = Instant::now() + Duration::from_secs(60);
            for _ in 0..2 {
                let slice = scan.slice(&mut Context::default(), &mut Chunk::default(), soon);
                assert_eq!(slice.unwrap(), Slice::End);
                assert_eq!((OPEN.get(), scan.is_open()), (kept, false));
                scan.again();
            }
            drop(scan);
            assert_eq!(OPEN.get(), 0);
        }
    }
}
