//! The firewall as a whole, in networks of its own: what a request says is judged, applied, listed, taken back; nft and the
//! kernel's bytes are the judges.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "../nft_support/mod.rs"]
mod nft_support;

mod bans;
mod confirm;
mod held;
mod hostile;
mod listings;
mod merging;
mod mutated;
mod rulesets;
mod transactions;
mod world;
