//! Where requests are carried out: the loop that joins input, running answers and output (`serve`), the one match over operations
//! (`dispatch`) with those on kernel parameters (`parameters`), what outlives a frame (`session`), the answers of many rows (`running`,
//! each a `rows`), subscriptions (`subscribe` begins them, `watches` carries them on, a question each a `periodic`), what is written down
//! (`trail`), the output buffer (`output`) and what is counted (`counters`). Erlang distribution comes in at `node` and `gateway`; what
//! carries their bytes, with TLS or without, is `stream`.
#![forbid(unsafe_code)]

mod bans;
mod counters;
mod dispatch;
mod firewall;
pub mod gateway;
pub mod node;
mod output;
mod parameters;
mod periodic;
mod rows;
mod running;
mod serve;
mod session;
pub mod stream;
mod subscribe;
mod tables;
mod timed;
mod trail;
mod watches;

pub use output::say;
pub use serve::serve;
pub use session::{Court, Session};
pub use subscribe::absent;
pub use watches::Watches;
