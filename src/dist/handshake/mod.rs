//! The handshake between two nodes, both sides of it, without a socket: bodies of frames in, bodies of frames out.
//!
//! Whoever has not proved that he has the cookie gets as little as possible: a deadline for the whole, frames of 1 KiB, a name that is
//! compared with the allow-list before he is sent a challenge, and no word about why he is refused.
#![forbid(unsafe_code)]

mod acceptor;
pub mod cookie;
pub mod flags;
mod initiator;
pub mod message;
pub mod name;
mod probe;

pub use acceptor::{Acceptor, Existing, Guests};
pub use initiator::Initiator;
pub use probe::Probe;

use flags::Flags;
use message::Hello;

/// Why a handshake ended without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its time is over.
    #[error("the handshake took too long")]
    Deadline,
    /// A message that is not the one that must come now.
    #[error("the {0} message of the handshake is malformed")]
    Malformed(&'static str),
    /// A frame after the end, or after a failure.
    #[error("a message came when the handshake was over")]
    Over,
    /// A node before OTP 23.
    #[error("the node speaks the handshake before OTP 23")]
    OldVersion,
    /// A name that is none.
    #[error("the name of the node is not alive@host in letters, digits, dots and dashes")]
    Name,
    /// A node that asks to be named.
    #[error("the node asks to be given a name")]
    DynamicName,
    /// A node that is not in the allow-list, or for which there is no cookie.
    #[error("the node is not in the allow-list")]
    NotAllowed,
    /// A node that is allowed, but there are as many as there may be.
    #[error("as many nodes are connected as connections.nodes of the file allows")]
    Full,
    /// A node whose certificate is another's.
    #[error("the certificate of the node is not for the name that it says")]
    Certificate,
    /// A node that lacks what is required.
    #[error("the node lacks capabilities that are required: {0:#x}")]
    MissingFlags(u64),
    /// The digest is not that of the cookie.
    #[error("the node has another cookie")]
    Cookie,
    /// The node is connected, and its old connection lives; or it is being connected to.
    #[error("there is another connection with the node")]
    OtherConnection,
    /// The node that was called has another name.
    #[error("another node answered")]
    OtherNode,
    /// The called node refuses.
    #[error("the node answered {0}")]
    Refused(&'static str),
}

impl Failure {
    /// The word of it in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Malformed(_) => "malformed",
            Self::Over => "over",
            Self::OldVersion => "old_version",
            Self::Name => "name",
            Self::DynamicName => "dynamic_name",
            Self::NotAllowed => "not_allowed",
            Self::Full => "full",
            Self::Certificate => "certificate",
            Self::MissingFlags(_) => "missing_flags",
            Self::Cookie => "cookie",
            Self::OtherConnection => "other_connection",
            Self::OtherNode => "other_node",
            Self::Refused(_) => "refused",
        }
    }
}

/// A node that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Who it is.
    pub peer: Hello,
    /// What both can do.
    pub flags: Flags,
}

/// What comes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// These bodies are to be sent; then the next message is waited for.
    Send(Vec<Vec<u8>>),
    /// This body is to be sent, if there is one, and the nodes are connected.
    Done(Option<Vec<u8>>, Connected),
    /// This body is to be sent, and the connection closed.
    Refuse(Vec<u8>, Failure),
}

/// What a node must have: all that is required.
fn required(flags: Flags) -> Result<(), Failure> {
    let has = flags.expanded();
    if has.has(Flags::REQUIRED) { Ok(()) } else { Err(Failure::MissingFlags(Flags::REQUIRED.0 & !has.0)) }
}

#[cfg(test)]
mod tests;
