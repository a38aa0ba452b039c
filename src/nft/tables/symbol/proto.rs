//! Protocols, and what they and their headers are numbered by.
#![forbid(unsafe_code)]

use super::Symbol;

/// IANA's names of protocols above IP as /etc/protocols of Debian has them, and the two that nft has beside them; sorted.
pub(super) static INET: &[Symbol] = &[
    (0, "ip"),
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipencap"),
    (5, "st"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (17, "udp"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (29, "iso-tp4"),
    (33, "dccp"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (58, "icmpv6"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "rspf"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospf"),
    (93, "ax.25"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (108, "comp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (133, "fc"),
    (135, "mobility-header"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (141, "wesp"),
    (142, "rohc"),
    (143, "ethernet"),
];

/// include/uapi/linux/if_ether.h
pub(super) static ETHER: &[Symbol] = &[
    (0x0800, "ip"),
    (0x0806, "arp"),
    (0x86dd, "ip6"),
    (0x8100, "8021q"),
    (0x88a8, "8021ad"),
    (0x8100, "vlan"),
];

/// include/uapi/linux/if_arp.h
pub(super) static ARP_OP: &[Symbol] = &[
    (1, "request"),
    (2, "reply"),
    (3, "rrequest"),
    (4, "rreply"),
    (8, "inrequest"),
    (9, "inreply"),
    (10, "nak"),
];

/// RFC 4340, 5.1.
pub(super) static DCCP: &[Symbol] = &[
    (0, "request"),
    (1, "response"),
    (2, "data"),
    (3, "ack"),
    (4, "dataack"),
    (5, "closereq"),
    (6, "close"),
    (7, "reset"),
    (8, "sync"),
    (9, "syncack"),
];

/// RFC 6275, 6.1; 5568; 5096; 5142.
pub(super) static MOBILITY: &[Symbol] = &[
    (0, "binding-refresh-request"),
    (1, "home-test-init"),
    (2, "careof-test-init"),
    (3, "home-test"),
    (4, "careof-test"),
    (5, "binding-update"),
    (6, "binding-acknowledgement"),
    (7, "binding-error"),
    (8, "fast-binding-update"),
    (9, "fast-binding-acknowledgement"),
    (10, "fast-binding-advertisement"),
    (11, "experimental-mobility-header"),
    (12, "home-agent-switch-message"),
];

/// `NFPROTO_*`
pub(super) static NFPROTO: &[Symbol] = &[(2, "ipv4"), (10, "ipv6")];

/// `ARPHRD_*`
pub(super) static IFACE: &[Symbol] = &[
    (1, "ether"),
    (512, "ppp"),
    (768, "ipip"),
    (769, "ipip6"),
    (772, "loopback"),
    (776, "sit"),
    (778, "ipgre"),
];

/// `PACKET_*` (include/uapi/linux/if_packet.h).
pub(super) static PKT: &[Symbol] =
    &[(0, "host"), (0, "unicast"), (1, "broadcast"), (2, "multicast"), (3, "other")];

/// `RTN_*` (include/uapi/linux/rtnetlink.h).
pub(super) static ADDRESS: &[Symbol] = &[
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];

/// RFC 2474, 2597, 3246, 5865, 8622.
pub(super) static DSCP: &[Symbol] = &[
    (0x00, "cs0"),
    (0x08, "cs1"),
    (0x10, "cs2"),
    (0x18, "cs3"),
    (0x20, "cs4"),
    (0x28, "cs5"),
    (0x30, "cs6"),
    (0x38, "cs7"),
    (0x00, "df"),
    (0x00, "be"),
    (0x01, "lephb"),
    (0x0a, "af11"),
    (0x0c, "af12"),
    (0x0e, "af13"),
    (0x12, "af21"),
    (0x14, "af22"),
    (0x16, "af23"),
    (0x1a, "af31"),
    (0x1c, "af32"),
    (0x1e, "af33"),
    (0x22, "af41"),
    (0x24, "af42"),
    (0x26, "af43"),
    (0x2c, "va"),
    (0x2e, "ef"),
];

/// RFC 3168.
pub(super) static ECN: &[Symbol] = &[(0, "not-ect"), (1, "ect1"), (2, "ect0"), (3, "ce")];

/// RFC 8684, 8.
pub(super) static MPTCP: &[Symbol] = &[
    (0, "mp-capable"),
    (1, "mp-join"),
    (2, "dss"),
    (3, "add-addr"),
    (4, "remove-addr"),
    (5, "mp-prio"),
    (6, "mp-fail"),
    (7, "mp-fastclose"),
    (8, "mp-tcprst"),
];
