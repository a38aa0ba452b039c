//! Sets and maps without their elements (`enum nft_set_attributes`).
#![forbid(unsafe_code)]

use super::{Seen, Unfit, declared, owned, stateful, types, userdata};
use crate::netlink::attr::{Attr, Attrs, Buffer};
use crate::nft::kernel::{self, KExpr};
use crate::nft::model::{
    Datum, Family, MapData, ObjectKind, Order, Part, Set, Statement, TableRef, Type, set_flag,
};

/// `NFTA_SET_*`
pub(super) mod attribute {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const KEY_TYPE: u16 = 4;
    pub const KEY_LEN: u16 = 5;
    pub const DATA_TYPE: u16 = 6;
    pub const DATA_LEN: u16 = 7;
    pub const POLICY: u16 = 8;
    pub const DESC: u16 = 9;
    pub const ID: u16 = 10;
    pub const TIMEOUT: u16 = 11;
    pub const GC_INTERVAL: u16 = 12;
    pub const USERDATA: u16 = 13;
    pub const PAD: u16 = 14;
    pub const OBJ_TYPE: u16 = 15;
    pub const HANDLE: u16 = 16;
    pub const EXPR: u16 = 17;
    pub const EXPRESSIONS: u16 = 18;
    /// How the kernel keeps it, and how many elements it has: since Linux 6.16, not in older headers.
    pub const BACKEND: u16 = 19;
    pub const COUNT: u16 = 20;
}

/// `NFTA_SET_DESC_*`, `NFTA_LIST_ELEM` and `NFTA_SET_FIELD_LEN`.
pub(super) const DESC_SIZE: u16 = 1;
const DESC_CONCAT: u16 = 2;
const ELEMENT: u16 = 1;
const FIELD_LEN: u16 = 1;

/// `NFT_DATA_VERDICT`
const VERDICT: u32 = 0xffff_ff00;

/// Bytes of a verdict in the kernel (`struct nft_verdict`): what nft says, and the kernel answers.
const VERDICT_BYTES: u32 = 16;

/// Records of user data (libnftnl's udata of sets).
mod record {
    pub const KEY_ORDER: u8 = 0;
    pub const DATA_ORDER: u8 = 1;
    pub const MERGE: u8 = 2;
    pub const KEY_TYPEOF: u8 = 3;
    pub const DATA_TYPEOF: u8 = 4;
    pub const DATA_INTERVAL: u8 = 6;
    pub const COMMENT: u8 = 7;
}

/// Orders in user data: nft's numbers.
const HOST: u32 = 1;
const NETWORK: u32 = 2;

/// The flags that the kernel wants, those included which follow from what the set is.
#[must_use]
pub fn flags(set: &Set) -> u32 {
    let mut flags = set.flags;
    if set.key.parts.len() > 1 && flags & set_flag::INTERVAL != 0 {
        flags |= set_flag::CONCAT;
    }
    match set.data {
        None => {}
        Some(MapData::Objects(_)) => flags |= set_flag::OBJECT,
        Some(_) => flags |= set_flag::MAP,
    }
    if set.statements.len() > 1 {
        flags |= set_flag::EXPR;
    }
    flags
}

/// Writes a set. `id` is a number by which the batch can refer to it; the kernel wants one of every set.
///
/// # Errors
/// If its user data is too long, or a statement is none that elements can keep.
pub fn encode(set: &Set, id: u32, buffer: &mut Buffer) -> Result<(), Unfit> {
    buffer.put_text(attribute::TABLE, &set.table.name);
    buffer.put_text(attribute::NAME, &set.name);
    let flags = flags(set);
    buffer.put_be32(attribute::FLAGS, flags);
    buffer.put_be32(attribute::KEY_TYPE, types::pack(&set.key.parts));
    buffer.put_be32(attribute::KEY_LEN, length(types::total(&set.key.parts))?);
    write_data(set, buffer)?;
    buffer.put_be32(attribute::ID, id);
    if let Some(timeout) = set.timeout_ms {
        buffer.put_be64(attribute::TIMEOUT, timeout);
    }
    if let Some(gc) = set.gc_ms {
        buffer.put_be32(attribute::GC_INTERVAL, gc);
    }
    if let Some(policy) = set.policy {
        buffer.put_be32(attribute::POLICY, policy);
    }
    buffer.put(attribute::USERDATA, &user_data(set)?);
    write_description(set, flags & set_flag::CONCAT != 0, buffer)?;
    write_statements(&set.statements, attribute::EXPR, attribute::EXPRESSIONS, buffer)
}

