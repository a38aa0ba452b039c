//! From a fresh process to one that may read its first byte of input. The steps run in one order, each is fatal when
//! it fails, and what comes out is a token without which nothing is served.
//!
//! [`begin`] takes everything that does not depend on the policy; [`Fenced::confine`] the rest. `cli` stands between
//! the two, because only it knows both sides.
#![forbid(unsafe_code)]

pub mod cause;
pub mod own_file;
pub mod quote;
pub mod seccomp;

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::resource::Resource;

use crate::capability::{Capabilities, Capability};
use crate::error::{Reason, Refusal};
use crate::limits::{ADDRESS_SPACE_MAX, DESCRIPTORS_MAX, REPLY_FRAME_MAX};
use crate::op::Role;
use crate::sys::{capset, fd, process};
use cause::Circumstances;

/// How the program was asked to start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// What for.
    pub role: Role,
    /// Give up every capability first; problems of the installation become findings.
    pub unprivileged: bool,
    /// Serve although the user is root.
    pub allow_root: bool,
}

/// A process that has cut itself off from what it inherited, and knows its own file. Steps 1 to 5.
#[must_use]
#[derive(Debug)]
pub struct Fenced {
    start: Start,
    file: OwnedFd,
    path: Vec<u8>,
    held: Capabilities,
    circumstances: Circumstances,
    findings: Vec<Refusal>,
}

/// The proof that every step was taken. Only this module makes one.
#[must_use]
#[derive(Debug)]
pub struct Confined {
    role: Role,
    held: Capabilities,
    missing: Capabilities,
    findings: Vec<Refusal>,
    features: Vec<&'static str>,
}

impl Confined {
    /// What the program serves.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The capabilities that are left.
    #[must_use]
    pub fn held(&self) -> Capabilities {
        self.held
    }

    /// Those that the policy would grant and that are not there.
    #[must_use]
    pub fn missing(&self) -> Capabilities {
        self.missing
    }

    /// What is wrong with the installation.
    #[must_use]
    pub fn findings(&self) -> &[Refusal] {
        &self.findings
    }

    /// Measures that not every kernel has and that are in force.
    #[must_use]
    pub fn features(&self) -> &[&'static str] {
        &self.features
    }
}

/// What setcap(8) is to be given for a copy that keeps `kept`.
#[must_use]
pub fn grant(role: Role, kept: Capabilities) -> String {
    let kept = kept.among(role.capabilities()).map(Capability::long_name);
    let names: Vec<&str> = std::iter::once(Capability::Setpcap.long_name()).chain(kept).collect();
    format!("{}=p", names.join(","))
}

/// Steps 1 to 5: descriptors, dumps, parent, signals, environment, own file. `wanted` is only used to word the
/// commands that mend.
pub fn begin(start: Start, wanted: Capabilities) -> Result<Fenced, Refusal> {
    cut_off().map_err(|(step, e)| failed(step, e))?;
    let before = capset::read().map_err(|e| failed("reading the capability sets", e))?;
    let path = fd::own_path().map_err(|e| failed("finding its own file", e))?;
    let file = fd::open_own_file().map_err(|e| failed("opening its own file", e))?;
    let circumstances = Circumstances::observe(&file, &path, before.bounding)
        .map_err(|e| failed("looking at its own file", e))?;
    if start.unprivileged {
        capset::keep_only(Capabilities::NONE).map_err(|e| failed("giving up the capabilities", e))?;
    }
    let facts = own_file::gather(&file, path.clone()).map_err(|e| failed("checking its own file", e))?;
    let mut findings = own_file::judge(&facts, &grant(start.role, wanted));
    if !start.unprivileged && !findings.is_empty() {
        return Err(findings.remove(0));
    }
    if process::is_root() && !start.allow_root {
        return Err(Refusal::new(
            Reason::RunningAsRoot,
            "it was started by root; it is meant to be started by the user of the application, who needs no privilege for it",
            "start the BEAM as an ordinary user, or pass --allow-root",
        ));
    }
    let held = Capabilities::of(Capability::ALL).and_bits(before.permitted);
    Ok(Fenced { start, file, path, held, circumstances, findings })
}

fn cut_off() -> Result<(), (&'static str, Errno)> {
    fd::close_inherited().map_err(|e| ("closing inherited descriptors", e))?;
    let parent = process::parent();
    process::forbid_dumps().map_err(|e| ("PR_SET_DUMPABLE", e))?;
    process::die_with_parent().map_err(|e| ("PR_SET_PDEATHSIG", e))?;
    if process::parent() != parent {
        // It ended before the signal was asked for, so that none will come.
        process::exit_now(0);
    }
    process::reset_signals().map_err(|e| ("resetting signals", e))?;
    process::clear_environment();
    process::neutral_directory().map_err(|e| ("chdir to /", e))
}

