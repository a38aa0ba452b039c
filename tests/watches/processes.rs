//! Processes that fork, execute and end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis::limits::EVENTS_INITIAL;

use super::namespaces::is_first_network;
use super::support::{
    self, Map, PATIENCE, Port, atom, atoms, bytes, encode, fixtures, int, integer, list, map, name, tuple_of,
};
use super::{Heard, ID, Running, event, grant, next, peak, port, sleeper, subscribed, text, told};

#[test]
fn processes_that_fork_execute_and_end_are_told() {
    let Some(f) = fixtures().filter(|_| is_first_network()) else { return };
    let mut port = port(&f);
    let mut heard = Heard::default();
    subscribed(&mut port, &[("topic", atom("processes"))]);
    let since = micros();
    let (fork, exit) = told(|| {
        let child = Running::sh("exit 3", &[]);
        let of = of(&child);
        let fork = heard.until(&mut port, &|event| of(event, "fork"))?;
        heard.until(&mut port, &|event| of(event, "exec"))?;
        Some((fork, heard.until(&mut port, &|event| of(event, "exit"))?))
    });
    assert_eq!(integer(fork.get("ppid")), i128::from(std::process::id()));
    let time = integer(fork.get("time"));
    // The kernel's clock is another one than ours, and both may be set.
    assert!((since - 1_000_000..micros() + 1_000_000).contains(&time), "{time}, after {since}");
    assert_eq!((integer(exit.get("code")), name(exit.get("signal"))), (3, "undefined"));
    let exit = told(|| {
        let mut killed = sleeper();
        killed.0.kill().unwrap();
        let of = of(&killed);
        heard.until(&mut port, &|event| of(event, "exit"))
    });
    assert_eq!((name(exit.get("code")), integer(exit.get("signal"))), ("undefined", 9));
}

/// Whether an event is of that process and that kind.
fn of(process: &Running) -> impl Fn(&Map, &str) -> bool + use<> {
    let pid = i128::from(process.pid());
    move |event, what| name(event.get("event")) == what && integer(event.get("pid")) == pid
}

/// The wall clock, as events have it.
fn micros() -> i128 {
    i128::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

#[test]
fn only_what_is_asked_for_is_told_and_names_are_bytes() {
    let Some(f) = fixtures().filter(|_| is_first_network()) else { return };
    let mut port = port(&f);
    subscribed(&mut port, &[("topic", atom("processes")), ("events", atoms(&["comm"]))]);
    let mut heard = Heard::default();
    let odd = told(|| {
        let child = Running::sh("printf 'a\\n\\377\\033]' > /proc/self/comm; read x", &[]);
        let pid = i128::from(child.pid());
        heard.until(&mut port, &|event| {
            assert_eq!(name(event.get("event")), "comm");
            integer(event.get("pid")) == pid && bytes(event.get("comm")).starts_with(b"a")
        })
    });
    assert_eq!(bytes(odd.get("comm")), b"a\n\xff\x1b]");
}

/// How many processes the flood starts. `PORTCULLIS_FLOOD=100000` is what the figures in docs/decisions.md were measured with.
fn flood() -> u32 {
    std::env::var("PORTCULLIS_FLOOD").ok().and_then(|n| n.parse().ok()).unwrap_or(5000)
}

/// So many processes are started and end while nobody reads. The most memory that the port took, in KiB.
fn flooded(port: &Port, forks: u32) -> u64 {
    let begun = Instant::now();
    let script = "i=0; while [ $i -lt $1 ]; do (:); i=$((i+1)); done";
    let half = (forks / 2).to_string();
    let mut forkers: Vec<Running> = (0..2).map(|_| Running::sh(script, &[&half])).collect();
    forkers.iter_mut().for_each(|forker| assert!(forker.0.wait().unwrap().success()));
    let took = begun.elapsed();
    let kib = peak(port);
    println!("{forks} forks in {took:?}: peak {kib} KiB, {} ticks", support::ticks(port.pid()));
    kib
}

/// Reads on until what is told is new and it was said that something is missing. How many events were told, and how many are said to be lost.
fn read_up(port: &mut Port) -> (usize, i128) {
    let (mut told, mut lost, mut marked) = (0, 0, false);
    let since = micros();
    // What is done before the gap has ended belongs to it.
    let _ticking = Running::sh("while :; do sh -c 'exit 0'; sleep 0.05; done", &[]);
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        grant(port, 1);
        let (tag, value) = next(port);
        if tag == "lost" {
            lost += integer(&value);
            continue;
        }
        let event = Map::of(&value);
        marked |= name(event.get("resnapshot")) == "true";
        let events: Vec<Map> = list(event.get("events")).iter().map(Map::of).collect();
        told += events.len();
        if marked && events.iter().any(|event| integer(event.get("time")) >= since) {
            return (told, lost);
        }
    }
    panic!("told {told}, lost {lost}, marked {marked}");
}

