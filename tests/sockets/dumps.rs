//! One list at a time: what is abandoned reaches nobody, who takes his time holds up nobody, and what does not fit is told.

use portcullis::error::RequestError;
use portcullis::netlink::dump::{ASIDE_MAX, Error, Link, Links, Next};
use portcullis::sockets::inet;
use portcullis::sockets::plan::Ask;
use portcullis::sockets::row::Protocol;
use portcullis::sys::netlink::{Asked, Socket};
use portcullis::wire::chunk::Slice;

use super::ask::{all, ask, network, query, run, slice};
use super::crowd::Crowd;
use super::support::{atom, int};

#[test]
fn what_is_abandoned_reaches_nobody() {
    network(|| {
        let crowd = Crowd::of("udp", 3000);
        let mut links = Links::unpinned();
        for stop in 0..20 {
            let mut rows = query("sockets", &["protocol", "local_port"], &[("protocol", atom("udp"))]);
            let (_, mut seen) = slice(rows.as_mut(), &mut links).unwrap();
            for _ in 0..stop / 2 {
                seen.extend(slice(rows.as_mut(), &mut links).unwrap().1);
            }
            assert!(!seen.is_empty() && seen.len() < crowd.len(), "{}", seen.len());
            drop(rows);
            if stop % 2 == 0 {
                let mut next = query("sockets", &["family", "protocol"], &[("family", atom("netlink"))]);
                let rows = all(next.as_mut(), &mut links).unwrap();
                assert!(!rows.is_empty() && rows.iter().all(|row| row["family"] == "netlink"), "{stop}");
            }
        }
        let mut whole = query("sockets", &["cookie"], &[("protocol", atom("udp"))]);
        assert_eq!(all(whole.as_mut(), &mut links).unwrap().len(), crowd.len());
    });
}

#[test]
fn whoever_comes_later_waits_for_who_reads_and_not_for_who_takes_his_time() {
    network(|| {
        let crowd = Crowd::of("udp", 3000);
        let mut links = Links::unpinned();
        let udp = || query("sockets", &["cookie"], &[("protocol", atom("udp"))]);
        let (mut first, mut second) = (udp(), udp());
        let (_, mut seen) = slice(first.as_mut(), &mut links).unwrap();
        let (end, rows) = slice(second.as_mut(), &mut links).unwrap();
        assert_eq!((end, rows.len()), (Slice::Paused, 0), "the first is being read");
        assert!(second.is_open());
        // Its client has no credit left.
        first.park();
        let others = all(second.as_mut(), &mut links).unwrap();
        assert_eq!(others.len(), crowd.len());
        let third = all(udp().as_mut(), &mut links).unwrap();
        assert_eq!(third.len(), crowd.len());
        seen.extend(all(first.as_mut(), &mut links).unwrap());
        seen.sort();
        let (before, mut others) = (seen.len(), others);
        seen.dedup();
        others.sort();
        assert_eq!((before, &seen), (crowd.len(), &others), "each once");
        // The socket is as it was.
        assert_eq!(all(udp().as_mut(), &mut links).unwrap().len(), crowd.len());
    });
}

#[test]
fn what_is_kept_for_who_takes_his_time_is_bounded() {
    network(|| {
        // Some 150 bytes each, and twice what is kept.
        let crowd = Crowd::of("udp", 50_000);
        let mut links = Links::unpinned();
        let udp = || query("sockets", &["cookie"], &[("protocol", atom("udp"))]);
        let mut parked: Vec<_> = (0..3).map(|_| udp()).collect();
        let mut told = 0;
        for rows in &mut parked {
            for _ in 0..1000 {
                match slice(rows.as_mut(), &mut links) {
                    Ok((_, rows)) if rows.is_empty() => {}
                    Ok(_) => break,
                    Err(e) => {
                        assert_eq!(e, RequestError::Busy);
                        told += 1;
                        break;
                    }
                }
            }
            rows.park();
        }
        println!(
            "3 readers of {} sockets that take their time: {told} told busy, {ASIDE_MAX} bytes kept",
            crowd.len()
        );
        assert!(told > 0);
        let mut first = parked.remove(0);
        assert!(all(first.as_mut(), &mut links).unwrap().len() > 40_000);
        drop(parked);
        assert_eq!(all(udp().as_mut(), &mut links).unwrap().len(), crowd.len());
    });
}

