//! The policy file at its place. What it is worth depends on who could have written it, so everything is asked of the
//! descriptors on the way to it, and it is read once. Neither the command line nor the environment names another.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use sha2::{Digest, Sha256};

use crate::error::{Reason, Refusal};
use crate::measure::{Measure, in_force};
use crate::policy::Policy;
use crate::policy::parse::{Mistake, parse};
use crate::quote::shell;
use crate::sys::ancestry::{self, Ancestry, OpenDirectory, Stopped};
use crate::sys::fd;

/// Where it is.
pub const PATH: &str = "/etc/portcullis/policy.toml";

/// What puts the commented example there.
pub const EXAMPLE: &str = "sudo install -D -m 0644 priv/policy.toml /etc/portcullis/policy.toml";

/// What is said where there is none.
#[must_use]
pub fn missing() -> String {
    format!(
        "there is no {PATH}, so that what every user sees is granted and nothing else ({EXAMPLE} in the source puts an example there)"
    )
}

/// Most bytes of it.
pub const SIZE_MAX: usize = 64 * 1024;

/// What is said about a file that cannot be used, and what mends it.
type Wrong = (String, String);

/// The policy in force: that of the file, or without one the policy that grants what every user of the host sees.
pub fn load() -> Result<Policy, Refusal> {
    match read(PATH) {
        Ok(None) => Ok(absent()),
        Ok(Some(text)) => understood(PATH, &text),
        Err((message, fix)) => Err(Refusal::new(Reason::PolicyFile, message, fix)),
    }
}

#[cfg(not(feature = "weakened"))]
fn absent() -> Policy {
    Policy::without_a_file()
}

/// What a program would do that takes a missing file for permission.
#[cfg(feature = "weakened")]
fn absent() -> Policy {
    if in_force(Measure::PolicyAbsent) { Policy::without_a_file() } else { Policy::everything() }
}

/// The policy that a text makes, or the refusal that names its first mistake.
pub fn understood(path: &str, text: &[u8]) -> Result<Policy, Refusal> {
    let refused = |mistakes: Vec<Mistake>| {
        let first = mistakes.first().map(|m| format!("line {}, column {}: {}", m.line, m.column, m.message));
        let more = match mistakes.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        Refusal::new(
            Reason::PolicyFile,
            format!("{path}, {}{more}", first.unwrap_or_default()),
            format!("sudoedit {path}   # then: {} policy check", shell(&fd::own_path().unwrap_or_default())),
        )
    };
    let rules = parse(text).map_err(refused)?;
    let policy = Policy::of(rules, digest(text));
    #[cfg(feature = "weakened")]
    let policy = if in_force(Measure::Authorize) { policy } else { Policy::everything() };
    Ok(policy)
}

