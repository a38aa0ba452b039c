//! The tables and values against the corpus of nftables: every field that occurs has a row, every constant is read, and each
//! that nft lists is written as nft lists it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod nft_support;

use nft_support::corpus;
use portcullis::nft::model::{Binop, Expr, Order, Part, Text, Type};
use portcullis::nft::tables::{self, HeaderKind};
use portcullis::nft::value::{Loopback, Names, as_list, format_with, parse_with};
use serde_json::Value;

/// The host that the corpus was made on: its clock was two hours ahead of UTC.
struct Host;

impl Names for Host {
    fn interface(&self, name: &[u8]) -> Option<u32> {
        Loopback.interface(name)
    }

    fn interface_name(&self, index: u32) -> Option<Text> {
        Loopback.interface_name(index)
    }

    fn utc_offset_s(&self) -> i32 {
        7200
    }
}

/// The type of what an expression reads; the leftmost operand decides.
fn part(expr: &Value) -> Option<Part> {
    let (word, inside) = expr.as_object()?.iter().next()?;
    let text = |key: &str| inside[key].as_str().map(str::as_bytes);
    let header = |kind| {
        let header = tables::header(kind, text("name")?).unwrap_or_else(|| panic!("{expr}"));
        let Some(name) = text("field") else {
            return Some(Part { ty: Type::Boolean, bits: 8, order: Order::Network });
        };
        let field = header.field(name).unwrap_or_else(|| panic!("{expr}"));
        Some(Part { ty: field.ty, bits: field.len, order: Order::Network })
    };
    match word.as_str() {
        "&" | "|" | "^" | "<<" | ">>" => part(inside.get(0)?),
        "payload" => match text("protocol") {
            Some(protocol) => {
                let field = tables::field(protocol, text("field")?).unwrap_or_else(|| panic!("{expr}"));
                Some(Part { ty: field.ty, bits: field.len, order: field.order })
            }
            None => Some(Part {
                ty: Type::Integer,
                bits: u32::try_from(inside["len"].as_u64()?).ok()?,
                order: Order::Network,
            }),
        },
        "meta" => {
            let key = tables::meta_named(text("key")?).unwrap_or_else(|| panic!("{expr}"));
            Some(Part { ty: key.ty, bits: key.bits, order: key.order })
        }
        "ct" => {
            let key = tables::ct_named(text("key")?).unwrap_or_else(|| panic!("{expr}"));
            (key.bits > 0).then_some(Part { ty: key.ty, bits: key.bits, order: key.order })
        }
        "exthdr" => header(HeaderKind::Ipv6),
        "tcp option" => header(HeaderKind::TcpOption),
        "ip option" => header(HeaderKind::IpOption),
        "sctp chunk" => header(HeaderKind::SctpChunk),
        _ => None,
    }
}

fn expr(value: &Value) -> Option<Expr> {
    match value {
        Value::String(text) if !text.starts_with('@') => {
            Some(Expr::Text(Text::Owned(text.clone().into_bytes())))
        }
        Value::Number(number) => number.as_u64().map(Expr::Int),
        Value::Bool(value) => Some(Expr::Bool(*value)),
        Value::Array(items) => items.iter().map(expr).collect::<Option<_>>().map(Expr::List),
        Value::Object(object) => {
            let items = object.get("|")?.as_array()?;
            let items: Option<Vec<Expr>> = items.iter().map(expr).collect();
            items?.into_iter().reduce(|a, b| Expr::Binop(Binop::Or, Box::new([a, b])))
        }
        _ => None,
    }
}

/// The constants that a value is made of, each with its type.
fn constants<'a>(left: &'a Value, value: &'a Value, found: &mut Vec<(Part, &'a Value)>) {
    if let (Some(parts), Some(values)) = (left["concat"].as_array(), value["concat"].as_array()) {
        return parts.iter().zip(values).for_each(|(part, value)| constants(part, value, found));
    }
    for word in ["set", "range"] {
        if let Some(items) = value[word].as_array() {
            return items.iter().for_each(|item| constants(left, item, found));
        }
    }
    if value["prefix"].is_object() {
        return constants(left, &value["prefix"]["addr"], found);
    }
    if let (Some(part), Some(_), false) = (part(left), expr(value), value == "*") {
        found.push((part, value));
    }
}

fn walk<'a>(value: &'a Value, found: &mut Vec<(Part, &'a Value)>) {
    let _ = part(value);
    if value["match"].is_object() {
        constants(&value["match"]["left"], &value["match"]["right"], found);
    }
    if value["mangle"].is_object() {
        constants(&value["mangle"]["key"], &value["mangle"]["value"], found);
    }
    for word in ["map", "vmap"] {
        for pair in value[word]["data"]["set"].as_array().into_iter().flatten() {
            constants(&value[word]["key"], &pair[0], found);
        }
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(object) => object.values().for_each(|inside| walk(inside, found)),
        _ => {}
    }
}

/// Names of users and groups, which are refused.
fn is_resolved_elsewhere(part: Part, value: &Value) -> bool {
    matches!(part.ty, Type::Uid | Type::Gid) && value.is_string()
}

#[test]
fn every_constant_of_the_corpus_is_read() {
    let Some(files) = corpus::rules() else { return };
    let mut count = 0;
    for rule in files.iter().flat_map(|file| &file.rules).filter(|rule| rule.ok) {
        let mut found = Vec::new();
        walk(&rule.json, &mut found);
        for (part, value) in found {
            let read = parse_with(&Host, part, &expr(value).unwrap());
            count += 1;
            assert!(
                read.is_ok() || is_resolved_elsewhere(part, value),
                "{}: {part:?} {value} {read:?}",
                rule.text
            );
        }
    }
    assert!(count > 2000, "{count}");
}

#[test]
fn every_listed_constant_is_written_so() {
    let Some(files) = corpus::rules() else { return };
    let (mut count, mut wrong) = (0, Vec::new());
    for rule in files.iter().flat_map(|file| &file.rules).filter(|rule| rule.ok) {
        let mut found = Vec::new();
        walk(&rule.listed, &mut found);
        for (part, value) in found {
            let given = expr(value).unwrap();
            let Ok(data) = parse_with(&Host, part, &given) else {
                assert!(is_resolved_elsewhere(part, value), "{}: {value} is not read", rule.text);
                continue;
            };
            let written = format_with(&Host, part, data.bytes()).unwrap();
            count += 1;
            if written != given && as_list(written.clone()) != given {
                wrong.push(format!("{}: {value} is written as {written:?}", rule.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 2000, "{count}");
}
