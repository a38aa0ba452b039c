//! What may be done. The rules come from one file that root owns ([`mod@file`]); [`authorize`] holds an action against them
//! and makes the [`Permit`] without which no effect runs.
#![forbid(unsafe_code)]

pub mod file;
mod judge;
pub mod parse;
pub mod permit;
pub mod question;
pub mod rules;
pub mod suggest;
pub mod words;

use std::time::Duration;

use crate::capability::{Capabilities, Capability};
use crate::error::Denial;
use crate::op::Role;
use crate::sys::parameters::Reach;
use permit::Permit;
use rules::{Audit, Limits, Line, Nft, ProcLevel, Rules, Sysctl};

/// Where the rules come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is no file.
    Absent,
    /// A file, with the SHA-256 of its bytes as sha256sum(1) prints it.
    File(String),
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Policy {
    source: Source,
    rules: Rules,
}

impl Policy {
    /// What is in force without a file: nothing that takes a capability.
    #[must_use]
    pub fn without_a_file() -> Self {
        Self { source: Source::Absent, rules: Rules::without_a_file() }
    }

    /// The rules of a file with that digest.
    #[must_use]
    pub fn of(rules: Rules, digest: String) -> Self {
        Self { source: Source::File(digest), rules }
    }

    /// What a program would grant that does not ask.
    #[cfg(feature = "weakened")]
    #[must_use]
    fn everything() -> Self {
        let text = b"version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"SECRET\"]\n\
            [files]\nread = [{ path = \"/etc\", max_bytes = 1000000 }, { path = \"/root\", max_bytes = 1000000 }]\n\
            [ping]\nallow = [\"0.0.0.0/0\", \"::/0\"]\n\
            [sysctl]\nread = [\"net.ipv4.tcp_rmem\"]\n\
            write = [{ name = \"net.ipv4.ip_forward\", values = [\"0\", \"1\"] }]\n";
        let rules = parse::parse(text).unwrap_or_else(|_| Rules::nothing());
        Self { source: Source::File("everything".to_owned()), rules }
    }

    /// What `hello` calls it: `none`, or `sha256:` and the digest of the file.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.source {
            Source::Absent => "none".to_owned(),
            Source::File(digest) => format!("sha256:{digest}"),
        }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// `[limits]`.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.rules.limits
    }

    /// `[audit]`.
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.rules.audit
    }

    /// Whether some address may be pinged, so that sockets are needed.
    #[must_use]
    pub fn pings(&self) -> bool {
        !self.rules.ping.is_empty()
    }

    /// Whether anything of the firewall is granted, so that a socket to it is needed.
    #[must_use]
    pub fn firewall(&self) -> bool {
        self.rules.nft.read || !self.rules.nft.write.is_empty()
    }

    /// What it lets be done with some kernel parameter, so that their directory is needed; `None`: nothing.
    #[must_use]
    pub fn parameters(&self) -> Option<Reach> {
        let Sysctl { read, write } = &self.rules.sysctl;
        match (read.is_empty(), write.is_empty()) {
            (true, true) => None,
            (false, true) => Some(Reach::Read),
            (_, false) => Some(Reach::Write),
        }
    }

    /// How long a request may take that asks for `timeout_ms`.
    #[must_use]
    pub fn deadline(&self, timeout_ms: u64) -> Duration {
        Duration::from_millis(timeout_ms.min(self.rules.limits.deadline_ms))
    }

    /// The capabilities that a copy for `role` keeps under this policy: never more than the role has, and none that no
    /// operation of this version uses.
    #[must_use]
    pub fn capabilities(&self, role: Role) -> Capabilities {
        let mut wanted = Vec::new();
        if self.rules.proc.level >= ProcLevel::Basic {
            wanted.push(Capability::SysPtrace);
        }
        if self.rules.proc.level == ProcLevel::Full || !self.rules.files.is_empty() {
            wanted.push(Capability::DacReadSearch);
        }
        let Nft { read, write, read_line: _, confirm: _ } = &self.rules.nft;
        if *read || !write.is_empty() || self.parameters() == Some(Reach::Write) {
            wanted.push(Capability::NetAdmin);
        }
        if self.rules.audit.kernel {
            wanted.push(Capability::AuditWrite);
        }
        let of_role: &[Capability] = match role {
            Role::Proc => &[Capability::SysPtrace, Capability::DacReadSearch, Capability::AuditWrite],
            Role::Net => &[Capability::NetAdmin, Capability::AuditWrite],
        };
        Capabilities::of(&wanted).and(Capabilities::of(of_role))
    }
}

/// The rule that allows something, for whoever wants to know why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The key of the policy.
    pub rule: &'static str,
    /// The line of the file, where a line decides.
    pub line: Option<Line>,
    /// What is to be known of it beside that.
    pub note: Option<&'static str>,
}

/// What a policy makes of an action that it allows.
#[derive(Clone, Debug)]
pub struct Allowed<G> {
    /// What may be done: the action, with the bounds that the rule sets.
    pub granted: G,
    /// What it may raise.
    pub capabilities: Capabilities,
    /// Which rule.
    pub ground: Ground,
}

/// Something that a policy can allow.
pub trait Action {
    /// What becomes of it: itself, with bounds.
    type Granted;

    /// Holds the action against the policy.
    fn judge(self, policy: &Policy) -> Result<Allowed<Self::Granted>, Denial>;
}

/// Asks whether `action` is allowed to a port that holds `held`.
///
/// The permit carries what was allowed, so that what was judged is what will be done.
pub fn authorize<A: Action>(
    policy: &Policy,
    held: Capabilities,
    action: A,
) -> Result<Permit<A::Granted>, Denial> {
    let Allowed { granted, capabilities, ground: _ } = action.judge(policy)?;
    Ok(Permit::grant(granted, capabilities.and(held)))
}
