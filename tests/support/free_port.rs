//! A port that nobody has, for a program that is told where to listen.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Below what the kernel hands out to those who connect: a port of theirs is taken again before its listener comes, where many
/// connect. Each call of one process gets another, and two processes begin in different places.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() * 61 % u32::from(COUNT)).unwrap();
    (0..COUNT)
        .map(|_| FIRST + (begin + NEXT.fetch_add(1, Relaxed) % COUNT) % COUNT)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port that nobody has")
}
