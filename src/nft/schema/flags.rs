//! Words for bits, both ways.
#![forbid(unsafe_code)]

use super::place::{Place, Read};
use crate::error::Why;
use crate::nft::model::{nat_type, set_flag};
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// The words of some bits, in the order in which they are written. A word of several bits stands before theirs.
pub(super) struct Flags(&'static [(u32, &'static str)]);

/// `NFT_TABLE_F_*` (nf_tables.h).
pub(super) const TABLE: Flags = Flags(&[(1, "dormant"), (2, "owner"), (4, "persist")]);

/// Those of [`set_flag`] that the schema names.
pub(super) const SET: Flags = Flags(&[
    (set_flag::CONSTANT, "constant"),
    (set_flag::INTERVAL, "interval"),
    (set_flag::TIMEOUT, "timeout"),
    (set_flag::EVAL, "dynamic"),
]);

/// `NFT_CHAIN_HW_OFFLOAD`; libnftables-json(5) has no word for it, this is the one of nft(8).
pub(super) const CHAIN: Flags = Flags(&[(1, "offload")]);

/// `NF_LOG_*` (nf_log.h).
pub(super) const LOG: Flags = Flags(&[
    (0x2f, "all"),
    (0x01, "tcp sequence"),
    (0x02, "tcp options"),
    (0x04, "ip options"),
    (0x08, "skuid"),
    (0x20, "ether"),
]);

/// `NF_NAT_RANGE_*` (nf_nat.h).
pub(super) const NAT: Flags =
    Flags(&[(0x04, "random"), (0x10, "fully-random"), (0x08, "persistent"), (0x40, "netmap")]);

/// Of [`nat_type`].
pub(super) const NAT_TYPE: Flags =
    Flags(&[(nat_type::INTERVAL, "interval"), (nat_type::PREFIX, "prefix"), (nat_type::CONCAT, "concat")]);

/// `NFT_QUEUE_FLAG_*` (nf_tables.h).
pub(super) const QUEUE: Flags = Flags(&[(1, "bypass"), (2, "fanout")]);

/// `NF_SYNPROXY_OPT_*` (nf_synproxy.h) without those that `mss` and `wscale` stand for.
pub(super) const SYNPROXY: Flags = Flags(&[(8, "timestamp"), (4, "sack-perm")]);

/// `NFTA_FIB_F_*` (nf_tables.h) without the one that `check` stands for.
pub(super) const FIB: Flags = Flags(&[(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")]);

impl Flags {
    /// One word, or a list of them.
    pub fn read(&self, at: &Place<'_>, term: Term<'_>) -> Read<u32> {
        let Term::List(words) = term else { return self.bits(at, term) };
        if words.len() > self.0.len() {
            return Err(at.error(Why::TooMany(u64::try_from(self.0.len()).unwrap_or(u64::MAX))));
        }
        let mut all = 0;
        for (n, word) in (1..).zip(words) {
            let bits = self.bits(&at.index(n), word)?;
            if all & bits == bits {
                return Err(at.index(n).error(Why::Duplicate));
            }
            all |= bits;
        }
        Ok(all)
    }

    fn bits(&self, at: &Place<'_>, term: Term<'_>) -> Read<u32> {
        at.among(
            term,
            || self.0.iter().map(|(_, name)| *name).collect(),
            |word| self.0.iter().find(|(_, name)| name.as_bytes() == word).map(|(bits, _)| *bits),
        )
    }

    /// The bits that have words.
    pub fn known(&self) -> u32 {
        self.0.iter().fold(0, |all, (bits, _)| all | bits)
    }

    /// A list of words; bits without one follow as a number.
    pub fn write(&self, mut bits: u32, w: &mut Writer) {
        let mark = w.begin_list();
        let mut words = 0;
        for (mask, name) in self.0 {
            if bits & mask == *mask {
                w.text(name);
                words += 1;
                bits &= !mask;
            }
        }
        if bits != 0 {
            w.uint(u64::from(bits));
            words += 1;
        }
        w.end_list(mark, words);
    }
}
