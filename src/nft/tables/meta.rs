//! Keys of `meta` (`enum nft_meta_keys`; types and widths as nft(8), "META EXPRESSIONS", has them).
#![forbid(unsafe_code)]

use super::key::{self, KeyRow, keys};

/// A key: the row of the table that describes it.
pub type MetaKey = &'static KeyRow;

/// All of them, by number.
pub static META_KEYS: &[KeyRow] = keys! {
    0 "length" Integer 32 Host,
    1 "protocol" EtherType 16 Network,
    2 "priority" ClassId 32 Host,
    3 "mark" Mark 32 Host,
    4 "iif" IfaceIndex 32 Host,
    5 "oif" IfaceIndex 32 Host,
    6 "iifname" Ifname 128 Host,
    7 "oifname" Ifname 128 Host,
    8 "iiftype" IfaceType 16 Host,
    9 "oiftype" IfaceType 16 Host,
    10 "skuid" Uid 32 Host,
    11 "skgid" Gid 32 Host,
    12 "nftrace" Integer 1 Host,
    13 "rtclassid" Realm 32 Host,
    14 "secmark" Integer 32 Host,
    15 "nfproto" NfProto 8 Host,
    16 "l4proto" InetProto 8 Host,
    17 "ibrname" Ifname 128 Host,
    18 "obrname" Ifname 128 Host,
    19 "pkttype" PktType 8 Host,
    20 "cpu" Integer 32 Host,
    21 "iifgroup" DevGroup 32 Host,
    22 "oifgroup" DevGroup 32 Host,
    23 "cgroup" Integer 32 Host,
    24 "random" Integer 32 Network,
    25 "ipsec" Boolean 1 Host,
    26 "iifkind" Ifname 128 Host,
    27 "oifkind" Ifname 128 Host,
    28 "ibrpvid" Integer 16 Host,
    29 "ibrvproto" EtherType 16 Network,
    30 "time" TimeDate 64 Host,
    31 "day" TimeDay 8 Host,
    32 "hour" TimeHour 32 Host,
    33 "sdif" IfaceIndex 32 Host,
    34 "sdifname" Ifname 128 Host,
    35 "broute" Integer 1 Host,
    37 "ibrhwaddr" EtherAddr 48 Network,
};

/// Older words for some of them, which nft still reads and no longer writes.
fn today(name: &[u8]) -> &[u8] {
    match name {
        b"secpath" => b"ipsec",
        b"ibriport" => b"ibrname",
        b"obriport" => b"obrname",
        _ => name,
    }
}

/// The key of that name.
#[must_use]
pub fn meta_named(name: &[u8]) -> Option<MetaKey> {
    key::named(META_KEYS, today(name))
}

/// The key of that number.
#[must_use]
pub fn meta_numbered(number: u32) -> Option<MetaKey> {
    key::numbered(META_KEYS, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_they_stand() {
        assert_eq!(meta_numbered(36), None);
        assert_eq!(meta_numbered(37).map(|k| k.name), Some("ibrhwaddr"));
        assert_eq!(meta_named(b"Mark"), None);
    }

    #[test]
    fn older_words_are_read() {
        assert_eq!(meta_named(b"secpath"), meta_named(b"ipsec"));
        assert_eq!(meta_named(b"ibriport").map(|k| k.number), Some(17));
        assert_eq!(meta_named(b"obriport").map(|k| k.number), Some(18));
    }
}
