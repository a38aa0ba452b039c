//! Protocol headers and their fields.

use crate::nft::model::{Base, Order, Type};

/// A header that a packet can have.
#[derive(Debug)]
pub struct Protocol {
    /// The word of the schema: `ip`, `tcp`, `vlan`.
    pub name: &'static str,
    /// From where its offsets count.
    pub base: Base,
    /// Its fields, in the order of the header.
    pub fields: &'static [Field],
}

/// A field of a header.
#[derive(Debug)]
pub struct Field {
    /// The word of the schema of the header that it lies in; see [`protocol`].
    pub protocol: &'static str,
    /// The word of the schema.
    pub name: &'static str,
    /// Bits from the beginning of the header.
    pub offset: u32,
    /// Bits.
    pub len: u32,
    /// What its value is.
    pub ty: Type,
    /// The order of its bytes: the network's but for a few.
    pub order: Order,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Tunnels whose inner headers can be matched (`enum nft_inner_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// `vxlan`
    Vxlan,
    /// `geneve`
    Geneve,
    /// `gre`
    Gre,
    /// `gretap`
    Gretap,
}

/// The header of that name.
#[must_use]
pub fn protocol(_name: &str) -> Option<&'static Protocol> {
    None
}

/// A field by the names of header and field.
#[must_use]
pub fn field(_protocol: &[u8], _name: &[u8]) -> Option<&'static Field> {
    None
}

/// The field of a header at that place: bits from its beginning, bits.
#[must_use]
pub fn at(_protocol: &Protocol, _offset: u32, _len: u32) -> Option<&'static Field> {
    None
}
