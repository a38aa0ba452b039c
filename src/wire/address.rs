//! IP addresses as terms: the tuples of `inet:ip_address()`.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::schema::{At, echo, integer, text};
use super::term::{Items, Term};
use super::write::Writer;
use crate::error::{RequestError, Why};
use crate::limits::ECHO_MAX;

/// Reads `{A, B, C, D}` or `{A, B, C, D, E, F, G, H}`. What is an IPv4 address inside is one: it would otherwise be judged as another.
pub fn read(term: Term<'_>, at: &At<'_>) -> Result<IpAddr, RequestError> {
    match term {
        Term::Tuple(elements) => read_elements(elements, at),
        other => Err(at.error(no_address(other))),
    }
}

/// Why a term that is no tuple is no address, nor a network. A client makes a tuple of a text that is one.
#[must_use]
pub fn no_address(term: Term<'_>) -> Why {
    let said = match term {
        Term::List(items) => text(items, ECHO_MAX),
        Term::Binary(bytes) => Some(String::from_utf8_lossy(&echo(bytes)).into_owned()),
        _ => None,
    };
    said.map_or(Why::Expected("address"), |said| why_none(&said))
}

/// Why a text is no address, nor a network, as far as that can be told: the whole of it otherwise.
#[must_use]
pub fn why_none(said: &str) -> Why {
    let (address, bits) = said.split_once('/').map_or((said, None), |(address, bits)| (address, Some(bits)));
    let fault = fault_of_four(address).or_else(|| match (address.parse::<IpAddr>(), bits) {
        (Err(_), _) if address.contains('%') => {
            Some("an interface behind % is no part of an address".to_owned())
        }
        (Err(_), _) => None,
        (Ok(_), None) => Some("a client writes it as a tuple".to_owned()),
        (Ok(_), Some(bits)) if !is_number(bits) => {
            Some(format!("\"{bits}\" behind the / is no number of bits"))
        }
        (Ok(_), Some(_)) => Some("it is a network, or one that is written as a tuple".to_owned()),
    });
    let shown: String = said.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    match fault {
        Some(fault) => Why::OneOf(format!("an address, and \"{shown}\" is none: {fault}")),
        None => Why::Expected("address"),
    }
}

/// Characters of a text that an error repeats: more than an address has.
const SHOWN_MAX: usize = 64;

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

/// What is wrong with what is meant as an IPv4 address.
fn fault_of_four(text: &str) -> Option<String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 || parts.iter().any(|part| part.is_empty()) {
        return Some("it takes four numbers with dots between them".to_owned());
    }
    parts.into_iter().find_map(|part| match part.parse::<u8>() {
        _ if !is_number(part) => Some(format!("{part} begins with 0, and is another number for some")),
        Ok(_) => None,
        Err(_) => Some(format!("{part} is more than 255")),
    })
}

/// The same of the tuple's elements.
pub fn read_elements(elements: Items<'_>, at: &At<'_>) -> Result<IpAddr, RequestError> {
    match elements.len() {
        4 => numbers::<u8, 4>(elements, at).map(|n| IpAddr::from(Ipv4Addr::from(n))),
        8 => numbers::<u16, 8>(elements, at).map(|n| IpAddr::from(Ipv6Addr::from(n)).to_canonical()),
        _ => Err(at.error(Why::Expected("address"))),
    }
}

/// `N` elements that are all of the range of `T`.
fn numbers<T, const N: usize>(elements: Items<'_>, at: &At<'_>) -> Result<[T; N], RequestError>
where
    T: Copy + Default + TryFrom<u64>,
{
    let mut numbers = [T::default(); N];
    let max = u64::MAX >> 64_usize.saturating_sub(size_of::<T>().saturating_mul(8));
    for ((term, slot), n) in elements.zip(&mut numbers).zip(1..) {
        let at = At::Index(at, n);
        let number = integer(term, &at, 0, max)?;
        *slot = T::try_from(number).map_err(|_| at.error(Why::Range(0, max)))?;
    }
    Ok(numbers)
}

/// Writes the tuple.
pub fn write(address: IpAddr, w: &mut Writer) {
    match address {
        IpAddr::V4(v4) => w.four(v4.octets()),
        IpAddr::V6(v6) => {
            w.tuple(8);
            v6.segments().into_iter().for_each(|n| w.uint(u64::from(n)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by it")]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_address_is_told_why() {
        for (text, why) in [
            ("10.0.0.300", "300 is more than 255"),
            ("10.0.0.99999999999", "99999999999 is more than 255"),
            ("010.0.0.1", "010 begins with 0"),
            ("10.0.1", "four numbers"),
            ("10..0.1", "four numbers"),
            ("10.0.0.0/x", "\"x\" behind the / is no number"),
            ("10.0.0.0/08", "\"08\" behind the /"),
            ("fe80::1%lo", "an interface"),
            ("10.0.0.1", "as a tuple"),
            ("10.0.0.0/8", "as a tuple"),
        ] {
            let Why::OneOf(said) = why_none(text) else { panic!("{text}") };
            assert!(said.contains(why) && said.contains(text), "{said}");
        }
        for text in ["", "host", "::g", "1.2.3.4.example", "\u{1b}[2J"] {
            assert_eq!(why_none(text), Why::Expected("address"), "{text}");
        }
        let Why::OneOf(long) = why_none(&"1".repeat(255)) else { panic!() };
        assert!(long.len() < 200, "{long}");
    }
}
