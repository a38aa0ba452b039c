//! A list in the making that travels in one event.
#![forbid(unsafe_code)]

use crate::limits::{CHUNK_BYTES_MAX, CHUNK_ROWS_MAX};
use crate::wire::write::Writer;

/// Encoded terms, one behind the other.
#[derive(Debug, Default)]
pub struct Part {
    terms: Writer,
    count: usize,
}

impl Part {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.terms.len()
    }

    /// Whether it should travel.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count >= CHUNK_ROWS_MAX || self.bytes() >= CHUNK_BYTES_MAX
    }

    /// Adds one: `write` writes exactly one term.
    pub fn push(&mut self, write: impl FnOnce(&mut Writer)) {
        self.count = self.count.saturating_add(1);
        write(&mut self.terms);
    }

    /// Writes them as a list.
    pub fn write(&self, w: &mut Writer) {
        w.list(self.count);
        if self.count > 0 {
            w.raw(self.terms.bytes());
            w.nil();
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.terms.clear();
        self.count = 0;
    }
}
