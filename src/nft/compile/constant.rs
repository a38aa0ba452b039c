//! Constants: what they are as bytes and as numbers.
#![forbid(unsafe_code)]

use super::Fault;
use super::fault::{self, Make, expected};
use super::rule::Rule;
use crate::error::Why;
use crate::nft::intervals;
use crate::nft::kernel::Data;
use crate::nft::model::{Binop, Expr, Order, Part, Type};
use crate::nft::tables::symbol;
use crate::nft::value::parse_with;

/// Operations inside one another that are calculated.
const DEPTH: u32 = 64;

/// Whether it says a value by itself.
pub(super) fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Int(_) | Expr::Text(_) | Expr::Bool(_) => true,
        Expr::List(items) => items.iter().all(is_constant),
        Expr::Binop(_, sides) => sides.iter().all(is_constant),
        _ => false,
    }
}

/// Whether values of the type are bits with a meaning each, so that one of several can be asked for.
pub(super) fn is_flags(ty: Type) -> bool {
    symbol::is_flags(ty) || matches!(ty, Type::CtLabel | Type::Bitmask)
}

/// Whether values of the type are text.
pub(super) fn is_text(ty: Type) -> bool {
    matches!(ty, Type::Ifname | Type::String)
}

/// Whether numbers of that kind have to be turned around before they can be ordered by their bytes.
pub(super) fn turns(part: Part) -> bool {
    part.order == Order::Host && part.bits > 8 && !is_text(part.ty) && cfg!(target_endian = "little")
}

/// The same value with its most significant byte first.
pub(super) fn ordered(part: Part) -> Part {
    if is_text(part.ty) { part } else { Part { order: Order::Network, ..part } }
}

impl Rule<'_> {
    /// A constant as the register has it.
    pub(super) fn bytes(&self, part: Part, expr: &Expr) -> Make<Vec<u8>> {
        if has_shift(expr, DEPTH) {
            let number = self.number(part, expr)?;
            return to_bytes(part, number);
        }
        let parsed = parse_with(self.scope.names(), part, expr);
        let parsed = parsed.or_else(|bad| self.digits(part, expr).ok_or(bad));
        parsed.map(|data| data.bytes().to_vec()).map_err(fault::value)
    }

    /// A constant as a number.
    pub(super) fn number(&self, part: Part, expr: &Expr) -> Make<u128> {
        self.number_at(part, expr, DEPTH)
    }

    /// An IPv4 address as digits: a mask, or what is left behind one.
    fn digits(&self, part: Part, expr: &Expr) -> Option<Data> {
        let Expr::Text(_) = expr else { return None };
        let number = Part { ty: Type::Integer, ..part };
        (part.ty == Type::Ipv4Addr).then(|| parse_with(self.scope.names(), number, expr).ok()).flatten()
    }

    fn number_at(&self, part: Part, expr: &Expr, depth: u32) -> Make<u128> {
        let Some(below) = depth.checked_sub(1) else { return expected("fewer operations") };
        if let Expr::Binop(op @ (Binop::Left | Binop::Right), sides) = expr {
            let [left, right] = &**sides;
            let number = self.number_at(part, left, below)?;
            let bits = shift(right)?;
            let shifted =
                if *op == Binop::Left { number.checked_shl(bits) } else { number.checked_shr(bits) };
            return shifted.ok_or_else(|| Fault::new(Why::Range(0, 127)));
        }
        if let (Expr::Binop(op, sides), true) = (expr, has_shift(expr, depth)) {
            let [left, right] = &**sides;
            let (left, right) = (self.number_at(part, left, below)?, self.number_at(part, right, below)?);
            return Ok(match op {
                Binop::Or => left | right,
                Binop::And => left & right,
                _ => left ^ right,
            });
        }
        let bytes = parse_with(self.scope.names(), ordered(part), expr);
        let bytes = bytes.or_else(|bad| self.digits(ordered(part), expr).ok_or(bad)).map_err(fault::value)?;
        intervals::number(bytes.bytes())
            .ok_or_else(|| Fault::new(Why::Unsupported("numbers of more than 16 bytes")))
    }
}

fn has_shift(expr: &Expr, depth: u32) -> bool {
    match expr {
        Expr::Binop(op, sides) => {
            matches!(op, Binop::Left | Binop::Right)
                || depth > 0 && sides.iter().any(|side| has_shift(side, depth.saturating_sub(1)))
        }
        _ => false,
    }
}

/// By how many bits.
pub(super) fn shift(expr: &Expr) -> Make<u32> {
    let number = match expr {
        Expr::Int(n) => Some(*n),
        Expr::Text(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    match number.map(u32::try_from) {
        Some(Ok(bits)) if bits < 128 => Ok(bits),
        Some(_) => Err(Fault::new(Why::Range(0, 127))),
        None => expected("a number of bits"),
    }
}

/// A number as the register has it.
pub(super) fn to_bytes(part: Part, number: u128) -> Make<Vec<u8>> {
    let len = usize::try_from(part.bits.div_ceil(8)).unwrap_or(usize::MAX);
    let fits = part.bits >= 128 || number >> part.bits == 0;
    let max = u64::MAX.checked_shr(64_u32.saturating_sub(part.bits)).unwrap_or(0);
    let bytes = intervals::key(number, len).filter(|_| fits);
    let mut bytes = bytes.ok_or_else(|| Fault::new(Why::Range(0, max)))?;
    if part.order == Order::Host && cfg!(target_endian = "little") {
        bytes.reverse();
    }
    Ok(bytes)
}

/// Ones in the first `length` of `bits` bits.
pub(super) fn prefix_mask(length: u32, bits: u32) -> Make<u128> {
    let all =
        intervals::low_bits(bits).ok_or_else(|| Fault::new(Why::Unsupported("a prefix of so many bits")))?;
    let wild = bits.checked_sub(length).and_then(intervals::low_bits);
    wild.map(|wild| all & !wild).ok_or_else(|| Fault::new(Why::Range(0, u64::from(bits))))
}
