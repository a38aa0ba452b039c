//! Batches, dumps, questions and events against the kernel, in a network namespace of the test's own. Without root the tests
//! are skipped.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by them"
)]

mod nft_support;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nft_support::messages::*;
use portcullis::capability::{Capabilities, Capability};
use portcullis::netlink::attr::{Attrs, Buffer, find};
use portcullis::netlink::message::{ACK, CREATE, ECHO, EXCL, Messages};
use portcullis::nft::transport::batch::{self, Batch, Failure};
use portcullis::nft::transport::dump::{Dump, consistent};
use portcullis::nft::transport::watch::{self, Seen, Watch};
use portcullis::nft::transport::{Error, Link, ROOM, get};
use portcullis::sys::capset;
use portcullis::sys::netlink::{EVENTS, REQUESTS, Room, Socket};

/// A socket in which next to nothing can wait.
const NARROW: Room = Room { receive: 4096, send: 32 << 20 };

fn run(link: &mut Link, mut batch: Batch) -> batch::Outcome {
    batch::run(link, &mut batch).unwrap()
}

fn faults(failure: Failure) -> Vec<(Option<usize>, i32)> {
    match failure {
        Failure::Refused { faults, .. } => faults.into_iter().map(|f| (f.command, f.refusal.errno)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_thousand_rules_of_one_batch_are_all_there_in_order() {
    network(|| {
        let mut link = link();
        let before = get::generation(&mut link).unwrap();
        let outcome = run(&mut link, ruleset(2000));
        assert_eq!((outcome.generation, outcome.complete), (before + 1, true));
        assert_eq!(outcome.echoes().count(), 0, "nobody asked for one");
        let expected: Vec<_> = (0..2000_u32).map(|i| i.to_be_bytes().to_vec()).collect();
        assert_eq!(tags(&mut link), expected);
    });
}

#[test]
fn a_batch_of_sixteen_megabytes_is_sent_at_once() {
    network(|| {
        let mut link = link();
        let mut batch = ruleset(0);
        (0..56_000).for_each(|_| rule(&mut batch, 0, "t", "c", &[7; 255]));
        assert!(batch.bytes() > 16 << 20, "{}", batch.bytes());
        run(&mut link, batch);
        assert_eq!(tags(&mut link).len(), 56_000);
    });
}

#[test]
fn what_is_too_big_is_refused_with_both_sizes_and_changes_nothing() {
    network(|| {
        let mut link = with_room(Room { receive: 1 << 20, send: 8192 });
        let mut batch = ruleset(2000);
        let failure = batch::run(&mut link, &mut batch).unwrap_err();
        let Failure::Transport(Error::TooBig { bytes, room }) = failure else { panic!("{failure:?}") };
        assert!(bytes > batch.bytes() && room < bytes && room >= 8192, "{bytes} {room}");
        assert!(tables(&mut link).is_empty());
        run(&mut link, ruleset(10));
        assert_eq!(tags(&mut link).len(), 10);
        let mut batch = Batch::begin(None);
        let long = batch.push(NEWRULE, 0, INET, |b| b.put(7, &[0; 65536]));
        assert!(matches!(long, Err(Error::TooLong(_))) && batch.is_empty());
        let full = (0..600).find_map(|_| batch.push(NEWRULE, 0, INET, |b| b.put(7, &[0; 65000])).err());
        assert!(matches!(full, Some(Error::TooBig { .. })) && batch.bytes() < ROOM.send);
    });
}

#[test]
fn an_error_in_the_middle_undoes_all_and_is_named_with_its_place() {
    network(|| {
        let mut link = link();
        let mut batch = ruleset(100);
        rule(&mut batch, ACK, "t", "nowhere", b"x");
        rule(&mut batch, ACK, "t", "c", b"x");
        chain(&mut batch, "nowhere", "c");
        let Failure::Refused { faults, more } = batch::run(&mut link, &mut batch).unwrap_err() else {
            panic!()
        };
        let named: Vec<_> = faults.iter().map(|f| (f.command, f.refusal.errno)).collect();
        assert_eq!((named, more), (vec![(Some(102), libc::ENOENT), (Some(104), libc::ENOENT)], 0));
        let ways: Vec<_> =
            [(0, 102), (1, 104)].map(|(i, c)| batch.way(c, faults[i].refusal.offset.unwrap())).into();
        assert_eq!(ways, [[(2, 1)], [(1, 0)]], "the chain of the one, the table of the other");
        assert!(tables(&mut link).is_empty());
        // The same without the faults goes through: nothing of the refused one is left.
        run(&mut link, ruleset(100));
        assert_eq!(tags(&mut link).len(), 100);
    });
}

#[test]
fn the_way_leads_to_nested_attributes_and_ends_where_there_is_none() {
    let mut batch = ruleset(1);
    let bytes = |batch: &Batch, index| batch.command(index).unwrap().payload.len() as u32 + 16;
    // Table 8 and chain 8 bytes from 20 on, the list at 36, its element at 40, the name at 44, the data at 56.
    let ways = [20, 28, 36, 40, 44, 56].map(|offset| batch.way(2, offset));
    let list = (4, 2);
    let expected = [
        vec![(1, 0)],
        vec![(2, 1)],
        vec![list],
        vec![list, (1, 0)],
        vec![list, (1, 0), (1, 0)],
        vec![list, (1, 0), (2, 1)],
    ];
    assert_eq!(ways, expected);
    for offset in [0, 19, bytes(&batch, 2), u32::MAX] {
        assert!(batch.way(2, offset).is_empty(), "{offset}");
    }
    assert!(batch.way(3, 20).is_empty());
    batch.push(NEWRULE, 0, INET, |_| {}).unwrap();
    assert!(batch.way(3, 20).is_empty());
}

#[test]
fn a_dry_run_finds_faults_and_changes_nothing() {
    network(|| {
        let mut link = link();
        let before = get::generation(&mut link).unwrap();
        let mut good = ruleset(200);
        batch::dry_run(&mut link, &mut good).unwrap();
        let mut bad = ruleset(200);
        chain(&mut bad, "nowhere", "c");
        let failure = batch::dry_run(&mut link, &mut bad).unwrap_err();
        assert_eq!(faults(failure), [(Some(202), libc::ENOENT)]);
        assert_eq!(get::generation(&mut link).unwrap(), before);
        assert!(tables(&mut link).is_empty());
        run(&mut link, good);
        assert_eq!(tags(&mut link).len(), 200, "what was tried can be done");
        batch::dry_run(&mut link, &mut Batch::begin(None)).unwrap();
    });
}

#[test]
fn of_two_sockets_the_one_that_comes_late_is_told_of_both_generations() {
    network(|| {
        let (mut one, mut other) = (link(), link());
        let seen = get::generation(&mut one).unwrap();
        let mut late = Batch::begin(Some(seen));
        table(&mut late, "late");
        run(&mut other, ruleset(1));
        assert_eq!(
            batch::run(&mut one, &mut late).unwrap_err(),
            Failure::Stale { expected: seen, current: seen + 1 }
        );
        assert!(matches!(batch::dry_run(&mut one, &mut late), Err(Failure::Stale { .. })));
        assert_eq!(tables(&mut one), ["t"]);
        let mut again = Batch::begin(Some(seen + 1));
        table(&mut again, "late");
        assert_eq!(run(&mut one, again).generation, seen + 2);
        assert_eq!(tables(&mut other), ["t", "late"]);
    });
}

#[test]
fn a_batch_that_changes_nothing_is_no_failure() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(0));
        let before = get::generation(&mut link).unwrap();
        let mut again = Batch::begin(Some(before));
        table(&mut again, "t");
        for mut batch in [Batch::begin(None), Batch::begin(Some(before)), again] {
            let outcome = batch::run(&mut link, &mut batch).unwrap();
            assert_eq!((outcome.generation, outcome.exact), (before, true));
        }
    });
}

