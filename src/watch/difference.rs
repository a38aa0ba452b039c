//! What was told of a table, and how it differs from what there is now. Rows are compared as they are encoded: the same cells make
//! the same bytes.
//!
//! A difference is always against what was told last, so that nothing has to be kept that could not be told yet: it shows in the
//! next one.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::limits::{WATCH_BYTES_MAX, WATCH_ROW_COST, WATCH_ROW_MAX};
use crate::wire::term::{Items, Term};
use crate::wire::write::Writer;

use super::part::Part;

/// A row as it was told.
#[derive(Debug)]
struct Row {
    cells: Box<[u8]>,
    /// The sweep that met it last.
    seen: u64,
    /// Rows with the same key that this sweep has met behind it.
    twins: u32,
}

/// More is to be kept than may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

/// What a row is against what was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The same.
    Same,
    /// It was not there.
    Added,
    /// It had these cells.
    Changed(Box<[u8]>),
}

/// All that was told of a table.
#[derive(Debug, Default)]
pub struct Told {
    rows: BTreeMap<Box<[u8]>, Row>,
    bytes: usize,
    sweep: u64,
    /// Keys up to here were looked at for rows that are gone.
    looked: Option<Box<[u8]>>,
}

impl Told {
    /// How many rows are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was told yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The table is read from its first row on.
    pub fn begin(&mut self) {
        self.sweep = self.sweep.saturating_add(1);
        self.looked = None;
    }

    /// Compares a row and keeps it. Of rows with the same key each is compared with the one that came in its place before.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub fn take(&mut self, key: &[u8], row: &[u8]) -> Result<News, TooMuch> {
        let mut key = key.to_vec();
        let sweep = self.sweep;
        if let Some(first) = self.rows.get_mut(key.as_slice()) {
            if first.seen == sweep {
                first.twins = first.twins.saturating_add(1);
                // A key is whole terms, so that no other begins with it.
                key.extend(first.twins.to_be_bytes());
            } else {
                first.twins = 0;
            }
        }
        if row.len() > WATCH_ROW_MAX {
            return Err(TooMuch);
        }
        let Some(known) = self.rows.get_mut(key.as_slice()) else {
            self.bytes = self.bytes.saturating_add(cost(&key, row));
            if self.bytes > WATCH_BYTES_MAX {
                return Err(TooMuch);
            }
            self.rows.insert(key.into(), Row { cells: row.into(), seen: sweep, twins: 0 });
            return Ok(News::Added);
        };
        known.seen = sweep;
        if *known.cells == *row {
            return Ok(News::Same);
        }
        self.bytes = self.bytes.saturating_sub(known.cells.len()).saturating_add(row.len());
        if self.bytes > WATCH_BYTES_MAX {
            return Err(TooMuch);
        }
        Ok(News::Changed(std::mem::replace(&mut known.cells, row.into())))
    }

    /// The next row that this sweep has not met, which is forgotten; nothing when there are no more.
    pub fn gone(&mut self) -> Option<Box<[u8]>> {
        let from = match &self.looked {
            Some(key) => Bound::Excluded(&**key),
            None => Bound::Unbounded,
        };
        let mut rest = self.rows.range::<[u8], _>((from, Bound::Unbounded));
        let (key, _) = rest.find(|(_, row)| row.seen != self.sweep)?;
        let (key, row) = self.rows.remove_entry(&key.clone())?;
        self.bytes = self.bytes.saturating_sub(cost(&key, &row.cells));
        self.looked = Some(key);
        Some(row.cells)
    }
}

fn cost(key: &[u8], row: &[u8]) -> usize {
    key.len().saturating_add(row.len()).saturating_add(WATCH_ROW_COST)
}

/// The cells at these places of an encoded row, which are its key; nothing where it is no tuple.
#[must_use]
pub fn key(row: &[u8], places: &[usize]) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    let Some(Term::Tuple(mut cells)) = Items::of_encoded(row, 1).next() else { return None };
    for place in 0..cells.len() {
        let cell = cells.next_encoded()?;
        if places.contains(&place) {
            key.extend_from_slice(cell);
        }
    }
    Some(key)
}

/// What an event tells of a difference.
#[derive(Debug, Default)]
pub struct Changes {
    /// Rows that were not there.
    pub added: Part,
    /// Rows that are gone, as they were told last.
    pub removed: Part,
    /// Pairs of a row as it was told last and as it is.
    pub changed: Part,
}

impl Changes {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// Whether they should travel.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let Self { added, removed, changed } = self;
        let sum = |of: fn(&Part) -> usize| of(added).saturating_add(of(removed)).saturating_add(of(changed));
        sum(Part::len) >= crate::limits::CHUNK_ROWS_MAX || sum(Part::bytes) >= crate::limits::CHUNK_BYTES_MAX
    }

    /// Adds what came of a row.
    pub fn put(&mut self, news: &News, row: &[u8]) {
        match news {
            News::Same => {}
            News::Added => self.added.push(|w| w.raw(row)),
            News::Changed(before) => self.changed.push(|w| pair(before, row, w)),
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.added.clear();
        self.removed.clear();
        self.changed.clear();
    }
}

