//! A rule in the making: what it consists of so far, what is known of the packets that get there, and which registers are in use.
#![forbid(unsafe_code)]

use super::context::Context;
use super::fault::Make;
use super::{Anonymous, Fault, Scope};
use crate::error::Why;
use crate::nft::kernel::{Cmp, DATA_MAX, Data, Immediate, KExpr, REG_1, REG32_00, Reg};
use crate::nft::model::{Base, Family};
use crate::nft::tables::Tunnel;

/// Registers of four bytes.
const SLOTS: u32 = 16;

/// Bytes of a register, and of the registers that nft gives to every value but concatenations.
const SLOT_BYTES: usize = 4;
const WIDE: u32 = 4;

/// A register of four bytes, from 0.
pub(super) type Slot = u32;

/// The number of a register in messages: the first of four has the number of all four (`netlink_put_register` and the kernel's
/// `nft_dump_register` say it so).
pub(super) fn reg(slot: Slot) -> Reg {
    if slot % WIDE == 0 { REG_1 + slot / WIDE } else { REG32_00 + slot }
}

/// How many registers so many bytes take.
pub(super) fn slots(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(SLOT_BYTES)).unwrap_or(u32::MAX)
}

/// A place in a packet, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub base: Base,
    pub offset: u32,
    pub len: u32,
}

/// A piece of the rule that stays together.
#[derive(Debug)]
pub(super) enum Unit {
    /// A place of the packet is compared with a value: neighbours can become one comparison. `key`: what it says decides
    /// which header follows.
    Equal { place: Place, value: Vec<u8>, key: bool },
    /// Another comparison.
    Test(Vec<KExpr<'static>>),
    /// A statement that does something: nothing is moved across it.
    Act(Vec<KExpr<'static>>),
}

/// The rule.
pub(super) struct Rule<'s> {
    pub scope: &'s dyn Scope,
    pub context: Context,
    /// What is known of the packet inside of a tunnel.
    pub inner: Option<(Tunnel, Context)>,
    pub units: Vec<Unit>,
    /// Expressions of the statement that is being made.
    pub out: Vec<KExpr<'static>>,
    pub sets: Vec<Anonymous>,
    next: Slot,
}

impl<'s> Rule<'s> {
    pub(super) fn new(scope: &'s dyn Scope) -> Self {
        let context = Context::new(scope.family());
        Self { scope, context, inner: None, units: Vec::new(), out: Vec::new(), sets: Vec::new(), next: 0 }
    }

    pub(super) fn family(&self) -> Family {
        self.scope.family()
    }

    /// A statement begins, all registers are free.
    pub(super) fn begin(&mut self) {
        self.next = 0;
        self.out.clear();
    }

    /// Ends a statement that does something.
    pub(super) fn act(&mut self) {
        let out = std::mem::take(&mut self.out);
        self.units.push(Unit::Act(out));
    }

    /// Ends a comparison.
    pub(super) fn test(&mut self) {
        let out = std::mem::take(&mut self.out);
        self.units.push(Unit::Test(out));
    }

    /// Registers for a value that is no concatenation: nft gives sixteen bytes to each.
    pub(super) fn register(&mut self) -> Make<Slot> {
        self.registers(WIDE)
    }

    /// So many registers.
    pub(super) fn registers(&mut self, count: u32) -> Make<Slot> {
        let first = self.next;
        let end = first.checked_add(count).filter(|end| *end <= SLOTS);
        self.next = end.ok_or_else(|| Fault::new(Why::TooMany(u64::from(SLOTS))))?;
        Ok(first)
    }

    /// Gives registers back, down to that one.
    pub(super) fn release(&mut self, slot: Slot) {
        self.next = slot;
    }

    pub(super) fn emit(&mut self, expression: KExpr<'static>) {
        self.out.push(expression);
    }

    /// Loads bytes.
    pub(super) fn immediate(&mut self, slot: Slot, bytes: &[u8]) -> Make<()> {
        let data = Immediate::Value(data(bytes)?);
        self.emit(KExpr::Immediate { dreg: reg(slot), data });
        Ok(())
    }

    pub(super) fn compare(&mut self, slot: Slot, op: Cmp, bytes: &[u8]) -> Make<()> {
        let data = data(bytes)?;
        self.emit(KExpr::Cmp { sreg: reg(slot), op, data });
        Ok(())
    }

    /// Turns the bytes of a number around.
    pub(super) fn turn(&mut self, slot: Slot, to_network: bool, len: usize) -> Make<()> {
        // The kernel turns units of two, four or eight bytes (nft_byteorder_init).
        let size = [8, 4, 2].into_iter().find(|size| len % size == 0);
        let size =
            size.ok_or_else(|| Fault::new(Why::Unsupported("numbers of three bytes in another order")))?;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (len, size) = (narrow(len), narrow(size));
        self.emit(KExpr::Byteorder { sreg: reg(slot), dreg: reg(slot), to_network, len, size });
        Ok(())
    }
}

/// Bytes of a register.
pub(super) fn data(bytes: &[u8]) -> Make<Data> {
    let max = u64::try_from(DATA_MAX).unwrap_or(u64::MAX);
    Data::new(bytes).ok_or_else(|| Fault::new(Why::Length(0, max)))
}
