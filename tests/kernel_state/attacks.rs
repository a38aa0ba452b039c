//! What an ordinary user does to a reader, against every table that reads such bytes: nothing ends, no row is lost or forged, and time
//! and memory stay bounded. The kernel's keys have no table here, so a key with a newline in its description has no reader to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::inside::{
    BASIC, FULL, PUBLIC, Row, answer, behind, cpu_time, high_water, number, port, query, serve, shown,
};
use super::support::hostile::Helper;
use super::support::{self, Fixtures, Port, fixtures, int, integer, list_of, map, name};

/// Tables with rows of processes, and whether a process without memory or descriptors has any.
const TABLES: [(&str, bool); 6] = [
    ("processes", true),
    ("threads", true),
    ("process_cgroups", true),
    ("process_namespaces", true),
    ("process_files", false),
    ("process_memory", false),
];

/// Memory that the port may have had at the end, in KiB: what SECURITY.md's bounds come to, whatever it read.
const MEMORY_KIB: u64 = 16 * 1024;

fn of(pid: i64) -> [(&'static str, support::Term); 1] {
    [("pid", int(pid))]
}

/// The hostile processes and a port that may see all of them.
fn begin(f: &Fixtures) -> (Helper, BTreeMap<String, i64>, Port) {
    let mut hostile = Helper::start("hostile", None);
    let pids = hostile.cases();
    (hostile, pids, port(f, "full", FULL))
}

fn targets(port: &mut Port, pid: i64) -> BTreeMap<i128, Row> {
    let (rows, _) = query(port, "process_files", &[], &of(pid)).unwrap();
    rows.into_iter().map(|row| (number(&row, "fd"), row)).collect()
}

/// Each table, once for all hostile processes by their pids and once by the listing of all processes: a row of each, nothing else.
#[test]
fn every_table_has_every_hostile_process_in_bounded_time_and_memory() {
    let Some(f) = fixtures() else { return };
    let (_hostile, pids, mut port) = begin(&f);
    let all: BTreeSet<i128> = pids.values().map(|pid| i128::from(*pid)).collect();
    let named = [("pid", list_of(pids.values().map(|pid| int(*pid)).collect()))];
    // What has ended has neither memory nor files.
    let empty: BTreeSet<i128> = ["zombie", "leader_exited"]
        .iter()
        .filter_map(|case| pids.get(*case))
        .map(|pid| i128::from(*pid))
        .collect();
    for (table, of_all) in TABLES {
        for conditions in [&named[..], &[]] {
            let (start, cpu) = (Instant::now(), cpu_time(port.pid()));
            let (rows, meta) = query(&mut port, table, &[], conditions).unwrap();
            let (took, cpu) = (start.elapsed(), cpu_time(port.pid()) - cpu);
            let found: BTreeSet<i128> = rows.iter().map(|row| number(row, "pid")).collect();
            let expected: BTreeSet<i128> =
                if of_all { all.clone() } else { all.difference(&empty).copied().collect() };
            let lost: Vec<&str> = pids
                .iter()
                .filter(|(_, pid)| expected.difference(&found).any(|lost| *lost == i128::from(**pid)))
                .map(|(case, _)| case.as_str())
                .collect();
            assert_eq!(lost, [""; 0], "{table}");
            if !conditions.is_empty() {
                let forged: Vec<_> = found.difference(&all).collect();
                assert!(forged.is_empty(), "{table}: {forged:?}");
                assert_eq!(integer(meta.get("denied")), 0, "{table}");
            }
            let rows = rows.len();
            println!(
                "{table}: {rows} rows in {took:?}, {cpu:?} of processor time, {} KiB",
                high_water(port.pid())
            );
            // The kernel's own time for 60,000 mappings and 10,000 descriptors is in it.
            assert!(cpu < Duration::from_secs(2), "{table}: {cpu:?}");
        }
    }
    // The longest cells that can be asked for, of four gibibytes of arguments.
    let sparse = pids["cmdline_sparse"];
    let columns = support::atoms(&["cmdline", "argv"]);
    let args = map(&[("columns", columns), ("cell_max", int(65_536)), ("where", map(&of(sparse)))]);
    let cpu = support::below("processor time for 4 GiB of arguments", Duration::from_millis(100), || {
        let before = cpu_time(port.pid());
        let (rows, meta) = answer(&mut port, "processes", args.clone()).unwrap();
        assert_eq!((rows.len(), integer(meta.get("cut"))), (1, 2));
        cpu_time(port.pid()) - before
    });
    let memory = high_water(port.pid());
    println!("4 GiB of arguments: {cpu:?} of processor time; {memory} KiB at most in all");
    assert!(memory < MEMORY_KIB, "{memory} KiB");
    let tables = support::list(&port.ask(6, "tables", map(&[])));
    assert!(tables.iter().all(|table| !name(support::Map::of(table).get("name")).contains("key")));
}

#[test]
fn names_are_what_processes_and_threads_call_themselves() {
    let Some(f) = fixtures() else { return };
    let (_hostile, pids, mut port) = begin(&f);
    let cases = [
        ("comm_parens", "<) R 1 (a) S>"),
        ("comm_newline", r"<a\nb\x1b[31m\\>"),
        ("comm_state", r"<x\nState:\tR>"),
        ("comm_bytes", r"<\xff\xfebad>"),
        ("comm_colon", "<kworker/0:1-x>"),
        ("comm_empty", "<>"),
    ];
    // Which tables have such a column is asked, so that a new one is not forgotten.
    let mut tables = Vec::new();
    for table in support::list(&port.ask(6, "tables", map(&[]))) {
        let table = support::Map::of(&table);
        let columns: Vec<String> = support::list(table.get("columns"))
            .iter()
            .map(|column| name(&support::elements(column)[0]).to_owned())
            .collect();
        if columns.iter().any(|column| column == "comm") && columns.iter().any(|column| column == "pid") {
            let state = columns.iter().any(|column| column == "state");
            tables.push((name(table.get("name")).to_owned(), state));
        }
    }
    for known in ["processes", "threads"] {
        assert!(tables.iter().any(|(table, state)| table == known && *state), "{known}");
    }
    for (table, state) in &tables {
        let columns = if *state { &["pid", "comm", "state"][..] } else { &["pid", "comm"] };
        for (case, comm) in cases {
            let (rows, _) = query(&mut port, table, columns, &of(pids[case])).unwrap();
            let shown_of =
                |row: &Row| (shown(&row["comm"]), row.get("state").map_or("sleeping".to_owned(), shown));
            let rows: Vec<_> = rows.iter().map(shown_of).collect();
            assert_eq!(rows, [(comm.to_owned(), "sleeping".to_owned())], "{table} {case}");
        }
    }
    let (rows, _) = query(&mut port, "threads", &["comm", "state"], &of(pids["threads_names"])).unwrap();
    let mut names: Vec<String> = rows.iter().map(|row| shown(&row["comm"])).collect();
    names.sort();
    assert_eq!(names, ["<) R 1 1>", "<>", "<\\xff\\xfe>", "<a\\nb>", "<exe>"]);
    assert!(rows.iter().all(|row| name(&row["state"]) == "sleeping"));
    println!("{} names in each of {tables:?}", cases.len());
}

#[test]
fn files_are_told_by_what_the_kernel_says_and_not_by_their_names() {
    let Some(f) = fixtures() else { return };
    let (hostile, pids, mut port) = begin(&f);
    let d = hostile.directory.join("d");
    let d = d.as_os_str().as_bytes().escape_ascii().to_string();
    let files = |port: &mut Port, case: &str| -> BTreeSet<(String, String)> {
        let rows = targets(port, pids[case]);
        // Below are those that the test gave it.
        let own = rows.into_iter().filter(|(fd, _)| *fd > 2).map(|(_, row)| row);
        own.map(|row| (name(&row["kind"]).to_owned(), shown(&row["target"])))
            .filter(|(kind, target)| kind != "pipe" && target != "</dev/null>")
            .collect()
    };
    let expected: &[(&str, Vec<String>)] = &[
        ("root_sysv", vec!["</SYSVx>".into(), "</SYSVdeadbeef (deleted)>".into(), r"</\xff\xfe\n>".into()]),
        (
            "root_words",
            [
                "</socket:[1]>",
                "</pipe:[2]>",
                "</net:[3]>",
                "</anon_inode:[eventfd]>",
                r"</m\xff\nt/f>",
                "</socket:[4]>",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
        (
            "files_names",
            vec![
                format!("<{d}/is (deleted)>"),
                format!("<{d}/was (deleted)>"),
                format!(r"<{d}/f\xff\nf>"),
                r"</memfd:socket:[5]\n (deleted)>".into(),
            ],
        ),
    ];
    for (case, targets) in expected {
        if !pids.contains_key(*case) {
            continue;
        }
        let targets = targets.iter().map(|target| ("file".to_owned(), target.clone())).collect();
        assert_eq!(files(&mut port, case), targets, "{case}");
    }
    // What has no name that fits is a row without one, and hides nothing else.
    let deep: Vec<String> =
        targets(&mut port, pids["files_deep"]).values().map(|row| shown(&row["target"])).collect();
    for file in ["before", "behind"] {
        assert!(deep.contains(&format!("<{d}/{file}>")), "{file} is hidden: {deep:?}");
    }
    assert!(deep.contains(&"{error,enametoolong}".to_owned()), "{deep:?}");
    let many = targets(&mut port, pids["files_many"]);
    assert!(many.keys().copied().eq(0..i128::try_from(many.len()).unwrap()) && many.len() >= 1000);
    // A mapped file's name is no line of its own in what the memory is read from.
    for case in ["root_sysv", "root_words", "maps_many"].iter().filter(|case| pids.contains_key(**case)) {
        let (rows, _) = query(&mut port, "process_memory", &[], &of(pids[*case])).unwrap();
        assert_eq!(rows.len(), 1, "{case}");
        assert!(number(&rows[0], "rss") > 0 && number(&rows[0], "pss") <= number(&rows[0], "rss"));
    }
    // Another user's mounts are in a namespace of his own: of ours none is forged.
    let ours = fs::read("/proc/self/mountinfo").unwrap().iter().filter(|byte| **byte == b'\n').count();
    let (mounts, _) = query(&mut port, "mounts", &["mount_point"], &[]).unwrap();
    // The policy and the log are mounted for the port alone.
    assert!(mounts.len() >= ours && mounts.len() <= ours + 2, "{} mounts, {ours} here", mounts.len());
    println!("{} descriptors of one process, {} mounts", many.len(), mounts.len());
}

#[test]
fn names_of_unix_sockets_are_bytes_and_make_no_rows() {
    let Some(f) = fixtures() else { return };
    let test = || {
        let mut hostile = Helper::start("hostile", None);
        let pids = hostile.cases();
        assert!(pids.contains_key("sockets_names"));
        let mut port = port(&f, "ok", BASIC);
        let (rows, _) =
            query(&mut port, "sockets", &["path", "type", "state"], &[("family", support::atom("unix"))])
                .unwrap();
        let mut bound: Vec<String> =
            rows.iter().map(|row| shown(&row["path"])).filter(|path| path != "undefined").collect();
        bound.sort();
        let mut expected = vec![
            r"<\x00x\n0000000000000000: 00000002 00000000 00010000 0001 01 99999 /forged>",
            r"<\x00x\nNum       RefCount Protocol Flags    Type St Inode Path>",
            r"<\x00\xff\xfe>",
            r"<\x00a\x00\x00b\x00>",
            r"<\x00>",
            r"<s\xff\ns>",
        ];
        expected.sort_unstable();
        assert_eq!(bound, expected);
        println!("{} unix sockets in this network, {} with names", rows.len(), bound.len());
    };
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            test();
        });
        inside.join().unwrap();
    });
}

