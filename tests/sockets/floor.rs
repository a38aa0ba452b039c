//! How long a list takes beside the bare receiving of it, in processor time of this thread: figures are printed; only what is out of all proportion fails, since
//! other programs run on the same machine.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use portcullis::netlink::dump::Links;
use portcullis::sockets::inet::{Ask, BOTH};
use portcullis::sockets::row::Protocol;
use portcullis::sys::netlink::{Asked, Socket};
use portcullis::table::Context;
use portcullis::wire::chunk::{Chunk, Slice};

use super::ask::{network, query};
use super::crowd::Crowd;

/// Processor time of this thread: others run beside it.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Receives the same lists and looks at nothing but where they end.
fn bare(info: bool) -> Duration {
    let socket = Socket::open_public(Asked::Sockets).unwrap();
    let mut buffer = vec![0; 65_536];
    let start = now();
    for (family, protocol) in [(BOTH, Protocol::Tcp), (2, Protocol::Udp), (10, Protocol::Udp)] {
        let tcp = protocol == Protocol::Tcp;
        let ask = Ask {
            family,
            protocol,
            states: u32::MAX,
            local_port: 0,
            remote_port: 0,
            info: info && tcp,
            congestion: info && tcp,
        };
        let mut request = portcullis::netlink::attr::Buffer::new();
        let mark = request.message_of(ask.kind(), 0x301, 1, &ask.header());
        request.end_message(mark).unwrap();
        socket.send(request.bytes()).unwrap();
        loop {
            let got = socket.receive(&mut buffer).unwrap();
            // The end stands in a message of its own at the end of the last part, 20 bytes long.
            let last = &buffer[got.length.saturating_sub(20)..got.length];
            if last.len() == 20 && last[..6] == [20, 0, 0, 0, 3, 0] {
                break;
            }
        }
    }
    now() - start
}

/// The same lists to the end, with every row written; how many bytes.
fn ours(table: &str, columns: &[&str], links: &mut Links) -> (Duration, u64, usize) {
    let families = super::support::atoms(&["inet", "inet6"]);
    let protocols = super::support::atoms(&["tcp", "udp"]);
    let mut rows = query(table, columns, &[("family", families), ("protocol", protocols)]);
    let (start, mut bytes) = (now(), 0);
    let mut chunk = Chunk::default();
    loop {
        let until = Instant::now() + Duration::from_millis(2);
        let end = rows.slice(&mut Context::with(links), &mut chunk, until).unwrap();
        if end != Slice::Paused {
            bytes += chunk.rows().0.len();
            chunk.clear();
        }
        if end == Slice::End {
            return (now() - start, rows.tally().rows, bytes);
        }
    }
}

#[test]
fn fifty_thousand_sockets_take_little_longer_than_receiving_them() {
    network(|| {
        let crowd = Crowd::of("tcp", 50_000);
        let mut links = Links::unpinned();
        let basic = [
            "family",
            "protocol",
            "state",
            "local_address",
            "local_port",
            "remote_address",
            "remote_port",
            "uid",
            "inode",
        ];
        for (what, columns, info) in [
            ("2 columns", &["state", "remote_port"][..], false),
            ("the 9 columns of ss", &basic[..], false),
            ("all columns", &[][..], true),
        ] {
            let (mut floor, mut time, mut rows, mut bytes) = (Duration::MAX, Duration::MAX, 0, 0);
            for _ in 0..9 {
                floor = floor.min(bare(info));
                let (this, all, size) = ours("sockets", columns, &mut links);
                (time, rows, bytes) = (time.min(this), all, size);
            }
            let ratio = time.as_secs_f64() / floor.as_secs_f64();
            println!(
                "{rows} sockets, {what}: {time:?}, {bytes} bytes; received only: {floor:?}; ratio {ratio:.2}"
            );
            assert!(rows >= 50_000 && ratio < 4.0);
        }
        let (time, rows, _) = (0..9).map(|_| ours("listening", &[], &mut links)).min().unwrap();
        println!("listening beside {} sockets: {time:?}, {rows} rows", crowd.len());
        assert!(rows == 5 && time < Duration::from_millis(20));
        drop(crowd);
    });
}