fn length(bytes: usize) -> Result<u32, Unfit> {
    u32::try_from(bytes).map_err(|_| Unfit("longer than registers are"))
}

fn write_data(set: &Set, buffer: &mut Buffer) -> Result<(), Unfit> {
    match &set.data {
        None => {}
        Some(MapData::Values(datum)) => {
            buffer.put_be32(attribute::DATA_TYPE, types::pack(&datum.parts));
            buffer.put_be32(attribute::DATA_LEN, length(types::total(&datum.parts))?);
        }
        Some(MapData::Ranges(datum)) => {
            buffer.put_be32(attribute::DATA_TYPE, types::pack(&datum.parts));
            buffer.put_be32(attribute::DATA_LEN, length(types::total(&datum.parts).saturating_mul(2))?);
        }
        Some(MapData::Verdicts) => {
            buffer.put_be32(attribute::DATA_TYPE, VERDICT);
            buffer.put_be32(attribute::DATA_LEN, VERDICT_BYTES);
        }
        Some(MapData::Objects(kind)) => buffer.put_be32(attribute::OBJ_TYPE, *kind as u32),
    }
    Ok(())
}

fn write_description(set: &Set, concat: bool, buffer: &mut Buffer) -> Result<(), Unfit> {
    if set.size.is_none() && !concat {
        return Ok(());
    }
    let nest = buffer.nest(attribute::DESC);
    if let Some(size) = set.size {
        buffer.put_be32(DESC_SIZE, size);
    }
    if concat {
        let fields = buffer.nest(DESC_CONCAT);
        for part in &set.key.parts {
            let field = buffer.nest(ELEMENT);
            buffer.put_be32(FIELD_LEN, length(types::bytes(part))?);
            buffer.end(field);
        }
        buffer.end(fields);
    }
    buffer.end(nest);
    Ok(())
}

/// Writes what is kept with elements: one expression has an attribute of its own, several have another.
pub(super) fn write_statements(
    statements: &[Statement],
    one: u16,
    several: u16,
    buffer: &mut Buffer,
) -> Result<(), Unfit> {
    let kept = |statement| stateful::expression(statement).ok_or(Unfit("no statement that elements keep"));
    match statements {
        [] => {}
        [statement] => {
            let nest = buffer.nest(one);
            kernel::write(&kept(statement)?, buffer);
            buffer.end(nest);
        }
        statements => {
            let nest = buffer.nest(several);
            for statement in statements {
                kernel::encode(&[kept(statement)?], buffer);
            }
            buffer.end(nest);
        }
    }
    Ok(())
}

