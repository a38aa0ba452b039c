//! What the policy judges: opening one path for reading.
#![forbid(unsafe_code)]

/// A path as a client asks for it, already in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Absolute; no empty name, no `.`, no `..`, no NUL.
    pub path: Vec<u8>,
}

/// What the policy makes of it: the file may be read through one handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFile {
    /// The same path.
    pub path: Vec<u8>,
    /// Bytes that may be read through the handle, counted together.
    pub max_bytes: u64,
}
