//! The firewall, as far as a policy speaks of it: what would be read or changed. No operation of this release does either.
#![forbid(unsafe_code)]

pub mod action;
