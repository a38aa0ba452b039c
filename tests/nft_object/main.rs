//! Expressions and objects against what the kernel holds, in a network namespace of the test's own: what it dumps is read, and
//! written again it is the same. Without root or nft(8) the tests are skipped.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod elements;
mod expressions;
#[path = "../nft_support/mod.rs"]
mod nft_support;
mod objects;
mod replay;
mod userdata;
mod world;
