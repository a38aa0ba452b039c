//! What the process is to the kernel: prctl(2), resource limits, signals, environment, identity.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::datagram::pin;

/// `PR_SET_MDWE`, `PR_GET_MDWE` and `PR_MDWE_REFUSE_EXEC_GAIN` (include/uapi/linux/prctl.h, Linux 6.3).
const PR_SET_MDWE: i32 = 65;
const PR_GET_MDWE: i32 = 66;
const PR_MDWE_REFUSE_EXEC_GAIN: u64 = 1;

/// The descriptor of [`termination`].
pub const TERMINATION: i32 = 10;

/// A prctl(2) whose arguments are plain numbers.
pub(super) fn prctl(option: i32, argument: u64) -> Result<i32, Errno> {
    // SAFETY: every option used in this folder takes integers only; the kernel reads no memory through them.
    let r = unsafe { libc::prctl(option, argument, 0_u64, 0_u64, 0_u64) };
    Errno::result(r)
}

/// Not dumpable: no core file, and `/proc/PID` belongs to root, so that other processes of the same user cannot read
/// memory, descriptors or environment, nor attach.
pub fn forbid_dumps() -> Result<(), Errno> {
    nix::sys::prctl::set_dumpable(false)
}

/// Whether a dump is possible.
pub fn dumpable() -> Result<bool, Errno> {
    nix::sys::prctl::get_dumpable()
}

/// What the kernel does to this process when its parent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphaned {
    /// Kills it: there is nothing to take back.
    Killed,
    /// Asks it to end (`SIGTERM`): it may have a change to take back first.
    Asked,
}

impl Orphaned {
    fn signal(self) -> Signal {
        match self {
            Self::Killed => Signal::SIGKILL,
            Self::Asked => Signal::SIGTERM,
        }
    }
}

/// This process does not outlive its parent.
pub fn die_with_parent(how: Orphaned) -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(how.signal())
}

/// Whether the kernel will see to that: it forgets it when credentials grow.
pub fn dies_with_parent(how: Orphaned) -> Result<bool, Errno> {
    nix::sys::prctl::get_pdeathsig().map(|s| s == Some(how.signal()))
}

/// Signals that ask a process to end no longer end this one: they wait to be read from [`termination`].
pub fn hold_termination() -> Result<(), Errno> {
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&terminating()), None)
}

/// A descriptor that becomes readable when one of those signals has come; they must be held back. Nothing ever reads it.
pub fn termination() -> Result<OwnedFd, Errno> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    pin(SignalFd::with_flags(&terminating(), flags)?.into(), TERMINATION)
}

/// `SIGHUP` ends this process no longer: it waits to be read from [`hangups`].
pub fn hold_hangups() -> Result<(), Errno> {
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&hangup()), None)
}

