//! Segments of System V shared memory: `/proc/sysvipc/shm` (sysvipc(7), `sysvipc_shm_proc_show` in ipc/shm.c).
#![forbid(unsafe_code)]

use crate::kernel::column::{Numbers, keyed_table, nth, number};
use crate::kernel::lines;
use crate::kernel::text::{decimal, octal, signed, words};
use crate::table::{Column, Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// As the kernel writes it: a key with its highest bit set is negative.
    key: i64,
    /// The others in the order of the file. Kernels that were built otherwise have no `rss` and `swap`.
    numbers: [Option<u64>; 15],
}

impl Numbers for Segment {
    fn numbers(&self) -> &[Option<u64>] {
        &self.numbers
    }
}

/// The table `shared_memory`.
pub static TABLE: TableOf<Segment> =
    keyed_table(&[atoms::SHMID], atoms::SHARED_MEMORY, Cost::PerRow, atoms::PROCFS, COLUMNS, open);

const COLUMNS: &[Column<Segment>] = &[
    number(atoms::KEY, Unit::None, |row| Value::Signed(row.key)),
    number(atoms::SHMID, Unit::None, nth::<_, 0>),
    number(atoms::PERMS, Unit::None, nth::<_, PERMS>),
    number(atoms::SIZE, Unit::Bytes, nth::<_, 2>),
    number(atoms::CPID, Unit::None, nth::<_, 3>),
    number(atoms::LPID, Unit::None, nth::<_, 4>),
    number(atoms::NATTCH, Unit::None, nth::<_, 5>),
    number(atoms::UID, Unit::None, nth::<_, 6>),
    number(atoms::GID, Unit::None, nth::<_, 7>),
    number(atoms::CUID, Unit::None, nth::<_, 8>),
    number(atoms::CGID, Unit::None, nth::<_, 9>),
    number(atoms::ATIME, Unit::Seconds, nth::<_, 10>),
    number(atoms::DTIME, Unit::Seconds, nth::<_, 11>),
    number(atoms::CTIME, Unit::Seconds, nth::<_, 12>),
    number(atoms::RSS, Unit::Bytes, nth::<_, 13>),
    number(atoms::SWAP, Unit::Bytes, nth::<_, 14>),
];

/// The one that is written in octal.
const PERMS: usize = 1;

fn open(_: &Wanted<'_, Segment>, _: &mut Context<'_>) -> Opened<Segment> {
    let header = |line: &[u8]| words(line).next().filter(|word| *word == b"key").map(drop);
    lines::headed(c"/proc/sysvipc/shm", "reading /proc/sysvipc/shm", header, |(), line| parse(line))
}

/// `0  3  1600  4096  11  12  1  1000 1000 1000 1000  1795251469 0 1795251469  4096 0`.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Segment> {
    let mut words = words(line);
    let key = signed(words.next()?)?;
    let mut numbers = [None; 15];
    for ((place, number), word) in numbers.iter_mut().enumerate().zip(words) {
        *number = if place == PERMS { octal(word) } else { decimal(word) };
    }
    // A line that ends before the id was cut.
    numbers.first()?.is_some().then_some(Segment { key, numbers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_by_its_place() {
        let segment =
            parse(b" -559038737  3  1600  4096  11 12  1  1000 1001 1002 1003  14 15 16  17 18 19").unwrap();
        assert_eq!(segment.key, -559_038_737);
        assert_eq!(segment.numbers[..4], [3, 0o1600, 4096, 11].map(Some));
        assert_eq!(segment.numbers[10..], [14, 15, 16, 17, 18].map(Some));
        assert_eq!(parse(b"0 3 600 4096").unwrap().numbers[3..], [None; 12]);
    }

    #[test]
    fn odd_input_has_no_row_or_no_numbers() {
        for odd in [&b""[..], b"0", b"x 3", b"0 x", b"\xff 3", b"99999999999999999999 3"] {
            assert_eq!(parse(odd), None);
        }
        assert_eq!(parse(b"0 3 899 -1").unwrap().numbers[1..3], [None, None]);
    }
}
