//! The expressions that the kernel evaluates, one after the other, on registers (include/uapi/linux/netfilter/nf_tables.h).
//! Encoding and decoding of each stand side by side in the files of this folder.
#![forbid(unsafe_code)]

mod codec;
mod expression;
mod field;
mod list;
mod special;

pub use expression::*;
pub use list::{Lists, adds_to, attributes, copy, decode, encode, one, request, understood, write};

#[cfg(test)]
mod tests;
