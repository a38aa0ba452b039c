//! Pids that are used again at once: no row is of two processes. Each process has a marker of its own, and whatever names it must go with
//! the pid and the start that it was first seen with.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Command;
use std::time::{Duration, Instant};

use super::inside::{FULL, Row, namespace, number, query, serve};
use super::support::{self, Port, Term, fixtures, int, integer};

/// How long, in seconds; `STORM_SECONDS` of the environment has more.
const SECONDS: u64 = 10;

/// Pids of the namespace; it begins again at 300 (include/linux/pid.h, `RESERVED_PIDS`).
const PID_MAX: u32 = 400;

const HOST_PID_MAX: &str = "/proc/sys/kernel/pid_max";

/// Whether a namespace has a `pid_max` of its own; with older kernels a test would change the host's.
fn has_own_pid_max() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(14))
}

fn is_marker(bytes: &[u8]) -> bool {
    bytes.len() == 8 && bytes.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

/// The marker in a cell, if it is there whole and nothing else is.
fn marker(cell: &Term) -> Option<Vec<u8>> {
    let Term::Binary(binary) = cell else { return None };
    is_marker(&binary.bytes).then(|| binary.bytes.clone())
}

/// That between two NULs of the arguments.
fn of_arguments(cell: &Term) -> Option<Vec<u8>> {
    let Term::Binary(binary) = cell else { return None };
    binary.bytes.split(|byte| *byte == 0).find(|part| is_marker(part)).map(<[u8]>::to_vec)
}

/// That of `/memfd:MARKER (deleted)`.
fn of_memory(cell: &Term) -> Option<Vec<u8>> {
    let Term::Binary(binary) = cell else { return None };
    let name = binary.bytes.strip_prefix(b"/memfd:")?.strip_suffix(b" (deleted)")?;
    is_marker(name).then(|| name.to_vec())
}

/// Who has been seen.
#[derive(Default)]
struct Seen {
    born: HashMap<Vec<u8>, (i128, i128)>,
    of_pid: HashMap<i128, HashSet<Vec<u8>>>,
    checked: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// How many pids were met under more than one process.
    fn reused(&self) -> usize {
        self.of_pid.values().map(|markers| markers.len() - 1).sum()
    }

    /// Whether enough was seen to say anything.
    fn enough(&self) -> bool {
        self.reused() > 200 && self.checked.len() == 3 && self.checked.values().all(|rows| *rows > 200)
    }

    fn meet(&mut self, table: &'static str, marker: Vec<u8>, row: &Row) {
        let identity = (number(row, "pid"), number(row, "starttime"));
        let text = String::from_utf8_lossy(&marker).into_owned();
        let first = *self.born.entry(marker.clone()).or_insert(identity);
        assert_eq!(first, identity, "{table}: {text} was another process");
        self.of_pid.entry(identity.0).or_default().insert(marker);
        *self.checked.entry(table).or_default() += 1;
    }

    fn processes(&mut self, rows: &[Row]) {
        for row in rows {
            let Some(name) = marker(&row["comm"]) else { continue };
            let arguments = of_arguments(&row["cmdline"]);
            // Ended, but not waited for: it has none any more.
            assert!(
                arguments.as_ref().is_none_or(|marker| *marker == name),
                "{name:?} and {arguments:?} in one row"
            );
            if arguments.is_some() {
                self.meet("processes", name, row);
            }
        }
    }

    fn threads(&mut self, rows: &[Row]) {
        for row in rows {
            if let Some(name) = marker(&row["comm"]) {
                assert_eq!(number(row, "pid"), number(row, "tid"));
                self.meet("threads", name, row);
            }
        }
    }

    fn files(&mut self, rows: &[Row]) {
        let mut of_row: HashMap<i128, Vec<u8>> = HashMap::new();
        for row in rows {
            if let Some(name) = of_memory(&row["target"]) {
                let first = of_row.entry(number(row, "pid")).or_insert_with(|| name.clone());
                assert_eq!(*first, name, "files of two processes under one pid");
                self.meet("process_files", name, row);
            }
        }
    }
}

#[test]
fn no_row_is_of_two_processes_that_had_one_pid() {
    let Some(f) = fixtures() else { return };
    if !has_own_pid_max() {
        return eprintln!("skipped: pid_max of a pid namespace of its own takes Linux 6.14");
    }
    let directory = std::env::temp_dir().join(format!("portcullis-storm-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let storm = directory.join("storm");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/storm.c");
    assert!(
        Command::new("cc").args(["-O1", "-Wall", "-o"]).arg(&storm).arg(source).status().unwrap().success()
    );
    let host = std::fs::read_to_string(HOST_PID_MAX).unwrap();
    let script = format!(
        "echo {PID_MAX} >{HOST_PID_MAX} && [ \"$(cat {HOST_PID_MAX})\" = {PID_MAX} ] || exit 99
        sleep 100000 | setpriv --reuid 65534 --regid 65534 --clear-groups env {} 24 >/dev/null 2>&1 &",
        storm.display()
    );
    let mut port = Port::start(namespace(&script, &serve(&f, "full", FULL, &[])));
    port.hello();
    assert_eq!(std::fs::read_to_string(HOST_PID_MAX).unwrap(), host, "the host's pid_max was changed");
    let seconds = std::env::var("STORM_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut seen, mut scans, mut vanished, mut denied) = (Seen::default(), 0_u32, 0, 0);
    // Longer where a busy machine has shown too little.
    while Instant::now() < until || !seen.enough() && Instant::now() < until + support::PATIENCE {
        let mut ask = |table: &str, columns: &[&str], conditions: &[(&str, Term)]| {
            let (rows, meta) = query(&mut port, table, columns, conditions).unwrap();
            vanished += integer(meta.get("vanished"));
            denied += integer(meta.get("denied"));
            rows
        };
        let columns = ["pid", "comm", "starttime", "cmdline"];
        let processes = ask("processes", &columns, &[]);
        // What meets a condition is read further, and is looked at once more behind that.
        let some = ask("processes", &columns, &[("uid", int(65534))]);
        let threads = ask("threads", &["pid", "tid", "comm", "starttime"], &[]);
        let files = ask("process_files", &["pid", "starttime", "target"], &[]);
        seen.processes(&processes);
        seen.processes(&some);
        seen.threads(&threads);
        seen.files(&files);
        for table in ["process_memory", "process_namespaces", "process_cgroups"] {
            assert!(ask(table, &[], &[]).iter().all(|row| number(row, "starttime") > 0));
        }
        scans += 1;
    }
    let reused = seen.reused();
    println!(
        "{seconds} s, {scans} scans: {:?} rows checked, {} processes met, {reused} of them with a pid that another had; {vanished} ended, {denied} denied",
        seen.checked,
        seen.born.len()
    );
    assert!(seen.enough(), "only {reused} pids were used again; {:?}", seen.checked);
    drop(port);
    support::eventually("the storm is over", || {
        std::fs::remove_dir_all(&directory).is_ok() || !directory.exists()
    });
}
