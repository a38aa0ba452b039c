//! Looking a register up in sets and maps.
#![forbid(unsafe_code)]

use super::constant::constant;
use super::element::{self, Target};
use super::register::{self, Cover, Mapped, Selector, Shape, Value, What, width};
use super::{Lift, bits, only};
use crate::nft::kernel::{KExpr, Reg, VERDICT};
use crate::nft::model::{
    Datum, Expr, Jhash, MapData, Match, Modulus, Order, RawElement, Relation, Set, Statement, Text, Type,
    set_flag,
};

/// `NFT_LOOKUP_F_INV`
const INVERTED: u32 = 1;
/// Parts of a concatenation.
const PARTS: usize = 16;

/// What is looked up: as it is written, how its parts are to be read, and which expressions loaded it.
pub(super) struct Key {
    pub expr: Expr,
    pub shapes: Vec<Shape>,
    pub cover: Cover,
}

/// Whether the set belongs to the rule.
pub(super) fn is_anonymous(set: &Set) -> bool {
    set.flags & set_flag::ANONYMOUS != 0
}

/// Whether it is an address of connection tracking's own family, which is only compared, never looked up.
fn without_family(key: &Expr) -> bool {
    match key {
        Expr::Ct(ct) => ct.key.bits == 0,
        Expr::Concat(parts) | Expr::List(parts) => parts.iter().any(without_family),
        Expr::Binop(_, sides) => sides.iter().any(without_family),
        _ => false,
    }
}

fn bytes_of(shapes: &[Shape]) -> usize {
    shapes.iter().map(|shape| width(shape.len) * 4).sum()
}

/// Bytes that the values of a map fill.
fn data_bytes(set: &Set) -> Option<u32> {
    let sum = |datum: &Datum| -> Option<u32> {
        let [only] = datum.parts.as_slice() else {
            let padded = datum.parts.iter().map(|part| part.bits.div_ceil(32) * 4);
            return padded.reduce(u32::saturating_add);
        };
        Some(only.bits.div_ceil(8))
    };
    match set.data.as_ref()? {
        MapData::Values(datum) => sum(datum),
        MapData::Ranges(datum) => Some(sum(datum)?.div_ceil(4).saturating_mul(8)),
        MapData::Verdicts | MapData::Objects(_) => None,
    }
}

