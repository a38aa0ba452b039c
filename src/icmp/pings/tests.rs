//! Whole requests in a private network namespace, which belongs to the thread of a test and ends with it. Without root they
//! are skipped.
#![forbid(unsafe_code)]

use super::*;
use crate::capability::Capabilities;
use crate::limits::PINGS_MAX;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

/// Both kinds of socket: who may have ping sockets, and what is held where nobody may.
const PING: &str = "0 2147483647";
const RAW: &str = "1 0";

type Answers = BTreeMap<u64, Result<Reply, RequestError>>;

fn run(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{line}");
}

/// Runs `test` with the requests of a program in a network of its own, with `setup` done in it. Both belong to a thread, as do
/// the capabilities that opening a raw socket takes away from it.
fn network(range: &str, setup: &[&str], test: impl FnOnce(Pings) + Send) {
    if !crate::sys::process::is_root() {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "skipped: needs a network namespace, which only root can make").unwrap();
        return;
    }
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            run("ip link set lo up");
            std::fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
            setup.iter().for_each(|line| run(line));
            test(Pings::new(Sockets::open(Capabilities::of(&[Capability::NetRaw]))));
        });
        inside.join().unwrap();
    });
}

/// An input chain with one rule.
fn nft(rule: &str) -> [String; 3] {
    let chain = "nft add chain inet t i { type filter hook input priority 0 ; }".to_owned();
    ["nft add table inet t".to_owned(), chain, format!("nft add rule inet t i {rule}")]
}

fn id(n: u64) -> RequestId {
    RequestId::new(n).unwrap()
}

fn start(pings: &mut Pings, n: u64, address: &str, size: usize) -> Result<(), RequestError> {
    let now = Instant::now();
    pings.start(address.parse().unwrap(), id(n), size, now + Duration::from_secs(60), now)
}

/// How many sockets have something to say within that time.
fn wait(pings: &Pings, timeout: Duration) -> i32 {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds: Vec<_> = pings.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    poll(&mut fds, PollTimeout::try_from(timeout).unwrap()).unwrap()
}

/// Serves until `wanted` answers have come, or for so long.
fn serve(pings: &mut Pings, wanted: usize, limit: Duration) -> Answers {
    let (mut answers, until) = (Answers::new(), Instant::now() + limit);
    while answers.len() < wanted && Instant::now() < until {
        wait(pings, Duration::from_millis(10));
        pings.receive(Instant::now(), |id, answer| {
            assert!(answers.insert(id.get(), answer).is_none(), "a second answer");
        });
    }
    answers
}

fn posix(answers: &Answers, n: u64) -> Option<i32> {
    match answers.get(&n) {
        Some(Err(RequestError::Posix(errno, "an ICMP error came back"))) => Some(*errno),
        _ => None,
    }
}

#[test]
fn hosts_answer_on_both_kinds_of_socket() {
    for range in [PING, RAW] {
        network(range, &[], |mut pings| {
            for (n, size) in [(1, 0), (2, 16), (3, 56), (4, PING_SIZE_MAX)] {
                start(&mut pings, n, V4, size).unwrap();
                start(&mut pings, n + 10, V6, size).unwrap();
                assert_eq!(pings.len(), 2);
                let answers = serve(&mut pings, 2, Duration::from_secs(5));
                for (n, address) in [(n, V4), (n + 10, V6)] {
                    let reply = answers[&n].clone().unwrap();
                    assert_eq!((reply.address, reply.ttl), (address.parse().unwrap(), Some(64)), "{range}");
                    assert_eq!(reply.size, size.max(16));
                    assert!(reply.rtt < Duration::from_secs(1), "{:?}", reply.rtt);
                }
                assert!(pings.is_empty() && pings.next_deadline().is_none());
            }
        });
    }
}

#[test]
fn as_many_as_may_wait_are_answered() {
    for range in [PING, RAW] {
        network(range, &[], |mut pings| {
            let most = u64::try_from(PINGS_MAX).unwrap();
            for n in 1..=most {
                start(&mut pings, n, if n % 2 == 0 { V4 } else { V6 }, 56).unwrap();
            }
            assert_eq!(start(&mut pings, most + 1, V4, 56), Err(RequestError::Overloaded));
            let answers = serve(&mut pings, PINGS_MAX, Duration::from_secs(5));
            assert_eq!(answers.values().filter(|a| a.is_ok()).count(), PINGS_MAX);
        });
    }
}

#[test]
fn a_turn_is_bounded_whatever_has_come() {
    network(RAW, &[], |mut pings| {
        for n in 1..=100 {
            start(&mut pings, n, V4, 56).unwrap();
        }
        let mut answers = 0;
        pings.receive(Instant::now(), |_, _| answers += 1);
        assert_eq!(answers, TURN_MAX);
    });
}

#[test]
fn silence_is_a_timeout_and_a_late_reply_nobodys() {
    let drops = nft("ip daddr 127.0.0.9 drop");
    network(PING, &drops.each_ref().map(|s| s.as_str()), |mut pings| {
        let now = Instant::now();
        let soon = now + Duration::from_millis(50);
        pings.start("127.0.0.9".parse().unwrap(), id(1), 56, soon, now).unwrap();
        pings.start(V4.parse().unwrap(), id(2), 56, soon, now).unwrap();
        pings.start(V4.parse().unwrap(), id(3), 56, soon, now).unwrap();
        assert!(pings.cancel(id(3)));
        assert_eq!(pings.next_deadline(), Some(soon));
        let mut late = Vec::new();
        pings.expire(soon, |id| late.push(id.get()));
        assert_eq!(late, [1, 2]);
        // The replies to 2 and 3 have come, and nobody waits for them.
        assert!(serve(&mut pings, 1, Duration::from_millis(50)).is_empty());
        start(&mut pings, 2, V4, 56).unwrap();
        assert!(serve(&mut pings, 1, Duration::from_secs(5))[&2].is_ok());
    });
}

