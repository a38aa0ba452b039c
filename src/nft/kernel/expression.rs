//! The expressions as data. Names are borrowed from the message that they came in.
#![forbid(unsafe_code)]

use std::borrow::Cow;

/// A register, by the number that messages have: 0 the verdict, 1 to 4 of sixteen bytes, 8 to 23 of four
/// (`enum nft_registers`).
pub type Reg = u32;

/// The register of verdicts.
pub const VERDICT: Reg = 0;

/// The first register of sixteen bytes.
pub const REG_1: Reg = 1;

/// The first register of four bytes; it lies at the beginning of [`REG_1`].
pub const REG32_00: Reg = 8;

/// Bytes that can stand in registers together.
pub const DATA_MAX: usize = 64;

/// A value of a register: at most [`DATA_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Data {
    len: u8,
    bytes: [u8; DATA_MAX],
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", self.bytes())
    }
}

impl Data {
    /// The bytes, if there are not too many.
    #[must_use]
    pub fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; DATA_MAX];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { len: u8::try_from(value.len()).ok()?, bytes })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// A name in a message.
pub type Name<'a> = Cow<'a, [u8]>;

/// A comparison (`enum nft_cmp_ops`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Cmp {
    /// `==`
    Eq = 0,
    /// `!=`
    Neq = 1,
    /// `<`
    Lt = 2,
    /// `<=`
    Lte = 3,
    /// `>`
    Gt = 4,
    /// `>=`
    Gte = 5,
}

/// What `immediate` loads, and what elements of verdict maps hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Immediate<'a> {
    /// A value.
    Value(Data),
    /// A verdict: its code (`NF_ACCEPT` 1, `NF_DROP` 0, `NFT_CONTINUE` -1, `NFT_JUMP` -3, `NFT_GOTO` -4, `NFT_RETURN` -5), and a chain.
    Verdict(i32, Option<Name<'a>>),
}

/// How `bitwise` computes (`enum nft_bitwise_ops`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BitOp {
    /// `(x & mask) ^ xor`
    Mask(Data, Data),
    /// Shifts to the left by so many bits.
    Left(u32),
    /// And to the right.
    Right(u32),
    /// With a second register: `NFT_BITWISE_AND` 3, `OR` 4, `XOR` 5.
    Register(u32, Reg),
}

/// How a translated address is given (`nat`, `masq`, `redir`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The register of the first.
    pub min: Option<Reg>,
    /// The register of the last.
    pub max: Option<Reg>,
}

