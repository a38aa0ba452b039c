//! Expressions that the kernel dumps.

use portcullis::netlink::attr::{Attrs, Buffer, find};
use portcullis::nft::kernel::{self, KExpr};
use portcullis::nft::object::message::GET_RULE;

use crate::nft_support::nft;
use crate::world::{Kernel, network, plain};

/// What the rules refer to.
pub const SETUP: &str = r#"
table inet t {
  counter c { packets 3 bytes 300 }
  quota q { over 10 mbytes used 1 kbytes }
  map named { type inet_service : counter; elements = { 80 : "c" } }
  set seen { type ipv4_addr; flags dynamic,timeout; size 100; timeout 1h; }
  set plain { type ipv4_addr; flags dynamic; size 100; }
  set grown { type ipv4_addr . ipv4_addr; }
  map marks { type ipv4_addr : mark; flags dynamic,timeout; size 100; }
  chain sub { }
  chain nat { type nat hook prerouting priority dstnat; policy accept; }
  chain post { type nat hook postrouting priority srcnat; policy accept; }
  chain pre { type filter hook prerouting priority raw; policy accept; }
  chain in { type filter hook input priority filter; policy drop; }
}
table netdev n {
  chain ingress { type filter hook ingress device lo priority 0; }
}
"#;

/// Rules that use, all together, every expression that this kernel and nft 1.0.6 can make, below the chains that they are for.
pub const RULES: &str = r#"
# inet t nat
  tcp dport 8080 dnat ip to 10.0.0.1-10.0.0.9:80-90 random,persistent
  tcp dport 81 redirect to :8081 fully-random
# inet t post
  ip protocol tcp masquerade to :1024-2048 random
  masquerade
  ip saddr 10.0.0.0/8 snat ip to 192.0.2.1
# inet t pre
  notrack
  meta mark set ct mark and 0xff or 0x100
  ct mark set meta mark << 4
  ct zone set 1
  ip dscp set cs1
  tcp option maxseg size set 1360
  reset tcp option sack-perm
  tcp dport 80 tproxy ip to 127.0.0.1:3128
  fib daddr . iif type local drop
  rt classid 5
  socket transparent 1 accept
  osf name "Linux"
  meta ipsec exists ipsec in reqid 1
# inet t in
  ct state established,related counter accept
  ct original ip saddr 10.0.0.1 ct direction original
  ip saddr != 10.0.0.0/8 tcp dport 1000-2000 tcp dport != 1200-1300
  ip6 nexthdr tcp exthdr frag exists frag frag-off 33
  tcp option sack left 5
  ip option rr ptr 3
  limit rate over 400/minute burst 5 packets
  quota 20 mbytes
  ct count over 20
  log prefix "hit: " group 2 snaplen 64 queue-threshold 3
  log level debug flags all
  reject with icmpx admin-prohibited
  tcp dport 22 reject with tcp reset
  counter name "c"
  quota name "q"
  counter name tcp dport map @named
  update @seen { ip saddr timeout 10s limit rate 10/second }
  add @seen { ip saddr counter }
  add @plain { ip saddr }
  add @grown { ip saddr . ip daddr }
  add @marks { ip daddr : meta mark }
  tcp dport vmap { 1-10 : jump sub, 20 : goto sub, 30 : drop }
  meta mark set jhash ip saddr mod 8 seed 0xdeadbeef offset 100
  meta mark set symhash mod 4
  meta mark set numgen random mod 8 offset 2
  meta hour "01:00"-"02:00"
  tcp dport 23 synproxy mss 1460 wscale 7 timestamp sack-perm
  sctp chunk data tsn 5
# netdev n ingress
  ip saddr 10.0.0.1 fwd to lo
  dup to lo
  ip daddr 10.0.0.2 fwd ip to 10.0.0.3 device lo
"#;

/// Adds the rules one by one, and says how many were refused: not every kernel has everything.
pub fn load(rules: &str) -> usize {
    let (mut chain, mut refused) = (String::new(), 0);
    for line in rules.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            name.clone_into(&mut chain);
        } else if let Err(why) = nft(&format!("add rule {chain} {line}")) {
            eprintln!("{line}: {}", why.lines().next().unwrap_or_default());
            refused += 1;
        }
    }
    refused
}

#[test]
fn expressions_that_the_kernel_dumps_are_read_and_written_again_the_same() {
    network(|| {
        nft(SETUP).unwrap();
        let refused = load(RULES);
        assert!(refused <= 4, "{refused} rules were refused");
        let kernel = Kernel::open();
        let mut names = std::collections::BTreeSet::new();
        for (_, rule) in kernel.dump(GET_RULE, 0, &[]) {
            let list = find(&rule, 4).map_or(&[][..], |attr| attr.value);
            let (mut read, mut written) = (Vec::new(), Buffer::new());
            kernel::decode(Attrs::new(list), &mut read);
            kernel::encode(&read, &mut written);
            assert_eq!(plain(list), plain(written.bytes()), "{read:?}");
            for (expression, attr) in read.iter().zip(Attrs::new(list)) {
                let name = find(attr.value, 1).unwrap().text().unwrap();
                let name = String::from_utf8(name.to_vec()).unwrap();
                assert!(!matches!(expression, KExpr::Opaque { .. }), "{name}");
                names.insert(name);
            }
        }
        assert!(names.len() >= 30, "{names:?}");
        eprintln!("{} expressions: {names:?}", names.len());
    });
}
