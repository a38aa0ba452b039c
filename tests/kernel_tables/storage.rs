//! Mounts, disks and file systems.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::{Row, agree, cells, file, number, numbers, rows, tool};

#[test]
fn mounts_are_those_that_findmnt_shows() {
    mounts_as_findmnt_has_them();
}

/// What `findmnt` prints as `KEY="value"`, bytes as `\x5c`, in the form of our cells.
fn mounts_as_findmnt_has_them() -> Vec<Row> {
    let keys = "ID,PARENT,MAJ:MIN,FSROOT,TARGET,VFS-OPTIONS,OPT-FIELDS,FSTYPE,SOURCE,FS-OPTIONS";
    // Somebody else may mount meanwhile.
    let read = || (tool(&format!("findmnt -k -v -P -o {keys}")), rows("mounts"));
    let still = || {
        let (before, read) = (std::fs::read("/proc/self/mountinfo").unwrap(), read());
        (before == std::fs::read("/proc/self/mountinfo").unwrap()).then_some(read)
    };
    let (text, ours) = (0..50).find_map(|_| still()).unwrap();
    let theirs: BTreeMap<String, Vec<String>> = text
        .lines()
        .map(|line| {
            let values: Vec<String> =
                line.split("\" ").map(|pair| pair.split_once("=\"").unwrap().1).map(unquoted).collect();
            (values[0].clone(), values)
        })
        .collect();
    assert_eq!(ours.len(), theirs.len());
    for row in &ours {
        let device = format!("{}:{}", row["major"], row["minor"]);
        let there = &theirs[&row["mount_id"]];
        assert_eq!(
            [&row["parent_id"], &device, &row["root"], &row["mount_point"], &row["options"]],
            [&there[1], &there[2], &there[3], &there[4], &there[5]]
        );
        assert_eq!(
            [&row["optional_fields"], &row["fs_type"], &row["source"]],
            [there[6].trim(), &there[7], &there[8]]
        );
        assert_eq!(row["super_options"], there[9]);
    }
    ours
}

fn unquoted(value: &str) -> String {
    let (mut plain, mut rest) = (Vec::new(), value.strip_suffix('"').unwrap_or(value).as_bytes());
    while let Some((first, others)) = rest.split_first() {
        let hex = others.strip_prefix(b"x").and_then(|o| std::str::from_utf8(o.get(..2)?).ok());
        match hex.filter(|_| *first == b'\\').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &others[3..];
            }
            None => {
                plain.push(*first);
                rest = others;
            }
        }
    }
    plain.escape_ascii().to_string()
}

/// Names that somebody chose to disturb readers, in a namespace of mounts of their own.
#[test]
fn odd_names_of_mounts_are_told_as_they_are() {
    if tool("id -u").trim() != "0" {
        eprintln!("skipped: only root can mount");
        return;
    }
    let directory = std::env::temp_dir().join(format!("portcullis-mounts-{}", std::process::id()));
    let script = "set -e; mount --make-rprivate /; mkdir -p \"$1\"; mount -t tmpfs plain \"$1\"
        for name in 'a b' \"$(printf 'x\\ny - z')\" \"$(printf '\\377\\\\040#\\t.')\"; do
            mkdir \"$1/$name\"; mount -t tmpfs \"$name\" \"$1/$name\"; done
        exec \"$2\" --ignored --exact storage::inside_a_namespace_of_mounts";
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .args([directory.as_os_str(), std::env::current_exe().unwrap().as_os_str()])
        .env("PORTCULLIS_MOUNTS", &directory)
        .status();
    let _ = std::fs::remove_dir(&directory);
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "run by odd_names_of_mounts_are_told_as_they_are"]
fn inside_a_namespace_of_mounts() {
    let directory = std::env::var("PORTCULLIS_MOUNTS").unwrap();
    let ours = mounts_as_findmnt_has_them();
    for name in ["a b", r"x\ny - z", r"\xff\\040#\t."] {
        let there = ours.iter().filter(|row| row["mount_point"] == format!("{directory}/{name}"));
        let sources: Vec<_> = there.map(|row| (row["source"].as_str(), row["fs_type"].as_str())).collect();
        assert_eq!(sources, [(name, "tmpfs")]);
    }
}

#[test]
fn block_devices_are_those_that_lsblk_shows() {
    let keys = ["NAME", "MAJ:MIN", "SIZE", "ROTA", "RO", "RM", "MODEL"];
    let values = |line: &str| -> Vec<String> {
        line.split("\" ").map(|pair| unquoted(pair.split_once("=\"").unwrap().1).trim().to_owned()).collect()
    };
    let theirs = || -> BTreeSet<Vec<String>> {
        tool(&format!("lsblk -a -b -d -P -o {}", keys.join(","))).lines().map(values).collect()
    };
    let flag = |cell: &str| (if cell == "true" { "1" } else { "0" }).to_owned();
    let row = |row: &Row| {
        let model = if row["model"] == "undefined" { "" } else { &row["model"] };
        let flags = ["rotational", "read_only", "removable"].map(|name| flag(&row[name]));
        let device = format!("{}:{}", row["major"], row["minor"]);
        [&[row["name"].clone(), device, row["size"].clone()][..], &flags, &[model.to_owned()]].concat()
    };
    agree(|| rows("block_devices").iter().map(row).collect(), theirs);
    assert!(!rows("block_devices").is_empty());
}

const COUNTERS: [&str; 17] = [
    "read_ios",
    "read_merges",
    "read_bytes",
    "read_time",
    "write_ios",
    "write_merges",
    "write_bytes",
    "write_time",
    "in_flight",
    "io_time",
    "time_in_queue",
    "discard_ios",
    "discard_merges",
    "discard_bytes",
    "discard_time",
    "flush_ios",
    "flush_time",
];

#[test]
fn disks_have_the_counters_of_the_file() {
    let theirs = || -> Vec<(Vec<String>, Vec<u64>)> {
        let text = file("/proc/diskstats");
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let counters = words[3..].iter().zip(COUNTERS);
            let counters =
                counters.map(|(w, name)| number(w) * if name.ends_with("_bytes") { 512 } else { 1 });
            (words[..3].iter().map(|w| (*w).to_owned()).collect(), counters.collect())
        };
        text.lines().map(line).collect()
    };
    let ours = || -> Vec<(Vec<String>, Vec<u64>)> {
        let names =
            |row: &Row| cells(row, &["major", "minor", "name"]).into_iter().map(str::to_owned).collect();
        rows("disks").iter().map(|row| (names(row), numbers(row, &COUNTERS))).collect()
    };
    assert!(!ours().is_empty());
    agree(ours, theirs);
}

#[test]
fn filesystems_are_those_of_the_file() {
    let ours: String = rows("filesystems")
        .iter()
        .map(|row| format!("{}\t{}\n", if row["nodev"] == "true" { "nodev" } else { "" }, row["name"]))
        .collect();
    assert_eq!(ours, file("/proc/filesystems"));
}
