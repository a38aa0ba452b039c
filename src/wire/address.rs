//! IP addresses as terms: the tuples of `inet:ip_address()`.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::schema::{At, integer};
use super::term::{Items, Term};
use super::write::Writer;
use crate::error::{RequestError, Why};

/// Reads `{A, B, C, D}` or `{A, B, C, D, E, F, G, H}`. What is an IPv4 address inside is one: it would otherwise be judged as another.
pub fn read(term: Term<'_>, at: &At<'_>) -> Result<IpAddr, RequestError> {
    match term {
        Term::Tuple(elements) => read_elements(elements, at),
        _ => Err(at.error(Why::Expected("address"))),
    }
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
        IpAddr::V4(v4) => {
            w.tuple(4);
            v4.octets().into_iter().for_each(|n| w.uint(u64::from(n)));
        }
        IpAddr::V6(v6) => {
            w.tuple(8);
            v6.segments().into_iter().for_each(|n| w.uint(u64::from(n)));
        }
    }
}
