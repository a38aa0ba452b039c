//! Headers inside of a tunnel: every look into the packet is wrapped into an expression that finds the inner headers first.
#![forbid(unsafe_code)]

use crate::nft::kernel::KExpr;
use crate::nft::tables::{self, Protocol, Tunnel};

/// `NFT_INNER_HDRSIZE`, `NFT_INNER_LL`, `NFT_INNER_NH`, `NFT_INNER_TH` (nf_tables.h since Linux 6.2).
const HDRSIZE: u32 = 1;
const LL: u32 = 2;
const NH: u32 = 4;
const TH: u32 = 8;

/// What the tunnel itself is carried by.
pub(super) fn outer(tunnel: Tunnel) -> &'static Protocol {
    match tunnel {
        Tunnel::Vxlan | Tunnel::Geneve => &tables::UDP,
        Tunnel::Gre => &tables::GRE,
        Tunnel::Gretap => &tables::GRETAP,
    }
}

/// Wraps what looks into the packet; comparisons and look-ups stay as they are. The numbers are `enum nft_inner_type`, and for
/// GRE those that nft 1.1 writes.
pub(super) fn wrapped(tunnel: Tunnel, expressions: Vec<KExpr<'static>>) -> Vec<KExpr<'static>> {
    let (kind, hdrsize, flags) = match tunnel {
        Tunnel::Vxlan => (1, 8, HDRSIZE | LL | NH | TH),
        Tunnel::Geneve => (2, 8, HDRSIZE | LL | NH | TH),
        Tunnel::Gre => (3, 4, NH | TH),
        Tunnel::Gretap => (4, 4, LL | NH | TH),
    };
    let wrap = |expression| match expression {
        KExpr::Payload { .. } | KExpr::Meta { .. } => {
            KExpr::Inner { num: 0, kind, flags, hdrsize, expr: Box::new(expression) }
        }
        other => other,
    };
    expressions.into_iter().map(wrap).collect()
}
