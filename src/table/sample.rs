//! Tables of what happens in a time: two samples, and the differences between them. The second sample of an answer is the first of
//! the next one that the same reader gives.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::scan::{Context, Reader, Tally};
use crate::error::RequestError;
use crate::limits::{SAMPLES_ALL_BYTES, SAMPLES_BYTES};

/// What a sample is made of, thing by thing.
pub trait Sampler<R>: fmt::Debug {
    /// Begins to sample all things.
    ///
    /// # Errors
    /// Why that cannot be.
    fn begin(&mut self, context: &mut Context<'_>) -> Result<(), RequestError>;

    /// The next thing, with what happened to it since it was sampled last; nothing at the end, or while the context waits.
    ///
    /// # Errors
    /// What makes the rest unreadable.
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<R>, RequestError>;

    /// All were sampled: gives back what only that took.
    fn end(&mut self);

    /// Gives back what it can open again.
    fn park(&mut self) {}
}

/// How far a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first sample, of which nothing is answered, has not begun.
    New,
    /// It is being taken.
    First,
    /// The second has to wait.
    Between,
    /// It is being taken, and answered.
    Second,
    /// It is over.
    Ended,
}

/// Reads what happened between two samples.
#[derive(Debug)]
pub struct Differences<S> {
    sampler: S,
    interval: Duration,
    phase: Phase,
    /// When the last sample was begun, and when it was over.
    begun: Instant,
    ended: Instant,
    steps: u32,
}

/// Things of the first sample between two pauses: some half a millisecond.
const STEPS: u32 = 64;

impl<S> Differences<S> {
    /// Of samples that lie so far apart.
    #[must_use]
    pub fn of(interval: Duration, sampler: S) -> Self {
        let now = Instant::now();
        Self { sampler, interval, phase: Phase::New, begun: now, ended: now, steps: 0 }
    }

    /// When the next sample begins: as long after the last one as is asked for. What was sampled last in a sample that took long
    /// gets half of that at least.
    fn due(&self) -> Instant {
        let after = |time: Instant, wait| time.checked_add(wait).unwrap_or(time);
        after(self.begun, self.interval).max(after(self.ended, self.interval / 2))
    }

    fn begin<R>(&mut self, phase: Phase, context: &mut Context<'_>) -> Result<(), RequestError>
    where
        S: Sampler<R>,
    {
        self.phase = phase;
        self.begun = Instant::now();
        self.sampler.begin(context)
    }

    fn end<R>(&mut self, phase: Phase)
    where
        S: Sampler<R>,
    {
        self.phase = phase;
        self.ended = Instant::now();
        self.sampler.end();
    }
}

impl<R, S: Sampler<R>> Reader<R> for Differences<S> {
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<R>, RequestError> {
        loop {
            match self.phase {
                Phase::New => self.begin(Phase::First, context)?,
                Phase::First => match self.sampler.next(context, &mut Tally::default())? {
                    Some(_) => {
                        self.steps = self.steps.wrapping_add(1);
                        if self.steps % STEPS == 0 {
                            context.later();
                            return Ok(None);
                        }
                    }
                    None if context.is_waiting() => return Ok(None),
                    None => self.end(Phase::Between),
                },
                Phase::Between => {
                    let due = self.due();
                    if Instant::now() < due {
                        context.not_before(due);
                        return Ok(None);
                    }
                    self.begin(Phase::Second, context)?;
                }
                Phase::Second => {
                    let row = self.sampler.next(context, tally)?;
                    if row.is_none() && !context.is_waiting() {
                        self.end(Phase::Ended);
                    }
                    return Ok(row);
                }
                Phase::Ended => return Ok(None),
            }
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::First | Phase::Second)
    }

    fn park(&mut self) {
        self.sampler.park();
    }

