//! Events, who is heard, and the numbers of the sockets.

use std::time::Duration;

use portcullis::netlink::attr::find;
use portcullis::nft::transport::batch::Batch;
use portcullis::nft::transport::watch::{self, Seen, Watch};
use portcullis::nft::transport::{Link, ROOM};
use portcullis::sys::netlink::{EVENTS, REQUESTS, Room, Socket};

use crate::nft_support::messages::*;
use crate::nft_support::network;
use crate::run;

#[test]
fn events_tell_of_changes_and_of_those_that_were_lost() {
    network(|| {
        let mut link = link();
        let mut wide = Watch::on(Socket::open(watch::ROOM).unwrap(), &[watch::CHANGES]).unwrap();
        let narrow = Room { receive: 4096, send: 4096 };
        let mut narrow = Watch::on(Socket::open(narrow).unwrap(), &[watch::CHANGES]).unwrap();
        assert!(matches!(wide.take(), Ok(Seen::Nothing)));
        let generation = run(&mut link, ruleset(3000)).generation;
        let (mut kinds, mut last) = (Vec::new(), None);
        loop {
            match wide.take().unwrap() {
                Seen::Nothing => break,
                Seen::Gap => panic!("a gap"),
                Seen::Events(events) => events.for_each(|m| {
                    kinds.push(m.kind);
                    last = find(m.body, 1).and_then(|a| a.be32());
                }),
            }
        }
        assert_eq!((kinds.len(), kinds[0], kinds[3001]), (3003, NEWTABLE, NEWRULE));
        assert_eq!((kinds[3002], last), (NEWGEN, Some(generation)));
        let mut gaps = 0;
        let mut lossy = 0;
        loop {
            match narrow.take().unwrap() {
                Seen::Nothing => break,
                Seen::Gap => gaps += 1,
                Seen::Events(events) => lossy += events.count(),
            }
        }
        assert!(gaps == 1 && lossy < 3003, "{gaps} gaps, {lossy} events");
        // After a gap it goes on.
        let mut batch = Batch::begin(None);
        table(&mut batch, "later");
        run(&mut link, batch);
        assert!(matches!(narrow.take().unwrap(), Seen::Events(_)));
    });
}

/// Sending to another than the kernel takes `CAP_NET_ADMIN`, but who has it must not be believed either.
#[test]
fn what_others_send_is_not_heard() {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, sendto, socket,
    };
    use std::os::fd::{AsFd, AsRawFd};
    network(|| {
        let ours = Socket::open(ROOM).unwrap();
        let port = getsockname::<NetlinkAddr>(ours.as_fd().as_raw_fd()).unwrap().pid();
        let forger = SockProtocol::NetlinkNetFilter;
        let forger = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), forger).unwrap();
        let to = NetlinkAddr::new(port, 0);
        let sent = sendto(forger.as_raw_fd(), &[7; 64], &to, MsgFlags::empty());
        assert_eq!(sent, Ok(64));
        let mut buffer = [0; 100];
        assert!(ours.wait(Duration::ZERO).unwrap(), "it came");
        assert_eq!(ours.receive(&mut buffer), Err(nix::errno::Errno::EAGAIN));
    });
}

/// In a process of its own, whose descriptors are not those of other tests.
#[test]
fn the_sockets_have_their_numbers() {
    const CHILD: &str = "PORTCULLIS_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "sockets::the_sockets_have_their_numbers";
        child.env(CHILD, "1").args(["--exact", name, "--test-threads=1"]);
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    network(|| {
        let mut link = Link::open().unwrap();
        let _watch = Watch::open(&[watch::CHANGES, watch::TRACES]).unwrap();
        for number in [REQUESTS, EVENTS] {
            let target = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
            assert!(target.to_str().unwrap().starts_with("socket:"), "{target:?}");
        }
        run(&mut link, ruleset(1));
        assert!(Socket::open(ROOM).unwrap().pinned(REQUESTS).is_err(), "a number is not given twice");
    });
}
