//! Chains: those that rules call, and those that hooks call, at their priorities.
#![forbid(unsafe_code)]

use super::element::read_comment;
use super::flags::CHAIN;
use super::packet::word_of;
use super::place::{Place, Read, owned};
use super::table;
use crate::error::Why;
use crate::limits::{DEVICE_NAME_MAX, NFT_DEVICES_MAX};
use crate::nft::model::{BaseChain, Chain, Family, Text};
use crate::wire::atoms;
use crate::wire::schema::echo;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// Types of base chains (nft(8), "CHAINS").
const KINDS: &[&str] = &["filter", "nat", "route"];

/// Words for numbers.
type Words<T> = &'static [(&'static str, T)];

/// The hooks of a family (`enum nf_inet_hooks`, `nf_dev_hooks`: netfilter.h; netfilter_arp.h; netfilter_bridge.h).
fn hooks(family: Family) -> Words<u32> {
    match family {
        Family::Ip | Family::Ip6 | Family::Bridge => {
            &[("prerouting", 0), ("input", 1), ("forward", 2), ("output", 3), ("postrouting", 4)]
        }
        Family::Inet => &[
            ("prerouting", 0),
            ("input", 1),
            ("forward", 2),
            ("output", 3),
            ("postrouting", 4),
            ("ingress", 5),
        ],
        Family::Arp => &[("input", 0), ("output", 1)],
        Family::Netdev => &[("ingress", 0), ("egress", 1)],
    }
}

/// The named priorities of a family, and the hooks that have them; none where all do (nft(8), tables 6 and 7).
fn priorities(family: Family) -> Words<(i32, &'static [u32])> {
    match family {
        Family::Ip | Family::Ip6 | Family::Inet => &[
            ("raw", (-300, &[])),
            ("mangle", (-150, &[])),
            ("dstnat", (-100, &[0, 3])),
            ("filter", (0, &[])),
            ("security", (50, &[])),
            ("srcnat", (100, &[1, 4])),
        ],
        Family::Bridge => &[
            ("dstnat", (-300, &[0])),
            ("filter", (-200, &[])),
            ("out", (100, &[3])),
            ("srcnat", (300, &[4])),
        ],
        Family::Arp | Family::Netdev => &[("filter", (0, &[]))],
    }
}

pub(super) fn read(at: &Place<'_>, term: Term<'_>) -> Read<Chain> {
    let keys =
        ["family", "table", "name", "handle", "comment", "type", "hook", "prio", "dev", "policy", "flags"];
    let [family, table, name, handle, comment, kind, hook, prio, dev, policy, flags] =
        at.fields(term, keys)?;
    let table = at.table(family, table, "table")?;
    let based = [kind, hook, prio, dev, policy, flags].iter().any(Option::is_some);
    let base =
        if based { Some(read_base(at, table.family, [kind, hook, prio, dev, policy, flags])?) } else { None };
    Ok(Chain {
        table,
        name: at.key("name").name(at.needed(name, "name")?)?,
        handle: at.optional(handle, "handle", |at, n| at.u64(n))?,
        base,
        comment: at.optional(comment, "comment", read_comment)?,
    })
}

fn read_base(at: &Place<'_>, family: Family, parts: [Option<Term<'_>>; 6]) -> Read<BaseChain> {
    let [kind, hook, prio, dev, policy, flags] = parts;
    let kind = at.key("type").among(
        at.needed(kind, "type")?,
        || KINDS.to_vec(),
        |word| KINDS.iter().find(|kind| kind.as_bytes() == word).map(|kind| Text::Borrowed(kind.as_bytes())),
    )?;
    let hook = at.key("hook").keyword(at.needed(hook, "hook")?, hooks(family))?;
    Ok(BaseChain {
        kind,
        hook,
        priority: priority(&at.key("prio"), at.needed(prio, "prio")?, family, hook)?,
        accepts: at
            .optional(policy, "policy", |at, word| at.keyword(word, &[("accept", true), ("drop", false)]))?,
        devices: at.optional(dev, "dev", devices)?.unwrap_or_default(),
        offload: at.optional(flags, "flags", |at, flags| CHAIN.read(at, flags))?.unwrap_or(0) != 0,
    })
}

