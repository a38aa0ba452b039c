//! Control groups: version 2 from a folder of files as the kernel writes them, whichever version is here from the kernel itself.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Debug;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::kernel::cgroup::{hierarchy, own, tree};
use portcullis::table::{Context, Reader, TableOf, Tally, Value};
use portcullis::wire::atoms;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cgroup2");

/// The hierarchy of version 2 that a folder is, and the port in a group of it.
fn hierarchies(folder: &Path, own: &str) -> Vec<hierarchy::Hierarchy> {
    let mountinfo = format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n", folder.to_str().unwrap());
    let found = hierarchy::parse(mountinfo.as_bytes(), format!("0::{own}\n").as_bytes());
    assert_eq!(found.len(), 1);
    found
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Unsigned(n) => n.to_string(),
        Value::Bytes(bytes) => bytes.escape_ascii().to_string(),
        Value::Word(word) => word.name().to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Undefined => "undefined".to_owned(),
        Value::Denied(errno) => format!("error {}", atoms::errno(*errno).name()),
        other => panic!("{other:?}"),
    }
}

type Row = BTreeMap<&'static str, String>;

fn row_of<R>(table: &'static TableOf<R>, row: &R) -> Row {
    table.columns.iter().map(|column| (column.name.name(), shown(&(column.value)(row)))).collect()
}

fn read<R: Debug>(table: &'static TableOf<R>, mut reader: Box<dyn Reader<R>>) -> (Vec<Row>, Tally) {
    let (mut rows, mut tally) = (Vec::new(), Tally::default());
    while let Some(row) = reader.next(&mut Context::default(), &mut tally).unwrap() {
        rows.push(row_of(table, &row));
    }
    (rows, tally)
}

fn groups(hierarchies: Vec<hierarchy::Hierarchy>) -> (Vec<Row>, Tally) {
    let all = tree::TABLE.columns.iter().map(|column| column.name).collect();
    read(&tree::TABLE, tree::of(hierarchies, all))
}

/// The cells that are there.
fn told(row: &Row) -> Vec<(&'static str, &str)> {
    row.iter().filter(|(_, cell)| *cell != "undefined").map(|(name, cell)| (*name, cell.as_str())).collect()
}

/// A folder of its own that ends with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-cgroup-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_group_of_version_2_from_the_top_down() {
    let (rows, tally) = groups(hierarchies(Path::new(FIXTURE), "/"));
    let paths: Vec<&str> = rows.iter().map(|row| row["path"].as_str()).collect();
    let app = "/system.slice/app.service";
    let worker = "/system.slice/app.service/worker";
    assert_eq!(paths, ["/", "/system.slice", app, worker, "/user.slice"]);
    assert_eq!(tally, Tally::default());
    let expected = [
        ("controllers", "cpuset cpu io memory pids"),
        ("cpu_system", "300000"),
        ("cpu_usage", "900000"),
        ("cpu_user", "600000"),
        ("memory_anon", "40960"),
        ("memory_file", "81920"),
        ("memory_kernel", "20480"),
        ("memory_shmem", "8192"),
        ("memory_slab", "12288"),
        ("memory_sock", "4096"),
        ("path", "/"),
        ("pgfault", "1000"),
        ("pgmajfault", "10"),
        ("read_bytes", "1010"),
        ("read_ios", "4"),
        ("version", "2"),
        ("write_bytes", "2020"),
        ("write_ios", "5"),
    ];
    assert_eq!(told(&rows[0]), expected);
    let expected = [
        ("controllers", "memory pids"),
        ("cpu_period", "100000"),
        ("cpu_quota", "unlimited"),
        ("cpu_system", "100"),
        ("cpu_usage", "500"),
        ("cpu_user", "400"),
        ("memory_anon", "32768"),
        ("memory_current", "53248"),
        ("memory_file", "16384"),
        ("memory_kernel", "4096"),
        ("memory_max", "2147483648"),
        ("memory_shmem", "0"),
        ("memory_slab", "2048"),
        ("memory_swap_current", "0"),
        ("memory_swap_max", "0"),
        ("nr_periods", "20"),
        ("nr_throttled", "3"),
        ("oom_kill", "1"),
        ("path", app),
        ("pgfault", "77"),
        ("pgmajfault", "0"),
        ("pids_current", "5"),
        ("pids_max", "100"),
        ("populated", "true"),
        ("read_bytes", "0"),
        ("read_ios", "0"),
        ("throttled_time", "4500"),
        ("version", "2"),
        ("write_bytes", "0"),
        ("write_ios", "0"),
    ];
    assert_eq!(told(&rows[2]), expected);
    let expected =
        [("controllers", "memory pids"), ("path", "/user.slice"), ("populated", "false"), ("version", "2")];
    assert_eq!(told(&rows[4]), expected);
}

