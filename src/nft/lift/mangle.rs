//! Expressions that write: into the packet, its marks, its connection, its options, and into sets.
#![forbid(unsafe_code)]

use super::constant::constant;
use super::element::Target;
use super::register::{Cover, Masked, Place, Selector, Shape, What};
use super::{Lift, bits, number, only, source};
use crate::nft::kernel::{KExpr, Reg};
use crate::nft::model::{
    Base, Binop, Ct, Datum, Dynset, DynsetOp, Elem, Expr, Family, MapData, Order, RawOption, RawPayload,
    Statement, Text, Type,
};
use crate::nft::tables::{self, Field, HeaderKind};
use crate::nft::value;

/// `NFT_DYNSET_F_EXPR`; the kernel also tells it by the expressions themselves.
const DYNSET_EXPR: u32 = 2;
/// `NFT_PAYLOAD_CSUM_INET`
const INET: u32 = 1;
/// `NFT_PAYLOAD_CSUM_SCTP`
const SCTP: u32 = 2;
/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`
const PSEUDO: u32 = 1;

impl Lift<'_, '_> {
    /// What a register holds, as a value of that shape.
    pub(super) fn value(&mut self, reg: Reg, shape: Shape) -> Option<(Expr, Cover)> {
        let value = self.registers.take(reg)?;
        let expr = match value.what {
            What::Data(data) => {
                if u32::try_from(data.bytes().len()) != Ok(shape.len) {
                    return None;
                }
                value::as_list(constant(self.names, shape, data.bytes())?)
            }
            What::Selector(selector) => computed(bits::fold(selector, self.scope())?, shape)?,
            What::Mapped(mapped) => self.mapped(*mapped, &Target::Values(&[shape], false))?,
        };
        Some((expr, value.from))
    }

    pub(super) fn write(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let (target, (value, cover)) = match expression {
            KExpr::MetaSet { sreg, key } => {
                let key = tables::meta_numbered(*key)?;
                (Expr::Meta(key), self.value(*sreg, Shape::new(key.ty, key.bits, key.order))?)
            }
            KExpr::CtSet { sreg, key, direction } => {
                let key = tables::ct_numbered(*key)?;
                let direction = source::direction(*direction)?;
                (Expr::Ct(Ct { key, direction }), self.value(*sreg, Shape::new(key.ty, key.bits, key.order))?)
            }
            KExpr::ExthdrSet { sreg: Some(sreg), kind, offset, len, op, flags: 0 } => {
                let (offset, bits) = (offset.checked_mul(8)?, len.checked_mul(8)?);
                let (expr, ty) = source::option_expr(HeaderKind::numbered(*op)?, *kind, offset, bits)?;
                (expr, self.value(*sreg, Shape::new(ty, bits, Order::Network))?)
            }
            KExpr::ExthdrSet { sreg: None, .. } => return self.reset(index, expression),
            KExpr::PayloadSet { .. } => return self.packet(index, expression),
            _ => return None,
        };
        self.push(cover | only(index), Statement::Mangle(target, value))
    }

    fn reset(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::ExthdrSet { kind, offset: 0, len: 0, op, flags: 0, .. } = expression else { return None };
        let op = HeaderKind::numbered(*op).filter(|op| *op == HeaderKind::TcpOption)?;
        let option = match tables::option(op, *kind, 0, 0) {
            Some((header, _)) => Expr::Exthdr(header, None),
            None => Expr::RawOption(RawOption { kind: *kind, offset: 0, len: 0 }),
        };
        self.push(only(index), Statement::Reset(option))
    }

    fn packet(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::PayloadSet { sreg, base, offset, len, csum_type, csum_offset, csum_flags } = expression
        else {
            return None;
        };
        let base = source::base(*base)?;
        let (bit, bits) = (offset.checked_mul(8)?, len.checked_mul(8)?);
        let part = self.registers.get(*sreg).and_then(|value| match &value.what {
            What::Selector(selector) => self.part(selector, base, *offset, *len),
            _ => None,
        });
        let (target, value, cover) = match part {
            Some((field, value)) => (Expr::Payload(field), value, self.registers.take(*sreg)?.from),
            None => {
                let (target, shape) = match self.context.field(base, bit, bits) {
                    Some(field) => (Expr::Payload(field), Shape::new(field.ty, field.len, field.order)),
                    None => (
                        Expr::RawPayload(RawPayload { base, offset: bit, len: bits }),
                        Shape::new(Type::Integer, bits, Order::Network),
                    ),
                };
                let (value, cover) = self.value(*sreg, shape)?;
                (target, value, cover)
            }
        };
        let expected = match &target {
            Expr::Payload(field) => checksum(field),
            _ => (0, 0, 0),
        };
        if expected != (*csum_type, *csum_offset, *csum_flags) {
            return None;
        }
        self.push(cover | only(index), Statement::Mangle(target, value))
    }

    /// The field whose bits are written, where the bytes around them are loaded and written as they were.
    fn part(&self, value: &Selector, to: Base, at: u32, len: u32) -> Option<(&'static Field, Expr)> {
        let Masked { mask, xor } = *value.masked.as_deref()?;
        let Place::Packet { base, offset } = value.place? else { return None };
        if (base, offset, value.shape.len) != (to, at, len) || len > 16 {
            return None;
        }
        let cleared = number::ones(len * 8) & !mask;
        let (header, begins) = self.context.header(base)?;
        let candidates = header.fields.iter().filter_map(|field| {
            let above = (begins + field.offset).checked_sub(offset.checked_mul(8)?)?;
            let below = (len * 8).checked_sub(above)?.checked_sub(field.len)?;
            let bits = number::ones(field.len) << below;
            ((cleared | xor) & !bits == 0).then_some((field, below, bits))
        });
        let (field, below, bits) = candidates.min_by_key(|(_, _, bits)| u32::from(*bits != cleared))?;
        let shape = Shape { shift: below, len, ..Shape::new(field.ty, field.len, field.order) };
        let constant = |number| {
            let (bytes, len) = number::bytes(number, usize::try_from(len).ok()?, Order::Network);
            constant(self.names, shape, bytes.get(..len)?)
        };
        let (op, number) = match () {
            () if cleared == bits && xor & mask == 0 => return Some((field, constant(xor)?)),
            () if xor == 0 => (Binop::And, mask & bits),
            () if xor == cleared => (Binop::Or, xor),
            () if cleared == 0 => (Binop::Xor, xor),
            () => return None,
        };
        Some((field, Expr::Binop(op, Box::new([Expr::Payload(field), constant(number)?]))))
    }

    pub(super) fn dynset(&mut self, index: usize, expression: &KExpr<'_>) -> Option<()> {
        let KExpr::Dynset { set, op, sreg_key, sreg_data, timeout, flags, exprs, .. } = expression else {
            return None;
        };
        let op = match op {
            0 => DynsetOp::Add,
            1 => DynsetOp::Update,
            2 => DynsetOp::Delete,
            _ => return None,
        };
        if *flags & !DYNSET_EXPR != 0 || (*flags & DYNSET_EXPR != 0) == exprs.is_empty() {
            return None;
        }
        let sets = self.sets;
        let (header, _) = sets.set(set)?;
        let key = self.key(*sreg_key, Some(&header.key), None)?;
        let (data, more) = match (sreg_data, &header.data) {
            (None, _) => (None, 0),
            (Some(reg), Some(MapData::Values(datum))) => {
                let (data, cover) = self.dynset_data(*reg, datum)?;
                (Some(data), cover)
            }
            _ => return None,
        };
        let elem = match timeout.filter(|timeout| *timeout != 0) {
            Some(timeout) => Expr::Elem(Box::new(Elem {
                value: key.expr,
                timeout_ms: Some(timeout),
                expires_ms: None,
                comment: None,
                statements: Vec::new(),
            })),
            None => key.expr,
        };
        let statements = exprs.iter().map(super::action::stateful).collect::<Option<Vec<_>>>()?;
        let dynset = Dynset { op, elem, data, set: Text::Owned(set.to_vec()), statements };
        self.push(key.cover | more | only(index), Statement::Dynset(Box::new(dynset)))
    }

    fn dynset_data(&mut self, reg: Reg, datum: &Datum) -> Option<(Expr, Cover)> {
        let key = self.key(reg, Some(datum), None)?;
        Some((key.expr, key.cover))
    }

    /// The family whose addresses a table translates, where it has only one.
    pub(super) fn only_family(&self) -> Option<Family> {
        match self.context.family {
            family @ (Family::Ip | Family::Ip6) => Some(family),
            _ => None,
        }
    }
}

/// A computed value, where it has the order that its target wants.
fn computed(selector: Selector, target: Shape) -> Option<Expr> {
    let shape = selector.shape;
    let text = matches!(shape.ty, Type::Ifname | Type::String | Type::EtherAddr);
    let fits = shape.len == 1 || target.len == 1 || shape.order == target.order || text;
    (shape.shift == 0 && shape.len <= target.len && fits).then_some(selector.expr)
}

/// How nft has checksums kept right when a field is written: kind, place, flags of `NFTA_PAYLOAD_CSUM_*`, as `compile` has it.
fn checksum(field: &Field) -> (u32, u32, u32) {
    let pseudo = match field.protocol {
        "ip" => matches!(field.name, "length" | "protocol" | "saddr" | "daddr"),
        "ip6" => matches!(field.name, "length" | "nexthdr" | "saddr" | "daddr"),
        _ => false,
    };
    let flags = if pseudo { PSEUDO } else { 0 };
    match field.protocol {
        "ip" => (INET, 10, flags),
        "tcp" => (INET, 16, flags),
        "udp" => (INET, 6, flags),
        "icmp" | "icmpv6" | "igmp" => (INET, 2, flags),
        "sctp" => (SCTP, 8, flags),
        _ => (0, 0, flags),
    }
}
