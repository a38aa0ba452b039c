//! The system calls that are left. Everything else ends the process (exit 159 to the BEAM, audit record 1326 in the
//! kernel's log). Each row says which part of the program needs it; a call that nothing needs has no row.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use nix::errno::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::measure::{Measure, in_force};
use crate::op::Role;
use crate::sys::parameters::{self, Reach};
use crate::sys::{datagram, helper, icmp, netlink, pidfd};

/// What one argument must be.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    /// Argument `.0` is `.1`.
    Value(u8, u64),
    /// Argument `.0` has none of the bits `.1`.
    Without(u8, u64),
}

/// One allowed call.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name in the kernel's tables.
    pub name: &'static str,
    /// The number on this architecture.
    pub number: i64,
    /// Alternatives, in each of which everything must hold. Empty: any arguments.
    pub rules: &'static [&'static [Is]],
    /// What needs it.
    pub reason: &'static str,
}

macro_rules! row {
    ($name:ident, $rules:expr, $reason:expr) => {
        Row { name: stringify!($name), number: libc::$name, rules: $rules, reason: $reason }
    };
}
pub(super) use row;

pub(super) const ANY: &[&[Is]] = &[];

/// Descriptors and constants of the C library, as an argument of a call.
#[allow(clippy::cast_sign_loss)] // they are positive
pub(super) const fn arg(n: i32) -> u64 {
    n as u64
}

/// Bits of open flags that write, create, or cut; the first is `O_WRONLY | O_RDWR`.
const WRITING: u64 = arg(libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_TRUNC
    | libc::O_APPEND
    | (libc::O_TMPFILE & !libc::O_DIRECTORY));

pub(super) const EXEC: u64 = arg(libc::PROT_EXEC);

const SYSLOG_FD: u64 = arg(datagram::SYSLOG);
const KERNEL_AUDIT_FD: u64 = arg(datagram::KERNEL_AUDIT);
const ICMP_V4_FD: u64 = arg(icmp::V4);
const ICMP_V6_FD: u64 = arg(icmp::V6);
const PARAMETERS_FD: u64 = arg(parameters::DIRECTORY);
const FIREWALL_FD: u64 = arg(netlink::REQUESTS);
const UNDO_FD: u64 = arg(netlink::UNDO);
const EVENTS_FD: u64 = arg(netlink::EVENTS);
const SOCK_DIAG_FD: u64 = arg(netlink::SOCK_DIAG);
const ROUTE_FD: u64 = arg(netlink::ROUTE);

const PROCESS_EVENTS_FD: u64 = arg(netlink::PROCESS_EVENTS);
const NETWORK_EVENTS_FD: u64 = arg(netlink::NETWORK_EVENTS);
/// The first of the sockets to helpers (`limits::HELPERS`).
const HELPER_FD: u64 = arg(helper::FIRST);

const READING_PARAMETER: u64 = arg(parameters::READING.bits());
const WRITING_PARAMETER: u64 = arg(parameters::WRITING.bits());
const NETLINK: u64 = arg(libc::SOL_NETLINK);
const JOIN: u64 = arg(libc::NETLINK_ADD_MEMBERSHIP);
const LEAVE: u64 = arg(libc::NETLINK_DROP_MEMBERSHIP);

#[cfg(debug_assertions)]
const F_GETFD: u64 = arg(libc::F_GETFD);

