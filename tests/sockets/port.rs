//! The installed program: the tables as the test user without any capability, and a slow reader of many sockets.

use std::net::UdpSocket;

use eetf::Term;

use super::ask::network;
use super::crowd::Crowd;
use super::support::{
    self, Port, atom, atoms, elements, encode, fixtures, int, integer, list, map, name, tuple_of,
};

/// Rows of a query, with credit for each chunk.
fn rows(port: &mut Port, id: u32, args: Term) -> Result<Vec<Vec<Term>>, Term> {
    port.request(id, "query", args);
    let mut rows = Vec::new();
    loop {
        let term = port.receive().expect("an answer");
        let Term::Tuple(t) = &term else { panic!("{term}") };
        match name(&t.elements[0]) {
            "rows" => {
                rows.extend(list(&t.elements[3]).into_iter().map(|row| elements(&row)));
                credit(port, id, 1);
            }
            "ok" => return Ok(rows),
            _ => return Err(t.elements[2].clone()),
        }
    }
}

fn credit(port: &mut Port, id: u32, chunks: i64) {
    port.frame(&encode(&tuple_of(vec![atom("credit"), int(i64::from(id)), int(chunks)])));
}

#[test]
fn without_any_capability_every_table_answers() {
    let Some(f) = fixtures() else { return };
    network(|| {
        let socket = UdpSocket::bind("127.0.0.1:7001").unwrap();
        let mut port = f.port_with("ok", &[], &["--unprivileged"]);
        port.hello();
        for table in ["sockets", "listening", "interfaces", "addresses", "routes", "neighbours"] {
            let found = rows(&mut port, 5, map(&[("table", atom(table))])).unwrap();
            assert_eq!(found.is_empty(), table == "neighbours", "{table}");
        }
        let port_of = map(&[("local_port", int(7001))]);
        let args = map(&[
            ("table", atom("sockets")),
            ("columns", atoms(&["uid", "local_port"])),
            ("where", port_of),
        ]);
        let found = rows(&mut port, 6, args).unwrap();
        assert_eq!(
            found.iter().map(|row| row.iter().map(integer).collect::<Vec<_>>()).collect::<Vec<_>>(),
            [[0, 7001]]
        );
        drop(socket);
    });
}

#[test]
fn a_slow_reader_of_fifty_thousand_sockets_takes_little_memory_and_holds_up_nobody() {
    let Some(f) = fixtures() else { return };
    network(|| {
        let crowd = Crowd::of("udp", 50_000);
        let mut port = f.port("ok");
        port.hello();
        let before = support::status(port.pid(), "VmHWM");
        let udp = || map(&[("table", atom("sockets")), ("where", map(&[("protocol", atom("udp"))]))]);
        port.request(1, "query", udp());
        // 16 chunks come by themselves; then its client takes his time.
        let mut slow = 0;
        for _ in 0..16 {
            slow += list(&elements(&port.receive().unwrap())[3]).len();
        }
        let mut quick = 0;
        for id in 2..6 {
            match rows(&mut port, id, udp()) {
                Ok(rows) => quick += usize::from(rows.len() == 50_000),
                Err(e) => assert_eq!(name(&e), "busy"),
            }
        }
        credit(&mut port, 1, 1000);
        let end = loop {
            let term = elements(&port.receive().unwrap());
            match name(&term[0]) {
                "rows" => slow += list(&term[3]).len(),
                _ => break term,
            }
        };
        assert_eq!((name(&end[0]), slow), ("ok", 50_000));
        let after = support::status(port.pid(), "VmHWM");
        println!("VmHWM before {before}, after {after}; {quick} of 4 others had all 50,000 rows meanwhile");
        let kib: u64 = after.trim_end_matches(" kB").trim().parse().unwrap();
        assert!(kib <= 16 * 1024, "{kib} KiB");
        assert!(quick > 0);
        drop(crowd);
    });
}