fn user_data(set: &Set) -> Result<Vec<u8>, Unfit> {
    let order = |parts: &[Part]| match parts {
        [one] if one.order == Order::Host => HOST,
        [_] => NETWORK,
        _ => 0,
    };
    let mut out = Vec::new();
    userdata::put_number(&mut out, record::KEY_ORDER, order(&set.key.parts))?;
    put_declared(&mut out, record::KEY_TYPEOF, &set.key)?;
    match &set.data {
        None => {}
        Some(MapData::Values(datum)) => {
            userdata::put_number(&mut out, record::DATA_ORDER, order(&datum.parts))?;
            put_declared(&mut out, record::DATA_TYPEOF, datum)?;
        }
        Some(MapData::Ranges(datum)) => {
            userdata::put_number(&mut out, record::DATA_ORDER, order(&datum.parts))?;
            put_declared(&mut out, record::DATA_TYPEOF, datum)?;
            userdata::put_number(&mut out, record::DATA_INTERVAL, 1)?;
        }
        Some(MapData::Verdicts | MapData::Objects(_)) => {
            userdata::put_number(&mut out, record::DATA_ORDER, 0)?;
            // nft reads what the keys of a verdict map were declared with only where it is said of the verdicts as well.
            if set.data == Some(MapData::Verdicts) && set.key.of.is_some() {
                userdata::put(&mut out, record::DATA_TYPEOF, &declared::verdict()?)?;
            }
        }
    }
    if set.auto_merge {
        userdata::put_number(&mut out, record::MERGE, 1)?;
    }
    userdata::put_comment(&mut out, record::COMMENT, set.comment.as_deref())?;
    Ok(out)
}

/// The expression that it was declared with, if there is a record for it.
fn put_declared(out: &mut Vec<u8>, kind: u8, datum: &Datum) -> Result<(), Unfit> {
    let Some(expr) = &datum.of else { return Ok(()) };
    match declared::write(expr)? {
        Some(record) => userdata::put(out, kind, &record),
        None => Ok(()),
    }
}

/// What a message says of a set before it is put together.
#[derive(Default)]
struct Raw<'a> {
    table: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    handle: Option<u64>,
    flags: u32,
    key: (u32, u32),
    data: Option<(u32, u32)>,
    object: Option<u32>,
    timeout: Option<u64>,
    gc: Option<u32>,
    policy: Option<u32>,
    size: Option<u32>,
    user: &'a [u8],
    statements: Vec<Statement>,
    opaque: bool,
}

/// Reads a set; nothing if it has no name or a number is not what it should be.
#[must_use]
pub fn decode(family: u8, body: &[u8]) -> Option<Seen<Set>> {
    let mut raw = Raw::default();
    for attr in Attrs::new(body) {
        raw.take(&attr)?;
    }
    let (key, data) = raw.key_and_data();
    let what = Set {
        table: TableRef { family: Family::numbered(family)?, name: owned(raw.table?) },
        name: owned(raw.name?),
        handle: raw.handle,
        key,
        data,
        flags: raw.flags,
        timeout_ms: raw.timeout,
        gc_ms: raw.gc,
        size: raw.size,
        policy: raw.policy,
        auto_merge: userdata::number(raw.user, record::MERGE) == Some(1),
        comment: userdata::comment(raw.user, record::COMMENT).map(owned),
        statements: raw.statements,
    };
    Some(Seen { what, opaque: raw.opaque })
}

impl<'a> Raw<'a> {
    fn take(&mut self, attr: &Attr<'a>) -> Option<()> {
        match attr.kind {
            attribute::TABLE => self.table = attr.text(),
            attribute::NAME => self.name = attr.text(),
            attribute::HANDLE => self.handle = Some(attr.be64()?),
            attribute::FLAGS => self.flags = attr.be32()?,
            attribute::KEY_TYPE => self.key.0 = attr.be32()?,
            attribute::KEY_LEN => self.key.1 = attr.be32()?,
            attribute::DATA_TYPE => self.data.get_or_insert_default().0 = attr.be32()?,
            attribute::DATA_LEN => self.data.get_or_insert_default().1 = attr.be32()?,
            attribute::OBJ_TYPE => self.object = Some(attr.be32()?),
            attribute::TIMEOUT => self.timeout = Some(attr.be64()?),
            attribute::GC_INTERVAL => self.gc = Some(attr.be32()?),
            attribute::POLICY => self.policy = Some(attr.be32()?),
            attribute::USERDATA => self.user = attr.value,
            attribute::DESC => self.describe(attr)?,
            attribute::EXPR | attribute::EXPRESSIONS => {
                self.statements = statements(attr, attr.kind == attribute::EXPR);
            }
            attribute::PAD | attribute::ID | attribute::BACKEND | attribute::COUNT => {}
            _ => self.opaque = true,
        }
        Some(())
    }

