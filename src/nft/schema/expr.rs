//! Expressions: constants, and what is made of others. What is read from packets and asked of the kernel stands in
//! `packet` and `kernel`.
#![forbid(unsafe_code)]

use super::place::{Place, Read, is_null, owned};
use super::{element, kernel, packet, statement};
use crate::error::Why;
use crate::limits::{NFT_LEVELS_MAX, NFT_NAME_MAX, NFT_PARTS_MAX, NFT_RULE_LIST_MAX, NFT_TEXT_MAX};
use crate::nft::model::{Binop, Expr};
use crate::wire::atoms;
use crate::wire::term::{Items, Term};
use crate::wire::write::Writer;

/// What a map of one key can be.
const KEYS: &[&str] = &[
    "payload",
    "meta",
    "ct",
    "set",
    "range",
    "prefix",
    "concat",
    "elem",
    "|",
    "&",
    "^",
    "<<",
    ">>",
    "map",
    "accept",
    "drop",
    "jump",
    "goto",
    "continue",
    "return",
    "exthdr",
    "tcp option",
    "ip option",
    "sctp chunk",
    "dccp option",
    "rt",
    "socket",
    "osf",
    "fib",
    "ipsec",
    "numgen",
    "jhash",
    "symhash",
    "tunnel",
    "opaque",
];

/// The largest prefix: of all the bytes that registers hold.
const PREFIX_MAX: u64 = 512;

/// Reads an expression.
pub(super) fn read(at: &Place<'_>, term: Term<'_>) -> Read<Expr> {
    at.count()?;
    match term {
        Term::Integer(n) => u64::try_from(n).map(Expr::Int).map_err(|_| at.error(Why::Range(0, u64::MAX))),
        Term::Atom("true") => Ok(Expr::Bool(true)),
        Term::Atom("false") => Ok(Expr::Bool(false)),
        Term::Atom(_) if is_null(&term) => Err(at.error(Why::Expected("expression"))),
        Term::Atom(word) => text(at, word.as_bytes()),
        Term::Binary(bytes) => text(at, bytes),
        Term::List(_) => many(at, at.list(term, NFT_RULE_LIST_MAX)?).map(Expr::List),
        Term::Map(_) => compound(at, term),
        Term::Float(_) | Term::Tuple(_) => Err(at.error(Why::Expected("expression"))),
    }
}

/// A constant in words, or the name of a set.
fn text(at: &Place<'_>, bytes: &[u8]) -> Read<Expr> {
    match bytes.split_first() {
        Some((b'@', name)) => at.bounded(name, 1, NFT_NAME_MAX).map(|name| Expr::SetRef(owned(name))),
        _ => at.bounded(bytes, 1, NFT_TEXT_MAX).map(|bytes| Expr::Text(owned(bytes))),
    }
}

fn many(at: &Place<'_>, items: Items<'_>) -> Read<Vec<Expr>> {
    let at = at.below(1)?;
    (1..).zip(items).map(|(n, term)| read(&at.index(n), term)).collect()
}

fn compound(outer: &Place<'_>, term: Term<'_>) -> Read<Expr> {
    let (key, value) = outer.only(term, KEYS)?;
    let here = outer.below(1)?;
    let at = here.key(key);
    match key {
        "payload" => packet::read_payload(&at, value),
        "exthdr" | "tcp option" | "ip option" | "sctp chunk" | "dccp option" => {
            packet::read_header(&at, key, value)
        }
        "meta" => packet::read_meta(&at, value),
        "ct" => packet::read_ct(&at, value),
        "set" => set(&at, value),
        "range" => pair(&at, value).map(|both| Expr::Range(Box::new(both))),
        "prefix" => prefix(&at, value),
        "concat" => concat(&at, value),
        "elem" => element::read(&at, value),
        "map" => {
            let (key, data) = mapping(&at, value)?;
            Ok(Expr::Map(Box::new([key, data])))
        }
        "|" => binop(&at, Binop::Or, value),
        "&" => binop(&at, Binop::And, value),
        "^" => binop(&at, Binop::Xor, value),
        "<<" => binop(&at, Binop::Left, value),
        ">>" => binop(&at, Binop::Right, value),
        "accept" | "drop" | "jump" | "goto" | "continue" | "return" => {
            statement::read_verdict(&at, key, value).map(Expr::Verdict)
        }
        "opaque" => Err(at.error(Why::ListedOnly)),
        "tunnel" => Err(at.error(Why::Unsupported(key))),
        _ => kernel::read(&at, key, value),
    }
}

fn pair(at: &Place<'_>, value: Term<'_>) -> Read<[Expr; 2]> {
    let (a, b) = at.two(value)?;
    Ok([read(&at.index(1), a)?, read(&at.index(2), b)?])
}

fn prefix(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let [addr, len] = at.fields(value, ["addr", "len"])?;
    let addr = read(&at.key("addr"), at.needed(addr, "addr")?)?;
    let bits = at.key("len").uint(at.needed(len, "len")?, PREFIX_MAX)?;
    Ok(Expr::Prefix(Box::new(addr), u32::try_from(bits).unwrap_or(u32::MAX)))
}

fn concat(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let parts = at.list(value, NFT_PARTS_MAX)?;
    if parts.len() < 2 {
        return Err(at.index(2).error(Why::Missing));
    }
    many(at, parts).map(Expr::Concat)
}

/// The elements of an anonymous set; a list of two is a key and what it maps to.
fn set(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let Term::List(_) = value else { return Ok(Expr::Set(vec![read(at, value)?])) };
    let items = at.list(value, NFT_RULE_LIST_MAX)?;
    let mut elements = Vec::with_capacity(items.len());
    for (n, term) in (1..).zip(items) {
        elements.push(key_or_pair(&at.index(n), term)?);
    }
    Ok(Expr::Set(elements))
}

