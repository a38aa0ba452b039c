//! What the processes of distribution have in common: those of a node and of a gateway read what a network sends, so that they keep less than
//! any port: no capability, no file. What each needs beside that stands in its own table (`node`, `gateway`).
#![forbid(unsafe_code)]

use nix::errno::Errno;
use nix::sys::resource::Resource;

use super::seccomp::{self, ANY, EXEC, Is, Row, arg, row};
use crate::capability::Capabilities;
use crate::limits::NODE_DESCRIPTORS_MAX;
use crate::sys::{capset, process};

pub(super) const NODELAY: u64 = arg(libc::TCP_NODELAY);
pub(super) const TCP: u64 = arg(libc::IPPROTO_TCP);
const F_GETFL: u64 = arg(libc::F_GETFL);
const F_SETFL: u64 = arg(libc::F_SETFL);
#[cfg(debug_assertions)]
pub(super) const F_GETFD: u64 = arg(libc::F_GETFD);

/// No address: with one, and the next flag, a message makes a connection, and landlock does not look (measured with Linux 6.18).
const NOBODY: u64 = 0;
const FASTOPEN: u64 = arg(libc::MSG_FASTOPEN);

/// The system calls of all of them.
pub(super) const COMMON: &[Row] = &[
    row!(SYS_recvfrom, ANY, "what the other end of a connection says"),
    row!(SYS_sendto, &[&[Is::Value(4, NOBODY)]], "what it is told, over a socket that is connected"),
    row!(
        SYS_sendmsg,
        &[&[Is::Without(2, FASTOPEN)]],
        "questions and answers between the processes, with sockets that are handed over"
    ),
    row!(SYS_recvmsg, ANY, "the same, of the other process"),
    row!(SYS_ioctl, &[&[Is::Value(1, libc::FIONBIO)]], "sockets that do not wait"),
    #[cfg(target_arch = "x86_64")]
    row!(SYS_poll, ANY, "waiting for any of them, for a deadline"),
    // Newer architectures have no other.
    #[cfg(not(target_arch = "x86_64"))]
    row!(SYS_ppoll, ANY, "waiting for any of them, for a deadline"),
    row!(SYS_restart_syscall, ANY, "a poll that SIGSTOP and SIGCONT interrupted"),
    row!(SYS_close, ANY, "what has gone, and what was handed over"),
    row!(SYS_getrandom, ANY, "challenges; keys of TLS"),
    row!(SYS_clock_gettime, ANY, "deadlines, where the vDSO cannot answer"),
    row!(SYS_write, ANY, "who comes and goes, a panic's text to stderr; of a node, what copies are told"),
    row!(SYS_brk, ANY, "the allocator"),
    row!(SYS_mmap, &[&[Is::Without(2, EXEC)]], "the allocator, for large blocks"),
    row!(SYS_mremap, ANY, "the allocator, growing large blocks"),
    row!(SYS_munmap, ANY, "the allocator, giving large blocks back"),
    row!(SYS_exit_group, ANY, "the end"),
];

/// Those of a process that peers connect with, beside [`COMMON`].
pub(super) const CALLED: &[Row] = &[
    row!(SYS_accept4, ANY, "a peer that comes"),
    row!(
        SYS_fcntl,
        &[
            &[Is::Value(1, F_GETFL)],
            &[Is::Value(1, F_SETFL)],
            #[cfg(debug_assertions)]
            &[Is::Value(1, F_GETFD)]
        ],
        "sockets to the other processes do not wait; a debug build looks whether a descriptor is open before it closes it"
    ),
    row!(
        SYS_setsockopt,
        &[&[Is::Value(1, TCP), Is::Value(2, NODELAY)]],
        "a short answer does not wait for a longer one"
    ),
];

/// Gives up everything but these calls, and an address space of so many bytes.
pub(super) fn restrict(
    rows: impl Iterator<Item = &'static Row>,
    address_space: u64,
) -> Result<(), (&'static str, Errno)> {
    lower(address_space)?;
    seccomp::apply_rows(rows).map_err(|e| ("seccomp", e))
}

/// Gives up privileges, other processes, and all but an address space of so many bytes. Calls stay.
pub(super) fn lower(address_space: u64) -> Result<(), (&'static str, Errno)> {
    process::forbid_dumps().map_err(|e| ("PR_SET_DUMPABLE", e))?;
    for (resource, value) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, u64::try_from(NODE_DESCRIPTORS_MAX).unwrap_or(u64::MAX)),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_AS, address_space),
        (Resource::RLIMIT_MEMLOCK, 0),
    ] {
        process::lower_limit(resource, value).map_err(|e| ("lowering resource limits", e))?;
    }
    process::forbid_new_privileges().map_err(|e| ("PR_SET_NO_NEW_PRIVS", e))?;
    // An older kernel has none; the table of calls forbids executable memory too.
    let _ = process::forbid_executable_memory().map_err(|e| ("PR_SET_MDWE", e))?;
    capset::keep_only(Capabilities::NONE).map_err(|e| ("giving up capabilities", e))?;
    let sets = capset::read().map_err(|e| ("reading the capability sets back", e))?;
    if sets.permitted | sets.effective | sets.inheritable | sets.ambient != 0 {
        return Err(("a capability was kept", Errno::EPERM));
    }
    Ok(())
}
