//! The sockets of echo requests against the kernel, in a network namespace of the test's own: what comes out of them, who
//! can forge it, and which system calls it takes. Without root the tests are skipped.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};
use portcullis::capability::{Capabilities, Capability};
use portcullis::icmp::echo::{self, Echoed, Token};
use portcullis::sys::icmp::{Absent, Family, Kind, Message, Socket, Sockets};

/// Everybody may have ping sockets; nobody may.
const PING: &str = "0 2147483647";
const RAW: &str = "1 0";

const ID: u16 = 4711;
const TOKEN: Token = Token { mark: 0x5eed, count: 7 };

fn run(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{line}");
}

/// Runs `test` in a network of its own, on a thread of its own, which loses its capabilities to a raw socket.
fn network(range: &str, test: impl FnOnce() + Send) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs a network namespace, which only root can make");
        return;
    }
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            run("ip link set lo up");
            std::fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
            test();
        });
        inside.join().unwrap();
    });
}

fn opened() -> Sockets {
    Sockets::open(Capabilities::of(&[Capability::NetRaw]))
}

fn ask(socket: &Socket, to: &str, token: Token, size: usize) -> Result<(), Errno> {
    let mut packet = Vec::new();
    echo::request(socket.family(), ID, token, size, &mut packet);
    socket.send(to.parse().unwrap(), &packet)
}

/// The next message, with its bytes.
fn next(socket: &mut Socket) -> Option<(Message, Vec<u8>)> {
    within(socket, Duration::from_secs(60))
}

/// Whether nothing comes. What would come on the way of these packets is there already; it is waited for a while all the same.
fn is_silent(socket: &mut Socket) -> bool {
    within(socket, Duration::from_millis(300)).is_none()
}

fn within(socket: &mut Socket, time: Duration) -> Option<(Message, Vec<u8>)> {
    let (mut buffer, until) = ([0; 1500], Instant::now() + time);
    while Instant::now() < until {
        match socket.receive(&mut buffer) {
            Ok(message) => return Some((message, buffer[..message.length].to_vec())),
            Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(e) => panic!("{e}"),
        }
    }
    None
}

fn read(socket: &Socket, bytes: &[u8]) -> Option<Echoed> {
    echo::reply(socket.family(), socket.kind(), ID, bytes)
}

/// What somebody else sends, with `CAP_NET_RAW` of his own: IPv4, from 127.0.0.1.
struct Forger(std::os::fd::OwnedFd);

impl Forger {
    fn new() -> Self {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        Self(socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp).unwrap())
    }

    fn send(&self, packet: &[u8]) {
        let to = SockaddrIn::new(127, 0, 0, 1, 0);
        assert_eq!(sendto(self.0.as_raw_fd(), packet, &to, MsgFlags::empty()), Ok(packet.len()));
    }

    /// An echo reply, or whatever has this type.
    fn reply(&self, message_type: u8, id: u16, token: Token, size: usize) {
        let mut packet = Vec::new();
        echo::request(Family::V4, id, token, size, &mut packet);
        packet[0] = message_type;
        packet[2..4].fill(0);
        let sum = echo::checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        self.send(&packet);
    }
}

#[test]
fn both_kinds_bring_the_payload_back() {
    for (range, kind) in [(PING, Kind::Ping), (RAW, Kind::Raw)] {
        network(range, || {
            let mut sockets = opened();
            for (family, address) in [(Family::V4, "127.0.0.1"), (Family::V6, "::1")] {
                let socket = sockets.of(family).unwrap();
                assert_eq!((socket.family(), socket.kind()), (family, kind));
                ask(socket, address, TOKEN, 1200).unwrap();
                let (message, bytes) = next(socket).unwrap();
                let from: IpAddr = address.parse().unwrap();
                assert_eq!((message.from, message.ttl), (from, Some(64)), "{kind:?}");
                assert_eq!(read(socket, &bytes), Some(Echoed { token: TOKEN, size: 1200 }));
                assert!(is_silent(socket), "{kind:?}: the filter lets more through than replies");
            }
        });
    }
}

#[test]
fn without_the_capability_there_is_no_raw_socket_and_nothing_stays_raised() {
    network(RAW, || {
        let mut sockets = Sockets::open(Capabilities::NONE);
        for family in [Family::V4, Family::V6] {
            assert_eq!(sockets.of(family).unwrap_err(), Absent::NeedsNetRaw);
        }
        assert_eq!(sockets.fds().count(), 0);
        assert_eq!(opened().fds().count(), 2);
        assert_eq!(portcullis::sys::capset::read().unwrap().effective, 0);
    });
}

#[test]
fn a_host_without_ipv6_says_so() {
    network(PING, || {
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        let mut sockets = opened();
        // Switched off for its interfaces: the socket is there, an address is not.
        let refused = ask(sockets.of(Family::V6).unwrap(), "::1", TOKEN, 56);
        assert!(matches!(refused, Err(Errno::EADDRNOTAVAIL | Errno::ENETUNREACH)), "{refused:?}");
        assert!(ask(sockets.of(Family::V4).unwrap(), "127.0.0.1", TOKEN, 56).is_ok());
    });
}

