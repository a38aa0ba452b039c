//! Bits with a meaning each, and numbers that are put together from others.
#![forbid(unsafe_code)]

use super::{BadValue, expected, number, width};
use crate::nft::kernel::Data;
use crate::nft::model::{Binop, Expr, Order, Part, Type};
use crate::nft::tables::symbol;

/// Operations inside one another in one constant; 128 labels are the most that mean something.
const DEPTH_MAX: u32 = 128;

/// The number that a constant is: a leaf, or some combined with `|`, `&`, `^`, and for flags a list, which is `|`.
pub(super) fn fold(
    value: &Expr,
    ty: Type,
    leaf: &dyn Fn(&Expr) -> Result<u128, BadValue>,
) -> Result<u128, BadValue> {
    fold_at(value, ty, leaf, DEPTH_MAX)
}

fn fold_at(
    value: &Expr,
    ty: Type,
    leaf: &dyn Fn(&Expr) -> Result<u128, BadValue>,
    depth: u32,
) -> Result<u128, BadValue> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(BadValue::Expected("fewer operations"));
    };
    match value {
        Expr::Binop(op, both) => {
            let [left, right] = &**both;
            let (left, right) = (fold_at(left, ty, leaf, below)?, fold_at(right, ty, leaf, below)?);
            match op {
                Binop::Or => Ok(left | right),
                Binop::And => Ok(left & right),
                Binop::Xor => Ok(left ^ right),
                Binop::Left | Binop::Right => Err(BadValue::Expected("a constant without a shift")),
            }
        }
        Expr::List(items) if symbol::is_flags(ty) || ty == Type::CtLabel => {
            items.iter().try_fold(0, |bits, item| Ok(bits | fold_at(item, ty, leaf, below)?))
        }
        _ => leaf(value),
    }
}

/// Flags by name, bits without a name by number; one alone, several joined by `|`. All of TCP's together are a number for nft.
pub(super) fn format(ty: Type, bits: u64) -> Expr {
    if bits == 0 || (ty == Type::TcpFlag && bits == 0xff) {
        return Expr::Int(bits);
    }
    join(each_bit(bits.into()).map(|n| {
        let bit = 1u64.checked_shl(n).unwrap_or(0);
        symbol::name(ty, bit).map_or(Expr::Int(bit), |name| Expr::Text(name.as_bytes().into()))
    }))
}

/// The numbers of the bits that are set, from the lowest.
fn each_bit(mut bits: u128) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lowest = bits.trailing_zeros();
        bits &= bits.checked_sub(1)?;
        Some(lowest)
    })
}

fn join(parts: impl Iterator<Item = Expr>) -> Expr {
    parts
        .reduce(|before, next| Expr::Binop(Binop::Or, Box::new([before, next])))
        .unwrap_or(Expr::List(Vec::new()))
}

/// The same value with its alternatives in a list, as the schema has it on the right of `in` and `!`, and where flags are set:
/// `["new", "established"]`.
#[must_use]
pub fn as_list(value: Expr) -> Expr {
    if !matches!(value, Expr::Binop(Binop::Or, _)) {
        return value;
    }
    let mut items = Vec::new();
    let mut rest = value;
    loop {
        match rest {
            Expr::Binop(Binop::Or, both) => {
                let [before, last] = *both;
                items.push(last);
                rest = before;
            }
            first => {
                items.push(first);
                break;
            }
        }
    }
    items.reverse();
    Expr::List(items)
}

/// Labels of a connection are written by the number of their bit. Their names stand in a file that belongs to the administrator's
/// programs (connlabel.conf), which nothing here reads.
pub(super) fn parse_labels(part: Part, value: &Expr) -> Result<Data, BadValue> {
    let bits = fold(value, part.ty, &|leaf| {
        let number = match leaf {
            Expr::Int(n) => u128::from(*n),
            Expr::Text(text) => number::parse(text).ok_or(BadValue::Expected(expected(part.ty)))?,
            _ => return Err(BadValue::Expected(expected(part.ty))),
        };
        let max = part.bits.min(128).saturating_sub(1);
        u32::try_from(number)
            .ok()
            .filter(|n| *n <= max)
            .map(|n| 1u128 << n)
            .ok_or(BadValue::TooLarge { max: max.into() })
    })?;
    let part = Part { order: Order::Host, ..part };
    // On a big-endian machine the kernel's words of 64 bits would lie the other way round.
    number::to_bytes(part, bits)
}

/// The same, back; no label at all is an empty list.
pub(super) fn format_labels(part: Part, bytes: &[u8]) -> Option<Expr> {
    debug_assert_eq!(bytes.len(), width(part));
    let bits = number::from_bytes(Part { order: Order::Host, ..part }, bytes)?;
    Some(join(each_bit(bits).map(|n| Expr::Int(n.into()))))
}
