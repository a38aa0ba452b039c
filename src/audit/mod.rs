//! The audit trail: what a record says and how it is written down (`record`), and where it goes (`log`).
#![forbid(unsafe_code)]

pub mod log;
pub mod record;
