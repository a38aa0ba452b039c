//! A node behind TLS: what `dist keys` makes lets nodes of OTP in, and whoever lacks a part of it stays outside.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod flights;
#[path = "../support/free_port.rs"]
mod free_port;
mod hostile;
mod keys;
#[path = "../support/mutations.rs"]
mod mutations;
#[path = "../support/node.rs"]
mod node;
mod otp;
mod support;
#[path = "../support/waiting.rs"]
mod waiting;
