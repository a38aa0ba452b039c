//! What a helper is left with, and what becomes of one that would do something else.
#![allow(unsafe_code, reason = "forks and makes system calls by number")]

use nix::sys::signal::Signal;
use portcullis::harden::seccomp;

use super::support::{self, Port, fixtures, status};
use super::{Hanging, POLICY, all_helpers, ask, only};

#[test]
fn a_helper_has_nothing_but_its_socket() {
    let Some(f) = fixtures() else { return };
    for arguments in [&[][..], &["--unprivileged"]] {
        let hanging = Hanging::new(&f, "confined");
        let mut port = hanging.port(&f, 1, arguments);
        port.hello();
        ask(&mut port, only(b"/"));
        for pid in all_helpers(&port) {
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status(pid, set), "0000000000000000", "{set}");
            }
            // Without privileges it cannot be emptied; nothing can come through it (NoNewPrivs).
            if arguments.is_empty() {
                assert_eq!(status(pid, "CapBnd"), "0000000000000000");
            }
            assert_eq!((status(pid, "NoNewPrivs").as_str(), status(pid, "Seccomp").as_str()), ("1", "2"));
            assert_eq!(
                (status(pid, "Threads").as_str(), status(pid, "Name").as_str()),
                ("1", "portcullis-help")
            );
            let path = format!("/proc/{pid}/fd");
            let fds: Vec<_> = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(fds, ["0"]);
            let socket = std::fs::read_link(format!("{path}/0")).unwrap();
            assert!(socket.to_str().unwrap().starts_with("socket:"), "{socket:?}");
            // Not dumpable: /proc/PID is root's.
            let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap());
            assert_eq!(owner, 0);
            let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            for (name, most) in [
                ("Max core file size", "0"),
                ("Max processes", "0"),
                ("Max open files", "3"),
                ("Max file size", "0"),
                ("Max locked memory", "0"),
                ("Max address space", "268435456"),
            ] {
                let line = limits.lines().find_map(|l| l.strip_prefix(name)).unwrap();
                let words: Vec<&str> = line.split_whitespace().take(2).collect();
                assert_eq!(words, [most, most], "{name}");
            }
            // The environment of the BEAM was erased before.
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
            assert!(environ.iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn a_user_who_cannot_have_four_more_processes_is_told_so() {
    let Some(f) = fixtures() else { return };
    let policy = f.policy(POLICY);
    let program = f.program("ok");
    let words = ["prlimit", "--nproc=1", program.to_str().unwrap(), "port", "--role", "proc"];
    let port = Port::start(f.command(&["--policy", &policy], &words));
    let (refused, ended) = port.refused();
    assert_eq!(ended.code(), Some(78));
    let fix = support::text(refused.get("fix"));
    assert!(fix.contains("ulimit -u") && fix.contains("disk_usage"), "{fix}");
}

/// How a child ended that took a helper's filter and made this call.
fn confined_call(number: i64, arguments: [i64; 6]) -> nix::sys::wait::WaitStatus {
    // SAFETY: the child calls nothing but prctl, the system call in question and exit_group.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { child } => nix::sys::wait::waitpid(child, None).unwrap(),
        nix::unistd::ForkResult::Child => {
            let [a, b, c, d, e, f] = arguments;
            let code = if seccomp::apply_rows(seccomp::HELPER.iter()).is_ok() { 0 } else { 1 };
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

/// Above the last call of any kernel that this runs on.
const LAST: i64 = 480;

/// uretprobe and uprobe, which no filter sees.
const PROBES: [i64; 2] = [335, 336];

#[test]
#[cfg(target_arch = "x86_64")]
fn a_helper_makes_no_call_but_its_own() {
    let killed = |number, arguments| {
        matches!(confined_call(number, arguments), nix::sys::wait::WaitStatus::Signaled(_, Signal::SIGSYS, _))
    };
    let harmless = [-1, 0, 0, 0, 0, 0];
    let allowed: Vec<i64> = seccomp::HELPER.iter().map(|row| row.number).collect();
    for number in (0..=LAST).filter(|n| !allowed.contains(n) && !PROBES.contains(n)) {
        assert!(killed(number, harmless), "call {number}");
    }
    let reference = i64::from(portcullis::sys::helper::REFERENCE.bits());
    assert!(!killed(libc::SYS_openat, [-1, 0, reference, 0, 0, 0]));
    for bit in 0..32 {
        assert!(killed(libc::SYS_openat, [-1, 0, reference ^ (1 << bit), 0, 0, 0]), "bit {bit}");
    }
    for fd in 1..8 {
        assert!(killed(libc::SYS_read, [fd, 0, 0, 0, 0, 0]) && killed(libc::SYS_write, [fd, 0, 0, 0, 0, 0]));
    }
    assert!(!killed(libc::SYS_write, [0, 0, 0, 0, 0, 0]));
    assert!(killed(libc::SYS_statx, [-1, 0, 0, 0x7ff, 0, 0]));
}
