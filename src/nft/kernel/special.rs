//! The expressions whose attributes are not a plain row of fields: `bitwise`, and those that hold others.
#![forbid(unsafe_code)]

use super::field::{Field, Fields};
use super::{BitOp, Data, KExpr, Reg, list};
use crate::netlink::attr::{Attr, Buffer, find};

/// `NFTA_BITWISE_*`
mod bitwise {
    pub(super) const SREG: u16 = 1;
    pub(super) const DREG: u16 = 2;
    pub(super) const LEN: u16 = 3;
    pub(super) const MASK: u16 = 4;
    pub(super) const XOR: u16 = 5;
    pub(super) const OP: u16 = 6;
    pub(super) const DATA: u16 = 7;
    /// Since Linux 6.13; not in older headers.
    pub(super) const SREG2: u16 = 8;
}

/// `enum nft_bitwise_ops`; the last three since Linux 6.13.
mod op {
    pub(super) const MASK_XOR: u32 = 0;
    pub(super) const LEFT: u32 = 1;
    pub(super) const RIGHT: u32 = 2;
    pub(super) const AND: u32 = 3;
    pub(super) const XOR: u32 = 5;
}

/// `NFTA_DYNSET_*`
mod dynset {
    pub(super) const SET_NAME: u16 = 1;
    pub(super) const SET_ID: u16 = 2;
    pub(super) const OP: u16 = 3;
    pub(super) const SREG_KEY: u16 = 4;
    pub(super) const SREG_DATA: u16 = 5;
    pub(super) const TIMEOUT: u16 = 6;
    pub(super) const EXPR: u16 = 7;
    pub(super) const PAD: u16 = 8;
    pub(super) const FLAGS: u16 = 9;
    pub(super) const EXPRESSIONS: u16 = 10;
}

/// `NFTA_EXTHDR_*`
mod exthdr {
    pub(super) const TYPE: u16 = 2;
    pub(super) const OFFSET: u16 = 3;
    pub(super) const LEN: u16 = 4;
    pub(super) const FLAGS: u16 = 5;
    pub(super) const OP: u16 = 6;
    pub(super) const SREG: u16 = 7;
}

/// `NFTA_OSF_*`
mod osf {
    pub(super) const DREG: u16 = 1;
    pub(super) const TTL: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
}

/// `NFTA_INNER_*`; since Linux 6.2, and not in older headers.
mod inner {
    pub(super) const NUM: u16 = 1;
    pub(super) const KIND: u16 = 2;
    pub(super) const FLAGS: u16 = 3;
    pub(super) const HDRSIZE: u16 = 4;
    pub(super) const EXPR: u16 = 5;
}

pub(super) fn name(expression: &KExpr<'_>) -> &'static [u8] {
    match expression {
        KExpr::Bitwise { .. } => b"bitwise",
        KExpr::Dynset { .. } => b"dynset",
        KExpr::Inner { .. } => b"inner",
        KExpr::Notrack => b"notrack",
        _ => b"",
    }
}

/// The expression that has no attributes at all.
pub(super) fn without_data(name: &[u8]) -> Option<KExpr<'static>> {
    (name == b"notrack").then_some(KExpr::Notrack)
}

pub(super) fn decode<'a>(name: &[u8], fields: &mut Fields<'a>, outer: bool) -> Option<KExpr<'a>> {
    match name {
        b"bitwise" => read_bitwise(fields),
        b"dynset" if outer => read_dynset(fields),
        b"inner" if outer => Some(KExpr::Inner {
            num: fields.take(inner::NUM)?,
            kind: fields.take(inner::KIND)?,
            flags: fields.take(inner::FLAGS)?,
            hdrsize: fields.take(inner::HDRSIZE)?,
            expr: fields.take(inner::EXPR)?,
        }),
        _ => None,
    }
}

pub(super) fn encode(expression: &KExpr<'_>, buffer: &mut Buffer) {
    match expression {
        KExpr::Bitwise { sreg, dreg, len, op } => {
            buffer.put_be32(bitwise::SREG, *sreg);
            buffer.put_be32(bitwise::DREG, *dreg);
            buffer.put_be32(bitwise::LEN, *len);
            write_op(op, buffer);
        }
        KExpr::Dynset { .. } => write_dynset(expression, false, buffer),
        KExpr::Inner { num, kind, flags, hdrsize, expr } => {
            buffer.put_be32(inner::NUM, *num);
            buffer.put_be32(inner::KIND, *kind);
            buffer.put_be32(inner::FLAGS, *flags);
            buffer.put_be32(inner::HDRSIZE, *hdrsize);
            expr.write(inner::EXPR, buffer);
        }
        _ => {}
    }
}

/// Whether the kernel tells more of an expression than it takes.
pub(super) fn is_told_with_more(expression: &KExpr<'_>) -> bool {
    matches!(expression, KExpr::ExthdrSet { .. } | KExpr::Osf { .. } | KExpr::Dynset { .. })
}

/// Writes what the kernel takes of such an expression.
pub(super) fn request(expression: &KExpr<'_>, buffer: &mut Buffer) {
    let flags = match expression {
        // Setting an option takes no flags, and resetting it neither flags nor a place.
        KExpr::ExthdrSet { sreg, kind, offset, len, op, flags } => {
            sreg.write(exthdr::SREG, buffer);
            kind.write(exthdr::TYPE, buffer);
            if sreg.is_some() {
                offset.write(exthdr::OFFSET, buffer);
                len.write(exthdr::LEN, buffer);
            }
            op.write(exthdr::OP, buffer);
            (exthdr::FLAGS, *flags)
        }
        // If there are flags there must be one.
        KExpr::Osf { dreg, ttl, flags } => {
            dreg.write(osf::DREG, buffer);
            ttl.write(osf::TTL, buffer);
            (osf::FLAGS, *flags)
        }
        KExpr::Dynset { .. } => return write_dynset(expression, true, buffer),
        _ => return,
    };
    if let (kind, 1..) = flags {
        buffer.put_be32(kind, flags.1);
    }
}

