//! Tables of what the kernel counts, as rates between two samples.
#![forbid(unsafe_code)]

pub mod cpus;
pub mod disks;

/// Hundredths of a per cent in a whole.
pub const WHOLE: u64 = 10_000;
