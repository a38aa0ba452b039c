//! Kernel parameters below `net.`: what is asked (`args`, `action`), what is done (`parameters`), what is answered (`reply`).
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod ops;
pub mod parameters;
pub mod reply;