/// A name, or a list of names.
fn devices(at: &Place<'_>, term: Term<'_>) -> Read<Vec<Text>> {
    let device = |at: &Place<'_>, term| at.text(term, 1, DEVICE_NAME_MAX).map(owned);
    match term {
        Term::List(_) => {
            let names = at.list(term, NFT_DEVICES_MAX)?;
            (1..).zip(names).map(|(n, term)| device(&at.index(n), term)).collect()
        }
        _ => Ok(vec![device(at, term)?]),
    }
}

/// A number, a name, or a name with an offset: `srcnat - 5`.
fn priority(at: &Place<'_>, term: Term<'_>, family: Family, hook: u32) -> Read<i32> {
    if let Term::Integer(n) = term {
        return i32::try_from(n).map_err(|_| at.error(Why::Expected("priority")));
    }
    let word = at.word(term)?;
    named_priority(word, family, hook).ok_or_else(|| {
        let known: Vec<&str> = priorities(family).iter().map(|(name, _)| *name).collect();
        // Where the name is right, the offset or the hook is not.
        let name = word.get(..name_length(word)).unwrap_or(word);
        if known.iter().any(|known| known.as_bytes() == name) {
            return at.error(Why::UnknownName(echo(word)));
        }
        at.misspelt(word, &known)
    })
}

fn name_length(word: &[u8]) -> usize {
    word.iter().position(|b| !b.is_ascii_lowercase()).unwrap_or(word.len())
}

fn named_priority(word: &[u8], family: Family, hook: u32) -> Option<i32> {
    let (name, offset) = word.split_at_checked(name_length(word))?;
    let (_, (base, at)) = priorities(family).iter().find(|(word, _)| word.as_bytes() == name)?;
    if !at.is_empty() && !at.contains(&hook) {
        return None;
    }
    let (sign, digits) = match offset.trim_ascii().split_first() {
        None => return Some(*base),
        Some((b'+', digits)) => (1, digits.trim_ascii_start()),
        Some((b'-', digits)) => (-1, digits.trim_ascii_start()),
        Some(_) => return None,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let offset: i32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    base.checked_add(offset.checked_mul(sign)?)
}

/// Writes a chain, as `#{chain => ...}`.
pub fn write(chain: &Chain, w: &mut Writer) {
    let Chain { table, name, handle, base, comment } = chain;
    let more = base.as_ref().map_or(0, |base| {
        3 + usize::from(!base.devices.is_empty())
            + usize::from(base.accepts.is_some())
            + usize::from(base.offload)
    });
    table::begin(atoms::CHAIN, 3 + more + table::common(*handle, comment.as_deref()), w);
    table::write_key(table, w);
    w.atom(atoms::NAME);
    w.binary(name);
    table::write_common(*handle, comment.as_deref(), w);
    if let Some(base) = base {
        write_base(base, table.family, w);
    }
}

fn write_base(base: &BaseChain, family: Family, w: &mut Writer) {
    let BaseChain { kind, hook, priority, accepts, devices, offload } = base;
    w.atom(atoms::TYPE);
    w.binary(kind);
    w.atom(atoms::HOOK);
    match word_of(hooks(family), *hook) {
        Some(word) => w.text(word),
        None => w.uint(u64::from(*hook)),
    }
    w.atom(atoms::PRIO);
    w.int(i64::from(*priority));
    match devices.as_slice() {
        [] => {}
        [device] => {
            w.atom(atoms::DEV);
            w.binary(device);
        }
        several => {
            w.atom(atoms::DEV);
            w.list(several.len());
            several.iter().for_each(|device| w.binary(device));
            w.nil();
        }
    }
    if let Some(accepts) = accepts {
        w.atom(atoms::POLICY);
        w.text(if *accepts { "accept" } else { "drop" });
    }
    if *offload {
        w.atom(atoms::FLAGS);
        CHAIN.write(1, w);
    }
}
