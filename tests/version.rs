//! One version: `Cargo.toml` says it, and every other place that needs it written down says the same. And one package, whichever build tool
//! makes it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

use std::path::Path;
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where else it stands: what is before it and behind it, on one line.
const PLACES: [(&str, &str, &str); 5] = [
    ("erlang/portcullis.app.src", "{vsn, \"", "\"}"),
    ("mix.exs", "version: \"", "\","),
    ("docs/man/portcullis.8", ".Os portcullis ", "\n"),
    ("docs/man/portcullis-policy.5", ".Os portcullis ", "\n"),
    // Of the newest release, or the one that is worked on.
    ("CHANGELOG.md", "## ", ", "),
];

/// The first text between `before` and `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

#[test]
fn every_place_has_the_version_of_cargo() {
    let mut wrong = Vec::new();
    for (file, before, after) in PLACES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        match between(&text, before, after) {
            Some(found) if found == VERSION => {}
            found => wrong.push(format!("{file}: {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "Cargo.toml has {VERSION}: {wrong:#?}");
}

#[test]
fn the_program_says_it() {
    let said = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), format!("portcullis {VERSION}"));
}

/// Packages take it from `Cargo.toml` when they are made, by the words of this line.
#[test]
fn packages_read_the_line_of_cargo() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(root.join("scripts/deb.sh")).unwrap();
    let command = between(&script, "version() { ", "; }").expect("scripts/deb.sh has lost its version()");
    let said = Command::new("sh").arg("-c").arg(command).env("ROOT", root).output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), VERSION);
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn quoted(list: &str) -> Vec<&str> {
    list.split('"').skip(1).step_by(2).collect()
}

#[test]
fn both_build_tools_make_the_same_package() {
    let (mix, rebar) = (read("mix.exs"), read("erlang/portcullis.app.src"));
    let of_mix: Vec<&str> = between(&mix, "files: ~w(", ")").unwrap().split_whitespace().collect();
    assert_eq!(quoted(between(&rebar, "{files, [", "]").unwrap()), of_mix);
    assert!(of_mix.len() > 10, "{of_mix:?}");
    for file in of_mix {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "the package names {file}");
    }
    assert_eq!(between(&mix, "description: \"", "\""), between(&rebar, "{description, \"", "\""));
    let licences = quoted(between(&mix, "licenses: [", "]").unwrap());
    assert_eq!(licences, quoted(between(&rebar, "{licenses, [", "]").unwrap()));
    assert_eq!(licences.join(" OR "), env!("CARGO_PKG_LICENSE"));
}

/// Debian 13 has this Rust. A newer compiler takes what an older one calls unstable, and says nothing.
#[test]
fn the_oldest_rust_knows_the_language() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if std::fs::read_to_string(&path).unwrap().contains("&& let ") {
                found.push(path.display().to_string());
            }
        }
    }
    assert_eq!(env!("CARGO_PKG_RUST_VERSION"), "1.85", "from 1.88 on there are chains of let");
    let mut found = Vec::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "chains of let: {found:#?}");
}
