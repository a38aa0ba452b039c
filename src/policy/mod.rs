//! What may be done. A policy is data; [`authorize`] holds an action against it and makes the [`Permit`] without
//! which no effect runs.
//!
//! This version has one policy, compiled in: processes at level basic, reads only. The file that root owns will
//! replace where it comes from and nothing else.
#![forbid(unsafe_code)]

pub mod permit;

use crate::capability::{Capabilities, Capability};
use crate::error::Denial;
use crate::op::Role;
use crate::proc::action::{ReadProcesses, Tier};
use permit::Permit;

/// How much of other users' processes is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcLevel {
    /// No process data at all.
    None,
    /// What every user of the host sees, and with `CAP_SYS_PTRACE` links and `hidepid` mounts.
    Basic,
    /// Everything that the kernel shows, with `CAP_DAC_READ_SEARCH` too.
    Full,
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Policy {
    name: &'static str,
    proc_level: ProcLevel,
    environ: bool,
    deadline_ms: u64,
}

impl Policy {
    /// The policy without a file.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            name: "builtin",
            proc_level: ProcLevel::Basic,
            environ: false,
            deadline_ms: crate::limits::DEADLINE_MAX_MS,
        }
    }

    /// What `hello` calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The longest deadline that a request can have, in milliseconds.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The capabilities that a copy for `role` keeps under this policy: never more than the role has.
    #[must_use]
    pub fn capabilities(&self, role: Role) -> Capabilities {
        let granted = match self.proc_level {
            ProcLevel::None => Capabilities::NONE,
            ProcLevel::Basic => Capabilities::of(&[Capability::SysPtrace]),
            ProcLevel::Full => Capabilities::of(&[Capability::SysPtrace, Capability::DacReadSearch]),
        };
        granted.and(Capabilities::of(role.capabilities()))
    }
}

/// Something that a policy can allow.
pub trait Action {
    /// Holds the action against the policy. Answers the capabilities that it may raise.
    fn judge(&self, policy: &Policy) -> Result<Capabilities, Denial>;
}

/// Asks whether `action` is allowed to a port that holds `held`.
///
/// The permit carries the action itself, so that what was judged is what will be done.
pub fn authorize<A: Action>(policy: &Policy, held: Capabilities, action: A) -> Result<Permit<A>, Denial> {
    let capabilities = action.judge(policy)?;
    Ok(Permit::grant(action, capabilities.and(held)))
}

impl Action for ReadProcesses {
    fn judge(&self, policy: &Policy) -> Result<Capabilities, Denial> {
        if policy.proc_level == ProcLevel::None {
            return Err(Denial::new(
                "proc.level",
                "the policy grants no process data: level = \"basic\" would",
            ));
        }
        if self.reads(Tier::Environ) && !policy.environ {
            return Err(Denial::new("proc.environ", "environments hold secrets; leave the column out"));
        }
        Ok(self.capabilities())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tiers: &[Tier]) -> ReadProcesses {
        ReadProcesses::new(tiers.iter().copied())
    }

    #[test]
    fn the_builtin_policy_keeps_one_capability_of_the_role() {
        let kept = Policy::builtin().capabilities(Role::Proc);
        assert_eq!(kept, Capabilities::of(&[Capability::SysPtrace]));
    }

    #[test]
    fn environments_are_denied_and_everything_else_of_the_table_is_not() {
        let policy = Policy::builtin();
        let held = Capabilities::of(&[Capability::SysPtrace]);
        assert_eq!(authorize(&policy, held, read(&[Tier::Environ])).unwrap_err().rule, "proc.environ");
        for tier in Tier::ALL.iter().copied().filter(|t| *t != Tier::Environ) {
            assert!(authorize(&policy, held, read(&[tier])).is_ok(), "{tier:?}");
        }
    }

    #[test]
    fn a_permit_never_carries_a_capability_that_is_not_held() {
        let permit = authorize(&Policy::builtin(), Capabilities::NONE, read(&[Tier::Io])).unwrap();
        assert!(permit.capabilities().is_empty());
    }

    #[test]
    fn level_none_denies_the_table() {
        let policy = Policy { proc_level: ProcLevel::None, ..Policy::builtin() };
        let denied = authorize(&policy, Capabilities::NONE, read(&[Tier::Stat])).unwrap_err();
        assert_eq!(denied.rule, "proc.level");
        assert!(policy.capabilities(Role::Proc).is_empty());
    }
}
