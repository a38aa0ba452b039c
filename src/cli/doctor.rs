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
use crate::harden::accounts::{self, Group};
use crate::harden::cause;
use crate::harden::own_file::GROUP;
use crate::harden::{grant, group_name, own_file, usual};
use crate::op::Role;
use crate::policy::file;
use crate::proc::hidden;
use crate::quote::shell;
use crate::sys::{fd, process};

/// Looks, prints, and answers with the exit status.
pub fn run(asked: &Asked) -> ExitCode {
    let (findings, fine) = match examine(asked) {
        Ok((copy, findings)) => (findings, copy.fine()),
        Err(refusal) => (vec![refusal], String::new()),
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
        super::say(&fine);
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

/// What was looked at.
struct Copy {
    path: Vec<u8>,
    role: Role,
    mode: u32,
    gid: u32,
}

impl Copy {
    /// Nothing is wrong with it. Whoever asks, mostly root, is not who starts it: that has to be said.
    fn fine(&self) -> String {
        let Self { path, role, mode, gid } = self;
        let group = accounts::group(*gid);
        let (who, fix) = starters(*mode, *gid, &group, *role, asking().as_deref());
        let fix =
            fix.map_or_else(String::new, |fix| format!("   for an application of another user: {fix}\n"));
        format!("ok: {} is installed as it should be\n   {who}\n{fix}", shell(path))
    }
}

/// Who can start a file of that mode, and what lets the user that asks start it, where he cannot.
fn starters(
    mode: u32,
    gid: u32,
    group: &Group,
    role: Role,
    asking: Option<&str>,
) -> (String, Option<String>) {
    let Group { name, members } = group;
    // The group of root's own is no group for an application.
    if mode & 0o010 == 0 || gid == 0 {
        let who = format!(
            "only root can start it (mode {mode:04o}, group {name}), and no application should run as root"
        );
        return (who, Some(format!("{}   # in the source", own_file::install(GROUP, role))));
    }
    let join = |user: &str| Some(format!("sudo usermod -aG {name} {user}   # from the next login on"));
    let who = if members.is_empty() {
        format!("only root can start it: nobody is in group {name}")
    } else {
        format!("root and the members of group {name} can start it: {}", members.join(", "))
    };
    match asking {
        Some(user) if !members.iter().any(|member| member == user) => {
            (format!("{who}; {user}, who asks, is not among them"), join(user))
        }
        None if members.is_empty() => (who, join("USER")),
        _ => (who, None),
    }
}

/// The ordinary user who asks, also through sudo(8).
fn asking() -> Option<String> {
    let uid = match process::uid() {
        0 => std::env::var("SUDO_UID").ok()?.parse().ok()?,
        uid => uid,
    };
    (uid != 0).then(|| accounts::user(uid))
}

fn examine(asked: &Asked) -> Result<(Copy, Vec<Refusal>), Refusal> {
    let (file, path) = open(asked).map_err(|e| unreadable(asked, e))?;
    let named = installed::role_of(&path);
    let role = asked.role.or(named).unwrap_or(Role::Proc);
    if let Some(other) = named.filter(|named| *named != role) {
        return Err(cause::other_role(&path, other, role));
    }
    let copy = Installed::observe(&file, &path, role).map_err(|e| unreadable(asked, e))?;
    let policy = file::load();
    let facts = own_file::gather(&file, path.clone()).map_err(|e| unreadable(asked, e))?;
    let mut findings = own_file::judge(&facts, &grant(role, usual(role)), &group_name);
    match policy {
        Ok(policy) => findings.extend(copy.refusals(&policy)),
        Err(refusal) => findings.push(refusal),
    }
    own_file::close_the_directory_first(&mut findings);
    own_file::install_again_first(&mut findings);
    // What has to be done first is said first.
    findings.sort_by_key(|f| f.reason != Reason::DirectoryWritable);
    Ok((Copy { path, role, mode: facts.mode, gid: facts.gid }, findings))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_start_it_is_said_with_what_lets_another_do_so() {
        let say = |mode, gid, members: &[&str], asking| {
            let group =
                Group { name: "app".into(), members: members.iter().map(|m| (*m).to_owned()).collect() };
            starters(mode, gid, &group, Role::Net, asking)
        };
        let (who, fix) = say(0o750, 991, &["joe", "ann"], Some("ann"));
        assert_eq!((&*who, fix), ("root and the members of group app can start it: joe, ann", None));
        let (who, fix) = say(0o750, 991, &["joe"], Some("ann"));
        assert!(who.ends_with("joe; ann, who asks, is not among them"), "{who}");
        assert_eq!(fix.as_deref(), Some("sudo usermod -aG app ann   # from the next login on"));
        assert_eq!(say(0o750, 991, &["joe"], None).1, None);
        let (who, fix) = say(0o750, 991, &[], None);
        assert!(
            who.contains("nobody is in group app") && fix.is_some_and(|fix| fix.contains("-aG app USER"))
        );
        for (mode, gid) in [(0o700, 991), (0o750, 0)] {
            let (who, fix) = say(mode, gid, &["joe"], None);
            assert!(who.contains("only root can start it"), "{who}");
            assert!(fix.is_some_and(|fix| fix.contains("install.sh --group portcullis --role net")));
        }
    }
}