/// What every role needs: the conversation, the allocator, the audit trail, the end.
const COMMON: &[Row] = &[
    row!(SYS_read, ANY, "requests from stdin, files of /proc"),
    row!(SYS_write, &[&[Is::Value(0, 1)], &[Is::Value(0, 2)]], "frames to stdout, a panic's text to stderr"),
    #[cfg(target_arch = "x86_64")]
    row!(SYS_poll, ANY, "waiting for input, for room in the output, for a deadline"),
    // Newer architectures have no other.
    #[cfg(not(target_arch = "x86_64"))]
    row!(SYS_ppoll, ANY, "waiting for input, for room in the output, for a deadline"),
    row!(SYS_restart_syscall, ANY, "a poll that SIGSTOP and SIGCONT interrupted"),
    row!(SYS_connect, &[&[Is::Value(0, SYSLOG_FD)]], "the system's log, when its daemon was started again"),
    row!(SYS_close, ANY, "files that have been read; sockets, at the end"),
    row!(SYS_recvfrom, &[&[Is::Value(0, KERNEL_AUDIT_FD)]], "whether the kernel's audit log took a record"),
    row!(SYS_capget, ANY, "raising a capability for one operation: the caps crate reads before it sets"),
    row!(SYS_capset, ANY, "raising a capability for one operation"),
    row!(SYS_clock_gettime, ANY, "deadlines, where the vDSO cannot answer"),
    row!(SYS_brk, ANY, "the allocator"),
    row!(SYS_mmap, &[&[Is::Without(2, EXEC)]], "the allocator, for large blocks"),
    row!(SYS_mremap, ANY, "the allocator, growing large blocks"),
    row!(SYS_munmap, ANY, "the allocator, giving large blocks back"),
    row!(SYS_exit_group, ANY, "the end"),
    #[cfg(debug_assertions)]
    row!(
        SYS_fcntl,
        &[&[Is::Value(1, F_GETFD)]],
        "std looks whether a descriptor is open before it closes it"
    ),
];

/// What role `proc` needs beside that.
const FILES: &[Row] = &[
    row!(SYS_openat, &[&[Is::Without(2, WRITING)]], "files of /proc and of the policy, read only"),
    row!(SYS_getdents64, ANY, "the listing of /proc"),
    row!(SYS_newfstatat, ANY, "the owner of /proc/PID; what a listed file is"),
    row!(SYS_readlinkat, ANY, "exe, cwd, root"),
    row!(
        SYS_pread64,
        ANY,
        "a part of a listed file; a file of a process that is kept from one sample to the next"
    ),
    row!(
        SYS_sendto,
        &[
            &[Is::Value(0, SYSLOG_FD)],
            &[Is::Value(0, KERNEL_AUDIT_FD)],
            &[Is::Value(0, SOCK_DIAG_FD)],
            &[Is::Value(0, ROUTE_FD)],
            &[Is::Value(0, PROCESS_EVENTS_FD)],
            &[Is::Value(0, HELPER_FD)],
            &[Is::Value(0, HELPER_FD + 1)],
            &[Is::Value(0, HELPER_FD + 2)],
            &[Is::Value(0, HELPER_FD + 3)],
        ],
        "records to the system's log and the kernel's; what sockets, interfaces and routes there are; the demand for events of processes; questions to helpers"
    ),
    row!(
        SYS_recvmsg,
        &[
            &[Is::Value(0, SOCK_DIAG_FD)],
            &[Is::Value(0, ROUTE_FD)],
            &[Is::Value(0, PROCESS_EVENTS_FD)],
            &[Is::Value(0, NETWORK_EVENTS_FD)],
        ],
        "what sockets, interfaces and routes there are; events of processes, interfaces and routes"
    ),
    row!(
        SYS_setsockopt,
        &[
            &[Is::Value(0, PROCESS_EVENTS_FD), Is::Value(1, NETLINK), Is::Value(2, JOIN)],
            &[Is::Value(0, PROCESS_EVENTS_FD), Is::Value(1, NETLINK), Is::Value(2, LEAVE)],
            &[Is::Value(0, NETWORK_EVENTS_FD), Is::Value(1, NETLINK), Is::Value(2, JOIN)],
            &[Is::Value(0, NETWORK_EVENTS_FD), Is::Value(1, NETLINK), Is::Value(2, LEAVE)],
        ],
        "events while somebody has subscribed to them"
    ),
    row!(
        SYS_pidfd_open,
        &[&[Is::Value(1, 0)]],
        "the end of one process; no call that uses it for more is allowed"
    ),
    row!(SYS_ioctl, &[&[Is::Value(1, pidfd::GET_INFO)]], "the exit code of a process that has ended"),
];

