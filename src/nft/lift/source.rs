//! Expressions that put something into a register.
#![forbid(unsafe_code)]

use super::context::Context;
use super::register::{Place, Selector, Shape, Value, What};
use crate::nft::kernel::{Immediate, KExpr, Reg};
use crate::nft::model::{
    Base, Ct, Direction, Expr, Family, Fib, Ipsec, Modulus, Numgen, Order, Osf, RawOption, RawPayload, Rt,
    Socket, Type,
};
use crate::nft::tables::chain::META_NFPROTO;
use crate::nft::tables::{self, HeaderKind};

/// `NFT_EXTHDR_F_PRESENT`
const PRESENT: u32 = 1;
/// `NFTA_FIB_F_PRESENT`
pub(super) const FIB_PRESENT: u32 = 1 << 5;
/// `NFT_FIB_RESULT_OIF`
pub(super) const FIB_OIF: u8 = 1;
/// All `NFTA_FIB_F_*` that are known.
const FIB_FLAGS: u32 = (1 << 6) - 1;
/// `NFT_HASH_SYM`
const HASH_SYM: u32 = 1;

/// The base of that number.
pub(super) fn base(number: u32) -> Option<Base> {
    Some(match number {
        0 => Base::Link,
        1 => Base::Network,
        2 => Base::Transport,
        3 => Base::Inner,
        _ => return None,
    })
}

fn selector(expr: Expr, shape: Shape, place: Option<Place>) -> What {
    What::Selector(Selector { expr, shape, place, masked: None })
}

fn plain(expr: Expr, ty: Type, bits: u32, order: Order) -> What {
    selector(expr, Shape::new(ty, bits, order), None)
}

/// What an expression loads, and where to. Nothing if it is none that loads, or is not understood.
pub(super) fn load(expression: &KExpr<'_>, context: &Context) -> Option<(Reg, What)> {
    Some(match expression {
        KExpr::Immediate { dreg, data: Immediate::Value(data) } => (*dreg, What::Data(*data)),
        KExpr::Payload { dreg, base: number, offset, len } => {
            (*dreg, packet(base(*number)?, *offset, *len, context)?)
        }
        // Asked for only where packets are of several families; elsewhere nobody could say it again.
        KExpr::Meta { key: META_NFPROTO, .. } if context.family != Family::Inet => return None,
        KExpr::Meta { dreg, key } => {
            let key = tables::meta_numbered(*key)?;
            (*dreg, plain(Expr::Meta(key), key.ty, key.bits, key.order))
        }
        KExpr::Ct { dreg, key, direction } => (*dreg, ct(*key, *direction, context.family)?),
        KExpr::Exthdr { dreg, kind, offset, len, op, flags } => {
            (*dreg, exthdr(*op, *kind, *offset, *len, *flags)?)
        }
        KExpr::Hash { dreg, sreg: None, len: 0, modulus, seed: None, offset, kind: HASH_SYM } => {
            let modulus = Modulus { modulus: *modulus, offset: *offset };
            (*dreg, plain(Expr::Symhash(modulus), Type::Integer, 32, Order::Host))
        }
        KExpr::Numgen { dreg, modulus, kind: kind @ 0..=1, offset } => {
            let modulus = Modulus { modulus: *modulus, offset: *offset };
            let numgen = Numgen { random: *kind == 1, modulus };
            (*dreg, plain(Expr::Numgen(numgen), Type::Integer, 32, Order::Host))
        }
        _ => return lookup(expression),
    })
}

/// Loads that ask the kernel's tables.
fn lookup(expression: &KExpr<'_>) -> Option<(Reg, What)> {
    Some(match expression {
        KExpr::Rt { dreg, key } => (*dreg, rt(*key)?),
        KExpr::Socket { dreg, key, level } => (*dreg, socket(*key, *level)?),
        KExpr::Fib { dreg, result, flags } => (*dreg, fib(*result, *flags)?),
        KExpr::Osf { dreg, ttl, flags: flags @ 0..=1 } => {
            let osf = Osf { version: *flags == 1, ttl: *ttl };
            (*dreg, plain(Expr::Osf(osf), Type::String, 128, Order::Host))
        }
        KExpr::Xfrm { dreg, key, direction: direction @ 0..=1, spnum } => {
            let (ty, bits, order) = match key {
                1 | 3 => (Type::Ipv4Addr, 32, Order::Network),
                2 | 4 => (Type::Ipv6Addr, 128, Order::Network),
                5 => (Type::Integer, 32, Order::Host),
                6 => (Type::Integer, 32, Order::Network),
                _ => return None,
            };
            let ipsec = Ipsec { key: u8::try_from(*key).ok()?, direction: *direction, spnum: *spnum };
            (*dreg, plain(Expr::Ipsec(ipsec), ty, bits, order))
        }
        _ => return None,
    })
}

