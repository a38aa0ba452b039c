//! Where requests are carried out: the loop that joins input, running answers and output (`serve`), the one match over
//! operations (`dispatch`), the answers of many rows (`running`, each a `rows`), the output buffer (`output`) and what is
//! counted (`counters`).
#![forbid(unsafe_code)]

mod counters;
mod dispatch;
mod output;
mod rows;
mod running;
mod serve;

pub use output::say;
pub use serve::serve;
