//! The bill of materials (`scripts/sbom.sh`) names what is in the program: its debug information tells which crates those are.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// What the script prints, or nothing where its one tool is missing that building does not take.
fn made(arguments: &[&str]) -> Option<String> {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: needs python3");
        return None;
    }
    let said = Command::new("sh").arg(format!("{ROOT}/scripts/sbom.sh")).args(arguments).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Some(String::from_utf8(said.stdout).unwrap())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// `(name, version)` of every crate whose source the compiler put a path of into this program.
fn crates_in_the_program() -> BTreeSet<String> {
    let program = std::fs::read(env!("CARGO_BIN_EXE_portcullis")).unwrap();
    let marker = b"/registry/src/";
    let mut found = BTreeSet::new();
    for at in program.windows(marker.len()).enumerate().filter(|(_, w)| *w == marker).map(|(at, _)| at) {
        // `index.crates.io-HASH/NAME-VERSION/src/...`
        let rest = &program[at + marker.len()..(at + 200).min(program.len())];
        let mut folders = rest.split(|byte| *byte == b'/').skip(1);
        let folder = String::from_utf8_lossy(folders.next().unwrap());
        if folders.next().is_some() && folder.contains('-') {
            found.insert(folder.into_owned());
        }
    }
    found
}

/// Name and version to checksum, from `Cargo.lock`.
fn locked() -> BTreeMap<(String, String), String> {
    let lock = file("Cargo.lock");
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        line.map(|rest| rest.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks.filter_map(|b| Some(((value(b, "name")?, value(b, "version")?), value(b, "checksum")?))).collect()
}

/// Whether an SPDX expression can be met with what is allowed. `AND` binds closer than `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    for (word, any) in [(" OR ", true), (" AND ", false)] {
        let parts = outside_brackets(expression, word);
        if parts.len() > 1 {
            let mut met = parts.iter().map(|part| is_met(part, allowed));
            return if any { met.any(|m| m) } else { met.all(|m| m) };
        }
    }
    match expression.strip_prefix('(').and_then(|e| e.strip_suffix(')')) {
        Some(inner) => is_met(inner, allowed),
        None => allowed.contains(expression),
    }
}

fn outside_brackets<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in expression.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && expression[at..].starts_with(word) => {
                parts.push(&expression[begin..at]);
                begin = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&expression[begin..]);
    parts
}

#[test]
fn what_is_linked_is_in_the_bill_with_its_licence_and_checksum() {
    let Some(said) = made(&[]) else { return };
    let bill: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((text(&bill["bomFormat"]), text(&bill["specVersion"])), ("CycloneDX", "1.5"));
    assert_eq!(text(&bill["metadata"]["component"]["version"]), env!("CARGO_PKG_VERSION"));
    let allowed = file("deny.toml").lines().find(|line| line.starts_with("allow = [")).unwrap().to_owned();
    let allowed: BTreeSet<String> = allowed.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let locked = locked();

    let mut linked = BTreeSet::new();
    for part in bill["components"].as_array().unwrap() {
        let (name, version) = (text(&part["name"]), text(&part["version"]));
        if text(&part["bom-ref"]).starts_with("toolchain:") {
            continue;
        }
        let licence = text(&part["licenses"][0]["expression"]);
        assert!(is_met(licence, &allowed), "deny.toml does not allow {licence} of {name}");
        let checksum = &locked[&(name.to_owned(), version.to_owned())];
        assert_eq!(text(&part["hashes"][0]["content"]), checksum, "{name}");
        if text(&part["scope"]) == "required" {
            linked.insert(format!("{name}-{version}"));
        }
    }
    let seen = crates_in_the_program();
    let missing: Vec<_> =
        seen.iter().filter(|folder| is_crate(folder, &locked) && !linked.contains(*folder)).collect();
    assert!(missing.is_empty(), "linked, and not in the bill: {missing:?}");
    // Where sources have other paths, nothing would have been compared.
    assert!(seen.len() > 20, "{seen:?}");
    for of_tests in ["eetf-", "proptest-"] {
        assert!(!said.contains(&format!("\"pkg:cargo/{}", of_tests.trim_end_matches('-'))), "{of_tests}");
    }
}

/// Other text can follow the marker.
fn is_crate(folder: &str, locked: &BTreeMap<(String, String), String>) -> bool {
    locked.keys().any(|(name, version)| folder == format!("{name}-{version}"))
}

/// Everything that another program would ask for: each reference leads somewhere, and none stands twice.
#[test]
fn references_are_whole() {
    let Some(said) = made(&[]) else { return };
    let bill: Value = serde_json::from_str(&said).unwrap();
    let mut known: Vec<&str> =
        bill["components"].as_array().unwrap().iter().map(|c| text(&c["bom-ref"])).collect();
    known.push(text(&bill["metadata"]["component"]["bom-ref"]));
    let set: BTreeSet<&str> = known.iter().copied().collect();
    assert_eq!(set.len(), known.len());
    let edges = bill["dependencies"].as_array().unwrap();
    for edge in edges {
        for end in edge["dependsOn"].as_array().unwrap().iter().chain([&edge["ref"]]) {
            assert!(set.contains(text(end)), "{end}");
        }
    }
    assert!(edges.len() > 40);
    assert_eq!(made(&[]).unwrap(), said, "the same source gives the same bill");
}

#[test]
fn notices_have_a_text_for_each_crate() {
    let Some(said) = made(&["--notices"]) else { return };
    let bill: Value = serde_json::from_str(&made(&[]).unwrap()).unwrap();
    let mut lacking = Vec::new();
    let mut seen = 0;
    for part in bill["components"].as_array().unwrap() {
        if text(&part["scope"]) != "required" || text(&part["bom-ref"]).starts_with("toolchain:") {
            continue;
        }
        let head = format!("\n{} {}: ", text(&part["name"]), text(&part["version"]));
        let section = said.split_once(&head).unwrap_or_else(|| panic!("no section:{head}")).1;
        let section = section.split_once("\n=====").map_or(section, |(section, _)| section);
        seen += 1;
        if !section.contains("\n--- ") {
            lacking.push(text(&part["name"]));
        }
    }
    assert!(seen > 40, "{seen}");
    assert_eq!(lacking, WITHOUT_TEXT, "crates whose archive has no licence text");
}

/// Their archives name the licence and do not have its text.
const WITHOUT_TEXT: [&str; 1] = ["yasna"];

#[test]
fn expressions_are_read_as_spdx_has_them() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("Apache-2.0 AND ISC", false),
        ("MIT AND ISC", true),
        ("GPL-3.0-only AND MIT OR ISC", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("(MIT OR Apache-2.0) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}
