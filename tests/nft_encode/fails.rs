//! The rules of the corpus that nft refuses, in every table of their file: what they say must be refused here, too, by this
//! program or by the kernel. The corpus has them in nft's language alone; `fails.json` has them as terms of the schema, with who
//! refuses each and where, so that nothing is refused for another reason than it should be. What has no term there is wrong in
//! nft's grammar alone, and nobody could say it in the schema.
//!
//! `NFT_ENCODE=ip-ip` shows what became of that file's rules, `NFT_ENCODE=all` of all.

use std::collections::BTreeSet;

use portcullis::error::RequestError;
use portcullis::nft::compile;
use portcullis::nft::model::Family;
use serde_json::Value;

use crate::made::{self, World};
use crate::nft_support::corpus::{self, File, Table};
use crate::nft_support::{network, nft, raw};

/// A rule that is refused.
struct Row {
    file: String,
    rule: String,
    /// Its statements; nothing where the schema has no form for it.
    json: Option<Value>,
    /// Who refuses it, and where: `schema 1/match`, `compile 1/match`, `kernel ENOENT`; of each family where they differ.
    by: Value,
}

fn rows() -> Vec<Row> {
    let rows: Value = serde_json::from_str(include_str!("fails.json")).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row: &Value| Row {
        file: text(row, "file"),
        rule: text(row, "rule"),
        json: row.get("json").cloned(),
        by: row["by"].clone(),
    };
    rows.as_array().unwrap().iter().map(row).collect()
}

/// Who refuses it, and where; nothing if it was taken.
fn refused(json: &Value, table: &Table, chain: &str, netlink: &raw::Netlink) -> Option<String> {
    let statements = match made::asked(json) {
        Ok(statements) => statements,
        // The path begins with the command, the rule and its statements.
        Err(RequestError::BadRequest(path, _)) => return Some(format!("schema {}", made::place(&path[4..]))),
        Err(other) => panic!("{json}: {other:?}"),
    };
    let family = Family::named(table.family.as_bytes()).unwrap();
    let world = World::of(netlink, family, &table.name);
    let compiled = match compile::statements(&statements, &world) {
        Ok(compiled) => compiled,
        Err(fault) => return Some(format!("compile {}", made::place(&fault.path))),
    };
    let sent = netlink.batch(&made::messages(compiled, family, &table.name, chain));
    sent.err().map(|(errno, _)| format!("kernel {:?}", nix::errno::Errno::from_raw(errno)))
}

/// What became of the rows of a file, in each of its tables: the text that says so, and whether it is what should be.
fn judge(file: &File, rows: &[&Row]) -> Vec<(String, bool)> {
    let netlink = raw::Netlink::open();
    let mut judged = Vec::new();
    for table in &file.tables {
        for command in &table.setup {
            if let Err(said) = nft(command) {
                println!("{}: {command}: {said}", file.name);
            }
        }
        for (row, chain) in rows.iter().flat_map(|row| table.chains.iter().map(move |chain| (row, chain))) {
            let Some(json) = &row.json else { continue };
            let by = refused(json, table, chain, &netlink);
            let expected = row.by.get(&table.family).unwrap_or(&row.by).as_str();
            let head = format!("{} {} {chain}: {}", file.name, table.family, row.rule);
            let said = format!("{head}: {}", by.as_deref().unwrap_or("taken"));
            judged.push((said, by.is_some() && by.as_deref() == expected));
        }
    }
    judged
}

/// The rules that nft refuses, and the rows, are the same.
fn each_has_a_row(files: &[File], rows: &[Row]) {
    let refused = files.iter().flat_map(|file| {
        let rules = file.rules.iter().filter(|rule| !rule.ok);
        rules.map(|rule| (file.name.as_str(), rule.text.as_str()))
    });
    let theirs: BTreeSet<_> = refused.collect();
    let ours: BTreeSet<_> = rows.iter().map(|row| (row.file.as_str(), row.rule.as_str())).collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), rows.len(), "a row stands twice");
}

#[test]
fn what_nft_refuses_is_refused() {
    let Some(files) = corpus::rules() else { return };
    let rows = rows();
    each_has_a_row(&files, &rows);
    let wanted = std::env::var("NFT_ENCODE").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in &files {
        let own: Vec<&Row> = rows.iter().filter(|row| row.file == file.name).collect();
        let Some(judged) = network(|| judge(file, &own)) else { return };
        count += judged.len();
        if wanted == "all" || wanted == file.name {
            judged.iter().for_each(|(said, _)| println!("{said}"));
        }
        wrong.extend(judged.into_iter().filter(|(_, right)| !right).map(|(said, _)| said));
    }
    let syntax = rows.iter().filter(|row| row.json.is_none()).count();
    println!(
        "{} rules that nft refuses: {syntax} are wrong in its grammar alone, {} were judged, {count} times in all tables",
        rows.len(),
        rows.len() - syntax
    );
    wrong.iter().for_each(|said| println!("wrong: {said}"));
    assert!(wrong.is_empty(), "{} of {count}", wrong.len());
}