/// What nobody wants is not read.
#[test]
fn only_what_is_wanted_is_read() {
    let (rows, _) = read(&tree::TABLE, tree::of(hierarchies(Path::new(FIXTURE), "/"), vec![atoms::PIDS_MAX]));
    let pids = |row: &Row| (row["pids_max"].clone(), told(row).len());
    let expected = [("undefined", 2), ("unlimited", 3), ("100", 3), ("200", 3), ("undefined", 2)];
    assert_eq!(rows.iter().map(pids).collect::<Vec<_>>(), expected.map(|(cell, n)| (cell.to_owned(), n)));
}

#[test]
fn the_tightest_limit_on_the_way_up_is_the_own() {
    let limits = |own| row_of(&own::TABLE, &own::of(&hierarchies(Path::new(FIXTURE), own)).unwrap());
    let worker = limits("/system.slice/app.service/worker");
    let expected = [
        ("cpu_period", "100000"),
        ("cpu_quota", "30000"),
        ("memory_current", "4096"),
        ("memory_max", "1073741824"),
        ("memory_swap_max", "0"),
        ("pids_current", "0"),
        ("pids_max", "100"),
    ];
    assert_eq!(told(&worker), expected);
    let app = limits("/system.slice/app.service");
    assert_eq!((app["cpu_quota"].as_str(), app["memory_current"].as_str()), ("50000", "53248"));
    let slice = limits("/system.slice");
    assert_eq!([&slice["memory_swap_max"], &slice["pids_max"]], ["unlimited", "unlimited"]);
    assert_eq!(told(&limits("/")), []);
    // Removed, or never there: what is above it counts.
    assert_eq!(limits("/system.slice/gone/more")["memory_max"], "1073741824");
    assert_eq!(limits("/system.slice/x (deleted)")["memory_max"], "1073741824");
    assert!(own::of(&hierarchies(Path::new(FIXTURE), "/system.slice/../user.slice")).is_err());
}

/// Nothing in a real hierarchy is a link. Where one is, somebody put it there.
#[test]
fn links_are_not_followed() {
    let folder = Folder::new("links");
    std::fs::create_dir_all(folder.0.join("group/below")).unwrap();
    std::fs::write(folder.0.join("secret"), "77\n").unwrap();
    symlink("../secret", folder.0.join("group/memory.max")).unwrap();
    symlink("group", folder.0.join("other")).unwrap();
    let (rows, _) = groups(hierarchies(&folder.0, "/"));
    assert_eq!(
        rows.iter().map(|row| row["path"].as_str()).collect::<Vec<_>>(),
        ["/", "/group", "/group/below"]
    );
    assert_eq!(rows[1]["memory_max"], "error eloop");
    assert!(own::of(&hierarchies(&folder.0, "/other")).is_err());
}

/// Whoever has a part of the tree for its own makes what the kernel lets it make.
#[test]
fn depth_and_number_are_bounded_and_names_are_bytes() {
    let folder = Folder::new("deep");
    let name = OsStr::from_bytes(b"a \xff\\040");
    std::fs::create_dir_all(folder.0.join(name).join("b/".repeat(60))).unwrap();
    let (rows, tally) = groups(hierarchies(&folder.0, "/"));
    assert_eq!((rows.len(), tally.truncated), (33, true));
    assert_eq!(rows[1]["path"], r"/a \xff\\040");
    // Some 4,000 bytes each, so that 2 MiB of them wait at once.
    let wide = Folder::new("wide");
    let mut parent = wide.0.clone();
    for _ in 0..15 {
        parent.push("x".repeat(250));
    }
    std::fs::create_dir_all(&parent).unwrap();
    // Names that are looked up one by one may be longer together than a path may be.
    for n in 0..700 {
        std::fs::create_dir(parent.join(format!("{n:03}"))).unwrap();
    }
    let (rows, tally) = groups(hierarchies(&wide.0, "/"));
    assert!(tally.truncated && (500..600).contains(&rows.len()), "{}", rows.len());
}

