//! Echo requests and replies as bytes (RFC 792, RFC 4443 4.1 and 4.2). Whatever is read here is hostile: anybody can send an
//! echo reply to anybody.
#![forbid(unsafe_code)]

use crate::sys::icmp::{Family, Kind};

/// Bytes of the ICMP header: type, code, checksum, identifier, sequence number.
pub const HEADER: usize = 8;

/// Longest IPv4 header: `IHL` counts words in four bits (RFC 791, 3.1).
pub const IP_HEADER_MAX: usize = 60;

/// IANA's number of ICMP in the IPv4 header.
const PROTOCOL_ICMP: u8 = 1;

/// What the payload of a request begins with, and what its reply must bring back: nobody who has not seen the request can
/// know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What cannot be guessed.
    pub mark: u64,
    /// The number of the request; its lower half is the sequence number.
    pub count: u64,
}

impl Token {
    /// Bytes that it takes.
    pub const BYTES: usize = 16;

    fn bytes(self) -> [u8; Self::BYTES] {
        (u128::from(self.mark) << 64 | u128::from(self.count)).to_be_bytes()
    }

    fn sequence(self) -> [u8; 2] {
        let [.., a, b] = self.count.to_be_bytes();
        [a, b]
    }

    /// The token at the front of a payload, and what is behind it.
    fn split(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (mark, rest) = payload.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        Some((Self { mark: u64::from_be_bytes(*mark), count: u64::from_be_bytes(*count) }, rest))
    }
}

/// A reply that is in order. Whether anybody waits for it is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echoed {
    /// The token of the request.
    pub token: Token,
    /// Bytes of payload.
    pub size: usize,
}

/// Writes a request over what is in `packet`. Its payload has `size` bytes, and at least those of the token.
///
/// A ping socket replaces identifier and checksum by its own (net/ipv4/ping.c); the checksum of ICMPv6, which covers
/// addresses that only the kernel knows, is the kernel's on both kinds of socket (RFC 3542, 3.1).
pub fn request(family: Family, identifier: u16, token: Token, size: usize, packet: &mut Vec<u8>) {
    let [kind, _] = types(family);
    packet.clear();
    packet.extend_from_slice(&[kind, 0, 0, 0]);
    packet.extend_from_slice(&identifier.to_be_bytes());
    packet.extend_from_slice(&token.sequence());
    packet.extend_from_slice(&token.bytes());
    packet.extend(filler(size.saturating_sub(Token::BYTES)));
    if family == Family::V4 {
        let sum = checksum(packet).to_be_bytes();
        if let Some(room) = packet.get_mut(2..).and_then(<[u8]>::first_chunk_mut) {
            *room = sum;
        }
    }
}

/// Reads what a socket received. `None`: it is no echo reply that this program could have caused.
#[must_use]
pub fn reply(family: Family, kind: Kind, identifier: u16, bytes: &[u8]) -> Option<Echoed> {
    let message = match (family, kind) {
        (Family::V4, Kind::Raw) => behind_ip_header(bytes)?,
        _ => bytes,
    };
    // A raw socket of IPv4 gets messages before the kernel has looked at their checksum.
    if family == Family::V4 && checksum(message) != 0 {
        return None;
    }
    let [_, wanted] = types(family);
    let (token, rest) = split(message, wanted, kind, identifier)?;
    // All of it must have come back (RFC 792; RFC 4443, 4.2).
    let complete = rest.iter().copied().eq(filler(rest.len()));
    complete.then_some(Echoed { token, size: rest.len().saturating_add(Token::BYTES) })
}

/// Reads the request that an ICMP error quotes, from its ICMP header on. `None`: it is none of this program's, or not
/// enough of it is there.
///
/// RFC 792 asks for 8 bytes of the packet only. That says nothing that cannot be guessed, so such an error is not believed;
/// RFC 1812 (4.3.2.3) and RFC 4443 (2.4) want as much as fits.
#[must_use]
pub fn quoted(family: Family, kind: Kind, identifier: u16, bytes: &[u8]) -> Option<Token> {
    let [wanted, _] = types(family);
    split(bytes, wanted, kind, identifier).map(|(token, _)| token)
}

/// The types of request and reply.
fn types(family: Family) -> [u8; 2] {
    match family {
        Family::V4 => [8, 0],
        Family::V6 => [128, 129],
    }
}

/// What stands behind the token, as ping(8) has it: each byte is its place.
fn filler(length: usize) -> impl Iterator<Item = u8> {
    (0..=u8::MAX).cycle().skip(Token::BYTES).take(length)
}

/// Steps over the header with its options; the kernel has checked its checksum and put fragments together.
fn behind_ip_header(bytes: &[u8]) -> Option<&[u8]> {
    let first = bytes.first()?;
    let length = usize::from(first & 0x0f).checked_mul(4)?;
    if first >> 4 != 4 || length < 20 || bytes.get(9) != Some(&PROTOCOL_ICMP) {
        return None;
    }
    bytes.get(length..)
}

/// Token and filler of an echo message whose header is what it must be.
fn split(message: &[u8], wanted: u8, kind: Kind, identifier: u16) -> Option<(Token, &[u8])> {
    let (header, payload) = message.split_first_chunk::<HEADER>()?;
    let [of_type, code, _, _, i, d, s, q] = *header;
    let (token, rest) = Token::split(payload)?;
    // The kernel has compared the identifier of a ping socket, which it does not tell.
    let ours = kind == Kind::Ping || u16::from_be_bytes([i, d]) == identifier;
    (of_type == wanted && code == 0 && ours && token.sequence() == [s, q]).then_some((token, rest))
}

/// The Internet checksum (RFC 1071): of a message without one, what belongs into it; of one with a right one, 0.
#[must_use]
pub fn checksum(message: &[u8]) -> u16 {
    let sum = message.chunks(2).fold(0_u64, |sum, pair| match *pair {
        [a, b] => sum + u64::from(u16::from_be_bytes([a, b])),
        [a] => sum + u64::from(u16::from_be_bytes([a, 0])),
        _ => sum,
    });
    // What is carried out of 16 bits comes in at their lower end: that is counting modulo 65535, with 0 kept for nothing but 0.
    let folded = if sum == 0 { 0 } else { (sum - 1) % 0xffff + 1 };
    !u16::try_from(folded).unwrap_or(0)
}

#[cfg(test)]
mod tests;
