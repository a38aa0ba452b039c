//! `/proc/PID/limits`: soft and hard resource limits (proc_pid_limits(5), `lnames` in fs/proc/base.c).
//!
//! Only the kernel writes this file and every line of it is fixed text and numbers, so it is left to the procfs crate;
//! the crate allocates and may panic, hence the guard.
#![forbid(unsafe_code)]

use crate::sys::guard::guarded;
use procfs::FromBufRead;
use procfs::process::{Limit, LimitValue, Limits};

/// The name of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the limit of getrlimit(2) that it is called after")]
pub enum LimitName {
    CpuTime,
    FileSize,
    DataSize,
    StackSize,
    CoreFileSize,
    ResidentSet,
    Processes,
    OpenFiles,
    LockedMemory,
    AddressSpace,
    FileLocks,
    PendingSignals,
    MsgqueueSize,
    NicePriority,
    RealtimePriority,
    RealtimeTimeout,
}

/// A limit's value, in the unit that getrlimit(2) gives for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// At most this.
    Value(u64),
    /// `RLIM_INFINITY`.
    Unlimited,
}

/// Every limit of a process with its soft and its hard bound, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits(pub [(LimitName, Bound, Bound); 16]);

/// Reads the file; `None` if a limit is missing or is not a number.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<ProcessLimits> {
    let limits = guarded(|| Limits::from_buf_read(bytes).ok())??;
    let row = |name, limit: Limit| (name, bound(limit.soft_limit), bound(limit.hard_limit));
    Some(ProcessLimits([
        row(LimitName::CpuTime, limits.max_cpu_time),
        row(LimitName::FileSize, limits.max_file_size),
        row(LimitName::DataSize, limits.max_data_size),
        row(LimitName::StackSize, limits.max_stack_size),
        row(LimitName::CoreFileSize, limits.max_core_file_size),
        row(LimitName::ResidentSet, limits.max_resident_set),
        row(LimitName::Processes, limits.max_processes),
        row(LimitName::OpenFiles, limits.max_open_files),
        row(LimitName::LockedMemory, limits.max_locked_memory),
        row(LimitName::AddressSpace, limits.max_address_space),
        row(LimitName::FileLocks, limits.max_file_locks),
        row(LimitName::PendingSignals, limits.max_pending_signals),
        row(LimitName::MsgqueueSize, limits.max_msgqueue_size),
        row(LimitName::NicePriority, limits.max_nice_priority),
        row(LimitName::RealtimePriority, limits.max_realtime_priority),
        row(LimitName::RealtimeTimeout, limits.max_realtime_timeout),
    ]))
}

fn bound(value: LimitValue) -> Bound {
    match value {
        LimitValue::Value(n) => Bound::Value(n),
        LimitValue::Unlimited => Bound::Unlimited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAT: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max file size             unlimited            unlimited            bytes
Max data size             unlimited            unlimited            bytes
Max stack size            8388608              unlimited            bytes
Max core file size        0                    unlimited            bytes
Max resident set          unlimited            unlimited            bytes
Max processes             96365                96366                processes
Max open files            1024                 20000                files
Max locked memory         8388608              8388608              bytes
Max address space         unlimited            unlimited            bytes
Max file locks            unlimited            unlimited            locks
Max pending signals       96365                96365                signals
Max msgqueue size         819200               819200               bytes
Max nice priority         1                    2
Max realtime priority     3                    4
Max realtime timeout      18446744073709551614 unlimited            us
";

    #[test]
    fn every_limit_has_its_own_row() {
        let ProcessLimits(rows) = parse(CAT.as_bytes()).unwrap();
        assert_eq!(rows[0], (LimitName::CpuTime, Bound::Unlimited, Bound::Unlimited));
        assert_eq!(rows[3], (LimitName::StackSize, Bound::Value(8_388_608), Bound::Unlimited));
        assert_eq!(rows[7], (LimitName::OpenFiles, Bound::Value(1024), Bound::Value(20_000)));
        assert_eq!(rows[13], (LimitName::NicePriority, Bound::Value(1), Bound::Value(2)));
        assert_eq!(rows[14], (LimitName::RealtimePriority, Bound::Value(3), Bound::Value(4)));
        assert_eq!(rows[15], (LimitName::RealtimeTimeout, Bound::Value(u64::MAX - 1), Bound::Unlimited));
    }

    #[test]
    fn the_rows_stand_in_the_order_of_the_file() {
        let ProcessLimits(rows) = parse(CAT.as_bytes()).unwrap();
        let text = format!("{rows:?}");
        let places: Vec<usize> = CAT.lines().skip(1).map(|line| text.find(&camel(line)).unwrap()).collect();
        assert_eq!(places.len(), rows.len());
        assert!(places.is_sorted());
    }

    /// `Max cpu time   unlimited` names `CpuTime`.
    fn camel(line: &str) -> String {
        let words = line[4..26].split_whitespace();
        words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
    }

    #[test]
    fn a_file_that_lacks_a_limit_is_none() {
        for length in 0..CAT.rfind("us").unwrap() {
            assert_eq!(parse(&CAT.as_bytes()[..length]), None, "{length}");
        }
        assert_eq!(parse(CAT.replace("819200 ", "819200x").as_bytes()), None);
        assert_eq!(parse(CAT.replace("18446744073709551614", "18446744073709551616").as_bytes()), None);
        assert_eq!(parse(CAT.replace("96366", "\u{e9}").as_bytes()), None);
    }

    #[test]
    fn a_panic_of_the_crate_is_none() {
        // It subtracts 3 from the number of words.
        assert_eq!(parse(b"one\n"), None);
        assert_eq!(parse(b"\n"), None);
        assert!(!crate::sys::guard::active());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
        }
    }
}
