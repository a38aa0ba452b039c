//! A question that is asked over and over, and what is told of its answers: how each differs from what was told before. It is asked
//! in slices, between which everything else gets its turn, and only while its client has allowed an event.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::exec::rows::{Asked, Source};
use crate::limits::{SLICE_MICROS, WATCH_BYTES_MAX, WATCH_ROW_MAX};
use crate::sys::clock;
use crate::watch::difference::{self, Changes, Told, TooMuch};
use crate::wire::atoms::{self, Atom};
use crate::wire::chunk::{Chunk, Slice};
use crate::wire::term::Items;
use crate::wire::write::Writer;

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The next is not due.
    Idle,
    /// Rows are read.
    Reading,
    /// All were read; those that are gone are looked for.
    Removing,
}

/// A question and what was told of it.
#[derive(Debug)]
pub struct Periodic {
    source: Source,
    table: Atom,
    columns: Vec<Atom>,
    /// Which of them are the key.
    key: Vec<usize>,
    every: Duration,
    due: Instant,
    phase: Phase,
    /// What it reads from has nothing before.
    not_before: Option<Instant>,
    chunk: Chunk,
    /// The chunk is to be compared: so many bytes and rows of it were. Before and after together can be more than an event has room for.
    compared: Option<(usize, usize)>,
    /// It is the last of this answer.
    read: bool,
    told: Told,
    changes: Changes,
    /// Nothing was asked yet.
    first: bool,
    /// A part of this answer was told.
    begun: bool,
    /// The event that is ready is the last of this answer.
    last: bool,
    truncated: bool,
    skipped: u64,
    started: u64,
}

impl Periodic {
    /// A question of a table, whose rows these columns tell apart, to be asked so often from now on.
    pub fn new(source: Source, table: Atom, key: &[Atom], every: Duration) -> Self {
        let columns = source.columns();
        let places = columns.iter().zip(0_usize..).filter(|(column, _)| key.contains(column));
        Self {
            key: places.map(|(_, place)| place).collect(),
            source,
            table,
            columns,
            every,
            due: Instant::now(),
            phase: Phase::Idle,
            not_before: None,
            chunk: Chunk::default(),
            compared: None,
            read: false,
            told: Told::default(),
            changes: Changes::default(),
            first: true,
            begun: false,
            last: false,
            truncated: false,
            skipped: 0,
            started: 0,
        }
    }

    /// Whether it holds a descriptor and buffers.
    pub fn is_open(&self) -> bool {
        self.source.is_open()
    }

    /// When it goes on.
    pub fn due(&self) -> Instant {
        match self.phase {
            Phase::Idle => self.due,
            Phase::Reading | Phase::Removing => self.not_before.unwrap_or(self.due),
        }
    }

