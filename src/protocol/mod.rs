//! The conversation: the op table, what frames ask, what frames answer (docs/protocol.md).
#![forbid(unsafe_code)]

pub mod hello;
pub mod ops;
pub mod reply;
pub mod request;
pub mod tables;
