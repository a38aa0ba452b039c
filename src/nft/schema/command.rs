//! Commands of a change: what is done, and to which object.
#![forbid(unsafe_code)]

use super::place::{Budget, Place, Read};
use super::rule::{self, Handle};
use super::{chain, object, set, table};
use crate::error::{RequestError, Step, Why};
use crate::limits::NFT_COMMANDS_MAX;
use crate::nft::model::{Command, Creation, Family, Flush, ObjectKind, TableRef, Target, Text};
use crate::wire::schema::{At, word};
use crate::wire::term::{Items, Term};

/// What is done. A bare object is added, so that a listing is a change.
const VERBS: &[&str] = &[
    "add",
    "create",
    "insert",
    "replace",
    "delete",
    "destroy",
    "flush",
    "rename",
    "reset",
    "list",
    "metainfo",
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "counter",
    "quota",
    "limit",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "flowtable",
    "secmark",
    "synproxy",
    "tunnel",
    "object",
];

/// What it is done to.
const OBJECTS: &[&str] = &[
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "counter",
    "quota",
    "limit",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "flowtable",
    "secmark",
    "synproxy",
    "tunnel",
];

/// Version of the schema (libnftables-json(5), "METAINFO OBJECT").
const SCHEMA_VERSION: u64 = 1;

/// Reads the commands of a change: a list, or `#{nftables => List}` as a document has it.
///
/// # Errors
/// What is not of the schema, and where: the index of the command first.
pub fn commands<'a>(term: Term<'a>, at: &At<'_>) -> Result<Vec<Command<'a>>, RequestError> {
    let budget = Budget::new();
    let top = budget.place(at);
    let Term::Map(_) = term else { return all(&top, term) };
    let (key, list) = top.only(term, &["nftables"])?;
    all(&top.key(key), list)
}

/// What was wrong with a command once it was carried out, with the whole way to it: `error` begins with the number of the command
/// and goes on inside its object.
#[must_use]
pub fn placed(error: RequestError, commands: Term<'_>, at: &At<'_>) -> RequestError {
    let RequestError::BadRequest(inside, why) = error else { return error };
    let (mut path, mut list) = (at.path(), commands);
    if let Some((key, value)) = single(commands, &["nftables"]) {
        path.push(Step::Key(key));
        list = value;
    }
    let Some((Step::Index(n), rest)) = inside.split_first() else {
        return RequestError::BadRequest([path, inside].concat(), why);
    };
    path.push(Step::Index(*n));
    let at = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut command = if let Term::List(mut items) = list { items.nth(at) } else { None };
    while let Some((key, value)) = command.and_then(|command| single(command, VERBS)) {
        path.push(Step::Key(key));
        command = (!OBJECTS.contains(&key)).then_some(value);
    }
    path.extend_from_slice(rest);
    RequestError::BadRequest(path, why)
}

/// The only pair of a map, if it is of these keys.
fn single<'a>(term: Term<'a>, keys: &[&'static str]) -> Option<(&'static str, Term<'a>)> {
    let Term::Map(mut pairs) = term else { return None };
    let (name, value) = pairs.next()?;
    let key = keys.iter().find(|key| word(&name) == Some(key.as_bytes()))?;
    pairs.next().is_none().then_some((key, value))
}

fn all<'a>(at: &Place<'_>, term: Term<'a>) -> Read<Vec<Command<'a>>> {
    let items = at.list(term, NFT_COMMANDS_MAX)?;
    let mut commands = Vec::with_capacity(items.len());
    for (n, term) in (1..).zip(items) {
        commands.push(one(&at.index(n), term)?);
    }
    Ok(commands)
}

