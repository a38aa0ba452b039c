//! The kernel itself, its modules, its limits and those of the own group.
#![forbid(unsafe_code)]

use super::{Row, agree, cells, file, one, rows, tool};

#[test]
fn the_kernel_is_the_one_that_uname_tells() {
    let row = one("kernel");
    let ours = cells(&row, &["ostype", "osrelease", "version", "machine", "hostname"]);
    let theirs = ["-s", "-r", "-v", "-m", "-n"].map(|option| tool(&format!("uname {option}")));
    assert_eq!(ours, theirs.each_ref().map(|text| text.trim_end_matches('\n')));
    assert_eq!(row["boot_id"], tool("sysctl -n kernel.random.boot_id").trim());
    assert_eq!(row["domainname"], tool("sysctl -n kernel.domainname").trim());
    let cmdline = std::fs::read("/proc/cmdline").unwrap();
    assert_eq!(row["cmdline"], cmdline.strip_suffix(b"\n").unwrap().escape_ascii().to_string());
}

/// Where modules are not built in at all, both are empty.
#[test]
fn modules_are_those_of_the_file() {
    let theirs = || -> Vec<Vec<String>> {
        file("/proc/modules")
            .lines()
            .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .map(|words| vec![words[0].clone(), words[1].clone(), words[4].to_ascii_lowercase()])
            .collect()
    };
    let ours = || -> Vec<Vec<String>> {
        let row = |row| cells(row, &["name", "size", "state"]).into_iter().map(str::to_owned).collect();
        rows("modules").iter().map(row).collect()
    };
    agree(ours, theirs);
}

#[test]
fn limits_are_those_of_sysctl() {
    let fixed = [
        ("pid_max", "kernel.pid_max"),
        ("threads_max", "kernel.threads-max"),
        ("file_max", "fs.file-max"),
        ("nr_open", "fs.nr_open"),
        ("aio_max_nr", "fs.aio-max-nr"),
        ("max_map_count", "vm.max_map_count"),
        ("somaxconn", "net.core.somaxconn"),
    ];
    let row = one("kernel_limits");
    for (column, name) in fixed {
        assert_eq!(row[column], tool(&format!("sysctl -n {name}")).trim(), "{name}");
    }
    for (column, path, place) in [
        ("aio_nr", "/proc/sys/fs/aio-nr", 0),
        ("file_nr", "/proc/sys/fs/file-nr", 0),
        ("inode_nr", "/proc/sys/fs/inode-nr", 0),
        ("inode_nr_free", "/proc/sys/fs/inode-nr", 1),
    ] {
        let theirs = || file(path).split_whitespace().nth(place).unwrap().to_owned();
        agree(|| one("kernel_limits")[column].clone(), theirs);
    }
}

/// What is compared with more of it in tests/kernel_cgroups.rs: here the table is opened as a query opens it.
#[test]
fn the_own_group_is_one_of_the_groups() {
    let (own, groups) = (one("own_limits"), rows("cgroups"));
    assert_eq!(own.len(), 7);
    // A container without a namespace of groups sees a part of the tree under the paths of all of it.
    let is_group = |row: &&Row| row["fs_type"].starts_with("cgroup");
    if rows("mounts").iter().filter(is_group).any(|row| row["root"] != "/") {
        eprintln!("skipped: the paths of groups are those of another namespace");
        return;
    }
    let text = file("/proc/self/cgroup");
    for line in text.lines() {
        let (controllers, path) = line.split_once(':').unwrap().1.split_once(':').unwrap();
        let version = if controllers.is_empty() { "2" } else { "1" };
        let mut there = groups.iter().filter(|row| row["path"] == path && row["version"] == version);
        assert!(
            there.any(|row| version == "2" || row["controllers"] == controllers.replace(',', " ")),
            "{line}"
        );
    }
}
