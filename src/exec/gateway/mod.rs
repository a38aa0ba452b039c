//! A node of OTP with a firewall in front of it: peers connect with the gateway as if it were that node, and whoever is let in has a
//! connection of his own behind it, under his own name.
//!
//! Three processes. One reads what peers say, inside TLS or not, and can open nothing: `serve` is its loop, `guest` a peer that has not proved who
//! it is, `pair` the two sockets of one that has (each a `leg`), `judge` what becomes of a message, `handled` what a handler is told of it.
//! Another, `dialer`, alone knows the cookie of the protected node; it is asked through `desk` and hands over sockets whose handshake is over.
//! The third is a node's starter, without programs to start: it reads the file again and looks after the broken glass, and what it says is done
//! in `news`.
#![forbid(unsafe_code)]

mod desk;
pub mod dialer;
mod guest;
mod handled;
mod judge;
mod leg;
mod news;
mod pair;
mod serve;
mod strangers;

pub use serve::{Setup, serve};
