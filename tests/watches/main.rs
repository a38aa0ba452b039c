//! What is told as it happens, through the installed port: against processes, interfaces and the load that the test makes itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test fails by them"
)]

mod exits;
mod host;
#[path = "../support/namespaces.rs"]
mod namespaces;
mod processes;
mod queries;
mod refused;
#[path = "../support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use eetf::Term;
use support::{
    Fixtures, Map, PATIENCE, Port, atom, elements, encode, int, integer, list, map, name, tuple_of,
};

const ID: u32 = 5;

fn port(f: &Fixtures) -> Port {
    let mut port =
        f.port_with("ok", &["--policy", &f.policy("version = 1\n[proc]\nlevel = \"basic\"\n")], &[]);
    port.hello();
    port
}

/// The port in a network namespace of its own, in which `ip` can do as it likes.
fn port_in_a_namespace(f: &Fixtures) -> Port {
    let policy = f.policy("version = 1\n[proc]\nlevel = \"basic\"\n");
    let program = f.program("ok");
    let words = [program.to_str().unwrap(), "port", "--role", "proc"];
    let inner = f.command(&["--policy", &policy], &words);
    let mut c = Command::new("unshare");
    c.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    c.arg(inner.get_program()).args(inner.get_args());
    c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/");
    let mut port = Port::start(c);
    port.hello();
    port
}

thread_local! {
    /// What came for the subscription before it was known that it was taken.
    static EARLY: RefCell<VecDeque<Vec<Term>>> = const { RefCell::new(VecDeque::new()) };
}

fn subscribe(port: &mut Port, args: &[(&str, Term)]) {
    EARLY.take();
    port.request(ID, "subscribe", map(args));
    // It says nothing when it takes it.
    port.request(6, "info", map(&[]));
}

/// The same where it must be taken.
fn subscribed(port: &mut Port, args: &[(&str, Term)]) {
    subscribe(port, args);
    loop {
        let frame = elements(&port.receive().unwrap());
        if integer(&frame[1]) == 6 {
            return;
        }
        assert_eq!(name(&frame[0]), "event", "{frame:?}");
        EARLY.with_borrow_mut(|early| early.push_back(frame));
    }
}

fn grant(port: &mut Port, events: i64) {
    port.frame(&encode(&tuple_of(vec![atom("credit"), int(i64::from(ID)), int(events)])));
}

/// What the next frame is: its tag and its last element.
fn next(port: &mut Port) -> (String, Term) {
    let early = EARLY.with_borrow_mut(VecDeque::pop_front);
    let frame = early.unwrap_or_else(|| elements(&port.receive().unwrap()));
    assert_eq!(integer(&frame[1]), i128::from(ID), "{frame:?}");
    (name(&frame[0]).to_owned(), frame.last().unwrap().clone())
}

fn event(port: &mut Port) -> Map {
    let (tag, value) = next(port);
    assert_eq!(tag, "event", "{value}");
    Map::of(&value)
}

/// The error that a subscription is refused with.
fn refused(port: &mut Port, args: &[(&str, Term)]) -> Term {
    subscribe(port, args);
    let (tag, value) = next(port);
    assert_eq!(tag, "error", "{value}");
    port.answer();
    value
}

fn text(term: &Term) -> String {
    format!("{term}")
}

struct Running(Child);

impl Running {
    fn sh(script: &str, more: &[&str]) -> Self {
        let mut c = Command::new("sh");
        c.args(["-c", script, "sh"]).args(more).stdin(Stdio::piped()).stdout(Stdio::null());
        Self(c.spawn().unwrap())
    }

    fn pid(&self) -> i64 {
        i64::from(self.0.id())
    }

    fn starttime(&self) -> i64 {
        let line = fs::read(format!("/proc/{}/stat", self.0.id())).unwrap();
        let end = line.iter().rposition(|b| *b == b')').unwrap();
        let text = String::from_utf8(line[end + 2..].to_vec()).unwrap();
        text.split(' ').nth(19).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rows(event: &Map, key: &str) -> Vec<Vec<Term>> {
    list(event.get(key)).iter().map(elements).collect()
}

fn sleeper() -> Running {
    Running::sh("read x", &[])
}

/// The most memory that the port has taken, in KiB.
fn peak(port: &Port) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", port.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What was told and not looked at yet: an event brings several.
#[derive(Default)]
struct Heard(VecDeque<Map>);

impl Heard {
    /// The next that is found; `None` where it may be among those that were lost: other tests, and other programs of the host, flood everybody.
    fn until(&mut self, port: &mut Port, found: &dyn Fn(&Map) -> bool) -> Option<Map> {
        let end = Instant::now() + PATIENCE;
        let mut lost = false;
        while Instant::now() < end {
            while let Some(one) = self.0.pop_front() {
                if found(&one) {
                    return Some(one);
                }
            }
            if lost {
                return None;
            }
            let (tag, value) = next(port);
            lost = tag == "lost";
            if tag == "event" {
                grant(port, 1);
                let event = Map::of(&value);
                lost = name(event.get("resnapshot")) == "true";
                self.0.extend(list(event.get("events")).iter().map(Map::of));
            }
        }
        panic!("nothing was told");
    }
}

/// What is found of something that is done again when events were lost.
fn told<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    (0..50).find_map(|_| attempt()).expect("events are lost every time")
}
