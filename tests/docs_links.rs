//! Links between documents lead somewhere: to a file that is there, and to a heading that it has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by them")]

use std::path::{Path, PathBuf};

/// All pages of the repository that are Markdown.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/guides"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md" || e == "livemd") {
                pages.push(path);
            }
        }
    }
    pages
}

/// What is not code: neither between fences nor between backquotes.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    text.lines().filter(outside).flat_map(|line| [line, "\n"]).collect()
}

/// The name that a heading has in links: as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
}

fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// The targets of `[text](target)`.
fn targets(text: &str) -> Vec<String> {
    let text = prose(text);
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// Why a target of a page leads nowhere.
fn broken(page: &Path, text: &str, target: &str) -> Option<String> {
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    if !path.exists() {
        return Some(format!("{}: {target}: no such file", page.display()));
    }
    let heading = heading?;
    let there = if file.is_empty() { text.to_owned() } else { std::fs::read_to_string(&path).unwrap() };
    (!anchors(&there).iter().any(|known| known == heading))
        .then(|| format!("{}: {target}: no such heading", page.display()))
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages(root) {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in targets(&text).iter().filter(|target| !target.contains("://")) {
            seen += 1;
            wrong.extend(broken(&page, &text, target));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 50, "{seen} links");
}

#[test]
fn links_that_lead_nowhere_are_seen() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = "# One `Two`: three\n[a](#one-two-three)";
    assert_eq!(targets(text), ["#one-two-three"]);
    assert_eq!(broken(&page, text, "#one-two-three"), None);
    assert!(broken(&page, text, "#four").unwrap().ends_with("no such heading"));
    assert!(broken(&page, text, "docs/none.md").unwrap().ends_with("no such file"));
}

#[test]
fn every_page_is_in_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("docs/README.md")).unwrap();
    let listed = targets(&map);
    let missing: Vec<_> = pages(root)
        .into_iter()
        .filter(|page| !page.ends_with("docs/README.md"))
        .map(|page| {
            let inside = page.strip_prefix(root.join("docs")).map(Path::to_owned);
            inside
                .unwrap_or_else(|_| Path::new("..").join(page.strip_prefix(root).unwrap()))
                .display()
                .to_string()
        })
        .filter(|page| page != "../README.md" && !listed.contains(page))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not name {missing:?}");
}
