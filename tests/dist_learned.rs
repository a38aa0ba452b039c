//! What a message costs a gateway when the peer has made it remember as much as it may. A full table is no reason to look all of it through for
//! each message: one peer that watches what it may watch would have the one thread to itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway::{Peer, RULES, Z, gateway, ignore, mark, own, peer, protected};
use portcullis::dist::control::{Target, answer};
use portcullis::dist::etf::Pid;
use portcullis::dist::etf::write::{atom, pid, reference};
use portcullis::dist::frame::TICK;
use portcullis::wire::write::Writer;

/// Processor time of a thread of this program.
fn spent(thread: i32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn threads() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// The gateway's thread is the newest of the program: another test's would be taken for it.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages of one kind, each of which is answered, and what the gateway's thread spends on one of them: the least of some tries.
fn each(peer: &mut Peer, thread: i32, from: u32, message: impl Fn(u32) -> Vec<u8>) -> Duration {
    let most = 500;
    let one = |n: u32| {
        let first = from + n * most;
        let before = spent(thread);
        for m in first..first + most {
            peer.socket.write_all(&message(m)).unwrap();
        }
        for _ in 0..most {
            peer.hears(b"denied").expect("an answer");
        }
        spent(thread).saturating_sub(before) / most
    };
    (0..5).map(one).min().unwrap()
}

fn denied_monitor(n: u32) -> Vec<u8> {
    answer::monitor(&own(Z), &Target::Name("rex"), &mark(Z, n))
}

/// A process that has one monitor.
fn caller() -> Pid<'static> {
    Pid { id: 81, ..own(Z) }
}

/// A call that does not say under which monitor its caller waits, as those of several nodes.
fn denied_call(n: u32) -> Vec<u8> {
    let caller = caller();
    let mut w = Writer::new();
    w.tuple(3);
    atom(&mut w, "$gen_call");
    w.tuple(2);
    pid(&mut w, &caller);
    w.tuple(2);
    reference(&mut w, &mark(Z, n));
    atom(&mut w, Z);
    atom(&mut w, "x");
    answer::reg_send(&caller, "rex", w.bytes())
}

#[test]
fn a_full_table_is_not_looked_through_for_each_message() {
    let _turn = turn();
    let node = protected(ignore);
    let before = threads();
    let port = gateway(node, "[limits]\nlearned = 16384", RULES);
    let thread = threads().into_iter().filter(|thread| !before.contains(thread)).max().unwrap();
    let mut peer = peer(port, Z).unwrap();
    peer.say(&answer::monitor(&caller(), &Target::Name("echo"), &mark(Z, 81)));
    let monitor = each(&mut peer, thread, 1, denied_monitor);
    let call = each(&mut peer, thread, 10_000, denied_call);
    // More than there is room for. All of it was judged when the last is answered.
    for n in 100_000..120_000 {
        peer.say(&answer::monitor(&own(Z), &Target::Name("echo"), &mark(Z, n)));
    }
    peer.say(&denied_monitor(77_777));
    peer.hears(&[77_777_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat()).unwrap();
    for (what, usual, message) in [
        ("a denied monitor", monitor, denied_monitor as fn(u32) -> Vec<u8>),
        ("a denied call", call, denied_call),
    ] {
        let full = each(&mut peer, thread, 200_000, message);
        println!("{what}: {usual:?}, with a full table {full:?}");
        assert!(full < usual * 20, "{what}: {usual:?}, with a full table {full:?}");
    }
}

/// A peer that only says that it lives, as fast as it can, leaves the thread to others: that costs less than a hundredth of a message.
#[test]
fn ticks_cost_next_to_nothing() {
    let _turn = turn();
    let before = threads();
    let port = gateway(protected(ignore), "", RULES);
    let thread = threads().into_iter().filter(|thread| !before.contains(thread)).max().unwrap();
    let mut peer = peer(port, Z).unwrap();
    let message = each(&mut peer, thread, 1, denied_monitor);
    let (times, ticks) = (100_000, TICK.repeat(100_000));
    let flood = |n: u32| {
        let before = spent(thread);
        peer.say(&ticks);
        peer.say(&denied_monitor(50_000 + n));
        peer.hears(b"denied").expect("an answer");
        spent(thread).saturating_sub(before) / times
    };
    let tick = (0..5).map(flood).min().unwrap();
    println!("a tick {tick:?}, a denied monitor {message:?}");
    assert!(tick < message / 50, "a tick {tick:?}, a denied monitor {message:?}");
}
