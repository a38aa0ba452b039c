//! The expression that a set was declared with (`typeof`), as nft leaves it in the set's user data: the number of a kind of
//! expression and records of that kind's own. Only what this program has words for is read; anything else, and anything that
//! does not fit the set, is no `typeof`, and the set's types remain. No depth but that of one concatenation is followed.
#![forbid(unsafe_code)]

use super::userdata::{Records, find, number, put, put_number};
use super::{Unfit, types};
use crate::nft::model::{
    Base, Ct, Direction, Expr, Family, Fib, Ipsec, Order, Osf, Part, RawPayload, Rt, Socket, Type,
};
use crate::nft::tables::{Field, ct_numbered, meta_numbered, protocol};

/// `typeof`'s own records: the kind of expression, and its data.
const KIND: u8 = 0;
const DATA: u8 = 1;

/// Kinds of expressions: numbers of nft's, seen in what it writes.
mod kind {
    pub const VERDICT: u32 = 1;
    pub const PAYLOAD: u32 = 7;
    pub const META: u32 = 9;
    pub const SOCKET: u32 = 10;
    pub const OSF: u32 = 11;
    pub const CT: u32 = 12;
    pub const CONCAT: u32 = 13;
    pub const RT: u32 = 25;
    pub const FIB: u32 = 26;
    pub const XFRM: u32 = 27;
}

/// Headers by their numbers in `typeof` of a payload.
const HEADERS: &[(u32, &str)] = &[
    (1, "ah"),
    (2, "esp"),
    (3, "comp"),
    (4, "icmp"),
    (5, "igmp"),
    (6, "udp"),
    (7, "udplite"),
    (8, "tcp"),
    (9, "dccp"),
    (10, "sctp"),
    (11, "th"),
    (12, "ip"),
    (13, "ip6"),
    (14, "icmpv6"),
    (15, "arp"),
    (16, "vlan"),
    (17, "ether"),
];

/// The highest keys: `NFT_SOCKET_CGROUPV2`, `NFT_RT_XFRM` (nf_tables.h).
const SOCKET_CGROUPV2: u8 = 3;
const RT_XFRM: u8 = 4;

/// `NFT_FIB_RESULT_OIF` to `_ADDRTYPE`, and all `NFTA_FIB_F_*`.
const FIB_RESULTS: std::ops::RangeInclusive<u8> = 1..=3;
const FIB_FLAGS: u32 = 0x3f;

/// `NFT_XFRM_KEY_DADDR_IP4` to `_SPI`.
const XFRM_KEYS: std::ops::RangeInclusive<u8> = 1..=6;

/// No direction in `typeof` of a `ct`.
const NO_DIRECTION: u32 = u32::MAX;

/// Parts of a concatenation: the number of a set's types holds five.
const PARTS_MAX: usize = 5;

/// An expression, and what its values are where that says more than the set's types do.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The expression.
    pub expr: Expr,
    /// Its parts; nothing where the set's types say enough.
    pub parts: Option<Vec<Part>>,
}

/// Reads the record of a set.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Declared> {
    if number(bytes, KIND)? != kind::CONCAT {
        let (expr, part) = one(bytes)?;
        return Some(Declared { expr, parts: part.map(|part| vec![part]) });
    }
    let (mut exprs, mut parts) = (Vec::new(), Vec::new());
    // Each part is a record of its place, holding kind and data.
    for (at, (place, part)) in Records::new(find(bytes, DATA)?).enumerate() {
        if usize::from(place) != at || at >= PARTS_MAX {
            return None;
        }
        let (expr, part) = one(part)?;
        exprs.push(expr);
        parts.push(part);
    }
    // nft writes an empty concatenation where types were named instead.
    if exprs.len() < 2 {
        return None;
    }
    Some(Declared { expr: Expr::Concat(exprs), parts: parts.into_iter().collect() })
}

fn one(bytes: &[u8]) -> Option<(Expr, Option<Part>)> {
    let data = find(bytes, DATA).unwrap_or(&[]);
    let small = |kind| u8::try_from(number(data, kind)?).ok();
    let expr = match number(bytes, KIND)? {
        kind::PAYLOAD => return payload(data),
        kind::META => {
            let row = meta_numbered(number(data, 0)?)?;
            return Some((Expr::Meta(row), part(row.ty, row.bits, row.order)));
        }
        kind::CT => {
            let key = ct_numbered(number(data, 0)?)?;
            let direction = match number(data, 1)? {
                0 => Some(Direction::Original),
                1 => Some(Direction::Reply),
                NO_DIRECTION => None,
                _ => return None,
            };
            return Some((Expr::Ct(Ct { key, direction }), part(key.ty, key.bits, key.order)));
        }
        kind::SOCKET => {
            let key = small(0).filter(|key| *key <= SOCKET_CGROUPV2)?;
            // The other keys have none.
            Expr::Socket(Socket { key, level: number(data, 1).filter(|_| key == SOCKET_CGROUPV2) })
        }
        kind::OSF => Expr::Osf(Osf { version: false, ttl: 0 }),
        kind::RT => {
            let key = small(0).filter(|key| *key <= RT_XFRM)?;
            // `NFT_RT_NEXTHOP4` and `NFT_RT_NEXTHOP6` are one word, whose meaning the family decides.
            let family = [(1, Family::Ip), (2, Family::Ip6)].into_iter().find(|(of, _)| *of == key);
            Expr::Rt(Rt { key, family: family.map(|(_, family)| family) })
        }
        kind::FIB => Expr::Fib(Fib {
            result: small(0).filter(|result| FIB_RESULTS.contains(result))?,
            flags: number(data, 1).filter(|flags| flags & !FIB_FLAGS == 0)?,
        }),
        kind::XFRM => Expr::Ipsec(Ipsec {
            key: small(0).filter(|key| XFRM_KEYS.contains(key))?,
            spnum: number(data, 1)?,
            direction: small(2).filter(|direction| *direction <= 1)?,
        }),
        _ => return None,
    };
    Some((expr, None))
}

