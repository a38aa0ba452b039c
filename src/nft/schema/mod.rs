//! The schema of libnftables-json(5) as terms: reading it strictly, with the path of what is wrong, and writing it. Reading and
//! writing of one thing stand in one file.
//!
//! Keys are read as atoms or binaries and written as atoms; words of the schema are read as either and written as binaries;
//! names, comments and log prefixes are binaries both ways. Where nft(8) lets something pass in silence (unknown and repeated keys,
//! numbers out of range, a name beside a handle), this is an error with a path. What nft 1.1.6 prints is what is written, but for:
//! what this program has no word for is `opaque`, and a number that has no word where the schema wants one stays a number.
#![forbid(unsafe_code)]

mod chain;
mod command;
mod datum;
mod element;
mod expr;
mod flags;
mod kernel;
mod listing;
mod nat;
mod object;
mod packet;
mod place;
mod rule;
mod set;
mod state;
mod statement;
mod table;
mod to;

pub use chain::write as write_chain;
pub use command::{commands, placed};
pub use datum::part_of;
pub use element::{read_one as element, write_elements};
pub use expr::write as write_element;
pub use listing::{Listing, Within, read as listing};
pub use object::write as write_object;
pub use rule::{write as write_rule, write_parts as write_rule_parts};
pub use set::{write as write_set, write_head as write_set_head};
pub use statement::write as write_statement;
pub use table::write as write_table;
