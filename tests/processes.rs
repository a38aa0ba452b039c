//! What the port says of processes: against `/proc` itself, and about processes that are hostile to readers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eetf::Term;
use support::hostile::Helper;
use support::{Map, Port, atom, atoms, binary, bytes, fixtures, int, integer, list, map, name, text};

fn cells(port: &mut Port, pid: i64, items: &[&str]) -> Map {
    let args = map(&[("pid", int(pid)), ("items", atoms(items))]);
    Map::of(&port.ask(77, "process", args))
}

/// A cell as text: binaries with their bytes escaped, everything else as the oracle prints it.
fn shown(cell: &Term) -> String {
    match cell {
        Term::Binary(b) => format!("<{}>", b.bytes.escape_ascii()),
        Term::List(l) => format!("[{}]", l.elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        Term::Tuple(t) => format!("{{{}}}", t.elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        Term::Atom(a) => a.name.clone(),
        other => other.to_string(),
    }
}

/// User and system time of a process.
fn cpu_time(pid: u32) -> Duration {
    let stat = procfs::process::Process::new(i32::try_from(pid).unwrap()).unwrap().stat().unwrap();
    Duration::from_millis((stat.utime + stat.stime) * 1000 / procfs::ticks_per_second())
}

#[test]
fn hostile_processes_have_their_rows_in_bounded_time() {
    let Some(f) = fixtures() else { return };
    let mut hostile = Helper::start("hostile", None);
    let pids = hostile.cases();
    let mut port = f.port("ok");
    port.hello();
    let d = hostile.directory.join("d").as_os_str().as_bytes().escape_ascii().to_string();
    let nuls = "\\x00".repeat(4096);
    let expected: Vec<(&str, &str, String)> = vec![
        ("comm_parens", "comm", "<) R 1 (a) S>".into()),
        ("comm_parens", "state", "sleeping".into()),
        ("comm_newline", "comm", r"<a\nb\x1b[31m\\>".into()),
        ("comm_state", "comm", r"<x\nState:\tR>".into()),
        ("comm_state", "state", "sleeping".into()),
        ("comm_state", "ruid", "65534".into()),
        ("comm_bytes", "comm", r"<\xff\xfebad>".into()),
        ("comm_colon", "comm", "<kworker/0:1-x>".into()),
        ("comm_empty", "comm", "<>".into()),
        ("cmdline_bytes", "argv", r"[<\xff\xfe>,<a\nb\x1b[31m>]".into()),
        ("cmdline_empty_arguments", "argv", "[<a>,<>,<b>,<>]".into()),
        ("cmdline_empty_arguments", "cmdline", r"<a\x00\x00b\x00>".into()),
        ("cmdline_sparse", "cmdline", format!("{{truncated,<{nuls}>}}")),
        ("cmdline_none", "cmdline", "<>".into()),
        ("cmdline_none", "argv", "[]".into()),
        ("cmdline_gone", "cmdline", "<>".into()),
        ("cmdline_userfault", "cmdline", format!("<{}>", "a".repeat(4095))),
        ("exe_bytes", "exe", format!(r"<{d}/ex\xff\ne>")),
        ("exe_not_deleted", "exe", format!("<{d}/there (deleted)>")),
        ("exe_deleted", "exe", format!("<{d}/gone (deleted)>")),
        ("cwd_bytes", "cwd", format!(r"<{d}/cw\xff\nd (deleted)>")),
        ("cwd_deep", "cwd", "{error,enametoolong}".into()),
        ("cwd_deep", "state", "sleeping".into()),
        ("not_dumpable", "uid", "65534".into()),
        ("not_dumpable", "exe", "<".into()),
        ("zombie", "state", "zombie".into()),
        ("zombie", "cmdline", "undefined".into()),
        ("zombie", "exe", "undefined".into()),
        ("zombie", "vm_hwm", "undefined".into()),
        ("leader_exited", "state", "zombie".into()),
        ("leader_exited", "num_threads", "2".into()),
        ("groups", "no_new_privs", "0".into()),
    ];
    let mut compared = 0;
    for (case, item, value) in &expected {
        let Some(pid) = pids.get(*case) else { continue };
        let cell = shown(cells(&mut port, *pid, &[item]).get(item));
        let same = if value == "<" { cell.starts_with('<') } else { cell == *value };
        assert!(same, "{case} {item}: {cell}, not {value}");
        compared += 1;
    }
    assert!(compared >= 25, "only {compared} cells could be compared");
    let long = cells(&mut port, pids["cmdline_2mb"], &["argv", "cmdline"]);
    assert!(shown(long.get("argv")).starts_with("{truncated,[<long>,<0000"));
    if let Some(pid) = pids.get("groups") {
        assert_eq!(list(cells(&mut port, *pid, &["groups"]).get("groups")).len(), 65_536);
    }
    // All of them in one table: one row each, whatever they call themselves.
    let columns = ["pid", "comm", "state", "ppid", "uid", "argv", "exe", "cwd", "vm_hwm", "cap_eff"];
    let wanted = support::list_of(pids.values().map(|pid| int(*pid)).collect());
    let table = map(&[("columns", atoms(&columns)), ("where", map(&[("pid", wanted)]))]);
    let (rows, meta) = port.rows(1, table.clone());
    // What the port itself took: other load on the machine counts only as far as it empties caches.
    let took = cpu_time(port.pid());
    for (case, pid) in &pids {
        let found = rows.iter().filter(|row| integer(&row[0]) == i128::from(*pid)).count();
        assert_eq!(found, 1, "{case}");
    }
    assert_eq!(usize::try_from(integer(meta.get("rows"))).unwrap(), rows.len());
    assert!(took < Duration::from_secs(2), "{took:?} of processor time for everything");
    let again = support::below("processor time for the table of all", Duration::from_millis(250), || {
        let before = cpu_time(port.pid());
        port.rows(2, table.clone());
        cpu_time(port.pid()).saturating_sub(before)
    });
    println!("{again:?} of processor time for the table of all");
    let memory = support::status(port.pid(), "VmHWM");
    println!(
        "{compared} cells of {} hostile processes, all in {took:?} of processor time, high water {memory}",
        pids.len()
    );
    assert!(memory.trim_end_matches(" kB").parse::<u64>().unwrap() < 16 * 1024);
}

#[test]
fn kernel_threads_have_what_applies_to_them() {
    let Some(f) = fixtures() else { return };
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm != "kthreadd\n")
        || !std::path::Path::new("/proc/2").exists()
    {
        return eprintln!("skipped: this pid namespace shows no kernel threads");
    }
    let mut port = f.port("ok");
    port.hello();
    let thread = cells(&mut port, 2, &["comm", "cmdline", "argv", "exe", "vm_hwm", "rss", "cap_eff"]);
    assert_eq!(text(thread.get("comm")), "kthreadd");
    for item in ["cmdline", "argv", "exe", "vm_hwm"] {
        assert_eq!(shown(thread.get(item)), "undefined", "{item}");
    }
    assert_eq!(integer(thread.get("rss")), 0);
}

#[test]
fn a_pid_that_was_reused_is_not_taken_for_the_process_that_had_it() {
    let Some(f) = fixtures() else { return };
    let mut reuse = Helper::start("pidreuse", Some(&f));
    let Some(first) = reuse.line() else {
        return println!("skipped: no user namespaces for ordinary users here");
    };
    let init = first.strip_prefix("namespace ").unwrap().to_owned();
    let pid: i64 = reuse.line().unwrap().strip_prefix("first ").unwrap().parse().unwrap();
    let program = f.program("ok");
    let enter = ["nsenter", "--target", &init, "--user", "--pid", "--mount", "--preserve-credentials"];
    let serve = [program.to_str().unwrap(), "port", "--role", "proc", "--unprivileged"];
    // nsenter forks when it enters a pid namespace and the port's parent is then nsenter: all as in a container.
    let mut port = Port::start(f.command(&[], &[&enter[..], &serve[..]].concat()));
    port.hello();
    let started = integer(cells(&mut port, pid, &["starttime"]).get("starttime"));
    let exact = |started: i128| {
        let identity = support::tuple_of(vec![int(pid), int(i64::try_from(started).unwrap())]);
        map(&[("pid", identity), ("items", atoms(&["pid"]))])
    };
    port.ask(1, "process", exact(started));
    writeln!(reuse.child.stdin.as_mut().unwrap()).unwrap();
    assert_eq!(reuse.line().unwrap(), format!("next {pid}"));
    port.request(2, "process", exact(started));
    let (tag, id, error) = port.answer();
    assert_eq!((tag.as_str(), id, name(&error)), ("error", 2, "esrch"));
    let now = integer(cells(&mut port, pid, &["starttime"]).get("starttime"));
    assert!(now > started);
    port.ask(3, "process", exact(now));
}

#[test]
fn what_is_not_a_process_is_esrch() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    // A thread has a directory in /proc too, which the listing leaves out.
    let (send, receive) = std::sync::mpsc::channel();
    let (quit, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        send.send(nix::unistd::gettid().as_raw()).unwrap();
        let _ = wait.recv();
    });
    let tid = receive.recv().unwrap();
    assert!(std::path::Path::new(&format!("/proc/{tid}/stat")).exists());
    for pid in [i64::from(gone.id()), 4_194_304, i64::from(tid)] {
        for items in [&["pid"][..], &["comm"], &["exe", "cmdline"]] {
            port.request(1, "process", map(&[("pid", int(pid)), ("items", atoms(items))]));
            let (tag, _, error) = port.answer();
            assert_eq!((tag.as_str(), name(&error)), ("error", "esrch"), "{pid} {items:?}");
        }
    }
    let wanted = support::list_of(vec![int(i64::from(tid)), int(1), int(i64::from(gone.id()))]);
    let (rows, _) = port.rows(2, map(&[("columns", atoms(&["pid"])), ("where", map(&[("pid", wanted)]))]));
    assert_eq!(rows.iter().map(|r| integer(&r[0])).collect::<Vec<_>>(), [1]);
    quit.send(()).unwrap();
    thread.join().unwrap();
}