/// A descriptor that becomes readable when it has come; it must be held back. Reading does not wait.
pub fn hangups() -> Result<OwnedFd, Errno> {
    Ok(SignalFd::with_flags(&hangup(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?.into())
}

fn hangup() -> SigSet {
    [Signal::SIGHUP].into_iter().collect()
}

/// All that end a process by default and can be held back (signal(7)), those of real time too, but what tells of a defect of its own.
/// A terminal sends some of them, a supervisor any (`KillSignal=` in systemd.kill(5), `STOPSIGNAL` of a container), the kernel `SIGXCPU`
/// some time before it kills.
fn terminating() -> SigSet {
    let defects = [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
        Signal::SIGABRT,
        Signal::SIGSYS,
    ];
    // The first two are ignored (`reset_signals`): a write says the same.
    let harmless = [
        Signal::SIGPIPE,
        Signal::SIGXFSZ,
        Signal::SIGCHLD,
        Signal::SIGCONT,
        Signal::SIGURG,
        Signal::SIGWINCH,
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
    ];
    let mut all = SigSet::all();
    for signal in defects.into_iter().chain(harmless) {
        all.remove(signal);
    }
    all
}

/// How late a wait may end, in nanoseconds: the kernel's own default.
const TIMER_SLACK_NANOS: u64 = 50_000;

/// Deadlines come when they are due. Whoever starts a program may have allowed them to be centuries late, and execve(2) keeps that.
pub fn usual_timer_slack() -> Result<(), Errno> {
    nix::sys::prctl::set_timerslack(TIMER_SLACK_NANOS)
}

/// The parent's pid.
pub fn parent() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// The process id.
pub fn pid() -> u32 {
    std::process::id()
}

/// Whether there is a process of that number. One of another user's is there too.
pub fn is_there(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    pid > 0 && nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// When the process of that number began, in clock ticks after the host did; nothing where `/proc` does not show it.
pub fn started(pid: u32) -> Option<u64> {
    let line = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, parentheses too. The start is the 22nd field, the 20th behind the name.
    let behind = line.rsplit(|b| *b == b')').next()?;
    std::str::from_utf8(behind).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether this user may execute the file.
pub fn may_execute(path: &str) -> Result<(), Errno> {
    let file = std::fs::metadata(path).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))?;
    if !file.is_file() {
        return Err(Errno::EACCES);
    }
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK)
}

/// Goes on as two processes: the pid of the new one in the old, nothing in the new.
pub fn fork() -> Result<Option<u32>, Errno> {
    // SAFETY: it is called while the program has one thread, so that no lock of another can be held for ever in the copy.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(u32::try_from(child.as_raw()).ok()),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// A hangup of whoever started it is not its end.
pub fn ignore_hangups() -> Result<(), Errno> {
    // SAFETY: to ignore a signal runs no code of ours in a handler.
    unsafe { nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigIgn) }.map(drop)
}

/// The real user: whoever started it.
pub fn uid() -> u32 {
    nix::unistd::getuid().as_raw()
}

/// Who logged in before he became somebody else, where the host keeps that (`loginuid`, proc(5)); the largest number: nobody did.
pub fn login() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// No exec can give this process anything.
pub fn forbid_new_privileges() -> Result<(), Errno> {
    nix::sys::prctl::set_no_new_privs()
}

/// Whether that holds already: then the file's capabilities were ignored when it was started.
pub fn no_new_privileges() -> Result<bool, Errno> {
    nix::sys::prctl::get_no_new_privs()
}

/// No memory becomes executable any more. `Ok(false)` on kernels before 6.3, which do not know it.
pub fn forbid_executable_memory() -> Result<bool, Errno> {
    match prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN) {
        Ok(_) => forbids_executable_memory(),
        Err(Errno::EINVAL) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether that holds.
pub fn forbids_executable_memory() -> Result<bool, Errno> {
    match prctl(PR_GET_MDWE, 0) {
        Ok(bits) => Ok(bits == 1),
        Err(Errno::EINVAL) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Every signal to its default and none blocked; the two that would end the program when a reader goes are ignored.
///
/// The BEAM hands SIGPIPE and SIGFPE on as ignored; std's handlers for stack overflow are of no use once seccomp
/// forbids what they call.
pub fn reset_signals() -> Result<(), Errno> {
    for signal in Signal::iterator() {
        let handler = match signal {
            Signal::SIGKILL | Signal::SIGSTOP => continue,
            Signal::SIGPIPE | Signal::SIGXFSZ => SigHandler::SigIgn,
            _ => SigHandler::SigDfl,
        };
        // SAFETY: no handler is installed, only the kernel's own dispositions.
        unsafe { nix::sys::signal::signal(signal, handler) }?;
    }
    for signal in FIRST_REAL_TIME..=LAST_SIGNAL {
        // `struct sigaction` of the kernel: handler (SIG_DFL is 0), flags, restorer, mask. libc keeps 32 and 33 to itself and
        // sets neither, but a parent can hand them on as ignored.
        let default = [0_u64; 4];
        // SAFETY: the kernel reads at most `default`; it writes nothing, as no old action is asked for.
        let r = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                MASK_BYTES,
            )
        };
        Errno::result(r)?;
    }
    let_signals_in()
}

/// Holds no signal back any more.
pub fn let_signals_in() -> Result<(), Errno> {
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

const FIRST_REAL_TIME: i32 = 32;
const LAST_SIGNAL: i32 = 64;
/// Bytes of the kernel's signal mask.
const MASK_BYTES: usize = 8;

/// Forgets the environment: the BEAM's is full of secrets, and none of it is input.
pub fn clear_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: the program has one thread, and this runs before anything reads the environment. The block that the
    // kernel laid out is writable and every string in it ends in NUL; `clearenv` then drops the pointers.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let length = libc::strlen(*entry);
            std::ptr::write_bytes(*entry, 0, length);
            entry = entry.add(1);
        }
        libc::clearenv();
    }
}

/// Files that the program might ever make are its own; no directory is kept busy.
pub fn neutral_directory() -> Result<(), Errno> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    nix::unistd::chdir(c"/")
}

/// Lowers a limit to `value`, soft and hard; one that is lower already stays.
pub fn lower_limit(resource: Resource, value: u64) -> Result<(), Errno> {
    let (_, hard) = getrlimit(resource)?;
    let value = value.min(hard);
    setrlimit(resource, value, value)?;
    (getrlimit(resource)? == (value, value)).then_some(()).ok_or(Errno::EPERM)
}

/// The soft limit.
pub fn limit(resource: Resource) -> Result<u64, Errno> {
    getrlimit(resource).map(|(soft, _)| soft)
}

/// The hard limit, above which nothing here can raise it.
pub fn hard_limit(resource: Resource) -> Result<u64, Errno> {
    getrlimit(resource).map(|(_, hard)| hard)
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Bytes of a page.
pub fn page_size() -> u64 {
    sysconf(nix::unistd::SysconfVar::PAGE_SIZE, 4096)
}

/// Clock ticks in a second, the unit of times in `/proc`.
pub fn ticks_per_second() -> u64 {
    sysconf(nix::unistd::SysconfVar::CLK_TCK, 100)
}

fn sysconf(var: nix::unistd::SysconfVar, default: u64) -> u64 {
    nix::unistd::sysconf(var).ok().flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(default)
}

/// Ends at once, without destructors or exit handlers: nothing of ours needs them, and what does not run cannot fail.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes a number and does not come back.
    unsafe { libc::_exit(i32::from(code)) }
}
