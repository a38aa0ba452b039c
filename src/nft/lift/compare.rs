//! Comparisons of a register with constants.
#![forbid(unsafe_code)]

use super::constant::{self, constant};
use super::context::{Context, Dependency};
use super::register::{Cover, Masked, Place, Selector, Shape};
use super::source::{FIB_OIF, FIB_PRESENT};
use super::{Lift, bits, inside, number, only, selector};
use crate::nft::kernel::{Cmp, Data, KExpr, Reg};
use crate::nft::model::{Base, Expr, Match, Order, RawPayload, Relation, Statement, Type};
use crate::nft::tables::{Field, chain, symbol};
use crate::nft::value;

fn relation(op: Cmp) -> Relation {
    match op {
        Cmp::Eq => Relation::Equal,
        Cmp::Neq => Relation::NotEqual,
        Cmp::Lt => Relation::Less,
        Cmp::Lte => Relation::LessOrEqual,
        Cmp::Gt => Relation::Greater,
        Cmp::Gte => Relation::GreaterOrEqual,
    }
}

/// Whether the kernel, which compares bytes from the first on, compares such values as numbers.
fn is_ordered(shape: Shape) -> bool {
    shape.order == Order::Network || shape.len == 1
}

impl Lift<'_, '_> {
    pub(super) fn compare(&mut self, index: usize, sreg: Reg, op: Cmp, data: &Data) -> Option<()> {
        let cover = only(index);
        if op == Cmp::Gte {
            if let Some(KExpr::Cmp { sreg: next, op: Cmp::Lte, data: to }) = self.expressions.get(index + 1) {
                if *next == sreg && to.bytes().len() == data.bytes().len() {
                    return self.range(cover | only(index + 1), sreg, false, data, to);
                }
            }
        }
        let (value, from) = selector(self.registers.take(sreg)?)?;
        let cover = cover | from;
        let equal = matches!(op, Cmp::Eq | Cmp::Neq);
        if op == Cmp::Eq && self.split(cover, &value, data).is_some() {
            return Some(());
        }
        let found = match value.masked.as_deref().copied() {
            Some(Masked { mask, xor: 0 }) if equal => self.masked(&value, op, mask, data)?,
            None if equal => match self.short(&value, op, data) {
                Some(found) => found,
                None => self.plain(value, op, data)?,
            },
            _ => {
                let value = bits::fold(value, self.scope())?;
                if !equal && !is_ordered(value.shape) {
                    return None;
                }
                self.plain(value, op, data)?
            }
        };
        self.matched(cover, found, data)
    }

    fn plain(&self, value: Selector, op: Cmp, data: &Data) -> Option<Match> {
        if let Some(prefix) = self.leading(&value, op, data) {
            return Some(prefix);
        }
        if !constant::is_text(value.shape.ty) && u32::try_from(data.bytes().len()) != Ok(value.shape.len) {
            return None;
        }
        let right = constant(self.names, value.shape, data.bytes())?;
        let mut left = value.expr;
        // Whether there is a route is asked for by comparing with yes or no, and nft says no more of it.
        if let (Expr::Fib(fib), Expr::Bool(_)) = (&mut left, &right) {
            if fib.result == FIB_OIF {
                fib.flags &= !FIB_PRESENT;
            }
        }
        Some(Match { op: relation(op), left, right })
    }

    /// `(value & mask) == data`, as it was meant.
    fn masked(&self, value: &Selector, op: Cmp, mask: u128, data: &Data) -> Option<Match> {
        let shape = value.shape;
        if u32::try_from(data.bytes().len()) != Ok(shape.len) {
            return None;
        }
        if let Some(part) = bits::part_of(value, mask, self.scope()) {
            return self.plain(part, op, data);
        }
        let right = number::number(data.bytes(), shape.order)?;
        if constant::has_prefixes(shape.ty) && right & !mask == 0 {
            let bits = mask.count_ones();
            let below = shape.bits.checked_sub(bits)?;
            if mask == number::ones(bits).checked_shl(below).unwrap_or(0) {
                let address = constant(self.names, shape, data.bytes())?;
                let right = Expr::Prefix(Box::new(address), bits);
                return Some(Match { op: relation(op), left: value.expr.clone(), right });
            }
        }
        if (symbol::is_flags(shape.ty) || shape.ty == Type::CtLabel) && right == 0 && mask != 0 {
            let op = if op == Cmp::Neq { Relation::In } else { Relation::NotIn };
            let right = value::as_list(constant::operand(self.names, shape, mask)?);
            return Some(Match { op, left: value.expr.clone(), right });
        }
        self.plain(bits::fold(value.clone(), self.scope())?, op, data)
    }

