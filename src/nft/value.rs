//! Values: from what the schema says to the bytes of a register, and back.
#![forbid(unsafe_code)]

use crate::nft::kernel::Data;
use crate::nft::model::{Expr, Part};

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadValue {
    /// Not a form that this type has: what was expected.
    Expected(&'static str),
    /// A number above what the type holds.
    TooLarge {
        /// The largest that fits.
        max: u64,
    },
    /// A symbol that the type does not have.
    UnknownSymbol(Vec<u8>),
}

/// The bytes of a constant ([`Expr::Int`], [`Expr::Text`], [`Expr::Bool`], for flags a list or `|` of them) as the register
/// has them: `bits` rounded up to bytes, in the part's order.
pub fn parse(_part: Part, _value: &Expr) -> Result<Data, BadValue> {
    Err(BadValue::Expected("nothing"))
}

/// The constant that nft would print for these bytes.
#[must_use]
pub fn format(_part: Part, _bytes: &[u8]) -> Expr {
    Expr::Int(0)
}
