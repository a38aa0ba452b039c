//! What a reply tells.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use crate::sys::clock;
use crate::wire::write::Writer;
use crate::wire::{address, atoms};

/// The reply to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who answered: the address that was asked.
    pub address: IpAddr,
    /// From the call that sent the request to the turn of the loop that met the reply, which can be one slice later than the
    /// reply itself.
    pub rtt: Duration,
    /// The TTL or hop limit that was left of the reply's.
    pub ttl: Option<u8>,
    /// Bytes of payload.
    pub size: usize,
}

impl Reply {
    /// `#{rtt => Microseconds, ttl => 0..255 | undefined, size => Bytes, address => inet:ip_address()}`.
    pub fn write(&self, w: &mut Writer) {
        w.map(4);
        w.atom(atoms::RTT);
        w.uint(clock::micros(self.rtt));
        w.atom(atoms::TTL);
        match self.ttl {
            Some(ttl) => w.uint(u64::from(ttl)),
            None => w.atom(atoms::UNDEFINED),
        }
        w.atom(atoms::SIZE);
        w.uint(u64::try_from(self.size).unwrap_or(u64::MAX));
        w.atom(atoms::ADDRESS);
        address::write(self.address, w);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> Vec<u8> {
        let mut w = Writer::new();
        reply.write(&mut w);
        w.bytes().to_vec()
    }

    #[test]
    fn a_reply_is_a_map_of_four() {
        let address = IpAddr::from([10, 0, 0, 255]);
        let reply = Reply { address, rtt: Duration::from_micros(300), ttl: Some(64), size: 56 };
        let expected = [
            &[116, 0, 0, 0, 4][..],
            b"\x77\x03rtt\x62\x00\x00\x01\x2c",
            b"\x77\x03ttl\x61\x40",
            b"\x77\x04size\x61\x38",
            b"\x77\x07address\x68\x04\x61\x0a\x61\x00\x61\x00\x61\xff",
        ];
        assert_eq!(written(&reply), expected.concat());
        let unknown = written(&Reply { ttl: None, ..reply });
        assert!(unknown.windows(16).any(|w| w == b"\x77\x03ttl\x77\x09undefined"));
        let v6 = written(&Reply { address: "::1".parse().unwrap(), ..reply });
        assert!(v6.ends_with(&[&[104, 8][..], &[97, 0].repeat(7), &[97, 1]].concat()));
    }
}
