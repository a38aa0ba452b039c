//! A listing in the making: what was asked for, as far as it has been read.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::error::RequestError;
use crate::nft::firewall::Firewall;
use crate::wire::atoms::{self, Atom};
use crate::wire::chunk::{Chunk, Slice};

/// A listing.
#[derive(Debug)]
pub struct Listing {
    rows: u64,
    generation: u32,
}

impl Listing {
    /// The one column of its rows.
    #[must_use]
    pub fn column(&self) -> Atom {
        atoms::OBJECT
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The generation that it is of.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Adds rows to `chunk` until it is full, there are no more, or it is `until`.
    pub fn slice(
        &mut self,
        _firewall: &mut Firewall,
        _chunk: &mut Chunk,
        _until: Instant,
    ) -> Result<Slice, RequestError> {
        Ok(Slice::End)
    }
}