fn read_bitwise<'a>(fields: &mut Fields<'a>) -> Option<KExpr<'a>> {
    let (sreg, dreg) = (fields.take(bitwise::SREG)?, fields.take(bitwise::DREG)?);
    let len: u32 = fields.take(bitwise::LEN)?;
    // Kernels before 5.6 do not name the operation: they have one.
    let op = match fields.take::<Option<u32>>(bitwise::OP)?.unwrap_or(op::MASK_XOR) {
        op::MASK_XOR => BitOp::Mask(fields.take(bitwise::MASK)?, fields.take(bitwise::XOR)?),
        op::LEFT => BitOp::Left(read_shift(fields)?),
        op::RIGHT => BitOp::Right(read_shift(fields)?),
        number @ op::AND..=op::XOR => BitOp::Register(number, fields.take(bitwise::SREG2)?),
        _ => return None,
    };
    Some(KExpr::Bitwise { sreg, dreg, len, op })
}

/// The kernel keeps the number of bits in a register's form: in the order of the host.
fn read_shift(fields: &mut Fields<'_>) -> Option<u32> {
    let data: Data = fields.take(bitwise::DATA)?;
    Some(u32::from_ne_bytes(data.bytes().try_into().ok()?))
}

fn write_op(op: &BitOp, buffer: &mut Buffer) {
    let shift = |number, bits: u32, buffer: &mut Buffer| {
        buffer.put_be32(bitwise::OP, number);
        if let Some(data) = Data::new(&bits.to_ne_bytes()) {
            data.write(bitwise::DATA, buffer);
        }
    };
    match op {
        BitOp::Mask(mask, xor) => {
            buffer.put_be32(bitwise::OP, op::MASK_XOR);
            mask.write(bitwise::MASK, buffer);
            xor.write(bitwise::XOR, buffer);
        }
        BitOp::Left(bits) => shift(op::LEFT, *bits, buffer),
        BitOp::Right(bits) => shift(op::RIGHT, *bits, buffer),
        BitOp::Register(number, reg) => {
            buffer.put_be32(bitwise::OP, *number);
            buffer.put_be32(bitwise::SREG2, *reg);
        }
    }
}

fn read_dynset<'a>(fields: &mut Fields<'a>) -> Option<KExpr<'a>> {
    fields.skip(dynset::PAD);
    let sreg_key: Reg = fields.take(dynset::SREG_KEY)?;
    let sreg_data = fields.take(dynset::SREG_DATA)?;
    let op = fields.take(dynset::OP)?;
    let set = fields.take(dynset::SET_NAME)?;
    let set_id = fields.take(dynset::SET_ID)?;
    // The kernel always writes it; 0 is none.
    let timeout = fields.take::<Option<u64>>(dynset::TIMEOUT)?.filter(|timeout| *timeout != 0);
    let exprs = match fields.take::<Option<Box<KExpr<'a>>>>(dynset::EXPR)? {
        Some(expr) => vec![*expr],
        None => fields.take(dynset::EXPRESSIONS)?,
    };
    let flags = fields.take::<Option<u32>>(dynset::FLAGS)?.unwrap_or(0);
    Some(KExpr::Dynset { set, set_id, op, sreg_key, sreg_data, timeout, flags, exprs })
}

/// The name of the set, from the attributes.
pub(super) fn dynset_name(data: &[u8]) -> Option<&[u8]> {
    find(data, dynset::SET_NAME)?.text()
}

/// `asked`: as a request, which must not speak of a timeout where the set has none.
fn write_dynset(expression: &KExpr<'_>, asked: bool, buffer: &mut Buffer) {
    let KExpr::Dynset { set, set_id, op, sreg_key, sreg_data, timeout, flags, exprs } = expression else {
        return;
    };
    buffer.put_be32(dynset::SREG_KEY, *sreg_key);
    sreg_data.write(dynset::SREG_DATA, buffer);
    buffer.put_be32(dynset::OP, *op);
    set.write(dynset::SET_NAME, buffer);
    set_id.write(dynset::SET_ID, buffer);
    if asked {
        timeout.write(dynset::TIMEOUT, buffer);
    } else {
        buffer.put_be64(dynset::TIMEOUT, timeout.unwrap_or(0));
    }
    match exprs.as_slice() {
        [] => {}
        [one] => {
            let nest = buffer.nest(dynset::EXPR);
            list::write(one, buffer);
            buffer.end(nest);
        }
        _ => exprs.write(dynset::EXPRESSIONS, buffer),
    }
    buffer.put_be32(dynset::FLAGS, *flags);
}

/// Several expressions that are kept with an element: two or more, since one has an attribute of its own.
impl<'a> Field<'a> for Vec<KExpr<'a>> {
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
    fn read(attr: &Attr<'a>) -> Option<Self> {
        let (mut exprs, mut attrs) = (Self::new(), attr.attrs());
        for element in attrs.by_ref() {
            if element.kind != list::ELEMENT {
                return None;
            }
            exprs.push(list::one(element.value, false)?);
        }
        (attrs.is_whole() && exprs.len() > 1).then_some(exprs)
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        let nest = buffer.nest(kind);
        list::encode(self, buffer);
        buffer.end(nest);
    }
}
