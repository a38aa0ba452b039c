//! What a list request names.
#![forbid(unsafe_code)]

use super::command::{elements, family_or_all, kind_of, named};
use super::place::{Budget, Place, Read, is_null};
use crate::error::{RequestError, Why};
use crate::nft::model::{Family, ObjectKind, TableRef, Text};
use crate::wire::schema::At;
use crate::wire::term::{Items, Term};

/// Where objects of a kind are listed: everywhere, in the tables of a family, or in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// Everywhere.
    All,
    /// In the tables of a family.
    Family(Family),
    /// In one table.
    Table(TableRef),
}

/// What is listed.
#[derive(Clone, Debug)]
pub enum Listing<'a> {
    /// Everything, or everything of a family.
    Ruleset(Option<Family>),
    /// Names of tables.
    Tables(Option<Family>),
    /// A table with all that is in it.
    Table(TableRef),
    /// Chains without their rules.
    Chains(Within),
    /// A chain with its rules.
    Chain(TableRef, Text),
    /// Rules.
    Rules(Within),
    /// Sets without their elements.
    Sets(Within),
    /// Maps without their elements.
    Maps(Within),
    /// A set or a map with its elements.
    Set(TableRef, Text),
    /// Elements of a set or map, by their keys.
    Elements(TableRef, Text, Items<'a>),
    /// Objects of a kind.
    Objects(ObjectKind, Within),
    /// An object.
    Object(TableRef, ObjectKind, Text),
}

/// Keys, beside the words for many objects of a kind.
const KEYS: &[&str] = &[
    "ruleset",
    "tables",
    "table",
    "chains",
    "chain",
    "rules",
    "sets",
    "set",
    "maps",
    "map",
    "element",
    "counters",
    "counter",
    "quotas",
    "quota",
    "limits",
    "limit",
    "flowtables",
    "flowtable",
    "meter",
];

/// Reads what is to be listed: `#{chain => #{family => ip, table => ..., name => ...}}`, or a word for many (`ruleset`,
/// `tables`, `chains`, `rules`, `sets`, `maps`, `counters`, `quotas`, `limits`) alone.
///
/// # Errors
/// What is not of the schema, and where.
pub fn read<'a>(term: Term<'a>, at: &At<'_>) -> Result<Listing<'a>, RequestError> {
    let budget = Budget::new();
    let top = budget.place(at);
    if let Term::Map(_) = term {
        let (key, value) = top.only(term, KEYS)?;
        return one(&top.key(key), key, value);
    }
    let key =
        top.among(term, || KEYS.to_vec(), |word| KEYS.iter().copied().find(|key| key.as_bytes() == word))?;
    one(&top.key(key), key, Term::Atom("null"))
}

fn one<'a>(at: &Place<'_>, key: &'static str, value: Term<'a>) -> Read<Listing<'a>> {
    Ok(match key {
        "ruleset" => Listing::Ruleset(some_or_all(at, value)?),
        "tables" => Listing::Tables(some_or_all(at, value)?),
        "table" => {
            let [family, name] = at.fields(value, ["family", "name"])?;
            Listing::Table(at.table(family, name, "name")?)
        }
        "chains" => Listing::Chains(within(at, value)?),
        "rules" => Listing::Rules(within(at, value)?),
        "sets" => Listing::Sets(within(at, value)?),
        "maps" => Listing::Maps(within(at, value)?),
        "chain" => {
            let (table, name) = named(at, value)?;
            Listing::Chain(table, name)
        }
        "set" | "map" => {
            let (table, name) = named(at, value)?;
            Listing::Set(table, name)
        }
        "element" => {
            let (table, name, items) = elements(at, value)?;
            Listing::Elements(table, name, items)
        }
        "counters" => Listing::Objects(ObjectKind::Counter, within(at, value)?),
        "quotas" => Listing::Objects(ObjectKind::Quota, within(at, value)?),
        "limits" => Listing::Objects(ObjectKind::Limit, within(at, value)?),
        _ => {
            let kind = kind_of(key).ok_or_else(|| at.error(Why::Unsupported(key)))?;
            let (table, name) = named(at, value)?;
            Listing::Object(table, kind, name)
        }
    })
}

/// As nft(8) prints it: an empty map is as good as `null` where nothing is lost by it.
fn some_or_all(at: &Place<'_>, value: Term<'_>) -> Read<Option<Family>> {
    match value {
        Term::Map(pairs) if pairs.len() == 0 => Ok(None),
        value => family_or_all(at, value),
    }
}

/// `null`, a family, or a family and a table.
fn within(at: &Place<'_>, value: Term<'_>) -> Read<Within> {
    if is_null(&value) {
        return Ok(Within::All);
    }
    let [family, table] = at.fields(value, ["family", "table"])?;
    match table {
        Some(_) => at.table(family, table, "table").map(Within::Table),
        None => at.key("family").family(at.needed(family, "family")?).map(Within::Family),
    }
}
