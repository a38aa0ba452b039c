//! Whole rulesets of the corpus: what nft loads is listed here, and made anew from the listing; what nft lists must be the same.
//! `NFT_RULESETS=1` prints the differences, `NFT_RULESETS=name` those of the rulesets of that name.

use portcullis::nft::model::{Family, TableRef, Text};
use portcullis::nft::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::held::everything;
use crate::nft_support::{corpus, network, nft, nft_json, nft_text, raw};
use crate::world::{self, World, commands, is_opaque};

/// Rulesets whose listing by nft differs, and why.
const KNOWN: &[&str] = &[];

/// What became of a ruleset.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// nft does not load it.
    Refused,
    /// Made anew from the listing, nft lists it as before.
    /// Whether the kernel has the same bytes, too.
    Equal(bool),
    /// There is something in it that the schema has no words for; it came back from a copy.
    Opaque,
    /// Something else.
    Different(String),
}

/// Without what goes on by itself.
fn still(text: &str) -> String {
    let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',']).collect();
    for at in 1..words.len() {
        if words[at - 1].trim() == "expires" {
            words[at] = "X ";
        }
    }
    words.concat()
}

fn listed() -> String {
    still(&nft_text("ruleset").unwrap())
}

fn lines(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let missing = old.iter().filter(|line| !new.contains(line)).map(|line| format!("  - {line}"));
    let others = new.iter().filter(|line| !old.contains(line)).map(|line| format!("  + {line}"));
    missing.chain(others).collect::<Vec<_>>().join("\n")
}

/// A copy of all tables, everything gone and something else there, and the copy back.
fn comes_back(tables: &[(String, String)], before: &str) -> Result<(), String> {
    let all: Vec<TableRef> = tables
        .iter()
        .map(|(family, name)| TableRef {
            family: Family::named(family.as_bytes()).unwrap(),
            name: Text::Owned(name.clone().into_bytes()),
        })
        .collect();
    let mut link = world::link();
    let copy = Snapshot::take(&mut link, &all).map_err(|e| format!("no copy: {e:?}"))?;
    nft("flush ruleset").unwrap();
    for (family, name) in tables {
        nft(&format!("add table {family} {name}; add set {family} {name} other {{ type mark; }}")).unwrap();
    }
    let marker = TableRef { family: Family::Inet, name: Text::Borrowed(b"marker") };
    copy.restore(&mut link, &marker, None).map_err(|e| format!("not restored: {e:?}"))?;
    let after = listed();
    if after == before { Ok(()) } else { Err(format!("the copy differs:\n{}", lines(before, &after))) }
}

fn again(document: &Value) -> Outcome {
    nft("flush ruleset").unwrap();
    if nft_json(document).is_err() {
        return Outcome::Refused;
    }
    let before = listed();
    let bytes = rules_as_bytes();
    let tables = world::tables(document["nftables"].as_array().unwrap());
    let names: Vec<(&str, &str)> = tables.iter().map(|(f, n)| (f.as_str(), n.as_str())).collect();
    let mut world = World::new(&names);
    let objects = world.ruleset();
    let text = world.list_text(&json!("ruleset")).unwrap();
    let parsed: Value = serde_json::from_slice(&text).expect("the text is JSON");
    assert_eq!(parsed, json!({ "nftables": objects }), "terms and text say the same");
    if let Err(why) = comes_back(&tables, &before) {
        return Outcome::Different(why);
    }
    if objects.iter().any(is_opaque) {
        return Outcome::Opaque;
    }
    nft("flush ruleset").unwrap();
    if let Err(why) = world.apply(&commands(&objects)) {
        return Outcome::Different(format!("not applied: {why:?}\n{}", blamed(&objects, &why)));
    }
    let after = listed();
    let same = bytes == rules_as_bytes();
    if after == before {
        Outcome::Equal(same)
    } else {
        let held = if same { "the same" } else { "other bytes" };
        Outcome::Different(format!("rules of {held}\n{}", lines(&before, &after)))
    }
}

