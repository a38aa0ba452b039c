//! What a batch changes, what of it is refused and where, and what is told of it.

use portcullis::capability::{Capabilities, Capability};
use portcullis::netlink::attr::{Buffer, find};
use portcullis::netlink::message::{ACK, CREATE, ECHO, EXCL};
use portcullis::nft::transport::batch::{self, Batch, Failure};
use portcullis::nft::transport::{Error, ROOM, get};
use portcullis::sys::capset;
use portcullis::sys::netlink::Room;

use crate::nft_support::messages::*;
use crate::nft_support::network;
use crate::run;

/// A socket in which next to nothing can wait.
const NARROW: Room = Room { receive: 4096, send: 32 << 20 };

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