#[test]
fn what_the_route_says_is_an_error_at_once() {
    let routes = [
        "ip route add unreachable 10.9.9.0/24",
        "ip route add prohibit 10.9.8.0/24",
        "ip -6 route add unreachable fd09::/64",
    ];
    for range in [PING, RAW] {
        network(range, &routes, |mut pings| {
            let sending = |errno| Err(RequestError::Posix(errno, "sending an echo request"));
            for (address, errno) in [
                ("10.9.9.1", libc::EHOSTUNREACH),
                ("10.9.8.1", libc::EACCES),
                ("10.1.1.1", libc::ENETUNREACH),
                ("fd09::1", libc::EHOSTUNREACH),
                ("2001:db8::1", libc::ENETUNREACH),
                ("127.255.255.255", libc::EACCES),
            ] {
                assert_eq!(start(&mut pings, 1, address, 56), sending(errno), "{address} {range}");
            }
            // Without an interface, which no request can name: EINVAL of a ping socket, ENETUNREACH of a raw one.
            assert!(start(&mut pings, 1, "fe80::1", 56).is_err());
            assert!(pings.is_empty());
            start(&mut pings, 1, V4, 56).unwrap();
            assert!(serve(&mut pings, 1, Duration::from_secs(5))[&1].is_ok());
        });
    }
}

/// A host that is refused, in the middle of others that answer: every error goes where it belongs, though the kernel tells of
/// it first to whichever call is next.
#[test]
fn errors_that_come_back_end_their_own_request_and_no_other() {
    let rejects = nft("ip daddr 127.0.0.8 reject with icmp type host-unreachable");
    let mut setup = rejects.to_vec();
    // The kernel sends so many errors in a second, to whomever (ip(7), `icmp_msgs_per_sec`); what it keeps back no program sees.
    setup.push("sysctl -q -w net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=10000".to_owned());
    // And to one host in IPv6.
    setup.push("sysctl -q -w net.ipv6.icmp.ratelimit=0".to_owned());
    setup.push("nft add rule inet t i ip daddr 127.0.0.7 reject with icmp type port-unreachable".to_owned());
    setup.push("ip addr add fd07::7/128 dev lo nodad".to_owned());
    // Only requests: they come from fd07::7 too, and so the errors go there.
    let asked = "ip6 daddr fd07::7 icmpv6 type echo-request";
    setup.push(format!("nft add rule inet t i {asked} reject with icmpv6 type admin-prohibited"));
    for range in [RAW, PING] {
        let lines: Vec<&str> = setup.iter().map(String::as_str).collect();
        network(range, &lines, |mut pings| {
            for n in (1..=200).step_by(5) {
                start(&mut pings, n, "127.0.0.8", 56).unwrap();
                start(&mut pings, n + 1, V4, 56).unwrap();
                start(&mut pings, n + 2, "127.0.0.7", 1200).unwrap();
                start(&mut pings, n + 3, "fd07::7", 56).unwrap();
                start(&mut pings, n + 4, V6, 56).unwrap();
            }
            let answers = serve(&mut pings, 200, Duration::from_secs(5));
            for n in (1..=200).step_by(5) {
                assert_eq!(posix(&answers, n), Some(libc::EHOSTUNREACH), "{n} {range}");
                assert!(answers[&(n + 1)].is_ok(), "{:?}", answers[&(n + 1)]);
                assert_eq!(posix(&answers, n + 2), Some(libc::ECONNREFUSED));
                assert_eq!(posix(&answers, n + 3), Some(libc::EACCES));
                assert!(answers[&(n + 4)].is_ok(), "{:?}", answers[&(n + 4)]);
            }
            assert!(pings.is_empty());
            // Nothing is left that would wake the loop again and again.
            assert_eq!(wait(&pings, Duration::ZERO), 0);
        });
    }
}

#[test]
fn a_packet_that_a_rule_drops_on_its_way_out_is_refused() {
    let rules = [
        "nft add table inet t",
        "nft add chain inet t o { type filter hook output priority 0 ; }",
        "nft add rule inet t o ip daddr 127.0.0.6 drop",
    ];
    network(PING, &rules, |mut pings| {
        let refused = Err(RequestError::Posix(libc::EPERM, "sending an echo request"));
        assert_eq!(start(&mut pings, 1, "127.0.0.6", 56), refused);
    });
}

#[test]
fn without_a_socket_the_request_says_what_is_missing() {
    network(RAW, &[], |_| {
        let mut pings = Pings::new(Sockets::open(Capabilities::NONE));
        for address in [V4, V6] {
            let RequestError::NotPermitted(missing, hint) = start(&mut pings, 1, address, 56).unwrap_err()
            else {
                unreachable!()
            };
            assert_eq!(missing, [Capability::NetRaw]);
            assert!(hint.contains("ping_group_range"));
        }
        assert_eq!((pings.fds().count(), pings.len()), (0, 0));
    });
}

#[test]
fn tokens_of_two_addresses_have_nothing_in_common() {
    let key = RandomState::new();
    let (a, b) = (V4.parse().unwrap(), "127.0.0.2".parse().unwrap());
    assert_ne!(token(&key, a, 1).mark, token(&key, b, 1).mark);
    assert_ne!(token(&key, a, 1).mark, token(&key, a, 2).mark);
    assert_ne!(token(&key, a, 1).mark, token(&RandomState::new(), a, 1).mark);
    assert_eq!(words(0x0001_0002_0003_fffe), [1, 2, 3, 0xfffe]);
}
