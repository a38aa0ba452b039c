//! Flags, by bit.
#![forbid(unsafe_code)]

use super::Symbol;

/// `NF_CT_STATE_BIT` and its kin (include/uapi/linux/netfilter/nf_conntrack_common.h).
pub(super) static CT_STATE: &[Symbol] =
    &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")];

/// `enum ip_conntrack_status`; nft has no names for the bits between.
pub(super) static CT_STATUS: &[Symbol] = &[
    (0x001, "expected"),
    (0x002, "seen-reply"),
    (0x004, "assured"),
    (0x008, "confirmed"),
    (0x010, "snat"),
    (0x020, "dnat"),
    (0x200, "dying"),
];

/// `enum ip_conntrack_events`
pub(super) static CT_EVENT: &[Symbol] = &[
    (0x001, "new"),
    (0x002, "related"),
    (0x004, "destroy"),
    (0x008, "reply"),
    (0x010, "assured"),
    (0x020, "protoinfo"),
    (0x040, "helper"),
    (0x080, "mark"),
    (0x100, "seqadj"),
    (0x200, "secmark"),
    (0x400, "label"),
];

/// RFC 9293, 3.1.
pub(super) static TCP_FLAG: &[Symbol] = &[
    (0x01, "fin"),
    (0x02, "syn"),
    (0x04, "rst"),
    (0x08, "psh"),
    (0x10, "ack"),
    (0x20, "urg"),
    (0x40, "ecn"),
    (0x80, "cwr"),
];
