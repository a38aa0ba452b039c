//! Tables.
#![forbid(unsafe_code)]

use super::element::read_comment;
use super::flags::TABLE;
use super::place::{Place, Read};
use crate::nft::model::{Table, TableRef};
use crate::wire::atoms::{self, Atom};
use crate::wire::term::Term;
use crate::wire::write::Writer;

pub(super) fn read(at: &Place<'_>, term: Term<'_>) -> Read<Table> {
    let [family, name, handle, flags, comment] =
        at.fields(term, ["family", "name", "handle", "flags", "comment"])?;
    Ok(Table {
        id: at.table(family, name, "name")?,
        handle: at.optional(handle, "handle", |at, n| at.u64(n))?,
        flags: at.optional(flags, "flags", |at, flags| TABLE.read(at, flags))?.unwrap_or(0),
        comment: at.optional(comment, "comment", read_comment)?,
    })
}

/// Writes a table, as `#{table => ...}`.
pub fn write(table: &Table, w: &mut Writer) {
    let Table { id, handle, flags, comment } = table;
    begin(atoms::TABLE, 2 + usize::from(*flags != 0) + common(*handle, comment.as_deref()), w);
    w.atom(atoms::FAMILY);
    w.text(id.family.name());
    w.atom(atoms::NAME);
    w.binary(&id.name);
    write_common(*handle, comment.as_deref(), w);
    if *flags != 0 {
        w.atom(atoms::FLAGS);
        TABLE.write(*flags, w);
    }
}

/// Begins an object of that kind with so many keys.
pub(super) fn begin(kind: Atom, keys: usize, w: &mut Writer) {
    w.map(1);
    w.atom(kind);
    w.map(keys);
}

/// How many keys [`write_common`] writes.
pub(super) fn common(handle: Option<u64>, comment: Option<&[u8]>) -> usize {
    usize::from(handle.is_some()) + usize::from(comment.is_some())
}

/// `handle` and `comment`, where there are any.
pub(super) fn write_common(handle: Option<u64>, comment: Option<&[u8]>, w: &mut Writer) {
    if let Some(handle) = handle {
        w.atom(atoms::HANDLE);
        w.uint(handle);
    }
    if let Some(comment) = comment {
        w.atom(atoms::COMMENT);
        w.binary(comment);
    }
}

/// The two keys of the table that an object lies in.
pub(super) fn write_key(table: &TableRef, w: &mut Writer) {
    w.atom(atoms::FAMILY);
    w.text(table.family.name());
    w.atom(atoms::TABLE);
    w.binary(&table.name);
}
