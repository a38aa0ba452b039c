//! What a policy names, looked at on this host: a policy for other hosts is right all the same, so that what is odd is told and no mistake.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::symlink_metadata;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::policy::Policy;
use crate::policy::rules::Line;
use crate::quote::shell;
use crate::sysctl;

/// A paragraph for each thing that is odd.
pub(super) fn notes(policy: &Policy) -> String {
    let parameters = policy.rules().sysctl.names().filter_map(|(name, Line(n))| {
        let folder = shown(&absent_from(name)?);
        Some(format!("\nline {n}: this host has no parameter {name}; those it has: ls {folder}\n"))
    });
    let files = policy.rules().files.iter().filter_map(|rule| {
        let (Line(n), path) = (rule.line, Path::new(OsStr::from_bytes(&rule.path)));
        let folder = shown(&open_to_others(path)?);
        Some(format!(
            "\nline {n}: others than root can write to {folder}: who can move files there and in another listed folder decides what is read (SECURITY.md, Environments and files)\n   who can: ls -ld {folder}; list what lies where only root can write\n"
        ))
    });
    parameters.chain(files).collect()
}

fn shown(path: &Path) -> String {
    shell(path.as_os_str().as_bytes())
}

/// The folder in which the host should have a kernel parameter and has not. What cannot be looked at is not said to be absent.
fn absent_from(parameter: &str) -> Option<PathBuf> {
    let below = sysctl::action::path(parameter)?;
    let file = Path::new("/proc/sys/net").join(OsStr::from_bytes(below.as_bytes()));
    let absent = symlink_metadata(&file).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    let folder = file.ancestors().skip(1).find(|folder| folder.is_dir())?;
    absent.then(|| folder.to_owned())
}

/// The uppermost folder on the way to a listed file, or the listed folder itself, in which somebody else than root can make and rename. The
/// content of a file may be anybody's.
fn open_to_others(path: &Path) -> Option<PathBuf> {
    let folders: Vec<&Path> = path.ancestors().collect();
    let open = folders.into_iter().rev().find(|folder| {
        symlink_metadata(folder)
            .is_ok_and(|status| status.is_dir() && (status.uid() != 0 || status.mode() & 0o022 != 0))
    });
    open.map(Path::to_owned)
}