#[test]
fn echoes_name_their_commands_and_the_generation_is_exact() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(0));
        let before = get::generation(&mut link).unwrap();
        let mut batch = Batch::begin(None);
        (0..5000_u32).for_each(|i| rule(&mut batch, ECHO, "t", "c", &i.to_be_bytes()));
        let outcome = run(&mut link, batch);
        assert_eq!((outcome.generation, outcome.exact, outcome.complete), (before + 1, true, true));
        let echoed: Vec<(usize, Vec<u8>)> = outcome
            .echoes()
            .map(|(command, m)| {
                assert!(m.kind == NEWRULE && find(m.body, 3).unwrap().be64().is_some());
                (command, find(m.body, 7).unwrap().value.to_vec())
            })
            .collect();
        let expected: Vec<_> = (0..5000_u32).map(|i| (i as usize, i.to_be_bytes().to_vec())).collect();
        assert_eq!(echoed, expected);
    });
}

#[test]
fn echoes_that_do_not_fit_take_nothing_from_the_outcome() {
    network(|| {
        let mut link = with_room(NARROW);
        run(&mut link, ruleset(0));
        let mut batch = Batch::begin(None);
        (0..5000_u32).for_each(|i| rule(&mut batch, ECHO, "t", "c", &i.to_be_bytes()));
        let outcome = batch::run(&mut link, &mut batch).unwrap();
        assert!(!outcome.complete && outcome.echoes().count() < 5000);
        assert_eq!(tags(&mut link).len(), 5000);
        // Nor are errors that do not fit taken for a success: the batch with as many is refused.
        let mut batch = Batch::begin(None);
        (0..5000_u32).for_each(|_| rule(&mut batch, ECHO, "t", "nowhere", b"x"));
        let refused = faults(batch::run(&mut link, &mut batch).unwrap_err());
        assert_eq!(refused[0], (Some(0), libc::ENOENT));
        assert_eq!(tags(&mut link).len(), 5000);
    });
}

