//! Batches, dumps, questions and events against the kernel, in a network namespace of the test's own. Without root the tests
//! are skipped.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by them"
)]

mod batches;
mod dumps;
#[path = "../nft_support/mod.rs"]
mod nft_support;
mod sockets;
mod speed;

use portcullis::nft::transport::Link;
use portcullis::nft::transport::batch::{self, Batch};

fn run(link: &mut Link, mut batch: Batch) -> batch::Outcome {
    batch::run(link, &mut batch).unwrap()
}
