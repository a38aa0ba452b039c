//! Tables of sockets and of what packets go through, against `ss`, `ip` and `/proc/net`, in a network namespace of the test's
//! own. Without root the tests are skipped.
#![allow(unsafe_code, reason = "getsockopt for what TCP knows")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test fails by them"
)]

mod ask;
mod crowd;
mod dumps;
mod families;
mod floor;
mod links;
mod mutations;
mod port;
mod rates;
#[path = "../support/mod.rs"]
mod support;
