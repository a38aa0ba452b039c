//! Landlock for role `net`: no path can be opened, created or changed any more, no TCP port bound or connected to, no
//! abstract socket of others reached. What is open stays open.
//!
//! Role `proc` has none: a process in a domain of its own is refused what ptrace guards in `/proc`, even with
//! `CAP_SYS_PTRACE` (security/landlock/task.c, `hook_ptrace_access_check`).
#![forbid(unsafe_code)]

use landlock::{
    ABI, Access, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus,
    Scope,
};
use nix::errno::Errno;

/// The newest that the rules are written for. Of older kernels each takes the part that it knows.
const NEWEST: ABI = ABI::V6;

/// Gives up every right that the kernel knows of. `Ok(false)` where it has no landlock.
pub fn apply() -> Result<bool, Errno> {
    let RestrictionStatus { ruleset, .. } = restrict().map_err(|_| Errno::last())?;
    Ok(ruleset != RulesetStatus::NotEnforced)
}

fn restrict() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
}
