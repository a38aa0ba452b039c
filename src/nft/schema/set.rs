//! Sets and maps.
#![forbid(unsafe_code)]

use super::element::{read_comment, read_seconds, read_statements, write_statements};
use super::flags::SET;
use super::place::{Place, Read};
use super::{datum, expr, table};
use crate::error::Why;
use crate::nft::model::{Expr, MapData, Set, set_flag};
use crate::wire::atoms;
use crate::wire::schema::word;
use crate::wire::term::{Items, Term};
use crate::wire::write::Writer;

/// `NFT_SET_POL_*` (nf_tables.h).
const POLICIES: &[(&str, u32)] = &[("performance", 0), ("memory", 1)];

/// Seconds whose milliseconds fit 32 bits (`NFTA_SET_GC_INTERVAL`).
const GC_MAX: u64 = (u32::MAX / 1000) as u64;

/// Reads a set, or a map as `key` says, and its elements.
pub(super) fn read<'a>(at: &Place<'_>, key: &'static str, term: Term<'a>) -> Read<(Set, Option<Items<'a>>)> {
    let keys = [
        "family",
        "table",
        "name",
        "handle",
        "type",
        "map",
        "policy",
        "flags",
        "elem",
        "timeout",
        "gc-interval",
        "size",
        "comment",
        "auto-merge",
        "stmt",
    ];
    let [family, table, name, handle, ty, map, policy, flags, elem, timeout, gc, size, comment, merge, stmt] =
        at.fields(term, keys)?;
    let table = at.table(family, table, "table")?;
    let family = table.family;
    let data = match (key, map) {
        ("set", Some(_)) => return Err(at.key("map").error(Why::Excludes("set"))),
        ("set", None) => None,
        _ => Some(datum::read_data(&at.key("map"), at.needed(map, "map")?, family)?),
    };
    let mut set = Set {
        table,
        name: at.key("name").name(at.needed(name, "name")?)?,
        handle: at.optional(handle, "handle", |at, n| at.u64(n))?,
        key: datum::read(&at.key("type"), at.needed(ty, "type")?, family)?,
        data,
        flags: at.optional(flags, "flags", |at, flags| SET.read(at, flags))?.unwrap_or(0),
        timeout_ms: at.optional(timeout, "timeout", read_seconds)?,
        gc_ms: at.optional(gc, "gc-interval", |at, n| {
            u32::try_from(at.uint(n, GC_MAX)? * 1000).map_err(|_| at.error(Why::Range(0, GC_MAX)))
        })?,
        size: at.optional(size, "size", |at, n| at.u32(n))?,
        policy: at.optional(policy, "policy", |at, word| at.keyword(word, POLICIES))?,
        auto_merge: at.optional(merge, "auto-merge", |at, value| at.bool(value))?.unwrap_or(false),
        comment: at.optional(comment, "comment", read_comment)?,
        statements: at.optional(stmt, "stmt", read_statements)?.unwrap_or_default(),
    };
    set.flags |= implied(&set);
    let elements = match elem {
        Some(_) => Some(elements(at, term)?),
        None => None,
    };
    if elements.is_some_and(|items| items.into_iter().any(maps_to_range)) {
        set.data = set.data.map(|data| match data {
            MapData::Values(datum) => MapData::Ranges(datum),
            other => other,
        });
    }
    Ok((set, elements))
}

/// Whether an element maps to a range or a prefix. The schema has no word for maps to ranges; where a map is declared with
/// its elements, they show it.
fn maps_to_range(element: Term<'_>) -> bool {
    let Term::List(mut pair) = element else { return false };
    pair.nth(1).is_some_and(is_range)
}

fn is_range(data: Term<'_>) -> bool {
    match only_pair(data) {
        Some((b"range" | b"prefix", _)) => true,
        Some((b"concat", Term::List(mut parts))) => {
            parts.any(|part| matches!(only_pair(part), Some((b"range" | b"prefix", _))))
        }
        _ => false,
    }
}

fn only_pair(term: Term<'_>) -> Option<(&[u8], Term<'_>)> {
    let Term::Map(mut pairs) = term else { return None };
    let (key, value) = pairs.next()?;
    Some((word(&key)?, value))
}

