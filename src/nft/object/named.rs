//! Named objects (`enum nft_object_attributes`). Those that this program has words for have the attributes of the expressions
//! of the same name.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::{Seen, Unfit, owned, stateful, userdata};
use crate::netlink::attr::{Attrs, Buffer};
use crate::nft::kernel;
use crate::nft::model::{Family, Object, ObjectKind, ObjectState, Opaque, Statement, TableRef};

/// `NFTA_OBJ_*`
pub(super) mod attribute {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const TYPE: u16 = 3;
    pub const DATA: u16 = 4;
    pub const USE: u16 = 5;
    pub const HANDLE: u16 = 6;
    pub const PAD: u16 = 7;
    pub const USERDATA: u16 = 8;
}

/// `NLA_F_NESTED`
const NESTED: u16 = 1 << 15;

/// The expression that has the attributes of an object.
fn expression(kind: u32) -> Option<&'static [u8]> {
    match kind {
        k if k == ObjectKind::Counter as u32 => Some(b"counter"),
        k if k == ObjectKind::Quota as u32 => Some(b"quota"),
        k if k == ObjectKind::Limit as u32 => Some(b"limit"),
        _ => None,
    }
}

/// Writes an object.
///
/// # Errors
/// If its comment is too long.
pub fn encode(object: &Object, buffer: &mut Buffer) -> Result<(), Unfit> {
    target(&object.table.name, kind(&object.state), &object.name, buffer);
    let statement = match &object.state {
        ObjectState::Counter(counter) => Statement::Counter(*counter),
        ObjectState::Quota(quota) => Statement::Quota(*quota),
        ObjectState::Limit(limit) => Statement::Limit(*limit),
        ObjectState::Opaque(_, opaque) => Statement::Opaque(opaque.clone()),
    };
    if let Statement::Opaque(opaque) = statement {
        buffer.put(attribute::DATA | NESTED, opaque.data.as_deref().unwrap_or(&[]));
    } else if let Some(expression) = stateful::expression(&statement) {
        let nest = buffer.nest(attribute::DATA);
        kernel::attributes(&expression, buffer);
        buffer.end(nest);
    }
    let data = userdata::only_comment(object.comment.as_deref())?;
    if !data.is_empty() {
        buffer.put(attribute::USERDATA, &data);
    }
    Ok(())
}

/// The number of an object's kind.
#[must_use]
pub fn kind(state: &ObjectState) -> u32 {
    match state {
        ObjectState::Counter(_) => ObjectKind::Counter as u32,
        ObjectState::Quota(_) => ObjectKind::Quota as u32,
        ObjectState::Limit(_) => ObjectKind::Limit as u32,
        ObjectState::Opaque(number, _) => *number,
    }
}

/// Writes which object is meant: the kernel wants its kind with its name.
pub fn target(table: &[u8], kind: u32, name: &[u8], buffer: &mut Buffer) {
    buffer.put_text(attribute::TABLE, table);
    buffer.put_text(attribute::NAME, name);
    buffer.put_be32(attribute::TYPE, kind);
}

/// Reads an object; nothing if it has no name or kind.
#[must_use]
pub fn decode(family: u8, body: &[u8]) -> Option<Seen<Object>> {
    let (mut table, mut name, mut handle, mut comment) = (None, None, None, None);
    let (mut kind, mut data, mut opaque) = (None, None, false);
    for attr in Attrs::new(body) {
        match attr.kind {
            attribute::TABLE => table = attr.text(),
            attribute::NAME => name = attr.text(),
            attribute::TYPE => kind = attr.be32(),
            attribute::DATA => data = Some(attr.value),
            attribute::HANDLE => handle = Some(attr.be64()?),
            attribute::USERDATA => comment = userdata::comment(attr.value, userdata::COMMENT),
            attribute::USE | attribute::PAD => {}
            _ => opaque = true,
        }
    }
    let table = TableRef { family: Family::numbered(family)?, name: owned(table?) };
    let state = state(kind?, data);
    let what = Object { table, name: owned(name?), handle, comment: comment.map(owned), state };
    Some(Seen { what, opaque })
}

fn state(kind: u32, data: Option<&[u8]>) -> ObjectState {
    let known = expression(kind).map(|name| stateful::statement(&kernel::understood(name, data, false)));
    match known {
        Some(Statement::Counter(counter)) => ObjectState::Counter(counter),
        Some(Statement::Quota(quota)) => ObjectState::Quota(quota),
        Some(Statement::Limit(limit)) => ObjectState::Limit(limit),
        _ => {
            let name = Cow::Borrowed(expression(kind).unwrap_or(b""));
            ObjectState::Opaque(kind, Opaque { name, data: data.map(<[u8]>::to_vec) })
        }
    }
}