    fn key_and_data(&mut self) -> (Datum, Option<MapData>) {
        let key = self.datum(self.key, record::KEY_ORDER, record::KEY_TYPEOF);
        let ranges = userdata::number(self.user, record::DATA_INTERVAL) == Some(1);
        let data = match (self.data, self.object) {
            (Some((VERDICT, _)), _) => Some(MapData::Verdicts),
            (Some((number, length)), _) if ranges && length % 2 == 0 => {
                let data = (number, length / 2);
                Some(MapData::Ranges(self.datum(data, record::DATA_ORDER, record::DATA_TYPEOF)))
            }
            (Some(data), _) => {
                Some(MapData::Values(self.datum(data, record::DATA_ORDER, record::DATA_TYPEOF)))
            }
            (None, Some(number)) => {
                let kind = object_kind(number);
                self.opaque |= kind.is_none();
                kind.map(MapData::Objects)
            }
            (None, None) => None,
        };
        (key, data)
    }

    /// Key or data by number and length. A number that is not nft's becomes a plain number of that length, and the set is marked.
    fn datum(&mut self, (number, length): (u32, u32), order: u8, declaration: u8) -> Datum {
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        let order = user_order(self.user, order);
        let declared = userdata::find(self.user, declaration).and_then(declared::read);
        let known = declared.as_ref().and_then(|declared| declared.parts.as_deref());
        let parts = types::parts(number, bytes, order, known);
        // What contradicts the set's own types is not what it was declared with.
        let agrees = known.is_none_or(|known| parts.as_deref() == Some(known));
        let of =
            declared.as_ref().filter(|_| agrees && parts.is_some()).map(|declared| declared.expr.clone());
        let parts = parts.unwrap_or_else(|| {
            self.opaque = true;
            let order = order.unwrap_or(Order::Network);
            vec![Part { ty: Type::Integer, bits: length.saturating_mul(8), order }]
        });
        Datum { parts, of }
    }

    /// The lengths of a concatenation's parts are not looked at: they follow from the types.
    fn describe(&mut self, attr: &Attr<'a>) -> Option<()> {
        for attr in attr.attrs() {
            match attr.kind {
                DESC_SIZE => self.size = Some(attr.be32()?),
                DESC_CONCAT => {}
                _ => self.opaque = true,
            }
        }
        Some(())
    }
}

/// What is kept with elements.
pub(super) fn statements(attr: &Attr<'_>, one: bool) -> Vec<Statement> {
    let mut expressions = Vec::new();
    if one {
        expressions.extend(kernel::one(attr.value, false));
    } else {
        kernel::decode(attr.attrs(), &mut expressions);
    }
    expressions.iter().map(|e: &KExpr<'_>| stateful::statement(e)).collect()
}

fn user_order(user: &[u8], kind: u8) -> Option<Order> {
    match userdata::number(user, kind)? {
        HOST => Some(Order::Host),
        NETWORK => Some(Order::Network),
        _ => None,
    }
}

/// The kind of that number.
#[must_use]
pub fn object_kind(number: u32) -> Option<ObjectKind> {
    use ObjectKind::{Counter, CtExpectation, CtHelper, CtTimeout, Limit, Quota, Secmark, Synproxy};
    [Counter, Quota, CtHelper, Limit, CtTimeout, Secmark, CtExpectation, Synproxy]
        .into_iter()
        .find(|kind| *kind as u32 == number)
}

/// Writes which set is meant.
pub fn target(table: &[u8], name: &[u8], buffer: &mut Buffer) {
    buffer.put_text(attribute::TABLE, table);
    buffer.put_text(attribute::NAME, name);
}
