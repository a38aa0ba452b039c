//! The arguments of this folder's operation, from terms to types.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr};

use crate::error::{RequestError, Why};
use crate::icmp::action::Ping;
use crate::limits::{PING_SIZE_DEFAULT, PING_SIZE_MAX};
use crate::wire::address;
use crate::wire::schema::{At, fields, integer};
use crate::wire::term::{Pairs, Term};

/// The arguments of `ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingArgs {
    /// Where to: one host.
    pub address: IpAddr,
    /// Bytes of payload that were asked for. The payload has 16 at least, by which the reply is known.
    pub size: usize,
}

impl PingArgs {
    /// Reads the map: `#{address => {A, B, C, D} | {A, B, C, D, E, F, G, H}, size => Bytes}`.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [address, size] = fields(args, at, ["address", "size"])?;
        let at_address = At::Key(at, "address");
        let address = address.ok_or_else(|| at_address.error(Why::Missing))?;
        let address = decode_address(address, &at_address)?;
        let max = u64::try_from(PING_SIZE_MAX).unwrap_or(u64::MAX);
        let size = size.map(|t| integer(t, &At::Key(at, "size"), 0, max)).transpose()?;
        let size = size.and_then(|n| usize::try_from(n).ok()).unwrap_or(PING_SIZE_DEFAULT);
        Ok(Self { address, size })
    }

    /// What the policy is asked for.
    #[must_use]
    pub fn action(&self) -> Ping {
        Ping { address: self.address }
    }
}

/// What is no single host's address is refused: one request shall cause one reply. (To the broadcast address of a subnet, which only
/// the kernel knows, it does not send.)
fn decode_address(term: Term<'_>, at: &At<'_>) -> Result<IpAddr, RequestError> {
    let address = address::read(term, at)?;
    if is_one_host(&address) { Ok(address) } else { Err(at.error(Why::Expected("address"))) }
}

/// Whether a request to the address can have one reply.
#[must_use]
pub fn is_one_host(address: &IpAddr) -> bool {
    let broadcast = *address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !address.is_multicast() && !address.is_unspecified() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Step;
    use crate::wire::scan::{Bounds, validate};

    fn tuple(words: &[u16]) -> Vec<u8> {
        let mut w = crate::wire::write::Writer::new();
        w.tuple(words.len());
        words.iter().for_each(|n| w.uint(u64::from(*n)));
        w.bytes().to_vec()
    }

    fn decode(pairs: &[(&str, Vec<u8>)]) -> Result<PingArgs, RequestError> {
        let mut frame = vec![131, 116, 0, 0, 0, u8::try_from(pairs.len()).unwrap()];
        for (key, value) in pairs {
            frame.extend([&[119, u8::try_from(key.len()).unwrap()], key.as_bytes(), value].concat());
        }
        let Term::Map(args) = validate(&frame, &Bounds::PROC).unwrap().term() else { unreachable!() };
        PingArgs::decode(args, &At::Top)
    }

    fn to(words: &[u16]) -> Result<PingArgs, RequestError> {
        decode(&[("address", tuple(words))])
    }

    fn wrong(path: &[Step], why: Why) -> Result<PingArgs, RequestError> {
        Err(RequestError::BadRequest([&[Step::Key("address")], path].concat(), why))
    }

    #[test]
    fn addresses_of_both_families() {
        assert_eq!(to(&[127, 0, 0, 1]).unwrap().address, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let v6 = to(&[0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xffff]).unwrap();
        assert_eq!(v6.action().address, "2001:db8::ffff".parse::<IpAddr>().unwrap());
        let mapped = to(&[0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0001]).unwrap();
        assert_eq!(mapped.address, "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn what_is_no_single_hosts_is_refused() {
        let (mut multicast, mut mapped) = ([0xff02, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0xffff, 0, 0]);
        for words in
            [&[0, 0, 0, 0][..], &[255; 4], &[224, 0, 0, 1], &[239, 255, 255, 255], &[0; 8], &multicast]
        {
            assert_eq!(to(words), wrong(&[], Why::Expected("address")), "{words:?}");
        }
        for inside in [[0, 0], [0xffff, 0xffff], [0xe000, 1]] {
            mapped[6..].copy_from_slice(&inside);
            assert_eq!(to(&mapped), wrong(&[], Why::Expected("address")), "{mapped:?}");
        }
        multicast[0] = 0xfeff;
        assert!(to(&multicast).is_ok());
    }

    #[test]
    fn what_is_no_address_is_told_where() {
        for words in [&[][..], &[1, 2, 3], &[1, 2, 3, 4, 5], &[1; 7], &[1; 9]] {
            assert_eq!(to(words), wrong(&[], Why::Expected("address")), "{words:?}");
        }
        assert_eq!(to(&[1, 256, 3, 4]), wrong(&[Step::Index(2)], Why::Range(0, 255)));
        assert_eq!(decode(&[("address", vec![97, 1])]), wrong(&[], Why::Expected("address")));
        let with_atom = vec![104, 4, 97, 1, 97, 2, 97, 3, 119, 1, b'a'];
        assert_eq!(decode(&[("address", with_atom)]), wrong(&[Step::Index(4)], Why::Expected("integer")));
        let mut words = tuple(&[1, 2, 3, 4, 5, 6, 7]);
        words[1] = 8;
        words.extend([98, 0, 1, 0, 0]);
        assert_eq!(decode(&[("address", words)]), wrong(&[Step::Index(8)], Why::Range(0, 65_535)));
        assert_eq!(decode(&[]), wrong(&[], Why::Missing));
    }

    #[test]
    fn sizes() {
        let sized = |size: Vec<u8>| decode(&[("address", tuple(&[1, 2, 3, 4])), ("size", size)]);
        assert_eq!(to(&[1, 2, 3, 4]).unwrap().size, PING_SIZE_DEFAULT);
        assert_eq!(sized(vec![97, 0]).unwrap().size, 0);
        assert_eq!(sized(vec![98, 0, 0, 4, 176]).unwrap().size, PING_SIZE_MAX);
        let over = RequestError::BadRequest(vec![Step::Key("size")], Why::Range(0, 1200));
        assert_eq!(sized(vec![98, 0, 0, 4, 177]), Err(over));
    }
}
