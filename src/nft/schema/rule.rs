//! Rules, and where they go.
#![forbid(unsafe_code)]

use super::element::read_comment;
use super::place::{Place, Read};
use super::{statement, table};
use crate::error::Why;
use crate::nft::model::{Place as Position, Rule, Statement, TableRef};
use crate::wire::atoms;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// What `handle` says about a rule that is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handle {
    /// Its own, as a listing has it.
    Own,
    /// Its own, which is needed.
    Needed,
    /// That of the rule beside which it goes.
    Beside,
}

/// Reads a rule and its place.
pub(super) fn read(at: &Place<'_>, term: Term<'_>, meaning: Handle) -> Read<(Rule, Position)> {
    let keys = ["family", "table", "chain", "handle", "index", "expr", "comment"];
    let [family, table, chain, handle, index, expr, comment] = at.fields(term, keys)?;
    let read_handle = |at: &Place<'_>, n: Term<'_>| match meaning {
        Handle::Own => at.u64(n),
        Handle::Needed | Handle::Beside => at.between(n, 1, u64::MAX),
    };
    if meaning == Handle::Needed {
        at.needed(handle, "handle")?;
    }
    let handle = at.optional(handle, "handle", read_handle)?;
    let index = match (index, meaning) {
        (Some(_), Handle::Needed) => return Err(at.key("index").error(Why::Excludes("handle"))),
        (Some(_), Handle::Beside) if handle.is_some() => {
            return Err(at.key("index").error(Why::Excludes("handle")));
        }
        (index, _) => at.optional(index, "index", |at, n| at.u32(n))?,
    };
    let (own, beside) = if meaning == Handle::Beside { (None, handle) } else { (handle, None) };
    let place = match (beside, index) {
        (Some(handle), _) => Position::Handle(handle),
        (None, Some(index)) => Position::Index(index),
        (None, None) => Position::Edge,
    };
    let rule = Rule {
        table: at.table(family, table, "table")?,
        chain: at.key("chain").name(at.needed(chain, "chain")?)?,
        handle: own,
        statements: statement::read_rule(&at.key("expr"), at.needed(expr, "expr")?)?,
        comment: at.optional(comment, "comment", read_comment)?,
    };
    Ok((rule, place))
}

/// Writes a rule, as `#{rule => ...}`.
pub fn write(rule: &Rule, w: &mut Writer) {
    let Rule { table, chain, handle, statements, comment } = rule;
    write_parts(table, chain, *handle, statements, comment.as_deref(), w);
}

/// Writes a rule of which only the parts are there.
pub fn write_parts(
    table: &TableRef,
    chain: &[u8],
    handle: Option<u64>,
    statements: &[Statement],
    comment: Option<&[u8]>,
    w: &mut Writer,
) {
    table::begin(atoms::RULE, 4 + table::common(handle, comment), w);
    table::write_key(table, w);
    w.atom(atoms::CHAIN);
    w.binary(chain);
    table::write_common(handle, comment, w);
    w.atom(atoms::EXPR);
    statement::write_all(statements, w);
}
