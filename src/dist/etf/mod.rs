//! External Term Format as nodes speak it: with identifiers of processes, ports and references, which `wire` never takes, and with
//! improper lists, as `[alias|Ref]` is one. Layouts are those of the ERTS User's Guide, External Term Format.
//!
//! What is malformed ends a connection; a term that is well formed and not wanted, such as a fun, costs one message.
#![forbid(unsafe_code)]

pub mod keys;
pub mod read;
pub mod scan;
pub mod write;

/// Why bytes are no message of a node. Such a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They end inside a term.
    Truncated,
    /// A tag that is not sent to a node without atom cache: compressed, cached, local, legacy.
    Tag,
    /// An atom that is too long or no UTF-8.
    Atom,
    /// A count that the bytes left cannot hold, or that is not made (`LIST_EXT` of none).
    Length,
    /// A sign or a number of bits that there is not.
    Integer,
    /// A float that is no number.
    Float,
    /// A reference of no words, or of more than five.
    Reference,
    /// The version byte is not 131.
    Version,
    /// Bytes follow the last term.
    Trailing,
    /// The first byte is not 112: a message with an atom cache or a fragment, which was not negotiated.
    PassThrough,
    /// An operation that there is not, or that was not negotiated.
    Operation,
    /// A control message of the wrong shape: arity, or the type of an element.
    Shape,
    /// A payload where there is none, or none where there is one.
    Payload,
}

impl Fault {
    /// The word of it in records and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Tag => "tag",
            Self::Atom => "atom",
            Self::Length => "length",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Reference => "reference",
            Self::Version => "version",
            Self::Trailing => "trailing_bytes",
            Self::PassThrough => "pass_through",
            Self::Operation => "operation",
            Self::Shape => "shape",
            Self::Payload => "payload",
        }
    }
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pid<'a> {
    /// The node that it runs on.
    pub node: &'a str,
    /// Which start of that node.
    pub creation: u32,
    /// Number.
    pub id: u32,
    /// Serial.
    pub serial: u32,
}

/// A reference: of a monitor, an alias, a spawn request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ref<'a> {
    /// The node that made it.
    pub node: &'a str,
    /// Which start of that node.
    pub creation: u32,
    /// The words; those that it has not are 0.
    pub words: [u32; 5],
    /// How many it has.
    pub len: u8,
}

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port<'a> {
    /// The node that it belongs to.
    pub node: &'a str,
    /// Which start of that node.
    pub creation: u32,
    /// Number.
    pub id: u64,
}

/// What names something on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier<'a> {
    /// A process.
    Pid(Pid<'a>),
    /// A reference.
    Ref(Ref<'a>),
    /// A port.
    Port(Port<'a>),
}

impl<'a> Identifier<'a> {
    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &'a str {
        match self {
            Self::Pid(pid) => pid.node,
            Self::Ref(reference) => reference.node,
            Self::Port(port) => port.node,
        }
    }

    /// Which start of the node.
    #[must_use]
    pub fn creation(&self) -> u32 {
        match self {
            Self::Pid(pid) => pid.creation,
            Self::Ref(reference) => reference.creation,
            Self::Port(port) => port.creation,
        }
    }
}
