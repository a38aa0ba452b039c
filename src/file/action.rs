//! What the policy judges: opening one path for reading.
#![forbid(unsafe_code)]

use crate::file::path::NormalPath;

/// A path as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Which.
    pub path: NormalPath,
}

/// What the policy makes of it: the file may be read through one handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile {
    /// The same path.
    pub path: NormalPath,
    /// Bytes that may be read through the handle, counted together.
    pub max_bytes: u64,
}
