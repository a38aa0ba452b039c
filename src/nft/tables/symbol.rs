//! Symbols of types: `established`, `echo-request`, `syn`.

use crate::nft::model::Type;

/// The numbers and names of a type, where it has any; for flags each name is one bit or several.
#[must_use]
pub fn symbols(_ty: Type) -> &'static [(u64, &'static str)] {
    &[]
}