    fn again(&mut self) -> bool {
        let ended = self.phase == Phase::Ended;
        if ended {
            self.phase = Phase::Between;
        }
        ended
    }
}

/// Something that was sampled.
pub trait Sampled {
    /// What it is told apart by.
    type Key: Ord + Copy;
    /// That of this one.
    fn key(&self) -> Self::Key;
}

/// What was sampled, in ascending order: at the front what is left of the last sample, behind it the new one.
#[derive(Debug)]
pub struct Samples<T> {
    ring: VecDeque<T>,
    /// How many are of the last sample.
    old: usize,
    room: Room,
    /// Some were not kept, of the last sample and of this one.
    left_out: (bool, bool),
}

impl<T> Default for Samples<T> {
    fn default() -> Self {
        Self { ring: VecDeque::new(), old: 0, room: Room::default(), left_out: (false, false) }
    }
}

/// By how many the room for samples grows.
const GROWTH: usize = 512;

impl<T: Sampled> Samples<T> {
    /// Begins a new sample. What is there is the last one from now on.
    pub fn begin(&mut self) {
        self.old = self.ring.len();
        self.left_out = (self.left_out.1, false);
    }

    /// Something of the last sample that stands before `key`, which nothing new can match any more; without a key, any.
    pub fn gone_before(&mut self, key: Option<T::Key>) -> Option<T> {
        let first = self.ring.front().filter(|_| self.old > 0)?;
        if key.is_some_and(|key| first.key() >= key) {
            return None;
        }
        self.pop()
    }

    /// What the last sample has under this key; what stands before it is to be taken first.
    pub fn take(&mut self, key: T::Key) -> Option<T> {
        self.ring.front().filter(|first| self.old > 0 && first.key() == key)?;
        self.pop()
    }

    fn pop(&mut self) -> Option<T> {
        self.old = self.old.saturating_sub(1);
        self.ring.pop_front()
    }

    /// Keeps something for the next sample, if there is room for it.
    pub fn keep(&mut self, new: T) {
        if self.ring.len() == self.ring.capacity() {
            if !self.room.grow::<T>() {
                self.left_out.1 = true;
                return;
            }
            self.ring.reserve_exact(GROWTH);
        }
        self.ring.push_back(new);
    }

    /// Whether what the last sample does not have may have been there.
    #[must_use]
    pub fn left_out(&self) -> bool {
        self.left_out.0
    }
}

/// What the readers of this process keep, in bytes.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// One reader's part of that.
#[derive(Debug, Default)]
pub struct Room(usize);

impl Room {
    /// Makes room for one more in `things`; `false` where there is none.
    pub fn has<T>(&mut self, things: &mut Vec<T>) -> bool {
        let full = things.len() == things.capacity();
        if full && self.grow::<T>() {
            things.reserve_exact(GROWTH);
        }
        things.len() < things.capacity()
    }

    /// Takes more of it; `false` where the reader, or all of them, have enough.
    fn grow<T>(&mut self) -> bool {
        let bytes = GROWTH.saturating_mul(size_of::<T>());
        let own = self.0.saturating_add(bytes);
        let all = |all: usize| all.checked_add(bytes).filter(|all| *all <= SAMPLES_ALL_BYTES);
        if own > SAMPLES_BYTES || KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, all).is_err() {
            return false;
        }
        self.0 = own;
        true
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// What a counter went up by; nothing where it ran backwards: it was set back, or is another one.
#[must_use]
pub fn difference(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

/// `part` of `whole`, times `scale`, to the nearest; nothing of nothing.
#[must_use]
pub fn ratio(part: u64, scale: u64, whole: u64) -> Option<u64> {
    let whole = u128::from(whole);
    let scaled = u128::from(part).checked_mul(u128::from(scale))?.checked_add(whole / 2)?;
    scaled.checked_div(whole).and_then(|n| u64::try_from(n).ok())
}

/// How much a counter went up in a second.
#[must_use]
pub fn per_second(before: Option<u64>, after: Option<u64>, micros: u64) -> Option<u64> {
    ratio(difference(before, after)?, 1_000_000, micros)
}

#[cfg(test)]
mod tests;
