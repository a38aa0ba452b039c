//! Everything that talks to the kernel by hand. The only unsafe code of the program is in this folder; each block
//! says which invariant holds. Whatever `nix` or `caps` offer soundly is taken from them.
#![allow(unsafe_code)]

pub mod ancestry;
pub mod capset;
pub mod clock;
pub mod datagram;
pub mod fd;
pub mod icmp;
pub mod netlink;
pub mod parameters;
pub mod piddir;
pub mod poll;
pub mod process;
pub mod regular;
