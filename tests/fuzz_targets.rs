//! Every reader of bytes that somebody else wrote (files of `/proc` and `/sys`, netlink, ICMP, records of the log) is called by a fuzz target, or
//! by another reader that is. Read from the source text, so that a new one cannot forget to take part.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders that have readers.
const ROOMS: [&str; 6] = ["audit", "icmp", "kernel", "netlink", "proc", "sockets"];

/// Functions that take bytes of our own.
const WRITERS: [&str; 2] = ["icmp/echo/checksum", "kernel/cgroup/hierarchy/enter"];

/// Readers that a target reaches through another one, and which: both names must be right.
const INSIDE: [(&str, &str); 4] = [
    ("sockets/inet/parse", "sockets/plan/parse"),
    ("sockets/others/netlink", "sockets/plan/parse"),
    ("sockets/others/packet", "sockets/plan/parse"),
    ("sockets/others/unix", "sockets/plan/parse"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The files of the rooms by their paths without the ending, without their tests.
fn sources() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    ROOMS.iter().for_each(|room| rust_files(&root().join("src").join(room), &mut files));
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root().join("src")).unwrap().with_extension("");
        let name = name.to_str().unwrap().trim_end_matches("/mod").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name, text.split("#[cfg(test)]").next().unwrap().to_owned())
    };
    files.into_iter().map(named).collect()
}

/// The signatures of public functions, each in one line, and whether it is a method.
fn signatures(code: &str) -> Vec<String> {
    let heads = code.split("pub fn ").skip(1).map(|rest| rest.split('{').next().unwrap());
    heads.map(|head| head.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Public functions that take bytes: `kernel/load/parse`, and whether they are called on something.
fn readers(sources: &BTreeMap<String, String>) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for (file, code) in sources {
        for signature in signatures(code) {
            let arguments = signature.split("->").next().unwrap();
            let name = signature.split(['(', '<']).next().unwrap();
            let bytes = arguments.contains("[u8]") && !arguments.contains("Vec<[u8]>");
            let method = arguments.contains("self");
            // What is given to a function is read by it.
            let given = arguments.contains("fn(") || arguments.contains("FnOnce(");
            if bytes && !given && !arguments.contains("&mut self") {
                found.insert(format!("{file}/{name}"), method);
            }
        }
    }
    found
}

/// What a target names: paths with the names of its imports put in, without types: `kernel/load/parse`; and names of methods.
fn calls(code: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut imports = BTreeMap::new();
    for rest in code.split("use portcullis::").skip(1) {
        let path = rest.split(';').next().unwrap();
        let (prefix, names) = path.split_once('{').unwrap_or_else(|| path.rsplit_once("::").unwrap());
        for name in names.trim_end_matches('}').split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let prefix = prefix.trim_end_matches("::");
            let (name, alias) = name.split_once(" as ").unwrap_or((name, name));
            let whole = if name == "self" { prefix.to_owned() } else { format!("{prefix}::{name}") };
            let here = if alias == "self" { whole.rsplit("::").next().unwrap() } else { alias };
            imports.insert(here.rsplit("::").next().unwrap().to_owned(), whole.clone());
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let (mut paths, mut methods) = (BTreeSet::new(), BTreeSet::new());
    let mut start = 0;
    for path in code.split(|c| !is_path(c)) {
        if code[..start].ends_with('.') {
            methods.insert(path.to_owned());
        }
        start += path.len();
        start += code[start..].chars().next().map_or(0, char::len_utf8);
        let (first, rest) = path.split_once("::").map_or((path, None), |(first, rest)| (first, Some(rest)));
        let first = first.trim_start_matches("portcullis::");
        let Some(import) = imports.get(first) else { continue };
        let whole = rest.map_or_else(|| import.clone(), |rest| format!("{import}::{rest}"));
        // Types are no part of a reader's name here: a file has one reader of each name.
        let parts = whole.split("::").filter(|part| part.chars().next().is_some_and(char::is_lowercase));
        let reader = parts.collect::<Vec<_>>().join("/");
        if !reader.is_empty() {
            paths.insert(reader);
        }
    }
    (paths, methods)
}

fn targets() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut files = Vec::new();
    rust_files(&root().join("fuzz/fuzz_targets"), &mut files);
    assert!(files.len() > 20, "the targets were not found");
    let (mut paths, mut methods) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let (more, called) = calls(&std::fs::read_to_string(file).unwrap());
        paths.extend(more);
        methods.extend(called);
    }
    (paths, methods)
}

#[test]
fn every_reader_is_called_by_a_fuzz_target() {
    let sources = sources();
    let readers = readers(&sources);
    assert!(readers.len() > 40, "{readers:?}");
    let (paths, methods) = targets();
    let called = |reader: &str| {
        let method = readers.get(reader).is_some_and(|method| *method);
        paths.contains(reader) || (method && methods.contains(reader.rsplit('/').next().unwrap()))
    };
    let mut missing = Vec::new();
    for reader in readers.keys().map(String::as_str).filter(|reader| !WRITERS.contains(reader)) {
        let inside = INSIDE.iter().find(|(inner, _)| *inner == reader);
        match inside {
            None if !called(reader) => missing.push(reader.to_owned()),
            Some((_, outer)) if called(reader) || !called(outer) => {
                missing.push(format!("{reader}, {outer}"))
            }
            Some((_, outer)) => {
                let (file, name) = (outer.rsplit_once('/').unwrap().0, reader.rsplit('/').next().unwrap());
                assert!(sources[file].contains(&format!("{name}(")), "{outer} does not call {reader}");
            }
            None => {}
        }
    }
    assert!(missing.is_empty(), "no target calls {missing:#?}");
    for listed in WRITERS.iter().chain(INSIDE.iter().map(|(inner, _)| inner)) {
        assert!(readers.contains_key(*listed), "{listed} is no reader any more");
    }
    println!("{} readers, {} of them inside others", readers.len() - WRITERS.len(), INSIDE.len());
}

/// What a crate reads of the kernel's files goes through a reader of ours.
#[test]
fn the_parsers_of_crates_are_behind_readers() {
    let (paths, _) = targets();
    for (file, code) in sources() {
        if code.contains("use procfs::") {
            assert!(paths.contains(&format!("{file}/parse")), "no target calls the reader of {file}");
        }
    }
}

#[test]
fn the_reader_of_sources_sees_what_is_there() {
    let code = "use portcullis::kernel::{load, text};\nuse portcullis::proc::parse::status::Status;\nload::parse(bytes); \
                Status::new(a, true).groups(); other::parse(x)";
    let (paths, methods) = calls(code);
    assert_eq!(
        paths.into_iter().collect::<Vec<_>>(),
        ["kernel/load", "kernel/load/parse", "kernel/text", "proc/parse/status/new"]
    );
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["groups"]);
    let code = "pub fn a(bytes: &[u8]) -> u8 {}\npub fn b(n: u8) -> &[u8] {}\npub fn c<'a>(\n    &self,\n    x: &'a [u8],\n) {}\n\
                pub fn d(&mut self, x: &[u8]) {}";
    let sources = BTreeMap::from([("f".to_owned(), code.to_owned())]);
    assert_eq!(readers(&sources), BTreeMap::from([("f/a".to_owned(), false), ("f/c".to_owned(), true)]));
}