fn digest(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of the file at `path`; `None` if there is none.
pub fn read(path: &str) -> Result<Option<Vec<u8>>, Wrong> {
    let follow = !in_force(Measure::PolicySymlinks);
    let Ancestry { directory, name, open } = match ancestry::descend(path.as_bytes(), follow) {
        Ok(ancestry) => ancestry,
        Err(stopped) => return stopped_on_the_way(path, stopped),
    };
    let file = match fd::open_read_at_once(directory.as_fd(), &name, follow) {
        Ok(file) => file,
        // That there is none must be root's word too.
        Err(Errno::ENOENT) => return judge_directory(path, open, None).map(|()| None),
        Err(e) => return Err(unreadable(path, e)),
    };
    let st = fd::stat(file.as_fd()).map_err(|e| unreadable(path, e))?;
    judge_directory(path, open, Some(&st))?;
    judge(path, &file, &st)?;
    let mut bytes = vec![0; SIZE_MAX + 1];
    let length = fd::read_on(&file, &mut bytes, 0).map_err(|e| unreadable(path, e))?;
    bytes.truncate(length);
    if in_force(Measure::PolicySize) && length > SIZE_MAX {
        return Err((format!("{path} is longer than {SIZE_MAX} bytes"), format!("ls -l {path}")));
    }
    Ok(Some(bytes))
}

/// Mode and group of the file at `path`, if there is one.
#[must_use]
pub fn mode(path: &str) -> Option<(u32, u32)> {
    let Ancestry { directory, name, .. } = ancestry::descend(path.as_bytes(), false).ok()?;
    let st = fd::stat_at(directory.as_fd(), &name).ok()?;
    Some((st.st_mode & 0o7777, st.st_gid))
}

fn stopped_on_the_way(file: &str, stopped: Stopped) -> Result<Option<Vec<u8>>, Wrong> {
    let Stopped { path, errno, open } = stopped;
    let name = shell(&path);
    match errno {
        Errno::ENOENT => judge_directory(file, open, None).map(|()| None),
        Errno::ENOTDIR | Errno::ELOOP => Err((
            format!(
                "{name} is not a directory but a link or a file: the policy would come from somewhere else"
            ),
            format!(
                "sudo rm {name} && sudo install -d -o root -g root -m 0755 {name}   # look at it first: ls -l {name}"
            ),
        )),
        e => Err((format!("{name} cannot be entered: {e}"), format!("sudo chmod 0755 {name}"))),
    }
}

fn judge_directory(file: &str, open: Option<OpenDirectory>, there: Option<&libc::stat>) -> Result<(), Wrong> {
    let Some(OpenDirectory { path, uid, mode }) = open.filter(|_| in_force(Measure::PolicyDirectories))
    else {
        return Ok(());
    };
    let (name, named) = (shell(&path), shell(file.as_bytes()));
    // Where the policy stands nobody but root has anything to write. A home, or /tmp, is meant to be as it is.
    let fix = if file.starts_with("/etc/") && mode & 0o1000 == 0 {
        let shut = format!("sudo chown root:root {name} && sudo chmod go-w {name}");
        there.map_or(shut.clone(), |st| format!("{shut} && {}", anew(&named, st)))
    } else {
        format!(
            "sudo install -D -o root -g root -m 0644 -t /etc/portcullis {named}   # read it first: somebody may have changed it"
        )
    };
    Err((
        format!(
            "{name} (owner uid {uid}, mode {mode:04o}) can be changed by others than root, and {named} lies below it"
        ),
        fix,
    ))
}

fn judge(path: &str, file: &OwnedFd, st: &libc::stat) -> Result<(), Wrong> {
    let mode = st.st_mode & 0o7777;
    if in_force(Measure::PolicyRegular) && fd::kind(st) != SFlag::S_IFREG {
        return Err((format!("{path} is not a regular file"), format!("ls -l {path}")));
    }
    if in_force(Measure::PolicyOwner) && st.st_uid != 0 {
        return Err((
            format!(
                "{path} belongs to uid {}, not to root: who owns it decides what this program may do",
                st.st_uid
            ),
            anew(path, st),
        ));
    }
    if in_force(Measure::PolicyMode) && mode & 0o022 != 0 {
        return Err((
            format!("{path} has mode {mode:04o}: others than root can write to it"),
            anew(path, st),
        ));
    }
    if in_force(Measure::PolicyLinks) && st.st_nlink != 1 {
        return Err((
            format!("{path} has {} hard links: it may be changed under another name", st.st_nlink),
            anew(path, st),
        ));
    }
    let acl = fd::xattr(file, c"system.posix_acl_access").map_err(|e| unreadable(path, e))?.is_some();
    if in_force(Measure::PolicyAcl) && acl {
        return Err((
            format!("{path} has a POSIX ACL, which can let in users that its mode keeps out"),
            anew(path, st),
        ));
    }
    Ok(())
}

/// A new file of the same text. Whoever could write to the old one may have it open, and go on writing whatever its owner and its mode
/// are by then. install(1) takes away what stands under the new name first. One of root's that only a group reads stays so.
fn anew(path: &str, old: &libc::stat) -> String {
    let (group, mode) = match old.st_mode & 0o004 {
        0 if old.st_uid == 0 => (old.st_gid.to_string(), "0640"),
        _ => ("root".to_owned(), "0644"),
    };
    format!(
        "sudo install -o root -g {group} -m {mode} {path} {path}.new && sudo mv {path}.new {path}   # then read it: somebody else may have written it"
    )
}

fn unreadable(path: &str, e: Errno) -> Wrong {
    match e {
        Errno::ELOOP => (
            format!("{path} is a symbolic link: the policy must stand there itself"),
            format!(
                "sudo sh -c 'cp --remove-destination \"$(readlink -f {path})\" {path}'   # then read it: who owns what it led to may have written it"
            ),
        ),
        Errno::EACCES => (
            format!("{path} cannot be read by uid {}", nix::unistd::geteuid()),
            format!("sudo chmod 0644 {path}   # or 0640, with the group that starts the program"),
        ),
        e => (format!("{path} cannot be read: {e}"), format!("ls -l {path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_what_sha256sum_prints() {
        assert_eq!(digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_text_with_mistakes_refuses_with_the_first_place() {
        let refusal = understood("/p", b"version = 1\n[porc]\n[x]\n").unwrap_err();
        assert_eq!(refusal.reason, Reason::PolicyFile);
        assert!(refusal.message.starts_with("/p, line 2, column 2: "), "{}", refusal.message);
        assert!(refusal.message.ends_with("(and 1 more)"), "{}", refusal.message);
    }

    #[test]
    fn a_file_in_an_open_directory_is_refused_whether_it_is_there_or_not() {
        let (message, fix) = read("/tmp/portcullis-no-such-folder/policy.toml").unwrap_err();
        assert!(message.starts_with("/tmp (owner uid 0, mode 1777)"), "{message}");
        assert!(fix.starts_with("sudo install "), "{fix}");
        assert_eq!(read("/etc/portcullis-no-such-folder/policy.toml"), Ok(None));
    }
}
