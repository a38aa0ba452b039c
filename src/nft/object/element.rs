//! Elements of sets (`enum nft_set_elem_list_attributes`, `enum nft_set_elem_attributes`): as many in a message as fit, read
//! and written one after the other.
#![forbid(unsafe_code)]

use std::iter::Peekable;

use super::{Unfit, owned, set, userdata};
use crate::netlink::attr::{Attr, Attrs, Buffer, find};
use crate::nft::model::{RawData, RawElement, Verdict};

/// `NFTA_SET_ELEM_LIST_*`
pub(in crate::nft) mod list {
    pub const TABLE: u16 = 1;
    pub const SET: u16 = 2;
    pub const ELEMENTS: u16 = 3;
    pub const SET_ID: u16 = 4;
}

/// `NFTA_SET_ELEM_*`
pub(super) mod attribute {
    pub const KEY: u16 = 1;
    pub const DATA: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const TIMEOUT: u16 = 4;
    pub const EXPIRATION: u16 = 5;
    pub const USERDATA: u16 = 6;
    pub const EXPR: u16 = 7;
    pub const PAD: u16 = 8;
    pub const OBJREF: u16 = 9;
    pub const KEY_END: u16 = 10;
    pub const EXPRESSIONS: u16 = 11;
}

/// `NFTA_LIST_ELEM`
const ELEMENT: u16 = 1;

