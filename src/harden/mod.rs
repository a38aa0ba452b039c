//! From a fresh process to one that may read its first byte of input. The steps run in one order, each is fatal when
//! it fails, and what comes out is a token without which nothing is served.
//!
//! [`begin`] takes everything that does not depend on the policy; [`Fenced::confine`] the rest. `cli` stands between
//! the two, because only it knows both sides: it reads the policy, and opens what is kept open.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod cause;
mod distribution;
pub mod gateway;
pub mod helper;
pub mod landlock;
pub mod node;
pub mod own_file;
pub mod seccomp;

use nix::errno::Errno;
use nix::sys::resource::Resource;

use crate::capability::{Capabilities, Capability};
use crate::error::{Reason, Refusal};
use crate::helper::pool::Pool;
use crate::limits::{ADDRESS_SPACE_MAX, DESCRIPTORS_MAX, REPLY_FRAME_MAX};
use crate::measure::{Measure, in_force};
use crate::op::Role;
use crate::sys::parameters::Directory;
use crate::sys::process::Orphaned;
use crate::sys::{capset, fd, kept, process};
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

/// What setcap(8) is to be given for a copy that uses `used`.
#[must_use]
pub fn grant(role: Role, used: Capabilities) -> String {
    let kept = used.among(role.capabilities()).map(Capability::long_name);
    let names: Vec<&str> = std::iter::once(Capability::Setpcap.long_name()).chain(kept).collect();
    format!("{}=p", names.join(","))
}

/// The capabilities that a copy for `role` is installed with unless root decides otherwise (scripts/install.sh).
#[must_use]
pub fn usual(role: Role) -> Capabilities {
    match role {
        Role::Proc => Capabilities::of(&[Capability::SysPtrace]),
        Role::Net => Capabilities::of(&[Capability::NetRaw, Capability::NetAdmin]),
    }
}

/// Steps 1 to 5: descriptors, dumps, parent, signals, environment, own file.
pub fn begin(start: Start) -> Result<Fenced, Refusal> {
    cut_off(start.role).map_err(|(step, e)| failed(step, e))?;
    let before = capset::read().map_err(|e| failed("reading the capability sets", e))?;
    let path = fd::own_path().map_err(|e| failed("finding its own file", e))?;
    let file = fd::open_own_file().map_err(|e| failed("opening its own file", e))?;
    let circumstances = Circumstances::observe(&file, &path, before.bounding)
        .map_err(|e| failed("looking at its own file", e))?;
    let kept = if start.unprivileged { Capabilities::NONE } else { Capabilities::of(Capability::ALL) };
    capset::keep_only(kept.and_bits(before.permitted)).map_err(|e| failed("giving up capabilities", e))?;
    let facts = own_file::gather(&file, path).map_err(|e| failed("checking its own file", e))?;
    drop(file);
    let mut findings = own_file::judge(&facts, &grant(start.role, usual(start.role)), &group_name);
    if !start.unprivileged && !findings.is_empty() {
        return Err(findings.remove(0));
    }
    if process::is_root() && !start.allow_root && in_force(Measure::Root) {
        return Err(Refusal::new(
            Reason::RunningAsRoot,
            "it was started by root; it is meant to be started by the user of the application, who needs no privilege for it",
            "start the BEAM as an ordinary user; only for a trial: portcullis:start_link([{args, [\"--allow-root\"]}])",
        ));
    }
    let held = kept.and_bits(before.permitted);
    Ok(Fenced { start, held, circumstances, findings })
}

/// The group as a command names it.
#[must_use]
pub fn group_name(gid: u32) -> String {
    accounts::group(gid).name
}

/// Role `net` may have a change to take back before it ends.
fn orphaned(role: Role) -> Orphaned {
    match role {
        Role::Proc => Orphaned::Killed,
        Role::Net => Orphaned::Asked,
    }
}

fn cut_off(role: Role) -> Result<(), (&'static str, Errno)> {
    if in_force(Measure::InheritedDescriptors) {
        fd::close_inherited().map_err(|e| ("closing inherited descriptors", e))?;
    }
    let parent = process::parent();
    if in_force(Measure::Dumpable) {
        process::forbid_dumps().map_err(|e| ("PR_SET_DUMPABLE", e))?;
    }
    if in_force(Measure::ParentDeath) {
        process::die_with_parent(orphaned(role)).map_err(|e| ("PR_SET_PDEATHSIG", e))?;
    }
    if process::parent() != parent {
        // It ended before the signal was asked for, so that none will come.
        process::exit_now(0);
    }
    if in_force(Measure::Signals) {
        process::reset_signals().map_err(|e| ("resetting signals", e))?;
    }
    if orphaned(role) == Orphaned::Asked {
        process::hold_termination().map_err(|e| ("holding signals back", e))?;
    }
    process::usual_timer_slack().map_err(|e| ("PR_SET_TIMERSLACK", e))?;
    if in_force(Measure::Environment) {
        process::clear_environment();
    }
    if in_force(Measure::Directory) {
        process::neutral_directory().map_err(|e| ("chdir to /", e))?;
    }
    Ok(())
}

