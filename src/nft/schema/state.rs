//! Statements that keep a state: counter, limit, quota, last, connections; and log.
#![forbid(unsafe_code)]

use super::flags::LOG;
use super::packet::word_of;
use super::place::{Place, Read, is_null, owned};
use super::statement::{self, alone};
use crate::error::Why;
use crate::limits::NFT_LOG_PREFIX_MAX;
use crate::nft::model::{Counter, Limit, Log, ObjectKind, Quota, Statement};
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// Seconds of a unit of time.
const PERIODS: &[(&str, u64)] =
    &[("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 604_800)];

/// Bytes of a unit.
const SIZES: &[(&str, u64)] = &[("bytes", 1), ("kbytes", 1 << 10), ("mbytes", 1 << 20)];

/// Packets beyond the rate that pass where nothing is said (nft(8), "LIMIT STATEMENT").
const PACKETS_AT_ONCE: u32 = 5;

/// syslog's levels, and `audit` (`NFT_LOGLEVEL_*`, nf_tables.h).
const LEVELS: &[(&str, u8)] = &[
    ("emerg", 0),
    ("alert", 1),
    ("crit", 2),
    ("err", 3),
    ("warn", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
    ("audit", 8),
];

pub(super) fn read(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Statement> {
    match key {
        "counter" => match value {
            _ if is_null(&value) => Ok(Statement::Counter(Counter::default())),
            _ if is_reference(value) => statement::object(at, ObjectKind::Counter, value),
            _ => {
                let [packets, bytes] = at.fields(value, ["packets", "bytes"])?;
                read_counter(at, packets, bytes).map(Statement::Counter)
            }
        },
        "limit" if is_reference(value) => statement::object(at, ObjectKind::Limit, value),
        "limit" => read_limit(at, value),
        "quota" if is_reference(value) => statement::object(at, ObjectKind::Quota, value),
        "quota" => read_quota(at, value),
        "last" if is_null(&value) => Ok(Statement::Last(None)),
        "last" => {
            let [used] = at.fields(value, ["used"])?;
            at.key("used").u64(at.needed(used, "used")?).map(|ms| Statement::Last(Some(ms)))
        }
        _ => {
            let [val, inv] = at.fields(value, ["val", "inv"])?;
            let count = at.key("val").u32(at.needed(val, "val")?)?;
            Ok(Statement::CtCount(count, flag(at, inv)?))
        }
    }
}

/// A name, or a map of names.
pub(super) fn is_reference(value: Term<'_>) -> bool {
    match value {
        Term::Binary(_) => true,
        Term::Map(pairs) => {
            pairs.into_iter().any(|(key, _)| crate::wire::schema::word(&key) == Some(b"map".as_slice()))
        }
        _ => false,
    }
}

pub(super) fn read_counter(
    at: &Place<'_>,
    packets: Option<Term<'_>>,
    bytes: Option<Term<'_>>,
) -> Read<Counter> {
    let packets = at.optional(packets, "packets", |at, n| at.u64(n))?.unwrap_or(0);
    let bytes = at.optional(bytes, "bytes", |at, n| at.u64(n))?.unwrap_or(0);
    Ok(Counter { packets, bytes })
}

/// `inv`
pub(super) fn flag(at: &Place<'_>, value: Option<Term<'_>>) -> Read<bool> {
    Ok(at.optional(value, "inv", |at, value| at.bool(value))?.unwrap_or(false))
}

fn read_limit(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    let keys = ["rate", "rate_unit", "per", "burst", "burst_unit", "inv"];
    let [rate, rate_unit, per, burst, burst_unit, inv] = at.fields(value, keys)?;
    limit(at, Unit("rate_unit", rate_unit), [rate, per, burst, burst_unit, inv]).map(Statement::Limit)
}

/// What the unit of a limit is called, and its value.
pub(super) struct Unit<'a>(pub &'static str, pub Option<Term<'a>>);

/// The parts of a limit: its unit; rate, per, burst, burst_unit, inv.
pub(super) fn limit(at: &Place<'_>, unit: Unit<'_>, parts: [Option<Term<'_>>; 5]) -> Read<Limit> {
    let [rate, per, burst, burst_unit, inv] = parts;
    let unit = at.optional(unit.1, unit.0, |at, word| {
        at.meaning(word, |word| match word {
            b"packets" => Some(None),
            _ => SIZES.iter().find(|(name, _)| name.as_bytes() == word).map(|(_, size)| Some(*size)),
        })
    })?;
    let size = unit.flatten();
    if size.is_none() && burst_unit.is_some() {
        return Err(at.key("burst_unit").error(Why::Excludes("rate_unit")));
    }
    let rate = scaled(&at.key("rate"), at.needed(rate, "rate")?, size.unwrap_or(1), u64::MAX)?;
    let per_s = at.optional(per, "per", |at, word| at.keyword(word, PERIODS))?.unwrap_or(1);
    let burst_size = at.optional(burst_unit, "burst_unit", |at, word| at.keyword(word, SIZES))?;
    let usual = if size.is_none() { PACKETS_AT_ONCE } else { 0 };
    let burst = at.optional(burst, "burst", |at, n| {
        let burst = scaled(at, n, burst_size.unwrap_or(1), u64::from(u32::MAX))?;
        u32::try_from(burst).map_err(|_| at.error(Why::Range(0, u64::from(u32::MAX))))
    })?;
    Ok(Limit { rate, per_s, burst: burst.unwrap_or(usual), bytes: size.is_some(), over: flag(at, inv)? })
}

/// A number of units, as bytes.
fn scaled(at: &Place<'_>, term: Term<'_>, size: u64, max: u64) -> Read<u64> {
    at.uint(term, max / size).map(|n| n.saturating_mul(size))
}

fn read_quota(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    let [val, val_unit, used, used_unit, inv] =
        at.fields(value, ["val", "val_unit", "used", "used_unit", "inv"])?;
    let unit = at.optional(val_unit, "val_unit", |at, word| at.keyword(word, SIZES))?.unwrap_or(1);
    let bytes = scaled(&at.key("val"), at.needed(val, "val")?, unit, u64::MAX)?;
    let unit = at.optional(used_unit, "used_unit", |at, word| at.keyword(word, SIZES))?.unwrap_or(1);
    let used = at.optional(used, "used", |at, n| scaled(at, n, unit, u64::MAX))?.unwrap_or(0);
    Ok(Statement::Quota(Quota { bytes, used, over: flag(at, inv)? }))
}

/// Writes key and value of what is read above. What is to be kept with elements (`bare`) has
/// no state yet.
pub(super) fn write(statement: &Statement, bare: bool, w: &mut Writer) {
    match statement {
        Statement::Counter(counter) if bare && *counter == Counter::default() => {
            w.atom(atoms::COUNTER);
            w.atom(atoms::NULL);
        }
        Statement::Counter(counter) => {
            w.atom(atoms::COUNTER);
            w.map(2);
            write_counter(counter, w);
        }
        Statement::Limit(limit) => {
            w.atom(atoms::LIMIT);
            write_limit(limit, w);
        }
        Statement::Quota(quota) => write_quota(quota, w),
        Statement::Last(used) => {
            w.atom(atoms::LAST);
            match used {
                None => w.atom(atoms::NULL),
                Some(ms) => {
                    w.map(1);
                    w.atom(atoms::USED);
                    w.uint(*ms);
                }
            }
        }
        Statement::CtCount(count, over) => {
            w.atom(atoms::CT_COUNT);
            w.map(1 + usize::from(*over));
            w.atom(atoms::VAL);
            w.uint(u64::from(*count));
            write_flag(*over, w);
        }
        // All others are written by those who call this.
        _ => {
            w.atom(atoms::OPAQUE);
            w.atom(atoms::NULL);
        }
    }
}

pub(super) fn write_counter(counter: &Counter, w: &mut Writer) {
    w.atom(atoms::PACKETS);
    w.uint(counter.packets);
    w.atom(atoms::BYTES);
    w.uint(counter.bytes);
}

/// `inv`, where it is true.
pub(super) fn write_flag(over: bool, w: &mut Writer) {
    if over {
        w.atom(atoms::INV);
        w.bool(true);
    }
}

/// The largest unit that a number of bytes is a multiple of.
pub(super) fn sized(bytes: u64) -> (u64, &'static str) {
    let unit = SIZES.iter().rev().find(|(_, size)| bytes != 0 && bytes % size == 0);
    unit.map_or((bytes, "bytes"), |(name, size)| (bytes / size, name))
}

/// The word of a time, or the seconds where there is none.
pub(super) fn write_period(seconds: u64, w: &mut Writer) {
    w.atom(atoms::PER);
    match word_of(PERIODS, seconds) {
        Some(word) => w.text(word),
        None => w.uint(seconds),
    }
}

fn write_limit(limit: &Limit, w: &mut Writer) {
    w.map(3 + 2 * usize::from(limit.bytes) + usize::from(limit.over));
    let (rate, rate_unit) = if limit.bytes { sized(limit.rate) } else { (limit.rate, "") };
    let burst = u64::from(limit.burst);
    let (burst, burst_unit) = if limit.bytes { sized(burst) } else { (burst, "") };
    w.atom(atoms::RATE);
    w.uint(rate);
    write_period(limit.per_s, w);
    w.atom(atoms::BURST);
    w.uint(burst);
    if limit.bytes {
        w.atom(atoms::RATE_UNIT);
        w.text(rate_unit);
        w.atom(atoms::BURST_UNIT);
        w.text(burst_unit);
    }
    write_flag(limit.over, w);
}

fn write_quota(quota: &Quota, w: &mut Writer) {
    w.atom(atoms::QUOTA);
    w.map(2 + 2 * usize::from(quota.used != 0) + usize::from(quota.over));
    let (val, unit) = sized(quota.bytes);
    w.atom(atoms::VAL);
    w.uint(val);
    w.atom(atoms::VAL_UNIT);
    w.text(unit);
    if quota.used != 0 {
        let (used, unit) = sized(quota.used);
        w.atom(atoms::USED);
        w.uint(used);
        w.atom(atoms::USED_UNIT);
        w.text(unit);
    }
    write_flag(quota.over, w);
}

pub(super) fn read_log(at: &Place<'_>, value: Term<'_>) -> Read<Statement> {
    if is_null(&value) {
        return Ok(Statement::Log(Log::default()));
    }
    let keys = ["prefix", "group", "snaplen", "queue-threshold", "level", "flags"];
    let [prefix, group, snaplen, threshold, level, flags] = at.fields(value, keys)?;
    Ok(Statement::Log(Log {
        prefix: at.optional(prefix, "prefix", |at, text| at.text(text, 1, NFT_LOG_PREFIX_MAX).map(owned))?,
        group: at.optional(group, "group", |at, n| at.u16(n))?,
        snaplen: at.optional(snaplen, "snaplen", |at, n| at.u32(n))?,
        queue_threshold: at.optional(threshold, "queue-threshold", |at, n| at.u16(n))?,
        level: at.optional(level, "level", |at, word| at.keyword(word, LEVELS))?,
        flags: at.optional(flags, "flags", |at, flags| LOG.read(at, flags))?.unwrap_or(0),
    }))
}

pub(super) fn write_log(log: &Log, w: &mut Writer) {
    let Log { prefix, group, snaplen, queue_threshold, level, flags } = log;
    let keys = usize::from(prefix.is_some())
        + usize::from(group.is_some())
        + usize::from(snaplen.is_some())
        + usize::from(queue_threshold.is_some())
        + usize::from(level.is_some())
        + usize::from(*flags != 0);
    if keys == 0 {
        return alone(atoms::LOG, w);
    }
    w.map(1);
    w.atom(atoms::LOG);
    w.map(keys);
    if let Some(prefix) = prefix {
        w.atom(atoms::PREFIX);
        w.binary(prefix);
    }
    if let Some(group) = group {
        w.atom(atoms::GROUP);
        w.uint(u64::from(*group));
    }
    if let Some(snaplen) = snaplen {
        w.atom(atoms::SNAPLEN);
        w.uint(u64::from(*snaplen));
    }
    if let Some(threshold) = queue_threshold {
        w.atom(atoms::QUEUE_THRESHOLD);
        w.uint(u64::from(*threshold));
    }
    if let Some(level) = level {
        w.atom(atoms::LEVEL);
        match word_of(LEVELS, *level) {
            Some(word) => w.text(word),
            None => w.uint(u64::from(*level)),
        }
    }
    if *flags != 0 {
        w.atom(atoms::FLAGS);
        LOG.write(*flags, w);
    }
}

/// Reads a statement that elements and sets can keep.
pub(super) fn read_kept(at: &Place<'_>, key: &str, value: Term<'_>) -> Read<Statement> {
    at.count()?;
    match read(at, key, value)? {
        // What is meant is a state of its own for each element.
        Statement::Object(..) => Err(at.error(Why::Expected("map"))),
        kept => Ok(kept),
    }
}

/// Whether elements and sets can keep it.
pub(super) fn is_kept(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Counter(_)
            | Statement::Limit(_)
            | Statement::Quota(_)
            | Statement::Last(_)
            | Statement::CtCount(..)
    )
}
