//! A ruleset with something of everything, and what the kernel holds of it as bytes.

use crate::nft_support::raw::{self, Netlink, attr, attributes, name};

/// Anonymous sets, verdict maps, intervals, concatenations, timeouts, objects, in tables of several families.
pub const RICH: &str = r#"
table inet rich {
  comment "something of everything"
  counter c1 { packets 7 bytes 420 }
  quota q1 { over 10 mbytes used 1 kbytes }
  limit l1 { rate over 10/second burst 7 packets }
  set ports { type inet_service; flags interval; elements = { 22, 80-90, 443 } }
  set nets { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 192.168.0.0-192.168.3.4 } }
  set pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 1-1024, 192.168.0.1 . 22 } }
  set temp { type ipv4_addr; flags timeout; timeout 1h; elements = { 10.0.0.1 timeout 30m comment "a guest", 10.0.0.2 } }
  set temp6 { type ipv6_addr; flags interval,timeout; elements = { fd00::/8 timeout 2h, fe80::1 } }
  set seen { type ipv4_addr; flags dynamic,timeout; size 100; timeout 60s; }
  set typed { typeof ip saddr . tcp dport; counter; elements = { 10.0.0.1 . 22, 10.0.0.2 . 80 } }
  set links { type ifname; flags interval; elements = { "lo", "eth*" } }
  map marks { type ipv4_addr : mark; elements = { 10.0.0.1 : 0x10, 10.0.0.2 : 0x20 } }
  map verdicts { type inet_service : verdict; flags interval; elements = { 22 : jump sub, 80-90 : accept, 100 : drop } }
  map objects { type ipv4_addr : counter; elements = { 10.0.0.5 : "c1" } }
  chain sub {
    comment "called"
    counter packets 5 bytes 300 return comment "and back"
  }
  chain in {
    type filter hook input priority filter; policy accept;
    tcp dport { 22, 80, 443 } counter accept
    ip saddr . tcp dport { 10.0.0.0/8 . 1-1024, 192.168.0.1 . 22 } accept
    tcp dport vmap { 22 : jump sub, 80-90 : accept, 100 : drop }
    ct state vmap { established : accept, related : accept, invalid : drop }
    meta mark set ip saddr map { 10.0.0.1 : 0x1, 10.0.0.2 : 0x2 }
    meta mark set ip daddr map @marks
    ip saddr @nets tcp dport @ports limit rate 10/second burst 5 packets accept
    ip saddr . tcp dport @pairs log prefix "pair: " level warn
    tcp dport vmap @verdicts
    counter name ip saddr map @objects
    counter name "c1" quota name "q1"
    add @seen { ip saddr timeout 10s limit rate 10/second }
    ip6 saddr != { fd00::/8, fe80::1 } tcp flags & (fin | syn | rst | ack) == syn counter reject with icmpx admin-prohibited
    iifname @links ct mark set meta mark & 0xff | 0x100
    ip dscp set cs1 tcp option maxseg size set 1360
    quota 20 mbytes limit rate over 400/minute burst 5 packets drop
    ip saddr 10.0.0.1 jump { tcp dport 22 accept; drop; }
  }
  chain nat {
    type nat hook prerouting priority dstnat; policy accept;
    tcp dport 8080 dnat ip to 10.0.0.1-10.0.0.9:80-90 random,persistent
    dnat ip to tcp dport map { 81 : 10.0.0.1, 82 : 10.0.0.2 }
    tcp dport 83 redirect to :8083
  }
}
table ip6 rich {
  chain out {
    type route hook output priority mangle - 5; policy drop;
    ip6 nexthdr tcp exthdr frag exists accept
    icmpv6 type { nd-neighbor-solicit, echo-request } accept
  }
}
table bridge rich {
  chain pre {
    type filter hook prerouting priority dstnat;
    ether saddr 00:01:02:03:04:05 vlan id 5 ip protocol tcp accept
  }
}
table arp rich {
  chain in {
    type filter hook input priority filter;
    arp operation request arp saddr ip 10.0.0.1 drop
  }
}
table netdev rich {
  chain ingress {
    type filter hook ingress device lo priority 0;
    ip saddr 10.9.9.9 counter drop
  }
}
"#;

/// The tables of [`RICH`].
pub const TABLES: &[(&str, &str)] =
    &[("inet", "rich"), ("ip6", "rich"), ("bridge", "rich"), ("arp", "rich"), ("netdev", "rich")];

/// Each message as the kernel dumps it: what it makes, family, attributes. Elements one by one, each with its table and set.
pub fn everything(netlink: &Netlink) -> Vec<(u8, u8, Vec<u8>)> {
    let mut all = Vec::new();
    for family in [1, 2, 10, 7, 3, 5] {
        let mut take = |get, new| {
            let dumped = netlink.dump(get, family, &[]);
            all.extend(dumped.iter().map(|body| (new, family, body.clone())));
            dumped
        };
        take(raw::GETTABLE, raw::NEWTABLE);
        take(raw::GETCHAIN, raw::NEWCHAIN);
        take(raw::GETOBJ, raw::NEWOBJ);
        let sets = take(raw::GETSET, raw::NEWSET);
        take(raw::GETRULE, raw::NEWRULE);
        for set in sets {
            let of: Vec<u8> =
                [1, 2].iter().flat_map(|k| attr(*k, raw::attribute(&set, *k).unwrap())).collect();
            for message in netlink.dump(raw::GETSETELEM, family, &of) {
                all.push((raw::NEWSETELEM, family, message));
            }
        }
    }
    all
}

/// The same without handles and expirations, and elements in an order of their own: sets that hash have none.
pub fn comparable(netlink: &Netlink) -> Vec<(u8, u8, Vec<u8>)> {
    let mut all = Vec::new();
    for (kind, family, body) in everything(netlink) {
        // NFTA_TABLE_HANDLE, NFTA_CHAIN_HANDLE, NFTA_RULE_HANDLE and _POSITION, NFTA_SET_HANDLE, NFTA_OBJ_HANDLE.
        let gone: &[u16] = match kind {
            raw::NEWTABLE => &[4],
            raw::NEWCHAIN => &[2],
            raw::NEWRULE => &[3, 6],
            raw::NEWSET => &[16],
            raw::NEWOBJ => &[6],
            _ => &[],
        };
        let kept = |kinds: &[u16], body: &[u8]| -> Vec<u8> {
            attributes(body)
                .into_iter()
                .filter(|(k, _)| !kinds.contains(k))
                .flat_map(|(k, v)| attr(k, v))
                .collect()
        };
        if kind == raw::NEWSETELEM {
            for (_, element) in raw::attribute(&body, 3).map(attributes).unwrap_or_default() {
                // NFTA_SET_ELEM_EXPIRATION
                all.push((kind, family, [kept(&[3], &body), kept(&[5], element)].concat()));
            }
        } else {
            all.push((kind, family, kept(gone, &body)));
        }
    }
    // Objects lie in a table that hashes, too.
    all.sort_by_key(|(kind, family, body)| {
        let unordered = [raw::NEWSETELEM, raw::NEWOBJ].contains(kind);
        (*family, *kind, if unordered { body.clone() } else { Vec::new() })
    });
    all
}

/// Rules of a table, as the kernel counts them.
pub fn rules(netlink: &Netlink, family: &str, table: &str) -> usize {
    netlink.dump(raw::GETRULE, raw::family(family), &name(1, table)).len()
}
