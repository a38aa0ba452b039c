//! Every system call against the table, for real: a child takes the filter and makes the call. What is not in the table
//! must kill it; what is must pass with the arguments that its row allows and kill it with others.
#![allow(unsafe_code, reason = "forks and makes system calls by number")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]
#![cfg(target_arch = "x86_64")]

#[path = "support/audit.rs"]
mod audit;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use portcullis::harden::seccomp::{self, Is, Row};
use portcullis::op::Role;
use portcullis::sys::parameters::Reach;

/// Above the last call of any kernel that this runs on; numbers that no kernel has are forbidden like the others.
const LAST: i64 = 480;

/// uretprobe and uprobe: the kernel lets no filter see them (kernel/seccomp.c, `seccomp_uprobe_exception`). They do nothing
/// for a caller that has no probe in it: SIGILL, or an error.
const PROBES: [i64; 2] = [335, 336];

/// A role, and what it may do with kernel parameters.
type Table = (Role, Option<Reach>);

fn name((role, parameters): Table) -> String {
    format!("{}, parameters: {parameters:?}", role.name())
}

/// How a child ended that took the filter and made this call, with arguments that do no harm.
fn call((role, parameters): Table, number: i64, arguments: [i64; 6]) -> WaitStatus {
    // SAFETY: the child calls nothing but prctl, the system call in question and exit_group.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
        ForkResult::Child => {
            let [a, b, c, d, e, f] = arguments;
            let code = if seccomp::apply(role, parameters).is_ok() { 0 } else { 1 };
            // SAFETY: the pointers among the arguments are null or numbers that no mapping has; the kernel answers EFAULT.
            unsafe {
                if code == 0 {
                    libc::syscall(number, a, b, c, d, e, f);
                }
                libc::syscall(libc::SYS_exit_group, code);
            }
            unreachable!()
        }
    }
}

fn killed(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Signaled(_, Signal::SIGSYS, _))
}

fn passed(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(_, 0))
}

/// Arguments that a call can be made with and come back from at once: a descriptor that is not open, no memory.
const HARMLESS: [i64; 6] = [-1, 0, 0, 0, 0, 0];

#[test]
fn a_call_that_has_no_row_kills() {
    let log = audit::listen();
    if let Err(e) = &log {
        eprintln!("the kernel's records are not looked at, which takes root: {e}");
    }
    for table in seccomp::TABLES.iter().copied() {
        let rows: Vec<&Row> = seccomp::table(table.0, table.1).collect();
        let (mut forbidden, mut recorded) = (0, 0);
        for number in (0..=LAST).filter(|n| rows.iter().all(|row| row.number != *n) && !PROBES.contains(n)) {
            let status = call(table, number, HARMLESS);
            assert!(killed(status), "call {number} is not in the table and passes: {status:?}");
            forbidden += 1;
            if let (Ok(log), WaitStatus::Signaled(child, ..)) = (&log, status) {
                let words = [format!(" pid={child} "), format!(" syscall={number} "), " sig=31 ".to_owned()];
                let record = audit::find(log, &words.each_ref().map(String::as_str));
                assert!(record.is_some(), "no record of call {number} by {child}");
                recorded += 1;
            }
        }
        println!(
            "role {}: {forbidden} calls kill, {recorded} of them with a record, {} are reachable",
            name(table),
            rows.len()
        );
        assert!(rows.len() <= 40);
    }
}

#[test]
fn a_row_lets_its_call_pass_and_only_with_its_arguments() {
    for table in seccomp::TABLES.iter().copied() {
        for row in seccomp::table(table.0, table.1) {
            row_passes_with_its_arguments_only(table, row);
        }
    }
}

fn row_passes_with_its_arguments_only(table: Table, row: &Row) {
    let mut arguments = HARMLESS;
    if row.number == libc::SYS_poll {
        arguments = [0, 0, 0, 0, 0, 0];
    }
    // Each alternative, with everything in it as it must be.
    for all in row.rules {
        let mut right = arguments;
        for is in *all {
            if let Is::Value(argument, value) = *is {
                right[usize::from(argument)] = i64::try_from(value).unwrap();
            }
        }
        assert!(passed(call(table, row.number, right)), "{} does not pass with {right:?}", row.name);
        for is in *all {
            for wrong in broken(right, is) {
                assert!(killed(call(table, row.number, wrong)), "{} passes with {wrong:?}", row.name);
            }
        }
    }
    if row.rules.is_empty() && row.number != libc::SYS_exit_group {
        assert!(passed(call(table, row.number, arguments)), "{} does not pass", row.name);
    }
}

/// Arguments that break one condition.
fn broken(right: [i64; 6], is: &Is) -> Vec<[i64; 6]> {
    let with = |argument: u8, change: &dyn Fn(i64) -> i64| {
        let mut wrong = right;
        wrong[usize::from(argument)] = change(wrong[usize::from(argument)]);
        wrong
    };
    match *is {
        Is::Value(argument, _) => vec![with(argument, &|_| 7777), with(argument, &|_| -1)],
        Is::Without(argument, bits) => (0..32)
            .map(|n| 1_i64 << n)
            .filter(|b| u64::try_from(*b).unwrap() & bits != 0)
            .map(|bit| with(argument, &|value| value | bit))
            .collect(),
    }
}
