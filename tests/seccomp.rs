//! Every system call against the table, for real: a child takes the filter and makes the call. What is not in the table
//! must kill it; what is must pass with the arguments that its row allows and kill it with others.
#![allow(unsafe_code, reason = "forks and makes system calls by number")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]
#![cfg(target_arch = "x86_64")]

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use portcullis::harden::seccomp::{self, Is};
use portcullis::op::Role;

/// Above the last call of any kernel that this runs on; numbers that no kernel has are forbidden like the others.
const LAST: i64 = 480;

/// uretprobe and uprobe: the kernel lets no filter see them (kernel/seccomp.c, `seccomp_uprobe_exception`). They do nothing
/// for a caller that has no probe in it: SIGILL, or an error.
const PROBES: [i64; 2] = [335, 336];

/// How a child ended that took the filter and made this call, with arguments that do no harm.
fn call(number: i64, arguments: [i64; 6]) -> WaitStatus {
    // SAFETY: the child calls nothing but prctl, the system call in question and exit_group.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
        ForkResult::Child => {
            let [a, b, c, d, e, f] = arguments;
            let code = if seccomp::apply(Role::Proc).is_ok() { 0 } else { 1 };
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
    let rows = seccomp::table(Role::Proc);
    let mut forbidden = 0;
    for number in (0..=LAST).filter(|n| rows.iter().all(|row| row.number != *n) && !PROBES.contains(n)) {
        let status = call(number, HARMLESS);
        assert!(killed(status), "call {number} is not in the table and passes: {status:?}");
        forbidden += 1;
    }
    println!("{forbidden} calls kill, {} are reachable", rows.len());
    assert!(rows.len() <= 40);
}

#[test]
fn a_row_lets_its_call_pass_and_only_with_its_arguments() {
    for row in seccomp::table(Role::Proc) {
        let mut arguments = HARMLESS;
        if row.number == libc::SYS_poll {
            arguments = [0, 0, 0, 0, 0, 0];
        }
        // The first alternative, with everything in it as it must be.
        for is in row.rules.first().copied().unwrap_or_default() {
            if let Is::Value(argument, value) = *is {
                arguments[usize::from(argument)] = i64::try_from(value).unwrap();
            }
        }
        if row.number != libc::SYS_exit_group {
            assert!(passed(call(row.number, arguments)), "{} does not pass", row.name);
        }
        for is in row.rules.iter().flat_map(|all| all.iter()) {
            match *is {
                Is::Value(argument, _) => {
                    let mut wrong = arguments;
                    wrong[usize::from(argument)] = 7777;
                    assert!(killed(call(row.number, wrong)), "{} passes with {wrong:?}", row.name);
                }
                Is::Without(argument, bits) => {
                    for bit in (0..32).map(|n| 1_i64 << n).filter(|b| u64::try_from(*b).unwrap() & bits != 0)
                    {
                        let mut wrong = arguments;
                        wrong[usize::from(argument)] |= bit;
                        assert!(killed(call(row.number, wrong)), "{} passes with bit {bit:#x}", row.name);
                    }
                }
            }
        }
    }
}
