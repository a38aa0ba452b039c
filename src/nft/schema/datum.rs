//! What the keys of sets and the data of maps are made of: named types, or the types of an expression (`typeof`).
#![forbid(unsafe_code)]

use super::expr;
use super::place::{Place, Read};
use crate::error::Why;
use crate::limits::NFT_PARTS_MAX;
use crate::nft::model::{
    Datum, Expr, Family, Fib, Ipsec, MapData, ObjectKind, Order, Part, Rt, Socket, Type,
};
use crate::nft::object::types::width;
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// Kinds of objects that a map can map to.
const OBJECTS: &[(&str, ObjectKind)] = &[
    ("counter", ObjectKind::Counter),
    ("quota", ObjectKind::Quota),
    ("limit", ObjectKind::Limit),
    ("ct helper", ObjectKind::CtHelper),
    ("ct timeout", ObjectKind::CtTimeout),
    ("ct expectation", ObjectKind::CtExpectation),
    ("secmark", ObjectKind::Secmark),
    ("synproxy", ObjectKind::Synproxy),
];

/// A name, a list of names, or `#{typeof => Expression}`.
pub(super) fn read(at: &Place<'_>, term: Term<'_>, family: Family) -> Read<Datum> {
    match term {
        Term::Map(_) => {
            let (key, value) = at.only(term, &["typeof"])?;
            let at = at.key(key);
            let of = expr::read(&at, value)?;
            let mut parts = Vec::new();
            match &of {
                Expr::Concat(all) => {
                    for (n, one) in (1..).zip(all) {
                        let at = at.key("concat");
                        parts.push(part(&at.index(n), one, family)?);
                    }
                }
                one => parts.push(part(&at, one, family)?),
            }
            Ok(Datum { parts, of: Some(of) })
        }
        Term::List(_) => {
            let names = at.list(term, NFT_PARTS_MAX)?;
            let parts: Read<Vec<Part>> =
                (1..).zip(names).map(|(n, name)| named(&at.index(n), name)).collect();
            Ok(Datum { parts: parts?, of: None })
        }
        _ => Ok(Datum { parts: vec![named(at, term)?], of: None }),
    }
}

/// What a map maps to.
pub(super) fn read_data(at: &Place<'_>, term: Term<'_>, family: Family) -> Read<MapData> {
    let word = crate::wire::schema::word(&term);
    if word == Some(b"verdict") {
        return Ok(MapData::Verdicts);
    }
    match OBJECTS.iter().find(|(name, _)| word == Some(name.as_bytes())) {
        Some((_, kind)) => Ok(MapData::Objects(*kind)),
        None => read(at, term, family).map(MapData::Values),
    }
}

fn named(at: &Place<'_>, term: Term<'_>) -> Read<Part> {
    let ty = at.among(
        term,
        || Type::ALL.iter().map(|ty| ty.name()).collect(),
        |word| Type::ALL.iter().copied().find(|ty| ty.name().as_bytes() == word),
    )?;
    part_of_type(ty).ok_or_else(|| at.error(Why::Expected("typeof")))
}

fn part(at: &Place<'_>, expr: &Expr, family: Family) -> Read<Part> {
    part_of(expr, family).ok_or_else(|| at.error(Why::Expected("expression")))
}

/// A type whose name says how wide it is.
fn part_of_type(ty: Type) -> Option<Part> {
    let (bits, order) = width(ty);
    if bits == 0 { None } else { Some(Part { ty, bits, order }) }
}

