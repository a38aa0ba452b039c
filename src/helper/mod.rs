//! Helper processes, for calls that the kernel may never come back from: statfs(2) of a file system whose server does not answer. They
//! hold nothing but a socket to the port ([`mod@serve`]); the port never waits for one ([`pool`]). How they are made and confined
//! is `harden::helper`.
#![forbid(unsafe_code)]

pub mod message;
pub mod pool;
pub mod serve;
