//! Which system calls a table takes for each process. The program is not dumpable, but root may trace it all the same: nothing is left out of
//! it for this.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::inside::{FULL, inner_pid, namespace, query, serve};
use super::support::{self, Port, fixtures, int};

/// Processes that do nothing, in a namespace that has hardly any others.
const QUIET: usize = 200;

/// What one table takes for a process: name of the call, and how many.
type Plan = &'static [(&'static str, usize)];

/// Columns and what they take. One file needs nothing beside it; more are opened between the opening of `stat` and its reading, or
/// else through a reference to the directory.
const PLANS: &[(&str, &[&str], Plan)] = &[
    ("processes", &["pid"], &[]),
    ("processes", &["uid"], &[("newfstatat", 1)]),
    ("processes", &["comm", "state"], &[("openat", 1), ("read", 1), ("close", 1)]),
    ("processes", &["comm", "state", "uid"], &[("openat", 1), ("read", 1), ("close", 1), ("newfstatat", 1)]),
    (
        "processes",
        &["comm", "state", "uid", "cmdline"],
        &[("openat", 2), ("read", 2), ("close", 2), ("newfstatat", 1)],
    ),
    (
        "processes",
        &["comm", "state", "uid", "cmdline", "ruid"],
        &[("openat", 3), ("read", 3), ("close", 3), ("newfstatat", 1)],
    ),
    ("processes", &["uid", "ruid"], &[("openat", 2), ("read", 1), ("close", 2), ("newfstatat", 1)]),
    ("processes", &["rchar"], &[("openat", 1), ("read", 1), ("close", 1)]),
    ("processes", &["exe"], &[("readlinkat", 1)]),
];

/// The same with a condition on `num_threads`, which all meet where it is 1: what is not read, and `stat` once more where the rest was
/// read behind it.
const PLANS_WHERE: &[(&[&str], i64, Plan)] = &[
    (&["comm", "cmdline"], 77, &[("openat", 1), ("read", 1), ("close", 1)]),
    (&["comm", "cmdline"], 1, &[("openat", 2), ("read", 2), ("pread64", 1), ("close", 2)]),
    (&["comm", "uid"], 1, &[("openat", 1), ("read", 1), ("close", 1), ("newfstatat", 1)]),
];

/// Calls that are of the whole table: opening `/proc`, its listing.
const OF_ALL: usize = 8;

/// Calls of each slice of a scan, which are many here because the tracer makes it slow: whether something has come, and capabilities.
const OF_A_SLICE: [&str; 3] = ["poll", "capget", "capset"];

/// What was called, from the lines of strace(1), without the conversation on the standard descriptors.
fn calls(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let conversation =
            (name == "read" && rest.starts_with("0,")) || (name == "write" && rest.starts_with("1,"));
        if !conversation {
            *found.entry(name.to_owned()).or_default() += 1;
        }
    }
    found
}

/// What the port of this pid calls while `doing`.
fn traced(pid: u32, doing: impl FnOnce()) -> BTreeMap<String, usize> {
    let file = std::env::temp_dir().join(format!("portcullis-strace-{}", std::process::id()));
    let mut strace = Command::new("strace")
        .args(["-q", "-s", "0", "-p", &pid.to_string(), "-o"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    support::eventually("strace is attached", || support::status(pid, "TracerPid") != "0");
    // It has asked for the program to stop, and waits for what that does.
    support::until_it_sleeps(strace.id());
    doing();
    // It lets go of the program and writes all down.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(strace.id().try_into().unwrap()),
        nix::sys::signal::SIGINT,
    )
    .unwrap();
    strace.wait().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    calls(&text)
}

#[test]
fn a_process_takes_the_planned_system_calls_and_no_others() {
    let Some(f) = fixtures() else { return };
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        return eprintln!("skipped: needs strace");
    }
    let script = format!("for i in $(seq {QUIET}); do sleep 1000 </dev/null >/dev/null 2>&1 & done");
    let mut port = Port::start(namespace(&script, &serve(&f, "full", FULL, &[])));
    port.hello();
    let pid = inner_pid(&port, &f.program("full"));
    println!("{:32} {:>6} {:>6}  calls for each process, and the rest", "columns", "procs", "calls");
    let mut processes = 0;
    for (table, columns, plan) in PLANS {
        let mut rows = 0;
        let found = traced(pid, || rows = query(&mut port, table, columns, &[]).unwrap().0.len());
        assert!((QUIET..QUIET + 5).contains(&rows), "{rows} processes");
        processes = rows;
        compare(columns, rows, plan, found);
    }
    for (columns, threads, plan) in PLANS_WHERE {
        let condition = [("num_threads", int(*threads))];
        let mut rows = 0;
        let found =
            traced(pid, || rows = query(&mut port, "processes", columns, &condition).unwrap().0.len());
        assert_eq!(rows, if *threads == 1 { processes } else { 0 });
        compare(columns, processes, plan, found);
    }
}

/// Whether that many processes took what was planned for each.
fn compare(columns: &[&str], processes: usize, plan: Plan, found: BTreeMap<String, usize>) {
    let slices = found.get("poll").map_or(1, |n| n + 2);
    let (of_slices, found): (BTreeMap<_, _>, BTreeMap<_, _>) =
        found.into_iter().partition(|(name, _)| OF_A_SLICE.contains(&name.as_str()));
    // Raised and put down again, once each, and each after a look at what is there.
    assert!(of_slices.values().all(|n| *n <= 2 * slices), "{of_slices:?}");
    let all: usize = found.values().sum();
    let each: Vec<(&str, usize)> =
        found.iter().map(|(name, n)| (name.as_str(), n / processes)).filter(|(_, n)| *n > 0).collect();
    let mut planned = plan.to_vec();
    planned.sort_unstable();
    let rest = all - each.iter().map(|(_, n)| n * processes).sum::<usize>();
    println!("{:32} {processes:6} {all:6}  {each:?} + {rest}", columns.join(" "));
    assert_eq!(each, planned, "{columns:?}: {found:?}");
    assert!(rest <= OF_ALL, "{columns:?}: {found:?}");
}

#[test]
fn lines_of_the_tracer_are_read() {
    let text = "openat(5, \"\"..., O_RDONLY) = 6\nread(6, \"\"..., 2048) = 10\nread(0, \"\"..., 9) = 4\nwrite(1, \"\"..., 9) = 9\n\
                read(0x6, 1)\n+++ exited with 0 +++\nstrace: Process 5 detached\n";
    let expected = [("openat".to_owned(), 1), ("read".to_owned(), 2)];
    assert_eq!(calls(text).into_iter().collect::<Vec<_>>(), expected);
}
