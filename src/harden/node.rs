//! What a node gives up before it reads its first byte: no capability, no file, no new descriptor but those of peers and of copies that its
//! starter hands it.
#![forbid(unsafe_code)]

use super::distribution::{CALLED, COMMON, restrict};
use super::failed;
use super::seccomp::{ANY, Row, row};
use crate::error::Refusal;
use crate::limits::NODE_ADDRESS_SPACE_MAX;

/// What it needs beside that.
const OWN: &[Row] = &[row!(SYS_read, ANY, "what copies of the port program say")];

/// The system calls of a node.
pub fn table() -> impl Iterator<Item = &'static Row> {
    COMMON.iter().chain(CALLED).chain(OWN)
}

/// Gives up everything else.
///
/// # Errors
/// What the kernel refused.
pub fn confine() -> Result<(), Refusal> {
    restrict(table(), NODE_ADDRESS_SPACE_MAX).map_err(|(step, e)| failed(step, e))
}
