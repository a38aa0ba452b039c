//! Addresses and networks, from terms to types.
#![forbid(unsafe_code)]

use std::net::IpAddr;
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
        let network = required(address, at, [BAN_BITS_MIN_4, BAN_BITS_MIN_6])?;
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
        required(address, at, [0, 0])
    }
}

/// With so many bits of IPv4 and IPv6 at least.
fn required(term: Option<Term<'_>>, at: &At<'_>, least: [u64; 2]) -> Result<Network, RequestError> {
    let at = At::Key(at, "address");
    let wrong = || at.error(Why::Expected("address"));
    let Term::Tuple(mut elements) = term.ok_or_else(|| at.error(Why::Missing))? else { return Err(wrong()) };
    let (address, bits) = if elements.len() == 2 {
        let address = address::read(elements.next().ok_or_else(wrong)?, &At::Index(&at, 1))?;
        (address, Some(elements.next().ok_or_else(wrong)?))
    } else {
        (address::read_elements(elements, &at)?, None)
    };
    let (width, least) = if address.is_ipv4() { (32, least[0]) } else { (128, least[1]) };
    let bits = bits.map(|t| integer(t, &At::Index(&at, 2), least, width)).transpose()?.unwrap_or(width);
    Network::new(address, u32::try_from(bits).unwrap_or(0)).ok_or_else(wrong)
}
