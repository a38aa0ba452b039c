//! What the documents name is there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by them")]

use std::path::Path;

/// Folders of the repository: a word in backquotes that begins with one is a path in it.
const FOLDERS: [&str; 11] = [
    "benches/",
    "docs/",
    "elixir/",
    "erlang/",
    "fuzz/",
    "priv/",
    "scripts/",
    "src/",
    "tests/",
    "Cargo.toml",
    "mix.exs",
];

/// Made by a build, or by whoever runs something.
const MADE: [&str; 1] = ["priv/portcullis"];

/// Tells of the sources of others.
const OF_OTHERS: &str = "comparison.md";

/// The paths between backquotes, without what follows `:` or `#`.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2).filter(|word| !word.contains(char::is_whitespace));
    let paths = words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    paths.map(|path| path.split([':', '#']).next().unwrap().trim_end_matches('/'))
}

#[test]
fn files_that_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> =
        std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.extend(std::fs::read_dir(root.join("docs/guides")).unwrap().map(|entry| entry.unwrap().path()));
    pages.retain(|page| !page.ends_with(OF_OTHERS));
    pages.extend(["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|page| root.join(page)));
    let (mut missing, mut seen) = (Vec::new(), 0);
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        // Blocks of code are run by other tests.
        let prose: String = text.split("```").step_by(2).collect();
        for path in paths(&prose).filter(|path| !MADE.contains(path) && !path.contains(['*', '{', '<'])) {
            seen += 1;
            if !root.join(path).exists() {
                missing.push(format!("{}: {path}", page.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 50, "{seen} paths");
}

/// Texts of the repository in which a reader finds what to type.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in
        ["", "docs", "docs/guides", "scripts", "erlang/src", "src/cli", "src/harden", "elixir/lib/mix/tasks"]
    {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let of_text = path.file_name().is_some_and(|name| name == "Dockerfile")
                || path
                    .extension()
                    .is_some_and(|e| ["md", "livemd", "sh", "erl", "rs", "ex"].iter().any(|of| e == *of));
            if of_text {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// With what they recommend, a handful of packages becomes hundreds. Packages of ours recommend nothing.
#[test]
fn nobody_is_told_to_install_what_is_only_recommended() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (file, text) in texts() {
        for line in text.lines().filter(|line| line.contains("apt-get install ")) {
            seen += 1;
            if !line.contains("--no-install-recommends") && !line.contains("./target/debian/") {
                wrong.push(format!("{file}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 10, "{seen} commands");
}

/// A comment says to the tests where a block is written: whoever reads the page does not see it.
#[test]
fn a_reader_is_told_which_file_a_block_is() {
    let mut seen = 0;
    for (file, text) in texts().iter().filter(|(file, _)| file.ends_with("md")) {
        let parts: Vec<&str> = text.split("\n```").collect();
        for above in parts.iter().step_by(2) {
            let Some((_, rest)) = above.rsplit_once("<!-- file: ") else { continue };
            let path = rest.split(" -->").next().unwrap();
            let prose: String = above.lines().filter(|line| !line.starts_with("<!--")).collect();
            // Those below /tmp the commands of the page take from there.
            let name = if path.starts_with("/tmp/") { path } else { path.rsplit('/').next().unwrap() };
            seen += 1;
            assert!(prose.contains(&format!("{name}`")), "{file}: {path}");
        }
    }
    assert!(seen >= 5, "{seen} files");
}