fn one<'a>(outer: &Place<'_>, term: Term<'a>) -> Read<Command<'a>> {
    outer.count()?;
    let (verb, value) = outer.only(term, VERBS)?;
    let at = outer.key(verb);
    let command = match verb {
        "metainfo" => metainfo(&at, value).map(|()| Command::Metainfo)?,
        "list" => return Err(at.error(Why::Unsupported(verb))),
        "object" => return Err(at.error(Why::ListedOnly)),
        "add" | "create" => added(&at, verb, value)?,
        "insert" => {
            let (key, value) = at.only(value, &["rule"])?;
            let (rule, place) = rule::read(&at.key(key), value, Handle::Beside)?;
            Command::Insert(rule, place)
        }
        "replace" => {
            let (key, value) = at.only(value, &["rule"])?;
            Command::Replace(rule::read(&at.key(key), value, Handle::Needed)?.0)
        }
        "delete" => Command::Delete(target(&at, value)?),
        "destroy" => Command::Destroy(target(&at, value)?),
        "flush" => Command::Flush(flush(&at, value)?),
        "rename" => rename(&at, value)?,
        "reset" => reset(&at, value)?,
        "rule" => {
            let (rule, place) = rule::read(&at, value, Handle::Own)?;
            Command::Append(rule, place)
        }
        object => Command::Add(creation(&at, object, value)?),
    };
    Ok(command)
}

fn metainfo(at: &Place<'_>, value: Term<'_>) -> Read<()> {
    let [version, name, schema] = at.fields(value, ["version", "release_name", "json_schema_version"])?;
    at.optional(version, "version", |at, text| at.word(text).map(|_| ()))?;
    at.optional(name, "release_name", |at, text| at.word(text).map(|_| ()))?;
    at.optional(schema, "json_schema_version", |at, n| at.between(n, 0, SCHEMA_VERSION).map(|_| ()))?;
    Ok(())
}

fn added<'a>(at: &Place<'_>, verb: &str, value: Term<'a>) -> Read<Command<'a>> {
    let (key, value) = at.only(value, OBJECTS)?;
    let at = at.key(key);
    if key == "rule" {
        let (rule, place) = rule::read(&at, value, Handle::Beside)?;
        return Ok(Command::Append(rule, place));
    }
    let creation = creation(&at, key, value)?;
    Ok(if verb == "create" { Command::Create(creation) } else { Command::Add(creation) })
}

/// Anything but a rule.
fn creation<'a>(at: &Place<'_>, key: &'static str, value: Term<'a>) -> Read<Creation<'a>> {
    match key {
        "table" => table::read(at, value).map(Creation::Table),
        "chain" => chain::read(at, value).map(Creation::Chain),
        "set" | "map" => {
            let (set, elements) = set::read(at, key, value)?;
            Ok(Creation::Set(Box::new(set), elements))
        }
        "element" => {
            let (table, name, items) = elements(at, value)?;
            Ok(Creation::Elements(table, name, items))
        }
        _ => object::read(at, key, value).map(Creation::Object),
    }
}

/// Elements, and the set that they are of.
pub(super) fn elements<'a>(at: &Place<'_>, value: Term<'a>) -> Read<(TableRef, Text, Items<'a>)> {
    let [family, table, name, elem] = at.fields(value, ["family", "table", "name", "elem"])?;
    at.needed(elem, "elem")?;
    let table = at.table(family, table, "table")?;
    Ok((table, at.key("name").name(at.needed(name, "name")?)?, set::some_elements(at, value)?))
}

/// A table, and the name of an object in it.
pub(super) fn named(at: &Place<'_>, value: Term<'_>) -> Read<(TableRef, Text)> {
    let [family, table, name] = at.fields(value, ["family", "table", "name"])?;
    Ok((at.table(family, table, "table")?, at.key("name").name(at.needed(name, "name")?)?))
}

pub(super) fn kind_of(key: &str) -> Option<ObjectKind> {
    match key {
        "counter" => Some(ObjectKind::Counter),
        "quota" => Some(ObjectKind::Quota),
        "limit" => Some(ObjectKind::Limit),
        "ct helper" => Some(ObjectKind::CtHelper),
        "ct timeout" => Some(ObjectKind::CtTimeout),
        "ct expectation" => Some(ObjectKind::CtExpectation),
        "secmark" => Some(ObjectKind::Secmark),
        "synproxy" => Some(ObjectKind::Synproxy),
        _ => None,
    }
}

