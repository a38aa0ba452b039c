//! Rows in the making: encoded one behind the other until a frame's worth of them is there.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::write::Writer;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_ROWS_MAX};

/// A chunk of rows.
#[derive(Debug, Default)]
pub struct Chunk {
    rows: Writer,
    count: usize,
    /// Where the last row begins.
    last: usize,
}

/// How far a slice of work has filled a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Time is up; the chunk has room.
    Paused,
    /// There is nothing before this time, or before what it waits for has come.
    Waiting(Instant),
    /// The chunk is full.
    Full,
    /// There are no more rows.
    End,
}

impl Chunk {
    /// The encoded rows and their number.
    #[must_use]
    pub fn rows(&self) -> (&[u8], usize) {
        (self.rows.bytes(), self.count)
    }

    /// Whether it should travel.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count >= CHUNK_ROWS_MAX || self.rows.len() >= CHUNK_BYTES_MAX
    }

    /// Adds a row: `write` writes exactly one term.
    pub fn push(&mut self, write: impl FnOnce(&mut Writer)) {
        self.last = self.rows.len();
        self.count = self.count.saturating_add(1);
        write(&mut self.rows);
    }

    /// Takes the last row out again if the chunk is too long with it: it travels in the next one.
    pub fn overhang(&mut self) -> Option<Vec<u8>> {
        if self.rows.len() <= CHUNK_BYTES_MAX || self.count <= 1 {
            return None;
        }
        self.count = self.count.saturating_sub(1);
        Some(self.rows.split_tail(self.last))
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.count = 0;
        self.last = 0;
    }
}
