//! Tables, chains, rules, sets, elements and named objects as the messages that make and describe them. Encoding and decoding of
//! each stand side by side. Bodies only: the header of a message is put around them by whoever sends it.
#![forbid(unsafe_code)]

pub mod chain;
pub mod declared;
pub mod element;
pub mod member;
pub mod named;
pub mod replay;
pub mod rule;
pub mod set;
pub mod stateful;
pub mod table;
pub mod types;
pub mod userdata;

use crate::nft::model::Text;

/// Numbers of messages (`enum nf_tables_msg_types`), without the number of the subsystem (`NFNL_SUBSYS_NFTABLES`).
pub mod message {
    /// `NFT_MSG_NEWTABLE`
    pub const NEW_TABLE: u16 = 0;
    /// `NFT_MSG_GETTABLE`
    pub const GET_TABLE: u16 = 1;
    /// `NFT_MSG_DELTABLE`
    pub const DEL_TABLE: u16 = 2;
    /// `NFT_MSG_NEWCHAIN`
    pub const NEW_CHAIN: u16 = 3;
    /// `NFT_MSG_GETCHAIN`
    pub const GET_CHAIN: u16 = 4;
    /// `NFT_MSG_DELCHAIN`
    pub const DEL_CHAIN: u16 = 5;
    /// `NFT_MSG_NEWRULE`
    pub const NEW_RULE: u16 = 6;
    /// `NFT_MSG_GETRULE`
    pub const GET_RULE: u16 = 7;
    /// `NFT_MSG_DELRULE`
    pub const DEL_RULE: u16 = 8;
    /// `NFT_MSG_NEWSET`
    pub const NEW_SET: u16 = 9;
    /// `NFT_MSG_GETSET`
    pub const GET_SET: u16 = 10;
    /// `NFT_MSG_DELSET`
    pub const DEL_SET: u16 = 11;
    /// `NFT_MSG_NEWSETELEM`
    pub const NEW_ELEMENT: u16 = 12;
    /// `NFT_MSG_GETSETELEM`
    pub const GET_ELEMENT: u16 = 13;
    /// `NFT_MSG_DELSETELEM`
    pub const DEL_ELEMENT: u16 = 14;
    /// `NFT_MSG_NEWOBJ`
    pub const NEW_OBJECT: u16 = 18;
    /// `NFT_MSG_GETOBJ`
    pub const GET_OBJECT: u16 = 19;
    /// `NFT_MSG_DELOBJ`
    pub const DEL_OBJECT: u16 = 20;
    /// `NFT_MSG_GETOBJ_RESET`
    pub const RESET_OBJECT: u16 = 21;
    /// `NFT_MSG_NEWFLOWTABLE`
    pub const NEW_FLOWTABLE: u16 = 22;
    /// `NFT_MSG_GETFLOWTABLE`
    pub const GET_FLOWTABLE: u16 = 23;
    /// `NFT_MSG_DELFLOWTABLE`
    pub const DEL_FLOWTABLE: u16 = 24;
    /// `NFT_MSG_DESTROYTABLE`; this and the following since Linux 6.3.
    pub const DESTROY_TABLE: u16 = 26;
    /// `NFT_MSG_DESTROYCHAIN`
    pub const DESTROY_CHAIN: u16 = 27;
    /// `NFT_MSG_DESTROYRULE`
    pub const DESTROY_RULE: u16 = 28;
    /// `NFT_MSG_DESTROYSET`
    pub const DESTROY_SET: u16 = 29;
    /// `NFT_MSG_DESTROYSETELEM`
    pub const DESTROY_ELEMENT: u16 = 30;
    /// `NFT_MSG_DESTROYOBJ`
    pub const DESTROY_OBJECT: u16 = 31;
}

/// What was read from a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<T> {
    /// What is understood of it.
    pub what: T,
    /// There is more that this program has no word for: a listing marks it (`opaque`), and only the raw message restores it.
    pub opaque: bool,
}

/// Why something cannot be put into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub &'static str);

/// Bytes of a message as a name or comment of one's own.
fn owned(bytes: &[u8]) -> Text {
    Text::Owned(bytes.to_vec())
}

#[cfg(test)]
mod tests;
