//! Sockets of each family against what `ss` and `/proc/net` say of them, and conditions that the kernel sorts out.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};

use super::ask::{Row, ask, network, only, run};
use super::support;
use super::support::{atom, atoms, binary, int, tuple_of};

/// What is open in a test's network.
#[derive(Default)]
struct Open {
    listeners: Vec<TcpListener>,
    streams: Vec<TcpStream>,
    udp: Vec<UdpSocket>,
}

/// Connections in several states, with bytes and connections that wait.
fn traffic() -> Open {
    let mut open = Open::default();
    for place in ["127.0.0.1:7001", "[::1]:7002", "[::]:7003", "0.0.0.0:7004"] {
        open.listeners.push(TcpListener::bind(place).unwrap());
    }
    for place in ["127.0.0.1:7001", "127.0.0.1:7001", "127.0.0.1:7001", "[::1]:7002", "127.0.0.1:7003"] {
        open.streams.push(TcpStream::connect(place).unwrap());
    }
    let (accepted, _) = open.listeners[0].accept().unwrap();
    open.streams[0].write_all(&[7; 1000]).unwrap();
    open.streams.push(accepted);
    // One end has closed; then both, of which the first waits.
    let (half, _) = open.listeners[0].accept().unwrap();
    drop(open.streams.remove(1));
    open.streams.push(half);
    let short = TcpStream::connect("127.0.0.1:7004").unwrap();
    let (other, _) = open.listeners[3].accept().unwrap();
    drop(short);
    drop(other);
    open.udp.push(UdpSocket::bind("127.0.0.1:7005").unwrap());
    open.udp.push(UdpSocket::bind("[::]:7006").unwrap());
    let connected = UdpSocket::bind("127.0.0.1:7007").unwrap();
    connected.connect("127.0.0.1:7005").unwrap();
    connected.send(&[1; 100]).unwrap();
    open.udp.push(connected);
    // Ends of connections go through states of their own for a moment.
    std::thread::sleep(std::time::Duration::from_millis(50));
    open
}

/// `ss` in our words: protocol, state, queues, both ends.
fn of_ss(options: &str) -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = run(&format!("ss -n -H {options}")).lines().map(words).collect();
    rows.iter_mut().for_each(|row| row.truncate(6));
    rows.sort();
    rows
}

fn like_ss(rows: &[Row]) -> Vec<Vec<String>> {
    let state = |row: &Row| {
        let udp = row["protocol"] == "udp";
        match row["state"].as_str() {
            "established" => "ESTAB".to_owned(),
            "close" if udp => "UNCONN".to_owned(),
            "fin_wait2" => "FIN-WAIT-2".to_owned(),
            other => other.to_uppercase().replace('_', "-"),
        }
    };
    let end = |row: &Row, side: &str| {
        let address = &row[&format!("{side}_address")];
        let port = row[&format!("{side}_port")].replace("undefined", "*");
        let port = if port == "0" { "*".to_owned() } else { port };
        match address.as_str() {
            "::" if row["state"] == "listen" || row["protocol"] == "udp" => (address.clone(), port),
            _ => (address.clone(), port),
        }
    };
    let mut rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let queue = |bytes: &str, count: &str| {
                let n = if row[bytes] == "undefined" { &row[count] } else { &row[bytes] };
                n.clone()
            };
            let written = |side| {
                let (address, port) = end(row, side);
                if address.contains(':') {
                    format!("[{address}]:{port}")
                } else {
                    format!("{address}:{port}")
                }
            };
            vec![
                row["protocol"].clone(),
                state(row),
                queue("rqueue", "backlog"),
                queue("wqueue", "max_backlog"),
                written("local"),
                written("remote"),
            ]
        })
        .collect();
    rows.sort();
    rows
}

/// `*` is how ss writes a socket of IPv6 that takes IPv4 too.
fn any(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.into_iter().map(|word| word.replace("[::]:", "*:")).collect())
        .collect();
    rows.sort();
    rows
}

