//! Messages about IP.
#![forbid(unsafe_code)]

use super::Symbol;

/// include/uapi/linux/icmp.h
pub(super) static TYPE: &[Symbol] = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];

/// Codes of `destination-unreachable`.
pub(super) static CODE: &[Symbol] = &[
    (0, "net-unreachable"),
    (1, "host-unreachable"),
    (2, "prot-unreachable"),
    (3, "port-unreachable"),
    (4, "frag-needed"),
    (9, "net-prohibited"),
    (10, "host-prohibited"),
    (13, "admin-prohibited"),
];

/// include/uapi/linux/icmpv6.h, RFC 4861, 3122, 2894.
pub(super) static TYPE_V6: &[Symbol] = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (132, "mld-listener-reduction"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];

/// Codes of `destination-unreachable`.
pub(super) static CODE_V6: &[Symbol] = &[
    (0, "no-route"),
    (1, "admin-prohibited"),
    (3, "addr-unreachable"),
    (4, "port-unreachable"),
    (5, "policy-fail"),
    (6, "reject-route"),
];

/// `enum nft_reject_inet_code`
pub(super) static CODE_EITHER: &[Symbol] =
    &[(0, "no-route"), (1, "port-unreachable"), (2, "host-unreachable"), (3, "admin-prohibited")];

/// RFC 2236, 3376.
pub(super) static IGMP: &[Symbol] = &[
    (17, "membership-query"),
    (18, "membership-report-v1"),
    (22, "membership-report-v2"),
    (23, "leave-group"),
    (34, "membership-report-v3"),
];