/// Everything right but what only somebody who saw the request can know.
#[test]
fn a_forged_reply_comes_and_is_not_believed() {
    network(RAW, || {
        let forger = Forger::new();
        let mut sockets = opened();
        let socket = sockets.of(Family::V4).unwrap();
        let forged = Token { mark: TOKEN.mark ^ 1, ..TOKEN };
        forger.reply(0, ID, forged, 56);
        let (_, bytes) = next(socket).unwrap();
        // It is in order; whoever waits for a token does not wait for this one (src/icmp/waiting.rs).
        assert_eq!(read(socket, &bytes), Some(Echoed { token: forged, size: 56 }));
        forger.reply(0, ID + 1, TOKEN, 56);
        let (_, bytes) = next(socket).unwrap();
        assert_eq!(read(socket, &bytes), None);
        // A wrong checksum, which a raw socket is given all the same.
        let mut packet = Vec::new();
        echo::request(Family::V4, ID, TOKEN, 56, &mut packet);
        packet[0] = 0;
        forger.send(&packet);
        let (_, bytes) = next(socket).unwrap();
        assert_eq!(read(socket, &bytes), None);
    });
}

/// Type 3 is an error about nothing, 13 asks for the time, 8 is a request: only its answer by the kernel comes.
#[test]
fn the_filter_of_a_raw_socket_lets_replies_in_and_nothing_else() {
    network(RAW, || {
        let forger = Forger::new();
        let mut sockets = opened();
        let socket = sockets.of(Family::V4).unwrap();
        for message_type in [3, 5, 11, 13, 17] {
            forger.reply(message_type, ID, TOKEN, 56);
        }
        assert!(is_silent(socket));
        forger.reply(8, ID, TOKEN, 56);
        assert!(next(socket).is_some_and(|(_, bytes)| read(socket, &bytes).is_some()));
        assert!(is_silent(socket));
    });
}

/// An error belongs to the packet that it quotes; the call that happens to be next neither fails by it nor ends.
#[test]
fn an_error_that_came_back_does_not_fail_the_next_call() {
    for range in [PING, RAW] {
        network(range, || {
            run("nft add table inet t");
            run("nft add chain inet t i { type filter hook input priority 0 ; }");
            run("nft add rule inet t i ip daddr 127.0.0.8 reject with icmp type host-unreachable");
            let mut sockets = opened();
            let socket = sockets.of(Family::V4).unwrap();
            let mut buffer = [0; 1500];
            // What a plain receive says while an error is queued: the error, once.
            ask(socket, "127.0.0.8", TOKEN, 56).unwrap();
            assert_eq!(socket.receive(&mut buffer), Err(Errno::EHOSTUNREACH));
            assert_eq!(socket.receive(&mut buffer), Err(Errno::EAGAIN));
            // And a send, though to another host; ours tries again.
            ask(socket, "127.0.0.8", TOKEN, 56).unwrap();
            ask(socket, "127.0.0.1", Token { count: 8, ..TOKEN }, 56).unwrap();
            for _ in 0..2 {
                let failure = socket.receive_failure(&mut buffer).unwrap();
                assert_eq!(failure.errno, Errno::EHOSTUNREACH);
                let quoted = &buffer[..failure.length];
                assert_eq!(echo::quoted(Family::V4, socket.kind(), ID, quoted), Some(TOKEN));
            }
            assert_eq!(socket.receive_failure(&mut buffer).unwrap_err(), Errno::EAGAIN);
            let (_, bytes) = next(socket).unwrap();
            assert_eq!(read(socket, &bytes).map(|r| r.token.count), Some(8));
        });
    }
}

/// How many replies of one socket fit into its buffer while nobody takes them out.
#[test]
fn the_receive_buffer_holds_what_one_slice_can_bring() {
    for (size, at_least) in [(56, 200), (1200, 80)] {
        network(PING, || {
            // The kernel may leave replies to a thread of its own, which a busy machine lets wait.
            let held = (0..6).map(|n| {
                let mut sockets = opened();
                let socket = sockets.of(Family::V4).unwrap();
                for count in 0..256 {
                    ask(socket, "127.0.0.1", Token { count, ..TOKEN }, size).unwrap();
                }
                std::thread::sleep(Duration::from_millis(50 * n * n));
                let mut buffer = [0; 1500];
                std::iter::from_fn(|| socket.receive(&mut buffer).ok()).count()
            });
            let held: Vec<usize> = held.take(6).collect();
            eprintln!("{held:?} replies of {size} bytes");
            assert!(held.iter().any(|held| *held >= at_least), "{held:?} of {size}");
        });
    }
}