#[test]
fn a_group_that_ends_meanwhile_is_counted() {
    let folder = Folder::new("vanish");
    std::fs::create_dir(folder.0.join("a")).unwrap();
    std::fs::create_dir(folder.0.join("b")).unwrap();
    let mut reader = tree::of(hierarchies(&folder.0, "/"), Vec::new());
    let mut tally = Tally::default();
    assert!(reader.next(&mut Context::default(), &mut tally).unwrap().is_some());
    std::fs::remove_dir(folder.0.join("a")).unwrap();
    assert!(reader.next(&mut Context::default(), &mut tally).unwrap().is_some());
    assert!(reader.next(&mut Context::default(), &mut tally).unwrap().is_none());
    assert_eq!(tally.vanished, 1);
}

/// The groups of this machine, as `find` sees them.
#[test]
fn the_groups_of_this_machine_are_those_that_find_finds() {
    let hierarchies = hierarchy::all().unwrap();
    if hierarchies.is_empty() {
        eprintln!("skipped: no control groups are mounted here");
        return;
    }
    let mut compared = 0;
    for hierarchy in hierarchies {
        let top = PathBuf::from(OsStr::from_bytes(hierarchy.mount_point.to_bytes()));
        let find = || -> Vec<String> {
            let output =
                Command::new("find").arg(&top).args(["-type", "d", "-printf", "/%P\\0"]).output().unwrap();
            let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
            let mut paths: Vec<String> = paths.map(|path| path.escape_ascii().to_string()).collect();
            paths.sort();
            paths
        };
        // Groups come and go.
        let same = (0..20).any(|_| {
            let (before, (rows, _)) = (find(), groups(vec![hierarchy.clone()]));
            let mut ours: Vec<String> = rows.iter().map(|row| row["path"].clone()).collect();
            ours.sort();
            ours == before || ours == find()
        });
        assert!(same, "{}", top.display());
        let limits =
            [("pids.max", "pids_max"), ("memory.limit_in_bytes", "memory_max"), ("memory.max", "memory_max")];
        let (rows, _) = groups(vec![hierarchy.clone()]);
        // Those of another test here change their limits.
        for row in rows.iter().filter(|row| !row["path"].contains("portcullis-test")) {
            for (file, column) in limits {
                let file = top.join(row["path"].trim_start_matches('/')).join(file);
                let Ok(text) = std::fs::read_to_string(file) else { continue };
                let unlimited = ["max", "9223372036854771712"].contains(&text.trim());
                assert_eq!(row[column], if unlimited { "unlimited" } else { text.trim() });
                compared += 1;
            }
        }
    }
    assert!(compared > 0, "no group here has a limit to compare");
}

/// In a group made for it, with limits that it was given.
#[test]
fn the_own_limits_of_a_group_with_limits() {
    let top = Path::new("/sys/fs/cgroup/pids");
    let name = format!("portcullis-test-{}", std::process::id());
    let group = top.join(&name);
    if std::fs::create_dir(&group).is_err() {
        eprintln!("skipped: only root can make a group, and this host must have version 1");
        return;
    }
    let script = "echo $$ > \"$1/cgroup.procs\"; exec \"$2\" --ignored --exact inside_a_group_of_its_own";
    let inside = group.join("inside");
    let made = std::fs::create_dir(&inside)
        .and_then(|()| std::fs::write(group.join("pids.max"), "77"))
        .and_then(|()| std::fs::write(inside.join("pids.max"), "99"));
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([inside.as_os_str(), std::env::current_exe().unwrap().as_os_str()])
        .env("PORTCULLIS_GROUP", format!("/{name}/inside"))
        .status();
    support::eventually("the group is empty", || std::fs::remove_dir(&inside).is_ok());
    std::fs::remove_dir(&group).unwrap();
    made.unwrap();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "run by the_own_limits_of_a_group_with_limits"]
fn inside_a_group_of_its_own() {
    let hierarchies = hierarchy::all().unwrap();
    let group = std::env::var("PORTCULLIS_GROUP").unwrap();
    assert!(hierarchies.iter().any(|h| h.controllers == b"pids" && h.own == group.as_bytes()));
    let row = row_of(&own::TABLE, &own::of(&hierarchies).unwrap());
    assert_eq!(row["pids_max"], "77");
    assert!(row["pids_current"].parse::<u64>().unwrap() >= 1);
}
