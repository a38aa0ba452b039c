//! What this program makes of a rule against what nft makes of it: both are given to the kernel, and the kernel's dumps must be the
//! same bytes. The rules are nftables' own tests.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "../nft_support/mod.rs"]
mod nft_support;

mod again;
mod alike;
mod fails;
mod held;
mod inside;
mod judge;
mod made;
mod merging;
mod newer;
mod record;
mod refused;