#[test]
fn a_chain_in_use_is_refused_and_not_called_busy() {
    network(|| {
        let mut link = link();
        let mut batch = ruleset(1);
        let delete = |b: &mut Buffer| {
            b.put_text(1, b"t");
            b.put_text(3, b"c");
        };
        chain(&mut batch, "t", "d");
        let jump = |b: &mut Buffer| {
            b.put_text(1, b"t");
            b.put_text(2, b"d");
            let nests = [4, 1].map(|kind| b.nest(kind));
            b.put_text(1, b"immediate");
            let data = b.nest(2);
            b.put_be32(1, 0);
            let verdict = [2, 2].map(|kind| b.nest(kind));
            // NFT_JUMP is -3.
            b.put_be32(1, u32::MAX - 2);
            b.put_text(2, b"c");
            verdict.into_iter().rev().for_each(|nest| b.end(nest));
            b.end(data);
            nests.into_iter().rev().for_each(|nest| b.end(nest));
        };
        batch.push(NEWRULE, CREATE, INET, jump).unwrap();
        run(&mut link, batch);
        let mut batch = Batch::begin(None);
        batch.push(DELCHAIN, 0, INET, delete).unwrap();
        let failure = batch::run(&mut link, &mut batch).unwrap_err();
        assert_eq!(faults(failure), [(Some(0), libc::EBUSY)]);
    });
}

#[test]
fn without_the_capability_nothing_is_done_and_it_is_asked_each_time() {
    network(|| {
        let net_admin = Capabilities::of(&[Capability::NetAdmin]);
        drop(capset::raise(net_admin).unwrap());
        // Opened without, and the buffers are what everybody gets.
        let mut link = link();
        let eperm = |r: Result<u32, Error>| matches!(r, Err(Error::Refused(r)) if r.errno == libc::EPERM);
        assert!(eperm(get::generation(&mut link)));
        {
            let _raised = capset::raise(net_admin).unwrap();
            run(&mut link, ruleset(3));
            assert_eq!(tags(&mut link).len(), 3);
        }
        assert!(eperm(get::generation(&mut link)));
    });
}

