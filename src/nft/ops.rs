//! The operations of this folder.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::op::{Op, OpRow, Role};

/// A row of role `net` that raises `CAP_NET_ADMIN`: the kernel asks for it with every message, of reading too.
const fn row(op: Op, name: &'static str, key: &'static str, summary: &'static str) -> OpRow {
    OpRow {
        op,
        name,
        roles: &[Role::Net],
        capabilities: &[Capability::NetAdmin],
        policy_key: Some(key),
        summary,
    }
}

/// Rows of the op table.
pub const ROWS: &[OpRow] = &[
    row(Op::NftApply, "nft_apply", "nft.write", "a change of the firewall: all of its commands or none"),
    row(Op::NftConfirm, "nft_confirm", "nft.write", "a change stays that would have taken itself back"),
    row(Op::NftRollback, "nft_rollback", "nft.write", "a change is taken back that is not confirmed"),
    row(Op::NftList, "nft_list", "nft.read", "tables, chains, rules, sets, elements, named objects"),
    row(Op::NftJson, "nft_json", "nft.read", "a change or a listing as JSON text"),
    row(Op::Ban, "ban", "nft.write", "an address or network is kept out for a time"),
    row(Op::Unban, "unban", "nft.write", "it is let in again"),
    row(Op::Banned, "banned", "nft.read", "who is kept out"),
];
