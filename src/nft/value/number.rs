//! Numbers: as text, as bytes of a register.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::{BadValue, width};
use crate::nft::kernel::{DATA_MAX, Data};
use crate::nft::model::{Expr, Modulus, Order, Part, Text};

/// A number as text: decimal, or hexadecimal behind `0x`. nft reads a leading 0 as octal, which nobody means: refused.
pub(super) fn parse(text: &[u8]) -> Option<u128> {
    if let Some(digits) = text.strip_prefix(b"0x") {
        return hexadecimal(digits);
    }
    if text.is_empty() || (text.len() > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    text.iter().try_fold(0u128, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

fn hexadecimal(digits: &[u8]) -> Option<u128> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u128, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        number.checked_mul(16)?.checked_add(digit.into())
    })
}

/// The largest number of so many bits, as far as 64 bits can say.
fn largest(bits: u32) -> u64 {
    u64::MAX.checked_shr(64u32.saturating_sub(bits)).unwrap_or(0)
}

fn fits(part: Part, number: u128) -> bool {
    part.bits >= 128 || number >> part.bits == 0
}

/// As the register has it.
pub(super) fn to_bytes(part: Part, number: u128) -> Result<Data, BadValue> {
    if !fits(part, number) {
        return Err(BadValue::TooLarge { max: largest(part.bits) });
    }
    let too_wide = BadValue::Expected("a type of at most 128 bits");
    let mut bytes = number.to_be_bytes();
    let from = bytes.len().checked_sub(width(part)).ok_or(too_wide.clone())?;
    let used = bytes.get_mut(from..).ok_or(too_wide.clone())?;
    if part.order == Order::Host && cfg!(target_endian = "little") {
        used.reverse();
    }
    Data::new(used).ok_or(too_wide)
}

/// What the register has; nothing where bits are set beyond those that count.
pub(super) fn from_bytes(part: Part, bytes: &[u8]) -> Option<u128> {
    let step = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
    let number = if part.order == Order::Host && cfg!(target_endian = "little") {
        bytes.iter().rev().fold(0, step)
    } else {
        bytes.iter().fold(0, step)
    };
    (bytes.len() <= 16 && fits(part, number)).then_some(number)
}

/// The largest number that an expression generates; nothing of expressions that do not.
#[must_use]
pub fn largest_generated(expr: &Expr) -> Option<u64> {
    let Modulus { modulus, offset } = match expr {
        Expr::Numgen(numgen) => numgen.modulus,
        Expr::Jhash(hash) => hash.modulus,
        Expr::Symhash(modulus) => *modulus,
        _ => return None,
    };
    Some(u64::from(offset).saturating_add(u64::from(modulus)).saturating_sub(1))
}

/// A number above 64 bits.
pub(super) fn long(number: u128) -> Expr {
    Expr::Text(Text::Owned(format!("{number:#x}").into_bytes()))
}

/// A decimal number where nft writes text.
pub(super) fn text(number: u64) -> Expr {
    Expr::Text(Text::Owned(number.to_string().into_bytes()))
}

/// A number of more bits than 128; the places of packets that have such are in the network's order.
pub(super) fn parse_wide(part: Part, value: &Expr) -> Result<Data, BadValue> {
    let refused = BadValue::Expected("a number, if it is long a hexadecimal one behind 0x");
    let digits = match value {
        Expr::Int(number) => Cow::Owned(format!("{number:x}").into_bytes()),
        Expr::Text(text) => Cow::Borrowed(text.strip_prefix(b"0x").unwrap_or(b"")),
        _ => Cow::Borrowed(b"".as_slice()),
    };
    let mut room = [0; DATA_MAX];
    let bytes = room.get_mut(..width(part)).ok_or(BadValue::Expected("a type of at most 64 bytes"))?;
    let mut pairs = digits.rchunks(2);
    for (byte, pair) in bytes.iter_mut().rev().zip(&mut pairs) {
        *byte = hexadecimal(pair).and_then(|n| u8::try_from(n).ok()).ok_or(refused.clone())?;
    }
    let excess = bytes.first().is_some_and(|first| beyond(part, *first));
    if digits.is_empty() || pairs.any(|pair| hexadecimal(pair).is_none()) {
        return Err(refused);
    }
    if excess || digits.rchunks(2).skip(bytes.len()).any(|pair| hexadecimal(pair) != Some(0)) {
        return Err(BadValue::TooLarge { max: u64::MAX });
    }
    if part.order == Order::Host && cfg!(target_endian = "little") {
        bytes.reverse();
    }
    Data::new(bytes).ok_or(refused)
}

/// Whether the most significant byte has bits that do not count.
fn beyond(part: Part, first: u8) -> bool {
    part.bits % 8 > 0 && first >> (part.bits % 8) > 0
}

/// The same, back.
pub(super) fn format_wide(part: Part, bytes: &[u8]) -> Option<Expr> {
    let mut bytes = bytes.to_vec();
    if part.order == Order::Host && cfg!(target_endian = "little") {
        bytes.reverse();
    }
    (!beyond(part, *bytes.first()?)).then(|| digits(&bytes))
}

/// The bytes as one number, the most significant first.
pub(super) fn digits(bytes: &[u8]) -> Expr {
    let significant = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let significant = bytes.get(significant..).unwrap_or(&[]);
    if significant.len() <= 8 {
        return Expr::Int(significant.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let mut text = String::with_capacity(2 + 2 * significant.len());
    text.push_str("0x");
    for (at, byte) in significant.iter().enumerate() {
        text.push_str(&if at == 0 { format!("{byte:x}") } else { format!("{byte:02x}") });
    }
    Expr::Text(Text::Owned(text.into_bytes()))
}

/// A traffic class: two numbers of 16 bits in hexadecimal, `1:1234` (tc(8)). `root` and `none` are symbols.
pub(super) fn parse_handle(text: &[u8]) -> Option<u128> {
    let colon = text.iter().position(|b| *b == b':')?;
    let half = |digits: &[u8]| hexadecimal(digits).filter(|n| *n <= 0xffff);
    let (major, minor) = (half(text.get(..colon)?)?, half(text.get(colon + 1..)?)?);
    Some(major << 16 | minor)
}

/// The same, back.
pub(super) fn format_handle(number: u64) -> Expr {
    match crate::nft::tables::symbol::name(crate::nft::model::Type::ClassId, number) {
        Some(name) => Expr::Text(name.as_bytes().into()),
        None if number > u32::MAX.into() => Expr::Int(number),
        None => Expr::Text(Text::Owned(format!("{:x}:{:x}", number >> 16, number & 0xffff).into_bytes())),
    }
}
