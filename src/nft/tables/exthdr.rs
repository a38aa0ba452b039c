//! Extension headers of IPv6, options of IPv4 and TCP, chunks of SCTP, options of DCCP.

use crate::nft::model::Type;

/// Where a header or option is looked for (`enum nft_exthdr_op`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HeaderKind {
    /// `exthdr`
    Ipv6 = 0,
    /// `tcp option`
    TcpOption = 1,
    /// `ip option`
    IpOption = 2,
    /// `sctp chunk`
    SctpChunk = 3,
    /// `dccp option`
    DccpOption = 4,
}

/// A header or option.
#[derive(Debug)]
pub struct Header {
    /// Where it is looked for.
    pub kind: HeaderKind,
    /// The word of the schema: `hbh`, `maxseg`, `data`.
    pub name: &'static str,
    /// The number of the header, option or chunk.
    pub number: u8,
    /// Its fields.
    pub fields: &'static [HeaderField],
}

/// A field of one.
#[derive(Debug)]
pub struct HeaderField {
    /// The word of the schema.
    pub name: &'static str,
    /// Bits from the beginning of the header or option.
    pub offset: u32,
    /// Bits.
    pub len: u32,
    /// What its value is; always in the network's order.
    pub ty: Type,
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl PartialEq for HeaderField {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// All headers of a kind.
#[must_use]
pub fn headers(_kind: HeaderKind) -> &'static [Header] {
    &[]
}

/// The header of that kind and name.
#[must_use]
pub fn header(kind: HeaderKind, name: &[u8]) -> Option<&'static Header> {
    headers(kind).iter().find(|h| h.name.as_bytes() == name)
}

/// The header of that kind and number, and its field at that place in bits; several names can share a number (`rt`,
/// `rt0`, `sack0` to `sack3`).
#[must_use]
pub fn option(
    _kind: HeaderKind,
    _number: u8,
    _offset: u32,
    _len: u32,
) -> Option<(&'static Header, Option<&'static HeaderField>)> {
    None
}
