//! Lists that the kernel gave, with bytes of them changed or cut off: no row comes of what is not whole, and nothing panics.

use std::collections::VecDeque;

use portcullis::netlink::dump::{Dump, Link, Next};
use portcullis::sockets::inet::{self, BY_FAMILY};
use portcullis::sockets::others::{UnixAsk, netlink_header, packet_header};
use portcullis::sockets::plan::Ask;
use portcullis::sockets::row::Protocol;
use portcullis::sockets::{addresses, interfaces, neighbours, raw, routes};
use portcullis::sys::netlink::{Asked, Socket};

use super::ask::{network, run};

/// What reads a message: whether it makes rows of it.
type Reads = Box<dyn Fn(&[u8]) -> bool>;

/// Messages of the kernel behind their header, with what reads them.
fn messages() -> Vec<(Reads, Vec<u8>)> {
    let mut found = Vec::new();
    let mut link = Link::on(Socket::open_public(Asked::Sockets).unwrap());
    let unix = UnixAsk { states: u32::MAX, name: true, peer: true, queues: true, uid: true };
    let tcp = inet::Ask {
        family: 2,
        protocol: Protocol::Tcp,
        states: u32::MAX,
        local_port: 0,
        remote_port: 0,
        info: true,
        congestion: true,
    };
    let sockets = [
        (Ask::Inet(tcp), tcp.header()),
        (Ask::Unix(unix), unix.header()),
        (Ask::Netlink, netlink_header()),
        (Ask::Packet, packet_header()),
    ];
    for (ask, header) in sockets {
        for bytes in all(&mut link, BY_FAMILY, &header) {
            let ask = ask.clone();
            found.push((Box::new(move |bytes: &[u8]| ask.parse(bytes).is_some()) as Reads, bytes));
        }
    }
    let mut link = Link::on(Socket::open_public(Asked::Routes).unwrap());
    for (kind, length) in [(18, 16), (22, 8), (26, 12), (30, 12)] {
        for bytes in all(&mut link, kind, &vec![0; length]) {
            found.push((Box::new(move |bytes: &[u8]| rows(kind, bytes) > 0), bytes));
        }
    }
    found
}

fn all(link: &mut Link, kind: u16, header: &[u8]) -> Vec<Vec<u8>> {
    let mut dump = link.dump(kind, header, |_| {}).unwrap().unwrap();
    let mut found = Vec::new();
    while let Next::Message(_, range) = dump.next(link).unwrap() {
        found.push(dump.payload(range).to_vec());
    }
    found
}

/// Rows of one message of rtnetlink. Nothing that is read in part leaves any.
fn rows(kind: u16, bytes: &[u8]) -> usize {
    fn count<R>(parse: fn(&[u8], &mut VecDeque<R>) -> Option<()>, bytes: &[u8]) -> usize {
        let mut rows = VecDeque::new();
        let read = parse(bytes, &mut rows);
        assert!(read.is_some() || rows.is_empty(), "a part of a message is a row");
        rows.len()
    }
    match kind {
        18 => count(interfaces::parse, bytes),
        22 => count(addresses::parse, bytes),
        26 => count(routes::parse, bytes),
        _ => count(neighbours::parse, bytes),
    }
}

