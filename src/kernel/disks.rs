//! What block devices have done: `/proc/diskstats` (Documentation/admin-guide/iostats.rst).
#![forbid(unsafe_code)]

use crate::kernel::column::{Numbers, bytes, keyed_table, nth, number};
use crate::kernel::lines;
use crate::kernel::text::{decimal, words};
use crate::table::{Column, Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// Bytes of a sector, whatever the device's own are (include/linux/blk_types.h, `SECTOR_SIZE`).
pub const SECTOR: u64 = 512;

/// One device or partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its numbers.
    pub device: [u64; 2],
    /// Its name.
    pub name: Vec<u8>,
    /// Counters in the order of the file, sectors as bytes. Kernels before 5.5 have fewer.
    pub counters: [Option<u64>; 17],
}

impl Numbers for Disk {
    fn numbers(&self) -> &[Option<u64>] {
        &self.counters
    }
}

/// The table `disks`.
pub static TABLE: TableOf<Disk> =
    keyed_table(&[atoms::NAME], atoms::DISKS, Cost::PerRow, atoms::PROCFS, COLUMNS, open);

const COLUMNS: &[Column<Disk>] = &[
    number(atoms::MAJOR, Unit::None, |row| Value::Unsigned(row.device[0])),
    number(atoms::MINOR, Unit::None, |row| Value::Unsigned(row.device[1])),
    bytes(atoms::NAME, |row| Value::Bytes(&row.name)),
    number(atoms::READ_IOS, Unit::None, nth::<_, 0>),
    number(atoms::READ_MERGES, Unit::None, nth::<_, 1>),
    number(atoms::READ_BYTES, Unit::Bytes, nth::<_, 2>),
    number(atoms::READ_TIME, Unit::Millis, nth::<_, 3>),
    number(atoms::WRITE_IOS, Unit::None, nth::<_, 4>),
    number(atoms::WRITE_MERGES, Unit::None, nth::<_, 5>),
    number(atoms::WRITE_BYTES, Unit::Bytes, nth::<_, 6>),
    number(atoms::WRITE_TIME, Unit::Millis, nth::<_, 7>),
    number(atoms::IN_FLIGHT, Unit::None, nth::<_, 8>),
    number(atoms::IO_TIME, Unit::Millis, nth::<_, 9>),
    number(atoms::TIME_IN_QUEUE, Unit::Millis, nth::<_, 10>),
    number(atoms::DISCARD_IOS, Unit::None, nth::<_, 11>),
    number(atoms::DISCARD_MERGES, Unit::None, nth::<_, 12>),
    number(atoms::DISCARD_BYTES, Unit::Bytes, nth::<_, 13>),
    number(atoms::DISCARD_TIME, Unit::Millis, nth::<_, 14>),
    number(atoms::FLUSH_IOS, Unit::None, nth::<_, 15>),
    number(atoms::FLUSH_TIME, Unit::Millis, nth::<_, 16>),
];

/// Which counters are of sectors.
const SECTORS: [usize; 3] = [2, 6, 13];

fn open(_: &Wanted<'_, Disk>, _: &mut Context<'_>) -> Opened<Disk> {
    lines::rows(c"/proc/diskstats", "reading /proc/diskstats", |(), line| parse(line))
}

/// ` 254  0 vda 3877521 128433 ...`: device, name, counters.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Disk> {
    let mut words = words(line);
    let device = [decimal(words.next()?)?, decimal(words.next()?)?];
    let name = words.next()?.to_vec();
    let mut counters = [None; 17];
    counters.iter_mut().zip(words).for_each(|(counter, word)| *counter = decimal(word));
    for place in SECTORS {
        if let Some(counter) = counters.get_mut(place) {
            *counter = counter.and_then(|sectors| sectors.checked_mul(SECTOR));
        }
    }
    Some(Disk { device, name, counters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_by_their_places() {
        let disk = parse(b" 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18").unwrap();
        assert_eq!((disk.device, &disk.name[..]), ([254, 0], &b"vda"[..]));
        assert_eq!(disk.counters[..4], [1, 2, 3 * 512, 4].map(Some));
        assert_eq!(
            (disk.counters[6], disk.counters[13], disk.counters[16]),
            (Some(7 * 512), Some(14 * 512), Some(17))
        );
        // Linux 4.17 and before.
        let older = parse(b"8 1 cciss/c0d0p1 1 2 3 4 5 6 7 8 9 10 11").unwrap();
        assert_eq!(older.counters[10..12], [Some(11), None]);
    }

    #[test]
    fn odd_input_has_no_row_or_no_numbers() {
        for odd in [&b""[..], b"8", b"8 0", b"x 0 vda 1", b"8 \xff vda 1"] {
            assert_eq!(parse(odd), None);
        }
        let odd = parse(b"8 0 \xff -1 x 18446744073709551615 4").unwrap();
        assert_eq!((&odd.name[..], &odd.counters[..4]), (&b"\xff"[..], &[None, None, None, Some(4)][..]));
    }
}
