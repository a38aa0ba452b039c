//! Where requests are carried out: the loop that joins input, running answers and output (`serve`), the one match over
//! operations (`dispatch`) with those on kernel parameters (`parameters`), what outlives a frame (`session`), the answers of many rows (`running`, each a `rows`), what is
//! written down (`trail`), the output buffer (`output`) and what is counted (`counters`).
#![forbid(unsafe_code)]

mod bans;
mod counters;
mod dispatch;
mod firewall;
mod output;
mod parameters;
mod rows;
mod running;
mod serve;
mod session;
mod trail;

pub use output::say;
pub use serve::serve;
pub use session::{Court, Session};