#[test]
fn sockets_of_ip_are_those_of_ss() {
    network(|| {
        let open = traffic();
        let rows = ask("sockets", &[], &[("family", atoms(&["inet", "inet6"]))]);
        let rows: Vec<Row> = rows.into_iter().filter(|row| row["protocol"] != "raw").collect();
        assert_eq!(any(like_ss(&rows)), any(of_ss("-tua")));
        assert!(rows.len() >= 15, "{}", rows.len());
        let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str()).collect();
        for state in ["established", "listen", "close_wait", "fin_wait2", "time_wait", "close"] {
            assert!(states.contains(&state), "no {state} in {states:?}");
        }
        for row in rows.iter().filter(|row| row["state"] == "time_wait") {
            assert_eq!((row["uid"].as_str(), row["inode"].as_str()), ("undefined", "undefined"));
            assert_eq!(row["timer"], "time_wait");
        }
        let bound: Vec<Row> = ask("listening", &[], &[]);
        let listed = like_ss(&bound.iter().map(with_nothing_else).collect::<Vec<_>>());
        let shown: Vec<Vec<String>> = of_ss("-tul").into_iter().filter(|row| row[1] == "LISTEN").collect();
        let listed: Vec<Vec<String>> = listed.into_iter().filter(|row| row[1] == "LISTEN").collect();
        assert_eq!(any(listed), any(shown));
        let udp: Vec<Row> = bound.into_iter().filter(|row| row["protocol"] == "udp").collect();
        assert_eq!(only(&udp, &["local_address", "local_port"]), [["127.0.0.1", "7005"], ["::", "7006"]]);
        drop(open);
    });
}

/// A row of `listening` with the other columns that [`like_ss`] looks at.
fn with_nothing_else(row: &Row) -> Row {
    let any = if row["family"] == "inet" { "0.0.0.0" } else { "::" };
    let state = if row["protocol"] == "tcp" { "listen" } else { "close" };
    let more = [
        ("state", state),
        ("remote_address", any),
        ("remote_port", "0"),
        ("rqueue", "undefined"),
        ("wqueue", "undefined"),
    ];
    let mut row = row.clone();
    row.extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
    row
}

#[test]
fn conditions_leave_what_they_would_leave_without_the_kernels_help() {
    network(|| {
        let open = traffic();
        let unix = UnixListener::bind_addr(&abstract_name(b"there")).unwrap();
        type Keep<'k> = Box<dyn Fn(&Row) -> bool + 'k>;
        let is = |column: &'static str, value: &'static str| -> Keep<'_> {
            Box::new(move |row| row[column] == value)
        };
        let cases: Vec<(&str, eetf::Term, Keep<'_>)> = vec![
            ("state", atom("listen"), is("state", "listen")),
            ("state", atom("time_wait"), is("state", "time_wait")),
            ("state", atom("unknown"), is("state", "unknown")),
            ("protocol", atom("udp"), is("protocol", "udp")),
            ("family", atom("inet6"), is("family", "inet6")),
            ("family", atom("unix"), is("family", "unix")),
            ("family", atom("netlink"), is("family", "netlink")),
            ("local_port", int(7001), is("local_port", "7001")),
            ("remote_port", int(7005), is("remote_port", "7005")),
            ("local_port", int(0), is("local_port", "0")),
            ("local_port", int(70_000), is("local_port", "70000")),
            (
                "local_port",
                tuple_of(vec![atom("range"), int(7001), int(7003)]),
                Box::new(|row| ["7001", "7002", "7003"].contains(&row["local_port"].as_str())),
            ),
            (
                "state",
                atoms(&["close_wait", "fin_wait2"]),
                Box::new(|row| ["close_wait", "fin_wait2"].contains(&row["state"].as_str())),
            ),
        ];
        let columns = ["family", "protocol", "state", "local_port", "remote_port", "cookie"];
        let mut found = 0;
        for (column, want, keep) in cases {
            // The sockets of netlink are those that ask, and have a cookie each time. The kernel forgets those that asked before when it
            // comes to it.
            let compared = if column == "family" { &columns[..5] } else { &columns[..] };
            support::eventually(&format!("{column} {want}"), || {
                let asked = ask("sockets", &columns, &[(column, want.clone())]);
                let all = ask("sockets", &columns, &[]);
                let kept: Vec<Row> = all.into_iter().filter(|row| keep(row)).collect();
                let same = only(&asked, compared) == only(&kept, compared);
                found += usize::from(same && !kept.is_empty());
                same
            });
        }
        assert!(found >= 10, "{found}");
        let path = ask("sockets", &["family", "path"], &[("path", binary(b"\0there"))]);
        assert_eq!(only(&path, &["family", "path"]), [["unix", "<\\x00there>"]]);
        drop((open, unix));
    });
}

fn abstract_name(name: &[u8]) -> std::os::unix::net::SocketAddr {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap()
}