/// An element of a set, or of a map.
pub(super) fn key_or_pair(at: &Place<'_>, term: Term<'_>) -> Read<Expr> {
    let Term::List(_) = term else { return read(at, term) };
    at.count()?;
    let at = at.below(1)?;
    pair(&at, term).map(|both| Expr::Pair(Box::new(both)))
}

/// `key` and `data`: what is looked up, and where.
pub(super) fn mapping(at: &Place<'_>, value: Term<'_>) -> Read<(Expr, Expr)> {
    let [key, data] = at.fields(value, ["key", "data"])?;
    let key = read(&at.key("key"), at.needed(key, "key")?)?;
    let data = read(&at.key("data"), at.needed(data, "data")?)?;
    match data {
        Expr::Set(_) | Expr::SetRef(_) => Ok((key, data)),
        _ => Err(at.key("data").error(Why::Expected("set"))),
    }
}

/// Two operands or more, taken together from the left; so the n-th lies that many levels deep.
fn binop(at: &Place<'_>, op: Binop, value: Term<'_>) -> Read<Expr> {
    let operands = at.list(value, usize::try_from(NFT_LEVELS_MAX).unwrap_or(usize::MAX))?;
    let n = operands.len();
    let mut all = None;
    for (i, term) in operands.enumerate() {
        let place = at.below((n - i).min(n - 1).saturating_sub(1))?;
        let operand = read(&place.index(i + 1), term)?;
        all = Some(match all {
            None => operand,
            Some(left) => Expr::Binop(op, Box::new([left, operand])),
        });
    }
    all.filter(|_| n > 1).ok_or_else(|| at.index(2).error(Why::Missing))
}

/// Writes an expression.
pub fn write(expr: &Expr, w: &mut Writer) {
    match expr {
        Expr::Int(n) => w.uint(*n),
        Expr::Text(text) => w.binary(text),
        Expr::Bool(value) => w.bool(*value),
        Expr::SetRef(name) => set_name(name, w),
        Expr::Range(both) => {
            w.map(1);
            w.atom(atoms::RANGE);
            list(both.as_slice(), w);
        }
        Expr::Prefix(addr, bits) => {
            w.map(1);
            w.atom(atoms::PREFIX);
            w.map(2);
            w.atom(atoms::ADDR);
            write(addr, w);
            w.atom(atoms::LEN);
            w.uint(u64::from(*bits));
        }
        Expr::Set(elements) => {
            w.map(1);
            w.atom(atoms::SET);
            list(elements, w);
        }
        Expr::Pair(both) => list(both.as_slice(), w),
        Expr::Concat(parts) => {
            w.map(1);
            w.atom(atoms::CONCAT);
            list(parts, w);
        }
        Expr::List(items) => list(items, w),
        Expr::Binop(op, _) => {
            w.map(1);
            w.atom(operator(*op));
            let n = operands(*op, expr);
            w.list(n);
            write_operands(*op, expr, w);
            w.nil();
        }
        Expr::Map(both) => {
            w.map(1);
            w.atom(atoms::MAP);
            let [key, data] = &**both;
            write_mapping(key, data, w);
        }
        Expr::Elem(elem) => element::write(elem, w),
        Expr::Verdict(verdict) => statement::write_verdict(verdict, w),
        Expr::Payload(_)
        | Expr::RawPayload(_)
        | Expr::Inner(..)
        | Expr::Exthdr(..)
        | Expr::RawOption(_)
        | Expr::Meta(_)
        | Expr::Ct(_) => packet::write(expr, w),
        Expr::Rt(_)
        | Expr::Socket(_)
        | Expr::Osf(_)
        | Expr::Fib(_)
        | Expr::Ipsec(_)
        | Expr::Numgen(_)
        | Expr::Jhash(_)
        | Expr::Symhash(_) => kernel::write(expr, w),
    }
}

/// A list of expressions.
pub(super) fn list(items: &[Expr], w: &mut Writer) {
    w.list(items.len());
    if !items.is_empty() {
        items.iter().for_each(|item| write(item, w));
        w.nil();
    }
}

/// `@name`.
pub(super) fn set_name(name: &[u8], w: &mut Writer) {
    w.binary_of(&[b"@", name]);
}

pub(super) fn write_mapping(key: &Expr, data: &Expr, w: &mut Writer) {
    w.map(2);
    w.atom(atoms::KEY);
    write(key, w);
    w.atom(atoms::DATA);
    write(data, w);
}

fn operator(op: Binop) -> atoms::Atom {
    match op {
        Binop::Or => atoms::BIT_OR,
        Binop::And => atoms::BIT_AND,
        Binop::Xor => atoms::BIT_XOR,
        Binop::Left => atoms::SHIFT_LEFT,
        Binop::Right => atoms::SHIFT_RIGHT,
    }
}

/// How many operands stand side by side where the same operator nests to the left.
fn operands(op: Binop, mut expr: &Expr) -> usize {
    let mut n = 1;
    while let Expr::Binop(other, both) = expr {
        if *other != op {
            break;
        }
        n += 1;
        let [left, _] = &**both;
        expr = left;
    }
    n
}

fn write_operands(op: Binop, expr: &Expr, w: &mut Writer) {
    match expr {
        Expr::Binop(other, both) if *other == op => {
            let [left, right] = &**both;
            write_operands(op, left, w);
            write(right, w);
        }
        _ => write(expr, w),
    }
}
