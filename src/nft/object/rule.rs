//! Rules (`enum nft_rule_attributes`). Ten thousand of them are read in one listing: names are borrowed, and the expressions
//! stay attributes until somebody wants them.
#![forbid(unsafe_code)]

use super::{Unfit, userdata};
use crate::netlink::attr::{Attrs, Buffer};
use crate::nft::kernel::{self, KExpr};

/// `NFTA_RULE_*`
pub(super) mod attribute {
    pub const TABLE: u16 = 1;
    pub const CHAIN: u16 = 2;
    pub const HANDLE: u16 = 3;
    pub const EXPRESSIONS: u16 = 4;
    pub const COMPAT: u16 = 5;
    pub const POSITION: u16 = 6;
    pub const USERDATA: u16 = 7;
    pub const PAD: u16 = 8;
    pub const ID: u16 = 9;
    pub const POSITION_ID: u16 = 10;
}

/// A rule as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRule<'a> {
    /// The table.
    pub table: &'a [u8],
    /// The chain.
    pub chain: &'a [u8],
    /// The kernel's number for it.
    pub handle: u64,
    /// The number of the rule before it; the first has none.
    pub after: Option<u64>,
    /// Its expressions, for [`kernel::decode`].
    pub expressions: &'a [u8],
    /// A comment.
    pub comment: Option<&'a [u8]>,
    /// There is more that this program has no word for, such as what iptables-nft says of its own rules (`NFTA_RULE_COMPAT`).
    pub opaque: bool,
}

/// Reads a rule; nothing if it lacks a name or a number.
#[must_use]
pub fn decode(body: &[u8]) -> Option<RawRule<'_>> {
    let (mut table, mut chain, mut handle) = (None, None, None);
    let mut rule = RawRule {
        table: &[],
        chain: &[],
        handle: 0,
        after: None,
        expressions: &[],
        comment: None,
        opaque: false,
    };
    for attr in Attrs::new(body) {
        match attr.kind {
            attribute::TABLE => table = attr.text(),
            attribute::CHAIN => chain = attr.text(),
            attribute::HANDLE => handle = attr.be64(),
            attribute::EXPRESSIONS => rule.expressions = attr.value,
            attribute::POSITION => rule.after = attr.be64(),
            attribute::USERDATA => rule.comment = userdata::comment(attr.value, userdata::COMMENT),
            attribute::PAD | attribute::ID => {}
            _ => rule.opaque = true,
        }
    }
    Some(RawRule { table: table?, chain: chain?, handle: handle?, ..rule })
}

/// Which rule a message means or stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The end of the chain with `NLM_F_APPEND`, its beginning without.
    Edge,
    /// Behind the rule of that handle with `NLM_F_APPEND`, before it without.
    Handle(u64),
    /// The same for a rule of the same batch, by its [`New::id`].
    Id(u32),
    /// In the place of the rule of that handle (with `NLM_F_REPLACE`).
    Replace(u64),
}

/// A rule to be written.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// The table.
    pub table: &'a [u8],
    /// The chain.
    pub chain: &'a [u8],
    /// A number by which others of the batch can be put beside it.
    pub id: Option<u32>,
    /// Where.
    pub beside: Beside,
    /// What it does.
    pub expressions: &'a [KExpr<'a>],
    /// A comment.
    pub comment: Option<&'a [u8]>,
}

/// Writes a rule.
///
/// # Errors
/// If its comment is too long.
pub fn encode(rule: &New<'_>, buffer: &mut Buffer) -> Result<(), Unfit> {
    buffer.put_text(attribute::TABLE, rule.table);
    buffer.put_text(attribute::CHAIN, rule.chain);
    match rule.beside {
        Beside::Edge => {}
        Beside::Handle(handle) => buffer.put_be64(attribute::POSITION, handle),
        Beside::Id(id) => buffer.put_be32(attribute::POSITION_ID, id),
        Beside::Replace(handle) => buffer.put_be64(attribute::HANDLE, handle),
    }
    let nest = buffer.nest(attribute::EXPRESSIONS);
    kernel::request(rule.expressions, buffer);
    buffer.end(nest);
    let data = userdata::only_comment(rule.comment)?;
    if !data.is_empty() {
        buffer.put(attribute::USERDATA, &data);
    }
    if let Some(id) = rule.id {
        buffer.put_be32(attribute::ID, id);
    }
    Ok(())
}

/// Writes which rule is meant, to delete or get it. The kernel takes a missing handle for all rules of the chain, and a missing
/// chain for all of the table; so both are asked for here.
pub fn target(table: &[u8], chain: &[u8], handle: u64, buffer: &mut Buffer) {
    buffer.put_text(attribute::TABLE, table);
    buffer.put_text(attribute::CHAIN, chain);
    buffer.put_be64(attribute::HANDLE, handle);
}
