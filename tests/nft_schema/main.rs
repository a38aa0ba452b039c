//! The schema of nftables: what is read is written again, what nft's own tests say is read, and what is not of the schema is refused
//! with the place where it stands.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod corpus;
mod forms;
mod hostile;
mod models;
mod properties;
mod speed;
mod support;
