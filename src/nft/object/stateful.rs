//! The statements that can be kept with an element or be an object of their own, from and to the kernel's expressions.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::owned;
use crate::netlink::attr::{Buffer, find};
use crate::nft::kernel::{self, KExpr};
use crate::nft::model::{Counter, Limit, Opaque, Quota, Statement};

/// `NFT_LIMIT_F_INV`, `NFT_QUOTA_F_INV`, `NFT_CONNLIMIT_F_INV`
const INVERTED: u32 = 1;

/// `NFT_LIMIT_PKT_BYTES`
const BYTES: u32 = 1;

/// The expression of such a statement; nothing for statements of other kinds.
#[must_use]
pub fn expression(statement: &Statement) -> Option<KExpr<'_>> {
    let flags = |over: bool| if over { INVERTED } else { 0 };
    Some(match statement {
        Statement::Counter(c) => KExpr::Counter { bytes: c.bytes, packets: c.packets },
        Statement::Limit(l) => KExpr::Limit {
            rate: l.rate,
            unit: l.per_s,
            burst: l.burst,
            kind: if l.bytes { BYTES } else { 0 },
            flags: flags(l.over),
        },
        Statement::Quota(q) => KExpr::Quota { bytes: q.bytes, consumed: q.used, flags: flags(q.over) },
        Statement::Last(ago) => KExpr::Last { set: ago.is_some(), msecs: ago.unwrap_or(0) },
        Statement::CtCount(count, over) => KExpr::Connlimit { count: *count, flags: flags(*over) },
        Statement::Opaque(o) => {
            KExpr::Opaque { name: Cow::Borrowed(&o.name), data: o.data.as_deref().map(Cow::Borrowed) }
        }
        _ => return None,
    })
}

/// The statement of such an expression; [`Statement::Opaque`] for any other, and for flags without a word.
#[must_use]
pub fn statement(expression: &KExpr<'_>) -> Statement {
    match *expression {
        KExpr::Counter { bytes, packets } => Statement::Counter(Counter { packets, bytes }),
        KExpr::Limit { rate, unit, burst, kind, flags } if kind <= BYTES && flags <= INVERTED => {
            Statement::Limit(Limit {
                rate,
                per_s: unit,
                burst,
                bytes: kind == BYTES,
                over: flags == INVERTED,
            })
        }
        // NFT_QUOTA_F_DEPLETED says that it was used up, as `consumed` does.
        KExpr::Quota { bytes, consumed, flags } if flags <= 3 => {
            Statement::Quota(Quota { bytes, used: consumed, over: flags & INVERTED != 0 })
        }
        KExpr::Last { set, msecs } => Statement::Last(set.then_some(msecs)),
        KExpr::Connlimit { count, flags } if flags <= INVERTED => {
            Statement::CtCount(count, flags == INVERTED)
        }
        _ => Statement::Opaque(opaque(expression)),
    }
}

/// An expression as bytes.
#[must_use]
pub fn opaque(expression: &KExpr<'_>) -> Opaque {
    let mut buffer = Buffer::new();
    kernel::write(expression, &mut buffer);
    let of = |kind| find(buffer.bytes(), kind);
    Opaque {
        name: of(1).and_then(|name| name.text()).map_or(Cow::Borrowed(b""), owned),
        data: of(2).map(|data| data.value.to_vec()),
    }
}