fn failed(step: &str, e: Errno) -> Refusal {
    Refusal::new(
        Reason::HardeningFailed,
        format!("the kernel refused a hardening step, {step}: {e}"),
        "uname -r   # Linux 5.11 or newer is needed; if it is, a container profile forbids the call: report it with this text",
    )
}

impl Fenced {
    /// The capabilities that are there to be used until [`confine`](Self::confine).
    #[must_use]
    pub fn held(&self) -> Capabilities {
        self.held
    }

    /// How it was asked to start.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

    /// Adds something that is wrong with the installation and stops only a start with privileges.
    pub fn find(&mut self, finding: Refusal) -> Result<(), Refusal> {
        if !self.start.unprivileged {
            return Err(finding);
        }
        self.findings.push(finding);
        own_file::close_the_directory_first(&mut self.findings);
        Ok(())
    }

    /// Whether `wanted` is there, beside what the start itself takes; what is lacking is refused with its cause.
    pub fn require(&mut self, wanted: Capabilities) -> Result<(), Refusal> {
        let needed = Capabilities::of(&[Capability::Setpcap]).or(wanted);
        let lacking = needed.without(self.held);
        if lacking.is_empty() {
            return Ok(());
        }
        let used = usual(self.start.role).or(wanted);
        let grant = grant(self.start.role, used);
        let other_role = Role::ALL.iter().copied().find(|role| self.is_installed_for(*role));
        self.find(match other_role.filter(|role| *role != self.start.role) {
            // setcap would take the capabilities of its own role away from it.
            Some(role) => cause::other_role(&self.circumstances.path, role, self.start.role),
            None => cause::explain(&self.circumstances, lacking, Capability::ALL, &grant),
        })
    }

    /// Whether the file has the capabilities that a copy for `role` is installed with.
    fn is_installed_for(&self, role: Role) -> bool {
        let granted = self.circumstances.granted.unwrap_or(0);
        usual(role).and_bits(!granted).is_empty()
    }

    /// Steps 6 to 11: limits, no new privileges, capabilities cut down to `wanted` and read back, landlock, seccomp. Below
    /// `parameters` files can be opened later, and up to `kept` descriptors beside those that are needed anyway; helper processes are
    /// started on the way, where they are `helped` by.
    pub fn confine(
        mut self,
        wanted: Capabilities,
        parameters: Option<&Directory>,
        kept: u64,
        helped: bool,
    ) -> Result<(Confined, Pool), Refusal> {
        self.require(wanted)?;
        limit_resources(kept).map_err(|e| failed("lowering resource limits", e))?;
        let kept = if self.start.unprivileged { Capabilities::NONE } else { wanted };
        let Self { start, held, circumstances: _, findings } = self;
        let kept = if in_force(Measure::Permitted) { kept } else { held };
        give_up(start, kept).map_err(|(step, e)| failed(step, e))?;
        let pool = if helped { helper::start(start).map_err(no_helpers)? } else { Pool::none() };
        let features = restrict(start, kept, parameters).map_err(|(step, e)| failed(step, e))?;
        let confined =
            Confined { role: start.role, held: kept, missing: wanted.without(kept), findings, features };
        Ok((confined, pool))
    }
}

fn no_helpers(e: Errno) -> Refusal {
    Refusal::new(
        Reason::HardeningFailed,
        format!("the policy grants disk_usage, and its helper processes cannot be started: {e}"),
        "ulimit -u; ulimit -n   # four processes more, 128 descriptors; of a unit: TasksMax=; or take disk_usage out of the policy",
    )
}

