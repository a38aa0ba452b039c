//! Keys of `meta`.

use crate::nft::model::{Order, Type};

/// A key: the row of the table that describes it.
pub type MetaKey = &'static MetaRow;

/// What a key of `meta` is.
#[derive(Debug, PartialEq, Eq)]
pub struct MetaRow {
    /// The word of the schema.
    pub name: &'static str,
    /// `NFT_META_*`.
    pub number: u32,
    /// What its value is.
    pub ty: Type,
    /// Bits of the value in the register.
    pub bits: u32,
    /// The order of its bytes.
    pub order: Order,
}

/// All of them.
pub const META_KEYS: &[MetaRow] = &[];
