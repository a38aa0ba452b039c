//! Elements of sets and maps.
#![forbid(unsafe_code)]

use super::place::{Budget, Place, Read, owned};
use super::{expr, state, statement};
use crate::error::{RequestError, Why};
use crate::limits::{NFT_COMMENT_MAX, NFT_ELEMENT_STATEMENTS_MAX};
use crate::nft::model::{Elem, Expr, Statement, TableRef, Text};
use crate::wire::atoms;
use crate::wire::schema::At;
use crate::wire::term::Term;
use crate::wire::write::Writer;

/// Seconds whose milliseconds fit 64 bits.
const SECONDS_MAX: u64 = u64::MAX / 1000;

/// Reads an element of a named set or map: a key, `[Key, Data]`, or `elem` with either. For commands whose elements stay
/// in the frame ([`Command`](crate::nft::model::Command)); the path goes on from `at`.
///
/// # Errors
/// What is not of the schema, and where.
pub fn read_one(term: Term<'_>, at: &At<'_>) -> Result<Expr, RequestError> {
    expr::key_or_pair(&Budget::new().place(at), term)
}

/// `elem`: a key with more than itself.
pub(super) fn read(at: &Place<'_>, value: Term<'_>) -> Read<Expr> {
    let keys =
        ["val", "timeout", "expires", "comment", "counter", "limit", "quota", "last", "ct count", "stmt"];
    let [val, timeout, expires, comment, counter, limit, quota, last, connections, stmt] =
        at.fields(value, keys)?;
    let mut statements = at.optional(stmt, "stmt", read_statements)?.unwrap_or_default();
    let single =
        [("counter", counter), ("limit", limit), ("quota", quota), ("last", last), ("ct count", connections)];
    for (key, value) in single.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        let at = at.key(key);
        if stmt.is_some() {
            return Err(at.error(Why::Excludes("stmt")));
        }
        statements.push(state::read_kept(&at, key, value)?);
    }
    if statements.len() > NFT_ELEMENT_STATEMENTS_MAX {
        return Err(at.error(Why::TooMany(u64::try_from(NFT_ELEMENT_STATEMENTS_MAX).unwrap_or(2))));
    }
    Ok(Expr::Elem(Box::new(Elem {
        value: expr::read(&at.key("val"), at.needed(val, "val")?)?,
        timeout_ms: at.optional(timeout, "timeout", read_seconds)?,
        expires_ms: at.optional(expires, "expires", read_seconds)?,
        comment: at.optional(comment, "comment", read_comment)?,
        statements,
    })))
}

/// Seconds, as milliseconds.
pub(super) fn read_seconds(at: &Place<'_>, term: Term<'_>) -> Read<u64> {
    at.uint(term, SECONDS_MAX).map(|seconds| seconds.saturating_mul(1000))
}

pub(super) fn read_comment(at: &Place<'_>, term: Term<'_>) -> Read<Text> {
    at.text(term, 1, NFT_COMMENT_MAX).map(owned)
}

/// The statements that a set keeps with every element.
pub(super) fn read_statements(at: &Place<'_>, term: Term<'_>) -> Read<Vec<Statement>> {
    let read = statement::read_all(at, term, NFT_ELEMENT_STATEMENTS_MAX)?;
    match read.iter().position(|statement| !state::is_kept(statement)) {
        Some(n) => Err(at.index(n + 1).error(Why::Expected("counter"))),
        None => Ok(read),
    }
}

/// Writes statements that are to be kept with elements; a counter that has not counted yet is written without its numbers.
pub(super) fn write_statements(statements: &[Statement], w: &mut Writer) {
    w.list(statements.len());
    for one in statements {
        if state::is_kept(one) {
            w.map(1);
            state::write(one, true, w);
        } else {
            statement::write(one, w);
        }
    }
    if !statements.is_empty() {
        w.nil();
    }
}

/// Writes `elem`.
pub(super) fn write(elem: &Elem, w: &mut Writer) {
    let Elem { value, timeout_ms, expires_ms, comment, statements } = elem;
    let as_keys = distinct(statements);
    let more = if as_keys { statements.len() } else { 1 };
    w.map(1);
    w.atom(atoms::ELEM);
    w.map(
        1 + usize::from(timeout_ms.is_some())
            + usize::from(expires_ms.is_some())
            + usize::from(comment.is_some())
            + more,
    );
    w.atom(atoms::VAL);
    expr::write(value, w);
    if let Some(ms) = timeout_ms {
        w.atom(atoms::TIMEOUT);
        w.uint(ms / 1000);
    }
    if let Some(ms) = expires_ms {
        w.atom(atoms::EXPIRES);
        w.uint(ms / 1000);
    }
    if let Some(comment) = comment {
        w.atom(atoms::COMMENT);
        w.binary(comment);
    }
    if as_keys {
        statements.iter().for_each(|statement| state::write(statement, false, w));
    } else {
        w.atom(atoms::STMT);
        statement::write_all(statements, w);
    }
}

/// Whether each can be a key of its own, as nft has them. A map whose key stands twice is not a term, and its keys have no order:
/// they are read in this one, and the kernel takes an element only if its statements are in the order of its set's.
fn distinct(statements: &[Statement]) -> bool {
    let rank = |statement: &Statement| match statement {
        Statement::Counter(_) => Some(1),
        Statement::Limit(_) => Some(2),
        Statement::Quota(_) => Some(3),
        Statement::Last(_) => Some(4),
        Statement::CtCount(..) => Some(5),
        _ => None,
    };
    let mut last = Some(0);
    statements.iter().all(|statement| {
        let before = std::mem::replace(&mut last, rank(statement));
        last.is_some() && before < last
    })
}

/// Writes elements of a set as an object of their own: `element`.
pub fn write_elements(table: &TableRef, set: &[u8], elements: &[Expr], w: &mut Writer) {
    w.map(1);
    w.atom(atoms::ELEMENT);
    w.map(4);
    super::table::write_key(table, w);
    w.atom(atoms::NAME);
    w.binary(set);
    w.atom(atoms::ELEM);
    expr::list(elements, w);
}
