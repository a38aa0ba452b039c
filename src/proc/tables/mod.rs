//! Tables of what processes have, a process at a time.
#![forbid(unsafe_code)]

mod cgroups;
mod environ;
pub mod files;
mod limits;
mod memory;
mod namespaces;
pub mod processes;
mod rates;
mod threads;

use crate::table::Table;

/// The tables of this folder.
pub const TABLES: &[&dyn Table] = &[
    &processes::TABLE,
    &rates::TABLE,
    &threads::TABLE,
    &files::TABLE,
    &memory::TABLE,
    &limits::TABLE,
    &environ::TABLE,
    &namespaces::TABLE,
    &cgroups::TABLE,
];