#[test]
fn names_of_unix_sockets_are_bytes_and_forge_nothing() {
    network(|| {
        let hostile: [&[u8]; 6] = [
            b"a\n0000000000000000: 00000002 00000000 00010000 0001 01 1 @forged",
            b"\0\0",
            b"nul\0in\0it\0",
            b"\xff\xfe\x1b[31m",
            b"",
            &[b'x'; 107],
        ];
        let folder = std::env::temp_dir().join(format!("portcullis-sockets-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let before = ask("sockets", &["inode"], &[("family", atom("unix"))]).len();
        let kept: Vec<UnixDatagram> = hostile
            .iter()
            .map(|name| {
                let fd = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None).unwrap();
                bind(fd.as_raw_fd(), &UnixAddr::new_abstract(name).unwrap()).unwrap();
                UnixDatagram::from(fd)
            })
            .collect();
        let path = folder.join(std::ffi::OsStr::from_bytes(b"s\n\xff"));
        let listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        let seqpacket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None).unwrap();
        let rows = ask("sockets", &[], &[("family", atom("unix"))]);
        // The end of the connection that nobody has accepted has no inode, and the kernel leaves it out (`sk_diag_dump`).
        assert_eq!(rows.len() - before, hostile.len() + 2 + 2 + 1);
        for (name, socket) in hostile.iter().zip(&kept) {
            let row = by_inode(&rows, socket.as_raw_fd());
            // Without a name the kernel chooses one (unix(7), autobind).
            let expected = format!("<{}>", [b"\0", *name].concat().escape_ascii());
            assert!(row["path"] == expected || name.is_empty(), "{} is not {expected}", row["path"]);
            assert_eq!(row["type"], "dgram");
        }
        let row = by_inode(&rows, listener.as_raw_fd());
        assert_eq!(row["path"], format!("<{}>", path.as_os_str().as_bytes().escape_ascii()));
        assert_eq!((row["state"].as_str(), row["backlog"].as_str()), ("listen", "1"));
        assert_eq!(row["rqueue"], "undefined");
        assert_eq!(by_inode(&rows, seqpacket.as_raw_fd())["type"], "seqpacket");
        let (a, b) = (by_inode(&rows, one.as_raw_fd()), by_inode(&rows, other.as_raw_fd()));
        assert_eq!((&a["peer"], &b["peer"]), (&b["inode"], &a["inode"]));
        assert_eq!(
            (a["uid"].as_str(), a["path"].as_str(), a["protocol"].as_str()),
            ("0", "undefined", "undefined")
        );
        std::fs::remove_dir_all(&folder).unwrap();
        drop(stream);
    });
}

fn by_inode(rows: &[Row], fd: i32) -> &Row {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    let inode = link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']').to_owned();
    let mut found = rows.iter().filter(|row| row["inode"] == inode);
    let row = found.next().unwrap_or_else(|| panic!("no row of inode {inode}"));
    assert!(found.next().is_none());
    row
}

#[test]
fn sockets_of_the_other_families_are_those_of_proc() {
    network(|| {
        // SAFETY: makes descriptors that nothing else owns.
        let open = |family, protocol: i32| unsafe {
            let fd = libc::socket(family, libc::SOCK_RAW, protocol);
            assert!(fd >= 0, "{}", std::io::Error::last_os_error());
            OwnedFd::from_raw_fd(fd)
        };
        let raw = [open(libc::AF_INET, 1), open(libc::AF_INET, 89), open(libc::AF_INET6, 58)];
        let packet = open(libc::AF_PACKET, i32::from(0x0806_u16.to_be()));
        let rows = ask("sockets", &[], &[("protocol", atom("raw"))]);
        assert_eq!(
            only(&rows, &["family", "protocol_number"]),
            [["inet", "1"], ["inet", "89"], ["inet6", "58"]]
        );
        for fd in &raw {
            let row = by_inode(&rows, fd.as_raw_fd());
            assert_eq!((row["uid"].as_str(), row["local_port"].as_str()), ("0", "undefined"));
        }
        let rows = ask("sockets", &[], &[("family", atom("packet"))]);
        assert_eq!(only(&rows, &["protocol_number", "type", "uid"]), [["2054", "raw", "0"]]);
        by_inode(&rows, packet.as_raw_fd());
        let rows = ask("sockets", &[], &[("family", atom("netlink"))]);
        let text = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        let mut listed: Vec<Vec<String>> = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .map(|words| vec![words[1].to_owned(), words[2].to_owned()])
            .collect();
        listed.sort();
        // Those that asked are closed by now.
        let mut ours = only(&rows, &["protocol_number", "portid"]);
        ours.retain(|row| listed.contains(row));
        assert_eq!(ours, listed);
        assert!(rows.len() <= listed.len() + 2);
    });
}

