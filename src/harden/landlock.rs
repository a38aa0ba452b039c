//! Landlock for role `net`: no path can be opened, created or changed any more, no TCP port bound or connected to, no
//! abstract socket of others reached. What is open stays open. Where the policy names kernel parameters, the files below
//! `/proc/sys/net` can be opened, for writing only if it lets some be written.
//!
//! Role `proc` has none: a process in a domain of its own is refused what ptrace guards in `/proc`, even with
//! `CAP_SYS_PTRACE` (security/landlock/task.c, `hook_ptrace_access_check`).
#![forbid(unsafe_code)]

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;

use crate::sys::parameters::{Directory, Reach};

/// The newest that the rules are written for. Of older kernels each takes the part that it knows.
const NEWEST: ABI = ABI::V6;

/// Gives up every right that the kernel knows of, but for files below `parameters`. `Ok(false)` where it has no landlock.
pub fn apply(parameters: Option<&Directory>) -> Result<bool, Errno> {
    let RestrictionStatus { ruleset, .. } = restrict(parameters).map_err(|_| Errno::last())?;
    Ok(ruleset != RulesetStatus::NotEnforced)
}

/// Gives up every right but that to connect to one of these ports, at whatever address. `Ok(false)` where the kernel has no landlock.
pub fn connect_only(ports: &[u16]) -> Result<bool, Errno> {
    let rules = || {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        for port in ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        rules.restrict_self()
    };
    let RestrictionStatus { ruleset, .. } = rules().map_err(|_: RulesetError| Errno::last())?;
    Ok(ruleset != RulesetStatus::NotEnforced)
}

/// Gives up every file. Connections stay: which port they go to is not known yet.
pub fn files_only() -> Result<bool, Errno> {
    let rules = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .restrict_self()
    };
    let RestrictionStatus { ruleset, .. } = rules().map_err(|_: RulesetError| Errno::last())?;
    Ok(ruleset != RulesetStatus::NotEnforced)
}

fn restrict(parameters: Option<&Directory>) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    if let Some(directory) = parameters {
        let access = match directory.reach() {
            Reach::Read => AccessFs::ReadFile.into(),
            Reach::Write => AccessFs::ReadFile | AccessFs::WriteFile,
        };
        rules = rules.add_rule(PathBeneath::new(directory.fd(), access))?;
    }
    rules.restrict_self()
}
