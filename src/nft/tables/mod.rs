//! What nftables calls things: headers and their fields, keys of `meta` and `ct`, symbols of types. Data, and the look-ups
//! both ways; none allocates, and each looks at no more than the rows of one header or one type.
//!
//! | question | answer |
//! |---|---|
//! | which header or field is meant by these words | [`protocol`], [`field`], [`header`], [`Header::field`], [`dccp_option`] |
//! | which field lies there | [`at`], [`Protocol::at_all`], [`option`] |
//! | which key of `meta` or `ct` | [`meta_named`], [`meta_numbered`], [`ct_named`], [`ct_numbered`] |
//! | what a symbol stands for, and back | [`symbol::number`], [`symbol::name`] |
//! | what the packets of a family are known to begin with | [`chain::base`] |
//! | what a comparison says about the headers that follow | [`chain::upper`], [`chain::upper_of_meta`] |
//! | what has to be compared before a header may be looked at | [`chain::selecting`], [`chain::ethertype`], [`chain::l4`] |
//! | which types of ICMP have a field | [`chain::message_types`], [`chain::message_field`] |
//!
//! `compile` puts the comparisons in that [`chain`] asks for, `lift` leaves out those whose answer a later field implies.
#![forbid(unsafe_code)]

pub mod chain;
mod ct;
mod exthdr;
mod key;
mod meta;
mod payload;
pub mod symbol;

pub use ct::{CT_KEYS, CtKey, ct_named, ct_numbered};
pub use exthdr::{Header, HeaderField, HeaderKind, dccp_option, header, headers, option};
pub use key::KeyRow;
pub use meta::{META_KEYS, MetaKey, meta_named, meta_numbered};
pub use payload::*;
