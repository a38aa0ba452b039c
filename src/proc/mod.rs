//! What `/proc` says about processes.
#![forbid(unsafe_code)]

pub mod guard;
pub mod parse;
