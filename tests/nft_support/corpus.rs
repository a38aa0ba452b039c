//! The corpus: nftables' own tests as data. It lies beside the project and is no part of it.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Rules of one file, and the tables that they are added to.
pub struct File {
    pub name: String,
    pub tables: Vec<Table>,
    pub rules: Vec<Rule>,
}

/// A table, and the commands that make it.
pub struct Table {
    pub family: String,
    pub name: String,
    pub chains: Vec<String>,
    pub setup: Vec<String>,
}

/// A rule.
pub struct Rule {
    /// In nft's language.
    pub text: String,
    /// Whether nft takes it.
    pub ok: bool,
    /// Its statements in the schema, as given.
    pub json: Value,
    /// And as listed.
    pub listed: Value,
    /// What nft 1.1.6 makes of it, per family, or for `any`.
    pub bytecode: Value,
}

fn folder() -> Option<PathBuf> {
    let beside = |at: &Path| at.join("shared/corpus/nft");
    let from = std::env::var_os("NFT_CORPUS").map(PathBuf::from);
    let known =
        [from, Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(beside), Some(beside(Path::new("/work")))];
    known.into_iter().flatten().find(|at| at.is_dir())
}

fn read(kind: &str) -> Option<Vec<(String, Value)>> {
    let Some(at) = folder() else {
        eprintln!("skipped: the corpus of nftables is not here (NFT_CORPUS names its folder)");
        return None;
    };
    let mut found: Vec<(String, Value)> = std::fs::read_dir(at.join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    assert!(!found.is_empty(), "the corpus is empty");
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Some(found)
}

/// The rules, by file; nothing where there is no corpus.
pub fn rules() -> Option<Vec<File>> {
    Some(read("rules")?.into_iter().map(|(name, value)| file(name, &value)).collect())
}

/// Whole rulesets as nft lists them, by file; nothing where there is no corpus.
pub fn rulesets() -> Option<Vec<(String, Value)>> {
    read("rulesets")
}

fn file(name: String, value: &Value) -> File {
    let list = |value: &Value| value.as_array().unwrap().clone();
    File {
        name,
        tables: list(&value["tables"]).iter().map(table).collect(),
        rules: list(&value["rules"]).iter().map(rule).collect(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn table(value: &Value) -> Table {
    let texts = |key: &str| value[key].as_array().unwrap().iter().map(text).collect();
    Table {
        family: text(&value["family"]),
        name: text(&value["table"]),
        chains: texts("chains"),
        setup: texts("setup"),
    }
}

fn rule(value: &Value) -> Rule {
    Rule {
        text: text(&value["rule"]),
        ok: value["expect"] == "ok",
        json: value["json"].clone(),
        listed: value["listed"].clone(),
        bytecode: value["bytecode"].clone(),
    }
}

impl Rule {
    /// The bytecode in tables of that family.
    pub fn bytecode_of(&self, family: &str) -> Option<Vec<String>> {
        let lines = self.bytecode.get(family).or_else(|| self.bytecode.get("any"))?;
        Some(lines.as_array().unwrap().iter().map(text).collect())
    }
}