#[test]
fn a_flood_without_credit_takes_no_memory_and_every_event_is_told_or_counted() {
    let Some(f) = fixtures().filter(|_| is_first_network()) else { return };
    let mut port = port(&f);
    // Other kinds would be those of other tests.
    subscribed(&mut port, &[("topic", atom("processes")), ("events", atoms(&["exit"]))]);
    // The credit first: an event brings as many processes as the port finds at once, and then nothing would be missing.
    for _ in 0..EVENTS_INITIAL {
        drop(Running::sh("exit 0", &[]));
        event(&mut port);
    }
    let kib = flooded(&port, flood());
    assert!(kib < 24 * 1024, "{kib} KiB");
    let (told, lost) = read_up(&mut port);
    println!("told {told}, lost {lost}");
    assert!(lost > 0, "told {told}");
    assert!(i128::try_from(told).unwrap() + lost >= i128::from(flood()), "told {told}, lost {lost}");
}

#[test]
fn a_flood_that_fills_everything_between_takes_no_memory_and_is_said() {
    let Some(f) = fixtures().filter(|_| is_first_network()) else { return };
    let mut port = port(&f);
    let args = [("topic", atom("processes")), ("events", atoms(&["fork", "exit", "comm", "exec"]))];
    subscribed(&mut port, &args);
    grant(&mut port, 1 << 20);
    let kib = flooded(&port, flood().max(30_000));
    assert!(kib < 24 * 1024, "{kib} KiB");
    let (told, lost) = read_up(&mut port);
    println!("told {told}, lost {lost}");
    assert!(lost > 0, "told {told}");
}

#[test]
fn without_a_reader_the_port_uses_no_time() {
    let Some(f) = fixtures().filter(|_| is_first_network()) else { return };
    let mut port = port(&f);
    subscribed(&mut port, &[("topic", atom("processes")), ("events", atoms(&["sid"]))]);
    let mut other = sleeper();
    port.request(8, "subscribe", map(&[("topic", atom("exit")), ("pid", int(other.pid()))]));
    support::until_it_sleeps(port.pid());
    let before = support::ticks(port.pid());
    std::thread::sleep(Duration::from_secs(2));
    assert!(support::ticks(port.pid()) - before <= 1);
    // A process that has ended and that nobody waits for would be readable for ever.
    other.0.kill().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let used = support::ticks(port.pid()) - before;
    assert!(used <= 4, "{used}");
    other.0.wait().unwrap();
}

#[test]
fn what_is_cancelled_is_over_for_the_kernel_too() {
    let Some(f) = fixtures().filter(|_| is_first_network()) else { return };
    let mut port = port(&f);
    for topic in ["processes", "interfaces"] {
        subscribed(&mut port, &[("topic", atom(topic))]);
        port.frame(&encode(&tuple_of(vec![atom("cancel"), int(i64::from(ID))])));
        loop {
            let (tag, value) = next(&mut port);
            if tag == "error" {
                assert_eq!(text(&value), "'cancelled'");
                break;
            }
        }
        let info = Map::of(&port.ask(6, "info", map(&[])));
        assert_eq!(integer(info.get("subscriptions")), 0);
    }
    let before = support::ticks(port.pid());
    for _ in 0..200 {
        drop(Running::sh("exit 0", &[]));
    }
    assert!(support::ticks(port.pid()) - before <= 1);
}