#[test]
fn what_tcp_knows_is_what_the_socket_says() {
    network(|| {
        let listener = TcpListener::bind("127.0.0.1:7001").unwrap();
        let mut stream = TcpStream::connect("127.0.0.1:7001").unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        stream.write_all(&[1; 12_345]).unwrap();
        std::io::Read::read_exact(&mut accepted, &mut [0; 12_345]).unwrap();
        let info = || {
            let mut info = [0_u8; 512];
            let mut length: libc::socklen_t = 512;
            // SAFETY: the kernel writes at most `length` bytes of `info`.
            let r = unsafe {
                libc::getsockopt(
                    stream.as_raw_fd(),
                    libc::SOL_TCP,
                    libc::TCP_INFO,
                    info.as_mut_ptr().cast(),
                    &raw mut length,
                )
            };
            assert_eq!(r, 0);
            info
        };
        let port = i64::from(stream.local_addr().unwrap().port());
        let word = |info: &[u8; 512], at: usize| {
            u32::from_ne_bytes(info[at..at + 4].try_into().unwrap()).to_string()
        };
        let long = |info: &[u8; 512], at: usize| {
            u64::from_ne_bytes(info[at..at + 8].try_into().unwrap()).to_string()
        };
        let figures = |info: &[u8; 512]| {
            [
                ("rtt", word(info, 68)),
                ("rttvar", word(info, 72)),
                ("snd_cwnd", word(info, 80)),
                ("total_retrans", word(info, 100)),
                ("pacing_rate", long(info, 104)),
                ("bytes_acked", long(info, 120)),
                ("bytes_received", long(info, 128)),
                ("segs_out", word(info, 136)),
                ("segs_in", word(info, 140)),
                ("min_rtt", word(info, 148)),
                ("delivery_rate", long(info, 160)),
                ("retrans", word(info, 36)),
            ]
        };
        // All that was sent is acknowledged in the end; then the figures stand still while they are asked for.
        let mut seen = None;
        support::eventually("the connection is at rest", || {
            let before = figures(&info());
            let rows = ask("sockets", &[], &[("local_port", int(port))]);
            assert_eq!(rows.len(), 1);
            let rests = figures(&info()) == before && rows[0]["bytes_acked"] == "12346";
            seen = Some((before, rows));
            rests
        });
        let (figures, rows) = seen.unwrap();
        let row = &rows[0];
        for (column, value) in figures {
            assert_eq!(row[column], value, "{column}");
        }
        assert_eq!(row["bytes_acked"], "12346", "the beginning counts as one");
        let algorithm = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
        assert_eq!(row["congestion"], format!("<{}>", algorithm.trim()));
        let rows =
            ask("sockets", &["rtt", "congestion"], &[("local_port", int(7001)), ("state", atom("listen"))]);
        assert_eq!(rows[0]["rtt"], "undefined");
    });
}

#[test]
fn a_tcp_socket_that_is_only_bound_is_listed_where_the_kernel_lists_it() {
    network(|| {
        let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
        bind(fd.as_raw_fd(), &nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 7009)).unwrap();
        let rows = ask("sockets", &["state"], &[("local_port", int(7009)), ("protocol", atom("tcp"))]);
        println!("bound, not connected: {rows:?}");
        let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str()).collect();
        assert!(states.is_empty() || states == ["bound"], "{states:?}");
        // ss shows none of these.
        let others = [("state", atoms(&["established", "listen", "close"])), ("local_port", int(7009))];
        assert!(ask("sockets", &["state"], &others).is_empty());
        for state in &states {
            assert_eq!(
                ask("sockets", &["state"], &[("state", atom(state)), ("protocol", atom("tcp"))]).len(),
                1
            );
        }
        listen(&fd, Backlog::new(3).unwrap()).unwrap();
        let rows = ask("listening", &[], &[("local_port", int(7009))]);
        assert_eq!(only(&rows, &["backlog", "max_backlog"]), [["0", "3"]]);
        let other = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
        connect(other.as_raw_fd(), &nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 7009)).unwrap();
        assert_eq!(only(&ask("listening", &[], &[("local_port", int(7009))]), &["backlog"]), [["1"]]);
    });
}
