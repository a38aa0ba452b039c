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

impl Counters {
    /// All zero, from now on.
    pub fn new() -> Self {
        Self { requests: 0, errors: 0, bad_frames: 0, rows: 0, started: Instant::now() }
    }

    /// The value of an `info` answer.
    pub fn write(&self, w: &mut Writer, in_flight: usize) {
        w.map(6);
        for (key, value) in [
            (atoms::REQUESTS, self.requests),
            (atoms::ERRORS, self.errors),
            (atoms::BAD_FRAMES, self.bad_frames),
            (atoms::ROWS, self.rows),
            (atoms::IN_FLIGHT, u64::try_from(in_flight).unwrap_or(u64::MAX)),
            (atoms::UPTIME, clock::micros(self.started.elapsed())),
        ] {
            w.atom(key);
            w.uint(value);
        }
    }
}
