//! The attacker who has code execution inside the port. The program is the port's own up to its first byte of input; then
//! it makes one attempt, says how that went, and ends. What ends it by a signal says that by itself.
//!
//! `intruder --role ROLE [--without MEASURE]... ATTEMPT`
#![allow(unsafe_code, reason = "makes system calls by number, as an attacker would")]

use std::io::Write;

use portcullis::cli::port::prepare;
use portcullis::harden::Start;
use portcullis::limits::DESCRIPTORS_MAX;
use portcullis::measure::leave_out;
use portcullis::op::Role;
use portcullis::sys::parameters::{DIRECTORY, READING, WRITING};

fn main() {
    let mut role = Role::Proc;
    let mut attempt = String::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--role" => role = words.next().and_then(|r| Role::from_name(r.as_bytes())).expect("a role"),
            "--without" => assert!(words.next().is_some_and(|m| leave_out(m.as_bytes())), "no such measure"),
            _ => attempt = word,
        }
    }
    let call = CALLS.iter().find(|call| call.name == attempt).expect("no such attempt");
    match prepare(Start { role, unprivileged: false, allow_root: false }) {
        Ok(_prepared) => report(&(call.attack)()),
        Err(refusal) => report(&format!("refused {refusal}")),
    }
    // SAFETY: ends the process; std's own end would make calls that are forbidden.
    unsafe { libc::_exit(0) }
}

fn report(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}

/// What an attempt came to: `through` and what was gained, or `stopped` and the errno.
fn call(number: i64, a: [i64; 6]) -> String {
    // SAFETY: pointers among the arguments are null or point to what lives for the whole program.
    let r = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    outcome(r)
}

fn outcome(r: i64) -> String {
    if r >= 0 { format!("through {r}") } else { format!("stopped {}", std::io::Error::last_os_error()) }
}

struct Call {
    name: &'static str,
    attack: fn() -> String,
}

fn at(text: &'static std::ffi::CStr) -> i64 {
    text.as_ptr() as i64
}

/// One system call with these arguments, under its own name or another.
macro_rules! calls {
    ($($name:literal: $number:ident($($argument:expr),*);)+) => {
        &[$(Call {
            name: $name,
            attack: || {
                let given: &[i64] = &[$($argument as i64),*];
                let mut a = [0; 6];
                a[..given.len()].copy_from_slice(given);
                call(libc::$number, a)
            },
        }),+]
    };
}

const DIRFD: i32 = libc::AT_FDCWD;

/// Another process of the same user would do as well; that there is one is certain only of the first.
const PARENT: i32 = 1;

