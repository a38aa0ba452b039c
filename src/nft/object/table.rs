//! Tables (`enum nft_table_attributes`).
#![forbid(unsafe_code)]

use super::{Seen, Unfit, owned, userdata};
use crate::netlink::attr::{Attrs, Buffer};
use crate::nft::model::{Family, Table, TableRef};

/// `NFTA_TABLE_*`
pub(super) mod attribute {
    pub const NAME: u16 = 1;
    pub const FLAGS: u16 = 2;
    pub const USE: u16 = 3;
    pub const HANDLE: u16 = 4;
    pub const PAD: u16 = 5;
    pub const USERDATA: u16 = 6;
    pub const OWNER: u16 = 7;
}

/// Writes a table. Its handle is the kernel's to give.
///
/// # Errors
/// If its comment is too long.
pub fn encode(table: &Table, buffer: &mut Buffer) -> Result<(), Unfit> {
    buffer.put_text(attribute::NAME, &table.id.name);
    buffer.put_be32(attribute::FLAGS, table.flags);
    let data = userdata::only_comment(table.comment.as_deref())?;
    if !data.is_empty() {
        buffer.put(attribute::USERDATA, &data);
    }
    Ok(())
}

/// Reads a table; nothing if it has no name or is of a family that this program does not know.
#[must_use]
pub fn decode(family: u8, body: &[u8]) -> Option<Seen<Table>> {
    let (mut name, mut handle, mut flags, mut comment, mut opaque) = (None, None, 0, None, false);
    for attr in Attrs::new(body) {
        match attr.kind {
            attribute::NAME => name = attr.text(),
            attribute::FLAGS => flags = attr.be32()?,
            attribute::HANDLE => handle = Some(attr.be64()?),
            attribute::USERDATA => comment = userdata::comment(attr.value, userdata::COMMENT),
            attribute::USE | attribute::PAD | attribute::OWNER => {}
            _ => opaque = true,
        }
    }
    let id = TableRef { family: Family::numbered(family)?, name: owned(name?) };
    Some(Seen { what: Table { id, handle, flags, comment: comment.map(owned) }, opaque })
}
