//! What may be done. The rules come from one file that root owns ([`mod@file`]); [`authorize`] holds an action against them
//! and makes the [`Permit`] without which no effect runs.
#![forbid(unsafe_code)]

pub mod file;
mod firewall;
mod judge;
pub mod parse;
pub mod peers;
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
    /// The node that it is for, if it is for one.
    peer: Option<peers::Peer>,
}

impl Policy {
    /// What is in force without a file: nothing that takes a capability.
    #[must_use]
    pub fn without_a_file() -> Self {
        Self { source: Source::Absent, rules: Rules::without_a_file(), peer: None }
    }

    /// The rules of a file with that digest.
    #[must_use]
    pub fn of(rules: Rules, digest: String) -> Self {
        Self { source: Source::File(digest), rules, peer: None }
    }

    /// What a program would grant that does not ask.
    #[cfg(feature = "weakened")]
    #[must_use]
    fn everything() -> Self {
        let text = b"version = 1\n[proc]\nlevel = \"full\"\nenviron = [\"SECRET\"]\ndisk_usage = true\n\
            [files]\nread = [{ path = \"/etc\", max_bytes = 1000000 }, { path = \"/root\", max_bytes = 1000000 }]\n\
            [ping]\nallow = [\"0.0.0.0/0\", \"::/0\"]\n\
            [sysctl]\nread = [\"net.ipv4.tcp_rmem\"]\n\
            write = [{ name = \"net.ipv4.ip_forward\", values = [\"0\", \"1\"] }]\n";
        let mut all = parse::parse(text).unwrap_or_else(|_| Rules::nothing());
        all.nft = Nft { read: true, read_line: None, write: Vec::new(), confirm: false };
        // Tables have names: these are those of the attack suite.
        for family in ["inet", "ip"] {
            all.nft.write.extend(["part", "whole", "empty", "fresh", "grows", "t", "portcullis"].map(
                |table| rules::NftWrite {
                    family: family.to_owned(),
                    table: table.to_owned(),
                    ops: Vec::new(),
                    chains: Vec::new(),
                    sets: Vec::new(),
                    objects: Vec::new(),
                    all: true,
                    line: Line(1),
                },
            ));
        }
        Self { source: Source::File("everything".to_owned()), rules: all, peer: None }
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

    /// Whether any table can be read.
    #[must_use]
    pub fn tables(&self) -> bool {
        self.rules.proc.level > rules::ProcLevel::None
    }

    /// Whether file systems may be asked how full they are, so that helper processes are needed.
    #[must_use]
    pub fn disk_usage(&self) -> bool {
        self.tables() && self.rules.proc.disk_usage
    }

    /// Whether that user may be at the other end of a socket of a program that runs as `own`.
    #[must_use]
    pub fn serves(&self, uid: u32, own: u32) -> bool {
        uid == own || self.rules.socket.iter().any(|caller| caller.uid == uid)
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

impl Policy {
    /// Without a file, a denial does not send anybody to look for a mistake in it.
    fn explained(&self, denial: Denial) -> Denial {
        match (&self.source, &denial.grant) {
            (Source::Absent, Some((section, line))) => {
                let hint = format!("{}; in it, under {section} this would: {line}", file::missing());
                Denial { hint, ..denial }
            }
            _ => denial,
        }
    }
}

/// Asks whether `action` is allowed to a port that holds `held`.
///
/// The permit carries what was allowed, so that what was judged is what will be done.
pub fn authorize<A: Action>(
    policy: &Policy,
    held: Capabilities,
    action: A,
) -> Result<Permit<A::Granted>, Denial> {
    let judged = action.judge(policy).map_err(|denial| policy.explained(denial));
    let Allowed { granted, capabilities, ground: _ } = judged?;
    Ok(Permit::grant(granted, capabilities.and(held)))
}