#[test]
fn a_dump_that_is_changed_after_rows_were_given_out_says_so() {
    network(|| {
        let (mut one, mut other) = (link(), link());
        run(&mut one, ruleset(2000));
        let mut dump = Dump::start(&mut one, GETRULE, 0, |_| {}).unwrap();
        assert!(dump.next(&mut one).unwrap().is_some());
        let mut batch = Batch::begin(None);
        table(&mut batch, "new");
        run(&mut other, batch);
        let end = loop {
            match dump.next(&mut one) {
                Ok(Some(_)) => {}
                end => break end.map(|_| ()),
            }
        };
        assert_eq!(end, Err(Error::Interrupted));
        assert!(dump.next(&mut one).unwrap().is_none(), "it is over");
        assert_eq!(tags(&mut one).len(), 2000, "and in nobody's way");
    });
}

#[test]
fn a_dump_that_is_changed_before_is_asked_for_again() {
    network(|| {
        let (mut one, mut other) = (link(), link());
        run(&mut one, ruleset(0));
        let mut ended = Dump::start(&mut one, GETTABLE, 0, |_| {}).unwrap();
        assert_eq!(ended.next(&mut one).unwrap().unwrap().count(), 1);
        let mut dump = Dump::start(&mut one, GETTABLE, 0, |_| {}).unwrap();
        let mut batch = Batch::begin(None);
        table(&mut batch, "new");
        let now = run(&mut other, batch).generation;
        assert_eq!(dump.next(&mut one).unwrap().unwrap().count(), 2);
        assert_eq!(dump.generation(), now);
        assert!(dump.next(&mut one).unwrap().is_none());
        assert!(ended.next(&mut one).unwrap().is_none(), "a short list is whole before it is given out");
    });
}

/// Ends the writer however the reader ends: a failed test must not hang.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// The whole list in one generation, while somebody replaces all of it every few milliseconds.
#[test]
fn a_view_is_of_one_generation_whatever_others_do() {
    network(|| {
        let stop = AtomicBool::new(false);
        let mut reader = link();
        run(&mut reader, ruleset(0));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut writer = link();
                let mut turns = 0_u32;
                while !stop.load(Relaxed) {
                    let mut batch = Batch::begin(None);
                    flush(&mut batch, "t", "c");
                    (0..1000).for_each(|_| rule(&mut batch, 0, "t", "c", &turns.to_be_bytes()));
                    run(&mut writer, batch);
                    turns += 1;
                    std::thread::sleep(Duration::from_millis(3));
                }
                turns
            });
            let stopped = Stop(&stop);
            let (mut views, mut calls) = (0, 0);
            let until = Instant::now() + Duration::from_secs(2);
            while Instant::now() < until {
                let view = consistent(&mut reader, |link, _| {
                    calls += 1;
                    list(link, GETRULE, 7)
                });
                match view {
                    Ok((_, tags)) if tags.is_empty() => {}
                    Ok((_, tags)) => {
                        assert_eq!(tags.len(), 1000);
                        assert!(tags.iter().all(|tag| *tag == tags[0]));
                        views += 1;
                    }
                    Err(e) => assert_eq!(e, Error::Interrupted),
                }
            }
            drop(stopped);
            let turns = writer.join().unwrap();
            assert!(
                turns > 10 && views > 0 && calls > views,
                "{turns} changes, {views} views, {calls} calls"
            );
        });
    });
}

#[test]
fn a_slow_reader_gets_the_whole_dump_though_other_things_are_done_meanwhile() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(2000));
        let count = |dump: &mut Dump, link: &mut _| dump.next(link).unwrap().map_or(0, Iterator::count);
        let mut dumps: Vec<Dump> =
            (0..3).map(|_| Dump::start(&mut link, GETRULE, 0, |_| {}).unwrap()).collect();
        let mut rows: Vec<usize> = dumps.iter_mut().map(|dump| count(dump, &mut link)).collect();
        assert!(rows.iter().all(|rows| (1..1000).contains(rows)), "{rows:?}");
        // One reader goes away; the ruleset changes by our own hand.
        drop(dumps.pop());
        let mut batch = Batch::begin(None);
        flush(&mut batch, "t", "c");
        run(&mut link, batch);
        assert!(tags(&mut link).is_empty());
        for (dump, rows) in dumps.iter_mut().zip(&mut rows) {
            while let Some(messages) = dump.next(&mut link).unwrap() {
                *rows += messages.count();
            }
            assert_eq!(*rows, 2000);
        }
    });
}

