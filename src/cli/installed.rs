//! An installed copy as the one who starts it will find it: what it would be refused for under a policy. Asked by `doctor` and
//! by `policy check`, mostly by root, whose own rights say nothing about the application's.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use crate::audit::log::Sink;
use crate::capability::{Capabilities, Capability};
use crate::error::{Reason, Refusal};
use crate::harden::cause::{self, Circumstances};
use crate::harden::{grant, usual};
use crate::op::Role;
use crate::policy::{Policy, file};
use crate::sys::datagram::Syslog;
use crate::sys::{capset, fd};

/// A copy.
#[derive(Debug)]
pub struct Installed {
    role: Role,
    around: Circumstances,
    gid: u32,
}

/// The role that a file is installed for, by its name.
#[must_use]
pub fn role_of(path: &[u8]) -> Option<Role> {
    let name = path.rsplit(|b| *b == b'/').next()?;
    Role::from_name(name.strip_prefix(b"portcullis-")?)
}

impl Installed {
    /// Looks at the copy that `file` refers to.
    pub fn observe(file: &OwnedFd, path: &[u8], role: Role) -> Result<Self, Errno> {
        let around = Circumstances::observe(file, path, capset::read()?.bounding)?;
        Ok(Self { role, around, gid: fd::stat(file.as_fd())?.st_gid })
    }

    /// Whether it has capabilities at all: a build that is only looked with has none, and nothing is missing.
    #[must_use]
    pub fn has_capabilities(&self) -> bool {
        self.around.granted.is_some()
    }

    /// What a start under this policy would be refused for.
    #[must_use]
    pub fn refusals(&self, policy: &Policy) -> Vec<Refusal> {
        let capabilities = self.capabilities(policy);
        let readable = file::read(file::PATH).ok().flatten().and_then(|_| unreadable_for(self.gid));
        capabilities.into_iter().chain(readable).chain(log(policy)).collect()
    }

    fn capabilities(&self, policy: &Policy) -> Option<Refusal> {
        let Self { around, role, gid } = self;
        // What a start from here would get: the kernel gives the file's set, cut by the bounding set, unless it ignores both.
        let ignored = around.no_new_privileges || around.nosuid || around.user_namespace;
        let would_get = if ignored { 0 } else { around.granted.unwrap_or(0) & around.bounding };
        let raw = *role == Role::Net && policy.pings() && !ping_sockets_are_open(*gid);
        let raw = if raw { Capabilities::of(&[Capability::NetRaw]) } else { Capabilities::NONE };
        let wanted = policy.capabilities(*role).or(raw);
        let needed = wanted.or(Capabilities::of(&[Capability::Setpcap]));
        let lacking = needed.without(needed.and_bits(would_get));
        let grant = grant(*role, usual(*role).or(wanted));
        (!lacking.is_empty()).then(|| cause::explain(around, lacking, Capability::ALL, &grant))
    }
}

/// Whether ping sockets take no capability for this group (icmp(7)).
fn ping_sockets_are_open(gid: u32) -> bool {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().map_while(|n| n.parse::<u32>().ok());
    bounds.next().zip(bounds.next()).is_some_and(|(low, high)| (low..=high).contains(&gid))
}

/// The policy is readable for root, and must be for those who start the program.
fn unreadable_for(gid: u32) -> Option<Refusal> {
    let (mode, group) = file::mode(file::PATH)?;
    let readable = mode & 0o004 != 0 || mode & 0o040 != 0 && group == gid;
    (!readable).then(|| {
        Refusal::new(
            Reason::PolicyFile,
            format!(
                "{} has mode {mode:04o}: the members of group {gid}, who start the program, cannot read it",
                file::PATH
            ),
            format!("sudo chmod 0644 {}", file::PATH),
        )
    })
}

/// A log that must be there and is not.
fn log(policy: &Policy) -> Option<Refusal> {
    let listening = || Syslog::open().is_ok_and(|log| log.is_connected());
    (policy.audit().syslog == Sink::Required && !listening())
        .then(|| super::port::no_log("nobody listens on /dev/log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_for_the_role_in_its_name() {
        assert_eq!(role_of(b"/usr/local/libexec/portcullis/portcullis-net"), Some(Role::Net));
        assert_eq!(role_of(b"portcullis-proc"), Some(Role::Proc));
        for other in [&b"/a/portcullis"[..], b"/a/portcullis-", b"/portcullis-net/x", b""] {
            assert_eq!(role_of(other), None);
        }
    }
}