/// An expression of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the attributes of nf_tables.h under their names there")]
pub enum KExpr<'a> {
    /// `immediate`
    Immediate { dreg: Reg, data: Immediate<'a> },
    /// `cmp`
    Cmp { sreg: Reg, op: Cmp, data: Data },
    /// `range`: equal or not (`NFT_RANGE_EQ` 0, `NFT_RANGE_NEQ` 1).
    Range { sreg: Reg, not: bool, from: Data, to: Data },
    /// `bitwise`
    Bitwise { sreg: Reg, dreg: Reg, len: u32, op: BitOp },
    /// `byteorder`: to the host's order (`NFT_BYTEORDER_NTOH` 0) or the network's (1).
    Byteorder { sreg: Reg, dreg: Reg, to_network: bool, len: u32, size: u32 },
    /// `payload`; offset and length in bytes.
    Payload { dreg: Reg, base: u32, offset: u32, len: u32 },
    /// `payload` that writes.
    PayloadSet {
        sreg: Reg,
        base: u32,
        offset: u32,
        len: u32,
        csum_type: u32,
        csum_offset: u32,
        csum_flags: u32,
    },
    /// `exthdr`: `NFT_EXTHDR_OP_*` ipv6 0, tcpopt 1, ipv4 2, sctp 3, dccp 4; flag 1: present.
    Exthdr { dreg: Reg, kind: u8, offset: u32, len: u32, op: u32, flags: u32 },
    /// `exthdr` that writes; without a register (`None`) it resets the option.
    ExthdrSet { sreg: Option<Reg>, kind: u8, offset: u32, len: u32, op: u32, flags: u32 },
    /// `meta`
    Meta { dreg: Reg, key: u32 },
    /// `meta` that writes.
    MetaSet { sreg: Reg, key: u32 },
    /// `ct`
    Ct { dreg: Reg, key: u32, direction: Option<u8> },
    /// `ct` that writes.
    CtSet { sreg: Reg, key: u32, direction: Option<u8> },
    /// `rt`
    Rt { dreg: Reg, key: u32 },
    /// `socket`
    Socket { dreg: Reg, key: u32, level: Option<u32> },
    /// `osf`
    Osf { dreg: Reg, ttl: u8, flags: u32 },
    /// `fib`
    Fib { dreg: Reg, result: u32, flags: u32 },
    /// `xfrm`
    Xfrm { dreg: Reg, key: u32, direction: u8, spnum: u32 },
    /// `numgen`
    Numgen { dreg: Reg, modulus: u32, kind: u32, offset: u32 },
    /// `hash`: of a register (`jhash`) or the packet (`symhash`).
    Hash { sreg: Option<Reg>, dreg: Reg, len: u32, modulus: u32, seed: Option<u32>, offset: u32, kind: u32 },
    /// `lookup`: flag 1 inverts.
    Lookup { set: Name<'a>, set_id: Option<u32>, sreg: Reg, dreg: Option<Reg>, flags: u32 },
    /// `dynset`
    Dynset {
        set: Name<'a>,
        set_id: Option<u32>,
        op: u32,
        sreg_key: Reg,
        sreg_data: Option<Reg>,
        timeout: Option<u64>,
        flags: u32,
        exprs: Vec<KExpr<'a>>,
    },
    /// `counter`
    Counter { bytes: u64, packets: u64 },
    /// `limit`: kind packets 0, bytes 1; flag 1 inverts.
    Limit { rate: u64, unit: u64, burst: u32, kind: u32, flags: u32 },
    /// `quota`: flag 1 inverts, 2 is depleted.
    Quota { bytes: u64, consumed: u64, flags: u32 },
    /// `last`
    Last { set: bool, msecs: u64 },
    /// `connlimit`
    Connlimit { count: u32, flags: u32 },
    /// `log`
    Log {
        prefix: Option<Name<'a>>,
        group: Option<u16>,
        snaplen: Option<u32>,
        qthreshold: Option<u16>,
        level: Option<u32>,
        flags: Option<u32>,
    },
    /// `reject`: kind unreachable 0, TCP reset 1, icmpx 2.
    Reject { kind: u32, code: Option<u8> },
    /// `nat`: kind snat 0, dnat 1.
    Nat { kind: u32, family: u32, addr: Range, proto: Range, flags: Option<u32> },
    /// `masq`
    Masq { proto: Range, flags: Option<u32> },
    /// `redir`
    Redir { proto: Range, flags: Option<u32> },
    /// `notrack`
    Notrack,
    /// `objref` to one object.
    Objref { kind: u32, name: Name<'a> },
    /// `objref` through a map.
    ObjrefMap { sreg: Reg, set: Name<'a>, set_id: Option<u32> },
    /// `queue`
    Queue { num: Option<u16>, total: Option<u16>, flags: Option<u16>, sreg_qnum: Option<Reg> },
    /// `tproxy`
    Tproxy { family: u32, addr: Option<Reg>, port: Option<Reg> },
    /// `dup`
    Dup { addr: Option<Reg>, dev: Option<Reg> },
    /// `fwd`
    Fwd { dev: Reg, addr: Option<Reg>, family: Option<u32> },
    /// `synproxy`
    Synproxy { mss: u16, wscale: u8, flags: u32 },
    /// `inner`: what it evaluates behind the header of a tunnel.
    Inner { num: u32, kind: u32, flags: u32, hdrsize: u32, expr: Box<KExpr<'a>> },
    /// Any other, and those above with attributes that they are not known to have: name and `NFTA_EXPR_DATA`.
    Opaque { name: Name<'a>, data: Option<Cow<'a, [u8]>> },
}
