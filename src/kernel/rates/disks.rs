//! What block devices did between two samples of `/proc/diskstats`: the table `disk_rates`.
#![forbid(unsafe_code)]

use super::WHOLE;
use crate::kernel::column::{Numbers, bytes, keyed_table, nth, number};
use crate::kernel::disks::{self, Disk};
use crate::kernel::lines;
use crate::table::gather::{Gathered, Name};
use crate::table::sample::{Differences, Sampled, difference, per_second, ratio};
use crate::table::{Column, Cost, Special, Unit, Value};
use crate::wire::atoms;

/// Counters of one device or partition. A name has fewer than 32 bytes (`DISK_NAME_LEN`, include/linux/blkdev.h), and a partition
/// its number behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    device: [u64; 2],
    name: Name<40>,
    counters: [Option<u64>; 17],
}

impl Sampled for Counters {
    type Key = [u64; 2];

    fn key(&self) -> [u64; 2] {
        self.device
    }
}

/// One device or partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskRate {
    device: [u64; 2],
    name: Name<40>,
    /// In the order of the columns.
    rates: [Option<u64>; 11],
}

impl Numbers for DiskRate {
    fn numbers(&self) -> &[Option<u64>] {
        &self.rates
    }
}

/// The table.
pub static TABLE: Special<DiskRate> = Special {
    table: keyed_table(
        &[atoms::NAME],
        atoms::DISK_RATES,
        Cost::PerRow,
        atoms::PROCFS,
        COLUMNS,
        |wanted, _| {
            let gathered = Gathered::of(
                |_| lines::rows(c"/proc/diskstats", "reading /proc/diskstats", |(), line| counters(line)),
                compare,
            );
            Ok(Box::new(Differences::of(wanted.interval(), gathered)))
        },
    ),
    sampled: true,
    guarded: None,
    environ: &[],
};

const COLUMNS: &[Column<DiskRate>] = &[
    number(atoms::MAJOR, Unit::None, |row| Value::Unsigned(row.device[0])),
    number(atoms::MINOR, Unit::None, |row| Value::Unsigned(row.device[1])),
    bytes(atoms::NAME, |row| Value::Bytes(row.name.bytes())),
    number(atoms::INTERVAL, Unit::Micros, nth::<_, 0>),
    number(atoms::READ_IOS, Unit::PerSecond, nth::<_, 1>),
    number(atoms::READ_BYTES, Unit::BytesPerSecond, nth::<_, 2>),
    number(atoms::WRITE_IOS, Unit::PerSecond, nth::<_, 3>),
    number(atoms::WRITE_BYTES, Unit::BytesPerSecond, nth::<_, 4>),
    number(atoms::DISCARD_IOS, Unit::PerSecond, nth::<_, 5>),
    number(atoms::DISCARD_BYTES, Unit::BytesPerSecond, nth::<_, 6>),
    number(atoms::FLUSH_IOS, Unit::PerSecond, nth::<_, 7>),
    number(atoms::IN_FLIGHT, Unit::None, nth::<_, 8>),
    number(atoms::BUSY, Unit::Hundredths, nth::<_, 9>),
    number(atoms::QUEUE, Unit::Hundredths, nth::<_, 10>),
];

/// The places in the file of what is counted one by one, in the order of the columns.
const COUNTED: [usize; 7] = [0, 2, 4, 6, 11, 13, 15];
const IN_FLIGHT: usize = 8;
/// Milliseconds in which something was under way, and the same times how many.
const IO_TIME: usize = 9;
const TIME_IN_QUEUE: usize = 10;

/// Reads a line, and keeps what is compared of it.
#[must_use]
pub fn counters(line: &[u8]) -> Option<Counters> {
    let Disk { device, name, counters } = disks::parse(line)?;
    Some(Counters { device, name: Name::of(&name), counters })
}

/// What a device did between two samples.
#[must_use]
pub fn compare(before: Option<(&Counters, u64)>, after: &Counters) -> DiskRate {
    let now = |place: usize| after.counters.get(place).copied().flatten();
    let mut row = DiskRate { device: after.device, name: after.name, rates: [None; 11] };
    let [interval, rest @ ..] = &mut row.rates;
    let [rates @ .., in_flight, busy, queue] = rest;
    *in_flight = now(IN_FLIGHT);
    // A number can be another device's by now.
    let Some((before, micros)) = before.filter(|(before, _)| before.name == after.name) else { return row };
    let was = |place: usize| before.counters.get(place).copied().flatten();
    *interval = Some(micros);
    for (rate, place) in rates.iter_mut().zip(COUNTED) {
        *rate = per_second(was(place), now(place), micros);
    }
    let share = |place, whole| {
        let millis = difference(was(place), now(place))?;
        ratio(millis.saturating_mul(1000), whole, micros)
    };
    // The kernel counts in ticks and in milliseconds, which can be more than went by.
    *busy = share(IO_TIME, WHOLE).map(|share| share.min(WHOLE));
    *queue = share(TIME_IN_QUEUE, 100);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(numbers: &str) -> Counters {
        counters(format!("254 1 vda1 {numbers}").as_bytes()).unwrap()
    }

    #[test]
    fn rates_are_of_a_second_and_shares_of_the_time() {
        let before = disk("10 0 100 0 20 0 200 0 0 1000 5000 1 0 8 0 3 0");
        let after = disk("30 0 104 0 21 0 200 0 7 1500 8000 3 0 16 0 4 0");
        let row = compare(Some((&before, 2_000_000)), &after);
        let rates = [2_000_000, 10, 4 * 512 / 2, 1, 0, 1, 8 * 512 / 2, 1, 7, 2500, 150].map(Some);
        assert_eq!((row.device, row.name.bytes(), row.rates), ([254, 1], &b"vda1"[..], rates));
    }

    #[test]
    fn what_is_new_or_another_device_has_no_rates() {
        let after = disk("30 0 104 0 21 0 200 0 7 1500 8000 3 0 16 0 4 0");
        let nothing = |row: DiskRate| row.rates[..8].iter().all(Option::is_none) && row.rates[8] == Some(7);
        assert!(nothing(compare(None, &after)));
        let other = counters(b"254 1 dm-7 1 0 1 0 1 0 1 0 0 1 1 1 0 1 0 1 0").unwrap();
        assert!(nothing(compare(Some((&other, 1_000_000)), &after)));
    }

    #[test]
    fn counters_that_run_backwards_or_are_not_there_have_none() {
        let before = disk("30 0 4 0 21 0 200 0 7 1500 8000");
        let row = compare(Some((&before, 1_000_000)), &disk("29 0 5 0 21 0 200 0 7 4000 7999"));
        assert_eq!(row.rates[1..6], [None, Some(512), Some(0), Some(0), None]);
        assert_eq!(row.rates[9..], [Some(WHOLE), None]);
        assert_eq!(compare(Some((&before, 0)), &before).rates[1..8], [None; 7]);
    }
}
