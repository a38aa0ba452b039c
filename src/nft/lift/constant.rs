//! Bytes as constants: with the type of what they are compared with or put into.
#![forbid(unsafe_code)]

use super::number;
use super::register::Shape;
use crate::nft::model::{Expr, Order, Part, Type};
use crate::nft::value::{self, Names};

/// Whether the values of a type are addresses with prefixes.
pub(super) fn has_prefixes(ty: Type) -> bool {
    matches!(ty, Type::Ipv4Addr | Type::Ipv6Addr)
}

pub(super) fn is_text(ty: Type) -> bool {
    matches!(ty, Type::String | Type::Ifname)
}

/// The constant; nothing where the bytes are not such a value.
pub(super) fn constant(names: &dyn Names, shape: Shape, bytes: &[u8]) -> Option<Expr> {
    if shape.shift > 0 {
        let whole = number::number(bytes, shape.order)?;
        if whole & number::ones(shape.shift) != 0 {
            return None;
        }
        let size = usize::try_from(shape.bits.div_ceil(8)).ok()?;
        let whole = whole >> shape.shift;
        if whole >> shape.bits != 0 {
            return None;
        }
        let (moved, len) = number::bytes(whole, size, shape.order);
        return constant(names, Shape { shift: 0, ..shape }, moved.get(..len)?);
    }
    let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
    // A field of part of a byte keeps its width; what was computed has that of the register.
    let same = is_text(shape.ty) || bits == shape.bits.div_ceil(8) * 8;
    let part = Part { bits: if same { shape.bits } else { bits }, ..shape.part() };
    value::format_with(names, part, bytes)
}

/// A constant of so many bytes, computed with something of that shape.
pub(super) fn operand(names: &dyn Names, shape: Shape, number: u128) -> Option<Expr> {
    let (bytes, len) = number::bytes(number, usize::try_from(shape.len).ok()?, shape.order);
    let shape = Shape { shift: 0, bits: shape.len * 8, ..shape };
    constant(names, shape, bytes.get(..len)?)
}

/// All values from the first to the last, both given as their bytes; a prefix where the type has such.
pub(super) fn range(names: &dyn Names, shape: Shape, from: &[u8], to: &[u8], prefixes: bool) -> Option<Expr> {
    if prefixes && has_prefixes(shape.ty) && shape.order == Order::Network {
        let (first, last) = (number::big(from)?, number::big(to)?);
        if let Some(bits) = number::prefix(first, last, shape.bits) {
            return Some(Expr::Prefix(Box::new(constant(names, shape, from)?), bits));
        }
    }
    let (from, to) = (constant(names, shape, from)?, constant(names, shape, to)?);
    Some(Expr::Range(Box::new([from, to])))
}
