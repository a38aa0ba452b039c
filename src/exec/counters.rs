//! What the port has done since it started: the answer of `info`.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::sys::clock;
use crate::wire::atoms;
use crate::wire::write::Writer;

/// What the port has done.
#[derive(Debug)]
pub struct Counters {
    /// Requests taken.
    pub requests: u64,
    /// Requests answered with an error, and messages that were none.
    pub errors: u64,
    /// Frames that were not an accepted term.
    pub bad_frames: u64,
    /// Rows answered.
    pub rows: u64,
    started: Instant,
}

/// What there is at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Requests that have not ended.
    pub in_flight: usize,
    /// Open files.
    pub handles: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Records that no log has taken since the last one that was.
    pub lost: u64,
}

impl Counters {
    /// All zero, from now on.
    pub fn new() -> Self {
        Self { requests: 0, errors: 0, bad_frames: 0, rows: 0, started: Instant::now() }
    }

    /// The value of an `info` answer.
    pub fn write(&self, w: &mut Writer, now: &Now) {
        let Now { in_flight, handles, subscriptions, lost } = *now;
        let count = |n| u64::try_from(n).unwrap_or(u64::MAX);
        w.map(9);
        for (key, value) in [
            (atoms::REQUESTS, self.requests),
            (atoms::ERRORS, self.errors),
            (atoms::BAD_FRAMES, self.bad_frames),
            (atoms::ROWS, self.rows),
            (atoms::IN_FLIGHT, count(in_flight)),
            (atoms::HANDLES, count(handles)),
            (atoms::SUBSCRIPTIONS, count(subscriptions)),
            (atoms::LOST, lost),
            (atoms::UPTIME, clock::micros(self.started.elapsed())),
        ] {
            w.atom(key);
            w.uint(value);
        }
    }
}