    /// The leading bytes of an address only: a prefix.
    fn short(&self, value: &Selector, op: Cmp, data: &Data) -> Option<Match> {
        let ((header, begins), offset, len, tunnel) = match (&value.expr, value.place?) {
            (Expr::RawPayload(RawPayload { base, offset, len }), _) => {
                (self.context.header(*base)?, *offset, *len, None)
            }
            (Expr::Inner(tunnel, field), Place::Inside { base, offset }) if inside::is_unnamed(field) => {
                let header = self.inside.as_ref()?.header(base)?;
                (header, offset.checked_mul(8)?, value.shape.bits, Some(*tunnel))
            }
            _ => return None,
        };
        let offset = offset.checked_sub(begins)?;
        let covers = |f: &&Field| f.offset == offset && f.len > len && constant::has_prefixes(f.ty);
        let field = header.fields.iter().find(covers)?;
        let shape = Shape::new(field.ty, field.len, field.order);
        let right = self.prefix(shape, data.bytes(), len)?;
        let left = tunnel.map_or(Expr::Payload(field), |tunnel| Expr::Inner(tunnel, field));
        Some(Match { op: relation(op), left, right })
    }

    /// An address of which only the leading bytes are compared: what connection tracking knows is not loaded in part.
    fn leading(&self, value: &Selector, op: Cmp, data: &Data) -> Option<Match> {
        let (shape, len) = (value.shape, u32::try_from(data.bytes().len()).ok()?);
        let shorter = len < shape.len && len > 0;
        if !shorter || value.place.is_some() || !constant::has_prefixes(shape.ty) {
            return None;
        }
        let right = self.prefix(shape, data.bytes(), len.checked_mul(8)?)?;
        matches!(op, Cmp::Eq | Cmp::Neq).then(|| Match { op: relation(op), left: value.expr.clone(), right })
    }

    /// A prefix of whole bytes.
    fn prefix(&self, shape: Shape, leading: &[u8], bits: u32) -> Option<Expr> {
        let mut bytes = [0; 16];
        bytes.get_mut(..leading.len())?.copy_from_slice(leading);
        let address = constant(self.names, shape, bytes.get(..usize::try_from(shape.len).ok()?)?)?;
        Some(Expr::Prefix(Box::new(address), bits))
    }

