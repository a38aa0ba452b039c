//! What is read from a packet: fields of headers, options and chunks, and what the kernel keeps beside its bytes.
#![forbid(unsafe_code)]

use super::place::{Place, Read};
use crate::error::Why;
use crate::nft::model::{Base, Ct, Direction, Expr, RawOption, RawPayload};
use crate::nft::tables::{
    self, CT_KEYS, Field, Header, HeaderField, HeaderKind, KeyRow, META_KEYS, Tunnel, ct_named, dccp_option,
    meta_named,
};
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

const BASES: &[(&str, Base)] =
    &[("ll", Base::Link), ("nh", Base::Network), ("th", Base::Transport), ("ih", Base::Inner)];

const TUNNELS: &[(&str, Tunnel)] =
    &[("vxlan", Tunnel::Vxlan), ("geneve", Tunnel::Geneve), ("gre", Tunnel::Gre), ("gretap", Tunnel::Gretap)];

const DIRECTIONS: &[(&str, Direction)] = &[("original", Direction::Original), ("reply", Direction::Reply)];

/// Bits that an offset can skip: bytes of an offset have 16 bits in the kernel at most.
const OFFSET_MAX: u64 = 8 * 65_535 + 7;

/// Bits of all registers together.
const BITS_MAX: u64 = 512;

pub(super) fn read_payload(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [protocol, field, tunnel, base, offset, len] =
        at.fields(value, ["protocol", "field", "tunnel", "base", "offset", "len"])?;
    if let Some(base) = base {
        let named = [(protocol, "protocol"), (field, "field"), (tunnel, "tunnel")];
        none_beside(at, "base", &named)?;
        let base = at.key("base").keyword(base, BASES)?;
        let (offset, len) = place(at, offset, len, 1)?;
        return Ok(Expr::RawPayload(RawPayload { base, offset, len }));
    }
    none_beside(at, "protocol", &[(offset, "offset"), (len, "len")])?;
    let protocol = at.key("protocol").word(at.needed(protocol, "protocol")?)?;
    let name = at.key("field").word(at.needed(field, "field")?)?;
    let tunnel = at.optional(tunnel, "tunnel", |at, word| at.keyword(word, TUNNELS))?;
    let Some(field) = tables::field(protocol, name) else {
        return Err(match std::str::from_utf8(protocol).ok().and_then(tables::protocol) {
            Some(known) => {
                at.key("field").misspelt(name, &known.fields.iter().map(|f| f.name).collect::<Vec<_>>())
            }
            None => {
                let known: Vec<&str> = tables::PROTOCOLS.iter().map(|protocol| protocol.name).collect();
                at.key("protocol").misspelt(protocol, &known)
            }
        });
    };
    Ok(tunnel.map_or(Expr::Payload(field), |tunnel| Expr::Inner(tunnel, field)))
}

/// `offset` and `len`, in bits.
fn place(at: &Place<'_>, offset: Option<Term<'_>>, len: Option<Term<'_>>, least: u64) -> Read<(u32, u32)> {
    let offset = at.key("offset").uint(at.needed(offset, "offset")?, OFFSET_MAX)?;
    let len = at.key("len").between(at.needed(len, "len")?, least, BITS_MAX)?;
    let narrow = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Ok((narrow(offset), narrow(len)))
}

/// Refuses values that cannot stand beside that of `key`.
pub(super) fn none_beside(
    at: &Place<'_>,
    key: &'static str,
    others: &[(Option<Term<'_>>, &'static str)],
) -> Read<()> {
    match others.iter().find(|(value, _)| value.is_some()) {
        Some((_, other)) => Err(at.key(other).error(Why::Excludes(key))),
        None => Ok(()),
    }
}

