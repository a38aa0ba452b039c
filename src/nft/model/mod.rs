//! The nftables language as data: what the libnftables-json(5) schema can say, typed, and whatever the kernel holds that
//! it cannot say, kept as [`Opaque`]. Nothing here reads, writes or judges.
#![forbid(unsafe_code)]

mod command;
mod expr;
mod family;
mod object;
mod statement;
mod types;

use std::borrow::Cow;

pub use command::*;
pub use expr::*;
pub use family::*;
pub use object::*;
pub use statement::*;
pub use types::*;

/// A name, a comment, a symbol: bytes, since the kernel promises no encoding. Symbols of our tables are borrowed.
pub type Text = Cow<'static, [u8]>;

/// An expression of the kernel that this program does not translate: its name, and its attributes as they came
/// (`NFTA_EXPR_DATA`). It can be listed, and restored byte for byte, not edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// `NFTA_EXPR_NAME`.
    pub name: Text,
    /// `NFTA_EXPR_DATA`; nothing where the expression has none.
    pub data: Option<Vec<u8>>,
}
