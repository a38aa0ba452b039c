//! Addresses and networks, from terms to types.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::error::{RequestError, Why};
use crate::limits::{BAN_BITS_MIN_4, BAN_BITS_MIN_6, BAN_MAX_MS, BAN_MIN_MS, NFT_COMMENT_MAX};
use crate::nft::intervals::Interval;
use crate::wire::address;
use crate::wire::schema::{At, binary, fields, integer};
use crate::wire::term::{Pairs, Term};

/// An address, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The first.
    pub address: IpAddr,
    /// Leading bits that count.
    pub bits: u32,
}

impl Network {
    /// Nothing if there are bits behind the prefix, or too many of them.
    #[must_use]
    pub fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let network = Self { address, bits };
        Interval::of_prefix(network.number(), bits, network.width()).map(|_| network)
    }

    /// Bits of an address.
    #[must_use]
    pub fn width(&self) -> u32 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The first address of the network that the address lies in.
    fn without_rest(&self) -> IpAddr {
        let keep = |width: u32| u128::MAX.checked_shl(width.saturating_sub(self.bits)).unwrap_or(0);
        match self.address {
            IpAddr::V4(address) => {
                let number = u128::from(u32::from(address)) & keep(32);
                u32::try_from(number).map_or(self.address, |n| Ipv4Addr::from(n).into())
            }
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & keep(128)).into(),
        }
    }

    fn number(&self) -> u128 {
        match self.address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => address.into(),
        }
    }

    /// The addresses.
    #[must_use]
    pub fn interval(&self) -> Interval {
        let first = self.number();
        Interval::of_prefix(first, self.bits, self.width()).unwrap_or(Interval { first, last: first })
    }
}

/// The arguments of `ban`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanArgs {
    /// Who.
    pub network: Network,
    /// For how long; nothing: until it is taken back.
    pub timeout: Option<Duration>,
    /// Why.
    pub comment: Option<Vec<u8>>,
}

impl BanArgs {
    /// Reads `#{address => Address | {Address, Bits}, timeout => Milliseconds, comment => Binary}`.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [address, timeout, comment] = fields(args, at, ["address", "timeout", "comment"])?;
        let network = required(address, at)?;
        if network.is_this_host() {
            return Err(At::Key(at, "address").error(Why::OneOf(OF_OTHERS.to_owned())));
        }
        let timeout =
            timeout.map(|t| integer(t, &At::Key(at, "timeout"), BAN_MIN_MS, BAN_MAX_MS)).transpose()?;
        let at = At::Key(at, "comment");
        let comment = comment.map(|t| binary(t, &at)).transpose()?;
        if comment.is_some_and(|c| c.is_empty() || c.len() > NFT_COMMENT_MAX) {
            return Err(at.error(Why::Length(1, NFT_COMMENT_MAX as u64)));
        }
        if comment.is_some_and(|c| c.contains(&0)) {
            return Err(at.error(Why::Nul));
        }
        Ok(Self {
            network,
            timeout: timeout.map(Duration::from_millis),
            comment: comment.map(<[u8]>::to_vec),
        })
    }
}

impl Network {
    /// Reads the argument of `unban`: `#{address => Address | {Address, Bits}}`.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [address] = fields(args, at, ["address"])?;
        required(address, at)
    }

    /// Whether an address of it is the host itself, whatever addresses it was given: loopback, and what is written for none. Its programs
    /// would not reach each other any more.
    #[must_use]
    pub fn is_this_host(&self) -> bool {
        let has = |address: IpAddr, bits| {
            Self::new(address, bits).is_some_and(|other| self.width() == other.width() && self.meets(&other))
        };
        has(Ipv4Addr::LOCALHOST.into(), 32)
            || has(IpAddr::from([127, 0, 0, 0]), 8)
            || has(Ipv4Addr::UNSPECIFIED.into(), 32)
            || has(Ipv6Addr::LOCALHOST.into(), 128)
            || has(Ipv6Addr::UNSPECIFIED.into(), 128)
    }

    fn meets(&self, other: &Self) -> bool {
        let (one, other) = (self.interval(), other.interval());
        one.first <= other.last && other.first <= one.last
    }
}

/// What a ban is of instead.
const OF_OTHERS: &str = "of others: loopback (127.0.0.0/8, ::1), 0.0.0.0 and :: are this host itself, and its own programs would not reach \
    each other any more; who means it adds a rule of his own with nft_apply";

fn required(term: Option<Term<'_>>, at: &At<'_>) -> Result<Network, RequestError> {
    let at = At::Key(at, "address");
    let wrong = || at.error(Why::Expected("address"));
    let mut elements = match term.ok_or_else(|| at.error(Why::Missing))? {
        Term::Tuple(elements) => elements,
        other => return Err(at.error(address::no_address(other))),
    };
    let (address, bits) = if elements.len() == 2 {
        let address = address::read(elements.next().ok_or_else(wrong)?, &At::Index(&at, 1))?;
        (address, Some(elements.next().ok_or_else(wrong)?))
    } else {
        (address::read_elements(elements, &at)?, None)
    };
    let (width, least) = if address.is_ipv4() { (32, BAN_BITS_MIN_4) } else { (128, BAN_BITS_MIN_6) };
    let bits = bits.map(|t| integer(t, &At::Index(&at, 2), least, width)).transpose()?.unwrap_or(width);
    let bits = u32::try_from(bits).unwrap_or(0);
    Network::new(address, bits).ok_or_else(|| {
        let network = Network { address, bits }.without_rest();
        at.error(Why::OneOf(format!(
            "a network without bits behind its prefix, {network}/{bits}, or the address {address} alone"
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let (address, bits) = text.split_once('/').unwrap();
        Network { address: address.parse().unwrap(), bits: bits.parse().unwrap() }
    }

    #[test]
    fn a_network_with_an_address_that_is_always_this_host_is_known() {
        for own in [
            "127.0.0.1/32",
            "127.0.0.53/32",
            "127.0.0.0/8",
            "127.128.0.0/9",
            "0.0.0.0/0",
            "0.0.0.0/8",
            "0.0.0.0/32",
            "::1/128",
            "::/128",
            "::/0",
            "::/96",
            "::/12",
        ] {
            assert!(network(own).is_this_host(), "{own}");
        }
        for other in [
            "126.0.0.0/8",
            "128.0.0.0/8",
            "10.0.0.0/8",
            "0.0.0.1/32",
            "::2/128",
            "2001:db8::/32",
            "fe80::1/128",
        ] {
            assert!(!network(other).is_this_host(), "{other}");
        }
    }

    #[test]
    fn what_stands_behind_a_prefix_is_taken_off() {
        for (given, first) in [
            ("10.1.2.3/8", "10.0.0.0"),
            ("10.1.2.3/31", "10.1.2.2"),
            ("2001:db8::7/32", "2001:db8::"),
            ("2001:db8::7/127", "2001:db8::6"),
        ] {
            assert_eq!(network(given).without_rest(), first.parse::<IpAddr>().unwrap(), "{given}");
            assert_eq!(Network::new(network(given).address, network(given).bits), None);
        }
    }
}