/// A header, option or chunk; `key` says of which kind.
pub(super) fn read_header(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Expr> {
    match key {
        "tcp option" => read_tcp_option(at, value),
        "dccp option" => {
            let [number] = at.fields(value, ["type"])?;
            let at = at.key("type");
            let number = at.u8(at.needed(number, "type")?)?;
            let header = dccp_option(number).ok_or_else(|| at.error(Why::Range(0, 255)))?;
            Ok(Expr::Exthdr(header, None))
        }
        _ => {
            let kind = match key {
                "exthdr" => HeaderKind::Ipv6,
                "ip option" => HeaderKind::IpOption,
                _ => HeaderKind::SctpChunk,
            };
            let [name, field] = at.fields(value, ["name", "field"])?;
            named(at, kind, at.needed(name, "name")?, field)
        }
    }
}

fn read_tcp_option(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [name, field, base, offset, len] = at.fields(value, ["name", "field", "base", "offset", "len"])?;
    if let Some(base) = base {
        none_beside(at, "base", &[(name, "name"), (field, "field")])?;
        let kind = at.key("base").u8(base)?;
        // No bits at all: whether the option is there.
        let (offset, len) = place(at, offset, len, 0)?;
        return Ok(Expr::RawOption(RawOption { kind, offset, len }));
    }
    none_beside(at, "name", &[(offset, "offset"), (len, "len")])?;
    named(at, HeaderKind::TcpOption, at.needed(name, "name")?, field)
}

fn named(at: &Place<'_>, kind: HeaderKind, name: Term<'_>, field: Option<Term<'_>>) -> Read<Expr> {
    let header = at.key("name").among(
        name,
        || tables::headers(kind).iter().map(|header| header.name).collect(),
        |word| tables::header(kind, word),
    )?;
    let field = at.optional(field, "field", |at, word| {
        at.among(word, || header.fields.iter().map(|f| f.name).collect(), |word| header.field(word))
    })?;
    Ok(Expr::Exthdr(header, field))
}

pub(super) fn read_meta(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [key] = at.fields(value, ["key"])?;
    at.key("key").among(at.needed(key, "key")?, || names(META_KEYS), meta_named).map(Expr::Meta)
}

fn names(keys: &'static [KeyRow]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// The family of an address is part of the key in listings (`ip saddr`), and can be a key of its own in requests.
pub(super) fn read_ct(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [key, dir, family] = at.fields(value, ["key", "dir", "family"])?;
    let key = at.needed(key, "key")?;
    let direction = at.optional(dir, "dir", |at, word| at.keyword(word, DIRECTIONS))?;
    let family = at.optional(family, "family", |at, word| {
        at.keyword(word, &[("ip", b"ip ".as_slice()), ("ip6", b"ip6 ")])
    })?;
    let key = at.key("key").among(
        key,
        || names(CT_KEYS),
        |word| match family {
            Some(family) => ct_named(&[family, word].concat()),
            None => ct_named(word),
        },
    )?;
    Ok(Expr::Ct(Ct { key, direction }))
}

/// Writes what is read above.
pub(super) fn write(expr: &Expr, w: &mut Writer) {
    match expr {
        Expr::Payload(field) => write_field(None, field, w),
        Expr::Inner(tunnel, field) => write_field(word_of(TUNNELS, *tunnel), field, w),
        Expr::RawPayload(raw) => {
            w.map(1);
            w.atom(atoms::PAYLOAD);
            w.map(3);
            w.atom(atoms::BASE);
            // The kernel takes a base behind a tunnel's header, and no program writes it.
            w.text(word_of(BASES, raw.base).unwrap_or("tunnel"));
            write_place(raw.offset, raw.len, w);
        }
        Expr::Exthdr(header, field) => write_header(header, *field, w),
        Expr::RawOption(raw) => {
            w.map(1);
            w.atom(atoms::TCP_OPTION);
            w.map(3);
            w.atom(atoms::BASE);
            w.uint(u64::from(raw.kind));
            write_place(raw.offset, raw.len, w);
        }
        Expr::Meta(key) => {
            w.map(1);
            w.atom(atoms::META);
            w.map(1);
            w.atom(atoms::KEY);
            w.text(key.name);
        }
        Expr::Ct(ct) => {
            let direction = ct.direction.and_then(|d| word_of(DIRECTIONS, d));
            w.map(1);
            w.atom(atoms::CT);
            w.map(1 + usize::from(direction.is_some()));
            w.atom(atoms::KEY);
            w.text(ct.key.name);
            if let Some(word) = direction {
                w.atom(atoms::DIR);
                w.text(word);
            }
        }
        // All others are written by those who call this.
        _ => w.atom(atoms::NULL),
    }
}

/// The word of a table that has a meaning.
pub(super) fn word_of<T: Copy + PartialEq>(
    table: &'static [(&'static str, T)],
    meaning: T,
) -> Option<&'static str> {
    table.iter().find(|(_, m)| *m == meaning).map(|(word, _)| *word)
}

fn write_field(tunnel: Option<&str>, field: &Field, w: &mut Writer) {
    w.map(1);
    w.atom(atoms::PAYLOAD);
    w.map(2 + usize::from(tunnel.is_some()));
    w.atom(atoms::PROTOCOL);
    w.text(field.protocol);
    w.atom(atoms::FIELD);
    w.text(field.name);
    if let Some(tunnel) = tunnel {
        w.atom(atoms::TUNNEL);
        w.text(tunnel);
    }
}

fn write_place(offset: u32, len: u32, w: &mut Writer) {
    w.atom(atoms::OFFSET);
    w.uint(u64::from(offset));
    w.atom(atoms::LEN);
    w.uint(u64::from(len));
}

fn write_header(header: &Header, field: Option<&HeaderField>, w: &mut Writer) {
    w.map(1);
    w.atom(match header.kind {
        HeaderKind::Ipv6 => atoms::EXTHDR,
        HeaderKind::TcpOption => atoms::TCP_OPTION,
        HeaderKind::IpOption => atoms::IP_OPTION,
        HeaderKind::SctpChunk => atoms::SCTP_CHUNK,
        HeaderKind::DccpOption => atoms::DCCP_OPTION,
    });
    if header.kind == HeaderKind::DccpOption {
        w.map(1);
        w.atom(atoms::TYPE);
        w.uint(u64::from(header.number));
        return;
    }
    w.map(1 + usize::from(field.is_some()));
    w.atom(atoms::NAME);
    w.text(header.name);
    if let Some(field) = field {
        w.atom(atoms::FIELD);
        w.text(field.name);
    }
}