#[test]
fn a_list_that_the_kernel_does_not_have_is_empty_and_leaves_the_socket_usable() {
    network(|| {
        let mut link = Link::on(Socket::open_public(Asked::Sockets).unwrap());
        for _ in 0..3 {
            // A family that nobody has.
            let mut dump = link.dump(20, &[44, 0, 0, 0, 0, 0, 0, 0], |_| {}).unwrap().unwrap();
            assert!(matches!(dump.next(&mut link), Err(Error::Refused(_))));
            let mut dump = link.dump(99, &[0; 16], |_| {}).unwrap().unwrap();
            assert!(matches!(dump.next(&mut link), Err(Error::Refused(_))));
        }
        let mut header = vec![16, 255, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        header.extend([0xff; 8]);
        let mut dump = link.dump(20, &header, |_| {}).unwrap().unwrap();
        let mut count = 0;
        while let Next::Message(..) = dump.next(&mut link).unwrap() {
            count += 1;
        }
        assert!(count > 0);
    });
}

/// Where the kernel does not list TCP of both families at once, it is asked for each.
#[test]
fn both_families_are_those_of_each() {
    network(|| {
        let crowd = Crowd::of("tcp", 200);
        let six: Vec<_> = (0..100).map(|_| std::net::TcpListener::bind("[::1]:0").unwrap()).collect();
        let ask = Ask::Inet(inet::Ask {
            family: inet::BOTH,
            protocol: Protocol::Tcp,
            states: u32::MAX,
            local_port: 0,
            remote_port: 0,
            info: false,
            congestion: false,
        });
        let mut link = Link::on(Socket::open_public(Asked::Sockets).unwrap());
        let mut listed = |ask: &Ask| {
            let mut dump = ask.begin(&mut link).unwrap().unwrap();
            let mut cookies = std::collections::BTreeSet::new();
            while let Next::Message(_, range) = dump.next(&mut link).unwrap() {
                assert!(cookies.insert(ask.parse(dump.payload(range)).unwrap().cookie));
            }
            cookies
        };
        let both = listed(&ask);
        let each: Vec<_> = ask.instead().iter().map(&mut listed).collect();
        assert!(each.len() == 2 && each.iter().all(|list| list.len() >= 100), "{each:?}");
        assert_eq!(each.into_iter().flatten().collect::<std::collections::BTreeSet<_>>(), both);
        drop((crowd, six));
    });
}

#[test]
fn without_sockets_the_tables_say_so() {
    let rows = all(query("sockets", &[], &[]).as_mut(), &mut Links::none());
    assert!(matches!(rows, Err(RequestError::Posix(libc::ENOTCONN, _))), "{rows:?}");
    let rows = all(query("routes", &[], &[]).as_mut(), &mut Links::none());
    assert!(matches!(rows, Err(RequestError::Posix(libc::ENOTCONN, _))), "{rows:?}");
}

/// So many addresses of one interface.
fn addresses(n: usize) {
    run("ip link add d0 type veth peer name d1");
    run("ip link set d1 up");
    run("ip link set d0 up");
    let lines: String =
        (0..n).map(|n| format!("addr add 10.{}.{}.1/32 dev d0\n", n / 256, n % 256)).collect();
    let file = std::env::temp_dir().join(format!("portcullis-addresses-{}-{n}", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    run(&format!("ip -batch {}", file.display()));
    let _ = std::fs::remove_file(&file);
}

fn of_ipv4() -> Box<dyn portcullis::table::Rows> {
    query("addresses", &["address"], &[("family", atom("inet"))])
}

#[test]
fn a_long_list_that_changes_while_it_is_answered_is_said_to_have_changed() {
    network(|| {
        addresses(6000);
        let mut links = Links::unpinned();
        for change in [false, true] {
            let mut rows = of_ipv4();
            let mut seen = slice(rows.as_mut(), &mut links).unwrap().1;
            if change {
                run("ip addr add 10.200.0.1/32 dev d0");
                run("ip addr del 10.200.0.1/32 dev d0");
            }
            seen.extend(all(rows.as_mut(), &mut links).unwrap());
            assert_eq!(rows.tally().interrupted, change);
            assert!((6000..=6002).contains(&seen.len()), "{}", seen.len());
        }
    });
}

#[test]
fn a_short_list_that_changes_is_asked_for_again() {
    network(|| {
        addresses(600);
        let toggle = "while :; do ip addr add 10.200.0.1/32 dev d0; ip addr del 10.200.0.1/32 dev d0; done";
        let mut child = std::process::Command::new("sh").args(["-c", toggle]).spawn().unwrap();
        let (mut links, mut interrupted) = (Links::unpinned(), 0);
        for _ in 0..300 {
            let mut rows = of_ipv4();
            let seen = all(rows.as_mut(), &mut links).unwrap();
            assert!((601..=602).contains(&seen.len()) || rows.tally().interrupted, "{}", seen.len());
            interrupted += usize::from(rows.tally().interrupted);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        println!(
            "300 lists of 600 addresses while another comes and goes: {interrupted} say that they changed"
        );
        assert!(interrupted < 30);
    });
}

#[test]
fn routes_without_number_come_each_once() {
    network(|| {
        run("ip link set lo up");
        let routes: String =
            (0..20_000).map(|n| format!("route add 10.{}.{}.0/24 dev lo\n", n / 256, n % 256)).collect();
        let file = std::env::temp_dir().join(format!("portcullis-routes-{}", std::process::id()));
        std::fs::write(&file, routes).unwrap();
        run(&format!("ip -batch {}", file.display()));
        let _ = std::fs::remove_file(&file);
        let conditions = [("family", atom("inet")), ("table", int(254))];
        let mut rows: Vec<String> = ask("routes", &["destination"], &conditions)
            .into_iter()
            .map(|row| row["destination"].clone())
            .collect();
        assert_eq!(rows.len(), 20_000);
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 20_000);
    });
}
