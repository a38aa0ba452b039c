//! What the processors spent their time on between two samples of `/proc/stat`: the table `cpu_rates`.
#![forbid(unsafe_code)]

use super::WHOLE;
use crate::kernel::column::{Numbers, keyed_table, nth, number};
use crate::kernel::cpus::{self, Cpu, WHAT};
use crate::kernel::file::{self, Ready};
use crate::table::gather::Gathered;
use crate::table::sample::{Differences, Sampled, difference, ratio};
use crate::table::{Column, Cost, Special, Unit, Value};
use crate::wire::atoms;

/// One processor, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuRate {
    cpu: Option<u64>,
    interval: Option<u64>,
    /// Hundredths of a per cent of its time: what was no idling, and then each in the order of the file.
    shares: [Option<u64>; 11],
}

impl CpuRate {
    /// Whether no part is more than the whole. What guests had is none: it is told beside the others, and compared with nothing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.shares.iter().take(PARTS + 1).flatten().all(|share| *share <= WHOLE)
    }
}

impl Numbers for CpuRate {
    fn numbers(&self) -> &[Option<u64>] {
        &self.shares
    }
}

impl Sampled for Cpu {
    type Key = Option<u64>;

    fn key(&self) -> Option<u64> {
        self.cpu
    }
}

/// The table.
pub static TABLE: Special<CpuRate> = Special {
    table: keyed_table(&[atoms::CPU], atoms::CPU_RATES, Cost::PerRow, atoms::PROCFS, COLUMNS, |wanted, _| {
        let gathered = Gathered::of(
            |_| file::read(c"/proc/stat", WHAT).map(|bytes| Ready::of(cpus::parse(&bytes))),
            compare,
        );
        Ok(Box::new(Differences::of(wanted.interval(), gathered)))
    }),
    sampled: true,
    guarded: None,
    environ: &[],
};

const COLUMNS: &[Column<CpuRate>] = &[
    number(atoms::CPU, Unit::None, |row| row.cpu.map_or(Value::Word(atoms::ATOM_ALL), Value::Unsigned)),
    number(atoms::INTERVAL, Unit::Micros, |row| Value::maybe(row.interval)),
    number(atoms::BUSY, Unit::Hundredths, nth::<_, 0>),
    number(atoms::USER, Unit::Hundredths, nth::<_, 1>),
    number(atoms::NICE, Unit::Hundredths, nth::<_, 2>),
    number(atoms::SYSTEM, Unit::Hundredths, nth::<_, 3>),
    number(atoms::IDLE, Unit::Hundredths, nth::<_, 4>),
    number(atoms::IOWAIT, Unit::Hundredths, nth::<_, 5>),
    number(atoms::IRQ, Unit::Hundredths, nth::<_, 6>),
    number(atoms::SOFTIRQ, Unit::Hundredths, nth::<_, 7>),
    number(atoms::STEAL, Unit::Hundredths, nth::<_, 8>),
    number(atoms::GUEST, Unit::Hundredths, nth::<_, 9>),
    number(atoms::GUEST_NICE, Unit::Hundredths, nth::<_, 10>),
];

/// Times that make up all of it: what guests had is in `user` and `nice` already.
const PARTS: usize = 8;
const IDLE: usize = 3;
const IOWAIT: usize = 4;

/// Shares of the ticks that were counted, not of the time that went by: the kernel counts for each processor as it comes to it.
#[must_use]
pub fn compare(before: Option<(&Cpu, u64)>, after: &Cpu) -> CpuRate {
    let mut row = CpuRate { cpu: after.cpu, interval: None, shares: [None; 11] };
    let Some((before, micros)) = before else { return row };
    row.interval = Some(micros);
    let mut ticks = [None; 10];
    for ((ticks, before), after) in ticks.iter_mut().zip(before.times).zip(after.times) {
        *ticks = difference(before, after);
    }
    // `iowait` runs backwards at times (proc_stat(5)); it counts as nothing then.
    let sum = |of: &[Option<u64>]| of.iter().flatten().fold(0_u64, |sum, n| sum.saturating_add(*n));
    let all = sum(ticks.get(..PARTS).unwrap_or_default());
    let resting = sum(ticks.get(IDLE..=IOWAIT).unwrap_or_default());
    let idle = ticks.get(IDLE).copied().flatten();
    let busy = idle.map(|_| all.saturating_sub(resting));
    for (share, ticks) in row.shares.iter_mut().zip(std::iter::once(busy).chain(ticks)) {
        *share = ticks.and_then(|ticks| ratio(ticks, WHOLE, all));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(times: [u64; 10]) -> Cpu {
        Cpu { cpu: Some(3), times: times.map(Some) }
    }

    #[test]
    fn a_part_is_never_more_than_the_whole_whatever_is_not_there() {
        // An older kernel's line lacks times; those of guests are no part, however many there are.
        let without = |mut cpu: Cpu| {
            (cpu.times[1], cpu.times[7]) = (None, None);
            cpu
        };
        let (before, after) = (without(cpu([0; 10])), without(cpu([1, 0, 0, 1, 0, 0, 0, 0, 900, 900])));
        let row = compare(Some((&before, 1)), &after);
        assert!(row.is_sound(), "{row:?}");
        assert_eq!(row.shares[9], Some(900 / 2 * WHOLE));
        let most = compare(Some((&cpu([0; 10]), 1)), &cpu([u64::MAX; 10]));
        assert!(most.is_sound(), "{most:?}");
        let wrong = CpuRate { shares: [Some(WHOLE + 1); 11], ..row };
        assert!(!wrong.is_sound());
    }

    #[test]
    fn shares_are_of_the_ticks_that_were_counted() {
        let before = cpu([100, 0, 50, 1000, 10, 1, 2, 3, 40, 0]);
        let after = cpu([150, 10, 70, 1110, 15, 1, 5, 5, 60, 0]);
        let row = compare(Some((&before, 2_000_000)), &after);
        assert_eq!((row.cpu, row.interval), (Some(3), Some(2_000_000)));
        // 200 ticks: 50 user, 10 nice, 20 system, 110 idle, 5 iowait, 0 irq, 3 softirq, 2 steal; 20 of a guest are in user.
        let expected = [4250, 2500, 500, 1000, 5500, 250, 0, 150, 100, 1000, 0].map(Some);
        assert_eq!(row.shares, expected);
    }

    #[test]
    fn a_first_sample_has_no_shares_and_no_time_has_none_either() {
        let some = cpu([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let new = compare(None, &some);
        assert_eq!((new.interval, new.shares), (None, [None; 11]));
        let still = compare(Some((&some, 50_000)), &some);
        assert_eq!((still.interval, still.shares), (Some(50_000), [None; 11]));
    }

    #[test]
    fn what_runs_backwards_has_no_share_and_takes_none_from_the_others() {
        let before = cpu([100, 0, 0, 100, 50, 0, 0, 0, 0, 0]);
        let row = compare(Some((&before, 1)), &cpu([150, 0, 0, 150, 49, 0, 0, 0, 0, 0]));
        assert_eq!((row.shares[5], row.shares[1], row.shares[0]), (None, Some(5000), Some(5000)));
        // Nobody knows how busy it was where the idle time is not known.
        let row = compare(Some((&before, 1)), &cpu([150, 0, 0, 99, 50, 0, 0, 0, 0, 0]));
        assert_eq!((row.shares[0], row.shares[4]), (None, None));
        let huge = cpu([u64::MAX; 10]);
        let row = compare(Some((&cpu([0; 10]), 1)), &huge);
        assert_eq!(row.shares[1], Some(WHOLE));
    }
}