#[test]
fn what_a_dump_is_refused_is_told() {
    network(|| {
        let mut link = link();
        let mut dump = Dump::start(&mut link, GETSETELEM, INET, |b| {
            b.put_text(1, b"t");
            b.put_text(2, b"s");
        })
        .unwrap();
        assert!(matches!(dump.next(&mut link), Err(Error::Refused(r)) if r.errno == libc::ENOENT));
        assert!(dump.next(&mut link).unwrap().is_none());
        let long = Dump::start(&mut link, GETSETELEM, INET, |b| b.put(1, &[0; 65536]));
        assert!(matches!(long, Err(Error::TooLong(_))));
    });
}

fn get_table(link: &mut Link, name: &str) -> Result<usize, Error> {
    let answer = get::point(link, GETTABLE, INET, |b| b.put_text(1, name.as_bytes()))?;
    Ok(answer.messages().count())
}

/// The median of many, in nanoseconds.
fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn time_of_get(link: &mut Link) -> u128 {
    let times = (0..2000).map(|_| {
        let started = Instant::now();
        assert_eq!(get_table(link, "t"), Ok(1));
        started.elapsed().as_nanos()
    });
    median(times.collect())
}

#[test]
fn a_question_costs_the_same_beside_ten_thousand_rules() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(0));
        assert!(matches!(get_table(&mut link, "nowhere"), Err(Error::Refused(r)) if r.errno == libc::ENOENT));
        let mut ratios: Vec<f64> = Vec::new();
        for _ in 0..5 {
            let alone = time_of_get(&mut link);
            run(&mut link, ruleset(10_000));
            let beside = time_of_get(&mut link);
            let mut batch = Batch::begin(None);
            flush(&mut batch, "t", "c");
            run(&mut link, batch);
            ratios.push(beside as f64 / alone as f64);
        }
        ratios.sort_by(f64::total_cmp);
        println!("one question beside 10,000 rules and alone: {ratios:.2?}");
        // A list would take a thousand times as long; the rest is the noise of a shared machine.
        assert!(ratios[2] < 1.5, "{ratios:?}");
    });
}

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
        child.env(CHILD, "1").args(["--exact", "the_sockets_have_their_numbers", "--test-threads=1"]);
        assert!(child.status().unwrap().success());
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

/// An exclusive command that is not the first of its kind, so that flags arrive as they were given.
#[test]
fn flags_arrive() {
    network(|| {
        let mut link = link();
        run(&mut link, ruleset(0));
        let mut batch = Batch::begin(None);
        batch.push(NEWTABLE, CREATE | EXCL, INET, |b| b.put_text(1, b"t")).unwrap();
        let failure = batch::run(&mut link, &mut batch).unwrap_err();
        assert_eq!(faults(failure), [(Some(0), libc::EEXIST)]);
    });
}

fn walk(attrs: Attrs<'_>) -> usize {
    attrs.map(|attr| 1 + if attr.nested { walk(attr.attrs()) } else { 0 }).sum()
}

/// The bytes of a batch of so many rules as they are sent, to time the kernel alone.
fn bytes_of(rules: u32) -> Vec<u8> {
    let batch = ruleset(rules);
    let mut buffer = Buffer::new();
    let mark = buffer.message(16, 1, 1, 0, 10);
    buffer.end_message(mark).unwrap();
    for m in (0..batch.len()).map(|i| batch.command(i).unwrap()) {
        let mark = buffer.message(m.kind, m.flags, m.seq, m.family, m.res_id);
        buffer.raw(m.body);
        buffer.end_message(mark).unwrap();
    }
    let mark = buffer.message(17, 1, u32::try_from(batch.len()).unwrap() + 2, 0, 10);
    buffer.end_message(mark).unwrap();
    buffer.bytes().to_vec()
}

fn delete_table(link: &mut Link) {
    let mut batch = Batch::begin(None);
    batch.push(DELTABLE, 0, INET, |b| b.put_text(1, b"t")).unwrap();
    batch::run(link, &mut batch).unwrap();
}

