//! Newtypes for numbers that must not be mixed up.
#![forbid(unsafe_code)]

use crate::limits::{PID_MAX, REQUEST_ID_MAX};

/// A process id: 1 to `PID_MAX_LIMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(u32);

impl Pid {
    /// The pid, if the number can be one.
    #[must_use]
    pub fn new(n: u32) -> Option<Self> {
        (1..=PID_MAX).contains(&n).then_some(Self(n))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// When a process started: field 22 of `/proc/PID/stat`, clock ticks since boot. With the pid it names a process
/// beyond the reuse of pids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StartTime(pub u64);

/// The id that a client gives a request: 1 to 2^59, so that it is a small integer in the BEAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// Answers to a frame that could not be decoded carry this id; no request can have it.
    pub const NONE: Self = Self(0);

    /// The id, if the number can be one.
    #[must_use]
    pub fn new(n: u64) -> Option<Self> {
        (1..=REQUEST_ID_MAX).contains(&n).then_some(Self(n))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}