    /// Whether it can go on at `now`.
    pub fn can_run(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Idle => self.due <= now,
            Phase::Reading | Phase::Removing => self.not_before.is_none_or(|time| time <= now),
        }
    }

    /// What it waits for may have come.
    pub fn wake(&mut self) {
        self.not_before = None;
    }

    /// Its client may take its time: what it holds belongs to those who can go on. A scan that cannot give that back is begun again,
    /// which costs nobody a row: what was told of it is the same then.
    pub fn park(&mut self) {
        if self.phase == Phase::Reading && !self.read {
            self.source.park();
            if self.source.is_open() {
                self.phase = Phase::Idle;
                self.not_before = None;
                self.due = Instant::now();
                self.source.again();
                self.compared = None;
            }
        }
        // What was read and not compared yet would pass for gone.
        if self.compared.is_none() {
            self.chunk = Chunk::default();
        }
    }

    /// One slice. Whether there is an event to be written.
    ///
    /// # Errors
    /// What ends the subscription.
    pub fn run(&mut self, asked: Asked<'_>) -> Result<bool, RequestError> {
        if self.phase == Phase::Idle {
            self.begin();
        }
        if self.phase == Phase::Reading {
            if self.compared.is_none() {
                self.read(asked)?;
            }
            self.compare()?;
            if self.changes.is_full() || self.phase != Phase::Removing {
                return Ok(self.changes.is_full());
            }
        }
        if self.phase == Phase::Idle {
            return Ok(false);
        }
        // A list of which the kernel says that it changed meanwhile proves of no row that it is gone.
        while !self.changes.is_full() && !self.source.tally().interrupted {
            match self.told.gone() {
                Some(row) => self.changes.removed.push(|w| w.raw(&row)),
                None => break,
            }
        }
        if self.changes.is_full() {
            return Ok(true);
        }
        self.last = true;
        self.truncated = self.source.tally().truncated;
        let said = !self.changes.is_empty() || self.first || self.begun || self.skipped > 0;
        self.first = false;
        self.end();
        if !said {
            self.last = false;
        }
        Ok(said)
    }

    fn begin(&mut self) {
        // What was to be asked while there was no credit.
        let late = Instant::now().saturating_duration_since(self.due);
        self.skip(late);
        if self.started > 0 {
            self.source.again();
        }
        self.told.begin();
        self.started = clock::unix_micros();
        self.read = false;
        self.phase = Phase::Reading;
    }

    /// The answer is at its end; the next is due at the next multiple of the period.
    fn end(&mut self) {
        self.phase = Phase::Idle;
        self.not_before = None;
        self.due = self.due.checked_add(self.every).unwrap_or(self.due);
        let late = Instant::now().saturating_duration_since(self.due);
        if !late.is_zero() {
            // It was due while this answer was not finished.
            self.skip(late);
            self.skipped = self.skipped.saturating_add(1);
            self.due = self.due.checked_add(self.every).unwrap_or(self.due);
        }
    }

    /// Leaves out the periods that have passed as a whole.
    fn skip(&mut self, late: Duration) {
        let passed = late.as_nanos().checked_div(self.every.as_nanos()).unwrap_or(0);
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.skipped = self.skipped.saturating_add(passed.into());
        self.due = self.every.checked_mul(passed).and_then(|by| self.due.checked_add(by)).unwrap_or(self.due);
    }

    fn read(&mut self, asked: Asked<'_>) -> Result<(), RequestError> {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        self.not_before = None;
        // What would never be answered is given up when the next answer is due.
        let deadline = self.due.checked_add(self.every).unwrap_or(self.due);
        match self.source.slice(asked, deadline, &mut self.chunk, until) {
            Ok(Slice::Paused) => Ok(()),
            Ok(Slice::Waiting(time)) => {
                self.not_before = Some(time);
                Ok(())
            }
            Ok(end @ (Slice::Full | Slice::End)) => {
                self.compared = Some((0, 0));
                self.read = end == Slice::End;
                Ok(())
            }
            // Somebody else's list is under way. What was compared counts; the next answer tells the rest.
            Err(RequestError::Busy) => {
                self.chunk.clear();
                self.skipped = self.skipped.saturating_add(1);
                self.end();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Compares what was read, until there is enough to be told.
    fn compare(&mut self) -> Result<(), RequestError> {
        let Self { chunk, compared, told, changes, key, .. } = self;
        let Some((bytes, done)) = compared else { return Ok(()) };
        let (rows, count) = chunk.rows();
        let rest = rows.get(*bytes..).unwrap_or_default();
        let mut rest = Items::of_encoded(rest, count.saturating_sub(*done));
        while !changes.is_full() {
            let Some(row) = rest.next_encoded() else {
                chunk.clear();
                *compared = None;
                if self.read {
                    self.phase = Phase::Removing;
                }
                return Ok(());
            };
            let key = difference::key(row, key).unwrap_or_default();
            let news = told.take(&key, row).map_err(|TooMuch| too_much())?;
            changes.put(&news, row);
            (*bytes, *done) = (bytes.saturating_add(row.len()), done.saturating_add(1));
        }
        Ok(())
    }

    /// Writes the event that is ready.
    pub fn write(&mut self, w: &mut Writer) {
        w.map(10);
        for (key, word) in [(atoms::KIND, atoms::QUERY), (atoms::TABLE, self.table)] {
            w.atom(key);
            w.atom(word);
        }
        w.atom(atoms::COLUMNS);
        let mark = w.begin_list();
        self.columns.iter().for_each(|column| w.atom(*column));
        w.end_list(mark, self.columns.len());
        let Changes { added, removed, changed } = &self.changes;
        for (key, part) in [(atoms::ADDED, added), (atoms::REMOVED, removed), (atoms::CHANGED, changed)] {
            w.atom(key);
            part.write(w);
        }
        for (key, number) in [(atoms::TIME, self.started), (atoms::SKIPPED, self.skipped)] {
            w.atom(key);
            w.uint(number);
        }
        for (key, yes) in [(atoms::LAST, self.last), (atoms::TRUNCATED, self.last && self.truncated)] {
            w.atom(key);
            w.bool(yes);
        }
        self.changes.clear();
        self.skipped = 0;
        self.begun = !self.last;
        self.last = false;
    }
}

fn too_much() -> RequestError {
    let text = format!(
        "a question whose answer takes more than {WATCH_BYTES_MAX} bytes, or a row of it more than {WATCH_ROW_MAX}, which are kept to compare \
         with: name fewer columns, or set where, limit or cell_max"
    );
    RequestError::Unsupported(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capabilities;
    use crate::netlink::dump::Links;
    use crate::nft::firewall::Firewall;
    use crate::policy::{self, Policy};
    use crate::table::{Context, ReadTable, Rows, Tally};
    use crate::wire::scan::{Bounds, validate};

    /// Rows of a number each, which hold something while they are read.
    #[derive(Debug)]
    struct Many {
        next: Option<u64>,
        end: u64,
    }

    impl Rows for Many {
        fn wants(&self, _: Atom) -> bool {
            true
        }
        fn columns(&self) -> Vec<Atom> {
            vec![atoms::PID]
        }

        fn tally(&self) -> Tally {
            Tally::default()
        }

        fn source(&self) -> Atom {
            atoms::PROCFS
        }

        fn is_open(&self) -> bool {
            self.next.is_some()
        }

        fn park(&mut self) {}

        fn again(&mut self) {
            self.next = None;
        }

        fn slice(
            &mut self,
            _: &mut Context<'_>,
            chunk: &mut Chunk,
            _: Instant,
        ) -> Result<Slice, RequestError> {
            let mut n = self.next.unwrap_or(0);
            while n < self.end && !chunk.is_full() {
                chunk.push(|w| {
                    w.tuple(1);
                    w.uint(n);
                });
                n += 1;
            }
            self.next = Some(n).filter(|n| *n < self.end);
            Ok(if n < self.end { Slice::Full } else { Slice::End })
        }
    }

    fn periodic(end: u64) -> Periodic {
        let policy = Policy::without_a_file();
        let action = ReadTable::new(atoms::LOAD, &[]);
        let permit = policy::authorize(&policy, Capabilities::NONE, action).unwrap();
        let rows = Box::new(Many { next: None, end });
        let source = Source::Table { permit, rows };
        Periodic::new(source, atoms::LOAD, &[atoms::PID], Duration::from_secs(3600))
    }

    fn run(periodic: &mut Periodic) -> bool {
        let (mut firewall, mut links) = (Firewall::none(), Links::none());
        let mut helpers = crate::helper::pool::Pool::none();
        periodic.run(Asked { firewall: &mut firewall, links: &mut links, helpers: &mut helpers }).unwrap()
    }

    #[test]
    fn who_takes_his_time_holds_nothing_and_misses_nothing() {
        let (mut periodic, mut added, mut events) = (periodic(1000), 0, 0);
        loop {
            while !run(&mut periodic) {}
            events += 1;
            added += periodic.changes.added.len();
            let last = periodic.last;
            let mut w = Writer::new();
            periodic.write(&mut w);
            assert!(validate(&[&[131], w.bytes()].concat(), &Bounds::PROC).is_ok());
            periodic.park();
            assert!(!periodic.is_open(), "nothing is held without credit");
            if last {
                break;
            }
            assert!(periodic.can_run(Instant::now()), "it goes on when there is credit");
        }
        assert_eq!((added, events), (1000, 4));
        assert!(!periodic.can_run(Instant::now()), "the next is due in an hour");
    }

    /// Rows of a number and so many bytes, which are fewer the next time.
    #[derive(Debug)]
    struct Shrinking {
        next: u64,
        end: u64,
        bytes: usize,
    }

    impl Rows for Shrinking {
        fn wants(&self, _: Atom) -> bool {
            true
        }

        fn columns(&self) -> Vec<Atom> {
            vec![atoms::PID, atoms::CMDLINE]
        }

        fn tally(&self) -> Tally {
            Tally::default()
        }

        fn source(&self) -> Atom {
            atoms::PROCFS
        }

        fn is_open(&self) -> bool {
            false
        }

        fn park(&mut self) {}

        fn again(&mut self) {
            (self.next, self.bytes) = (0, 1);
        }

        fn slice(
            &mut self,
            _: &mut Context<'_>,
            chunk: &mut Chunk,
            _: Instant,
        ) -> Result<Slice, RequestError> {
            while self.next < self.end && !chunk.is_full() {
                chunk.push(|w| {
                    w.tuple(2);
                    w.uint(self.next);
                    w.binary(&vec![b'x'; self.bytes]);
                });
                self.next += 1;
            }
            Ok(if self.next < self.end { Slice::Full } else { Slice::End })
        }
    }

    #[test]
    fn what_was_told_before_does_not_make_an_event_longer_than_a_frame() {
        for (end, bytes) in [(31, 128 * 1024), (300, 4200), (600, 4200)] {
            let mut periodic = periodic(0);
            let Source::Table { rows, .. } = &mut periodic.source else { unreachable!() };
            *rows = Box::new(Shrinking { next: 0, end, bytes });
            let (mut added, mut removed, mut changed, mut answers) = (0, 0, 0, 0);
            while answers < 2 {
                while !run(&mut periodic) {}
                added += periodic.changes.added.len();
                removed += periodic.changes.removed.len();
                changed += periodic.changes.changed.len();
                answers += u32::from(periodic.last);
                let mut w = Writer::new();
                periodic.write(&mut w);
                assert!(w.len() < crate::limits::REPLY_FRAME_MAX - 64, "{} bytes", w.len());
                periodic.park();
                if answers == 1 && periodic.phase == Phase::Idle {
                    periodic.due = Instant::now();
                }
            }
            let end = usize::try_from(end).unwrap();
            assert_eq!((added, removed, changed), (end, 0, end));
        }
    }

    #[test]
    fn an_empty_answer_is_told_once() {
        let mut periodic = periodic(0);
        assert!(run(&mut periodic) && periodic.last && periodic.changes.is_empty());
        periodic.write(&mut Writer::new());
        periodic.due = Instant::now();
        assert!(!run(&mut periodic), "nothing has changed");
    }

    #[test]
    fn periods_that_have_passed_are_counted() {
        let mut periodic = periodic(0);
        periodic.every = Duration::from_millis(100);
        periodic.due = Instant::now().checked_sub(Duration::from_millis(1050)).unwrap();
        assert!(run(&mut periodic));
        assert_eq!(periodic.skipped, 10);
        assert!(periodic.due > Instant::now());
    }
}
