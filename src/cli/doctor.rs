//! `portcullis doctor`: what is wrong with an installation, why, and the command that mends it. Needs no privilege and
//! runs from a broken installation; it changes nothing.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use nix::errno::Errno;

use crate::cli::installed::{self, Installed};
use crate::cli::options::Asked;
use crate::error::{Reason, Refusal};
use crate::harden::cause;
use crate::harden::own_file::GROUP;
use crate::harden::{grant, own_file, usual};
use crate::op::Role;
use crate::policy::file;
use crate::proc::hidden;
use crate::quote::shell;
use crate::sys::fd;

/// Looks, prints, and answers with the exit status.
pub fn run(asked: &Asked) -> ExitCode {
    let (path, findings) = match examine(asked) {
        Ok(found) => found,
        Err(refusal) => (Vec::new(), vec![refusal]),
    };
    if hidden::here() {
        super::say(
            "note: /proc is mounted with hidepid; without cap_sys_ptrace only your own processes are seen\n\n",
        );
    }
    if file::read(file::PATH) == Ok(None) {
        super::say(&format!(
            "note: there is no {}: the port answers what every user may see and holds no capability\n   \
             to change it: {}   # in the source; an example\n\n",
            file::PATH,
            file::EXAMPLE
        ));
    }
    if findings.is_empty() {
        super::say(&format!("ok: {} is installed as it should be\n", shell(&path)));
        return ExitCode::SUCCESS;
    }
    for (n, finding) in findings.iter().enumerate() {
        let (name, code) = (finding.reason.name(), finding.reason.code());
        let Refusal { message, fix, .. } = finding;
        let n = n.saturating_add(1);
        super::say(&format!("{n}. {name} (exit {code})\n   {message}\n   to mend it: {fix}\n\n"));
    }
    ExitCode::FAILURE
}

fn examine(asked: &Asked) -> Result<(Vec<u8>, Vec<Refusal>), Refusal> {
    let (file, path) = open(asked).map_err(|e| unreadable(asked, e))?;
    let named = installed::role_of(&path);
    let role = asked.role.or(named).unwrap_or(Role::Proc);
    if let Some(other) = named.filter(|named| *named != role) {
        return Err(cause::other_role(&path, other, role));
    }
    let copy = Installed::observe(&file, &path, role).map_err(|e| unreadable(asked, e))?;
    let policy = file::load();
    let facts = own_file::gather(&file, path.clone()).map_err(|e| unreadable(asked, e))?;
    let mut findings = own_file::judge(&facts, &grant(role, usual(role)));
    match policy {
        Ok(policy) => findings.extend(copy.refusals(&policy)),
        Err(refusal) => findings.push(refusal),
    }
    own_file::close_the_directory_first(&mut findings);
    own_file::install_again_first(&mut findings);
    // What has to be done first is said first.
    findings.sort_by_key(|f| f.reason != Reason::DirectoryWritable);
    Ok((path, findings))
}

fn open(asked: &Asked) -> Result<(OwnedFd, Vec<u8>), Errno> {
    match &asked.file {
        None => Ok((fd::open_own_file()?, fd::own_path()?)),
        Some(path) => {
            let absolute =
                std::fs::canonicalize(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path))
                    .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
            let path = std::os::unix::ffi::OsStringExt::into_vec(absolute.into_os_string());
            let file = fd::open_path(&CString::new(path.clone()).map_err(|_| Errno::EINVAL)?)?;
            Ok((file, path))
        }
    }
}

fn unreadable(asked: &Asked, e: Errno) -> Refusal {
    let file = asked.file.as_deref().map_or_else(|| "its own file".to_owned(), shell);
    let fix = match e {
        Errno::ENOENT => {
            let role =
                asked.role.or(asked.file.as_deref().and_then(installed::role_of)).unwrap_or(Role::Proc);
            format!("{}   # in the source, or install the package", own_file::install(GROUP, role))
        }
        Errno::EACCES => {
            format!("namei -l {file}   # shows which directory keeps you out; or run doctor with sudo")
        }
        _ => format!("stat {file}"),
    };
    Refusal::new(Reason::BadArguments, format!("{file} cannot be looked at: {e}"), fix)
}
