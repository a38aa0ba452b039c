//! Values that are calculated: bits combined and moved, maps, several side by side. A value ends in its register as a number of
//! its own, without the bits around it.
#![forbid(unsafe_code)]

use super::Fault;
use super::constant::{is_constant, prefix_mask, shift, to_bytes, turns};
use super::fault::{Make, Within, expected};
use super::load::{Window, size};
use super::rule::{Rule, Slot, data, reg, slots};
use crate::error::Why;
use crate::nft::kernel::{BitOp, KExpr};
use crate::nft::model::{Binop, Expr, Order, Part, Type};

/// `NFT_BITWISE_AND`, `NFT_BITWISE_OR` and `NFT_BITWISE_XOR` with a second register (since Linux 6.13).
const AND: u32 = 3;
const OR: u32 = 4;
const XOR: u32 = 5;

/// What a constant does to bits: `(x & mask) ^ xor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    pub mask: u128,
    pub xor: u128,
}

impl Bits {
    /// What is done after this.
    pub(super) fn then(self, op: Binop, value: u128) -> Self {
        match op {
            Binop::And => Self { mask: self.mask & value, xor: self.xor & value },
            Binop::Or => Self { mask: self.mask & !value, xor: self.xor & !value ^ value },
            _ => Self { mask: self.mask, xor: self.xor ^ value },
        }
    }
}

/// An operator with a constant, whichever side it stands on: the operator, the other side, the constant.
pub(super) fn with_constant(expr: &Expr) -> Option<(Binop, &Expr, &Expr)> {
    let Expr::Binop(op, sides) = expr else { return None };
    let [left, right] = &**sides;
    match (is_constant(left), is_constant(right)) {
        (false, true) => Some((*op, left, right)),
        (true, false) if !matches!(op, Binop::Left | Binop::Right) => Some((*op, right, left)),
        _ => None,
    }
}

/// Operators on bits with constants, from the innermost on, and what they work on.
pub(super) fn chain(mut expr: &Expr) -> (&Expr, Vec<(Binop, &Expr)>) {
    let mut steps = Vec::new();
    while let Some((op @ (Binop::And | Binop::Or | Binop::Xor), inner, constant)) = with_constant(expr) {
        steps.push((op, constant));
        expr = inner;
    }
    steps.reverse();
    (expr, steps)
}

