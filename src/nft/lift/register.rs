//! What the registers hold while a rule is followed.
#![forbid(unsafe_code)]

use crate::nft::kernel::{Data, REG32_00, Reg};
use crate::nft::model::{Base, Expr, Order, Part, Type};
use crate::nft::tables::HeaderKind;

/// Registers of four bytes.
const SLOTS: usize = 16;

/// A set of expressions of the rule, by index.
pub(super) type Cover = u128;

/// What a register holds, and which expressions put it there.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub what: What,
    /// Bytes of the register that it fills.
    pub len: u32,
    pub from: Cover,
}

/// Kinds of values.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A constant.
    Data(Data),
    /// Something of the packet, or computed from it.
    Selector(Selector),
    /// What a map has for a key.
    Mapped(Box<Mapped>),
}

/// Something of the packet.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    pub expr: Expr,
    pub shape: Shape,
    /// Where it was read, as long as nothing was done with it.
    pub place: Option<Place>,
    /// A mask, and bits that are turned over behind it, that nobody has asked about yet.
    pub masked: Option<Box<Masked>>,
}

/// `(value & mask) ^ xor`
#[derive(Clone, Copy, Debug)]
pub(super) struct Masked {
    pub mask: u128,
    pub xor: u128,
}

/// How the bytes of a value are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub ty: Type,
    /// Bits that count.
    pub bits: u32,
    pub order: Order,
    /// Bits below them in the register that do not: a field that was cut out and not moved down.
    pub shift: u32,
    /// Bytes in the register.
    pub len: u32,
}

impl Shape {
    pub(super) fn new(ty: Type, bits: u32, order: Order) -> Self {
        Self { ty, bits, order, shift: 0, len: bits.div_ceil(8) }
    }

    pub(super) fn part(self) -> Part {
        Part { ty: self.ty, bits: self.bits, order: self.order }
    }
}

/// Where bytes were read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the packet: bytes from a base.
    Packet { base: Base, offset: u32 },
    /// In the packet inside of a tunnel.
    Inside { base: Base, offset: u32 },
    /// In an option.
    Option { kind: HeaderKind, number: u8, offset: u32 },
}

/// What a map has for a key.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub key: Expr,
    pub shapes: Vec<Shape>,
    pub set: Vec<u8>,
}

/// The registers: values by the first slot of four bytes that they fill. Few are held at a time, most often one.
#[derive(Debug, Default)]
pub(super) struct Registers {
    first: Option<Held>,
    others: Vec<Held>,
}

/// A value, and the slots that it fills.
#[derive(Debug)]
struct Held {
    from: usize,
    to: usize,
    value: Value,
}

/// The slot of a register; the verdict has none.
pub(super) fn slot(reg: Reg) -> Option<usize> {
    let reg = match reg {
        1..=4 => (reg - 1) * 4,
        _ => reg.checked_sub(REG32_00)?,
    };
    usize::try_from(reg).ok().filter(|slot| *slot < SLOTS)
}

/// Slots that so many bytes fill.
pub(super) fn width(len: u32) -> usize {
    usize::try_from(len.div_ceil(4)).unwrap_or(SLOTS)
}

impl Registers {
    /// Puts a value into a register; what it overwrites is forgotten.
    pub(super) fn put(&mut self, reg: Reg, value: Value) -> Option<()> {
        let from = slot(reg)?;
        let to = from.checked_add(width(value.len).max(1)).filter(|to| *to <= SLOTS)?;
        let apart = |held: &Held| held.to <= from || held.from >= to;
        self.others.retain(apart);
        if self.first.as_ref().is_some_and(apart) {
            self.others.push(Held { from, to, value });
        } else {
            self.first = Some(Held { from, to, value });
        }
        Some(())
    }

    /// The value that begins in a register.
    pub(super) fn get(&self, reg: Reg) -> Option<&Value> {
        self.at(slot(reg)?)
    }

    /// The value that begins in a slot.
    pub(super) fn at(&self, slot: usize) -> Option<&Value> {
        let all = self.first.iter().chain(&self.others);
        all.into_iter().find(|held| held.from == slot).map(|held| &held.value)
    }

    /// Takes the value out that begins in a register.
    pub(super) fn take(&mut self, reg: Reg) -> Option<Value> {
        let slot = slot(reg)?;
        if let Some(held) = self.first.take_if(|held| held.from == slot) {
            return Some(held.value);
        }
        let at = self.others.iter().position(|held| held.from == slot)?;
        Some(self.others.swap_remove(at).value)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.first = None;
        self.others.clear();
    }
}
