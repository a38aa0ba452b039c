//! A node of Erlang distribution in front of port programs. It holds no capability and starts nothing: a small process beside it
//! (`starter`, asked through `desk`) starts copies of the port program, and each session of a peer is a conversation with one of them
//! (`session`, `sessions`).
//!
//! Who sends no frames but asks for operations (`direct`) shares a copy with the other processes of its node.
//!
//! A peer comes in through `connection` (bytes, which `exec::stream` carries; handshake), its messages through `gate` (the firewall);
//! what they ask is read by `actor` and done in `obey`; the loop is `serve`. What is known of a peer by its name, and outlives its connections,
//! is in `control`; addresses whose handshakes fail in `strangers`; whose turn it is, in `turns`.
#![forbid(unsafe_code)]

pub mod actor;
mod connection;
pub mod control;
mod denials;
pub(super) mod desk;
pub mod direct;
mod elevation;
pub mod epmd;
pub(super) mod gate;
pub(super) mod glass;
mod identity;
mod obey;
pub(super) mod reports;
pub(super) mod room;
mod serve;
mod session;
mod sessions;
pub mod starter;
pub(super) mod strangers;
pub(super) mod turns;
mod verbs;
pub mod words;

pub use serve::{Setup, serve};
