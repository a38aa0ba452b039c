//! Named objects: counters, quotas and limits; others as the kernel has them.
#![forbid(unsafe_code)]

use super::element::read_comment;
use super::place::{Place, Read};
use super::state::{self, Unit};
use super::{statement, table};
use crate::error::Why;
use crate::nft::model::{Limit, Object, ObjectState, Quota};
use crate::wire::atoms::{self, Atom};
use crate::wire::term::Term;
use crate::wire::write::Writer;

pub(super) fn read(at: &Place<'_>, key: &'static str, term: Term<'_>) -> Read<Object> {
    let (head, state) = match key {
        "counter" => {
            let [family, table, name, handle, comment, packets, bytes] =
                at.fields(term, ["family", "table", "name", "handle", "comment", "packets", "bytes"])?;
            let counter = state::read_counter(at, packets, bytes)?;
            ([family, table, name, handle, comment], ObjectState::Counter(counter))
        }
        "quota" => read_quota(at, term)?,
        "limit" => read_limit(at, term)?,
        _ => return Err(at.error(Why::Unsupported(key))),
    };
    let [family, table, name, handle, comment] = head;
    Ok(Object {
        table: at.table(family, table, "table")?,
        name: at.key("name").name(at.needed(name, "name")?)?,
        handle: at.optional(handle, "handle", |at, n| at.u64(n))?,
        comment: at.optional(comment, "comment", read_comment)?,
        state,
    })
}

/// The values of the keys that all objects have, and what is of the object alone.
type Parts<'a> = ([Option<Term<'a>>; 5], ObjectState);

fn read_quota<'a>(at: &Place<'_>, term: Term<'a>) -> Read<Parts<'a>> {
    let keys = ["family", "table", "name", "handle", "comment", "bytes", "used", "inv"];
    let [family, table, name, handle, comment, bytes, used, inv] = at.fields(term, keys)?;
    let quota = Quota {
        bytes: at.key("bytes").u64(at.needed(bytes, "bytes")?)?,
        used: at.optional(used, "used", |at, n| at.u64(n))?.unwrap_or(0),
        over: state::flag(at, inv)?,
    };
    Ok(([family, table, name, handle, comment], ObjectState::Quota(quota)))
}

/// The manual calls the unit of the rate `unit`, nft prints and reads `rate_unit`.
fn read_limit<'a>(at: &Place<'_>, term: Term<'a>) -> Read<Parts<'a>> {
    let keys = [
        "family",
        "table",
        "name",
        "handle",
        "comment",
        "rate",
        "rate_unit",
        "unit",
        "per",
        "burst",
        "burst_unit",
        "inv",
    ];
    let [family, table, name, handle, comment, rate, rate_unit, unit, per, burst, burst_unit, inv] =
        at.fields(term, keys)?;
    if rate_unit.is_some() && unit.is_some() {
        return Err(at.key("unit").error(Why::Excludes("rate_unit")));
    }
    let unit = if unit.is_some() { Unit("unit", unit) } else { Unit("rate_unit", rate_unit) };
    let limit = state::limit(at, unit, [rate, per, burst, burst_unit, inv])?;
    Ok(([family, table, name, handle, comment], ObjectState::Limit(limit)))
}

/// Writes an object, as `#{counter => ...}` and so on.
pub fn write(object: &Object, w: &mut Writer) {
    let Object { table, name, handle, comment, state } = object;
    let (kind, more) = match state {
        ObjectState::Counter(_) => (atoms::COUNTER, 2),
        ObjectState::Quota(_) => (atoms::QUOTA, 3),
        ObjectState::Limit(limit) => (atoms::LIMIT, limit_keys(limit)),
        ObjectState::Opaque(kind, _) => match kind_of(*kind) {
            Some(key) => (key, 1),
            None => (atoms::OBJECT, 2),
        },
    };
    table::begin(kind, 3 + more + table::common(*handle, comment.as_deref()), w);
    table::write_key(table, w);
    w.atom(atoms::NAME);
    w.binary(name);
    table::write_common(*handle, comment.as_deref(), w);
    match state {
        ObjectState::Counter(counter) => state::write_counter(counter, w),
        ObjectState::Quota(quota) => {
            w.atom(atoms::BYTES);
            w.uint(quota.bytes);
            w.atom(atoms::USED);
            w.uint(quota.used);
            w.atom(atoms::INV);
            w.bool(quota.over);
        }
        ObjectState::Limit(limit) => write_limit(limit, w),
        ObjectState::Opaque(number, opaque) => {
            if kind == atoms::OBJECT {
                w.atom(atoms::TYPE);
                w.uint(u64::from(*number));
            }
            statement::write_opaque(opaque, w);
        }
    }
}

/// The key of a kind of which nothing but the number is known (`NFT_OBJECT_*`, nf_tables.h).
fn kind_of(number: u32) -> Option<Atom> {
    Some(match number {
        1 => atoms::COUNTER,
        2 => atoms::QUOTA,
        3 => atoms::CT_HELPER,
        4 => atoms::LIMIT,
        6 => atoms::TUNNEL,
        7 => atoms::CT_TIMEOUT,
        8 => atoms::SECMARK,
        9 => atoms::CT_EXPECTATION,
        10 => atoms::SYNPROXY,
        _ => return None,
    })
}

fn limit_keys(limit: &Limit) -> usize {
    2 + usize::from(limit.bytes)
        + usize::from(limit.over)
        + if has_burst(limit) { 1 + usize::from(limit.bytes) } else { 0 }
}

/// As nft prints it: what is read without a burst has this one.
fn has_burst(limit: &Limit) -> bool {
    !limit.bytes || limit.burst != 0
}

/// As in a rule, but that a burst of no bytes is left out.
fn write_limit(limit: &Limit, w: &mut Writer) {
    let sized = |n| if limit.bytes { state::sized(n) } else { (n, "") };
    let (rate, unit) = sized(limit.rate);
    w.atom(atoms::RATE);
    w.uint(rate);
    state::write_period(limit.per_s, w);
    if limit.bytes {
        w.atom(atoms::RATE_UNIT);
        w.text(unit);
    }
    state::write_flag(limit.over, w);
    if has_burst(limit) {
        let (burst, unit) = sized(u64::from(limit.burst));
        w.atom(atoms::BURST);
        w.uint(burst);
        if limit.bytes {
            w.atom(atoms::BURST_UNIT);
            w.text(unit);
        }
    }
}