/// What is deleted: by its name or by its handle. Both are refused, as the kernel would look at one of them only.
fn target<'a>(at: &Place<'_>, value: Term<'a>) -> Read<Target<'a>> {
    let (key, value) = at.only(value, OBJECTS)?;
    let at = at.key(key);
    match (key, kind_of(key)) {
        ("table", _) => {
            let [family, name, handle] = at.fields(value, ["family", "name", "handle"])?;
            let family = at.key("family").family(at.needed(family, "family")?)?;
            match name_or_handle(&at, name, handle)? {
                Which::Name(name) => Ok(Target::Table(TableRef { family, name })),
                Which::Handle(handle) => Ok(Target::TableHandle(family, handle)),
            }
        }
        ("rule", _) => {
            let [family, table, chain, handle] = at.fields(value, ["family", "table", "chain", "handle"])?;
            let table = at.table(family, table, "table")?;
            let chain = at.key("chain").name(at.needed(chain, "chain")?)?;
            let handle = at.key("handle").between(at.needed(handle, "handle")?, 1, u64::MAX)?;
            Ok(Target::Rule(table, chain, handle))
        }
        ("element", _) => elements(&at, value).map(|(table, set, items)| Target::Elements(table, set, items)),
        ("chain" | "set" | "map", _) | (_, Some(_)) => {
            let [family, table, name, handle] = at.fields(value, ["family", "table", "name", "handle"])?;
            let table = at.table(family, table, "table")?;
            Ok(match (key, kind_of(key), name_or_handle(&at, name, handle)?) {
                (_, Some(kind), Which::Name(name)) => Target::Object(table, kind, name),
                (_, Some(kind), Which::Handle(handle)) => Target::ObjectHandle(table, kind, handle),
                ("chain", _, Which::Name(name)) => Target::Chain(table, name),
                ("chain", _, Which::Handle(handle)) => Target::ChainHandle(table, handle),
                (_, _, Which::Name(name)) => Target::Set(table, name),
                (_, _, Which::Handle(handle)) => Target::SetHandle(table, handle),
            })
        }
        _ => Err(at.error(Why::Unsupported(key))),
    }
}

enum Which {
    Name(Text),
    Handle(u64),
}

fn name_or_handle(at: &Place<'_>, name: Option<Term<'_>>, handle: Option<Term<'_>>) -> Read<Which> {
    match (name, handle) {
        (Some(_), Some(_)) => Err(at.key("handle").error(Why::Excludes("name"))),
        (None, Some(handle)) => at.key("handle").between(handle, 1, u64::MAX).map(Which::Handle),
        (name, None) => at.key("name").name(at.needed(name, "name")?).map(Which::Name),
    }
}

fn flush(at: &Place<'_>, value: Term<'_>) -> Read<Flush> {
    let (key, value) = at.only(value, &["table", "chain", "set", "map", "ruleset", "meter", "flowtable"])?;
    let at = at.key(key);
    match key {
        "table" => {
            let [family, name] = at.fields(value, ["family", "name"])?;
            at.table(family, name, "name").map(Flush::Table)
        }
        "chain" => named(&at, value).map(|(table, name)| Flush::Chain(table, name)),
        "set" | "map" => named(&at, value).map(|(table, name)| Flush::Set(table, name)),
        "ruleset" => family_or_all(&at, value).map(Flush::Ruleset),
        _ => Err(at.error(Why::Unsupported(key))),
    }
}

/// `null` for all, or a family.
pub(super) fn family_or_all(at: &Place<'_>, value: Term<'_>) -> Read<Option<Family>> {
    if super::place::is_null(&value) {
        return Ok(None);
    }
    let [family] = at.fields(value, ["family"])?;
    at.key("family").family(at.needed(family, "family")?).map(Some)
}

fn rename<'a>(at: &Place<'_>, value: Term<'a>) -> Read<Command<'a>> {
    let (key, value) = at.only(value, &["chain"])?;
    let at = at.key(key);
    let [family, table, name, new] = at.fields(value, ["family", "table", "name", "newname"])?;
    let table = at.table(family, table, "table")?;
    let name = at.key("name").name(at.needed(name, "name")?)?;
    let new = at.key("newname").name(at.needed(new, "newname")?)?;
    Ok(Command::Rename(table, name, new))
}

fn reset<'a>(at: &Place<'_>, value: Term<'a>) -> Read<Command<'a>> {
    let keys = ["counter", "quota", "counters", "quotas", "rule", "rules", "set", "map", "element"];
    let (key, value) = at.only(value, &keys)?;
    let at = at.key(key);
    match kind_of(key) {
        Some(kind) => named(&at, value).map(|(table, name)| Command::Reset(table, kind, name)),
        None => Err(at.error(Why::Unsupported(key))),
    }
}
