//! Files that the policy lists: a path is judged (`action`), walked to without following anything (`walk`), and read from
//! through a handle that its client must give back (`handles`).
#![forbid(unsafe_code)]

pub mod action;
pub mod args;
pub mod handles;
pub mod ops;
pub mod path;
pub mod walk;
