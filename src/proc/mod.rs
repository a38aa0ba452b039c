//! Processes: what can be asked (`args`, `columns`), what the policy judges (`action`), how files become values
//! (`parse`), and the readers that join them (`reader`, `scan`).
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod columns;
pub mod each;
pub mod hidden;
pub mod ops;
pub mod parse;
pub mod rates;
pub mod reader;
pub mod scan;
pub mod tables;
pub mod value;
