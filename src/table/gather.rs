//! Samples of what is listed as a whole: all of it is read, put in order, and compared with the last time.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Instant;
use std::vec::IntoIter;

use super::sample::{Room, Sampled, Sampler, Samples};
use super::scan::{Context, Opened, Reader, Tally};
use crate::error::RequestError;
use crate::sys::clock;

/// Something and when it was read, in microseconds of the sampler's.
#[derive(Debug)]
struct Timed<T> {
    at: u64,
    thing: T,
}

impl<T: Sampled> Sampled for Timed<T> {
    type Key = T::Key;

    fn key(&self) -> T::Key {
        self.thing.key()
    }
}

/// A row of something at the second sample: what it was at the first, if it was there, and microseconds in between.
pub type Compare<T, R> = fn(Option<(&T, u64)>, &T) -> R;

/// Begins to list all of it.
pub type List<T> = fn(&mut Context<'_>) -> Opened<T>;

/// Samples what a reader lists.
pub struct Gathered<T, R> {
    list: List<T>,
    compare: Compare<T, R>,
    start: Instant,
    reader: Option<Box<dyn Reader<T>>>,
    found: Vec<Timed<T>>,
    room: Room,
    rows: IntoIter<Timed<T>>,
    samples: Samples<Timed<T>>,
}

impl<T: Sampled + fmt::Debug, R> fmt::Debug for Gathered<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl<T: Sampled, R> Gathered<T, R> {
    /// Of what is listed so and compared so.
    #[must_use]
    pub fn of(list: List<T>, compare: Compare<T, R>) -> Self {
        Self {
            list,
            compare,
            start: Instant::now(),
            reader: None,
            found: Vec::new(),
            room: Room::default(),
            rows: Vec::new().into_iter(),
            samples: Samples::default(),
        }
    }
}

impl<T: Sampled + fmt::Debug, R> Sampler<R> for Gathered<T, R> {
    fn begin(&mut self, context: &mut Context<'_>) -> Result<(), RequestError> {
        self.samples.begin();
        self.reader = Some((self.list)(context)?);
        Ok(())
    }

    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<R>, RequestError> {
        while let Some(mut reader) = self.reader.take() {
            match reader.next(context, tally)? {
                Some(thing) if self.room.has(&mut self.found) => {
                    self.found.push(Timed { at: clock::micros(self.start.elapsed()), thing });
                    self.reader = Some(reader);
                }
                None if context.is_waiting() => {
                    self.reader = Some(reader);
                    return Ok(None);
                }
                end => {
                    // What there is no room for is not answered at all.
                    tally.truncated |= end.is_some();
                    let mut found = std::mem::take(&mut self.found);
                    found.sort_by_key(Sampled::key);
                    self.rows = found.into_iter();
                }
            }
        }
        let Some(new) = self.rows.next() else {
            while self.samples.gone_before(None).is_some() {
                tally.vanished = tally.vanished.saturating_add(1);
            }
            return Ok(None);
        };
        while self.samples.gone_before(Some(new.key())).is_some() {
            tally.vanished = tally.vanished.saturating_add(1);
        }
        let old = self.samples.take(new.key());
        let before = old.as_ref().map(|old| (&old.thing, new.at.saturating_sub(old.at)));
        let row = (self.compare)(before, &new.thing);
        self.samples.keep(new);
        Ok(Some(row))
    }

    fn end(&mut self) {
        self.reader = None;
        self.rows = Vec::new().into_iter();
        self.room = Room::default();
    }

    fn park(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.park();
        }
    }
}

/// A name of fewer than `N` bytes, padded with NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<const N: usize>([u8; N]);

impl<const N: usize> Name<N> {
    /// Of these bytes; the kernel has no longer ones.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut name = [0; N];
        name.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        Self(name)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}
