//! Echo requests: what is asked (`args`, `action`), what travels (`echo`), which requests wait for a reply (`pings`,
//! `waiting`), what is answered (`reply`).
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod echo;
pub mod ops;
pub mod pings;
pub mod reply;
mod waiting;
