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
