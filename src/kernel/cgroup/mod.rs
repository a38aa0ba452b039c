//! Control groups, version 2 and 1 (cgroups(7)): which hierarchies there are (`hierarchy`), what one group says (`group`), the table
//! of all of them (`tree`) and the limits of the port's own (`own`).
#![forbid(unsafe_code)]

pub mod group;
pub mod hierarchy;
pub mod own;
pub mod tree;
