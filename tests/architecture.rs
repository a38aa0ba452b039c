//! The house: a file imports only from its own folder or from lower levels, unsafe code stays in its rooms, and only
//! the policy makes permits. Read from the source text, so that a new file cannot forget to take part.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The level of each room; the longest match counts. A file that matches none fails the test.
const LEVELS: &[(&str, u8)] = &[
    ("limits", 0),
    ("capability", 0),
    ("error", 0),
    ("ids", 0),
    ("meant", 0),
    ("measure", 0),
    ("op", 0),
    ("quote", 0),
    ("rate", 0),
    ("policy/permit", 0),
    ("sys", 1),
    ("helper", 2),
    ("netlink", 2),
    ("wire", 2),
    ("settings", 3),
    ("table", 3),
    ("audit", 4),
    ("dist", 4),
    ("file", 4),
    ("icmp", 4),
    ("kernel", 4),
    ("nft", 4),
    ("proc", 4),
    ("sysctl", 4),
    // Sockets belong to processes.
    ("sockets", 5),
    ("protocol", 6),
    ("watch", 6),
    ("policy", 7),
    ("harden", 7),
    ("exec", 8),
    ("cli", 9),
    ("lib", 10),
    ("main", 11),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of src by its path without the ending, with its text. Test modules are cut off: they may look anywhere.
fn files() -> BTreeMap<String, String> {
    fn walk(directory: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name =
                    path.strip_prefix(source()).unwrap().with_extension("").to_str().unwrap().to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                found.insert(name, code);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&source(), &mut found);
    assert!(found.len() > 30, "the source was not found");
    found
}

/// The room that a path such as `proc/parse/stat` lies in.
fn room(path: &str) -> (&'static str, u8) {
    let inside =
        |room: &str| path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
    let rooms = LEVELS.iter().filter(|(room, _)| inside(room));
    *rooms
        .max_by_key(|(room, _)| room.len())
        .unwrap_or_else(|| panic!("{path} has no level in tests/architecture.rs"))
}

/// Every path after `crate::`, braces opened one level deep, as `proc/parse/stat`.
fn imports(code: &str) -> Vec<String> {
    let code: String =
        code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_:{".contains(c))).unwrap_or(rest.len());
        let (path, group) = rest[..end]
            .split_once('{')
            .map_or((&rest[..end], None), |(p, _)| (p, Some(&rest[p.len() + 1..])));
        match group {
            None => found.push(path.replace("::", "/")),
            Some(group) => {
                let inner = group.split('}').next().unwrap();
                found
                    .extend(inner.split(',').map(|name| format!("{path}{}", name.trim()).replace("::", "/")));
            }
        }
    }
    found
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (file, code) in files() {
        let (own, level) = room(&file);
        for import in imports(&code) {
            let (other, below) = room(&import);
            // The files of level 0 are one room.
            if other != own && (below > level || below == level && level > 0) {
                wrong.push(format!("{file} (level {level}) imports {import} (level {below})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_what_is_there() {
    let code = "use crate::sys::{fd, process};\nuse crate::op::Role;\n// crate::cli\nlet x = crate::wire::atoms::named(y);";
    assert_eq!(imports(code), ["sys/fd", "sys/process", "op/Role", "wire/atoms/named"]);
    assert_eq!(room("policy/permit").1, 0);
    assert_eq!(room("policy/permit/Permit").1, 0);
    assert_eq!(room("policy").1, 7);
}

#[test]
fn unsafe_code_stays_in_sys() {
    for (file, code) in files() {
        let allowed = room(&file).0 == "sys" || file == "lib";
        assert!(allowed || code.contains("#![forbid(unsafe_code)]"), "{file} does not forbid unsafe code");
        let uses = code.lines().any(|l| !l.trim_start().starts_with("//") && l.contains("unsafe {"));
        assert!(!uses || room(&file).0 == "sys", "{file} has unsafe code");
    }
}

#[test]
fn only_the_command_line_prints() {
    for (file, code) in files() {
        let prints = ["println!", "eprintln!", "print!", "eprint!", "dbg!"].iter().any(|m| code.contains(m));
        let is_test = file.ends_with("/tests");
        assert!(!prints || is_test || room(&file).0 == "cli", "{file} prints");
    }
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    for file in files().keys() {
        let text = std::fs::read_to_string(source().join(file).with_extension("rs")).unwrap();
        assert!(text.lines().count() <= 500, "{file}");
    }
}

#[test]
fn only_the_policy_makes_permits() {
    for (file, code) in files() {
        let code: Vec<&str> = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
        assert!(
            !code.concat().contains("Permit::grant(") || room(&file).0 == "policy",
            "{file} makes a permit"
        );
    }
}