const PLAIN: &[Call] = calls! {
    "execve": SYS_execve(at(c"/bin/true"), 0, 0);
    "execveat": SYS_execveat(DIRFD, at(c"/bin/true"), 0, 0, 0);
    "fork": SYS_fork();
    "vfork": SYS_vfork();
    "clone": SYS_clone(libc::SIGCHLD, 0, 0, 0, 0);
    "clone3": SYS_clone3(0, 0);
    "ptrace": SYS_ptrace(libc::PTRACE_ATTACH, PARENT, 0, 0);
    "process_vm_readv": SYS_process_vm_readv(PARENT, 0, 0, 0, 0, 0);
    "process_vm_writev": SYS_process_vm_writev(PARENT, 0, 0, 0, 0, 0);
    "pidfd_open-thread": SYS_pidfd_open(PARENT, libc::O_EXCL);
    "pidfd-namespace": SYS_ioctl(1, 0xff04);
    "pidfd_getfd": SYS_pidfd_getfd(0, 0, 0);
    "pidfd_send_signal": SYS_pidfd_send_signal(0, 9, 0, 0);
    "kill": SYS_kill(PARENT, 0);
    "tgkill": SYS_tgkill(1, 1, 0);
    "kcmp": SYS_kcmp(1, 1, 0, 0, 0);
    "socket-inet": SYS_socket(libc::AF_INET, libc::SOCK_STREAM, 0);
    "socket-inet6": SYS_socket(libc::AF_INET6, libc::SOCK_DGRAM, 0);
    "socket-unix": SYS_socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
    "socket-netlink": SYS_socket(libc::AF_NETLINK, libc::SOCK_RAW, 0);
    "socket-packet": SYS_socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
    "socket-alg": SYS_socket(38, libc::SOCK_SEQPACKET, 0);
    "socketpair": SYS_socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, 0);
    "bind": SYS_bind(1, 0, 0);
    "listen": SYS_listen(1, 1);
    "accept4": SYS_accept4(1, 0, 0, 0);
    "connect-stdout": SYS_connect(1, 0, 0);
    "sendto-stdout": SYS_sendto(1, at(c"x"), 1, 0, 0, 0);
    "sendmsg": SYS_sendmsg(1, 0, 0);
    "setsockopt": SYS_setsockopt(1, 0, 0, 0, 0);
    "write-other-descriptor": SYS_write(3, at(c"x"), 1);
    "writev": SYS_writev(1, 0, 0);
    "pwrite64": SYS_pwrite64(1, at(c"x"), 1, 0);
    "open-write": SYS_openat(DIRFD, at(c"/tmp"), libc::O_WRONLY, 0);
    "open-readwrite": SYS_openat(DIRFD, at(c"/dev/null"), libc::O_RDWR, 0);
    "open-create": SYS_openat(DIRFD, at(c"/tmp/portcullis-attack-made"), libc::O_CREAT, 0o600);
    "open-truncate": SYS_openat(DIRFD, at(c"/dev/null"), libc::O_TRUNC, 0);
    "open-append": SYS_openat(DIRFD, at(c"/dev/null"), libc::O_APPEND, 0);
    "open-tmpfile": SYS_openat(DIRFD, at(c"/tmp"), libc::O_TMPFILE | libc::O_RDWR, 0o600);
    "open-old": SYS_open(at(c"/etc/hostname"), 0, 0);
    "openat2": SYS_openat2(DIRFD, at(c"/etc/hostname"), 0, 0);
    "creat": SYS_creat(at(c"/tmp/portcullis-attack-made"), 0o600);
    "open_by_handle_at": SYS_open_by_handle_at(0, 0, 0);
    "name_to_handle_at": SYS_name_to_handle_at(DIRFD, at(c"/etc"), 0, 0, 0);
    "unlink": SYS_unlink(at(c"/tmp/portcullis-attack-none"));
    "unlinkat": SYS_unlinkat(DIRFD, at(c"/tmp/portcullis-attack-none"), 0);
    "rename": SYS_rename(at(c"/tmp/portcullis-attack-none"), at(c"/tmp/x"));
    "renameat2": SYS_renameat2(DIRFD, at(c"/tmp/portcullis-attack-none"), DIRFD, at(c"/tmp/x"), 0);
    "link": SYS_link(at(c"/etc/hostname"), at(c"/tmp/portcullis-attack-made"));
    "symlink": SYS_symlink(at(c"/etc"), at(c"/tmp/portcullis-attack-made"));
    "mkdir": SYS_mkdir(at(c"/tmp/portcullis-attack-made"), 0o700);
    "mknod": SYS_mknod(at(c"/tmp/portcullis-attack-made"), libc::S_IFIFO, 0);
    "chmod": SYS_chmod(at(c"/tmp"), 0o777);
    "fchmodat": SYS_fchmodat(DIRFD, at(c"/tmp"), 0o777);
    "chown": SYS_chown(at(c"/tmp"), 0, 0);
    "truncate": SYS_truncate(at(c"/tmp/portcullis-attack-none"), 0);
    "ftruncate": SYS_ftruncate(1, 0);
    "setxattr": SYS_setxattr(at(c"/tmp"), at(c"user.x"), at(c"x"), 1, 0);
    "utimensat": SYS_utimensat(DIRFD, at(c"/tmp"), 0, 0);
    "mount": SYS_mount(at(c"none"), at(c"/tmp"), at(c"tmpfs"), 0, 0);
    "umount2": SYS_umount2(at(c"/tmp"), 0);
    "fsopen": SYS_fsopen(at(c"tmpfs"), 0);
    "open_tree": SYS_open_tree(DIRFD, at(c"/"), 0);
    "pivot_root": SYS_pivot_root(at(c"/"), at(c"/tmp"));
    "chroot": SYS_chroot(at(c"/tmp"));
    "chdir": SYS_chdir(at(c"/tmp"));
    "unshare": SYS_unshare(libc::CLONE_NEWUSER);
    "setns": SYS_setns(0, 0);
    "setuid": SYS_setuid(0);
    "setresuid": SYS_setresuid(0, 0, 0);
    "setgid": SYS_setgid(0);
    "setgroups": SYS_setgroups(0, 0);
    "setfsuid": SYS_setfsuid(0);
    "prctl-dumpable": SYS_prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
    "prctl-ambient": SYS_prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 19, 0, 0);
    "prctl-securebits": SYS_prctl(libc::PR_SET_SECUREBITS, 0, 0, 0, 0);
    "prctl-keepcaps": SYS_prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0);
    "prctl-ptracer": SYS_prctl(libc::PR_SET_PTRACER, -1_i64, 0, 0, 0);
    "prctl-pdeathsig": SYS_prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0);
    "prctl-mm": SYS_prctl(libc::PR_SET_MM, 0, 0, 0, 0);
    "arch_prctl": SYS_arch_prctl(0x1002, 0);
    "seccomp": SYS_seccomp(0, 0, 0);
    "personality": SYS_personality(0x0040000);
    "setrlimit": SYS_setrlimit(libc::RLIMIT_NOFILE, 0);
    "prlimit64": SYS_prlimit64(0, libc::RLIMIT_CORE, 0, 0);
    "setpriority": SYS_setpriority(0, 0, -20);
    "sched_setaffinity": SYS_sched_setaffinity(0, 0, 0);
    "sched_setscheduler": SYS_sched_setscheduler(0, 1, 0);
    "ioprio_set": SYS_ioprio_set(1, 0, 0);
    "rt_sigaction": SYS_rt_sigaction(libc::SIGTERM, 0, 0, 8);
    "rt_sigprocmask": SYS_rt_sigprocmask(0, 0, 0, 8);
    "bpf": SYS_bpf(0, 0, 0);
    "perf_event_open": SYS_perf_event_open(0, 0, -1_i64, -1_i64, 0);
    "io_uring_setup": SYS_io_uring_setup(1, 0);
    "userfaultfd": SYS_userfaultfd(0);
    "add_key": SYS_add_key(at(c"user"), at(c"x"), at(c"y"), 1, -2_i64);
    "keyctl": SYS_keyctl(0, -3_i64, 0, 0, 0);
    "memfd_create": SYS_memfd_create(at(c"x"), 0);
    "memfd_secret": SYS_memfd_secret(0);
    "shmget": SYS_shmget(0, 4096, 0o600);
    "msgget": SYS_msgget(0, 0o1600);
    "mmap-exec": SYS_mmap(0, 4096, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1_i64, 0);
    "mmap-write-exec": SYS_mmap(0, 4096, libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1_i64, 0);
    "pkey_mprotect": SYS_pkey_mprotect(0, 0, 0, -1_i64);
    "remap_file_pages": SYS_remap_file_pages(0, 0, 0, 0, 0);
    "ioctl-tiocsti": SYS_ioctl(0, libc::TIOCSTI, at(c"x"));
    "fcntl-setfl": SYS_fcntl(1, libc::F_SETFL, 0);
    "fcntl-setown": SYS_fcntl(1, libc::F_SETOWN, 1);
    "dup2": SYS_dup2(0, 5);
    "splice": SYS_splice(0, 0, 1, 0, 1, 0);
    "vmsplice": SYS_vmsplice(1, 0, 0, 0);
    "sendfile": SYS_sendfile(1, 0, 0, 0);
    "copy_file_range": SYS_copy_file_range(0, 0, 1, 0, 0, 0);
    "inotify_init1": SYS_inotify_init1(0);
    "fanotify_init": SYS_fanotify_init(0, 0);
    "timerfd_create": SYS_timerfd_create(1, 0);
    "init_module": SYS_init_module(0, 0, at(c""));
    "finit_module": SYS_finit_module(0, at(c""), 0);
    "delete_module": SYS_delete_module(at(c"x"), 0);
    "kexec_load": SYS_kexec_load(0, 0, 0, 0);
    "reboot": SYS_reboot(0, 0, 0, 0);
    "swapon": SYS_swapon(at(c"/x"), 0);
    "acct": SYS_acct(at(c"/x"));
    "quotactl": SYS_quotactl(0, 0, 0, 0);
    "sethostname": SYS_sethostname(at(c"x"), 1);
    "settimeofday": SYS_settimeofday(0, 0);
    "clock_settime": SYS_clock_settime(0, 0);
    "adjtimex": SYS_adjtimex(0);
    "iopl": SYS_iopl(3);
    "ioperm": SYS_ioperm(0, 1, 1);
    "syslog": SYS_syslog(3, 0, 0);
    "vhangup": SYS_vhangup();
    "landlock_create_ruleset": SYS_landlock_create_ruleset(0, 0, 1);
};

