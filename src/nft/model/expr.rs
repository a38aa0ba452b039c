//! Expressions: constants, what is read from a packet, and what is computed from both.
#![forbid(unsafe_code)]

use super::{Statement, Text, Verdict};
use crate::nft::tables::{CtKey, Field, Header, HeaderField, MetaKey, Tunnel};

/// An expression of the schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Int(u64),
    /// A symbol, an address, a name, a number as text, `*`: its meaning comes from the type that is expected.
    Text(Text),
    /// The presence of a header or a route, as a value.
    Bool(bool),
    /// `@name`: a named set or map.
    SetRef(Text),
    /// From the first to the second, both included.
    Range(Box<[Expr; 2]>),
    /// The leading bits of an address or a number.
    Prefix(Box<Expr>, u32),
    /// An anonymous set; in a map each element is a [`Expr::Pair`].
    Set(Vec<Expr>),
    /// A key and what it maps to.
    Pair(Box<[Expr; 2]>),
    /// An element with more than a key.
    Elem(Box<Elem>),
    /// Several values side by side.
    Concat(Vec<Expr>),
    /// Alternatives without a set: `["new", "established"]` on the right of a match on flags.
    List(Vec<Expr>),
    /// Bits combined or moved.
    Binop(Binop, Box<[Expr; 2]>),
    /// The value that a map has for a key; the second is [`Expr::Set`] or [`Expr::SetRef`].
    Map(Box<[Expr; 2]>),
    /// A verdict as data of a map.
    Verdict(Verdict),
    /// A field of a known header.
    Payload(&'static Field),
    /// Bits of a packet, by place.
    RawPayload(RawPayload),
    /// A field of a header inside a tunnel.
    Inner(Tunnel, &'static Field),
    /// A field of an extension header, an option or a chunk; without one: whether it is there.
    Exthdr(&'static Header, Option<&'static HeaderField>),
    /// Bits of an option or chunk of any kind: which (`Header::number` of its kind), bit offset, bits.
    RawOption(RawOption),
    /// What the kernel knows of the packet beside its bytes.
    Meta(MetaKey),
    /// What connection tracking knows of it.
    Ct(Ct),
    /// What the routing decision was.
    Rt(Rt),
    /// What the socket that it belongs to is.
    Socket(Socket),
    /// What the sender's system looks like.
    Osf(Osf),
    /// What a route look-up would say.
    Fib(Fib),
    /// What the IPsec transformation is.
    Ipsec(Ipsec),
    /// A counter or random number modulo something.
    Numgen(Numgen),
    /// A hash of an expression.
    Jhash(Box<Jhash>),
    /// The hash that the kernel has of the packet, modulo something.
    Symhash(Modulus),
}

/// Operations on bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binop {
    /// `|`
    Or,
    /// `&`
    And,
    /// `^`
    Xor,
    /// `<<`
    Left,
    /// `>>`
    Right,
}

/// An element with more than a key (`elem` in the schema).
#[derive(Clone, Debug, PartialEq)]
pub struct Elem {
    /// The key: a value, a range, a prefix, a concatenation, or `*`.
    pub value: Expr,
    /// Seconds after which it goes, in milliseconds here as the kernel has it.
    pub timeout_ms: Option<u64>,
    /// What is left of that.
    pub expires_ms: Option<u64>,
    /// A comment.
    pub comment: Option<Text>,
    /// Counters, limits and the like that are kept with it.
    pub statements: Vec<Statement>,
}

/// A place in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawPayload {
    /// From where.
    pub base: Base,
    /// Bits from there.
    pub offset: u32,
    /// How many bits.
    pub len: u32,
}

/// Where a payload offset counts from (`enum nft_payload_bases`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Base {
    /// `ll`
    Link = 0,
    /// `nh`
    Network = 1,
    /// `th`
    Transport = 2,
    /// `ih`
    Inner = 3,
    /// Behind a tunnel header; no word of the schema names it.
    Tunnel = 4,
}

/// Bits of an option of any kind (`tcp option` with base, offset, len).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawOption {
    /// The kind.
    pub kind: u8,
    /// Bits from its beginning.
    pub offset: u32,
    /// How many bits.
    pub len: u32,
}

/// `ct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ct {
    /// What.
    pub key: CtKey,
    /// Of which direction (`IP_CT_DIR_ORIGINAL` 0, `IP_CT_DIR_REPLY` 1).
    pub direction: Option<Direction>,
}

/// Directions of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// As it was opened.
    Original = 0,
    /// The way back.
    Reply = 1,
}

/// `rt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rt {
    /// `NFT_RT_*`: classid 0, nexthop4 1, nexthop6 2, tcpmss 3, xfrm 4.
    pub key: u8,
    /// The family that was written down with `nexthop`.
    pub family: Option<super::Family>,
}

/// `socket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// `NFT_SOCKET_*`: transparent 0, mark 1, wildcard 2, cgroupv2 3.
    pub key: u8,
    /// For cgroupv2.
    pub level: Option<u32>,
}

/// `osf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Osf {
    /// The version too (`NFT_OSF_F_VERSION`).
    pub version: bool,
    /// `NFT_OSF_TTL_*`: how the TTL is compared; 0 where nothing is said.
    pub ttl: u8,
}

/// `fib`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// `NFT_FIB_RESULT_*`: oif 1, oifname 2, type 3.
    pub result: u8,
    /// `NFTA_FIB_F_*`.
    pub flags: u32,
}

/// `ipsec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipsec {
    /// `NFT_XFRM_KEY_*`.
    pub key: u8,
    /// `XFRM_POLICY_IN` 0 or `XFRM_POLICY_OUT` 1.
    pub direction: u8,
    /// Which of several transformations.
    pub spnum: u32,
}

/// What a number is reduced to: `offset + (n mod modulus)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    /// `mod`
    pub modulus: u32,
    /// `offset`
    pub offset: u32,
}

/// `numgen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numgen {
    /// Random (1), else one after the other (0).
    pub random: bool,
    /// Its range.
    pub modulus: Modulus,
}

/// `jhash`.
#[derive(Clone, Debug, PartialEq)]
pub struct Jhash {
    /// Of what.
    pub expr: Expr,
    /// Its range.
    pub modulus: Modulus,
    /// A fixed seed.
    pub seed: Option<u32>,
}
