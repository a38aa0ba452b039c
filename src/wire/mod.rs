//! What travels between the port and its client: frames, and the subset of External Term Format inside them.
//!
//! Bytes of the peer go through [`frame`] and [`scan`]; only what the scan accepted can be walked as a [`term`].
//! Answers are made by [`mod@write`] with the [`atoms`] of a fixed vocabulary.
#![forbid(unsafe_code)]

pub mod address;
pub mod atoms;
pub mod chunk;
pub mod frame;
mod head;
pub mod json;
pub mod scan;
pub mod schema;
pub mod term;
#[cfg(test)]
pub(crate) mod testing;
pub mod write;