/// A mount point that an ordinary user can name, as fusermount(1) lets him, in the namespace of the port.
#[test]
fn mount_points_are_bytes() {
    let Some(f) = fixtures() else { return };
    let place = std::env::temp_dir().join(format!("portcullis-mounts-{}", std::process::id()));
    let point =
        place.join(std::ffi::OsString::from_vec(b"m\xff\n 1 1 0:1 / /forged rw - tmpfs x rw\\040".to_vec()));
    fs::create_dir_all(&point).unwrap();
    let script = "mount -t tmpfs 'a b\\c' \"$0\" && exec \"$@\"";
    let words: Vec<&std::ffi::OsStr> = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        .into_iter()
        .map(std::ffi::OsStr::new)
        .chain([point.as_os_str()])
        .collect();
    let mut port = Port::start(behind(&words, &serve(&f, "ok", PUBLIC, &[])));
    port.hello();
    let (rows, _) = query(&mut port, "mounts", &["mount_point", "source", "fs_type"], &[]).unwrap();
    let below: Vec<_> = rows
        .iter()
        .filter(|row| support::bytes(&row["mount_point"]).starts_with(place.as_os_str().as_bytes()))
        .map(|row| (support::bytes(&row["mount_point"]), shown(&row["source"])))
        .collect();
    assert_eq!(below, [(point.as_os_str().as_bytes().to_vec(), r"<a b\\c>".to_owned())]);
    assert!(rows.iter().all(|row| support::bytes(&row["mount_point"]).starts_with(b"/")));
    drop(port);
    fs::remove_dir_all(&place).unwrap();
}

