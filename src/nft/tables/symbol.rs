//! Symbols of types: `established`, `echo-request`, `syn`.
#![forbid(unsafe_code)]

use crate::nft::model::Type;

/// The numbers and names of a type, where it has any; for flags each name is one bit or several.
#[must_use]
pub fn symbols(_ty: Type) -> &'static [(u64, &'static str)] {
    &[]
}

/// The number of a name.
#[must_use]
pub fn number(ty: Type, name: &[u8]) -> Option<u64> {
    symbols(ty).iter().find(|(_, n)| n.as_bytes() == name).map(|(number, _)| *number)
}

/// The name of a number: the first that the type has for it.
#[must_use]
pub fn name(ty: Type, number: u64) -> Option<&'static str> {
    symbols(ty).iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
}