fn packet(base: Base, offset: u32, len: u32, context: &Context) -> Option<What> {
    let (bit, bits) = (offset.checked_mul(8)?, len.checked_mul(8)?);
    let place = Some(Place::Packet { base, offset });
    Some(match context.field(base, bit, bits) {
        Some(field) => selector(Expr::Payload(field), Shape::new(field.ty, bits, field.order), place),
        None => {
            let raw = RawPayload { base, offset: bit, len: bits };
            selector(Expr::RawPayload(raw), Shape::new(Type::Integer, bits, Order::Network), place)
        }
    })
}

/// `NFT_CT_*` keys that have a direction, or may have one.
pub(super) fn direction(number: Option<u8>) -> Option<Option<Direction>> {
    Some(match number {
        None => None,
        Some(0) => Some(Direction::Original),
        Some(1) => Some(Direction::Reply),
        Some(_) => return None,
    })
}

fn ct(key: u32, way: Option<u8>, family: Family) -> Option<What> {
    let key = tables::ct_numbered(key)?;
    let (ty, bits) = match (key.bits, family) {
        (0, Family::Ip6) => (Type::Ipv6Addr, 128),
        (0, Family::Ip) => (Type::Ipv4Addr, 32),
        (0, _) => return None,
        (bits, _) => (key.ty, bits),
    };
    Some(plain(Expr::Ct(Ct { key, direction: direction(way)? }), ty, bits, key.order))
}

/// An option or extension header, or a field of one, or bits of an option that has no name.
pub(super) fn option_expr(kind: HeaderKind, number: u8, offset: u32, bits: u32) -> Option<(Expr, Type)> {
    match tables::option(kind, number, offset, bits) {
        Some((header, Some(field))) => Some((Expr::Exthdr(header, Some(field)), field.ty)),
        _ if kind == HeaderKind::TcpOption => {
            Some((Expr::RawOption(RawOption { kind: number, offset, len: bits }), Type::Integer))
        }
        _ => None,
    }
}

fn exthdr(op: u32, number: u8, offset: u32, len: u32, flags: u32) -> Option<What> {
    let kind = HeaderKind::numbered(op)?;
    if flags == PRESENT {
        // Whether it is there; the place has no meaning, and nft writes the first byte.
        if (offset, len) != (0, 1) {
            return None;
        }
        let expr = match tables::option(kind, number, 0, 0) {
            Some((header, _)) => Expr::Exthdr(header, None),
            None if kind == HeaderKind::TcpOption => {
                Expr::RawOption(RawOption { kind: number, offset: 0, len: 8 })
            }
            None => return None,
        };
        return Some(plain(expr, Type::Boolean, 8, Order::Host));
    }
    if flags != 0 {
        return None;
    }
    let (bit, bits) = (offset.checked_mul(8)?, len.checked_mul(8)?);
    let place = Some(Place::Option { kind, number, offset });
    let (expr, ty) = match option_expr(kind, number, bit, bits) {
        Some(known) => known,
        // Part of a byte may be asked for; a header without a field cannot be written alone.
        None => {
            let (header, _) = tables::option(kind, number, bit, bits)?;
            (Expr::Exthdr(header, None), Type::Integer)
        }
    };
    Some(selector(expr, Shape::new(ty, bits, Order::Network), place))
}

fn rt(key: u32) -> Option<What> {
    let (ty, bits, order, family) = match key {
        0 => (Type::Realm, 32, Order::Host, None),
        1 => (Type::Ipv4Addr, 32, Order::Network, Some(Family::Ip)),
        2 => (Type::Ipv6Addr, 128, Order::Network, Some(Family::Ip6)),
        3 => (Type::Integer, 16, Order::Host, None),
        4 => (Type::Boolean, 8, Order::Host, None),
        _ => return None,
    };
    Some(plain(Expr::Rt(Rt { key: u8::try_from(key).ok()?, family }), ty, bits, order))
}

fn socket(key: u32, level: Option<u32>) -> Option<What> {
    let (ty, bits) = match (key, level) {
        (0 | 2, None | Some(0)) => (Type::Integer, 8),
        (1, None | Some(0)) => (Type::Mark, 32),
        (3, Some(_)) => (Type::CgroupV2, 64),
        _ => return None,
    };
    let level = level.filter(|_| key == 3);
    Some(plain(Expr::Socket(Socket { key: u8::try_from(key).ok()?, level }), ty, bits, Order::Host))
}

fn fib(result: u32, flags: u32) -> Option<What> {
    if flags & !FIB_FLAGS != 0 {
        return None;
    }
    let (ty, bits) = match result {
        _ if flags & FIB_PRESENT != 0 => (Type::Boolean, 8),
        1 => (Type::IfaceIndex, 32),
        2 => (Type::Ifname, 128),
        3 => (Type::FibAddrtype, 32),
        _ => return None,
    };
    Some(plain(Expr::Fib(Fib { result: u8::try_from(result).ok()?, flags }), ty, bits, Order::Host))
}

/// A value that some expressions put into a register.
pub(super) fn value(what: What, from: u128) -> Option<Value> {
    let len = match &what {
        What::Data(data) => u32::try_from(data.bytes().len()).ok()?,
        What::Selector(selector) => selector.shape.len,
        What::Mapped(_) => return None,
    };
    Some(Value { what, len, from })
}