fn pair(before: &[u8], after: &[u8], w: &mut Writer) {
    w.tuple(2);
    w.raw(before);
    w.raw(after);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[u64]) -> Vec<u8> {
        let mut w = Writer::new();
        w.tuple(cells.len());
        cells.iter().for_each(|n| w.uint(*n));
        w.bytes().to_vec()
    }

    type Rows = Vec<Vec<u8>>;

    /// One sweep over these rows, whose first cell is the key: what was added, changed and removed.
    fn sweep(told: &mut Told, rows: &[&[u64]]) -> (Rows, Rows, Rows) {
        let (mut added, mut changed, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        told.begin();
        for cells in rows {
            let row = row(cells);
            match told.take(&key(&row, &[0]).unwrap(), &row).unwrap() {
                News::Same => {}
                News::Added => added.push(row),
                News::Changed(before) => changed.push([before.to_vec(), row].concat()),
            }
        }
        while let Some(row) = told.gone() {
            removed.push(row.to_vec());
        }
        (added, changed, removed)
    }

    #[test]
    fn added_changed_removed() {
        let mut told = Told::default();
        let (added, changed, removed) = sweep(&mut told, &[&[1, 10], &[2, 20], &[300, 30]]);
        assert_eq!((added.len(), changed.len(), removed.len()), (3, 0, 0));
        assert_eq!(sweep(&mut told, &[&[2, 20], &[1, 10], &[300, 30]]), (vec![], vec![], vec![]));
        let (added, changed, removed) = sweep(&mut told, &[&[1, 11], &[4, 40]]);
        assert_eq!(added, [row(&[4, 40])]);
        assert_eq!(changed, [[row(&[1, 10]), row(&[1, 11])].concat()]);
        assert_eq!(removed, [row(&[2, 20]), row(&[300, 30])]);
        assert_eq!(sweep(&mut told, &[]).2.len(), 2);
        assert_eq!((told.len(), told.bytes()), (0, 0));
    }

    #[test]
    fn rows_with_the_same_key_are_told_apart_by_their_order() {
        let mut told = Told::default();
        assert_eq!(sweep(&mut told, &[&[1, 1], &[1, 2], &[1, 3]]).0.len(), 3);
        assert_eq!(sweep(&mut told, &[&[1, 1], &[1, 2], &[1, 3]]), (vec![], vec![], vec![]));
        let (added, changed, removed) = sweep(&mut told, &[&[1, 1], &[1, 3]]);
        assert_eq!((added.len(), changed.len(), removed), (0, 1, vec![row(&[1, 3])]));
        assert_eq!(sweep(&mut told, &[&[1, 1]]).2, [row(&[1, 3])]);
    }

    #[test]
    fn a_table_without_a_key_is_one_row() {
        let mut told = Told::default();
        told.begin();
        assert_eq!(told.take(&key(&row(&[5]), &[]).unwrap(), &row(&[5])), Ok(News::Added));
        told.begin();
        assert_eq!(told.take(b"", &row(&[6])), Ok(News::Changed(row(&[5]).into())));
        assert_eq!(told.gone(), None);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let mut told = Told::default();
        told.begin();
        let row = vec![0; 1000];
        let kept = (0..10_000_u32).take_while(|n| told.take(&n.to_be_bytes(), &row).is_ok()).count();
        assert_eq!(kept, WATCH_BYTES_MAX / (1000 + 4 + WATCH_ROW_COST));
        let mut told = Told::default();
        told.begin();
        assert_eq!(told.take(b"", &vec![0; WATCH_ROW_MAX + 1]), Err(TooMuch));
        // A row that grows counts too.
        assert!(told.take(b"a", &[0]).is_ok());
        for n in 0..WATCH_BYTES_MAX / WATCH_ROW_MAX - 1 {
            assert!(told.take(&n.to_be_bytes(), &vec![0; WATCH_ROW_MAX]).is_ok());
        }
        told.begin();
        assert_eq!(told.take(b"a", &vec![0; WATCH_ROW_MAX]), Err(TooMuch));
    }

    #[test]
    fn keys_are_whole_cells() {
        let mut w = Writer::new();
        w.tuple(3);
        w.binary(b"\xff\x00");
        w.map(1);
        w.binary(b"k");
        w.uint(1);
        w.int(-7);
        assert_eq!(key(w.bytes(), &[2]).unwrap(), [98, 255, 255, 255, 249]);
        assert_eq!(key(w.bytes(), &[0]).unwrap(), [109, 0, 0, 0, 2, 255, 0]);
        assert_eq!(key(&[97, 1], &[0]), None);
    }
}
