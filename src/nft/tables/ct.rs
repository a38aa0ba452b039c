//! Keys of `ct`.

use crate::nft::model::{Order, Type};

/// A key: the row of the table that describes it.
pub type CtKey = &'static CtRow;

/// What a key of `ct` is.
#[derive(Debug, PartialEq, Eq)]
pub struct CtRow {
    /// The word of the schema: `state`, `saddr`, `ip saddr`, `ip6 saddr`.
    pub name: &'static str,
    /// `NFT_CT_*`.
    pub number: u32,
    /// What its value is.
    pub ty: Type,
    /// Bits of the value in the register; 0 where the family decides (`saddr`).
    pub bits: u32,
    /// The order of its bytes.
    pub order: Order,
}

/// All of them.
pub const CT_KEYS: &[CtRow] = &[];
