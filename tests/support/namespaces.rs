//! Which namespaces the tests run in: some of what the kernel tells, it tells in its first ones only.
#![allow(dead_code, reason = "each test binary uses a part of it")]

/// Whether this is the kernel's first network namespace, where it has a socket for the events of processes (`NETLINK_CONNECTOR`, 11) and tells of
/// audit records. A container has another; why is said then, as a test is skipped for it.
pub fn is_first_network() -> bool {
    let sockets = std::fs::read_to_string("/proc/net/netlink").unwrap_or_default();
    let is_first = sockets.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words.next() == Some("11") && words.next() == Some("0")
    });
    if !is_first {
        eprintln!("skipped: this is a network namespace of its own, in which the kernel does not tell");
    }
    is_first
}
