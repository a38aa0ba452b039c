//! What nftables calls things: headers and their fields, keys of `meta` and `ct`, symbols of types. Data, and the look-ups
//! both ways.
#![forbid(unsafe_code)]

mod ct;
mod exthdr;
mod meta;
mod payload;
pub mod symbol;

pub use ct::{CT_KEYS, CtKey};
pub use exthdr::{Header, HeaderField, HeaderKind, header, headers, option};
pub use meta::{META_KEYS, MetaKey};
pub use payload::{Field, Protocol, Tunnel, at, field, protocol};
