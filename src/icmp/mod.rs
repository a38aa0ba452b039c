//! Echo requests: what is asked (`args`, `action`), what travels (`echo`), which requests wait for a reply (`pings`).
#![forbid(unsafe_code)]

pub mod action;
pub mod ops;