/// What is more than one call.
const LONGER: &[Call] = &[
    Call { name: "x32-getpid", attack: || call(0x4000_0000 | libc::SYS_getpid, [0; 6]) },
    Call { name: "int80-getpid", attack: int80 },
    Call { name: "capset-more", attack: || capset(u64::MAX, 0, 0) },
    Call { name: "capset-net-admin", attack: || capset(1 << 12 | held(), 1 << 12, 0) },
    Call { name: "capset-sys-admin", attack: || capset(1 << 21 | held(), 1 << 21, 0) },
    Call { name: "capset-dac-read-search", attack: || capset(1 << 2 | held(), 1 << 2, 0) },
    Call { name: "capset-inheritable", attack: || capset(held(), 0, held()) },
    Call { name: "open-shadow", attack: || open(c"/etc/shadow") },
    Call { name: "open-hostname", attack: || open(c"/etc/hostname") },
    Call {
        name: "effective-at-rest",
        attack: || if effective() == 0 { "stopped empty".into() } else { "through".into() },
    },
    Call { name: "mprotect-gains-exec", attack: gain_exec },
    Call { name: "lock-memory", attack: lock_memory },
    Call { name: "no-new-privs-is-unset", attack: no_new_privs_is_unset },
    Call { name: "exec-with-ambient", attack: exec_with_ambient },
    Call { name: "take-memory", attack: take_memory },
    Call { name: "open-descriptors", attack: open_descriptors },
    Call { name: "parameter-absolute", attack: || parameter(DIRECTORY, c"/etc/hostname", READING.bits()) },
    Call { name: "parameter-up", attack: || parameter(DIRECTORY, c"../kernel/hostname", READING.bits()) },
    Call {
        name: "parameter-of-the-kernel-is-written",
        attack: || parameter(DIRECTORY, c"../kernel/hostname", WRITING.bits()),
    },
    Call {
        name: "parameter-created",
        attack: || parameter(DIRECTORY, c"/tmp/portcullis-attack-made", WRITING.bits() | libc::O_CREAT),
    },
    Call {
        name: "parameter-cut",
        attack: || parameter(DIRECTORY, c"ipv4/ip_forward", WRITING.bits() | libc::O_TRUNC),
    },
    Call {
        name: "parameter-by-another-descriptor",
        attack: || parameter(DIRFD, c"/proc/sys/net/ipv4/ip_forward", READING.bits()),
    },
    Call {
        name: "parameters-listed",
        attack: || call(libc::SYS_getdents64, [i64::from(DIRECTORY), 0, 0, 0, 0, 0]),
    },
    Call {
        name: "parameter-for-both",
        attack: || parameter(DIRECTORY, c"ipv4/ip_forward", READING.bits() | libc::O_RDWR),
    },
    Call {
        name: "parameter-is-written",
        attack: || parameter(DIRECTORY, c"ipv4/ip_forward", WRITING.bits()),
    },
    Call {
        name: "pwrite64-behind-the-beginning",
        attack: || call(libc::SYS_pwrite64, [1, at(c"x"), 1, 1, 0, 0]),
    },
];

