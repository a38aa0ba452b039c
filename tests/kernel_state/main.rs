//! What the tables of the kernel's state say, by the installed program as an ordinary user: of what other users do to readers, of
//! processes that come and go, with each set of capabilities, by which system calls, and against the usual tools.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by them"
)]

mod attacks;
mod counts;
mod frozen;
mod inside;
mod matrix;
mod storm;
#[path = "../support/mod.rs"]
mod support;
