//! Kernel parameters, as far as a policy speaks of them. No operation of this release reads or writes one.
#![forbid(unsafe_code)]

pub mod action;
