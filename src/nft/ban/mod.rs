//! Who is kept out: two sets of a table of its own, one for each version of IP, with a rule each that drops what comes from them.
//! Whatever started before finds them again; nothing is kept here.
#![forbid(unsafe_code)]

mod args;
mod needs;
mod place;
mod plan;
mod table;

pub use args::{BanArgs, Network};
pub use needs::BanNft;
pub use place::{Near, near};
pub use plan::{Held, Plan, ban, unban};
pub use table::{TABLE, set_name, set_up, table};
