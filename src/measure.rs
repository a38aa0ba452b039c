//! Every measure that stands between an attacker and what the policy does not grant, by name.
//!
//! In a release each is in force and the question costs nothing. In a build with the feature `weakened` the command line
//! can leave one out: the attack suite then has to get through, or the check that it makes could not fail
//! (tests/attack). Such a build cannot be a release: the compiler refuses it.
#![forbid(unsafe_code)]

#[cfg(all(feature = "weakened", not(debug_assertions)))]
compile_error!("the feature `weakened` is for the attack suite and never goes into a release build");

/// Makes the enum, [`Measure::ALL`] and the names from one list.
macro_rules! measures {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// One measure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Measure {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Measure {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name on the command line of a weakened build and in the report of the attack suite.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

measures! {
    /// stdin and stdout must be pipes or sockets (64).
    Stdio = "stdio",
    /// Who is at the other end of a unix socket must be its own user or listed (79).
    Peer = "peer",
    /// Inherited descriptors are closed.
    InheritedDescriptors = "inherited-descriptors",
    /// `PR_SET_DUMPABLE` 0.
    Dumpable = "dumpable",
    /// The kernel kills the program when its parent ends.
    ParentDeath = "parent-death",
    /// Signals are reset, blocked ones and ignored ones.
    Signals = "signals",
    /// The environment is erased.
    Environment = "environment",
    /// The working directory is `/`.
    Directory = "directory",
    /// Its own file: mode (71).
    FileMode = "file-mode",
    /// Its own file: owner (72).
    FileOwner = "file-owner",
    /// Its own file: links (73).
    FileLinks = "file-links",
    /// Its own file: ACL (74).
    FileAcl = "file-acl",
    /// Its own file: the directories above (75).
    FileDirectories = "file-directories",
    /// Not started by root (66).
    Root = "root",
    /// The policy file: every directory on the way is root's and closed.
    PolicyDirectories = "policy-directories",
    /// The policy file: no symbolic link, neither on the way nor at the end.
    PolicySymlinks = "policy-symlinks",
    /// The policy file: regular.
    PolicyRegular = "policy-regular",
    /// The policy file: owner.
    PolicyOwner = "policy-owner",
    /// The policy file: mode.
    PolicyMode = "policy-mode",
    /// The policy file: one link.
    PolicyLinks = "policy-links",
    /// The policy file: no ACL.
    PolicyAcl = "policy-acl",
    /// The policy file: at most 64 KiB.
    PolicySize = "policy-size",
    /// The policy file: an unknown key refuses all of it.
    PolicyUnknownKeys = "policy-unknown-keys",
    /// Without a policy file no capability is kept.
    PolicyAbsent = "policy-absent",
    /// `RLIMIT_CORE` 0.
    LimitCore = "limit-core",
    /// `RLIMIT_NOFILE`.
    LimitDescriptors = "limit-descriptors",
    /// `RLIMIT_NPROC` 0.
    LimitProcesses = "limit-processes",
    /// `RLIMIT_AS`.
    LimitMemory = "limit-memory",
    /// `RLIMIT_MEMLOCK` 0.
    LimitLocked = "limit-locked",
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs = "no-new-privs",
    /// `PR_SET_MDWE`.
    ExecutableMemory = "executable-memory",
    /// The bounding set is emptied.
    Bounding = "bounding",
    /// The securebits are locked.
    Securebits = "securebits",
    /// Permitted is cut down to policy and role.
    Permitted = "permitted",
    /// Effective is empty unless a permit is being used.
    Effective = "effective",
    /// Landlock, in role `net`.
    Landlock = "landlock",
    /// seccomp.
    Seccomp = "seccomp",
    /// seccomp rows look at arguments.
    SeccompArguments = "seccomp-arguments",
    /// Every action is held against the policy.
    Authorize = "authorize",
    /// Environments are redacted.
    Redaction = "redaction",
    /// Listed files: the path must be in normal form.
    FilesNormalForm = "files-normal-form",
    /// Listed files: no symbolic link is followed.
    FilesSymlinks = "files-symlinks",
    /// Listed files: regular files only.
    FilesRegular = "files-regular",
    /// Listed files: one link only.
    FilesLinks = "files-links",
    /// Listed files: a prefix ends where a name ends.
    FilesPrefix = "files-prefix",
    /// Listed files: at most `max_bytes` for each handle.
    FilesBytes = "files-bytes",
    /// Listed files: a number of open handles.
    FilesHandles = "files-handles",
    /// Listed files: idle handles are closed.
    FilesIdle = "files-idle",
    /// Requests in a second.
    RequestRate = "request-rate",
    /// Changes in a second.
    ChangeRate = "change-rate",
    /// Frames are bounded before memory is taken.
    FrameBounds = "frame-bounds",
    /// Requests in flight.
    InFlight = "in-flight",
    /// Subscriptions.
    Subscriptions = "subscriptions",
    /// Audit records are escaped.
    AuditEscape = "audit-escape",
    /// Refusals are recorded.
    AuditRefusals = "audit-refusals",
    /// So many records of refusals in a second.
    AuditRate = "audit-rate",
}

#[cfg(feature = "weakened")]
static LEFT_OUT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Whether the program takes the measure: always, except in a build for the attack suite.
#[cfg(not(feature = "weakened"))]
#[must_use]
#[inline]
pub const fn in_force(_: Measure) -> bool {
    true
}

/// Whether the program takes the measure: unless this run was asked to leave it out.
#[cfg(feature = "weakened")]
#[must_use]
pub fn in_force(measure: Measure) -> bool {
    LEFT_OUT.load(std::sync::atomic::Ordering::Relaxed) & (1 << measure as u8) == 0
}

/// Leaves out the measure of that name: the one that is tried, and those that would hide whether it is there. `false` if
/// there is none.
#[cfg(feature = "weakened")]
pub fn leave_out(name: &[u8]) -> bool {
    let measure = Measure::ALL.iter().find(|m| m.name().as_bytes() == name);
    measure.is_some_and(|m| {
        LEFT_OUT.fetch_or(1 << *m as u8, std::sync::atomic::Ordering::Relaxed);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_everything_is_in_force() {
        let mut names: Vec<_> = Measure::ALL.iter().map(|m| m.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Measure::ALL.len());
        assert!(Measure::ALL.len() <= 64);
        assert!(Measure::ALL.iter().all(|m| in_force(*m)));
    }
}
