//! Each row of the two tables of a gateway is needed: without it, what a gateway does kills it. A program of this test's own takes a table
//! without one row and serves; what it is asked comes from here.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod gateway;
#[path = "support/node.rs"]
mod node;
#[path = "dist_tls/support.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gateway::waiting;
use gateway::{B, RULES, Z, call as question, config, ignore, let_in};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use node::COOKIE;
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::exec::gateway::{Setup, dialer, serve};
use portcullis::exec::node::words::Told;
use portcullis::harden::gateway::{dialer_table, table};
use portcullis::harden::seccomp::{self, Row};
use portcullis::sys::process::Orphaned;
use portcullis::sys::{handover, process};
use support::{call, connect, identity, keys};

/// Rows that nothing on this machine needs, with the reason why they stand.
const ELSEWHERE: &[(&str, &str)] = &[
    ("SYS_clock_gettime", "the vDSO answers, unless the clock source is one that it cannot read"),
    ("SYS_getrandom", "the vDSO answers with glibc 2.41 and Linux 6.11, unless it has no room for its state"),
    ("SYS_restart_syscall", "only a poll with a deadline is restarted by it, and the moment is the kernel's"),
];

/// Rows of the C library that this test is built with, and not of the installed program's, or the other way round.
const ALLOCATOR: &[&str] = &["SYS_brk", "SYS_mmap", "SYS_mremap", "SYS_munmap"];

#[test]
fn without_any_of_its_rows_a_gateway_cannot_do_its_work() {
    let dir = keys("rows", &[B, Z]);
    for (which, rows) in [("gateway", table().collect::<Vec<&Row>>()), ("dialer", dialer_table().collect())] {
        assert_eq!(work(&dir, which, "none"), None, "{which} dies with all of its rows");
        let mut idle = Vec::new();
        for row in &rows {
            let named = |name: &str| name == row.name;
            if ELSEWHERE.iter().any(|(name, _)| named(name)) || ALLOCATOR.iter().any(|name| named(name)) {
                continue;
            }
            if work(&dir, which, row.name) != Some(Signal::SIGSYS) {
                idle.push(format!("{} ({})", row.name, row.reason));
            }
        }
        assert!(idle.is_empty(), "{which} does not need {}", idle.join(", "));
        println!("{which}: every row is needed, {} of them", rows.len());
    }
}

/// Everything that a gateway does, with one of its processes' tables, without one row. The signal that it ended by.
fn work(dir: &std::path::Path, which: &str, without: &str) -> Option<Signal> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = listener.local_addr().unwrap().port();
    std::thread::spawn(move || protected(listener));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_program_that_serves_without_a_row", "--ignored", "--nocapture"]);
    child.arg("--test-threads=1").env("ROWS_OF", which).env("ROWS_WITHOUT", without);
    child.env("ROWS_NODE", node.to_string()).env("ROWS_KEYS", dir);
    // The harness runs a test in a thread of its own, whose memory glibc would take by mprotect; the program has one thread.
    child.env("GLIBC_TUNABLES", "glibc.malloc.arena_max=1");
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The harness has begun the line.
    let port = lines.find_map(|line| line.ok()?.rsplit_once("port ")?.1.parse().ok());
    let _ = port.map(|port: u16| ask(dir, port));
    // A wait with a deadline, stopped and continued.
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _ = kill(pid, Signal::SIGSTOP).and_then(|()| kill(pid, Signal::SIGCONT));
    // Its end: who reads the file again has gone.
    drop(child.stdin.take());
    let deadline = Instant::now() + waiting::PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            None => {
                let _ = child.kill();
                panic!("{which} without {without} does not end");
            }
        }
    };
    status.signal().map(|n| Signal::try_from(n).unwrap())
}

/// What a peer does: is let in inside TLS, says long things, is denied others, goes; and another fails.
fn ask(dir: &std::path::Path, port: u16) -> Option<()> {
    let mut bad = TcpStream::connect(("127.0.0.1", port)).ok()?;
    bad.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let identity = identity(dir, Z);
    let mut peer = connect(call(port, &identity, B), Z, B).ok()?;
    for bytes in [10, 3_000_000, 10] {
        peer.tell(&question(Z, Z, "echo", 1, |w| w.binary(&vec![7; bytes])))?;
        peer.tell(&question(Z, Z, "rex", 1, |w| w.nil()))?;
        peer.hears(b"denied")?;
    }
    // Again, and there is nobody any more.
    drop(peer);
    let _ = connect(call(port, &identity, B), Z, B);
    Some(())
}

/// A node that lets everybody in, and reads what it is told; the third connection, behind the question who it is and that of a peer, is refused.
#[allow(clippy::needless_pass_by_value, reason = "it is closed at the end")]
fn protected(listener: TcpListener) {
    for socket in listener.incoming().take(2) {
        let mut socket = socket.unwrap();
        std::thread::spawn(move || {
            if let_in(&mut socket) {
                ignore(socket);
            }
        });
    }
}

#[test]
#[ignore = "the other test of this file starts it"]
fn a_program_that_serves_without_a_row() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let (which, without) = (variable("ROWS_OF"), variable("ROWS_WITHOUT"));
    let mut config = config(variable("ROWS_NODE").parse().unwrap(), "", RULES);
    let protects = config.protects.take().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((asks, answers), (front, told), (beside, learns)) =
        (handover::messages().unwrap(), handover::messages().unwrap(), handover::messages().unwrap());
    let callee = dialer::Callee {
        name: protects.name,
        cookie: Cookie::parse(b"inner").unwrap(),
        place: protects.place,
        allow: config.policy.allow.clone(),
    };
    let setup = Setup {
        config,
        cookie: Cookie::parse(COOKIE.as_bytes()).unwrap(),
        listeners: vec![listener],
        tls: Some(identity(std::path::Path::new(&variable("ROWS_KEYS")), B)),
        dialer: asks,
        starter: told,
        report: |text| eprintln!("{text}"),
    };
    let text = gateway::text(1, "", RULES);
    println!("port {port}");
    // Processes of one thread each, as those of the program are: threads would wait for each other by calls that no process of it makes.
    if process::fork().unwrap().is_none() {
        drop((setup, callee, answers, learns));
        process::die_with_parent(Orphaned::Killed).unwrap();
        // Until the end of the input; then the file is read again, and its reader goes.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let told = Told::Policy(text.as_bytes()).write();
        for socket in [&beside, &front] {
            let _ = handover::send(socket.as_fd(), &told, None);
        }
        process::exit_now(0);
    }
    drop((beside, front));
    let is_gateway = which == "gateway";
    let parent = process::fork().unwrap().is_some();
    if !parent {
        process::die_with_parent(Orphaned::Killed).unwrap();
    }
    let rows: Vec<&Row> = if is_gateway { table().collect() } else { dialer_table().collect() };
    let rows = rows.into_iter().filter(|row| row.name != without);
    // It ends with an error where another has gone, as it is meant to.
    let _ = if parent == is_gateway {
        drop((callee, answers, learns));
        confined(parent, rows);
        serve(setup)
    } else {
        drop(setup);
        confined(parent, rows);
        dialer::serve(&answers, &learns, callee)
    };
    // What a process of the program does at its end: says why, and goes.
    let _ = nix::unistd::write(std::io::stderr(), b"its other process has ended\n");
    process::exit_now(0);
}

fn confined<'r>(is: bool, rows: impl Iterator<Item = &'r Row>) {
    if is {
        process::forbid_new_privileges().unwrap();
        seccomp::apply_rows(rows).unwrap();
    }
}
