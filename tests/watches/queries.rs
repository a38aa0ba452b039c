//! Questions that are asked again and again, and how their answers change.

use std::process::Command;
use std::time::Duration;

use super::support::{
    self, Map, Port, Term, atom, atoms, bytes, elements, fixtures, int, integer, list, map, name, names,
};
use super::{Running, event, grant, next, peak, port, rows, sleeper, subscribed, text};

#[test]
fn an_answer_is_told_whole_and_then_how_it_changes() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    let first = sleeper();
    let mine = map(&[("ppid", int(i64::from(std::process::id()))), ("comm", support::binary(b"sh"))]);
    let args = [
        ("topic", atom("query")),
        ("table", atom("processes")),
        ("every", int(100)),
        ("columns", atoms(&["pid", "state"])),
        ("where", mine),
    ];
    subscribed(&mut port, &args);
    let whole = event(&mut port);
    assert_eq!(names(whole.get("columns")), ["pid", "state", "starttime"]);
    assert_eq!((name(whole.get("kind")), name(whole.get("last"))), ("query", "true"));
    let pids = |event: &Map, key| rows(event, key).iter().map(|row| integer(&row[0])).collect::<Vec<_>>();
    assert!(pids(&whole, "added").contains(&i128::from(first.pid())), "{:?}", pids(&whole, "added"));
    assert_eq!((pids(&whole, "removed"), pids(&whole, "changed").len()), (vec![], 0));
    // What follows can take several events, as other tests of this file start processes too.
    let until = |port: &mut Port, key: &str, found: &dyn Fn(&[Term]) -> bool| loop {
        let event = event(port);
        grant(port, 1);
        assert!(list(event.get("columns")).len() == 3);
        if rows(&event, key).iter().any(|row| found(row)) {
            return;
        }
    };
    let second = sleeper();
    let pid = i128::from(second.pid());
    until(&mut port, "added", &|row| integer(&row[0]) == pid);
    Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap();
    until(&mut port, "changed", &|pair| {
        let (before, after) = (elements(&pair[0]), elements(&pair[1]));
        integer(&after[0]) == pid && name(&before[1]) != "stopped" && name(&after[1]) == "stopped"
    });
    drop(second);
    until(&mut port, "removed", &|row| integer(&row[0]) == pid);
}

#[test]
fn tables_without_a_key_are_one_row_and_the_kernel_s_own_are_compared_too() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    subscribed(&mut port, &[("topic", atom("query")), ("table", atom("uptime")), ("every", int(100))]);
    assert_eq!(rows(&event(&mut port), "added").len(), 1);
    let second = event(&mut port);
    assert_eq!((rows(&second, "added").len(), rows(&second, "changed").len()), (0, 1));
    drop(port);
    for table in ["mounts", "sockets", "interfaces", "vmstat", "process_namespaces", "cgroups", "threads"] {
        let mut port = self::port(&f);
        subscribed(&mut port, &[("topic", atom("query")), ("table", atom(table)), ("every", int(3_600_000))]);
        let mut added = 0;
        loop {
            let event = event(&mut port);
            added += rows(&event, "added").len();
            if name(event.get("last")) == "true" {
                break;
            }
        }
        assert!(added > 0, "{table}");
    }
}

#[test]
fn without_credit_nothing_is_asked_and_nothing_is_lost() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    subscribed(&mut port, &[("topic", atom("query")), ("table", atom("uptime")), ("every", int(100))]);
    for _ in 0..64 {
        event(&mut port);
    }
    support::until_it_sleeps(port.pid());
    let before = support::ticks(port.pid());
    std::thread::sleep(Duration::from_secs(2));
    let used = support::ticks(port.pid()) - before;
    assert!(used <= 1, "{used} ticks of nothing");
    grant(&mut port, 1);
    let late = event(&mut port);
    assert!(integer(late.get("skipped")) >= 19, "{}", text(late.get("skipped")));
    assert_eq!(rows(&late, "changed").len(), 1);
    port.request(6, "info", map(&[]));
    let (tag, id, _) = port.answer();
    assert_eq!((tag.as_str(), id), ("ok", 6), "no second event without a second credit");
}

#[test]
fn more_than_is_kept_ends_the_subscription_with_what_to_do() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f);
    let long = "x".repeat(120_000);
    let crowd: Vec<Running> = (0..80).map(|_| Running::sh("read x", &[&long])).collect();
    let args = [
        ("topic", atom("query")),
        ("table", atom("processes")),
        ("every", int(100)),
        ("columns", atoms(&["pid", "cmdline"])),
        ("cell_max", int(65_536)),
        ("where", map(&[("ppid", int(i64::from(std::process::id())))])),
    ];
    subscribed(&mut port, &args);
    loop {
        let (tag, value) = next(&mut port);
        grant(&mut port, 1);
        if tag == "error" {
            let [what, why] = support::tuple(&value);
            let why = String::from_utf8(bytes(why)).unwrap();
            assert_eq!(name(what), "unsupported");
            assert!(why.contains("4194304 bytes") && why.contains("name fewer columns"), "{why}");
            break;
        }
        assert_eq!(tag, "event");
    }
    let kib = peak(&port);
    println!("peak {kib} KiB");
    assert!(kib < 24 * 1024, "{kib} KiB");
    drop(crowd);
    let info = Map::of(&port.ask(6, "info", map(&[])));
    assert_eq!(integer(info.get("subscriptions")), 0);
}