fn int80() -> String {
    let r: i64;
    // SAFETY: the 32-bit getpid takes nothing and writes nothing.
    unsafe { std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => r, options(nostack)) };
    if r > 0 { format!("through {r}") } else { format!("stopped {r}") }
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

fn capset(permitted: u64, effective: u64, inheritable: u64) -> String {
    let half = |set: u64, n: u32| u32::try_from(set >> (32 * n) & 0xffff_ffff).unwrap_or(0);
    let header = Header { version: 0x2008_0522, pid: 0 };
    let data = [0, 1].map(|n| [half(effective, n), half(permitted, n), half(inheritable, n)]);
    call(libc::SYS_capset, [&raw const header as i64, &raw const data as i64, 0, 0, 0, 0])
}

fn sets() -> [[u32; 3]; 2] {
    let header = Header { version: 0x2008_0522, pid: 0 };
    let mut data = [[0_u32; 3]; 2];
    call(libc::SYS_capget, [&raw const header as i64, &raw mut data as i64, 0, 0, 0, 0]);
    data
}

fn held() -> u64 {
    let [low, high] = sets();
    u64::from(low[1]) | u64::from(high[1]) << 32
}

fn effective() -> u64 {
    let [low, high] = sets();
    u64::from(low[0]) | u64::from(high[0]) << 32
}

