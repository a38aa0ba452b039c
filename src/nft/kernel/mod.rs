//! The expressions that the kernel evaluates, one after the other, on registers (include/uapi/linux/netfilter/nf_tables.h).
//! Encoding and decoding of each stand side by side in the files of this folder.
#![forbid(unsafe_code)]

mod expression;

pub use expression::*;
