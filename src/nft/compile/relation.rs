//! Comparisons.
#![forbid(unsafe_code)]

use super::constant::{is_constant, is_flags, is_text, ordered, prefix_mask, to_bytes, turns};
use super::fault::{Make, Within, expected};
use super::load::{Window, as_presence, plain_place};
use super::operand::{Bits, with_constant};
use super::rule::{Rule, Slot, Unit, data, reg};
use super::set;
use crate::nft::kernel::{BitOp, Cmp, KExpr};
use crate::nft::model::{Binop, Expr, Family, Match, Order, Part, Relation, Type};
use crate::nft::tables::chain::META_PROTOCOL;

/// The whole of a window's bytes as one number.
fn whole(window: &Window) -> Part {
    let bits = u32::try_from(window.bytes).unwrap_or(u32::MAX).saturating_mul(8);
    Part { bits, ..window.part }
}

impl Rule<'_> {
    pub(super) fn matching(&mut self, matching: &Match) -> Make<()> {
        let presence = as_presence(&matching.left, &matching.right);
        let left = presence.as_ref().unwrap_or(&matching.left);
        if is_constant(left) {
            return expected("something that the packet or the kernel has").key("left");
        }
        self.require(left).key("left")?;
        self.begin();
        let (op, right) = single(matching, left, self);
        if !self.equal_place(op, left, right)? && !self.is_known(op, left, right) {
            self.relate(op, left, right)?;
            self.test();
        }
        self.learn(op, left, right);
        Ok(())
    }

    /// A whole place of the packet that is compared with a constant, which may become one with its neighbour.
    fn equal_place(&mut self, op: Relation, left: &Expr, right: &Expr) -> Make<bool> {
        let Some((place, key)) = plain_place(self, left) else { return Ok(false) };
        let part = self.part(left).key("left")?;
        let equal = op == Relation::Equal || op == Relation::In && !is_flags(part.ty);
        if !equal || !is_constant(right) {
            return Ok(false);
        }
        let value = self.bytes(part, right).key("right")?;
        self.units.push(Unit::Equal { place, value, key });
        Ok(true)
    }

    /// Whether the family says it already: nft leaves `meta protocol ip` out of a table of that family.
    fn is_known(&self, op: Relation, left: &Expr, right: &Expr) -> bool {
        let own: u128 = match self.family() {
            Family::Ip => 0x0800,
            Family::Ip6 => 0x86dd,
            _ => return false,
        };
        let Expr::Meta(key) = left else { return false };
        let part = Part { ty: key.ty, bits: key.bits, order: key.order };
        key.number == META_PROTOCOL
            && matches!(op, Relation::Equal | Relation::In)
            && is_constant(right)
            && self.number(part, right).ok() == Some(own)
    }

    fn relate(&mut self, op: Relation, left: &Expr, right: &Expr) -> Make<()> {
        match right {
            Expr::Set(_) | Expr::SetRef(_) => {
                let not = match op {
                    Relation::Equal | Relation::In => false,
                    Relation::NotEqual => true,
                    _ => return expected("== or != before a set").key("op"),
                };
                let found = self.look_up(left, right, None, None, "left", "right")?;
                self.emit(found.lookup(None, not));
                Ok(())
            }
            _ if matches!(left, Expr::Concat(_)) => expected("a set").key("right"),
            Expr::Range(_) | Expr::Prefix(..) => self.compared(op, left, right),
            other if is_constant(other) => self.compared(op, left, right),
            _ => expected("a constant or a set").key("right"),
        }
    }

    fn compared(&mut self, op: Relation, left: &Expr, right: &Expr) -> Make<()> {
        let slot = self.register()?;
        // `x ^ 3 == 1` is `x == 2`; so nft has it.
        let (left, xor) = match with_constant(left) {
            Some((Binop::Xor, inner, constant))
                if is_constant(right)
                    && matches!(op, Relation::Equal | Relation::NotEqual | Relation::In) =>
            {
                (inner, Some(constant))
            }
            _ => (left, None),
        };
        let window = match self.load(left, slot).key("left")? {
            Some(window) => window,
            None => {
                let part = self.operand(left, slot, None).key("left")?;
                Window {
                    part,
                    bytes: usize::try_from(part.bits.div_ceil(8)).unwrap_or(usize::MAX),
                    mask: None,
                    shift: 0,
                }
            }
        };
        let calculated = xor.is_some() || matches!(left, Expr::Binop(..));
        match right {
            Expr::Range(ends) => {
                let [first, last] = &**ends;
                self.in_range(op, window, first, last, slot).key("range").key("right")
            }
            Expr::Prefix(value, length) => {
                self.has_prefix(op, window, value, *length, slot).key("prefix").key("right")
            }
            value => {
                let op = if op == Relation::In && calculated { Relation::Equal } else { op };
                self.with_value(op, window, value, xor, slot).key("right")
            }
        }
    }

    fn with_value(
        &mut self,
        op: Relation,
        window: Window,
        value: &Expr,
        xor: Option<&Expr>,
        slot: Slot,
    ) -> Make<()> {
        let cmp = match op {
            Relation::In | Relation::NotIn if is_flags(window.part.ty) => {
                return self.any_of(op == Relation::In, window, value, slot);
            }
            Relation::Equal | Relation::In => Cmp::Eq,
            Relation::NotEqual => Cmp::Neq,
            Relation::NotIn => return expected("bits with a meaning each"),
            Relation::Less => Cmp::Lt,
            Relation::Greater => Cmp::Gt,
            Relation::LessOrEqual => Cmp::Lte,
            Relation::GreaterOrEqual => Cmp::Gte,
        };
        self.masked(window, slot)?;
        let window = if matches!(cmp, Cmp::Eq | Cmp::Neq) { window } else { self.for_order(window, slot)? };
        let bytes = match xor {
            Some(xor) => {
                let number = self.number(window.part, value)? ^ self.number(window.part, xor)?;
                to_bytes(whole(&window), number.checked_shl(window.shift).unwrap_or(0))?
            }
            None => self.placed(window, value)?,
        };
        self.compare(slot, cmp, &bytes)
    }

    /// A constant at the place of a window.
    pub(super) fn placed(&self, window: Window, value: &Expr) -> Make<Vec<u8>> {
        match window.mask {
            None => self.bytes(window.part, value),
            Some(_) => {
                let number = self.number(window.part, value)?;
                to_bytes(whole(&window), number.checked_shl(window.shift).unwrap_or(0))
            }
        }
    }

    /// Any, or none, of some bits is set.
    fn any_of(&mut self, any: bool, window: Window, value: &Expr, slot: Slot) -> Make<()> {
        self.masked(window, slot)?;
        let bytes = self.placed(window, value)?;
        let zero = vec![0; bytes.len()];
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let op = BitOp::Mask(data(&bytes)?, data(&zero)?);
        self.emit(KExpr::Bitwise { sreg: reg(slot), dreg: reg(slot), len, op });
        self.compare(slot, if any { Cmp::Neq } else { Cmp::Eq }, &zero)
    }

    /// Turns a number of the host around, since the kernel compares bytes.
    fn for_order(&mut self, window: Window, slot: Slot) -> Make<Window> {
        if !turns(window.part) {
            return Ok(window);
        }
        self.turn(slot, true, window.bytes)?;
        Ok(Window { part: ordered(window.part), ..window })
    }

    fn in_range(&mut self, op: Relation, window: Window, first: &Expr, last: &Expr, slot: Slot) -> Make<()> {
        let mut not = match op {
            Relation::Equal | Relation::In => false,
            Relation::NotEqual => true,
            _ => return expected("== or != before a range"),
        };
        if is_text(window.part.ty) {
            return expected("a value, not a range of texts");
        }
        self.masked(window, slot)?;
        let window = self.for_order(window, slot)?;
        let from = self.placed(Window { part: ordered(window.part), ..window }, first).nth(0)?;
        let to = self.placed(Window { part: ordered(window.part), ..window }, last).nth(1)?;
        let (mut from, mut to) = (from, to);
        if from > to {
            // Hours are those of the clock on the wall, and those of the kernel are UTC: midnight can lie in between.
            if window.part.ty != Type::TimeHour {
                return expected("a range that does not end before it begins");
            }
            std::mem::swap(&mut from, &mut to);
            not = !not;
        }
        let (from, to) = (data(&from)?, data(&to)?);
        self.emit(KExpr::Range { sreg: reg(slot), not, from, to });
        Ok(())
    }

    fn has_prefix(
        &mut self,
        op: Relation,
        window: Window,
        value: &Expr,
        length: u32,
        slot: Slot,
    ) -> Make<()> {
        let cmp = match op {
            Relation::Equal | Relation::In => Cmp::Eq,
            Relation::NotEqual => Cmp::Neq,
            _ => return expected("== or != before a prefix"),
        };
        let mask = prefix_mask(length, window.part.bits).key("len")?;
        let number = self.number(window.part, value).key("addr")? & mask;
        let part = whole(&window);
        let bytes = usize::try_from(length / 8).unwrap_or(usize::MAX);
        if window.mask.is_none() && length % 8 == 0 && length > 0 && part.order == Order::Network {
            // Whole bytes are compared, and of a packet no others are loaded.
            self.shorten(bytes);
            let value = to_bytes(part, number)?;
            return self.compare(slot, cmp, value.get(..bytes).unwrap_or(&value));
        }
        let (mask, number) = (mask.checked_shl(window.shift), number.checked_shl(window.shift));
        self.bitwise(slot, part, Bits { mask: mask.unwrap_or(0), xor: 0 })?;
        let value = to_bytes(part, number.unwrap_or(0))?;
        self.compare(slot, cmp, &value)
    }

    /// Loads less of the packet, if that was the last expression.
    fn shorten(&mut self, bytes: usize) {
        let load = match self.out.last_mut() {
            Some(KExpr::Inner { expr, .. }) => Some(&mut **expr),
            other => other,
        };
        if let (Some(KExpr::Payload { len, .. }), Ok(bytes)) = (load, u32::try_from(bytes)) {
            *len = bytes;
        }
    }

    /// What is known of the packet behind the comparison.
    fn learn(&mut self, op: Relation, left: &Expr, right: &Expr) {
        if !matches!(op, Relation::Equal | Relation::In) {
            return;
        }
        let Ok(part) = self.part(left) else { return };
        let values: Vec<u64> = match right {
            Expr::Set(elements) => elements.iter().filter_map(|e| self.short(part, key_of(e))).collect(),
            other => self.short(part, other).into_iter().collect(),
        };
        if values.is_empty() {
            return;
        }
        match left {
            Expr::Meta(key) => self.context.learn_meta(key.number, &values),
            Expr::Payload(field) => self.context.learn_field(field, &values),
            Expr::Inner(_, field) => {
                if let Some((_, context)) = &mut self.inner {
                    context.learn_field(field, &values);
                }
            }
            _ => {}
        }
    }

    fn short(&self, part: Part, value: &Expr) -> Option<u64> {
        if !is_constant(value) {
            return None;
        }
        self.number(part, value).ok().and_then(|n| u64::try_from(n).ok())
    }
}

fn key_of(element: &Expr) -> &Expr {
    match element {
        Expr::Elem(elem) => &elem.value,
        other => other,
    }
}

/// A set of one value, range or prefix is that itself; so nft has it.
fn single<'m>(matching: &'m Match, left: &Expr, rule: &Rule<'_>) -> (Relation, &'m Expr) {
    let (op, right) = (matching.op, &matching.right);
    let Expr::Set(elements) = right else { return (op, right) };
    let [one] = elements.as_slice() else { return (op, right) };
    let one = match one {
        Expr::Elem(elem) if set::is_plain(elem) => &elem.value,
        other => other,
    };
    let any = matches!(one, Expr::Text(text) if **text == *b"*");
    if any
        || matches!(left, Expr::Concat(_))
        || !(is_constant(one) || matches!(one, Expr::Range(_) | Expr::Prefix(..)))
    {
        return (op, right);
    }
    let state = rule.part(left).is_ok_and(|part| part.ty == Type::CtState);
    (if op == Relation::In && !state { Relation::Equal } else { op }, one)
}