fn furnish() -> Vec<Box<dyn std::any::Any>> {
    for line in [
        "ip link add d0 type veth peer name d1",
        "ip link set d1 up",
        "ip link set d0 up",
        "ip addr add 10.1.0.1/24 dev d0",
        "ip addr add 2001:db8::1/64 dev d0 nodad",
        "ip route add 10.7.0.0/16 nexthop via 10.1.0.9 dev d0 weight 3 nexthop via 10.1.0.8 dev d0",
        "ip route add 10.6.0.0/16 via inet6 2001:db8::9 dev d0",
        "ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:01 dev d0 nud permanent",
    ] {
        run(line);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:7001").unwrap();
    let stream = std::net::TcpStream::connect("127.0.0.1:7001").unwrap();
    let pair = std::os::unix::net::UnixStream::pair().unwrap();
    vec![Box::new(listener), Box::new(stream), Box::new(pair)]
}

#[test]
fn no_row_comes_of_a_message_that_is_cut() {
    network(|| {
        let _open = furnish();
        let messages = messages();
        // How many there are is the kernel's: addresses of IPv6 and neighbours come and go by its clocks.
        assert!(messages.len() > 20, "{}", messages.len());
        let (mut cut, mut rows) = (0, 0);
        for (reads, bytes) in &messages {
            assert!(reads(bytes), "a message of the kernel: {}", hex(bytes));
            for length in 0..bytes.len() {
                cut += 1;
                rows += usize::from(reads(&bytes[..length]));
            }
        }
        // Between two attributes, a shorter message is one too; so is one whose last padding is missing.
        println!("{} messages cut at {cut} places: {rows} places are ends of an attribute", messages.len());
        assert!(rows * 3 < cut);
    });
}

#[test]
fn changed_bytes_make_other_rows_or_none_and_never_a_panic() {
    network(|| {
        let _open = furnish();
        let (mut changed, mut kept) = (0_u64, 0_u64);
        for (reads, bytes) in &messages() {
            for at in 0..bytes.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 4, bytes[at].wrapping_add(1)] {
                    let mut other = bytes.clone();
                    other[at] = value;
                    changed += 1;
                    kept += u64::from(reads(&other));
                }
            }
        }
        println!("{changed} changed messages, of which {kept} are rows still");
        assert!(kept < changed);
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn messages_of_another_number_or_length_are_not_of_the_list() {
    // Two messages of a list of number 1, one of number 2 between them, and the end.
    let message = |seq: u32, kind: u16, flags: u16, payload: &[u8]| {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let head = [
            &length.to_ne_bytes()[..],
            &kind.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &seq.to_ne_bytes(),
            &[0; 4],
        ];
        [&head.concat()[..], payload].concat()
    };
    let list = [
        message(1, 20, 2, &[1; 8]),
        message(2, 20, 2, &[2; 8]),
        message(1, 20, 0x12, &[3; 8]),
        message(2, 3, 2, &[0; 4]),
        message(1, 3, 2, &[0; 4]),
        message(1, 20, 2, &[4; 8]),
    ]
    .concat();
    let mut dump = Dump::replayed(list.clone());
    let mut seen = Vec::new();
    while let Some(Next::Message(20, range)) = dump.buffered().unwrap() {
        seen.push(dump.payload(range)[0]);
    }
    assert_eq!((seen, dump.interrupted()), (vec![1, 3], true));
    for length in 0..list.len() {
        let mut dump = Dump::replayed(list[..length].to_vec());
        while let Ok(Some(Next::Message(..))) = dump.buffered() {}
    }
    let mut refused = Dump::replayed(message(1, 3, 2, &(-2_i32).to_ne_bytes()));
    assert!(refused.buffered().is_err());
}

#[test]
fn text_of_raw_sockets_is_read_whole_or_not_at_all() {
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
    let line = "   1: 0100007F:0001 00000000:0000 07 00000000:00000300 00:00000000 00000000  1000        0 4711 2 0000000000000000 0\n";
    let rows = raw::parse(format!("{head}{line}").as_bytes(), 2).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].other.as_ref().unwrap().number, rows[0].uid, rows[0].inode, rows[0].rqueue),
        (Some(1), Some(1000), 4711, Some(768))
    );
    assert_eq!(rows[0].local, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(raw::parse(head.as_bytes(), 2), Some(Vec::new()));
    assert_eq!(raw::parse(b"", 2), None);
    let wide = line
        .replace(" 00000000:0000 ", " 00000000000000000000000000000000:0000 ")
        .replace("0100007F", "00000000000000000000000001000000");
    let rows = raw::parse(format!("{head}{wide}").as_bytes(), 10).unwrap();
    assert_eq!(rows[0].local, Some("::1".parse().unwrap()));
    assert_eq!(raw::parse(format!("{head}{line}").as_bytes(), 10), None, "an address of the other family");
    for length in 0..line.len() - 30 {
        let cut = format!("{head}{}", &line[..length]);
        let rows = raw::parse(cut.as_bytes(), 2);
        assert!(
            rows.as_ref().is_none_or(|rows| rows.iter().all(|row| row.inode != 4711 || length > 80)),
            "{cut}"
        );
    }
    assert_eq!(raw::parse(&[head.as_bytes(), b"\xff\xfe\n"].concat(), 2), None);
}