/// The expressions of all rules and the elements of all sets, as the kernel has them.
fn rules_as_bytes() -> Vec<Vec<u8>> {
    let all = everything(&raw::Netlink::open());
    let one = |(kind, _, body): (u8, u8, Vec<u8>)| match kind {
        raw::NEWRULE => raw::attribute(&body, 4).map(<[u8]>::to_vec),
        raw::NEWSETELEM => raw::attribute(&body, 3).map(|list| {
            // nft puts an end at 0 into sets of intervals.
            let padding = |e: &[u8]| {
                let key = raw::attribute(e, 1).and_then(|key| raw::attribute(key, 1));
                raw::attribute(e, 3).is_some() && key.is_some_and(|key| key.iter().all(|b| *b == 0))
            };
            let elements = raw::attributes(list).into_iter().map(|(_, element)| element);
            let mut keys: Vec<&[u8]> =
                elements.filter(|e| !padding(e)).filter_map(|e| raw::attribute(e, 1)).collect();
            keys.sort_unstable();
            keys.concat()
        }),
        _ => None,
    };
    all.into_iter().filter_map(one).collect()
}

/// The command that an error names.
fn blamed(objects: &[Value], why: &portcullis::error::RequestError) -> String {
    use portcullis::error::{RequestError, Step};
    let index = match why {
        RequestError::BadRequest(path, _) => path.iter().find_map(|step| match step {
            Step::Index(n) => Some(*n),
            _ => None,
        }),
        RequestError::Nft(n, ..) => Some(*n),
        _ => None,
    };
    let at = index.and_then(|n| usize::try_from(n).unwrap().checked_sub(1));
    at.and_then(|at| objects.get(at)).map_or(String::new(), ToString::to_string)
}

#[test]
fn rulesets_are_made_anew_from_their_listing() {
    let Some(files) = corpus::rulesets() else { return };
    let wanted = std::env::var("NFT_RULESETS").unwrap_or_default();
    let outcomes = network(|| {
        let files = files.iter().filter(|(name, _)| wanted.len() < 2 || name.contains(&wanted));
        files.map(|(name, document)| (name.clone(), again(document))).collect::<Vec<_>>()
    });
    let Some(outcomes) = outcomes else { return };
    let count = |of: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|(_, o)| of(o)).count();
    let different: Vec<&str> = outcomes
        .iter()
        .filter(|(_, o)| matches!(o, Outcome::Different(_)))
        .map(|(name, _)| name.as_str())
        .collect();
    for (name, outcome) in &outcomes {
        if let Outcome::Different(why) = outcome
            && !wanted.is_empty()
        {
            println!("--- {name}\n{why}");
        }
    }
    let opaque = outcomes.iter().filter(|(_, o)| *o == Outcome::Opaque).map(|(name, _)| name.as_str());
    println!("opaque: {:?}", opaque.collect::<Vec<_>>());
    let others = outcomes.iter().filter(|(_, o)| *o == Outcome::Equal(false)).map(|(name, _)| name.as_str());
    println!("other bytes: {:?}", others.collect::<Vec<_>>());
    println!("different: {different:?}");
    println!(
        "{} rulesets, {} loaded by nft, {} equal, {} of them in bytes, {} opaque, {} different",
        outcomes.len(),
        count(&|o| *o != Outcome::Refused),
        count(&|o| matches!(o, Outcome::Equal(_))),
        count(&|o| *o == Outcome::Equal(true)),
        count(&|o| *o == Outcome::Opaque),
        different.len()
    );
    let whole = wanted.len() < 2;
    assert!(different.iter().all(|name| KNOWN.contains(name)), "{different:?}");
    assert!(!whole || different.len() == KNOWN.len(), "better than known: {different:?}");
    assert!(!whole || count(&|o| matches!(o, Outcome::Equal(_))) >= 172, "fewer than there were");
}
