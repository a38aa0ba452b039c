//! Lists of expressions (`NFTA_RULE_EXPRESSIONS`): name and data of each.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::{KExpr, codec};
use crate::netlink::attr::{Attrs, Buffer};

/// `NFTA_LIST_ELEM`
pub(super) const ELEMENT: u16 = 1;

/// `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
const NAME: u16 = 1;
const DATA: u16 = 2;

/// `NLA_F_NESTED`
const NESTED: u16 = 1 << 15;

/// Writes the expressions of a list.
pub fn encode(expressions: &[KExpr<'_>], buffer: &mut Buffer) {
    for expression in expressions {
        let nest = buffer.nest(ELEMENT);
        write(expression, buffer);
        buffer.end(nest);
    }
}

/// Reads the expressions of a list and puts them behind those of `out`. It never fails: what is not understood becomes
/// [`KExpr::Opaque`].
pub fn decode<'a>(attrs: Attrs<'a>, out: &mut Vec<KExpr<'a>>) {
    for attr in attrs {
        let (name, data, _) = parts(attr.value);
        out.push(understood(name, data, true));
    }
}

/// Reads one expression, name and data, from an attribute that holds no others. `outer` allows expressions inside of it.
/// Nothing if there is more than name and data.
#[must_use]
pub fn one(bytes: &[u8], outer: bool) -> Option<KExpr<'_>> {
    let (name, data, exact) = parts(bytes);
    exact.then(|| understood(name, data, outer))
}

fn understood<'a>(name: &'a [u8], data: Option<&'a [u8]>, outer: bool) -> KExpr<'a> {
    codec::decode(name, data, outer)
        .unwrap_or_else(|| KExpr::Opaque { name: Cow::Borrowed(name), data: data.map(Cow::Borrowed) })
}

/// Name and data, and whether that is all, and written as [`write`] would.
fn parts(bytes: &[u8]) -> (&[u8], Option<&[u8]>, bool) {
    let (mut name, mut data, mut exact): (Option<&[u8]>, Option<&[u8]>, _) = (None, None, true);
    let mut attrs = Attrs::new(bytes);
    for attr in attrs.by_ref() {
        match (attr.kind, name, data) {
            (NAME, None, None) => {
                let text = attr.text().unwrap_or(attr.value);
                exact &= text.len().checked_add(1) == Some(attr.value.len());
                name = Some(text);
            }
            (DATA, Some(_), None) => data = Some(attr.value),
            _ => exact = false,
        }
    }
    (name.unwrap_or(&[]), data, exact && name.is_some() && attrs.is_whole())
}

/// Writes name and data of one expression.
pub fn write(expression: &KExpr<'_>, buffer: &mut Buffer) {
    if let KExpr::Opaque { name, data } = expression {
        buffer.put_text(NAME, name);
        if let Some(data) = data {
            buffer.put(DATA | NESTED, data);
        }
        return;
    }
    buffer.put_text(NAME, codec::name(expression));
    if !matches!(expression, KExpr::Notrack) {
        let nest = buffer.nest(DATA);
        codec::encode(expression, buffer);
        buffer.end(nest);
    }
}