impl Lift<'_, '_> {
    /// The set of that name, if it can be said what it holds.
    pub(super) fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])> {
        self.sets.set(name)
    }

    /// What lies in the registers from one on: as many parts as the set has, or bytes.
    pub(super) fn key(&mut self, sreg: Reg, set: Option<&Datum>, bytes: Option<u32>) -> Option<Key> {
        let parts = set.map(|datum| datum.parts.as_slice());
        let mut slot = register::slot(sreg)?;
        let first = slot;
        let (mut exprs, mut shapes, mut cover) = (Vec::new(), Vec::new(), 0);
        loop {
            let reg = Reg::try_from(slot).ok()?.checked_add(crate::nft::kernel::REG32_00)?;
            let value = self.registers.take(reg)?;
            cover |= value.from;
            let (expr, shape) = match value.what {
                What::Selector(selector) => {
                    let selector = bits::fold(selector, self.scope())?;
                    (selector.expr, selector.shape)
                }
                What::Data(data) => {
                    let part = parts?.get(exprs.len())?;
                    let shape = Shape::new(part.ty, part.bits, part.order);
                    (constant(self.names, shape, data.bytes())?, shape)
                }
                What::Mapped(_) => return None,
            };
            slot += width(value.len);
            exprs.push(expr);
            shapes.push(shape);
            let full = match (parts, bytes) {
                (Some(parts), _) => exprs.len() >= parts.len(),
                (None, Some(bytes)) => slot - first >= width(bytes),
                (None, None) => self.registers.at(slot).is_none(),
            };
            if full || exprs.len() >= PARTS {
                break;
            }
        }
        let expr = if exprs.len() == 1 { exprs.pop()? } else { Expr::Concat(exprs) };
        Some(Key { expr, shapes, cover })
    }

    /// What a rule says of a set: its name, or its elements if it is anonymous.
    pub(super) fn contents(&self, name: &[u8], shapes: &[Shape], target: &Target<'_>) -> Option<Expr> {
        match self.set(name) {
            Some((set, elements)) if is_anonymous(set) => {
                Some(Expr::Set(element::all(self.names, set, elements, shapes, target)?))
            }
            None if name.starts_with(b"__") => None,
            _ => Some(Expr::SetRef(Text::Owned(name.to_vec()))),
        }
    }

    pub(super) fn lookup(
        &mut self,
        index: usize,
        name: &[u8],
        sreg: Reg,
        dreg: Option<Reg>,
        flags: u32,
    ) -> Option<()> {
        let sets = self.sets;
        let set = sets.set(name);
        let key = self.key(sreg, set.map(|(set, _)| &set.key), None)?;
        if without_family(&key.expr) {
            return None;
        }
        let cover = key.cover | only(index);
        let inverted = flags == INVERTED;
        match dreg {
            _ if flags & !INVERTED != 0 || inverted && dreg.is_some() => None,
            None => self.member(cover, name, key, inverted),
            Some(VERDICT) => {
                let map = self.contents(name, &key.shapes, &Target::Verdicts)?;
                self.push(cover, Statement::Vmap(key.expr, map))
            }
            Some(dreg) => {
                let len = data_bytes(set?.0)?;
                let mapped = Mapped { key: key.expr, shapes: key.shapes, set: name.to_vec() };
                let what = What::Mapped(Box::new(mapped));
                self.registers.put(dreg, Value { what, len, from: cover })
            }
        }
    }

    /// Whether a value is in a set.
    fn member(&mut self, cover: Cover, name: &[u8], key: Key, inverted: bool) -> Option<()> {
        let right = self.contents(name, &key.shapes, &Target::None)?;
        let op = if inverted { Relation::NotEqual } else { Relation::Equal };
        let types = match key.expr {
            Expr::Payload(field) if !inverted && matches!(field.ty, Type::IcmpType | Type::Icmpv6Type) => {
                Some(self.types(name))
            }
            _ => None,
        };
        self.push(cover, Statement::Match(Match { op, left: key.expr, right }))?;
        if let Some(types) = types {
            self.context.set_types(&types);
        }
        Some(())
    }

    /// The types of ICMP that a set of the rule holds, if it says which.
    fn types(&self, name: &[u8]) -> Vec<u8> {
        match self.set(name) {
            Some((set, elements)) if is_anonymous(set) && set.flags & set_flag::INTERVAL == 0 => {
                element::bytes(elements).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The value of a map as an expression, its data read as the consumer wants them.
    pub(super) fn mapped(&self, mapped: Mapped, target: &Target<'_>) -> Option<Expr> {
        let map = self.contents(&mapped.set, &mapped.shapes, target)?;
        Some(Expr::Map(Box::new([mapped.key, map])))
    }

    /// `jhash`; that of the packet loads like others.
    pub(super) fn hash(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::Hash { sreg: Some(sreg), dreg, len, modulus, seed, offset, kind: 0 } = expression else {
            return None;
        };
        let key = self.key(*sreg, None, Some(*len))?;
        let size = u32::try_from(bytes_of(&key.shapes)).ok()?;
        let exact = matches!(key.shapes.as_slice(), [only] if only.len == *len);
        if size != *len && !exact {
            return None;
        }
        let modulus = Modulus { modulus: *modulus, offset: *offset };
        let expr = Expr::Jhash(Box::new(Jhash { expr: key.expr, modulus, seed: *seed }));
        let shape = Shape::new(Type::Integer, 32, Order::Host);
        let what = What::Selector(Selector { expr, shape, place: None, masked: None });
        self.registers.put(*dreg, Value { what, len: 4, from: key.cover | only(index) })
    }
}
