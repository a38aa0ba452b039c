//! A listing in the making: what was asked for, as far as it has been read. Tables first, then chains, named objects, sets with
//! their elements, and rules: each can be made anew from what stands before it.
//!
//! One generation or none: what changes before anything was answered is read again; after that the answer is `stale`.
#![forbid(unsafe_code)]

mod bans;
mod headers;
mod known;
mod rules;
mod sets;
mod wanted;

use std::collections::VecDeque;
use std::time::Instant;

use crate::error::RequestError;
use crate::nft::action::ReadNft;
use crate::nft::change::of_transport;
use crate::nft::firewall::Firewall;
use crate::nft::transport::dump::Dump;
use crate::nft::transport::{Error, Link};
use crate::policy::permit::Permit;
use crate::sys::capset;
use crate::wire::atoms::{self, Atom};
use crate::wire::chunk::{Chunk, Slice};
use crate::wire::json;
use crate::wire::write::Writer;
use known::Known;
pub use wanted::{Form, Wanted};

/// How often a listing is begun again that changed before anything of it was answered.
const TRIES: u32 = 8;

/// A listing.
#[derive(Debug)]
pub struct Listing {
    permit: Permit<ReadNft>,
    wanted: Wanted,
    form: Form,
    stage: Stage,
    known: Known,
    /// Rows that wait for room in a chunk.
    ready: VecDeque<Vec<u8>>,
    rows: u64,
    generation: u32,
    tries: u32,
    scratch: Writer,
}

/// What is read next.
#[derive(Debug)]
enum Stage {
    /// Tables, chains, named objects, headers of sets.
    Headers,
    /// Elements of the n-th set.
    Sets(sets::Reading),
    /// Rules.
    Rules(rules::Reading),
    /// The last words of a text.
    Close,
    /// Everything is read.
    End,
}

impl Listing {
    /// A listing that has not begun.
    #[must_use]
    pub fn new(permit: Permit<ReadNft>, wanted: Wanted, form: Form) -> Self {
        Self {
            permit,
            wanted,
            form,
            stage: Stage::Headers,
            known: Known::default(),
            ready: VecDeque::new(),
            rows: 0,
            generation: 0,
            tries: 0,
            scratch: Writer::new(),
        }
    }

    /// A listing whose rows are there already.
    #[must_use]
    pub fn answered(permit: Permit<ReadNft>, form: Form, generation: u32) -> Self {
        let wanted = Wanted::nothing(crate::nft::schema::Within::All);
        Self { stage: Stage::Close, generation, ..Self::new(permit, wanted, form) }
    }

    /// Adds such a row.
    pub fn show(&mut self, write: impl FnOnce(&mut Writer)) {
        self.row(write);
    }

    /// The columns of its rows.
    #[must_use]
    pub fn columns(&self) -> &'static [Atom] {
        match self.form {
            Form::Terms => &[atoms::OBJECT],
            Form::Text => &[atoms::TEXT],
            Form::Bans => bans::COLUMNS,
        }
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
    ///
    /// # Errors
    /// [`RequestError::Stale`] if the ruleset changed after rows were answered.
    pub fn slice(
        &mut self,
        firewall: &mut Firewall,
        chunk: &mut Chunk,
        until: Instant,
    ) -> Result<Slice, RequestError> {
        let link = firewall.link()?;
        let _raised = capset::raise(self.permit.capabilities())
            .map_err(|e| RequestError::Posix(e as i32, "raising a capability"))?;
        loop {
            while let Some(row) = self.ready.pop_front() {
                chunk.push(|w| w.raw(&row));
                if let Some(row) = chunk.overhang() {
                    self.ready.push_front(row);
                    return Ok(Slice::Full);
                }
            }
            if chunk.is_full() {
                return Ok(Slice::Full);
            }
            if matches!(self.stage, Stage::End) {
                return Ok(Slice::End);
            }
            match self.step(link, chunk) {
                Ok(()) => {}
                Err(Error::Interrupted) if self.rows == 0 && self.tries < TRIES => self.restart(),
                Err(e) => return Err(of_transport(&e)),
            }
            if Instant::now() >= until {
                return Ok(if chunk.is_full() { Slice::Full } else { Slice::Paused });
            }
        }
    }

    fn restart(&mut self) {
        self.tries = self.tries.saturating_add(1);
        self.stage = Stage::Headers;
        self.known = Known::default();
        self.ready.clear();
    }

    /// Reads one part: a kind of headers, a set, a datagram of rules.
    fn step(&mut self, link: &mut Link, chunk: &mut Chunk) -> Result<(), Error> {
        match std::mem::replace(&mut self.stage, Stage::End) {
            Stage::Headers => {
                let (generation, known) = headers::read(link, &self.wanted)?;
                if self.form != Form::Bans {
                    headers::check(link, &self.wanted, &known)?;
                }
                (self.generation, self.known) = (generation.unwrap_or(0), known);
                self.show_headers();
                self.stage = Stage::Sets(sets::Reading::default());
                Ok(())
            }
            Stage::Sets(reading) => self.sets(link, reading),
            Stage::Rules(reading) => self.rules(link, chunk, reading),
            Stage::Close => {
                if self.form == Form::Text {
                    self.text(if self.rows == 0 { b"{\"nftables\": []}" } else { b"]}" });
                }
                Ok(())
            }
            Stage::End => Ok(()),
        }
    }

    /// Whether a dump is of the same ruleset as those before it. Each dump knows by itself whether it is of one.
    fn same(&self, dump: &Dump) -> Result<(), Error> {
        if dump.generation() == self.generation { Ok(()) } else { Err(Error::Interrupted) }
    }

    /// Adds a row: `write` writes the object.
    fn row(&mut self, write: impl FnOnce(&mut Writer)) {
        self.scratch.clear();
        match self.form {
            Form::Bans => {
                write(&mut self.scratch);
                self.ready.push_back(self.scratch.bytes().to_vec());
            }
            Form::Terms => {
                self.scratch.tuple(1);
                write(&mut self.scratch);
                self.ready.push_back(self.scratch.bytes().to_vec());
            }
            Form::Text => {
                let mut text = self.opening();
                write(&mut self.scratch);
                let body = [&[131], self.scratch.bytes()].concat();
                // What this program has written itself is well-formed.
                let _ = json::from_term(&body, &mut text);
                self.text(&text);
            }
        }
        self.rows = self.rows.saturating_add(1);
    }

    fn opening(&self) -> Vec<u8> {
        let opening: &[u8] = if self.rows == 0 { b"{\"nftables\": [" } else { b", " };
        opening.to_vec()
    }

    fn text(&mut self, text: &[u8]) {
        self.scratch.clear();
        self.scratch.tuple(1);
        self.scratch.binary(text);
        self.ready.push_back(self.scratch.bytes().to_vec());
    }
}