/// What role `net` needs beside that.
const SOCKETS: &[Row] = &[
    row!(
        SYS_sendto,
        &[
            &[Is::Value(0, SYSLOG_FD)],
            &[Is::Value(0, KERNEL_AUDIT_FD)],
            &[Is::Value(0, ICMP_V4_FD)],
            &[Is::Value(0, ICMP_V6_FD)],
            &[Is::Value(0, FIREWALL_FD)],
            &[Is::Value(0, UNDO_FD)],
        ],
        "records to the system's log and the kernel's, echo requests, the firewall"
    ),
    row!(
        SYS_recvmsg,
        &[
            &[Is::Value(0, ICMP_V4_FD)],
            &[Is::Value(0, ICMP_V6_FD)],
            &[Is::Value(0, FIREWALL_FD)],
            &[Is::Value(0, UNDO_FD)],
            &[Is::Value(0, EVENTS_FD)],
        ],
        "echo replies, and errors that came back instead; what the firewall answers and tells"
    ),
    row!(
        SYS_setsockopt,
        &[
            &[Is::Value(0, EVENTS_FD), Is::Value(1, NETLINK), Is::Value(2, JOIN)],
            &[Is::Value(0, EVENTS_FD), Is::Value(1, NETLINK), Is::Value(2, LEAVE)],
        ],
        "events of the firewall while somebody has subscribed to them: a listener makes every change slower"
    ),
];

/// What role `net` needs where the policy lets it read parameters. The path is seen by no filter: an absolute one would make
/// the kernel forget the descriptor, which landlock is for.
const READ_PARAMETERS: &[Row] = &[row!(
    SYS_openat,
    &[&[Is::Value(0, PARAMETERS_FD), Is::Value(2, READING_PARAMETER)]],
    "kernel parameters, for reading"
)];

/// The same where it may write some.
const WRITE_PARAMETERS: &[Row] = &[
    row!(
        SYS_openat,
        &[
            &[Is::Value(0, PARAMETERS_FD), Is::Value(2, READING_PARAMETER)],
            &[Is::Value(0, PARAMETERS_FD), Is::Value(2, WRITING_PARAMETER)],
        ],
        "kernel parameters, for reading and for writing"
    ),
    row!(SYS_pwrite64, &[&[Is::Value(3, 0)]], "the value of a parameter; no pipe and no socket takes it"),
];

/// All that a helper process does. No row gives it memory, a file to read, or anything to write to but its socket.
pub const HELPER: &[Row] = &[
    row!(SYS_read, &[&[Is::Value(0, 0)]], "questions"),
    row!(SYS_write, &[&[Is::Value(0, 0)]], "answers"),
    row!(
        SYS_openat,
        &[&[Is::Value(2, arg(helper::REFERENCE.bits()))]],
        "the way to a mount, as references only"
    ),
    row!(SYS_statx, &[&[Is::Value(3, STATX_MNT_ID)]], "whether that is the mount that is meant"),
    row!(SYS_fstatfs, ANY, "how full it is"),
    row!(SYS_close, ANY, "the steps of the way"),
    row!(SYS_exit_group, ANY, "the end"),
    #[cfg(debug_assertions)]
    row!(
        SYS_fcntl,
        &[&[Is::Value(1, F_GETFD)]],
        "std looks whether a descriptor is open before it closes it"
    ),
];

const STATX_MNT_ID: u64 = libc::STATX_MNT_ID as u64;

/// The rows of a role that may do so much with kernel parameters.
pub fn table(role: Role, parameters: Option<Reach>) -> impl Iterator<Item = &'static Row> {
    let own = match role {
        Role::Proc => FILES,
        Role::Net => SOCKETS,
    };
    let parameters = match parameters {
        None => &[],
        Some(Reach::Read) => READ_PARAMETERS,
        Some(Reach::Write) => WRITE_PARAMETERS,
    };
    COMMON.iter().chain(own).chain(parameters).filter(|row| stands(row))
}

/// Every table that there is: what a copy is installed for, and what its policy lets it do with kernel parameters.
pub const TABLES: &[(Role, Option<Reach>)] =
    &[(Role::Proc, None), (Role::Net, None), (Role::Net, Some(Reach::Read)), (Role::Net, Some(Reach::Write))];

#[cfg(not(feature = "weakened"))]
fn stands(_: &Row) -> bool {
    true
}