fn failed(step: &str, e: Errno) -> Refusal {
    Refusal::new(
        Reason::HardeningFailed,
        format!("the kernel refused a hardening step, {step}: {e}"),
        "uname -r   # Linux 5.11 or newer is needed; if it is, a container profile forbids the call: report it with this text",
    )
}

impl Fenced {
    /// Steps 6 to 11: limits, no new privileges, capabilities cut down to `wanted` and read back, seccomp.
    pub fn confine(mut self, wanted: Capabilities) -> Result<Confined, Refusal> {
        let needed = Capabilities::of(&[Capability::Setpcap]).or(wanted);
        let lacking = needed.without(self.held);
        if !lacking.is_empty() {
            let grant = grant(self.start.role, wanted);
            let refusal = cause::explain(&self.circumstances, lacking, Capability::ALL, &grant);
            if !self.start.unprivileged {
                return Err(refusal);
            }
            self.findings.push(refusal);
            own_file::close_the_directory_first(&mut self.findings);
        }
        let kept = if self.start.unprivileged { Capabilities::NONE } else { wanted };
        let Self { start, file, path, held: _, circumstances: _, findings } = self;
        drop((file, path));
        let features = restrict(start, kept).map_err(|(step, e)| failed(step, e))?;
        Ok(Confined { role: start.role, held: kept, missing: wanted.without(kept), findings, features })
    }
}

fn restrict(start: Start, kept: Capabilities) -> Result<Vec<&'static str>, (&'static str, Errno)> {
    limit_resources().map_err(|e| ("lowering resource limits", e))?;
    process::forbid_new_privileges().map_err(|e| ("PR_SET_NO_NEW_PRIVS", e))?;
    let mdwe = process::forbid_executable_memory().map_err(|e| ("PR_SET_MDWE", e))?;
    if !start.unprivileged {
        capset::empty_bounding_and_lock().map_err(|e| ("emptying the bounding set", e))?;
        capset::keep_only(kept).map_err(|e| ("giving up capabilities", e))?;
    }
    fd::set_nonblocking(fd::stdout()).map_err(|e| ("making stdout non-blocking", e))?;
    let size = i32::try_from(REPLY_FRAME_MAX).unwrap_or(i32::MAX);
    fd::grow_pipe(fd::stdin(), size);
    fd::grow_pipe(fd::stdout(), size);
    read_back(start, kept)?;
    seccomp::apply(start.role).map_err(|e| ("seccomp", e))?;
    Ok(if mdwe { vec!["mdwe"] } else { Vec::new() })
}

/// Nothing may be dumped, locked, forked or opened without end, whatever the BEAM's own limits are. No limit on file size:
/// it would kill the program where stderr is a file.
fn limit_resources() -> Result<(), Errno> {
    process::lower_limit(Resource::RLIMIT_CORE, 0)?;
    process::lower_limit(Resource::RLIMIT_NOFILE, DESCRIPTORS_MAX)?;
    process::lower_limit(Resource::RLIMIT_NPROC, 0)?;
    process::lower_limit(Resource::RLIMIT_AS, ADDRESS_SPACE_MAX)?;
    process::lower_limit(Resource::RLIMIT_MEMLOCK, 0)
}

/// Believes the kernel, not the return codes.
fn read_back(start: Start, kept: Capabilities) -> Result<(), (&'static str, Errno)> {
    let wrong = |step| Err((step, Errno::EPERM));
    let sets = capset::read().map_err(|e| ("reading the capability sets back", e))?;
    // Without CAP_SETPCAP the bounding set stays; nothing can come through it once no_new_privs is set.
    let bounding = if start.unprivileged { sets.bounding } else { 0 };
    let expected =
        capset::Sets { permitted: kept.bits(), effective: 0, inheritable: 0, bounding, ambient: 0 };
    if sets != expected {
        return wrong("the capability sets are not what they were set to");
    }
    if process::dumpable() != Ok(false) {
        return wrong("the process is dumpable again");
    }
    if process::dies_with_parent() != Ok(true) {
        return wrong("the parent death signal was forgotten");
    }
    if process::no_new_privileges() != Ok(true) {
        return wrong("no_new_privs is not set");
    }
    Ok(())
}
