//! Statements that rewrite addresses, and the one that answers with an error.
#![forbid(unsafe_code)]

use super::expr;
use super::flags::{NAT, NAT_TYPE};
use super::kernel::IP;
use super::packet::word_of;
use super::place::{Place, Read, is_null};
use super::statement::alone;
use crate::error::Why;
use crate::nft::model::{Expr, IcmpKind, Nat, NatKind, Reject, Statement, Type};
use crate::nft::tables::symbol;
use crate::wire::atoms::{self, Atom};
use crate::wire::term::Term;
use crate::wire::write::Writer;

const KINDS: &[(&str, NatKind)] = &[
    ("snat", NatKind::Snat),
    ("dnat", NatKind::Dnat),
    ("masquerade", NatKind::Masquerade),
    ("redirect", NatKind::Redirect),
];

pub(super) fn read(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Statement> {
    let kind = KINDS.iter().find(|(name, _)| *name == key).map_or(NatKind::Snat, |(_, kind)| *kind);
    let mut nat = Nat { kind, family: None, addr: None, port: None, flags: 0, type_flags: 0 };
    if is_null(&value) {
        return Ok(Statement::Nat(nat));
    }
    let [port, flags, addr, family, types] = match kind {
        NatKind::Snat | NatKind::Dnat => {
            at.fields(value, ["port", "flags", "addr", "family", "type_flags"])?
        }
        NatKind::Masquerade | NatKind::Redirect => {
            let [port, flags] = at.fields(value, ["port", "flags"])?;
            [port, flags, None, None, None]
        }
    };
    nat.family = at.optional(family, "family", |at, word| at.keyword(word, IP))?;
    nat.addr = at.optional(addr, "addr", expr::read)?;
    nat.port = at.optional(port, "port", expr::read)?;
    nat.flags = at.optional(flags, "flags", |at, flags| NAT.read(at, flags))?.unwrap_or(0);
    nat.type_flags = at.optional(types, "type_flags", |at, flags| NAT_TYPE.read(at, flags))?.unwrap_or(0);
    Ok(Statement::Nat(nat))
}

pub(super) fn write(nat: &Nat, w: &mut Writer) {
    let key = match nat.kind {
        NatKind::Snat => atoms::SNAT,
        NatKind::Dnat => atoms::DNAT,
        NatKind::Masquerade => atoms::MASQUERADE,
        NatKind::Redirect => atoms::REDIRECT,
    };
    let flags = nat.flags & !GIVEN;
    let keys = usize::from(nat.family.is_some())
        + usize::from(nat.addr.is_some())
        + usize::from(nat.port.is_some())
        + usize::from(flags != 0)
        + usize::from(nat.type_flags != 0);
    if keys == 0 {
        return alone(key, w);
    }
    w.map(1);
    w.atom(key);
    w.map(keys);
    if let Some(family) = nat.family {
        w.atom(atoms::FAMILY);
        w.text(family.name());
    }
    write_optional(atoms::ADDR, nat.addr.as_ref(), w);
    write_optional(atoms::PORT, nat.port.as_ref(), w);
    if flags != 0 {
        w.atom(atoms::FLAGS);
        NAT.write(flags, w);
    }
    if nat.type_flags != 0 {
        w.atom(atoms::TYPE_FLAGS);
        NAT_TYPE.write(nat.type_flags, w);
    }
}

/// That there is an address or a port, which the kernel adds itself (`NF_NAT_RANGE_MAP_IPS`, `PROTO_SPECIFIED`).
const GIVEN: u32 = 3;

/// A key and its value, where there is one.
pub(super) fn write_optional(key: Atom, value: Option<&Expr>, w: &mut Writer) {
    if let Some(value) = value {
        w.atom(key);
        expr::write(value, w);
    }
}

const REJECT: &[(&str, Option<IcmpKind>)] = &[
    ("tcp reset", None),
    ("icmp", Some(IcmpKind::V4)),
    ("icmpv6", Some(IcmpKind::V6)),
    ("icmpx", Some(IcmpKind::Either)),
];

/// The type of the codes of a kind, and the code for a port that cannot be reached, which nft(8) sends where none is given
/// (`ICMP_PORT_UNREACH`, `ICMPV6_PORT_UNREACH`, `NFT_REJECT_ICMPX_PORT_UNREACH`).
fn codes(kind: IcmpKind) -> (Type, u8) {
    match kind {
        IcmpKind::V4 => (Type::IcmpCode, 3),
        IcmpKind::V6 => (Type::Icmpv6Code, 4),
        IcmpKind::Either => (Type::IcmpxCode, 1),
    }
}

pub(super) fn read_reject(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    if is_null(&value) {
        return Ok(Statement::Reject(Reject::Default));
    }
    let [kind, code] = at.fields(value, ["type", "expr"])?;
    let kind = at.key("type").keyword(at.needed(kind, "type")?, REJECT)?;
    let Some(kind) = kind else {
        return match code {
            None => Ok(Statement::Reject(Reject::TcpReset)),
            Some(_) => Err(at.key("expr").error(Why::Excludes("type"))),
        };
    };
    let (ty, usual) = codes(kind);
    let code = at.optional(code, "expr", |at, code| match code {
        Term::Integer(_) => at.u8(code),
        _ => at.meaning(code, |word| symbol::number(ty, word).and_then(|n| u8::try_from(n).ok())),
    })?;
    Ok(Statement::Reject(Reject::Icmp(kind, code.unwrap_or(usual))))
}

pub(super) fn write_reject(reject: &Reject, w: &mut Writer) {
    let kind = match reject {
        Reject::Default => return alone(atoms::REJECT, w),
        Reject::TcpReset => None,
        Reject::Icmp(kind, code) => Some((*kind, *code)),
    };
    w.map(1);
    w.atom(atoms::REJECT);
    w.map(1 + usize::from(kind.is_some()));
    w.atom(atoms::TYPE);
    w.text(word_of(REJECT, kind.map(|(kind, _)| kind)).unwrap_or_default());
    if let Some((kind, code)) = kind {
        w.atom(atoms::EXPR);
        match symbol::name(codes(kind).0, u64::from(code)) {
            Some(name) => w.text(name),
            None => w.uint(u64::from(code)),
        }
    }
}