/// Flags that follow from the rest; the schema has no words for most of them.
fn implied(set: &Set) -> u32 {
    let mut flags = match set.data {
        None => 0,
        Some(MapData::Objects(_)) => set_flag::OBJECT,
        Some(MapData::Values(_) | MapData::Ranges(_) | MapData::Verdicts) => set_flag::MAP,
    };
    if set.timeout_ms.is_some() {
        flags |= set_flag::TIMEOUT;
    }
    if set.key.parts.len() > 1 && set.flags & set_flag::INTERVAL != 0 {
        flags |= set_flag::CONCAT;
    }
    flags
}

/// The value of `elem`: a list, or one element alone.
pub(super) fn elements<'a>(at: &Place<'_>, object: Term<'a>) -> Read<Items<'a>> {
    let pairs = at.map(object)?;
    let found = pairs.into_iter().enumerate().find(|(_, (key, _))| word(key) == Some(b"elem"));
    let at = at.key("elem");
    match found {
        Some((_, (_, Term::List(items)))) => Ok(items),
        Some((n, _)) => pairs.value_alone(n).ok_or_else(|| at.error(Why::Missing)),
        None => Err(at.error(Why::Missing)),
    }
}

/// Those of a command that is about nothing else.
pub(super) fn some_elements<'a>(at: &Place<'_>, object: Term<'a>) -> Read<Items<'a>> {
    let items = elements(at, object)?;
    if items.len() == 0 { Err(at.key("elem").error(Why::Empty)) } else { Ok(items) }
}

/// Writes a set or map with elements, as `#{set => ...}` or `#{map => ...}`.
pub fn write(set: &Set, elements: &[Expr], w: &mut Writer) {
    write_head(set, !elements.is_empty(), w);
    if !elements.is_empty() {
        expr::list(elements, w);
    }
}

/// Writes a set or map up to its elements: with `elements`, exactly one term must follow, the list of them.
pub fn write_head(set: &Set, elements: bool, w: &mut Writer) {
    let Set {
        table,
        name,
        handle,
        key,
        data,
        flags,
        timeout_ms,
        gc_ms,
        size,
        policy,
        auto_merge,
        comment,
        statements,
    } = set;
    let flags = flags & SET.known();
    // nft prints what is not usual only.
    let policy = policy.filter(|policy| *policy != 0);
    let optional = [
        data.is_some(),
        flags != 0,
        timeout_ms.is_some(),
        gc_ms.is_some(),
        size.is_some(),
        policy.is_some(),
        *auto_merge,
        !statements.is_empty(),
        elements,
    ];
    let more = optional.iter().filter(|there| **there).count();
    let kind = if data.is_some() { atoms::MAP } else { atoms::SET };
    table::begin(kind, 4 + more + table::common(*handle, comment.as_deref()), w);
    table::write_key(table, w);
    w.atom(atoms::NAME);
    w.binary(name);
    table::write_common(*handle, comment.as_deref(), w);
    w.atom(atoms::TYPE);
    datum::write(key, w);
    if let Some(data) = data {
        w.atom(atoms::MAP);
        datum::write_data(data, w);
    }
    if flags != 0 {
        w.atom(atoms::FLAGS);
        SET.write(flags, w);
    }
    write_number(atoms::TIMEOUT, timeout_ms.map(|ms| ms / 1000), w);
    write_number(atoms::GC_INTERVAL, gc_ms.map(|ms| u64::from(ms / 1000)), w);
    write_number(atoms::SIZE, size.map(u64::from), w);
    if let Some(policy) = policy {
        w.atom(atoms::POLICY);
        match super::packet::word_of(POLICIES, policy) {
            Some(word) => w.text(word),
            None => w.uint(u64::from(policy)),
        }
    }
    if *auto_merge {
        w.atom(atoms::AUTO_MERGE);
        w.bool(true);
    }
    if !statements.is_empty() {
        w.atom(atoms::STMT);
        write_statements(statements, w);
    }
    if elements {
        w.atom(atoms::ELEM);
    }
}

fn write_number(key: atoms::Atom, value: Option<u64>, w: &mut Writer) {
    if let Some(value) = value {
        w.atom(key);
        w.uint(value);
    }
}
