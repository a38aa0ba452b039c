//! Keys of `ct` (`enum nft_ct_keys`; types and widths as nft(8), "CONNTRACK EXPRESSIONS", has them).
#![forbid(unsafe_code)]

use super::key::{self, KeyRow, keys};

/// A key: the row of the table that describes it.
pub type CtKey = &'static KeyRow;

/// All of them, by number: the place of a row is its number. The type of `saddr` and `daddr` is that of the family, and they
/// stand here with the one that is not larger.
pub static CT_KEYS: &[KeyRow] = keys! {
    0 "state" CtState 32 Host,
    1 "direction" CtDir 8 Host,
    2 "status" CtStatus 32 Host,
    3 "mark" Mark 32 Host,
    4 "secmark" Integer 32 Host,
    5 "expiration" Time 32 Host,
    6 "helper" String 128 Host,
    7 "l3proto" NfProto 8 Host,
    8 "saddr" Ipv4Addr 0 Network,
    9 "daddr" Ipv4Addr 0 Network,
    10 "protocol" InetProto 8 Network,
    11 "proto-src" InetService 16 Network,
    12 "proto-dst" InetService 16 Network,
    13 "label" CtLabel 128 Host,
    14 "packets" Integer 64 Host,
    15 "bytes" Integer 64 Host,
    16 "avgpkt" Integer 64 Host,
    17 "zone" Integer 16 Host,
    18 "event" CtEvent 32 Host,
    19 "ip saddr" Ipv4Addr 32 Network,
    20 "ip daddr" Ipv4Addr 32 Network,
    21 "ip6 saddr" Ipv6Addr 128 Network,
    22 "ip6 daddr" Ipv6Addr 128 Network,
    23 "id" Integer 32 Network,
};

/// The key of that name.
#[must_use]
pub fn ct_named(name: &[u8]) -> Option<CtKey> {
    key::named(CT_KEYS, name)
}

/// The key of that number.
#[must_use]
pub fn ct_numbered(number: u32) -> Option<CtKey> {
    key::numbered(CT_KEYS, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_row_is_its_number() {
        assert!((0..).zip(CT_KEYS).all(|(number, key)| key.number == number));
        assert_eq!(ct_numbered(24), None);
        assert_eq!(ct_named(b"proto_src"), None);
    }
}
