//! Statements: the parts of a rule, in their order.
#![forbid(unsafe_code)]

use super::{Expr, Family, Opaque, Text};

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Goes on only if the comparison holds.
    Match(Match),
    /// Ends the rule.
    Verdict(Verdict),
    /// Ends the rule with what a map says: key, and [`Expr::Set`] of pairs or [`Expr::SetRef`].
    Vmap(Expr, Expr),
    /// Counts.
    Counter(Counter),
    /// Goes on only so often.
    Limit(Limit),
    /// Goes on only so long as, or after, so many bytes.
    Quota(Quota),
    /// Remembers when it was last passed; milliseconds ago, nothing where it never was.
    Last(Option<u64>),
    /// Writes a line.
    Log(Log),
    /// Answers with an error.
    Reject(Reject),
    /// Rewrites addresses.
    Nat(Nat),
    /// Sets a field: [`Expr::Payload`], [`Expr::Meta`], [`Expr::Ct`], [`Expr::Exthdr`] and so on, and its value.
    Mangle(Expr, Expr),
    /// No connection tracking.
    Notrack,
    /// Overwrites a TCP option with padding.
    Reset(Expr),
    /// Puts an element into a set or takes it out.
    Dynset(Box<Dynset>),
    /// Refers to a named object: its kind, and a name or a map of names.
    Object(ObjectKind, Expr),
    /// Limits connections (`ct count`): how many, and whether more than that are meant.
    CtCount(u32, bool),
    /// To a program.
    Queue(Box<Queue>),
    /// To a local socket.
    Tproxy(Box<Tproxy>),
    /// A copy elsewhere: address, device.
    Dup(Option<Expr>, Option<Expr>),
    /// Elsewhere: device, address with its family.
    Fwd(Expr, Option<(Family, Expr)>),
    /// Answers handshakes: mss, wscale, `NF_SYNPROXY_OPT_*`.
    Synproxy(u16, u8, u32),
    /// What the kernel does and this program has no word for.
    Opaque(Opaque),
}

/// `match`.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// How.
    pub op: Relation,
    /// What is looked at.
    pub left: Expr,
    /// With what it is compared.
    pub right: Expr,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `==`; for sets: is in.
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// `in`: for flags, any of them is set; otherwise `==`.
    In,
    /// `!`: for flags, none of them is set (`NFT` listings of `ct state !`).
    NotIn,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On, to the next hook.
    Accept,
    /// Away.
    Drop,
    /// On, to the next rule.
    Continue,
    /// Back to where the chain was called.
    Return,
    /// To a chain, and back.
    Jump(Text),
    /// To a chain.
    Goto(Text),
}

/// `counter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Packets or bytes.
    pub rate: u64,
    /// In so many seconds: 1, 60, 3600, 86400, 604800.
    pub per_s: u64,
    /// So many at once; the kernel's number.
    pub burst: u32,
    /// Bytes, not packets (`NFT_LIMIT_PKT_BYTES`).
    pub bytes: bool,
    /// More than that (`over`).
    pub over: bool,
}

/// `quota`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes.
    pub bytes: u64,
    /// Of them used.
    pub used: u64,
    /// More than that (`over`).
    pub over: bool,
}

/// `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Text before the line.
    pub prefix: Option<Text>,
    /// The netlink group that gets it.
    pub group: Option<u16>,
    /// Bytes of the packet that are copied.
    pub snaplen: Option<u32>,
    /// Packets that are gathered.
    pub queue_threshold: Option<u16>,
    /// syslog's level; 8 is `audit`.
    pub level: Option<u8>,
    /// `NF_LOG_*`.
    pub flags: u32,
}

/// `reject`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// What the family has for it.
    Default,
    /// An ICMP, ICMPv6 or either kind of error, by its code.
    Icmp(IcmpKind, u8),
    /// A TCP reset.
    TcpReset,
}

/// Which ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpKind {
    /// `icmp`
    V4,
    /// `icmpv6`
    V6,
    /// `icmpx`
    Either,
}

/// `snat`, `dnat`, `masquerade`, `redirect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {
    /// Which.
    pub kind: NatKind,
    /// The family of the address, where it had to be said.
    pub family: Option<Family>,
    /// The address: a value, a range, a prefix, a map.
    pub addr: Option<Expr>,
    /// The port: a value, a range, a map.
    pub port: Option<Expr>,
    /// `NF_NAT_RANGE_*` of random, fully-random, persistent.
    pub flags: u32,
    /// `type_flags`: prefix (netmap), interval, concat: bits of [`nat_type`].
    pub type_flags: u32,
}

/// Bits of [`Nat::type_flags`].
pub mod nat_type {
    /// `interval`
    pub const INTERVAL: u32 = 1;
    /// `prefix`
    pub const PREFIX: u32 = 2;
    /// `concat`
    pub const CONCAT: u32 = 4;
}

/// Kinds of address translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// Of the source.
    Snat,
    /// Of the destination.
    Dnat,
    /// Of the source, to the device's address.
    Masquerade,
    /// Of the destination, to this host.
    Redirect,
}

/// `set` and `map` statements: `{op, elem, set, stmt}` and with `data` for maps.
#[derive(Clone, Debug, PartialEq)]
pub struct Dynset {
    /// What is done.
    pub op: DynsetOp,
    /// The key, possibly an [`Expr::Elem`] with a timeout.
    pub elem: Expr,
    /// What the key maps to.
    pub data: Option<Expr>,
    /// The set.
    pub set: Text,
    /// What is kept with the element.
    pub statements: Vec<Statement>,
}

/// What a rule does to a set (`NFT_DYNSET_OP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynsetOp {
    /// Nothing if it is there.
    Add = 0,
    /// Its timeout begins anew.
    Update = 1,
    /// Takes it out.
    Delete = 2,
}

/// Kinds of named objects (`NFT_OBJECT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// `counter`
    Counter = 1,
    /// `quota`
    Quota = 2,
    /// `ct helper`
    CtHelper = 3,
    /// `limit`
    Limit = 4,
    /// `ct timeout`
    CtTimeout = 7,
    /// `secmark`
    Secmark = 8,
    /// `ct expectation`
    CtExpectation = 9,
    /// `synproxy`
    Synproxy = 10,
}

/// `queue`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Which: a number, a range, or an expression.
    pub num: Option<Expr>,
    /// `NFT_QUEUE_FLAG_*`: bypass 1, fanout 2.
    pub flags: u16,
}

/// `tproxy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tproxy {
    /// Of the address, where it had to be said.
    pub family: Option<Family>,
    /// Where to.
    pub addr: Option<Expr>,
    /// And to which port.
    pub port: Option<Expr>,
}
