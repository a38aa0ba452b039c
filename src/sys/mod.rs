//! Everything that talks to the kernel by hand. The only unsafe code of the program is in this folder; each block
//! says which invariant holds. Whatever `nix` or `caps` offer soundly is taken from them.
#![allow(unsafe_code)]

pub mod addresses;
pub mod ancestry;
pub mod capset;
pub mod clock;
pub mod datagram;
pub mod fd;
pub mod guard;
pub mod handover;
pub mod helper;
pub mod icmp;
pub mod kept;
pub mod names;
pub mod netlink;
pub mod parameters;
pub mod piddir;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod random;
pub mod regular;
