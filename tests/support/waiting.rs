//! Waiting for what can be seen, and figures that a busy machine does not spoil.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test fails by them"
)]

use std::time::{Duration, Instant};

/// How long a test waits for what must come. The wait is over when it has come, so that only a test that fails takes all of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, for readiness that nothing announces. How long that took.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

/// A figure that must be below a limit, measured again where it is not: others use the machine. What is too slow by itself is so every time.
#[track_caller]
pub fn below<T: PartialOrd + std::fmt::Debug>(what: &str, limit: T, mut measure: impl FnMut() -> T) -> T {
    let mut measured = Vec::new();
    for _ in 0..10 {
        let one = measure();
        if one < limit {
            return one;
        }
        measured.push(one);
    }
    panic!("{what}: {measured:?}, never below {limit:?}");
}

/// Rounds of an input that nobody else is to notice: the longest that somebody else waited in one. A round in which that was too long is gone
/// again with the same input: what others on the machine held up is not so again, and what is slow by itself is so every time.
#[track_caller]
pub fn unnoticed(rounds: usize, limit: Duration, mut round: impl FnMut(usize) -> Duration) -> Duration {
    let longest =
        (0..rounds).map(|n| below(&format!("the wait of another in round {n}"), limit, || round(n)));
    longest.max().unwrap()
}

/// How long it took.
pub fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

/// The one in the middle: a few that others held up do not move it.
pub fn median<T: PartialOrd + Copy>(mut of: Vec<T>) -> T {
    of.sort_by(|a, b| a.partial_cmp(b).unwrap());
    of[of.len() / 2]
}

/// Waits until a process sleeps: whoever was written to is runnable from that moment on, and sleeps when all of it is done.
#[track_caller]
pub fn until_it_sleeps(pid: u32) {
    eventually("the process has nothing to do", || state(pid) == Some('S'));
}

/// The state that `/proc/PID/stat` shows (proc_pid_stat(5)); `None` where there is no such process.
pub fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).map(|byte| char::from(*byte))
}

/// Waits until what was spawned executes the program of this name.
#[track_caller]
pub fn until_it_executes(pid: u32, name: &str) {
    let path = format!("/proc/{pid}/comm");
    eventually(&format!("{name} has begun"), || {
        std::fs::read_to_string(&path).is_ok_and(|comm| comm.trim_end() == name)
    });
}

/// Ticks of processor time that a process has used, its own and the kernel's for it.
pub fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap();
    let end = stat.iter().rposition(|byte| *byte == b')').unwrap();
    let rest = String::from_utf8(stat[end + 2..].to_vec()).unwrap();
    rest.split(' ').skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum()
}

/// Tries again what takes time, as a machine that is busy elsewhere can spoil it. What is wrong by itself is so every time.
#[track_caller]
pub fn given_time(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut spoilt = Vec::new();
    for _ in 0..10 {
        match attempt() {
            Ok(()) => return,
            Err(why) => spoilt.push(why),
        }
    }
    panic!("{spoilt:#?}");
}

/// That it took less than this, for [`given_time`].
pub fn within(limit: Duration, what: &str, took: Duration) -> Result<(), String> {
    if took < limit { Ok(()) } else { Err(format!("{what}: {took:?}, not below {limit:?}")) }
}