/// With every capability that there is.
fn open(path: &'static std::ffi::CStr) -> String {
    capset(held(), held(), 0);
    call(libc::SYS_openat, [i64::from(DIRFD), at(path), 0, 0, 0, 0])
}

/// Opens below a descriptor, with every capability that there is.
fn parameter(directory: i32, path: &'static std::ffi::CStr, flags: i32) -> String {
    capset(held(), held(), 0);
    call(libc::SYS_openat, [i64::from(directory), at(path), i64::from(flags), 0o600, 0, 0])
}

/// Memory that was written to becomes executable.
fn gain_exec() -> String {
    let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping of our own.
    let memory = unsafe { libc::syscall(libc::SYS_mmap, 0, 4096, libc::PROT_WRITE, flags, -1_i64, 0) };
    call(libc::SYS_mprotect, [memory, 4096, i64::from(libc::PROT_READ | libc::PROT_EXEC), 0, 0, 0])
}

fn lock_memory() -> String {
    let memory = vec![0_u8; 64 * 1024];
    call(libc::SYS_mlock, [memory.as_ptr() as i64, 64 * 1024, 0, 0, 0, 0])
}

fn no_new_privs_is_unset() -> String {
    match call(libc::SYS_prctl, [i64::from(libc::PR_GET_NO_NEW_PRIVS), 0, 0, 0, 0, 0]).as_str() {
        "through 0" => "through".into(),
        other => format!("stopped: {other}"),
    }
}

/// Hands its capability on through exec: inheritable, ambient, and a program that says what it holds.
fn exec_with_ambient() -> String {
    capset(held(), held(), held());
    let raised = call(libc::SYS_prctl, [47, 2, i64::from(held().trailing_zeros()), 0, 0, 0]);
    if raised.starts_with("through") { raised } else { format!("stopped ambient: {raised}") }
}

fn take_memory() -> String {
    let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    call(libc::SYS_mmap, [0, 1 << 30, i64::from(libc::PROT_READ), flags, -1, 0])
}

fn open_descriptors() -> String {
    for n in 0..2000_u64 {
        let one = call(libc::SYS_openat, [i64::from(DIRFD), at(c"/"), i64::from(libc::O_PATH), 0, 0, 0]);
        if one.starts_with("stopped") {
            return if n < DESCRIPTORS_MAX { one } else { format!("through {n} descriptors") };
        }
    }
    "through 2000 descriptors".into()
}

static CALLS: std::sync::LazyLock<Vec<&'static Call>> =
    std::sync::LazyLock::new(|| PLAIN.iter().chain(LONGER).collect());
