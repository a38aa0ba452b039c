//! Addresses.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{BadValue, expected, width};
use crate::nft::kernel::Data;
use crate::nft::model::{Expr, Part, Text, Type};

/// IPv6 and link-layer addresses.
pub(super) fn parse(part: Part, value: &Expr) -> Result<Data, BadValue> {
    let refused = BadValue::Expected(expected(part.ty));
    let Expr::Text(text) = value else { return Err(refused) };
    let bytes = match part.ty {
        Type::Ipv6Addr => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<Ipv6Addr>().ok())
            .map(|address| address.octets().to_vec()),
        _ => parse_link(part, text),
    };
    bytes.filter(|b| b.len() == width(part)).and_then(|b| Data::new(&b)).ok_or(refused)
}

/// Bytes in hexadecimal with colons between; one digit is enough for a byte, as it is for nft.
fn parse_link(part: Part, text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(8);
    for pair in text.split(|b| *b == b':') {
        if bytes.len() == width(part) || pair.is_empty() || pair.len() > 2 {
            return None;
        }
        let digit = |d: &u8| u8::try_from(char::from(*d).to_digit(16)?).ok();
        bytes.push(pair.iter().try_fold(0u8, |byte, d| Some(byte << 4 | digit(d)?))?);
    }
    Some(bytes)
}

/// Four decimal numbers; anything shorter, octal or hexadecimal is no address (RFC 6943, 3.1.1).
pub(super) fn parse_v4(text: &[u8]) -> Result<u128, BadValue> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<Ipv4Addr>().ok())
        .map(|address| u128::from(u32::from(address)))
        .ok_or(BadValue::Expected(expected(Type::Ipv4Addr)))
}

pub(super) fn format_v4(number: u64) -> Option<Expr> {
    let [a, b, c, d] = u32::try_from(number).ok()?.to_be_bytes();
    let mut text = Vec::with_capacity(15);
    for (byte, dot) in [(a, true), (b, true), (c, true), (d, false)] {
        if byte >= 100 {
            text.push(b'0' + byte / 100);
        }
        if byte >= 10 {
            text.push(b'0' + byte / 10 % 10);
        }
        text.push(b'0' + byte % 10);
        if dot {
            text.push(b'.');
        }
    }
    Some(Expr::Text(Text::Owned(text)))
}

/// IPv6 and link-layer addresses.
pub(super) fn format(part: Part, bytes: &[u8]) -> Option<Expr> {
    let text = match part.ty {
        Type::Ipv6Addr => format_v6(<[u8; 16]>::try_from(bytes).ok()?.into()),
        _ => format_link(bytes),
    };
    Some(Expr::Text(Text::Owned(text)))
}

/// As inet_ntop(3) of glibc writes it, and so nft: the last 32 bits of an address that begins with 96 of 0 in the notation of
/// IPv4, which [`Ipv6Addr`] does for mapped addresses only.
fn format_v6(address: Ipv6Addr) -> Vec<u8> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{a}.{b}.{c}.{d}").into_bytes()
        }
        _ => address.to_string().into_bytes(),
    }
}

fn format_link(bytes: &[u8]) -> Vec<u8> {
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + (n - 10) };
    let mut text = Vec::with_capacity(3 * bytes.len());
    for byte in bytes {
        if !text.is_empty() {
            text.push(b':');
        }
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text
}
