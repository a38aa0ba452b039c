//! Keys of what the kernel knows beside a packet's bytes: rows that `meta` and `ct` have in common, and how they are found.
#![forbid(unsafe_code)]

use crate::nft::model::{Order, Type};

/// What a key is.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The word of the schema: `mark`, `ip saddr`.
    pub name: &'static str,
    /// `NFT_META_*` or `NFT_CT_*`.
    pub number: u32,
    /// What its value is.
    pub ty: Type,
    /// Bits of the value in the register; 0 where the family decides (`ct saddr`).
    pub bits: u32,
    /// The order of its bytes.
    pub order: Order,
}

/// Rows of number, name, type, bits, order.
macro_rules! keys {
    ($($number:literal $name:literal $ty:ident $bits:literal $order:ident,)*) => {
        &[$($crate::nft::tables::KeyRow {
            name: $name,
            number: $number,
            ty: $crate::nft::model::Type::$ty,
            bits: $bits,
            order: $crate::nft::model::Order::$order,
        },)*]
    };
}
pub(super) use keys;

/// The key of that name.
pub(super) fn named(keys: &'static [KeyRow], name: &[u8]) -> Option<&'static KeyRow> {
    keys.iter().find(|key| key.name.as_bytes() == name)
}

/// The key of that number. Rows are sorted by it, and most stand at the place of their number.
pub(super) fn numbered(keys: &'static [KeyRow], number: u32) -> Option<&'static KeyRow> {
    match keys.get(usize::try_from(number).ok()?) {
        Some(key) if key.number == number => Some(key),
        _ => keys.binary_search_by_key(&number, |key| key.number).ok().and_then(|at| keys.get(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::tables::{CT_KEYS, META_KEYS, ct_named, ct_numbered, meta_named, meta_numbered};

    type Named = fn(&[u8]) -> Option<&'static KeyRow>;
    type Numbered = fn(u32) -> Option<&'static KeyRow>;

    #[test]
    fn every_key_is_found_by_name_and_by_number() {
        let tables: [(&'static [KeyRow], Named, Numbered); 2] =
            [(META_KEYS, meta_named, meta_numbered), (CT_KEYS, ct_named, ct_numbered)];
        for (keys, named, numbered) in tables {
            for key in keys {
                assert_eq!(named(key.name.as_bytes()), Some(key));
                assert_eq!(numbered(key.number), Some(key));
            }
            assert!(keys.windows(2).all(|w| w[0].number < w[1].number));
            for number in 0..100 {
                assert_eq!(numbered(number), keys.iter().find(|key| key.number == number));
            }
            assert_eq!((named(b""), numbered(u32::MAX)), (None, None));
        }
    }
}