    /// Several fields that were loaded as one because they lie side by side.
    fn split(&mut self, cover: Cover, value: &Selector, data: &Data) -> Option<()> {
        let (Expr::RawPayload(raw), None) = (&value.expr, &value.masked) else { return None };
        let (start, end) = self.claim(cover, 0)?;
        if u32::try_from(data.bytes().len()).ok()?.checked_mul(8)? != raw.len {
            return None;
        }
        let (mut context, mut trail, mut removed) = (self.context, self.trail, 0);
        let (mut rest, mut offset, mut from) = (data.bytes(), raw.offset, start);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (field, bytes, behind) = piece(&context, raw.base, offset, rest)?;
            let right = constant(self.names, Shape::new(field.ty, field.len, field.order), bytes)?;
            let is = dependency(&context, &Expr::Payload(field), number::big(bytes)?);
            let statement =
                Statement::Match(Match { op: Relation::Equal, left: Expr::Payload(field), right });
            let superfluous = trail.settle(&statement, (from, end), &mut context, is)?;
            if from == start {
                removed = superfluous;
            } else if superfluous > 0 {
                return None;
            }
            learn(&mut context, field, bytes);
            pieces.push(statement);
            (rest, offset, from) = (behind, offset.checked_add(field.len)?, end);
        }
        let kept = self.out.len().checked_sub(removed)?;
        if kept + pieces.len() > self.starts.len() {
            return None;
        }
        self.out.truncate(kept);
        for piece in pieces {
            self.add(start, piece)?;
        }
        (self.context, self.trail) = (context, trail);
        self.done |= cover;
        Some(())
    }

    pub(super) fn range(&mut self, cover: Cover, sreg: Reg, not: bool, from: &Data, to: &Data) -> Option<()> {
        let (value, sources) = selector(self.registers.take(sreg)?)?;
        let value = bits::fold(value, self.scope())?;
        let sizes = [from, to].map(|data| u32::try_from(data.bytes().len()));
        if sizes != [Ok(value.shape.len); 2] || !is_ordered(value.shape) {
            return None;
        }
        let right = constant::range(self.names, value.shape, from.bytes(), to.bytes(), false)?;
        let op = if not { Relation::NotEqual } else { Relation::Equal };
        let (op, right) = match (value.shape.ty, right) {
            // Hours past midnight: not between the end and the beginning.
            (Type::TimeHour, Expr::Range(sides)) if not => {
                let [from, to] = *sides;
                (Relation::In, Expr::Range(Box::new([to, from])))
            }
            (_, right) => (op, right),
        };
        self.push(cover | sources, Statement::Match(Match { op, left: value.expr, right }))
    }

    /// Puts a comparison in that may be a dependency of what follows, and learns from it.
    fn matched(&mut self, cover: Cover, found: Match, data: &Data) -> Option<()> {
        let constant = found.op == Relation::Equal && !matches!(found.right, Expr::Prefix(..));
        let is = match constant {
            true => number::big(data.bytes()).and_then(|value| dependency(&self.context, &found.left, value)),
            false => None,
        };
        let (field, inside) = match found.left {
            Expr::Payload(field) if constant => (Some(field), None),
            Expr::Inner(_, field) if constant => (None, Some(field)),
            _ => (None, None),
        };
        let (start, end) = self.stand(cover, Statement::Match(found), is)?;
        if let Some(field) = field {
            learn(&mut self.context, field, data.bytes());
        }
        if let Some(field) = inside {
            self.learn_inside(field, data.bytes(), start, end);
        }
        Some(())
    }
}

/// The first field of what was loaded, its bytes, and the others.
fn piece<'d>(
    context: &Context,
    base: Base,
    offset: u32,
    rest: &'d [u8],
) -> Option<(&'static Field, &'d [u8], &'d [u8])> {
    (1..=rest.len()).find_map(|size| {
        let field = context.field(base, offset, u32::try_from(size).ok()?.checked_mul(8)?)?;
        let (bytes, behind) = rest.split_at_checked(size)?;
        Some((field, bytes, behind))
    })
}

/// What such a comparison is to those that follow. The number is that of the bytes from the first on.
pub(super) fn dependency(context: &Context, left: &Expr, value: u128) -> Option<Dependency> {
    let (short, byte) = (u16::try_from(value).ok(), u8::try_from(value).ok());
    match left {
        Expr::Meta(key) => match key.number {
            chain::META_PROTOCOL => short.map(Dependency::MetaProtocol),
            chain::META_NFPROTO => byte.map(Dependency::NfProto),
            chain::META_L4PROTO => byte.map(Dependency::L4),
            chain::META_IIFTYPE => (short? == chain::ARPHRD_ETHER.to_be()).then_some(Dependency::Ether),
            _ => None,
        },
        Expr::Payload(field) => match (field.protocol, field.name) {
            ("ether", "type") => short.map(|number| Dependency::LinkType(0, number)),
            ("vlan", "type") => short.map(|number| Dependency::LinkType(context.tags, number)),
            ("icmp" | "icmpv6", "type") => byte.map(Dependency::Message),
            _ => None,
        },
        _ => None,
    }
}

/// What a field of a known value says about the headers behind it.
pub(super) fn learn(context: &mut Context, field: &Field, bytes: &[u8]) {
    if let (("ip", "protocol") | ("ip6", "nexthdr"), [number]) = ((field.protocol, field.name), bytes) {
        context.l4 = Some(*number);
    }
}
