//! Where requests are carried out: the loop that joins input, running answers and output (`serve`), the one match over
//! operations (`dispatch`), row answers with their credit (`rows`), and the output buffer (`output`).
#![forbid(unsafe_code)]

mod dispatch;
mod output;
mod rows;
mod serve;

pub use output::say;
pub use serve::serve;
