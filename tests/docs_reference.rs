//! docs/protocol.md has a place for everything that the program can say: operations, tables with their columns, reasons to refuse, errors,
//! rules of denials. The lists come from the program; a new variant of an error does not compile here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by them")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use portcullis::error::{Denial, Reason, RequestError, Why};
use portcullis::op::Role;
use portcullis::protocol::{ops, tables};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A section of the page: from its heading to the next of its level.
fn section(heading: &str) -> String {
    let page = file("docs/protocol.md");
    let rest = page.split_once(&format!("\n{heading}\n")).unwrap().1.to_owned();
    let level = heading.split(' ').next().unwrap();
    rest.split(&format!("\n{level} ")).next().unwrap().to_owned()
}

/// What stands between backquotes.
fn words(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_operation_has_a_heading() {
    let page = file("docs/protocol.md");
    let rows = Role::ALL.iter().flat_map(|role| ops::of(*role));
    let names: BTreeSet<_> = rows.map(|row| row.name).collect();
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(&format!("\n### `{name}`\n"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(names.len() > 15, "{names:?}");
}

/// `write_bytes` is said of a table by "the same with" one column of its beginning, whose like with another beginning is there.
fn likewise(row: &str, known: &BTreeSet<&str>, column: &str) -> bool {
    let Some((begin, rest)) = column.split_once('_') else { return false };
    let told = known.iter().any(|word| word.starts_with(begin)) && row.contains("and so on");
    told && known.contains(format!("read_{rest}").as_str())
}

#[test]
fn every_table_has_a_row_with_its_columns() {
    let (query, columns) = (section("### `query`"), section("### Columns"));
    let (mut missing, mut seen) = (Vec::new(), 0);
    for table in Role::ALL.iter().flat_map(|role| tables::of(*role)) {
        let name = table.name().name();
        let Some(row) = query.lines().find(|line| line.starts_with(&format!("| `{name}` |"))) else {
            missing.push(name.to_owned());
            continue;
        };
        seen += 1;
        // Those of processes have a section of their own; those of memory are the kernel's lines, a rule and not a list.
        let known = words(if name == "processes" { &columns } else { row });
        table.each_column(&mut |column, _, _| {
            let column = column.name();
            if name != "memory" && !known.contains(column) && !likewise(row, &known, column) {
                missing.push(format!("{name}.{column}"));
            }
        });
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(seen, 40, "README.md and docs say how many tables there are");
}

#[test]
fn every_reason_to_refuse_has_its_row() {
    let page = section("## refused");
    let reasons: Vec<_> = (0..=u8::MAX).filter_map(reason).collect();
    for reason in &reasons {
        let row = format!("| {} | `{}` |", reason.code(), reason.name());
        assert!(page.contains(&row), "no row {row}");
    }
    // Those that the page has: none was forgotten below.
    let rows =
        page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()).count();
    assert_eq!(reasons.len(), rows);
}

fn reason(code: u8) -> Option<Reason> {
    use Reason as R;
    let all = [
        R::BadArguments,
        R::StdioNotPipe,
        R::HeaderTooLarge,
        R::RunningAsRoot,
        R::Internal,
        R::FileMode,
        R::FileOwner,
        R::FileLinks,
        R::FileAcl,
        R::DirectoryWritable,
        R::PolicyFile,
        R::CapabilityMissing,
        R::HardeningFailed,
        R::PeerNotAllowed,
    ];
    all.into_iter().find(|reason| reason.code() == code)
}

/// How the page begins the row of an error.
fn row_of(error: &RequestError) -> &'static str {
    match error {
        RequestError::Timeout => "`timeout`",
        RequestError::Overloaded => "`overloaded`",
        RequestError::Cancelled => "`cancelled`",
        RequestError::NoProcess => "`esrch`",
        RequestError::DeniedByPolicy(Denial { .. }) => "`{denied_by_policy, Rule, Hint}`",
        RequestError::NotPermitted(..) => "`{not_permitted, Missing, Hint}`",
        RequestError::Unsupported(_) => "`{unsupported, What}`",
        RequestError::Posix(..) => "`{posix, Errno, What}`",
        RequestError::Stale => "`stale`",
        RequestError::Busy => "`busy`",
        RequestError::UnknownOutcome => "`{unknown_outcome, Id}`",
        RequestError::Nft(..) => "`{nft, Index, Errno, What}`",
        RequestError::BadRequest(..) => "`{bad_request, Path, Why}`",
        RequestError::BadFrame(..) => "`{bad_frame, Offset, Why}`",
    }
}

#[test]
fn every_error_has_its_row() {
    let denied = Denial::new("files.read", "");
    let errors = [
        RequestError::Timeout,
        RequestError::Overloaded,
        RequestError::Cancelled,
        RequestError::NoProcess,
        RequestError::DeniedByPolicy(denied),
        RequestError::NotPermitted(Vec::new(), ""),
        RequestError::Unsupported(Vec::new()),
        RequestError::Posix(1, ""),
        RequestError::Stale,
        RequestError::Busy,
        RequestError::UnknownOutcome,
        RequestError::Nft(0, 1, Vec::new()),
        RequestError::BadRequest(Vec::new(), Why::Missing),
        RequestError::BadFrame(0, ""),
    ];
    let page = section("## Errors");
    for error in &errors {
        assert!(page.contains(&format!("\n| {} |", row_of(error))), "no row {}", row_of(error));
    }
    // As many as there are: what is not in the list above has no row either.
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, errors.len());
}

/// The word that the page has for it.
fn word_of(why: &Why) -> &'static str {
    match why {
        Why::UnknownKey => "unknown_key",
        Why::MisspeltKey(_) => "{unknown_key, Meant}",
        Why::Missing => "missing",
        Why::Duplicate => "duplicate",
        Why::Empty => "empty",
        Why::InFlight => "in_flight",
        Why::Expected(_) | Why::OneOf(_) => "{expected, What}",
        Why::Range(..) => "{range, Min, Max}",
        Why::TooMany(_) => "{too_many, Max}",
        Why::UnknownColumn(_) => "{unknown_column, Name}",
        Why::MisspeltColumn(..) => "{unknown_column, Name, Meant}",
        Why::NotComparable(_) => "{not_comparable, Column}",
        Why::UnknownName(_) => "{unknown_name, Name}",
        Why::Misspelt(..) => "{unknown_name, Name, Meant}",
        Why::ListedOnly => "listed_only",
        Why::Unsupported(_) => "{unsupported, Key}",
        Why::Length(..) => "{length, Min, Max}",
        Why::Excludes(_) => "{excludes, Key}",
        Why::NotSampled => "not_sampled",
        Why::Nul => "nul",
    }
}

