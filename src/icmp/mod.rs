//! Echo requests: what is asked (`action`), what travels (`echo`).
#![forbid(unsafe_code)]

pub mod action;
pub mod echo;
pub mod ops;