/// What the value of an expression is, in a table of that family. Nothing for constants, for what has several parts, and for
/// what the family does not decide.
#[must_use]
pub fn part_of(expr: &Expr, family: Family) -> Option<Part> {
    use Order::{Host, Network};
    let (ty, bits, order) = match expr {
        Expr::Payload(field) | Expr::Inner(_, field) => (field.ty, field.len, field.order),
        Expr::RawPayload(raw) => (Type::Integer, raw.len, Network),
        Expr::RawOption(raw) if raw.len > 0 => (Type::Integer, raw.len, Network),
        Expr::Exthdr(_, Some(field)) => (field.ty, field.len, Network),
        Expr::RawOption(_) | Expr::Exthdr(_, None) => (Type::Boolean, 8, Host),
        Expr::Meta(key) => (key.ty, key.bits, key.order),
        Expr::Ct(ct) if ct.key.bits > 0 => (ct.key.ty, ct.key.bits, ct.key.order),
        Expr::Ct(_) => address(family)?,
        Expr::Rt(rt) => route(*rt, family)?,
        Expr::Socket(Socket { key, .. }) => match key {
            1 => (Type::Mark, 32, Host),
            3 => (Type::CgroupV2, 64, Host),
            _ => (Type::Integer, 8, Host),
        },
        Expr::Osf(_) => (Type::String, 128, Host),
        Expr::Fib(fib) => route_of(*fib),
        Expr::Ipsec(Ipsec { key, .. }) => match key {
            1 | 3 => (Type::Ipv4Addr, 32, Network),
            2 | 4 => (Type::Ipv6Addr, 128, Network),
            5 => (Type::Integer, 32, Host),
            _ => (Type::Integer, 32, Network),
        },
        Expr::Numgen(_) | Expr::Jhash(_) | Expr::Symhash(_) => (Type::Integer, 32, Host),
        Expr::Binop(_, both) => {
            let [left, _] = &**both;
            return part_of(left, family);
        }
        _ => return None,
    };
    Some(Part { ty, bits, order })
}

fn address(family: Family) -> Option<(Type, u32, Order)> {
    match family {
        Family::Ip => Some((Type::Ipv4Addr, 32, Order::Network)),
        Family::Ip6 => Some((Type::Ipv6Addr, 128, Order::Network)),
        _ => None,
    }
}

fn route(rt: Rt, family: Family) -> Option<(Type, u32, Order)> {
    match rt.key {
        0 => Some((Type::Realm, 32, Order::Host)),
        1 => address(rt.family.unwrap_or(family)),
        2 => address(Family::Ip6),
        3 => Some((Type::Integer, 16, Order::Host)),
        _ => Some((Type::Boolean, 8, Order::Host)),
    }
}

fn route_of(fib: Fib) -> (Type, u32, Order) {
    match fib.result {
        1 if fib.flags & super::kernel::FIB_PRESENT != 0 => (Type::Boolean, 8, Order::Host),
        1 => (Type::IfaceIndex, 32, Order::Host),
        2 => (Type::Ifname, 128, Order::Host),
        _ => (Type::FibAddrtype, 32, Order::Host),
    }
}

/// Writes the key of a set: as it was declared.
pub(super) fn write(datum: &Datum, w: &mut Writer) {
    match &datum.of {
        Some(of) => {
            w.map(1);
            w.atom(atoms::TYPEOF);
            expr::write(of, w);
        }
        None => write_names(&datum.parts, w),
    }
}

fn write_names(parts: &[Part], w: &mut Writer) {
    match parts {
        [part] => w.text(part.ty.name()),
        parts => {
            w.list(parts.len());
            if !parts.is_empty() {
                parts.iter().for_each(|part| w.text(part.ty.name()));
                w.nil();
            }
        }
    }
}

/// Writes what a map maps to. nft prints the names of the types, also of those that were declared by an expression; where they do
/// not say how wide they are, that would be lost.
pub(super) fn write_data(data: &MapData, w: &mut Writer) {
    match data {
        MapData::Verdicts => w.text("verdict"),
        MapData::Objects(kind) => w.text(super::statement::object_key(*kind).name()),
        MapData::Values(datum) | MapData::Ranges(datum) => {
            let named = datum.parts.iter().all(|part| part_of_type(part.ty).as_ref() == Some(part));
            if named { write_names(&datum.parts, w) } else { write(datum, w) }
        }
    }
}