/// What `/proc` says of a process, read by other means.
#[derive(PartialEq)]
struct Hand {
    starttime: u64,
    euid: u32,
    ruid: u32,
    cmdline: Vec<u8>,
    exe: Option<Vec<u8>>,
}

fn by_hand(pid: i128) -> Option<Hand> {
    let process = procfs::process::Process::new(i32::try_from(pid).unwrap()).ok()?;
    let (stat, status) = (process.stat().ok()?, process.status().ok()?);
    let mut cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    if cmdline.last() == Some(&0) {
        cmdline.pop();
    }
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).ok().map(|p| p.as_os_str().as_bytes().to_vec());
    Some(Hand { starttime: stat.starttime, euid: status.euid, ruid: status.ruid, cmdline, exe })
}

#[test]
fn the_table_is_what_proc_says() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let columns = atoms(&["pid", "uid", "ruid", "cmdline", "starttime", "exe"]);
    // Enough that stand still, also where a pid namespace shows few others.
    let mut sleepers: Vec<Child> =
        (0..30).map(|_| Command::new("sleep").arg("600").spawn().unwrap()).collect();
    for child in &sleepers {
        support::until_it_executes(child.id(), "sleep");
    }
    // Processes exec and change users while this runs: only those count that by hand say the same before and after.
    let pids: Vec<i128> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    let before: BTreeMap<i128, _> = pids.iter().map(|pid| (*pid, by_hand(*pid))).collect();
    let (rows, meta) = port.rows(1, map(&[("columns", columns)]));
    let mut compared = 0;
    for row in &rows {
        let pid = integer(&row[0]);
        let Some(hand) = by_hand(pid) else { continue };
        if before.get(&pid).is_none_or(|b| b.as_ref() != Some(&hand)) {
            continue;
        }
        assert_eq!(integer(&row[1]), i128::from(hand.euid), "uid of {pid}");
        assert_eq!(integer(&row[2]), i128::from(hand.ruid), "ruid of {pid}");
        assert_eq!(integer(&row[4]), i128::from(hand.starttime), "starttime of {pid}");
        match &row[3] {
            Term::Binary(ours) => assert_eq!(ours.bytes, hand.cmdline, "cmdline of {pid}"),
            other => {
                assert!(hand.cmdline.is_empty() || shown(other).starts_with("{truncated"), "{pid}: {other}")
            }
        }
        if let (Term::Binary(ours), Some(exe)) = (&row[5], &hand.exe) {
            assert_eq!(&ours.bytes, exe, "exe of {pid}");
        }
        compared += 1;
    }
    for child in &mut sleepers {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(compared >= 30, "only {compared} of {} rows could be compared", rows.len());
    assert_eq!(name(meta.get("truncated")), "false");
    // Other users' links are what the capability is for: at least one of root's was read.
    assert!(rows.iter().any(|r| integer(&r[1]) == 0 && matches!(r[5], Term::Binary(_))));
}

