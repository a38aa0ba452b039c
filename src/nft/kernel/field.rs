//! Attributes as the fields of an expression: what each type is as an attribute, both ways.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::{Cmp, Data, Immediate, KExpr, Name};
use crate::netlink::attr::{Attr, Attrs, Buffer};

/// Attributes of an expression have lower numbers than this; `dynset` has the most.
const KINDS: usize = 11;

/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;

/// `NFTA_VERDICT_CODE` and `NFTA_VERDICT_CHAIN`.
const CODE: u16 = 1;
const CHAIN: u16 = 2;

/// The attributes of one expression by their kind. What is not taken out of it was not understood.
pub(super) struct Fields<'a> {
    values: [&'a [u8]; KINDS],
    /// A bit for each that is there and was not taken.
    left: u32,
}

impl<'a> Fields<'a> {
    /// None.
    #[inline]
    pub(super) fn new() -> Self {
        Self { values: [&[]; KINDS], left: 0 }
    }

    /// Reads them in place: they are moved nowhere, and there are ten thousand times seven of them in a listing. Nothing if an
    /// attribute is not whole, stands twice, or has a number that no expression uses.
    #[inline]
    pub(super) fn read(&mut self, bytes: &'a [u8]) -> Option<()> {
        let (mut attrs, mut there) = (Attrs::new(bytes), 0);
        for attr in attrs.by_ref() {
            let slot = self.values.get_mut(usize::from(attr.kind))?;
            let bit = 1 << attr.kind;
            if there & bit != 0 {
                return None;
            }
            *slot = attr.value;
            there |= bit;
        }
        self.left = there;
        attrs.is_whole().then_some(())
    }

    /// Whether it is there.
    pub(super) fn has(&self, kind: u16) -> bool {
        self.left & (1 << kind) != 0
    }

    /// Takes a field.
    pub(super) fn take<T: Field<'a>>(&mut self, kind: u16) -> Option<T> {
        let bit = 1 << kind;
        let there = self.left & bit != 0;
        self.left &= !bit;
        if !there {
            return T::absent();
        }
        let value = self.values.get(usize::from(kind))?;
        T::read(&Attr { kind, nested: false, value })
    }

    /// Forgets the padding that some architectures put before numbers of 64 bits (`NFTA_*_PAD`).
    pub(super) fn skip(&mut self, kind: u16) {
        if self.values.get(usize::from(kind)).is_some_and(|value| value.is_empty()) {
            self.left &= !(1 << kind);
        }
    }

    /// Whether all that was there was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }
}

/// What an attribute can hold.
pub(super) trait Field<'a>: Sized {
    /// What it is where there is no attribute; nothing where there must be one.
    fn absent() -> Option<Self> {
        None
    }
    /// Nothing if writing it would not give the same bytes.
    fn read(attr: &Attr<'a>) -> Option<Self>;
    /// Writes the attribute.
    fn write(&self, kind: u16, buffer: &mut Buffer);
}

impl Field<'_> for u8 {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        attr.u8()
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_u8(kind, *self);
    }
}

impl Field<'_> for u16 {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        attr.be16()
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_be16(kind, *self);
    }
}

impl Field<'_> for u32 {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        attr.be32()
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_be32(kind, *self);
    }
}

impl Field<'_> for i32 {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        attr.value.try_into().ok().map(Self::from_be_bytes)
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put(kind, &self.to_be_bytes());
    }
}

impl Field<'_> for u64 {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        attr.be64()
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_be64(kind, *self);
    }
}

/// Four bytes that are 0 or 1.
impl Field<'_> for bool {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        match attr.be32()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_be32(kind, u32::from(*self));
    }
}

impl Field<'_> for Cmp {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        let ops = [Self::Eq, Self::Neq, Self::Lt, Self::Lte, Self::Gt, Self::Gte];
        ops.get(usize::try_from(attr.be32()?).ok()?).copied()
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_be32(kind, *self as u32);
    }
}

impl<'a> Field<'a> for Name<'a> {
    fn read(attr: &Attr<'a>) -> Option<Self> {
        let (end, name) = attr.value.split_last()?;
        (*end == 0 && !name.contains(&0)).then_some(Cow::Borrowed(name))
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        buffer.put_text(kind, self);
    }
}

/// The one attribute inside of another.
fn only<'a>(attr: &Attr<'a>) -> Option<Attr<'a>> {
    let mut attrs = attr.attrs();
    let first = attrs.next()?;
    (attrs.next().is_none() && attrs.is_whole()).then_some(first)
}

impl Field<'_> for Data {
    fn read(attr: &Attr<'_>) -> Option<Self> {
        let inner = only(attr)?;
        if inner.kind == VALUE { Self::new(inner.value) } else { None }
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        let nest = buffer.nest(kind);
        buffer.put(VALUE, self.bytes());
        buffer.end(nest);
    }
}

impl<'a> Field<'a> for Immediate<'a> {
    fn read(attr: &Attr<'a>) -> Option<Self> {
        let inner = only(attr)?;
        match inner.kind {
            VALUE => Data::new(inner.value).map(Self::Value),
            VERDICT => {
                let mut fields = Fields::new();
                fields.read(inner.value)?;
                let verdict = Self::Verdict(fields.take(CODE)?, fields.take(CHAIN)?);
                fields.is_empty().then_some(verdict)
            }
            _ => None,
        }
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        let nest = buffer.nest(kind);
        match self {
            Self::Value(data) => buffer.put(VALUE, data.bytes()),
            Self::Verdict(code, chain) => {
                let verdict = buffer.nest(VERDICT);
                code.write(CODE, buffer);
                chain.write(CHAIN, buffer);
                buffer.end(verdict);
            }
        }
        buffer.end(nest);
    }
}

impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn read(attr: &Attr<'a>) -> Option<Self> {
        T::read(attr).map(Some)
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        if let Some(value) = self {
            value.write(kind, buffer);
        }
    }
}

/// An expression inside of another, which holds none itself.
impl<'a> Field<'a> for Box<KExpr<'a>> {
    fn read(attr: &Attr<'a>) -> Option<Self> {
        super::list::one(attr.value, false).map(Self::new)
    }
    fn write(&self, kind: u16, buffer: &mut Buffer) {
        let nest = buffer.nest(kind);
        super::list::write(self, buffer);
        buffer.end(nest);
    }
}
