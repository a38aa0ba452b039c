//! Tables: rows of cells under named columns, whatever they are read from. What is asked of a table (columns, conditions, a limit), and
//! how its rows are compared and written, is the same for all of them; what a row is, each table says beside its reader.
#![forbid(unsafe_code)]

pub mod action;
pub mod cell;
pub mod column;
pub mod condition;
pub mod gather;
pub mod ops;
pub mod query;
pub mod sample;
pub mod scan;

pub use action::ReadTable;
pub use cell::{Cell, Value};
pub use column::{Column, Cost, Described, Kind, Special, Table, TableOf, Unit};
pub use query::{Asked, Query};
pub use scan::{Context, Opened, Opener, Reader, Rows, Tally, Wanted};
