//! The man pages know every word of the program and every key of the policy.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::path::PathBuf;
use std::process::Command;

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The words of a page as they are read: mdoc(7) writes `--role` as `Fl -role`.
fn page(name: &str) -> Vec<String> {
    let text = file(&format!("docs/man/{name}")).replace("Fl -", "Fl --");
    text.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))).map(str::to_owned).collect()
}

#[test]
fn every_command_and_option_of_the_help_is_in_the_page() {
    let said = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("--help").output().unwrap();
    let help = String::from_utf8(said.stdout).unwrap();
    let usage = help.lines().skip_while(|l| !l.starts_with("usage")).take_while(|l| !l.is_empty());
    let words = |l: &str| {
        let is_word = |w: &&str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        l.split(|c: char| " []|".contains(c)).filter(is_word).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut wanted: Vec<String> = usage.flat_map(words).collect();
    // Options that only the text below has.
    wanted.extend(help.lines().flat_map(words).filter(|word| word.starts_with("--")));
    let known = page("portcullis.8");
    wanted.retain(|word| !known.contains(word));
    assert!(wanted.is_empty(), "portcullis(8) lacks {wanted:?}");
    assert!(help.contains("--role"), "{help}");
}

#[test]
fn every_key_of_the_policy_is_in_the_page() {
    let known = page("portcullis-policy.5");
    let (mut missing, mut seen) = (Vec::new(), 0);
    for source in ["src/policy/parse.rs", "src/policy/parse/sections.rs", "src/policy/parse/peers.rs"] {
        let text = file(source);
        // The lists that are given to `keys`, and those that have a name.
        let calls =
            ["self.keys", "known = [", "] = ["].map(|begin| text.split(begin).skip(1).collect::<Vec<_>>());
        for call in calls.concat() {
            let list = call.split(';').next().unwrap();
            for key in list
                .split('"')
                .skip(1)
                .step_by(2)
                .filter(|k| k.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            {
                seen += 1;
                if !known.iter().any(|word| word == key) {
                    missing.push(key.to_owned());
                }
            }
        }
    }
    assert!(missing.is_empty(), "portcullis-policy(5) lacks {missing:?}");
    assert!(seen > 30, "{seen} keys");
}

#[test]
fn the_example_of_the_page_is_a_policy() {
    let text = file("docs/man/portcullis-policy.5");
    let example = text.split(".Bd -literal\n").nth(1).unwrap().split(".Ed\n").next().unwrap();
    let parsed = portcullis::policy::parse::parse(example.as_bytes());
    assert!(parsed.is_ok(), "{parsed:?}");
}