/// What a process keeps from those that it makes, too.
fn give_up(start: Start, kept: Capabilities) -> Result<(), (&'static str, Errno)> {
    if in_force(Measure::NoNewPrivs) {
        process::forbid_new_privileges().map_err(|e| ("PR_SET_NO_NEW_PRIVS", e))?;
    }
    if in_force(Measure::ExecutableMemory) {
        process::forbid_executable_memory().map_err(|e| ("PR_SET_MDWE", e))?;
    }
    if !start.unprivileged {
        if in_force(Measure::Bounding) {
            capset::empty_bounding().map_err(|e| ("emptying the bounding set", e))?;
        }
        if in_force(Measure::Securebits) {
            capset::lock_securebits().map_err(|e| ("locking the securebits", e))?;
        }
        capset::keep_only(kept).map_err(|e| ("giving up capabilities", e))?;
    }
    Ok(())
}

fn restrict(
    start: Start,
    kept: Capabilities,
    parameters: Option<&Directory>,
) -> Result<Vec<&'static str>, (&'static str, Errno)> {
    if in_force(Measure::LimitProcesses) {
        process::lower_limit(Resource::RLIMIT_NPROC, 0).map_err(|e| ("lowering resource limits", e))?;
    }
    if !in_force(Measure::Effective) {
        capset::leave_effective(kept).map_err(|e| ("leaving capabilities in effect", e))?;
    }
    fd::set_nonblocking(fd::stdout()).map_err(|e| ("making stdout non-blocking", e))?;
    let size = i32::try_from(REPLY_FRAME_MAX).unwrap_or(i32::MAX);
    fd::grow_pipe(fd::stdin(), size);
    fd::grow_pipe(fd::stdout(), size);
    read_back(start, kept)?;
    let mdwe = process::forbids_executable_memory().map_err(|e| ("PR_GET_MDWE", e))?;
    let landlock = match start.role {
        // A landlock domain makes the kernel refuse what ptrace guards in /proc, whatever the capabilities.
        Role::Proc => false,
        Role::Net => {
            in_force(Measure::Landlock) && landlock::apply(parameters).map_err(|e| ("landlock", e))?
        }
    };
    if in_force(Measure::Seccomp) {
        seccomp::apply(start.role, parameters.map(Directory::reach)).map_err(|e| ("seccomp", e))?;
    }
    Ok([("mdwe", mdwe), ("landlock", landlock)]
        .into_iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| name)
        .collect())
}

/// Nothing may be dumped, locked, forked or opened without end, whatever the BEAM's own limits are. No limit on file size:
/// it would kill the program where stderr is a file. Of the descriptors to be kept there are as many as the limit that it was
/// started with leaves.
fn limit_resources(kept: u64) -> Result<(), Errno> {
    let descriptors = DESCRIPTORS_MAX.saturating_add(kept);
    for (measure, resource, value) in [
        (Measure::LimitCore, Resource::RLIMIT_CORE, 0),
        (Measure::LimitDescriptors, Resource::RLIMIT_NOFILE, descriptors),
        (Measure::LimitMemory, Resource::RLIMIT_AS, ADDRESS_SPACE_MAX),
        (Measure::LimitLocked, Resource::RLIMIT_MEMLOCK, 0),
    ] {
        if in_force(measure) {
            process::lower_limit(resource, value)?;
        }
    }
    let room = process::limit(Resource::RLIMIT_NOFILE)?.saturating_sub(DESCRIPTORS_MAX).min(kept);
    kept::allow(usize::try_from(room).unwrap_or(0));
    Ok(())
}

/// Believes the kernel, not the return codes.
fn read_back(start: Start, kept: Capabilities) -> Result<(), (&'static str, Errno)> {
    let wrong = |step| Err((step, Errno::EPERM));
    let sets = capset::read().map_err(|e| ("reading the capability sets back", e))?;
    // Without CAP_SETPCAP the bounding set stays; nothing can come through it once no_new_privs is set.
    let bounding = if start.unprivileged || !in_force(Measure::Bounding) { sets.bounding } else { 0 };
    let effective = if in_force(Measure::Effective) { 0 } else { kept.bits() };
    let expected = capset::Sets { permitted: kept.bits(), effective, inheritable: 0, bounding, ambient: 0 };
    if sets != expected {
        return wrong("the capability sets are not what they were set to");
    }
    if in_force(Measure::Dumpable) && process::dumpable() != Ok(false) {
        return wrong("the process is dumpable again");
    }
    if in_force(Measure::ParentDeath) && process::dies_with_parent(orphaned(start.role)) != Ok(true) {
        return wrong("the parent death signal was forgotten");
    }
    if in_force(Measure::NoNewPrivs) && process::no_new_privileges() != Ok(true) {
        return wrong("no_new_privs is not set");
    }
    Ok(())
}
