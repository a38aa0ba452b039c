//! The way to a listed file: from the root, through directories only, to a regular file that has no other name.
//!
//! Files of procfs and sysfs call themselves regular. A policy cannot list `/proc`, `/sys` or `/dev`; where root mounts one
//! of them below a directory that is listed, its files can be read, since fstatfs(2) has no row in the seccomp table.
#![forbid(unsafe_code)]

use crate::error::{Denial, RequestError};
use crate::file::path::NormalPath;
use crate::sys::regular::{self, Regular, Unopened};

/// Opens the file for reading.
pub fn open(path: &NormalPath) -> Result<Regular, RequestError> {
    regular::open(path.components()).map_err(|why| match why {
        Unopened::Errno(errno) => RequestError::Posix(errno as i32, "opening a listed file"),
        Unopened::NotRegular => denied(
            "files.regular",
            "it is a directory, a device, a FIFO or a socket; only regular files can be read".to_owned(),
        ),
        Unopened::Links(links) => denied(
            "files.links",
            format!(
                "it has {links} hard links, so that it may be a file from outside of the listed directory DIR; to find \
                 such files: find DIR -xdev -links +1 -type f; to make one that can be read: cp FILE NEW && mv NEW FILE"
            ),
        ),
    })
}

fn denied(rule: &'static str, hint: String) -> RequestError {
    RequestError::DeniedByPolicy(Denial::new(rule, hint))
}