/// A part of the tree that is a user's own, as delegation makes one.
#[test]
fn names_of_groups_are_bytes() {
    let Some(f) = fixtures() else { return };
    let tops = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
    let Some(top) = tops.iter().find(|top| Path::new(top).join("cgroup.procs").exists()) else {
        return eprintln!("skipped: no control groups are mounted here");
    };
    let group = Path::new(top).join(format!("portcullis-test-names-{}", std::process::id()));
    if let Err(why) = fs::create_dir(&group) {
        return eprintln!("skipped: no group can be made: {why}");
    }
    Command::new("chown").arg(&f.user).arg(&group).status().unwrap();
    let make = |bytes: &[u8]| -> bool {
        let path = group.join(std::ffi::OsStr::from_bytes(bytes));
        let escaped: String =
            path.as_os_str().as_bytes().iter().map(|byte| format!("\\{byte:03o}")).collect();
        f.command(&[], &["sh", "-c", "mkdir \"$(printf \"$1\")\"", "sh", &escaped])
            .status()
            .unwrap()
            .success()
    };
    let odd = b"a \xff:0::/\\040".split(|byte| *byte == b'/').next().unwrap().to_vec();
    let (newline, made) = (make(b"a\nb"), make(&odd));
    let inside = group.join(std::ffi::OsStr::from_bytes(&odd));
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let moved = made && fs::write(inside.join("cgroup.procs"), child.id().to_string()).is_ok();
    let mut port = port(&f, "ok", BASIC);
    let (rows, _) = query(&mut port, "process_cgroups", &["path"], &of(i64::from(child.id()))).unwrap();
    let (groups, _) = query(&mut port, "cgroups", &["path"], &[]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    support::eventually("the groups are empty", || {
        let _ = fs::remove_dir(&inside);
        !inside.exists()
    });
    let _ = fs::remove_dir(group.join("a\nb"));
    fs::remove_dir(&group).unwrap();
    // kernel/cgroup/cgroup.c, `cgroup_mkdir`: so that /proc/PID/cgroup can be read at all.
    assert!(!newline, "this kernel takes a newline in the name of a group");
    assert!(made && moved);
    let path = [group.strip_prefix(top).unwrap().as_os_str().as_bytes(), b"/", &odd].concat();
    let path = [b"/", &path[..]].concat();
    let has = |rows: &[Row]| rows.iter().filter(|row| support::bytes(&row["path"]) == path).count();
    assert_eq!((has(&rows), has(&groups)), (1, 1), "{rows:?}");
}