/// Nothing where the type alone says how wide it is, or the family decides.
fn part(ty: Type, bits: u32, order: Order) -> Option<Part> {
    let bits = if bits == 0 { types::width(ty).0 } else { bits };
    (bits != 0).then_some(Part { ty, bits, order })
}

fn payload(data: &[u8]) -> Option<(Expr, Option<Part>)> {
    let (header, index) = (number(data, 0)?, number(data, 1)?);
    if header == 0 {
        // From the base by nft's numbers, which begin with 1.
        let base = [Base::Link, Base::Network, Base::Transport, Base::Inner];
        let base = *base.get(usize::try_from(number(data, 2)?.checked_sub(1)?).ok()?)?;
        let raw = RawPayload { base, offset: number(data, 3)?, len: number(data, 4)? };
        return Some((Expr::RawPayload(raw), part(Type::Integer, raw.len, Order::Network)));
    }
    let name = HEADERS.iter().find(|(number, _)| *number == header)?.1;
    let header = protocol(name)?;
    let field = header.fields.iter().enumerate().find(|(at, _)| place(name, *at) == Some(index))?.1;
    let width = number(data, 4).unwrap_or(field.len);
    (width == field.len).then(|| (Expr::Payload(field), part(field.ty, field.len, field.order)))
}

/// The number of a field in `typeof`, from its place among the fields of its header: the next one, but for a few.
fn place(header: &str, at: usize) -> Option<u32> {
    let at = match (header, at) {
        ("igmp", 1) => 2,
        ("igmp", 2) => 1,
        // A field of the header that is no longer one stands before the identifier.
        ("vlan", 2..) => at.checked_add(1)?,
        _ => at,
    };
    u32::try_from(at.checked_add(1)?).ok()
}

/// The record of a set; nothing if this program does not know how nft writes the expression, or it has no room.
///
/// # Errors
/// If it is too long for user data.
pub fn write(expr: &Expr) -> Result<Option<Vec<u8>>, Unfit> {
    let Expr::Concat(exprs) = expr else { return write_one(expr) };
    let mut all = Vec::new();
    for (at, expr) in (0_u8..).zip(exprs) {
        let Some(one) = write_one(expr)? else { return Ok(None) };
        put(&mut all, at, &one)?;
    }
    wrapped(kind::CONCAT, &all).map(Some)
}

/// The record of a map to verdicts, which are of one kind only.
///
/// # Errors
/// None; those of [`write`].
pub fn verdict() -> Result<Vec<u8>, Unfit> {
    wrapped(kind::VERDICT, &[])
}

fn wrapped(kind: u32, data: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut out = Vec::new();
    put_number(&mut out, KIND, kind)?;
    put(&mut out, DATA, data)?;
    Ok(out)
}

fn write_one(expr: &Expr) -> Result<Option<Vec<u8>>, Unfit> {
    let (kind, numbers): (u32, Vec<(u8, u32)>) = match expr {
        Expr::Payload(field) => match numbers(field) {
            Some(numbers) => (kind::PAYLOAD, numbers),
            None => return Ok(None),
        },
        Expr::RawPayload(raw) => {
            let base = u32::from(raw.base as u8).saturating_add(1);
            (kind::PAYLOAD, vec![(0, 0), (1, 0), (2, base), (3, raw.offset), (4, raw.len)])
        }
        Expr::Meta(row) => (kind::META, vec![(0, row.number)]),
        Expr::Ct(ct) => {
            let direction = ct.direction.map_or(NO_DIRECTION, |d| u32::from(d as u8));
            (kind::CT, vec![(0, ct.key.number), (1, direction)])
        }
        Expr::Socket(socket) => {
            let level = socket.level.map(|level| (1, level));
            (kind::SOCKET, std::iter::once((0, u32::from(socket.key))).chain(level).collect())
        }
        Expr::Osf(Osf { version: false, .. }) => (kind::OSF, Vec::new()),
        Expr::Rt(rt) => (kind::RT, vec![(0, u32::from(rt.key))]),
        Expr::Fib(fib) => (kind::FIB, vec![(0, u32::from(fib.result)), (1, fib.flags)]),
        Expr::Ipsec(sec) => {
            (kind::XFRM, vec![(0, u32::from(sec.key)), (1, sec.spnum), (2, u32::from(sec.direction))])
        }
        _ => return Ok(None),
    };
    let mut data = Vec::new();
    for (record, value) in numbers {
        put_number(&mut data, record, value)?;
    }
    wrapped(kind, &data).map(Some)
}

fn numbers(field: &'static Field) -> Option<Vec<(u8, u32)>> {
    let header = HEADERS.iter().find(|(_, name)| *name == field.protocol)?.0;
    let fields = protocol(field.protocol)?.fields;
    let at = fields.iter().position(|other| other == field)?;
    let mut numbers = vec![(0, header), (1, place(field.protocol, at)?)];
    if types::width(field.ty).0 == 0 {
        numbers.push((4, field.len));
    }
    Some(numbers)
}