impl Rule<'_> {
    /// Puts a value into a register, in the order of `target` if there is one, and says what is there now.
    pub(super) fn operand(&mut self, expr: &Expr, slot: Slot, target: Option<Part>) -> Make<Part> {
        if is_constant(expr) {
            let Some(target) = target else { return expected("something that the packet or the kernel has") };
            let bytes = self.bytes(target, expr)?;
            self.immediate(slot, &bytes)?;
            return Ok(target);
        }
        if let Some(window) = self.load(expr, slot)? {
            let part = self.alone(window, slot)?;
            return self.in_order(part, slot, target);
        }
        match expr {
            Expr::Binop(..) => self.binop(expr, slot, target),
            Expr::Map(sides) => {
                let [key, data] = &**sides;
                self.map_value(key, data, slot, target).key("map")
            }
            _ => expected("a value"),
        }
    }

    /// Turns a number around if the target has another order.
    fn in_order(&mut self, part: Part, slot: Slot, target: Option<Part>) -> Make<Part> {
        let Some(target) = target.filter(|target| target.order != part.order && part.bits > 8) else {
            return Ok(part);
        };
        if turns(Part { order: Order::Host, ..part }) {
            self.turn(slot, target.order == Order::Network, size(part.bits.div_ceil(8)))?;
        }
        Ok(Part { order: target.order, ..part })
    }

    /// Masks the bits of a window.
    pub(super) fn masked(&mut self, window: Window, slot: Slot) -> Make<()> {
        match window.mask {
            Some(mask) => self.bitwise(slot, full(window), Bits { mask, xor: 0 }),
            None => Ok(()),
        }
    }

    /// Leaves the bits of a window alone in the register, as a number.
    fn alone(&mut self, window: Window, slot: Slot) -> Make<Part> {
        self.masked(window, slot)?;
        if window.shift == 0 {
            return Ok(match window.mask {
                Some(_) => Part { bits: full(window).bits, ..window.part },
                None => window.part,
            });
        }
        // The kernel shifts numbers of 32 bits in the order of the host.
        let mut part = window.part;
        if window.bytes > 1 {
            self.turn(slot, false, window.bytes)?;
            part.order = Order::Host;
        }
        self.shifted(slot, window.bytes, BitOp::Right(window.shift));
        Ok(part)
    }

    fn shifted(&mut self, slot: Slot, bytes: usize, op: BitOp) {
        let len = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.emit(KExpr::Bitwise { sreg: reg(slot), dreg: reg(slot), len, op });
    }

    pub(super) fn bitwise(&mut self, slot: Slot, part: Part, bits: Bits) -> Make<()> {
        let (mask, xor) = (to_bytes(part, bits.mask)?, to_bytes(part, bits.xor)?);
        let op = BitOp::Mask(data(&mask)?, data(&xor)?);
        self.shifted(slot, mask.len(), op);
        Ok(())
    }

    fn binop(&mut self, expr: &Expr, slot: Slot, target: Option<Part>) -> Make<Part> {
        match with_constant(expr) {
            Some((op @ (Binop::Left | Binop::Right), inner, by)) => {
                let part = self.operand(inner, slot, target)?;
                let mut part = wider(part, target);
                if part.order == Order::Network && part.bits > 8 {
                    self.turn(slot, false, size(part.bits.div_ceil(8)))?;
                    part.order = Order::Host;
                }
                let by = shift(by).nth(1)?;
                if by >= part.bits {
                    return Err(Fault::new(Why::Range(0, u64::from(part.bits.saturating_sub(1))))).nth(1);
                }
                let op = if op == Binop::Left { BitOp::Left(by) } else { BitOp::Right(by) };
                self.shifted(slot, size(part.bits.div_ceil(8)), op);
                self.in_order(part, slot, target)
            }
            Some(_) => self.chained(expr, slot, target),
            None => self.two_values(expr, slot, target),
        }
    }

    /// Several operations with constants are one for the kernel.
    fn chained(&mut self, expr: &Expr, slot: Slot, target: Option<Part>) -> Make<Part> {
        let (inner, steps) = chain(expr);
        let (part, first) = match self.load(inner, slot)? {
            Some(window) => match window.mask {
                Some(mask) if window.shift == 0 && target.is_none() => (full(window), mask),
                _ => {
                    let part = self.alone(window, slot)?;
                    (self.in_order(part, slot, target)?, u128::MAX)
                }
            },
            None => (self.operand(inner, slot, target)?, u128::MAX),
        };
        let part = wider(part, target);
        let ones = prefix_mask(part.bits, part.bits)?;
        let mut bits = Bits { mask: ones & first, xor: 0 };
        for (op, constant) in steps {
            bits = bits.then(op, self.number(part, constant)?);
        }
        self.bitwise(slot, part, Bits { mask: bits.mask & ones, xor: bits.xor })?;
        Ok(part)
    }

    fn two_values(&mut self, expr: &Expr, slot: Slot, target: Option<Part>) -> Make<Part> {
        let Expr::Binop(op, sides) = expr else { return expected("a value") };
        let [left, right] = &**sides;
        let number = match op {
            Binop::And => AND,
            Binop::Or => OR,
            Binop::Xor => XOR,
            Binop::Left | Binop::Right => return Err(Fault::new(Why::Unsupported("a shift by a variable"))),
        };
        let part = wider(self.operand(left, slot, target).nth(0)?, target);
        let second = self.register()?;
        self.operand(right, second, target.or(Some(part))).nth(1)?;
        self.release(second);
        self.shifted(slot, size(part.bits.div_ceil(8)), BitOp::Register(number, reg(second)));
        Ok(part)
    }

    /// Values side by side, each from a register of four bytes on; for intervals as they are ordered. Says what they are.
    pub(super) fn side_by_side(&mut self, parts: &[Expr], slot: Slot, interval: bool) -> Make<Vec<Part>> {
        let mut at = slot;
        let mut done = Vec::with_capacity(parts.len());
        for (n, expr) in parts.iter().enumerate() {
            let part = self.operand(expr, at, None).nth(n)?;
            done.push(self.for_lookup(part, at, interval).nth(n)?);
            at = at.saturating_add(slots(size(part.bits.div_ceil(8))));
        }
        Ok(done)
    }

    /// In sets of intervals keys are ordered by their bytes, so that numbers of the host are turned around before.
    pub(super) fn for_lookup(&mut self, part: Part, slot: Slot, interval: bool) -> Make<Part> {
        if interval && turns(part) {
            self.turn(slot, true, size(part.bits.div_ceil(8)))?;
        }
        Ok(part)
    }

    /// A value for something that has a type.
    pub(super) fn assign(&mut self, value: &Expr, target: Part, slot: Slot) -> Make<()> {
        if !is_constant(value) && !matches!(value, Expr::Map(_)) {
            let source = self.part(innermost(value))?;
            if !assignable(target, source) {
                return expected(target.ty.name());
            }
        }
        self.operand(value, slot, Some(target)).map(|_| ())
    }
}

/// What decides of which kind a calculated value is.
fn innermost(mut expr: &Expr) -> &Expr {
    while let Expr::Binop(_, sides) = expr {
        let [left, right] = &**sides;
        expr = if is_constant(left) { right } else { left };
    }
    expr
}

/// All bytes of a window as one number.
fn full(window: Window) -> Part {
    let bits = u32::try_from(window.bytes).unwrap_or(u32::MAX).saturating_mul(8);
    Part { bits, ..window.part }
}

/// A number that is calculated for something wider is as wide from then on: registers begin with zeros behind what was loaded.
fn wider(part: Part, target: Option<Part>) -> Part {
    match target {
        Some(target) if target.bits > part.bits => Part { bits: target.bits, order: target.order, ..part },
        _ => part,
    }
}

/// Whether what is no constant can be put there: the same type, or a number for a number.
fn assignable(target: Part, source: Part) -> bool {
    let number = !matches!(
        source.ty,
        Type::Ipv4Addr | Type::Ipv6Addr | Type::EtherAddr | Type::LlAddr | Type::Ifname | Type::String
    );
    let general = target.ty == Type::Mark || target.ty == Type::Integer || source.ty == Type::Integer;
    source.bits <= target.bits && (source.ty == target.ty || number && general)
}
