//! The end of one process.

use std::time::{Duration, Instant};

use super::support::{Port, Term, atom, fixtures, int, integer, map, name, tuple_of};
use super::{ID, Running, event, port, refused, sleeper, subscribed, text};

fn watch_exit(port: &mut Port, pid: Term) {
    subscribed(port, &[("topic", atom("exit")), ("pid", pid)]);
}

fn same(child: &Running) -> Term {
    tuple_of(vec![int(child.pid()), int(child.starttime())])
}

#[test]
fn the_end_of_a_process_is_told_with_its_code() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    let mut child = Running::sh("read x; exit 7", &[]);
    let starttime = child.starttime();
    watch_exit(&mut port, same(&child));
    drop(child.0.stdin.take());
    child.0.wait().unwrap();
    let ended = event(&mut port);
    assert_eq!((name(ended.get("kind")), integer(ended.get("pid"))), ("exit", i128::from(child.pid())));
    assert_eq!(integer(ended.get("starttime")), i128::from(starttime));
    // Kernels before 6.15 do not tell.
    match ended.get("code") {
        Term::Atom(unknown) => assert_eq!(unknown.name, "undefined"),
        code => assert_eq!(integer(code), 7),
    }
    let (tag, id, _) = port.answer();
    assert_eq!((tag.as_str(), id), ("ok", i128::from(ID)), "the subscription is at its end");
    println!("code {}", text(ended.get("code")));
}

#[test]
fn a_process_that_nobody_waits_for_ends_without_a_code_after_a_time() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    let mut child = sleeper();
    watch_exit(&mut port, int(child.pid()));
    let begun = Instant::now();
    child.0.kill().unwrap();
    let ended = event(&mut port);
    assert_eq!((name(ended.get("code")), name(ended.get("signal"))), ("undefined", "undefined"));
    // A second is given to its parent (REAP_MAX_MS).
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn another_process_of_the_same_number_is_none() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    let child = sleeper();
    let earlier = tuple_of(vec![int(child.pid()), int(child.starttime() - 1)]);
    assert_eq!(text(&refused(&mut port, &[("topic", atom("exit")), ("pid", earlier)])), "'esrch'");
    let nobody = int(4_194_303);
    assert_eq!(text(&refused(&mut port, &[("topic", atom("exit")), ("pid", nobody)])), "'esrch'");
    // There are few of these.
    for id in 20..28 {
        port.request(id, "subscribe", map(&[("topic", atom("exit")), ("pid", same(&child))]));
    }
    let more = refused(&mut port, &[("topic", atom("exit")), ("pid", same(&child))]);
    assert_eq!(text(&more), "'overloaded'");
}
