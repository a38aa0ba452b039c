//! Masks, shifts and orders of bytes: what becomes of a value that is computed with.
#![forbid(unsafe_code)]

use super::Scope;
use super::constant;
use super::number;
use super::register::{Masked, Place, Selector, Shape};
use super::source;
use crate::nft::kernel::{BitOp, Data};
use crate::nft::model::{Base, Binop, Expr, Order, RawPayload, Type};

/// `NFT_BITWISE_AND`, `OR` and `XOR`.
const REGISTER_OPS: [(u32, Binop); 3] = [(3, Binop::And), (4, Binop::Or), (5, Binop::Xor)];

/// Bytes of a number that can be computed with here.
const LEN_MAX: u32 = 16;

fn binop(op: Binop, left: Expr, right: Expr) -> Expr {
    Expr::Binop(op, Box::new([left, right]))
}

/// A value behind a bitwise expression that computes with a constant.
pub(super) fn bitwise(mut value: Selector, op: &BitOp, len: u32, scope: Scope<'_>) -> Option<Selector> {
    if len == 0 || len > LEN_MAX {
        return None;
    }
    match op {
        BitOp::Mask(mask, xor) => {
            value = fold(value, scope)?;
            let sizes = [mask, xor].map(|data| u32::try_from(data.bytes().len()));
            if value.shape.shift > 0 || sizes != [Ok(len); 2] {
                return None;
            }
            // What was a byte becomes a number of the register's width.
            if len != value.shape.len {
                value = widen(value, len)?;
            }
            let order = value.shape.order;
            let of = |data: &Data| number::number(data.bytes(), order);
            value.masked = Some(Box::new(Masked { mask: of(mask)?, xor: of(xor)? }));
        }
        BitOp::Right(bits) => {
            value = fold(value, scope)?;
            // The kernel shifts words of the host: what has more bytes must stand in that order.
            let words = value.shape.len == 1 || value.shape.order == Order::Host;
            if words && value.shape.shift > 0 && value.shape.shift == *bits {
                value.shape.shift = 0;
            } else {
                value = moved(value, Binop::Right, *bits, len)?;
            }
        }
        BitOp::Left(bits) => {
            value = fold(value, scope)?;
            value = moved(value, Binop::Left, *bits, len)?;
        }
        BitOp::Register(..) => return None,
    }
    Some(value)
}

fn widen(mut value: Selector, len: u32) -> Option<Selector> {
    if value.place.is_some()
        || len < value.shape.len
        || value.shape.len > 1 && value.shape.order == Order::Network
    {
        return None;
    }
    value.shape.len = len;
    value.shape.order = Order::Host;
    Some(value)
}

fn moved(mut value: Selector, op: Binop, bits: u32, len: u32) -> Option<Selector> {
    if value.shape.shift > 0 || value.shape.order == Order::Network && value.shape.len > 1 {
        return None;
    }
    value.shape.len = len;
    value.shape.order = Order::Host;
    // nft has no symbols for what is moved.
    value.shape.ty = Type::Integer;
    value.place = None;
    value.expr = binop(op, value.expr, Expr::Int(u64::from(bits)));
    Some(value)
}

/// Two values combined.
pub(super) fn combined(
    left: Selector,
    right: Selector,
    op: u32,
    len: u32,
    scope: Scope<'_>,
) -> Option<Selector> {
    let (_, op) = REGISTER_OPS.into_iter().find(|(number, _)| *number == op)?;
    let (left, right) = (fold(left, scope)?, fold(right, scope)?);
    if left.shape.shift > 0 || right.shape.shift > 0 || len > LEN_MAX {
        return None;
    }
    let shape = Shape { len, ..left.shape };
    Some(Selector { expr: binop(op, left.expr, right.expr), shape, place: None, masked: None })
}

/// A value whose bytes were turned around: the same value.
pub(super) fn turned(value: Selector, to_network: bool, scope: Scope<'_>) -> Option<Selector> {
    let mut value = fold(value, scope)?;
    let (from, to) = if to_network { (Order::Host, Order::Network) } else { (Order::Network, Order::Host) };
    if value.shape.order != from {
        return None;
    }
    value.shape.order = to;
    value.place = None;
    Some(value)
}

/// The value with its mask said: as a field of part of the bytes that were loaded, or as an operation.
pub(super) fn fold(mut value: Selector, scope: Scope<'_>) -> Option<Selector> {
    let Some(masked) = value.masked.take() else { return Some(value) };
    let Masked { mask, xor } = *masked;
    if xor == 0 {
        if let Some(field) = part_of(&value, mask, scope) {
            return Some(field);
        }
    }
    let shape = value.shape;
    let all = number::ones(shape.len * 8);
    let operand = |number| constant::operand(scope.names, shape, number);
    // (x & mask) ^ xor, taken apart: bits that are cleared, bits that are turned over, bits that are set.
    let set = xor & !mask & all;
    let kept = (mask | set) & all;
    let over = xor & mask;
    // A mask of ones does nothing, and is kept all the same.
    if kept != all || over == 0 && set == 0 {
        value.expr = binop(Binop::And, value.expr, operand(kept)?);
    }
    if over != 0 {
        value.expr = binop(Binop::Xor, value.expr, operand(over)?);
    }
    if set != 0 {
        value.expr = binop(Binop::Or, value.expr, operand(set)?);
    }
    value.place = None;
    Some(value)
}

/// The field that a mask cuts out of what was loaded.
pub(super) fn part_of(value: &Selector, mask: u128, scope: Scope<'_>) -> Option<Selector> {
    let (below, bits) = number::run(mask)?;
    let shape = value.shape;
    let whole = shape.len.checked_mul(8)?;
    // Fields are loaded in as few bytes as hold them.
    let above = whole.checked_sub(below)?.checked_sub(bits)?;
    if above >= 8 || below >= 8 || bits == whole {
        return None;
    }
    let (expr, ty) = match value.place? {
        Place::Packet { base, offset } => {
            let bit = offset.checked_mul(8)?.checked_add(above)?;
            match scope.context.field(base, bit, bits) {
                Some(field) => (Expr::Payload(field), field.ty),
                // Only behind the headers there is nothing but bits; elsewhere nft keeps the mask.
                None if base == Base::Inner => {
                    (Expr::RawPayload(RawPayload { base, offset: bit, len: bits }), Type::Integer)
                }
                None => return None,
            }
        }
        Place::Inside { base, offset } => {
            let inside = scope.inside?;
            let field = inside.field(base, offset.checked_mul(8)?.checked_add(above)?, bits)?;
            (Expr::Inner(inside.tunnel, field), field.ty)
        }
        Place::Option { kind, number, offset } => {
            let bit = offset.checked_mul(8)?.checked_add(above)?;
            source::option_expr(kind, number, bit, bits)?
        }
    };
    let shape = Shape { ty, bits, order: Order::Network, shift: below, len: shape.len };
    Some(Selector { expr, shape, place: None, masked: None })
}
