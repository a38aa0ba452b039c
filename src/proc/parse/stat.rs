//! `/proc/PID/stat`: one line of numbers and a name (proc_pid_stat(5), `do_task_stat` in fs/proc/array.c).
//!
//! The name is what prctl(2) was given, unescaped: it may hold `)`, spaces, newlines and 0xFF. Only numbers follow it,
//! so it ends at the last `)`. Every scan reads this file for every process, hence the hand-written cursor.
#![forbid(unsafe_code)]

use super::bytes::decimal;
use super::state::State;

/// `PF_EXITING` of include/linux/sched.h.
const PF_EXITING: u32 = 0x0000_0004;
/// `PF_KTHREAD` of include/linux/sched.h.
const PF_KTHREAD: u32 = 0x0020_0000;

/// The line. Times are in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    /// Process id, in the pid namespace of this `/proc`.
    pub pid: u32,
    /// Name: chosen by the process, at most 15 bytes; of a kernel thread up to 63.
    pub comm: &'a [u8],
    /// What it is doing.
    pub state: State,
    /// Parent; 0 if there is none, or if it is outside of the pid namespace.
    pub ppid: u32,
    /// Process group.
    pub pgrp: i32,
    /// Session.
    pub session: i32,
    /// Device number of the controlling terminal; 0 without one.
    pub tty_nr: i32,
    /// Foreground process group of the terminal; -1 without one.
    pub tpgid: i32,
    /// `PF_` flags of the kernel.
    pub flags: u32,
    /// Minor faults.
    pub minflt: u64,
    /// Minor faults of children that were waited for.
    pub cminflt: u64,
    /// Major faults.
    pub majflt: u64,
    /// Major faults of children that were waited for.
    pub cmajflt: u64,
    /// Time in user mode.
    pub utime: u64,
    /// Time in the kernel.
    pub stime: u64,
    /// User time of children that were waited for.
    pub cutime: i64,
    /// Kernel time of children that were waited for.
    pub cstime: i64,
    /// Priority as the scheduler counts it; negative for real-time.
    pub priority: i32,
    /// Nice value, 19 to -20.
    pub nice: i32,
    /// Threads.
    pub num_threads: u32,
    /// Start, in clock ticks after boot.
    pub starttime: u64,
    /// Address space in bytes.
    pub vsize: u64,
    /// Resident pages. Kernels print a counter that races made negative as it is: it reads 0 here.
    pub rss_pages: u64,
    /// Signal that the parent gets at the end.
    pub exit_signal: i32,
    /// Processor that it last ran on.
    pub processor: i32,
    /// Real-time priority; 0 for others.
    pub rt_priority: u32,
    /// Scheduling policy, `SCHED_` of sched(7).
    pub policy: u32,
    /// Time that it waited for block devices.
    pub blkio_ticks: u64,
    /// Time of a virtual processor.
    pub guest_time: u64,
}

impl Stat<'_> {
    /// A thread of the kernel: it has no memory, no command line, no executable.
    #[must_use]
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// It is ending or has ended: its memory is gone or going.
    #[must_use]
    pub fn is_exiting(&self) -> bool {
        self.flags & PF_EXITING != 0 || matches!(self.state, State::Zombie | State::Dead)
    }

    /// Files about its memory (`cmdline`, `environ`, the `Vm` lines of `status`) are empty for a good reason.
    #[must_use]
    pub fn has_no_memory(&self) -> bool {
        self.is_kernel_thread() || self.is_exiting()
    }
}

/// Reads the line; `None` if the kernel cannot have written it. What follows field 43 is not looked at.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Stat<'_>> {
    let (pid, comm, rest) = split(bytes)?;
    let [b' ', letter, b' ', numbers @ ..] = rest else { return None };
    let mut next = Cursor { rest: numbers };
    Some(Stat {
        pid: u32::try_from(decimal(pid)?).ok()?,
        comm,
        state: State::from_letter(*letter),
        ppid: next.u32()?,
        pgrp: next.i32()?,
        session: next.i32()?,
        tty_nr: next.i32()?,
        tpgid: next.i32()?,
        flags: next.u32()?,
        minflt: next.u64()?,
        cminflt: next.u64()?,
        majflt: next.u64()?,
        cmajflt: next.u64()?,
        utime: next.u64()?,
        stime: next.u64()?,
        cutime: next.i64()?,
        cstime: next.i64()?,
        priority: next.i32()?,
        nice: next.i32()?,
        num_threads: next.u32()?,
        starttime: next.skip(1)?.u64()?,
        vsize: next.u64()?,
        rss_pages: next.count()?,
        exit_signal: next.skip(13)?.i32()?,
        processor: next.i32()?,
        rt_priority: next.u32()?,
        policy: next.u32()?,
        blkio_ticks: next.u64()?,
        guest_time: next.u64()?,
    })
}

/// The pid, the name between the first `(` and the last `)`, and all that follows.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let open = bytes.iter().position(|&byte| byte == b'(')?;
    let (pid, name) = bytes.split_at_checked(open)?;
    let (name, rest) = name.split_at_checked(last_close(name)?)?;
    Some((pid.strip_suffix(b" ")?, name.strip_prefix(b"(")?, rest.strip_prefix(b")")?))
}

/// Where the last `)` is. It is looked for from the front, since a name is short: that none follows among the numbers is asked of
/// eight bytes at once.
fn last_close(name: &[u8]) -> Option<usize> {
    let is_close = |&byte: &u8| byte == b')';
    let mut close = name.iter().position(is_close)?;
    loop {
        let behind = name.get(close.checked_add(1)?..)?;
        if !behind.contains(&b')') {
            return Some(close);
        }
        close = behind.iter().position(is_close)?.checked_add(close)?.checked_add(1)?;
    }
}

/// What is left of the line: numbers, each followed by a space, since field 43 is not the last. One without was cut.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    #[inline]
    fn u64(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        let mut rest = self.rest;
        while let [byte @ b'0'..=b'9', after @ ..] = rest {
            value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            rest = after;
        }
        let digits = rest.len() < self.rest.len();
        let [b' ', after @ ..] = rest else { return None };
        self.rest = after;
        digits.then_some(value)
    }

    #[inline]
    fn i64(&mut self) -> Option<i64> {
        let [b'-', after @ ..] = self.rest else { return i64::try_from(self.u64()?).ok() };
        self.rest = after;
        0_i64.checked_sub_unsigned(self.u64()?)
    }

    #[inline]
    fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.u64()?).ok()
    }

    #[inline]
    fn i32(&mut self) -> Option<i32> {
        i32::try_from(self.i64()?).ok()
    }

    /// A count that may have a sign; negative ones are 0.
    #[inline]
    fn count(&mut self) -> Option<u64> {
        Some(u64::try_from(self.i64()?).unwrap_or(0))
    }

    /// Leaves out that many numbers.
    #[inline]
    fn skip(&mut self, numbers: usize) -> Option<&mut Self> {
        for _ in 0..numbers {
            let space = self.rest.iter().position(|&byte| byte == b' ')?;
            self.rest = self.rest.get(space + 1..)?;
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests;
