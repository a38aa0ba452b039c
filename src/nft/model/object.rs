//! What a ruleset is made of: tables and what lies in them.
#![forbid(unsafe_code)]

use super::{Counter, Expr, Family, Limit, ObjectKind, Opaque, Quota, Statement, Text, Type};

/// Where an object lies: a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableRef {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: Text,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Family and name.
    pub id: TableRef,
    /// The kernel's number for it.
    pub handle: Option<u64>,
    /// `NFT_TABLE_F_*`: dormant 1, owner 2, persist 4.
    pub flags: u32,
    /// A comment.
    pub comment: Option<Text>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where.
    pub table: TableRef,
    /// Its name.
    pub name: Text,
    /// The kernel's number for it.
    pub handle: Option<u64>,
    /// For a chain that a hook calls.
    pub base: Option<BaseChain>,
    /// A comment.
    pub comment: Option<Text>,
}

/// How a chain is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// `filter`, `nat`, `route`.
    pub kind: Text,
    /// The number of the hook in the table's family.
    pub hook: u32,
    /// Lower ones are called first.
    pub priority: i32,
    /// Accept (`true`) or drop what reaches the end.
    pub accepts: Option<bool>,
    /// The devices, for hooks that are of devices.
    pub devices: Vec<Text>,
    /// `NFT_CHAIN_HW_OFFLOAD`.
    pub offload: bool,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Where.
    pub table: TableRef,
    /// The chain.
    pub chain: Text,
    /// The kernel's number for it.
    pub handle: Option<u64>,
    /// Its statements.
    pub statements: Vec<Statement>,
    /// A comment.
    pub comment: Option<Text>,
}

/// Bits of [`Set::flags`] (`enum nft_set_flags`).
pub mod set_flag {
    /// `NFT_SET_ANONYMOUS`
    pub const ANONYMOUS: u32 = 1;
    /// `NFT_SET_CONSTANT`
    pub const CONSTANT: u32 = 2;
    /// `NFT_SET_INTERVAL`
    pub const INTERVAL: u32 = 4;
    /// `NFT_SET_MAP`
    pub const MAP: u32 = 8;
    /// `NFT_SET_TIMEOUT`
    pub const TIMEOUT: u32 = 16;
    /// `NFT_SET_EVAL`
    pub const EVAL: u32 = 32;
    /// `NFT_SET_OBJECT`
    pub const OBJECT: u32 = 64;
    /// `NFT_SET_CONCAT`
    pub const CONCAT: u32 = 128;
    /// `NFT_SET_EXPR`
    pub const EXPR: u32 = 256;
}

/// What the elements of a set, or the data of a map, are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// The parts; more than one is a concatenation.
    pub parts: Vec<Part>,
    /// The expression that it was declared with (`typeof`), where that is known.
    pub of: Option<Expr>,
}

/// One part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The type.
    pub ty: Type,
    /// Bits that count; in a register each part begins at a multiple of four bytes.
    pub bits: u32,
    /// The order of its bytes in the register.
    pub order: super::Order,
}

/// What a map maps to.
#[derive(Clone, Debug, PartialEq)]
pub enum MapData {
    /// Values.
    Values(Datum),
    /// Ranges of values: the first and the last side by side (for `snat` and `dnat` through a map).
    Ranges(Datum),
    /// Verdicts.
    Verdicts,
    /// Names of objects.
    Objects(ObjectKind),
}

/// A set or a map, without its elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Where.
    pub table: TableRef,
    /// Its name; `__set%d` and `__map%d` ask the kernel for a number.
    pub name: Text,
    /// The kernel's number for it.
    pub handle: Option<u64>,
    /// What its keys are.
    pub key: Datum,
    /// What they map to.
    pub data: Option<MapData>,
    /// [`set_flag`]s.
    pub flags: u32,
    /// How long elements stay, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How often those that are over are looked for, in milliseconds.
    pub gc_ms: Option<u32>,
    /// How many elements at most.
    pub size: Option<u32>,
    /// `NFT_SET_POL_*`: performance 0, memory 1.
    pub policy: Option<u32>,
    /// Overlapping intervals are merged.
    pub auto_merge: bool,
    /// A comment.
    pub comment: Option<Text>,
    /// What is kept with every element.
    pub statements: Vec<Statement>,
}

/// An element as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawElement {
    /// `NFTA_SET_ELEM_KEY`: the parts, each filled up to a multiple of four bytes. None for the catch-all element.
    pub key: Option<Vec<u8>>,
    /// `NFTA_SET_ELEM_KEY_END`: of a range in a concatenation.
    pub key_end: Option<Vec<u8>>,
    /// What it maps to.
    pub data: Option<RawData>,
    /// `NFT_SET_ELEM_*`: interval end 1, catch-all 2.
    pub flags: u32,
    /// Milliseconds.
    pub timeout_ms: Option<u64>,
    /// Milliseconds that are left.
    pub expires_ms: Option<u64>,
    /// From its user data.
    pub comment: Option<Text>,
    /// `NFTA_SET_ELEM_EXPR(ESSIONS)`: what is kept with it.
    pub statements: Vec<Statement>,
}

/// What an element maps to.
#[derive(Clone, Debug, PartialEq)]
pub enum RawData {
    /// A value.
    Value(Vec<u8>),
    /// A verdict.
    Verdict(super::Verdict),
    /// A named object.
    Object(Text),
}

/// A named object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Where.
    pub table: TableRef,
    /// Its name.
    pub name: Text,
    /// The kernel's number for it.
    pub handle: Option<u64>,
    /// A comment.
    pub comment: Option<Text>,
    /// What it is.
    pub state: ObjectState,
}

/// What a named object is.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectState {
    /// `counter`
    Counter(Counter),
    /// `quota`
    Quota(Quota),
    /// `limit`
    Limit(Limit),
    /// Any other kind: its number, and its data as an [`Opaque`].
    Opaque(u32, Opaque),
}
