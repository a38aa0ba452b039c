//! How wide a type is, and the types of a key as one number: six bits each, the first part in the highest (nft's agreement
//! with itself; the kernel keeps the number unseen).
#![forbid(unsafe_code)]

use crate::nft::model::{Order, Part, Type};

/// Bits of one type in the number of a concatenation.
const TYPE_BITS: u32 = 6;
const TYPE_MASK: u32 = (1 << TYPE_BITS) - 1;

/// What a part of a concatenation is filled up to, in bytes: a register (`NFT_REG32_SIZE`).
const REGISTER: usize = 4;

/// Bits of a type, and the order of its bytes; 0 bits where only the expression that it is compared with can tell.
#[must_use]
pub fn width(ty: Type) -> (u32, Order) {
    use Order::{Host, Network};
    match ty {
        Type::Verdict | Type::Bitmask | Type::Integer | Type::String | Type::MptcpSubtype => (0, Host),
        Type::LlAddr => (0, Network),
        Type::Ipv4Addr => (32, Network),
        Type::Ipv6Addr => (128, Network),
        Type::EtherAddr => (48, Network),
        Type::EtherType | Type::ArpOp | Type::InetService => (16, Network),
        Type::NfProto | Type::CtDir | Type::PktType | Type::TimeDay => (8, Host),
        Type::InetProto | Type::IcmpType | Type::TcpFlag | Type::MhType | Type::Icmpv6Type => (8, Network),
        Type::IcmpCode | Type::Icmpv6Code | Type::IcmpxCode | Type::IgmpType => (8, Network),
        Type::DccpPkttype => (4, Network),
        Type::Dscp => (6, Network),
        Type::Ecn => (2, Network),
        Type::Boolean => (1, Host),
        Type::IfaceType => (16, Host),
        Type::Time | Type::Mark | Type::IfaceIndex | Type::Realm | Type::ClassId => (32, Host),
        Type::Uid | Type::Gid | Type::CtState | Type::CtStatus | Type::DevGroup => (32, Host),
        Type::FibAddrtype | Type::CtEvent | Type::TimeHour => (32, Host),
        Type::TimeDate | Type::CgroupV2 => (64, Host),
        Type::CtLabel | Type::Ifname => (128, Host),
    }
}

/// Bytes of a part.
#[must_use]
pub fn bytes(part: &Part) -> usize {
    usize::try_from(part.bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// Bytes of a part in a concatenation.
#[must_use]
pub fn padded(part: &Part) -> usize {
    bytes(part).saturating_add(REGISTER - 1) / REGISTER * REGISTER
}

/// Bytes of a key or of data.
#[must_use]
pub fn total(parts: &[Part]) -> usize {
    match parts {
        [one] => bytes(one),
        several => several.iter().map(padded).fold(0, usize::saturating_add),
    }
}

/// The number of the types.
#[must_use]
pub fn pack(parts: &[Part]) -> u32 {
    parts.iter().fold(0, |number, part| number << TYPE_BITS | part.ty.number())
}

/// The types of a number; nothing if one of them is not known.
fn unpack(mut number: u32) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    while number != 0 {
        types.push(Type::numbered(number & TYPE_MASK)?);
        number >>= TYPE_BITS;
    }
    types.reverse();
    if types.is_empty() { None } else { Some(types) }
}

/// The parts of a key or of data of `length` bytes. The order of a single part can be known from elsewhere, and `known` are the
/// parts as the expressions say that it was declared with. Nothing if number and length do not fit each other.
#[must_use]
pub fn parts(number: u32, length: usize, order: Option<Order>, known: Option<&[Part]>) -> Option<Vec<Part>> {
    let types = unpack(number)?;
    if let Some(known) = known.filter(|known| fits(known, &types, length)) {
        return Some(known.to_vec());
    }
    if let [ty] = types.as_slice() {
        let (bits, usual) = width(*ty);
        let all = u32::try_from(length).ok()?.checked_mul(8)?;
        let bits = if bits.div_ceil(8) == all / 8 { bits } else { all };
        return Some(vec![Part { ty: *ty, bits, order: order.unwrap_or(usual) }]);
    }
    let mut parts: Vec<Part> = types
        .iter()
        .map(|ty| {
            let (bits, order) = width(*ty);
            Part { ty: *ty, bits, order }
        })
        .collect();
    let rest = length.checked_sub(total(&parts))?;
    // One part of unknown width is what is left; of several nobody could tell.
    let mut unknown = parts.iter_mut().filter(|part| part.bits == 0);
    match (unknown.next(), unknown.next(), rest) {
        (None, None, 0) => {}
        (Some(part), None, 1..) => part.bits = u32::try_from(rest).ok()?.checked_mul(8)?,
        _ => return None,
    }
    Some(parts)
}

/// Whether what an expression says agrees with what the set says of itself.
fn fits(known: &[Part], types: &[Type], length: usize) -> bool {
    known.iter().map(|part| part.ty).eq(types.iter().copied()) && total(known) == length
}
