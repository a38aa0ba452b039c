//! Text in a register: the bytes, and NUL up to its width.
#![forbid(unsafe_code)]

use super::{BadValue, expected, width};
use crate::nft::kernel::{DATA_MAX, Data};
use crate::nft::model::{Expr, Part, Text, Type};

/// Text of a type without wildcards.
pub(super) fn parse(part: Part, value: &Expr) -> Result<Data, BadValue> {
    padded(part, text_of(value)?)
}

/// The name of an interface. A trailing `*` stands for any end, and gives what comes before it; `\*` is an asterisk (nft(8), "META
/// EXPRESSIONS"). A lone `*` would match everything, and nft refuses it as well.
pub(super) fn parse_name(part: Part, value: &Expr) -> Result<Data, BadValue> {
    let text = text_of(value)?;
    if let Some(plain) = text.strip_suffix(b"\\*") {
        let mut literal = plain.to_vec();
        literal.push(b'*');
        return padded(part, &literal);
    }
    match text.strip_suffix(b"*") {
        None => padded(part, text),
        Some(b"") => Err(BadValue::Expected("a name, or the beginning of one before *")),
        // What is compared then are these bytes and no others.
        Some(prefix) => {
            padded(part, prefix).and(Data::new(prefix).ok_or(BadValue::Expected("a shorter name")))
        }
    }
}

fn text_of(value: &Expr) -> Result<&[u8], BadValue> {
    match value {
        Expr::Text(text) if text.contains(&0) => Err(BadValue::Expected("text without NUL")),
        Expr::Text(text) if !text.is_empty() => Ok(text),
        Expr::Text(_) => Err(BadValue::Expected("text that is not empty")),
        _ => Err(BadValue::Expected(expected(Type::String))),
    }
}

/// One byte less than the width fits, as the kernel's strings end in NUL.
fn padded(part: Part, text: &[u8]) -> Result<Data, BadValue> {
    let mut room = [0; DATA_MAX];
    let bytes = room.get_mut(..width(part)).ok_or(BadValue::Expected("a shorter type"))?;
    match bytes.get_mut(..text.len()) {
        Some(front) if text.len() < width(part) => front.copy_from_slice(text),
        _ => return Err(BadValue::Expected("shorter text")),
    }
    Data::new(bytes).ok_or(BadValue::Expected("shorter text"))
}

/// Text, if it is some that [`parse`] could have made.
pub(super) fn format(part: Part, bytes: &[u8]) -> Option<Expr> {
    plain(part, bytes).map(|text| Expr::Text(Text::Owned(text.to_vec())))
}

/// The name of an interface, or the beginning of one.
pub(super) fn format_name(part: Part, bytes: &[u8]) -> Option<Expr> {
    if bytes.len() < width(part) {
        let is_prefix = !bytes.is_empty() && !bytes.contains(&0) && !bytes.ends_with(b"\\");
        return is_prefix.then(|| Expr::Text(Text::Owned([bytes, b"*"].concat())));
    }
    let text = plain(part, bytes)?;
    Some(Expr::Text(Text::Owned(match text.strip_suffix(b"*") {
        Some(before) => [before, b"\\*"].concat(),
        None => text.to_vec(),
    })))
}

/// What stands before the padding. Something other than padding behind the first NUL would be lost.
fn plain(part: Part, bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let (text, padding) = bytes.split_at_checked(end)?;
    let whole = bytes.len() == width(part) && !text.is_empty() && padding.iter().all(|b| *b == 0);
    whole.then_some(text)
}
