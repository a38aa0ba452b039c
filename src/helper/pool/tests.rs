//! A pool whose helpers are the tests.
#![forbid(unsafe_code)]

use super::*;
use crate::limits::HELPERS;
use crate::sys::helper::{Blocks, hear, pair, tell};

const LATE: Duration = Duration::from_millis(STATFS_ANSWER_MS);

fn pool(helpers: usize) -> (Pool, Vec<OwnedFd>) {
    let (near, far) = (0..helpers).map(|_| pair().unwrap()).unzip();
    (Pool::over(near), far)
}

fn local(mount_id: u64) -> Target<'static> {
    Target { mount_id, device: [8, 1], path: b"/m", local: true }
}

fn remote(mount_id: u64) -> Target<'static> {
    Target { mount_id, device: [0, mount_id], path: b"/m", local: false }
}

fn ticket(asked: Asked) -> Ticket {
    match asked {
        Asked::Ticket(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// What a helper is asked, which must be something.
fn heard(far: &OwnedFd) -> (u64, u64) {
    let mut buffer = [0; super::super::message::QUESTION_MAX];
    let length = hear(far.as_fd(), &mut buffer).unwrap();
    let question = Question::decode(&buffer[..length]).unwrap();
    (question.serial, question.mount_id)
}

fn answer(far: &OwnedFd, serial: u64) {
    tell(far.as_fd(), &Answer { serial, outcome: FULL }.encode()).unwrap();
}

const FULL: Outcome =
    Outcome::Full(Blocks { size: 4096, all: 3, free: 2, available: 1, files: 9, files_free: 8 });

#[test]
fn an_answer_reaches_everybody_who_waits_for_it() {
    let (mut pool, far) = pool(HELPERS);
    let now = Instant::now();
    let (first, second) = (ticket(pool.ask(&local(1), now)), ticket(pool.ask(&local(1), now)));
    assert_eq!((first.outcome(), pool.sockets().count(), pool.receive(now)), (None, 1, false));
    let (serial, mount_id) = heard(&far[0]);
    assert_eq!(mount_id, 1);
    answer(&far[0], serial);
    assert!(pool.receive(now));
    assert_eq!((first.outcome(), second.outcome()), (Some(FULL), Some(FULL)));
    assert_eq!((pool.sockets().count(), pool.counts(now)), (0, (HELPERS, 0)));
}

#[test]
fn mounts_that_do_not_answer_leave_a_helper_for_the_local_ones() {
    let (mut pool, far) = pool(HELPERS);
    let now = Instant::now();
    let most = u64::try_from(HELPERS - HELPERS_FOR_LOCAL).unwrap();
    let held: Vec<Ticket> = (1..=most).map(|id| ticket(pool.ask(&remote(id), now))).collect();
    // They may answer yet.
    assert!(matches!(pool.ask(&remote(99), now), Asked::Later(at) if at == now + LATE));
    assert!(matches!(pool.ask(&local(50), now), Asked::Ticket(_)));
    answer(&far[HELPERS - 1], heard(&far[HELPERS - 1]).0);
    assert!(pool.receive(now));
    // They have not.
    let then = now + LATE;
    assert_eq!(pool.counts(then), (HELPERS, HELPERS - HELPERS_FOR_LOCAL));
    assert!(matches!(pool.ask(&remote(99), then), Asked::Busy));
    assert!(matches!(pool.ask(&remote(1), then), Asked::Late));
    for id in 60..70 {
        let local = ticket(pool.ask(&local(id), then));
        answer(&far[HELPERS - 1], heard(&far[HELPERS - 1]).0);
        assert!(pool.receive(then));
        assert_eq!(local.outcome(), Some(FULL));
    }
    assert!(held.iter().all(|ticket| ticket.outcome().is_none()));
}

#[test]
fn when_all_are_held_it_is_said_at_once_and_they_are_of_use_again_when_they_come_back() {
    let (mut pool, far) = pool(HELPERS);
    let now = Instant::now();
    let held: Vec<Ticket> = (0..4).map(|id| ticket(pool.ask(&local(id), now))).collect();
    assert!(matches!(pool.ask(&local(9), now), Asked::Later(at) if at == now + LATE));
    let then = now + LATE;
    assert!(matches!(pool.ask(&local(9), then), Asked::Busy));
    assert!(matches!(pool.ask(&remote(9), then), Asked::Busy));
    for far in &far {
        answer(far, heard(far).0);
    }
    assert!(pool.receive(then));
    assert!(held.iter().all(|ticket| ticket.outcome() == Some(FULL)));
    assert!(matches!(pool.ask(&local(9), then), Asked::Ticket(_)));
    // Late is late: not yet.
    assert!(matches!(pool.ask(&local(0), then), Asked::Late));
}

#[test]
fn who_answers_late_is_asked_less_and_less_often_until_he_answers_in_time() {
    let (mut pool, far) = pool(1);
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let _ = ticket(pool.ask(&local(1), now));
        now += LATE;
        answer(&far[0], heard(&far[0]).0);
        assert!(pool.receive(now));
        let since = now;
        while matches!(pool.ask(&local(1), now), Asked::Late) {
            now += Duration::from_millis(500);
        }
        answer(&far[0], heard(&far[0]).0);
        pauses.push((now - since).as_secs());
        // In time: but that is not looked at, so that the next round begins with what was.
        pool.helpers[0].ask = None;
        hear(pool.helpers[0].socket.as_fd(), &mut [0; ANSWER_ROOM]).unwrap();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let _ = ticket(pool.ask(&local(1), now));
    answer(&far[0], heard(&far[0]).0);
    assert!(pool.receive(now));
    assert!(pool.late.is_empty());
}

#[test]
fn mounts_of_one_remote_device_hang_together_and_those_of_a_disk_do_not() {
    let (mut pool, _far) = pool(HELPERS);
    let now = Instant::now();
    let of = |mount_id, local| Target { mount_id, device: [0, 77], path: b"/m", local };
    let _ = ticket(pool.ask(&of(1, false), now));
    assert!(matches!(pool.ask(&of(2, false), now), Asked::Later(_)));
    let _ = ticket(pool.ask(&of(3, true), now));
    assert!(matches!(pool.ask(&of(2, false), now + LATE), Asked::Late));
    assert!(matches!(pool.ask(&of(4, true), now + LATE), Asked::Ticket(_)));
}

/// Says something to the port.
type Say = fn(&OwnedFd, u64);

#[test]
fn one_that_has_ended_or_says_something_else_is_not_asked_again() {
    let now = Instant::now();
    let garbage: [Say; 3] = [
        |far, serial| answer(far, serial + 1),
        |far, _| tell(far.as_fd(), b"x").unwrap(),
        |far, serial| {
            let long = [&Answer { serial, outcome: FULL }.encode()[..], &[0; 100]].concat();
            tell(far.as_fd(), &long).unwrap();
        },
    ];
    for garbage in garbage {
        let (mut pool, far) = pool(2);
        let ticket = ticket(pool.ask(&local(1), now));
        garbage(&far[0], heard(&far[0]).0);
        assert!(pool.receive(now));
        assert_eq!((ticket.outcome(), pool.counts(now)), (Some(Outcome::Lost), (1, 0)));
        assert!(matches!(pool.ask(&local(1), now), Asked::Late));
    }
    let (mut pool, mut far) = pool(2);
    let ticket = ticket(pool.ask(&local(1), now));
    drop(far.remove(0));
    assert!(pool.receive(now));
    assert_eq!(ticket.outcome(), Some(Outcome::Lost));
    drop(far);
    // Found out when it is told something.
    assert!(matches!(pool.ask(&local(2), now), Asked::Busy));
    assert!(pool.is_empty() && matches!(pool.ask(&local(2), now), Asked::Busy));
}

#[test]
fn what_is_remembered_has_a_bound() {
    let (mut pool, _far) = pool(1);
    let now = Instant::now();
    for id in 0..1000 {
        pool.remember(Key::Mount(id), true, now + Duration::from_millis(id));
    }
    assert_eq!(pool.late.len(), STATFS_LATE_MAX);
    assert!(matches!(pool.ask(&local(999), now), Asked::Late));
    assert!(matches!(pool.ask(&local(1), now), Asked::Ticket(_)));
}