/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`; `NFTA_VERDICT_CODE` and `NFTA_VERDICT_CHAIN`.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const CODE: u16 = 1;
const CHAIN: u16 = 2;

/// Bits of [`RawElement::flags`] (`enum nft_set_elem_flags`).
pub mod flag {
    /// `NFT_SET_ELEM_INTERVAL_END`
    pub const INTERVAL_END: u32 = 1;
    /// `NFT_SET_ELEM_CATCHALL`
    pub const CATCH_ALL: u32 = 2;
}

/// Bytes of the list of elements in one message: an attribute says its length in 16 bits.
const LIST_MAX: usize = 65_000;

/// The set whose elements a message is about.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The table.
    pub table: &'a [u8],
    /// The set.
    pub set: &'a [u8],
    /// The number by which the batch refers to it, if it is of this batch.
    pub set_id: Option<u32>,
}

/// Writes the body of one message with as many elements as fit, and says how many; the others stay where they are. No elements
/// at all mean every element when it is about deleting, so then nothing is written and the answer is 0.
///
/// # Errors
/// If an element does not fit even alone, or its user data is too long.
pub fn encode<I>(of: &Of<'_>, elements: &mut Peekable<I>, buffer: &mut Buffer) -> Result<usize, Unfit>
where
    I: Iterator<Item = RawElement>,
{
    if elements.peek().is_none() {
        return Ok(0);
    }
    buffer.put_text(list::TABLE, of.table);
    buffer.put_text(list::SET, of.set);
    if let Some(id) = of.set_id {
        buffer.put_be32(list::SET_ID, id);
    }
    let (start, nest) = (buffer.len(), buffer.nest(list::ELEMENTS));
    let mut count = 0_usize;
    while let Some(element) = elements.peek() {
        let before = buffer.len();
        write(element, buffer)?;
        if buffer.len().saturating_sub(start) > LIST_MAX {
            if count == 0 {
                return Err(Unfit("an element longer than a message"));
            }
            buffer.truncate(before);
            break;
        }
        elements.next();
        count = count.saturating_add(1);
    }
    buffer.end(nest);
    Ok(count)
}

fn write(element: &RawElement, buffer: &mut Buffer) -> Result<(), Unfit> {
    let nest = buffer.nest(ELEMENT);
    for (kind, key) in [(attribute::KEY, &element.key), (attribute::KEY_END, &element.key_end)] {
        if let Some(key) = key {
            write_value(kind, key, buffer);
        }
    }
    match &element.data {
        None => {}
        Some(RawData::Value(value)) => write_value(attribute::DATA, value, buffer),
        Some(RawData::Verdict(verdict)) => write_verdict(verdict, buffer),
        Some(RawData::Object(name)) => buffer.put_text(attribute::OBJREF, name),
    }
    set::write_statements(&element.statements, attribute::EXPR, attribute::EXPRESSIONS, buffer)?;
    if element.flags != 0 {
        buffer.put_be32(attribute::FLAGS, element.flags);
    }
    if let Some(timeout) = element.timeout_ms {
        buffer.put_be64(attribute::TIMEOUT, timeout);
    }
    if let Some(expires) = element.expires_ms {
        buffer.put_be64(attribute::EXPIRATION, expires);
    }
    if element.comment.is_some() {
        buffer.put(attribute::USERDATA, &userdata::only_comment(element.comment.as_deref())?);
    }
    buffer.end(nest);
    Ok(())
}

fn write_value(kind: u16, value: &[u8], buffer: &mut Buffer) {
    let nest = buffer.nest(kind);
    buffer.put(VALUE, value);
    buffer.end(nest);
}

fn write_verdict(verdict: &Verdict, buffer: &mut Buffer) {
    let data = buffer.nest(attribute::DATA);
    let nest = buffer.nest(VERDICT);
    let (code, chain) = verdict_code(verdict);
    buffer.put(CODE, &code.to_be_bytes());
    if let Some(chain) = chain {
        buffer.put_text(CHAIN, chain);
    }
    buffer.end(nest);
    buffer.end(data);
}

/// The kernel's number of a verdict (`enum nft_verdicts`, `NF_ACCEPT`, `NF_DROP`), and its chain.
#[must_use]
pub fn verdict_code(verdict: &Verdict) -> (i32, Option<&[u8]>) {
    match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Continue => (-1, None),
        Verdict::Jump(chain) => (-3, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
        Verdict::Return => (-5, None),
    }
}

/// The verdict of a number and a chain; nothing for others (`NF_QUEUE`), or where a chain is missing or too many.
#[must_use]
pub fn verdict(code: i32, chain: Option<&[u8]>) -> Option<Verdict> {
    Some(match (code, chain) {
        (0, None) => Verdict::Drop,
        (1, None) => Verdict::Accept,
        (-1, None) => Verdict::Continue,
        (-3, Some(chain)) => Verdict::Jump(owned(chain)),
        (-4, Some(chain)) => Verdict::Goto(owned(chain)),
        (-5, None) => Verdict::Return,
        _ => return None,
    })
}

/// The elements of a message, one by one.
#[must_use]
pub fn elements(body: &[u8]) -> Attrs<'_> {
    find(body, list::ELEMENTS).map_or_else(|| Attrs::new(&[]), |list| list.attrs())
}

/// Reads an element. `true` if there is more that this program has no word for.
#[must_use]
pub fn decode(attr: &Attr<'_>) -> (RawElement, bool) {
    let (mut element, mut opaque) = (RawElement::default(), attr.kind != ELEMENT);
    for attr in attr.attrs() {
        let understood = take(&mut element, &attr);
        opaque |= understood.is_none();
    }
    (element, opaque)
}

fn take(element: &mut RawElement, attr: &Attr<'_>) -> Option<()> {
    match attr.kind {
        attribute::KEY => element.key = Some(value(attr)?.to_vec()),
        attribute::KEY_END => element.key_end = Some(value(attr)?.to_vec()),
        attribute::DATA => element.data = Some(data(attr)?),
        attribute::OBJREF => element.data = Some(RawData::Object(owned(attr.text()?))),
        attribute::FLAGS => element.flags = attr.be32()?,
        attribute::TIMEOUT => element.timeout_ms = Some(attr.be64()?),
        attribute::EXPIRATION => element.expires_ms = Some(attr.be64()?),
        attribute::USERDATA => {
            element.comment = userdata::comment(attr.value, userdata::COMMENT).map(owned);
        }
        attribute::EXPR | attribute::EXPRESSIONS => {
            element.statements = set::statements(attr, attr.kind == attribute::EXPR);
        }
        attribute::PAD => {}
        _ => return None,
    }
    Some(())
}

fn value<'a>(attr: &Attr<'a>) -> Option<&'a [u8]> {
    attr.attrs().find(|inner| inner.kind == VALUE).map(|inner| inner.value)
}

fn data(attr: &Attr<'_>) -> Option<RawData> {
    let inner = attr.attrs().next()?;
    match inner.kind {
        VALUE => Some(RawData::Value(inner.value.to_vec())),
        VERDICT => {
            let (mut code, mut chain) = (None, None);
            for attr in inner.attrs() {
                match attr.kind {
                    CODE => code = attr.value.try_into().ok().map(i32::from_be_bytes),
                    CHAIN => chain = Some(attr.text()?),
                    _ => return None,
                }
            }
            verdict(code?, chain).map(RawData::Verdict)
        }
        _ => None,
    }
}
