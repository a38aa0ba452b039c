//! Against the corpus' record of nft 1.1.6, without a kernel: what the installed nft does not know, or makes otherwise, is
//! judged as well.
//!
//! `NFT_ENCODE=ip-ip` shows what differs in that file, `NFT_ENCODE=all` in all files.

use portcullis::nft::compile;
use portcullis::nft::model::Family;
use serde_json::Value;

use crate::made::{self, World};
use crate::nft_support::corpus::{self, File, Rule};
use crate::record;

/// How the rules of a file went.
#[derive(Default)]
struct Score {
    same: usize,
    all: usize,
    /// Rules with named sets, which are not here, and what is not compared.
    skipped: usize,
}

/// Whether a rule refers to something of its table.
fn is_named(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with('@'),
        Value::Array(items) => items.iter().any(is_named),
        Value::Object(pairs) => pairs.values().any(is_named),
        _ => false,
    }
}

/// Names of users, which are not resolved here, and times, which were recorded in a time zone.
const ELSEWHERE: [&str; 4] = ["skuid", "skgid", "time", "hour"];

fn is_recorded_elsewhere(rule: &Rule) -> bool {
    rule.text.split(' ').any(|word| ELSEWHERE.contains(&word))
}

fn one(file: &File, rule: &Rule, family: Family, loud: bool, score: &mut Score) {
    let record = rule.bytecode_of(family.name()).unwrap_or_default();
    if record.is_empty() || is_named(&rule.json) || is_recorded_elsewhere(rule) {
        score.skipped += 1;
        return;
    }
    let made = made::read(&rule.json).and_then(|statements| {
        compile::statements(&statements, &World::new(family)).map_err(|fault| format!("{fault:?}"))
    });
    let same = match &made {
        Ok(compiled) => record::same(&compiled.expressions, &record),
        Err(_) => Some(false),
    };
    match same {
        None => score.skipped += 1,
        Some(same) => {
            score.all += 1;
            score.same += usize::from(same);
            if !same && loud {
                println!("--- {} {} {}\n    {}", file.name, family.name(), rule.text, rule.json);
                println!("    {}", record.join("\n    "));
                match made {
                    Ok(compiled) => compiled.expressions.iter().for_each(|e| println!("      {e:?}")),
                    Err(why) => println!("      {why}"),
                }
            }
        }
    }
}

#[test]
fn the_corpus_is_encoded_as_a_newer_nft_encodes_it() {
    let Some(files) = corpus::rules() else { return };
    let wanted = std::env::var("NFT_ENCODE").unwrap_or_default();
    let mut score = Score::default();
    for file in &files {
        let loud = wanted == "all" || wanted == file.name;
        for table in &file.tables {
            let family = Family::named(table.family.as_bytes()).unwrap();
            for rule in file.rules.iter().filter(|rule| rule.ok) {
                one(file, rule, family, loud, &mut score);
            }
        }
    }
    let Score { same, all, skipped } = score;
    println!("{same} of {all} as nft 1.1.6, {skipped} not compared");
    assert!(all > 3000, "hardly anything was compared");
    // `tunnel id`, which the program has no word for, and the checksum of UDP in four families: of an nft that writes it the old
    // way it has to be listed and made again unchanged.
    assert!(all - same <= 5, "{same} of {all}");
}
