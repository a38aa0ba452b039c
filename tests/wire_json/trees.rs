//! Trees to be made into JSON text, and the JSON that they stand for.
#![forbid(unsafe_code)]

use portcullis::wire::write::Writer;
use proptest::prelude::*;
use serde_json::Value;

use super::wire_support::encode::frame;
use super::wire_support::tree::Tree;

fn scalars() -> impl Strategy<Value = Tree> {
    let integers =
        prop_oneof![any::<i64>().prop_map(i128::from), any::<u64>().prop_map(i128::from), -300..300_i128];
    prop_oneof![
        3 => integers.prop_map(Tree::Integer),
        1 => prop::sample::select(vec!["null", "true", "false"]).prop_map(|name| Tree::Atom(name.to_owned())),
        3 => texts().prop_map(Tree::Binary),
    ]
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z0-9_./-]{0,20}",
        "(?s).{0,40}",
        "[\\x00-\\x7f]{0,20}",
        "[\"\\\\/\u{80}\u{2028}\u{10ffff}]{0,8}"
    ]
    .prop_map(String::into_bytes)
}

/// Trees that JSON has an equal for.
pub fn trees() -> impl Strategy<Value = Tree> {
    scalars().prop_recursive(8, 128, 10, |inner| {
        let pair = (texts().prop_map(Tree::Binary), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..10).prop_map(Tree::List),
            prop::collection::vec(pair, 0..6).prop_map(Tree::Map),
        ]
    })
}

/// Trees with what only terms have. Keys are scalars.
pub fn wilder_trees() -> impl Strategy<Value = Tree> {
    let finite = any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Tree::Float);
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let keys = prop_oneof![
        scalars(),
        finite.clone(),
        "\\PC{0,9}".prop_map(Tree::Atom),
        bytes.clone().prop_map(Tree::Binary)
    ];
    let leaves = prop_oneof![
        keys.clone(),
        bytes.prop_map(|b| Tree::List(b.into_iter().map(|b| Tree::Integer(b.into())).collect()))
    ];
    leaves.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Tree::List),
            prop::collection::vec(inner.clone(), 0..8).prop_map(Tree::Tuple),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(Tree::Map),
        ]
    })
}

/// Writes a tree as the port would.
pub fn write(writer: &mut Writer, tree: &Tree) {
    match tree {
        Tree::Integer(n) => match (i64::try_from(*n), u64::try_from(*n)) {
            (Ok(n), _) => writer.int(n),
            (_, Ok(n)) => writer.uint(n),
            _ => panic!("{n} is not an integer of 64 bits"),
        },
        Tree::Atom(name) => writer.raw(&frame(&Tree::Atom(name.clone()), &[0])[1..]),
        Tree::Binary(bytes) => writer.binary(bytes),
        Tree::List(items) => {
            writer.list(items.len());
            items.iter().for_each(|item| write(writer, item));
            if !items.is_empty() {
                writer.nil();
            }
        }
        Tree::Map(pairs) => {
            writer.map(pairs.len());
            for (key, value) in pairs {
                write(writer, key);
                write(writer, value);
            }
        }
        Tree::Float(_) | Tree::Tuple(_) => panic!("no JSON for {tree:?}"),
    }
}

/// What a tree is in JSON, by way of serde_json's own tree.
pub fn value(tree: &Tree) -> Value {
    match tree {
        Tree::Integer(n) => i64::try_from(*n).map_or_else(|_| u64::try_from(*n).unwrap().into(), Value::from),
        Tree::Float(x) => Value::from(*x),
        Tree::Atom(name) => match name.as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            name => Value::from(name),
        },
        Tree::Binary(bytes) => Value::from(String::from_utf8_lossy(bytes)),
        Tree::List(items) | Tree::Tuple(items) => items.iter().map(value).collect(),
        Tree::Map(pairs) => Value::Object(pairs.iter().map(|(k, v)| (key(k), value(v))).collect()),
    }
}

fn key(tree: &Tree) -> String {
    match tree {
        Tree::Integer(n) => n.to_string(),
        Tree::Float(x) => format!("{x:?}"),
        Tree::Atom(name) => name.clone(),
        Tree::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => panic!("{tree:?} is no key"),
    }
}

/// Equal, but for the last bit of floats: without a feature of its own, serde_json may read that wrong.
pub fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((j, a), (k, b))| j == k && alike(a, b))
        }
        (Value::Number(m), Value::Number(n)) if m.is_f64() && n.is_f64() => {
            let (x, y) = (m.as_f64().unwrap(), n.as_f64().unwrap());
            // The reader is not exact to the last bits, which below the smallest normal number are not relative to it.
            x == y || (x - y).abs() <= x.abs().max(f64::MIN_POSITIVE) * 4.0 * f64::EPSILON
        }
        (a, b) => a == b,
    }
}

/// Whether every number in it is an integer that fits.
pub fn whole(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.is_i64() || n.is_u64(),
        Value::Array(items) => items.iter().all(whole),
        Value::Object(pairs) => pairs.values().all(whole),
        _ => true,
    }
}
