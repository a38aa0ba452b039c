//! What is remembered, and for how long. How it decides about messages is in the tests of the filter.
#![forbid(unsafe_code)]

use super::*;
use crate::dist::control::Mfa;

const A: Pid<'static> = Pid { node: "a@h", creation: 7, id: 1, serial: 0 };
const B: Pid<'static> = Pid { node: "b@h", creation: 8, id: 2, serial: 0 };

fn reference(node: &'static str, n: u32) -> Ref<'static> {
    Ref { node, creation: 7, words: [n, 0, 0, 0, 0], len: 3 }
}

#[test]
fn a_link_ends_by_either_side_and_once() {
    for unlinked in [false, true] {
        let mut learned = Learned::new(100);
        let ends = Control::Exit { from: B, to: A };
        assert_eq!(learned.check(Direction::Out, &ends), Err(Reason::Unsolicited));
        learned.note(Direction::In, &Control::Link { from: A, to: B }, &[], 0);
        assert_eq!(learned.check(Direction::Out, &ends), Ok(()));
        assert_eq!(learned.check(Direction::In, &Control::Exit { from: A, to: B }), Ok(()));
        if unlinked {
            learned.note(Direction::In, &Control::Unlink { id: Some(9), from: A, to: B }, &[], 0);
            let seen = |id| Control::UnlinkAck { id, from: B, to: A };
            assert_eq!(learned.check(Direction::Out, &seen(8)), Err(Reason::Unsolicited));
            assert_eq!(learned.check(Direction::In, &seen(9)), Err(Reason::Unsolicited));
            assert_eq!(learned.check(Direction::Out, &seen(9)), Ok(()));
            learned.note(Direction::Out, &seen(9), &[], 0);
            assert_eq!(learned.check(Direction::Out, &seen(9)), Err(Reason::Unsolicited));
        } else {
            learned.note(Direction::Out, &ends, &[], 0);
        }
        assert_eq!(learned.check(Direction::Out, &ends), Err(Reason::Unsolicited));
        assert!(learned.is_empty());
    }
}

/// Each process of a node counts its unlinks from one.
#[test]
fn unlinks_of_two_processes_with_one_number_are_two() {
    let mut learned = Learned::new(100);
    let other = Pid { id: 5, ..A };
    for from in [A, other] {
        learned.note(Direction::In, &Control::Unlink { id: Some(1), from, to: B }, &[], 0);
    }
    let stranger = Pid { id: 6, ..B };
    let wrong = Control::UnlinkAck { id: 1, from: stranger, to: A };
    assert_eq!(
        learned.check(Direction::Out, &wrong),
        Err(Reason::Unsolicited),
        "nobody has unlinked that one"
    );
    for to in [other, A] {
        let seen = Control::UnlinkAck { id: 1, from: B, to };
        assert_eq!(learned.check(Direction::Out, &seen), Ok(()));
        learned.note(Direction::Out, &seen, &[], 0);
        assert_eq!(learned.check(Direction::Out, &seen), Err(Reason::Unsolicited));
    }
    assert!(learned.is_empty());
}

#[test]
fn a_reply_may_not_say_more_than_was_asked() {
    let request = reference("a@h", 1);
    let asked = |options| {
        let mut learned = Learned::new(100);
        let mfa = crate::dist::control::Mfa { module: "m", function: "f", arity: 0 };
        let control = Control::SpawnRequest { request, from: A, leader: A, mfa, options };
        learned.note(Direction::In, &control, &[], 0);
        learned
    };
    let reply = |link, monitor| Control::SpawnReply { request, to: A, link, monitor, result: Some(B) };
    let plain = asked(SpawnOptions::default());
    assert_eq!(plain.check(Direction::Out, &reply(false, false)), Ok(()));
    assert_eq!(plain.check(Direction::Out, &reply(true, false)), Err(Reason::Unsolicited));
    assert_eq!(plain.check(Direction::Out, &reply(false, true)), Err(Reason::Unsolicited));
    assert_eq!(plain.check(Direction::In, &reply(false, false)), Err(Reason::Unsolicited));
    let mut both = asked(SpawnOptions { link: true, monitor: true, of_node: false });
    let down = Control::MonitorExit { from: Target::Pid(B), to: A, reference: request };
    assert_eq!(both.check(Direction::Out, &reply(true, true)), Ok(()));
    both.note(Direction::Out, &reply(true, true), &[], 0);
    assert_eq!(both.check(Direction::Out, &reply(true, true)), Err(Reason::Unsolicited));
    assert_eq!(both.check(Direction::Out, &down), Ok(()));
    assert_eq!(both.check(Direction::Out, &Control::Exit { from: B, to: A }), Ok(()));
    // A request that failed is monitored by nobody.
    let mut failed = asked(SpawnOptions { link: false, monitor: true, of_node: false });
    let no = Control::SpawnReply { request, to: A, link: false, monitor: false, result: None };
    failed.note(Direction::Out, &no, &[], 0);
    assert!(failed.is_empty());
}

/// OTP has a monitor for each message that asks for one, whatever its reference, and looks for the one that is to end where it is said to be.
/// What is counted as one, or as none, would be as many as a peer likes.
#[test]
fn a_monitor_counts_until_it_has_ended_on_the_other_side() {
    let name = Target::Name("x");
    for (of, elsewhere) in [(name, Target::Pid(B)), (Target::Pid(B), name)] {
        let mut learned = Learned::new(100);
        let told = Lesson { identifier: Identifier::Pid(B), once: false };
        learned.note(Direction::Out, &Control::RegSend { from: B, to: "y" }, &[told], 0);
        let reference = reference("a@h", 1);
        let monitor = Control::Monitor { from: A, to: of, reference };
        assert_eq!(learned.check(Direction::In, &monitor), Ok(()));
        learned.note(Direction::In, &monitor, &[], 0);
        assert_eq!(learned.check(Direction::In, &monitor), Err(Reason::InUse));
        let mfa = Mfa { module: "m", function: "f", arity: 0 };
        let options = SpawnOptions { monitor: true, ..SpawnOptions::default() };
        let spawn = Control::SpawnRequest { request: reference, from: A, leader: A, mfa, options };
        assert_eq!(learned.check(Direction::In, &spawn), Err(Reason::InUse));
        // The other node's references are its own.
        assert_eq!(learned.check(Direction::Out, &Control::Monitor { from: B, to: name, reference }), Ok(()));
        let ends = |to| Control::Demonitor { from: A, to, reference };
        learned.note(Direction::In, &ends(elsewhere), &[], 0);
        assert_eq!(learned.check(Direction::In, &monitor), Err(Reason::InUse), "{elsewhere:?}");
        assert_eq!(learned.watches_name(Party::Peer, &reference), of == name);
        learned.note(Direction::In, &ends(of), &[], 0);
        assert_eq!(learned.check(Direction::In, &monitor), Ok(()));
    }
}

/// A monitor that is asked for with a process is of that process, once it is there.
#[test]
fn a_monitor_of_a_process_that_was_asked_for_ends_there_and_nowhere_else() {
    let mut learned = Learned::new(100);
    let (request, mfa) = (reference("a@h", 1), Mfa { module: "m", function: "f", arity: 0 });
    let options = SpawnOptions { monitor: true, ..SpawnOptions::default() };
    let spawn = Control::SpawnRequest { request, from: A, leader: A, mfa, options };
    let ends = |to| Control::Demonitor { from: A, to, reference: request };
    learned.note(Direction::In, &spawn, &[], 0);
    learned.note(Direction::In, &ends(Target::Pid(B)), &[], 0);
    assert_eq!(learned.watcher(Party::Peer, &request), Some(A), "it is not there yet");
    let reply = Control::SpawnReply { request, to: A, link: false, monitor: true, result: Some(B) };
    learned.note(Direction::Out, &reply, &[], 0);
    learned.note(Direction::In, &ends(Target::Pid(Pid { id: 9, ..B })), &[], 0);
    assert_eq!(learned.watcher(Party::Peer, &request), Some(A));
    learned.note(Direction::In, &ends(Target::Pid(B)), &[], 0);
    assert_eq!(learned.watcher(Party::Peer, &request), None);
}

#[test]
fn what_is_used_stays_and_what_is_not_goes() {
    let mut learned = Learned::new(100);
    let lessons = [A, Pid { id: 5, ..A }].map(|pid| Lesson { identifier: Identifier::Pid(pid), once: false });
    learned.note(Direction::In, &Control::RegSend { from: A, to: "x" }, &lessons, 0);
    learned.note(Direction::Out, &Control::Send { from: Some(B), to: A }, &[], 900);
    learned.expire(1000, 1000);
    assert!(learned.knows(Party::Peer, &Identifier::Pid(A)));
    assert!(!learned.knows(Party::Peer, &Identifier::Pid(Pid { id: 5, ..A })));
    learned.expire(1900, 1000);
    assert!(learned.is_empty());
}

/// A supervisor of another node says nothing for days, and has to hear of the end all the same.
#[test]
fn monitors_and_links_are_remembered_until_they_end() {
    let mut learned = Learned::new(100);
    let of = reference("a@h", 7);
    let monitor = Control::Monitor { from: A, to: Target::Name("x"), reference: of };
    learned.note(Direction::In, &monitor, &[], 0);
    learned.note(Direction::In, &Control::Link { from: A, to: B }, &[], 0);
    learned.expire(1_000_000_000, 1000);
    let down = Control::MonitorExit { from: Target::Name("x"), to: A, reference: of };
    assert_eq!(learned.watcher(Party::Peer, &of), Some(A));
    assert_eq!(learned.watcher(Party::Protected, &of), None);
    assert_eq!(learned.check(Direction::Out, &down), Ok(()));
    assert_eq!(learned.check(Direction::Out, &Control::Exit { from: B, to: A }), Ok(()));
    learned.note(Direction::Out, &down, &[], 0);
    learned.note(Direction::Out, &Control::Exit { from: B, to: A }, &[], 0);
    assert!(learned.is_empty());
}

#[test]
fn it_never_holds_more_than_it_may() {
    let mut learned = Learned::new(50);
    for n in 0..200 {
        let lesson = Lesson { identifier: Identifier::Ref(reference("a@h", n)), once: n % 2 == 0 };
        learned.note(Direction::In, &Control::Link { from: Pid { id: n, ..A }, to: B }, &[lesson], 0);
        assert!(learned.len() <= 50);
    }
    assert!(!learned.has_room(Party::Peer, &[]));
}

#[test]
fn what_is_in_use_is_kept_though_nobody_speaks_of_it() {
    let mut learned = Learned::new(100);
    let from = A;
    let lesson = |pid| Lesson { identifier: Identifier::Pid(pid), once: false };
    let other = Pid { id: 8, ..A };
    let to = B;
    let send = Control::Send { from: Some(from), to };
    learned.note(Direction::In, &send, &[lesson(from), lesson(other)], 0);
    learned.keep(Party::Peer, &Kept::Process(from), 90);
    // What was never told is not made known by this.
    learned.keep(Party::Peer, &Kept::Process(Pid { id: 10, ..A }), 90);
    learned.expire(100, 50);
    assert!(learned.knows(Party::Peer, &Identifier::Pid(from)));
    assert!(!learned.knows(Party::Peer, &Identifier::Pid(other)));
    assert_eq!(learned.len(), 1);
}

#[test]
fn processes_that_come_and_go_do_not_fill_the_table_for_those_that_wait() {
    let caller = |n: u32| Pid { id: 1000 + n, ..A };
    let mut learned = Learned::new(1600);
    let watcher = Control::Monitor { from: A, to: Target::Name("x"), reference: reference("a@h", 1) };
    let told = |pid: Pid<'static>| [Lesson { identifier: Identifier::Pid(pid), once: false }];
    learned.note(Direction::In, &watcher, &told(A), 0);
    for n in 0..20_000 {
        learned.relieve(u64::from(n));
        assert!(learned.has_room(Party::Peer, &told(caller(n))), "{n}");
        let said = Control::RegSend { from: caller(n), to: "x" };
        learned.note(Direction::In, &said, &told(caller(n)), u64::from(n));
        assert!(learned.len() <= 1600);
    }
    // Who was there last is known, who was there first is not, and who waits is.
    assert!(learned.knows(Party::Peer, &Identifier::Pid(caller(19_999))));
    assert!(learned.knows(Party::Peer, &Identifier::Pid(caller(18_900))));
    assert!(!learned.knows(Party::Peer, &Identifier::Pid(caller(0))));
    assert!(learned.knows(Party::Peer, &Identifier::Pid(A)));
    let down = Control::MonitorExit { from: Target::Name("x"), to: A, reference: reference("a@h", 1) };
    assert_eq!(learned.check(Direction::Out, &down), Ok(()));
    assert_eq!(learned.only_monitor(Party::Peer, &A), Some(reference("a@h", 1)));
    assert_eq!(learned.only_monitor(Party::Peer, &B), None);
}

/// A table with many monitors and little else: a message can name as much as can be forgotten, and the next again. Each look takes as long as
/// seven such messages.
#[test]
fn a_table_of_monitors_is_looked_through_once_a_second_whatever_messages_name() {
    let (max, monitors) = (16_384, 16_080);
    let mut learned = Learned::new(max);
    for n in 0..monitors {
        let monitor = Control::Monitor { from: A, to: Target::Name("x"), reference: reference("a@h", n) };
        learned.note(Direction::In, &monitor, &[], 0);
    }
    let (mut looks, mut last, mut taken) = (0, 0, 0);
    for n in 0..3000_u32 {
        let now = 10_000 + u64::from(n);
        learned.relieve(now);
        (looks, last) = if learned.relieved == last { (looks, last) } else { (looks + 1, learned.relieved) };
        let pids = (0..253).map(|m| Pid { id: 1000 + n * 253 + m, ..A });
        let lessons: Vec<_> =
            pids.map(|pid| Lesson { identifier: Identifier::Pid(pid), once: false }).collect();
        if learned.has_room(Party::Peer, &lessons) {
            taken += 1;
            learned.note(Direction::In, &Control::RegSend { from: A, to: "x" }, &lessons, now);
        }
    }
    assert!((3..=5).contains(&looks) && taken >= looks, "{looks} looks, {taken} messages taken");
}

/// What `watching` says is what a look through all monitors would find, whatever came before.
#[test]
fn the_only_monitor_of_a_process_is_the_one_that_is_there() {
    let mut state = 4711_u64;
    let mut below = |n: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).unwrap() % n
    };
    let mut found = 0;
    for max in [6, 20, 100, 2000] {
        let mut learned = Learned::new(max);
        for now in 0..20_000_u64 {
            let (direction, node) =
                if below(2) == 0 { (Direction::In, "a@h") } else { (Direction::Out, "b@h") };
            let (sender, receiver) = (direction.sender(), direction.receiver());
            let other = if node == "a@h" { "b@h" } else { "a@h" };
            let own = Pid { node, id: below(6), ..A };
            let its = Pid { node: other, id: below(6), ..A };
            let mut mark =
                |node| Ref { len: u8::try_from(2 + below(2)).unwrap(), ..reference(node, below(9)) };
            let (mine, theirs) = (mark(node), mark(other));
            let options = SpawnOptions { monitor: now % 2 == 0, link: now % 3 == 0, of_node: false };
            let mfa = Mfa { module: "m", function: "f", arity: 0 };
            let control = match below(11) {
                0..=3 => Control::Monitor { from: own, to: Target::Name("x"), reference: mine },
                4 => Control::Demonitor { from: own, to: Target::Name("x"), reference: mine },
                5 => Control::MonitorExit { from: Target::Pid(own), to: its, reference: theirs },
                6 => Control::SpawnRequest { request: mine, from: own, leader: own, mfa, options },
                7 => {
                    let result = (now % 2 == 0).then_some(own);
                    let (link, monitor) = (options.link, options.monitor);
                    Control::SpawnReply { request: theirs, to: its, link, monitor, result }
                }
                8 => Control::AliasSend { from: own, alias: theirs },
                9 => Control::Unlink { id: Some(u64::from(below(9))), from: own, to: its },
                _ => Control::RegSend { from: own, to: "x" },
            };
            let lessons = [
                Lesson { identifier: Identifier::Ref(mine), once: now % 2 == 0 },
                Lesson { identifier: Identifier::Pid(own), once: false },
            ];
            learned.note(direction, &control, &lessons, now);
            match below(40) {
                0 => learned.expire(now, 50),
                1 => learned.relieve(now),
                2 => learned.end(receiver, &Kept::Monitor(theirs)),
                3 => learned.end(sender, &Kept::Reference(mine)),
                4 => learned.limit(max / 2 + usize::try_from(below(u32::try_from(max).unwrap())).unwrap()),
                _ => {}
            }
            for (party, node) in [(Party::Peer, "a@h"), (Party::Protected, "b@h")] {
                for id in 0..6 {
                    let of = Pid { node, id, ..A };
                    let owned = |entry: &Entry| entry.owner == Some(process(&of));
                    let all: Vec<Words> = learned
                        .entries
                        .iter()
                        .filter_map(|(key, entry)| match key {
                            Key::Monitor(whose, words) if *whose == party && owned(entry) => Some(*words),
                            _ => None,
                        })
                        .collect();
                    let only = if let [(words, len)] = all[..] {
                        Some(Ref { node, creation: of.creation, words, len })
                    } else {
                        None
                    };
                    assert_eq!(learned.only_monitor(party, &of), only, "{max} {now}");
                    found += usize::from(only.is_some());
                }
            }
            let monitors = learned.entries.keys().filter(|key| matches!(key, Key::Monitor(..))).count();
            assert_eq!(learned.watching.values().map(|watching| watching.count).sum::<usize>(), monitors);
            assert!(learned.watching.len() <= monitors);
        }
    }
    assert!(found > 1000);
}