/// The row that a build for the attack suite leaves out.
#[cfg(feature = "weakened")]
pub static WITHOUT_ROW: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();

#[cfg(feature = "weakened")]
fn stands(row: &Row) -> bool {
    WITHOUT_ROW.get().is_none_or(|name| name != row.name.as_bytes())
}

/// Allows the role's calls and nothing else, from now on.
pub fn apply(role: Role, parameters: Option<Reach>) -> Result<(), Errno> {
    apply_rows(table(role, parameters))
}

/// Allows the calls of these rows and nothing else.
pub fn apply_rows<'r>(rows: impl Iterator<Item = &'r Row>) -> Result<(), Errno> {
    let program = compile(rows).map_err(|_| Errno::EINVAL)?;
    seccompiler::apply_filter(&program).map_err(|_| Errno::last())
}

pub(super) fn compile<'r>(
    rows: impl Iterator<Item = &'r Row>,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = BTreeMap::new();
    for row in rows {
        let alternatives = row.rules.iter().filter(|_| in_force(Measure::SeccompArguments));
        let alternatives = alternatives.map(|all| SeccompRule::new(conditions(all)?));
        rules.insert(row.number, alternatives.collect::<Result<Vec<_>, _>>()?);
    }
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?.try_into()
}

fn conditions(all: &[Is]) -> Result<Vec<SeccompCondition>, seccompiler::BackendError> {
    all.iter()
        .map(|is| {
            let (argument, operator, value) = match *is {
                Is::Value(argument, value) => (argument, SeccompCmpOp::Eq, value),
                Is::Without(argument, bits) => (argument, SeccompCmpOp::MaskedEq(bits), 0),
            };
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HELPERS;

    #[test]
    fn every_row_has_a_reason_and_stands_once() {
        for (role, reach) in TABLES {
            let mut numbers: Vec<i64> = table(*role, *reach).map(|r| r.number).collect();
            let rows = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), rows);
            assert!(table(*role, *reach).all(|r| !r.reason.is_empty()));
        }
    }

    #[test]
    fn no_row_lets_anything_be_executed_or_started() {
        let forbidden = [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_fork,
            libc::SYS_vfork,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_pidfd_getfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_io_uring_setup,
            libc::SYS_openat2,
            libc::SYS_socket,
            libc::SYS_mprotect,
            libc::SYS_prctl,
        ];
        let lets = |number: &i64| {
            TABLES.iter().any(|(role, reach)| table(*role, *reach).any(|r| r.number == *number))
        };
        assert!(!forbidden.iter().any(lets));
    }

    #[test]
    fn without_a_line_for_it_role_net_opens_nothing_and_writes_to_no_file() {
        let has = |reach, number| table(Role::Net, reach).any(|row| row.number == number);
        assert!(!has(None, libc::SYS_openat) && !has(None, libc::SYS_pwrite64));
        assert!(has(Some(Reach::Read), libc::SYS_openat) && !has(Some(Reach::Read), libc::SYS_pwrite64));
        assert!(has(Some(Reach::Write), libc::SYS_openat) && has(Some(Reach::Write), libc::SYS_pwrite64));
    }

    #[test]
    fn a_helper_reads_and_writes_its_socket_only() {
        let mut names: Vec<&str> =
            HELPER.iter().map(|row| row.name).filter(|name| *name != "SYS_fcntl").collect();
        names.sort_unstable();
        let expected = [
            "SYS_close",
            "SYS_exit_group",
            "SYS_fstatfs",
            "SYS_openat",
            "SYS_read",
            "SYS_statx",
            "SYS_write",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn every_helper_can_be_asked() {
        let sending = FILES.iter().find(|row| row.name == "SYS_sendto").unwrap();
        let fds = (0..HELPERS as u64).map(|nth| HELPER_FD + nth);
        for fd in fds {
            assert!(sending.rules.iter().any(|rule| matches!(rule, [Is::Value(0, value)] if *value == fd)));
        }
    }

    #[test]
    fn the_tables_compile() {
        assert!(compile(HELPER.iter()).is_ok());
        assert!(TABLES.iter().all(|(role, reach)| compile(table(*role, *reach)).is_ok()));
    }
}
