//! Expressions and objects against what the kernel holds, in a network namespace of the test's own: what it dumps is read, and
//! written again it is the same. Without root or nft(8) the tests are skipped.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use portcullis::netlink::attr::{Attrs, Buffer, find};
use portcullis::netlink::message::{DONE, DUMP, ERROR, Messages, REQUEST};
use portcullis::nft::kernel::{self, KExpr};

/// `NFNL_SUBSYS_NFTABLES << 8`
const NFT: u16 = 10 << 8;

/// `NFT_MSG_GET*`
const GET_RULE: u16 = NFT | 7;

/// Runs `test` in a network of its own, on a thread of its own.
fn network(test: impl FnOnce() + Send) {
    let nft = Command::new("nft").arg("--version").stdout(Stdio::null()).status();
    if !nix::unistd::geteuid().is_root() || nft.is_err() {
        eprintln!("skipped: needs nft(8) and a network namespace, which only root can make");
        return;
    }
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
            test();
        });
        inside.join().unwrap();
    });
}

/// Runs nft with `input`; whether it was content.
fn nft(args: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("nft");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A message as it was dumped: family and attributes.
type Dumped = (u8, Vec<u8>);

struct Kernel(OwnedFd);

impl Kernel {
    fn open() -> Self {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .unwrap();
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).unwrap();
        setsockopt(&fd, sockopt::SndBufForce, &(32 << 20)).unwrap();
        setsockopt(&fd, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(10, 0)).unwrap();
        Self(fd)
    }

    /// Everything that a dump gives; `body` are the attributes of the request.
    fn dump(&self, kind: u16, family: u8, body: &[u8]) -> Vec<Dumped> {
        let mut buffer = Buffer::new();
        let mark = buffer.message(kind, REQUEST | DUMP, 1, family, 0);
        buffer.raw(body);
        buffer.end_message(mark).unwrap();
        send(self.0.as_raw_fd(), buffer.bytes(), MsgFlags::empty()).unwrap();
        let (mut received, mut all) = (vec![0; 1 << 20], Vec::new());
        loop {
            let length = recv(self.0.as_raw_fd(), &mut received, MsgFlags::empty()).unwrap();
            for message in Messages::new(&received[..length]) {
                match message.kind {
                    DONE => return all,
                    ERROR => panic!("a dump of {kind:#x} was refused"),
                    _ => all.push((message.family, message.body.to_vec())),
                }
            }
        }
    }
}

/// Attributes without `NLA_F_NESTED`, which the kernel does not set where nft does. What is nested is told by trying: all of it
/// must be attributes, so a value that looks like some is only treated alike on both sides.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    for attr in Attrs::new(bytes) {
        let inner = Attrs::check(attr.value).is_ok() && attr.value.len() > 4;
        buffer.put(attr.kind, &if inner { plain(attr.value) } else { attr.value.to_vec() });
    }
    buffer.bytes().to_vec()
}

/// What the rules refer to.
const SETUP: &str = r#"
table inet t {
  counter c { packets 3 bytes 300 }
  quota q { over 10 mbytes used 1 kbytes }
  map named { type inet_service : counter; elements = { 80 : "c" } }
  set seen { type ipv4_addr; flags dynamic,timeout; size 100; timeout 1h; }
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
const RULES: &str = r#"
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
fn load(rules: &str) -> usize {
    let (mut chain, mut refused) = (String::new(), 0);
    for line in rules.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            name.clone_into(&mut chain);
        } else if let Err(why) = nft(&["-f", "-"], &format!("add rule {chain} {line}")) {
            eprintln!("{line}: {}", why.lines().next().unwrap_or_default());
            refused += 1;
        }
    }
    refused
}

#[test]
fn expressions_that_the_kernel_dumps_are_read_and_written_again_the_same() {
    network(|| {
        nft(&["-f", "-"], SETUP).unwrap();
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
