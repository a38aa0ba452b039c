//! Memory and where it goes.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::{agree, cells, each_agrees, file, number, one, rows, tool};

/// Every line of the file has its column, whatever it is called there.
#[test]
fn memory_has_every_line_of_the_file() {
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let theirs = || -> BTreeMap<String, u64> {
        let text = file("/proc/meminfo");
        let lines = text.lines().map(|line| line.split_once(':').unwrap());
        let value = |text: &str| match text.trim().strip_suffix(" kB") {
            Some(kilobytes) => number(kilobytes.trim()) * 1024,
            None => number(text.trim()),
        };
        lines.map(|(name, text)| (plain(name), value(text))).collect()
    };
    let ours = || -> BTreeMap<String, u64> {
        let row = one("memory");
        let told = row.iter().filter(|(_, cell)| *cell != "undefined");
        told.map(|(name, cell)| (plain(name), number(cell))).collect()
    };
    let names: Vec<String> = theirs().into_keys().collect();
    assert_eq!(ours().into_keys().collect::<Vec<_>>(), names);
    assert!(names.len() > 40);
    each_agrees(names.into_iter().collect(), ours, theirs);
    let total = tool("free -b | awk '/^Mem:/ {print $2}'");
    assert_eq!(one("memory")["mem_total"], total.trim());
}

#[test]
fn vmstat_has_every_counter() {
    let ours = || -> BTreeMap<String, String> {
        rows("vmstat").into_iter().map(|row| (row["name"].clone(), row["value"].clone())).collect()
    };
    let theirs = || -> BTreeMap<String, String> {
        let text = file("/proc/vmstat");
        text.lines().map(|l| l.split_once(' ').unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    };
    assert!(theirs().len() > 100);
    assert_eq!(ours().into_keys().collect::<Vec<_>>(), theirs().into_keys().collect::<Vec<_>>());
    each_agrees(theirs().into_keys().collect(), ours, theirs);
}

#[test]
fn shared_memory_is_what_ipcs_shows() {
    let made = tool("ipcmk -M 12345 -p 0640");
    let id = made.trim().rsplit(' ').next().unwrap().to_owned();
    let ours = rows("shared_memory");
    let theirs = tool(&format!("ipcs -m -i {id}"));
    let listed = tool("ipcs -m | grep '^0x'");
    // Others have some too.
    let count = || tool("ipcs -m").lines().filter(|line| line.starts_with("0x")).count();
    agree(|| rows("shared_memory").len(), count);
    tool(&format!("ipcrm -m {id}"));
    let row = ours.iter().find(|row| row["shmid"] == id).unwrap();
    let key = u32::from_ne_bytes(row["key"].parse::<i32>().unwrap().to_ne_bytes());
    assert!(listed.lines().any(|line| line.starts_with(&format!("0x{key:08x} {id} "))), "{listed}");
    // What it is called there, and what here.
    let same = [("bytes", "size"), ("uid", "uid"), ("gid", "gid"), ("cuid", "cuid"), ("cgid", "cgid")];
    let processes = [("lpid", "lpid"), ("cpid", "cpid"), ("nattch", "nattch")];
    for (there, here) in same.into_iter().chain(processes) {
        let pair = format!("{there}={}", row[here]);
        assert!(theirs.split_whitespace().any(|word| word == pair), "{pair}: {theirs}");
    }
    assert_eq!(cells(row, &["size", "perms", "atime", "dtime"]), ["12345", &0o640.to_string(), "0", "0"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - number(&row["ctime"]) < 600);
}

#[test]
fn swaps_are_those_of_swapon() {
    let theirs = || tool("swapon --show=NAME,TYPE,SIZE,USED,PRIO --raw --bytes --noheadings");
    let ours = || {
        let line = |r| cells(r, &["path", "type", "size", "used", "priority"]).join(" ") + "\n";
        rows("swaps").iter().map(line).collect::<String>()
    };
    agree(ours, theirs);
}
