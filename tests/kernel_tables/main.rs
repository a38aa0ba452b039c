//! The tables of the kernel's state against the files themselves, read in another way, and against the system's own tools. What
//! changes meanwhile is read before and after, or until it holds still.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod counters;
mod host;
mod memory;
mod rates;
mod storage;
#[path = "../support/waiting.rs"]
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use eetf::Term;
use portcullis::op::Role;
use portcullis::protocol::tables;
use portcullis::table::{Asked, Context};
use portcullis::wire::chunk::{Chunk, Slice};
use portcullis::wire::schema::At;
use waiting::PATIENCE;

type Row = BTreeMap<String, String>;

/// All rows of a table, their cells as text.
fn rows(table: &str) -> Vec<Row> {
    let asked = Asked {
        columns: None,
        conditions: None,
        limit: u64::MAX,
        cell_max: 65_536,
        interval: None,
        at: At::Top,
    };
    let mut answer = tables::named(Role::Proc, table).unwrap().query(&asked).unwrap();
    let columns: Vec<String> = answer.columns().iter().map(|column| column.name().to_owned()).collect();
    let mut found = Vec::new();
    loop {
        let mut chunk = Chunk::default();
        let until = Instant::now() + Duration::from_secs(5);
        let slice = answer.slice(&mut Context::default(), &mut chunk, until).unwrap();
        let (bytes, count) = chunk.rows();
        let head = [&[131, 108][..], &u32::try_from(count).unwrap().to_be_bytes()].concat();
        let Term::List(list) = Term::decode(&[&head[..], bytes, &[106]].concat()[..]).unwrap() else {
            panic!()
        };
        for row in list.elements {
            let Term::Tuple(row) = row else { panic!("{row}") };
            found.push(columns.iter().cloned().zip(row.elements.iter().map(shown)).collect());
        }
        if let Slice::Waiting(time) = slice {
            std::thread::sleep(time.saturating_duration_since(Instant::now()));
        }
        if slice == Slice::End {
            return found;
        }
    }
}

fn shown(cell: &Term) -> String {
    match cell {
        Term::Binary(b) => b.bytes.escape_ascii().to_string(),
        Term::List(l) => l.elements.iter().map(shown).collect::<Vec<_>>().join(" "),
        Term::Atom(a) => a.name.clone(),
        Term::FixInteger(n) => n.value.to_string(),
        Term::BigInteger(n) => n.value.to_string(),
        other => panic!("{other}"),
    }
}

fn one(table: &str) -> Row {
    let mut rows = rows(table);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn tool(command: &str) -> String {
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", command]).env("LC_ALL", "C").env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether two pictures of something that changes agree at least once. Where others change it all the time, that takes many tries.
#[track_caller]
fn agree<T: PartialEq + std::fmt::Debug>(ours: impl Fn() -> T, theirs: impl Fn() -> T) {
    let until = Instant::now() + PATIENCE;
    loop {
        let (before, ours, after) = (theirs(), ours(), theirs());
        if ours == before || ours == after {
            return;
        }
        if Instant::now() > until {
            assert_eq!(ours, after);
        }
    }
}

/// Whether each of these names has the same value in both pictures at least once.
#[track_caller]
fn each_agrees<T: PartialEq>(
    mut left: BTreeSet<String>,
    ours: impl Fn() -> BTreeMap<String, T>,
    theirs: impl Fn() -> BTreeMap<String, T>,
) {
    let until = Instant::now() + PATIENCE;
    while !left.is_empty() {
        let (before, ours, after) = (theirs(), ours(), theirs());
        left.retain(|name| ours[name] != before[name] && ours[name] != after[name]);
        assert!(Instant::now() < until, "never the same: {left:?}");
    }
}

/// Whether every number that only grows lies between what it was before and after.
#[track_caller]
fn between(before: &[u64], ours: &[u64], after: &[u64]) {
    assert_eq!((before.len(), after.len()), (ours.len(), ours.len()));
    for ((b, o), a) in before.iter().zip(ours).zip(after) {
        assert!(b <= o && o <= a, "{b} {o} {a}");
    }
}

fn cells<'r>(row: &'r Row, columns: &[&str]) -> Vec<&'r str> {
    columns.iter().map(|column| row[*column].as_str()).collect()
}

fn numbers(row: &Row, columns: &[&str]) -> Vec<u64> {
    cells(row, columns).into_iter().map(number).collect()
}
