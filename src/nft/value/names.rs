//! What values mean depends on outside of the rule.
#![forbid(unsafe_code)]

use crate::nft::model::Text;

/// What a host calls things, and how the reader wants them. Asked only for values of a type that needs it.
pub trait Names {
    /// The index of the interface of that name.
    fn interface(&self, name: &[u8]) -> Option<u32>;

    /// The name of the interface of that index.
    fn interface_name(&self, index: u32) -> Option<Text>;

    /// Seconds that the clock of the reader is ahead of UTC. The kernel compares with UTC (net/netfilter/nft_meta.c), and
    /// so a rule means the same all year if nothing is added; that is what the program does.
    fn utc_offset_s(&self) -> i32 {
        0
    }

    /// Protocols are written by name (`tcp`), not by number.
    fn protocol_words(&self) -> bool {
        false
    }
}

/// Knows `lo` alone, whose index is 1 in every network namespace (`LOOPBACK_IFINDEX`, include/net/flow.h).
#[derive(Clone, Copy, Debug)]
pub struct Loopback;

impl Names for Loopback {
    fn interface(&self, name: &[u8]) -> Option<u32> {
        (name == b"lo").then_some(1)
    }

    fn interface_name(&self, index: u32) -> Option<Text> {
        (index == 1).then_some(Text::Borrowed(b"lo"))
    }
}
