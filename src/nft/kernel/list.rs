//! Lists of expressions (`NFTA_RULE_EXPRESSIONS`): name and data of each.
#![forbid(unsafe_code)]

use super::{KExpr, codec, special};
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

/// Writes the expressions of a list as the kernel takes them. It tells more of some expressions than it takes back, and refuses
/// a rule for it (`nft_exthdr_tcp_set_init` and `nft_exthdr_tcp_strip_init` in net/netfilter/nft_exthdr.c, `nft_osf_init` in
/// nft_osf.c, `nft_dynset_init` in nft_dynset.c).
pub fn request(expressions: &[KExpr<'_>], buffer: &mut Buffer) {
    for expression in expressions {
        let nest = buffer.nest(ELEMENT);
        if special::is_told_with_more(expression) {
            buffer.put_text(NAME, codec::name(expression));
            let data = buffer.nest(DATA);
            special::request(expression, buffer);
            buffer.end(data);
        } else {
            write(expression, buffer);
        }
        buffer.end(nest);
    }
}

/// Copies a list as the kernel told it, as it takes it: expressions that it does not take as they are are written anew, and all
/// others stay byte for byte.
pub fn copy(attrs: Attrs<'_>, buffer: &mut Buffer) {
    for attr in attrs {
        let (name, data, _) = parts(attr.value);
        let expression = matches!(name, b"exthdr" | b"osf" | b"dynset").then(|| understood(name, data, true));
        match expression {
            Some(known) if special::is_told_with_more(&known) => request(&[known], buffer),
            _ => buffer.put(attr.kind | NESTED, attr.value),
        }
    }
}

/// Reads the expressions of a list and puts them behind those of `out`. It never fails: what is not understood becomes
/// [`KExpr::Opaque`].
pub fn decode<'a>(attrs: Attrs<'a>, out: &mut Vec<KExpr<'a>>) {
    for attr in attrs {
        let (name, data, _) = parts(attr.value);
        codec::decode(name, data, true, |expression| out.push(expression));
    }
}

/// The expressions of one rule after the other. Rules of a chain are alike: what stands in the same place as in the rule before, byte for
/// byte, is not read again. Of ten expressions that match an address and a port, count and accept, that is seven.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    bytes: Vec<&'a [u8]>,
    expressions: Vec<KExpr<'a>>,
}

impl<'a> Lists<'a> {
    /// None yet, with room for so many expressions of each.
    #[must_use]
    pub fn with_capacity(expressions: usize) -> Self {
        Self { bytes: Vec::with_capacity(expressions), expressions: Vec::with_capacity(expressions) }
    }

    /// Reads a list, as [`decode`] does.
    pub fn read(&mut self, attrs: Attrs<'a>) -> &[KExpr<'a>] {
        let mut length = 0_usize;
        for attr in attrs {
            match (self.bytes.get_mut(length), self.expressions.get_mut(length)) {
                (Some(bytes), Some(expression)) => {
                    if *bytes != attr.value {
                        let (name, data, _) = parts(attr.value);
                        *expression = understood(name, data, true);
                        *bytes = attr.value;
                    }
                }
                _ => {
                    let (name, data, _) = parts(attr.value);
                    codec::decode(name, data, true, |expression| self.expressions.push(expression));
                    self.bytes.push(attr.value);
                }
            }
            length = length.saturating_add(1);
        }
        self.bytes.truncate(length);
        self.expressions.truncate(length);
        &self.expressions
    }
}

/// Reads one expression, name and data, from an attribute that holds no others. `outer` allows expressions inside of it.
/// Nothing if there is more than name and data.
#[must_use]
pub fn one(bytes: &[u8], outer: bool) -> Option<KExpr<'_>> {
    let (name, data, exact) = parts(bytes);
    exact.then(|| understood(name, data, outer))
}

/// The expression of that name and data: named objects have the attributes of the expressions that they share a name with.
#[must_use]
pub fn understood<'a>(name: &'a [u8], data: Option<&'a [u8]>, outer: bool) -> KExpr<'a> {
    codec::decode(name, data, outer, |expression| expression)
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
        attributes(expression, buffer);
        buffer.end(nest);
    }
}

/// Writes the attributes of an expression, without its name.
pub fn attributes(expression: &KExpr<'_>, buffer: &mut Buffer) {
    match expression {
        KExpr::Opaque { data, .. } => buffer.raw(data.as_deref().unwrap_or(&[])),
        _ => codec::encode(expression, buffer),
    }
}

/// The set that an expression adds to or takes from (`dynset`): its name. `bytes` are name and data.
#[must_use]
pub fn adds_to(bytes: &[u8]) -> Option<&[u8]> {
    match parts(bytes) {
        (b"dynset", Some(data), _) => special::dynset_name(data),
        _ => None,
    }
}
