//! Portcullis: a small privileged port program for Erlang and Elixir.
//!
//! Data flows one way: a frame comes in (`wire::frame`), is checked (`wire::scan`), becomes a typed
//! request (`protocol`), is judged (`policy`), is carried out (`proc`, through `exec`), is encoded
//! (`wire::write`) and goes out. Nothing privileged happens without a [`policy::permit::Permit`], which only
//! the policy module can make. Unsafe code lives in `sys` and nowhere else.
#![deny(unsafe_code)]

pub mod capability;
pub mod error;
pub mod ids;
pub mod kernel;
pub mod limits;
pub mod meant;
pub mod measure;
pub mod op;
pub mod quote;
pub mod rate;

pub mod sys;

pub mod helper;
pub mod netlink;
pub mod wire;

pub mod audit;
pub mod dist;
pub mod file;
pub mod icmp;
pub mod nft;
pub mod proc;
pub mod settings;
pub mod sockets;
pub mod sysctl;
pub mod table;

pub mod protocol;
pub mod watch;

pub mod harden;
pub mod policy;

pub mod exec;

pub mod cli;
