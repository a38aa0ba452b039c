//! Extension headers of IPv6, options of IPv4 and TCP, chunks of SCTP, options of DCCP.
#![forbid(unsafe_code)]

mod chunk;
mod ipv6;
mod options;

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

/// Rows of name, number, and fields by name, offset, bits, type.
macro_rules! rows {
    ($kind:ident $($name:literal $number:literal { $($field:literal $offset:literal $len:literal $ty:ident,)* })*) => {
        &[$($crate::nft::tables::Header {
            kind: $crate::nft::tables::HeaderKind::$kind,
            name: $name,
            number: $number,
            fields: &[$($crate::nft::tables::HeaderField {
                name: $field,
                offset: $offset,
                len: $len,
                ty: $crate::nft::model::Type::$ty,
            },)*],
        },)*]
    };
}
use rows;

impl HeaderKind {
    /// All of them, by number.
    pub const ALL: &[Self] =
        &[Self::Ipv6, Self::TcpOption, Self::IpOption, Self::SctpChunk, Self::DccpOption];

    /// The kind of that number (`NFTA_EXTHDR_OP`).
    #[must_use]
    pub fn numbered(op: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(op).ok()?).copied()
    }
}

/// All headers of a kind. Options of DCCP have numbers only, of which each has a row without name and fields.
#[must_use]
pub fn headers(kind: HeaderKind) -> &'static [Header] {
    match kind {
        HeaderKind::Ipv6 => ipv6::HEADERS,
        HeaderKind::TcpOption => options::TCP,
        HeaderKind::IpOption => options::IP,
        HeaderKind::SctpChunk => chunk::CHUNKS,
        HeaderKind::DccpOption => options::DCCP,
    }
}

/// The header of that kind and name. Words that nft reads beside its own are understood too.
#[must_use]
pub fn header(kind: HeaderKind, name: &[u8]) -> Option<&'static Header> {
    let name = match (kind, name) {
        (HeaderKind::TcpOption, b"noop") => b"nop".as_slice(),
        (HeaderKind::TcpOption, b"mss") => b"maxseg",
        (HeaderKind::TcpOption, b"sack-permitted") => b"sack-perm",
        // A row of the table has no name that could be asked for.
        (_, b"") => return None,
        _ => name,
    };
    headers(kind).iter().find(|h| h.name.as_bytes() == name)
}

/// The option of DCCP of that number.
#[must_use]
pub fn dccp_option(number: u8) -> Option<&'static Header> {
    headers(HeaderKind::DccpOption).get(usize::from(number))
}

impl Header {
    /// The field of that name.
    #[must_use]
    pub fn field(&'static self, name: &[u8]) -> Option<&'static HeaderField> {
        self.fields.iter().find(|f| f.name.as_bytes() == name)
    }
}

/// The header of that kind and number, and its field at that place in bits; several names can share a number (`rt`,
/// `rt0`, `sack0` to `sack3`). Where no field lies at that place: the first header of that number, without a field.
#[must_use]
pub fn option(
    kind: HeaderKind,
    number: u8,
    offset: u32,
    len: u32,
) -> Option<(&'static Header, Option<&'static HeaderField>)> {
    let mut first = None;
    for header in headers(kind).iter().filter(|h| h.number == number) {
        if let Some(field) = header.fields.iter().find(|f| f.offset == offset && f.len == len) {
            return Some((header, Some(field)));
        }
        first = first.or(Some((header, None)));
    }
    first
}

#[cfg(test)]
mod tests;