#[test]
fn every_way_to_be_a_bad_request_is_told() {
    let page = section("## Errors");
    let told = words(page.split_once("`Why` of `bad_request`:").unwrap().1);
    let all = [
        Why::UnknownKey,
        Why::MisspeltKey(""),
        Why::Missing,
        Why::Duplicate,
        Why::Empty,
        Why::InFlight,
        Why::Expected(""),
        Why::OneOf(String::new()),
        Why::Range(0, 1),
        Why::TooMany(1),
        Why::UnknownColumn(Vec::new()),
        Why::MisspeltColumn(Vec::new(), ""),
        Why::NotComparable(""),
        Why::UnknownName(Vec::new()),
        Why::Misspelt(Vec::new(), ""),
        Why::ListedOnly,
        Why::Unsupported(""),
        Why::Length(0, 1),
        Why::Excludes(""),
        Why::NotSampled,
        Why::Nul,
    ];
    for why in &all {
        assert!(told.contains(word_of(why)), "{}", word_of(why));
    }
}

/// Every source file below a folder but those of tests, and of the distribution, whose file has keys of its own.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("dist") {
            sources(&path, found);
        } else if path.is_file() && path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_rule_of_a_denial_is_told() {
    // Sections of the policy; a rule is one of its keys.
    let sections = ["proc", "files", "ping", "sysctl", "nft", "limits", "audit", "peer", "peers"];
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let (mut files, mut rules) = (Vec::new(), BTreeSet::new());
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in code.split('"').filter_map(|word| word.split_once('.')) {
            if sections.contains(&word.0) && is_key(word.1) && !word.1.contains("toml") {
                rules.insert(format!("{}.{}", word.0, word.1));
            }
        }
    }
    let page = file("docs/protocol.md") + &file("docs/policy.md");
    let missing: Vec<_> = rules.iter().filter(|rule| !page.contains(rule.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(rules.len() > 12, "{rules:?}");
}
