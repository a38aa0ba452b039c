//! Erlang distribution, as far as it is bytes in, and bytes and decisions out: framing, handshake, control messages, and the firewall
//! that decides about each. No socket, no thread and no clock: who runs it brings those (`exec`).
//!
//! A message goes one way: [`frame`], [`control`], [`filter::decide`], and if it is accepted, [`learn`].
#![forbid(unsafe_code)]

pub mod atoms;
pub mod certificate;
pub mod command;
pub mod config;
pub mod control;
pub mod etf;
pub mod filter;
pub mod frame;
pub mod glass;
pub mod handshake;
pub mod learn;
pub mod question;
pub mod reason;
#[cfg(test)]
pub(crate) mod testing;
pub mod totp;
pub mod verb;