/// Reads every attribute of every rule: how many of each.
fn walk_all(link: &mut Link) -> (usize, usize) {
    let mut dump = Dump::start(link, GETRULE, 0, |_| {}).unwrap();
    let (mut rows, mut attrs) = (0, 0);
    while let Some(messages) = dump.next(link).unwrap() {
        for message in messages {
            rows += 1;
            attrs += walk(message.attrs());
        }
    }
    (rows, attrs)
}

/// Figures for docs/decisions.md. `FLOOR` names a program that dumps all rules and prints how long that took.
#[test]
#[ignore = "measures; run it alone in a release build with --nocapture"]
fn measures() {
    network(|| {
        let mut link = link();
        let rules = 10_000;
        let (mut whole, mut kernel) = (Vec::new(), Vec::new());
        let bytes = bytes_of(rules);
        for _ in 0..21 {
            let started = Instant::now();
            run(&mut link, ruleset(rules));
            whole.push(started.elapsed().as_nanos());
            delete_table(&mut link);
            let alone = Socket::open(ROOM).unwrap();
            let started = Instant::now();
            alone.send(&bytes).unwrap();
            kernel.push(started.elapsed().as_nanos());
            assert_eq!(tags(&mut link).len(), 10_000);
            delete_table(&mut link);
        }
        for (of, whole, kernel) in [
            ("median", median(whole.clone()), median(kernel.clone())),
            ("least", *whole.iter().min().unwrap(), *kernel.iter().min().unwrap()),
        ] {
            let ratio = whole as f64 / kernel as f64;
            println!("add, {of}: {} us, sendto alone {} us, ratio {ratio:.3}", whole / 1000, kernel / 1000);
        }
        let started = Instant::now();
        let built = ruleset(rules).bytes();
        println!("of that to write {built} bytes: {} us", started.elapsed().as_micros());
        run(&mut link, ruleset(rules));
        for _ in 0..5 {
            let mut times = Vec::new();
            for _ in 0..41 {
                let started = Instant::now();
                let read = walk_all(&mut link);
                times.push(started.elapsed().as_nanos());
                assert_eq!(read, (10_000, 59_999), "the first has none before it");
            }
            let least = *times.iter().min().unwrap();
            println!("dump: median {} us, least {} us", median(times) / 1000, least / 1000);
            if let Ok(floor) = std::env::var("FLOOR") {
                (0..9).for_each(|_| drop(std::process::Command::new(&floor).arg("rules").status()));
            }
        }
        let short: Vec<u128> = (0..2000)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(tables(&mut link), ["t"]);
                started.elapsed().as_nanos()
            })
            .collect();
        println!("all tables: {} ns; one: {} ns", median(short), time_of_get(&mut link));
        buffers();
        for rules in [10_000, 20_000, 50_000, 100_000] {
            let mut batch = ruleset(0);
            (0..rules).for_each(|_| rule(&mut batch, ECHO, "t", "c", b"echo"));
            println!("all {rules} echoes: {}", run(&mut link, batch).complete);
            delete_table(&mut link);
        }
    });
}

/// A dump by the size of what it is received into.
fn buffers() {
    for size in [4, 8, 16, 32, 64, 128, 256, 1024].map(|k| k * 1024) {
        let mut times = Vec::new();
        let (mut buffer, mut request) = (vec![0; size], Buffer::new());
        let mark = request.message(GETRULE, 0x301, 1, 0, 0);
        request.end_message(mark).unwrap();
        for _ in 0..15 {
            let socket = Socket::open(ROOM).unwrap();
            let started = Instant::now();
            socket.send(request.bytes()).unwrap();
            loop {
                let length = socket.receive(&mut buffer).unwrap().length;
                let done = Messages::new(&buffer[..length]).any(|m| {
                    assert!(walk(m.attrs()) < 100);
                    m.kind == 3
                });
                if done {
                    break;
                }
            }
            times.push(started.elapsed().as_nanos());
        }
        println!("received into {} KiB: {} us", size / 1024, median(times) / 1000);
    }
}
