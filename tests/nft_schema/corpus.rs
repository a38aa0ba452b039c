//! nft's own tests as data (see docs of the corpus beside the repository): every rule that nft takes is read, and what it lists is
//! what is written. Skipped with a word where the corpus is not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portcullis::error::{RequestError, Why};
use portcullis::nft::model::Command;
use serde_json::{Value, json};

use crate::support::{Keys, etf, path, show_command, with_commands};

fn folder(name: &str) -> Option<Vec<(String, Value)>> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/nft").join(name);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return None;
    };
    let mut files: Vec<(String, Value)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Some(files)
}

/// A rule of those statements, and what reading and writing it gives.
fn rewritten(statements: &Value, keys: Keys) -> Result<Value, String> {
    let request =
        json!([{"add": {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": statements}}}]);
    with_commands(&etf(&request, keys), |read| match read {
        Ok(commands) => Ok(show_command(&commands[0])["rule"]["expr"].clone()),
        Err(RequestError::BadRequest(steps, why)) => Err(format!("{}: {why:?}", path(&steps))),
        Err(other) => Err(format!("{other:?}")),
    })
}

/// The corpus leaves out what counters counted.
fn without_counts(value: Value) -> Value {
    match value {
        Value::Object(pairs) => pairs
            .into_iter()
            .map(|(key, value)| match value {
                Value::Object(inner) if key == "counter" && inner.contains_key("packets") => {
                    (key, Value::Null)
                }
                value => (key, without_counts(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(without_counts).collect(),
        other => other,
    }
}

#[test]
fn rules_that_nft_takes_are_read() {
    let Some(files) = folder("rules") else { return };
    let (mut all, mut refused) = (0, 0);
    for (name, file) in &files {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut n = 0;
        for rule in file["rules"].as_array().unwrap() {
            if rule["expect"] != "ok" || !rule["json"].is_array() {
                continue;
            }
            n += 1;
            let read = rewritten(&rule["json"], Keys::Binaries);
            assert_eq!(read, rewritten(&rule["json"], Keys::Atoms), "{}", rule["rule"]);
            if let Err(why) = read {
                *reasons.entry(why).or_default() += 1;
            }
        }
        all += n;
        refused += reasons.values().sum::<usize>();
        if !reasons.is_empty() {
            println!("{name}: {n} rules, refused {reasons:?}");
        }
    }
    println!("{} of {all} rules read", all - refused);
    assert!(all > 1000 && refused * 100 <= all * 3, "{refused} of {all} are refused");
}

#[test]
fn what_nft_lists_is_what_is_written() {
    let Some(files) = folder("rules") else { return };
    let (mut all, mut refused) = (0, 0);
    for (name, file) in &files {
        for rule in file["rules"].as_array().unwrap() {
            let listed = &rule["listed"];
            if !listed.is_array() {
                continue;
            }
            all += 1;
            match rewritten(listed, Keys::Atoms) {
                Ok(again) => assert_eq!(&without_counts(again), listed, "{name}: {}", rule["rule"]),
                Err(why) => {
                    refused += 1;
                    println!("{name}: {}: {why}", rule["rule"]);
                }
            }
        }
    }
    println!("{} of {all} listings read", all - refused);
    assert!(all > 1000 && refused * 100 <= all * 3, "{refused} of {all} are refused");
}

/// Only what this version does not have is refused, by that name.
#[test]
fn rulesets_are_read_and_written_as_they_were() {
    let Some(files) = folder("rulesets") else { return };
    let (mut all, mut unsupported) = (0, BTreeMap::new());
    for (name, file) in &files {
        for object in file["nftables"].as_array().unwrap() {
            all += 1;
            let request = json!({"nftables": [object]});
            with_commands(&etf(&request, Keys::Binaries), |read| match read {
                Ok(commands) => match commands.as_slice() {
                    [Command::Metainfo] => assert!(object["metainfo"].is_object()),
                    [command] => assert_eq!(&show_command(command), object, "{name}"),
                    other => panic!("{name}: {other:?}"),
                },
                Err(RequestError::BadRequest(_, Why::Unsupported(what))) => {
                    *unsupported.entry(what).or_insert(0) += 1;
                }
                Err(other) => panic!("{name}: {object}: {other:?}"),
            });
        }
    }
    let without: usize = unsupported.values().sum();
    println!("{} of {all} objects; not supported: {unsupported:?}", all - without);
    assert!(all > 2000 && without * 100 <= all * 2);
}