#[test]
fn without_the_capability_only_what_it_guards_is_denied() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port_with("ok", &[], &["--unprivileged"]);
    port.hello();
    let columns = atoms(&["pid", "uid", "comm", "exe", "rchar"]);
    let root = map(&[("columns", columns), ("where", map(&[("uid", int(0))]))]);
    let (rows, meta) = port.rows(1, root);
    assert!(!rows.is_empty());
    for row in rows.iter().filter(|row| shown(&row[3]) != "undefined") {
        assert_eq!(shown(&row[3]), "{error,eacces}");
        assert_eq!(shown(&row[4]), "{error,eacces}");
    }
    assert!(integer(meta.get("denied")) > 0);
}

#[test]
fn conditions_limits_and_chunks_select_what_they_say() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let mut children: Vec<Child> =
        (0..600).map(|_| Command::new("sleep").arg("601").stdin(Stdio::null()).spawn().unwrap()).collect();
    let me = i64::from(std::process::id());
    // In the order of the table: pids may have started over at the lowest.
    let mut pids: Vec<i128> = children.iter().map(|c| i128::from(c.id())).collect();
    pids.sort_unstable();
    let ask = |port: &mut Port, conditions: &[(&str, Term)], more: &[(&str, Term)]| {
        // Not the sleepers of other tests.
        let all = [("ppid", int(me)), ("comm", binary(b"sleep")), ("cmdline", binary(b"sleep\x00601"))];
        let conditions = map(&[&all[..], conditions].concat());
        let args = [&[("columns", atoms(&["pid", "comm"])), ("where", conditions)], more].concat();
        let (rows, meta) = port.rows(1, map(&args));
        (rows.iter().map(|r| integer(&r[0])).collect::<Vec<_>>(), meta)
    };
    let (found, meta) = ask(&mut port, &[], &[]);
    assert_eq!(found, pids, "three chunks, in ascending order");
    assert_eq!(integer(meta.get("rows")), 600);
    let (found, meta) = ask(&mut port, &[], &[("limit", int(300))]);
    assert_eq!((found.as_slice(), name(meta.get("truncated"))), (&pids[..300], "true"));
    let low = int(i64::try_from(pids[10]).unwrap());
    let high = int(i64::try_from(pids[19]).unwrap());
    let range = |name: &str, bounds: &[&Term]| {
        support::tuple_of(
            [&[atom(name)], &bounds.iter().map(|t| (*t).clone()).collect::<Vec<_>>()[..]].concat(),
        )
    };
    assert_eq!(ask(&mut port, &[("pid", range("range", &[&low, &high]))], &[]).0, pids[10..20]);
    assert_eq!(ask(&mut port, &[("pid", range("max", &[&high]))], &[]).0, pids[..20]);
    assert_eq!(ask(&mut port, &[("pid", range("min", &[&low]))], &[]).0, pids[10..]);
    assert_eq!(
        ask(&mut port, &[("pid", support::list_of(vec![high.clone(), low.clone(), int(1)]))], &[]).0,
        [pids[10], pids[19]]
    );
    assert_eq!(ask(&mut port, &[("state", atom("zombie"))], &[]).0, [0_i128; 0]);
    assert_eq!(
        ask(
            &mut port,
            &[(
                "state",
                support::list_of(vec![atom("sleeping"), atom("idle"), atom("running"), atom("disk_sleep")])
            )],
            &[]
        )
        .0
        .len(),
        600
    );
    assert_eq!(ask(&mut port, &[("exe", range("prefix", &[&binary(b"/usr/bin/sl")]))], &[]).0.len(), 600);
    assert_eq!(ask(&mut port, &[("exe", range("prefix", &[&binary(b"/usr/sbin/")]))], &[]).0.len(), 0);
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn processes_that_end_meanwhile_are_counted_and_nothing_else_happens() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let mut storm = Command::new("sh")
        .args(["-c", "while read -t 0.01 x || [ $? -gt 128 ]; do /bin/true & /bin/true & /bin/true & wait; done 2>/dev/null || while :; do /bin/true & /bin/true & wait; done"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(2);
    let (mut scans, mut vanished) = (0, 0);
    while Instant::now() < until {
        let (rows, meta) = port.rows(1, map(&[("columns", atoms(&["pid", "exe", "cmdline", "ruid"]))]));
        assert!(rows.iter().all(|row| row.len() == 4));
        vanished += integer(meta.get("vanished"));
        scans += 1;
    }
    storm.kill().unwrap();
    storm.wait().unwrap();
    println!("{scans} scans during a storm of processes, {vanished} ended while they were read");
    let mut rest = Vec::new();
    let _ = std::io::empty().read_to_end(&mut rest);
    let comm = cells(&mut port, 1, &["comm"]);
    assert!(!bytes(comm.get("comm")).is_empty());
}
