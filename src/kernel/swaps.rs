//! Where memory is swapped to: `/proc/swaps` (proc_swaps(5), `swap_show` in mm/swapfile.c).
#![forbid(unsafe_code)]

use crate::kernel::column::{bytes, keyed_table, number, word};
use crate::kernel::lines;
use crate::kernel::text::{decimal, signed, unescaped, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// One partition or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    path: Vec<u8>,
    kind: Atom,
    size: u64,
    used: u64,
    priority: i64,
}

const TYPES: &[Atom] = &[atoms::PARTITION, atoms::FILE, atoms::UNKNOWN];

/// The table `swaps`.
pub static TABLE: TableOf<Swap> = keyed_table(
    &[atoms::PATH],
    atoms::SWAPS,
    Cost::PerRow,
    atoms::PROCFS,
    &[
        bytes(atoms::PATH, |row| Value::Bytes(&row.path)),
        word(atoms::TYPE, TYPES, |row| Value::Word(row.kind)),
        number(atoms::SIZE, Unit::Bytes, |row| Value::Unsigned(row.size)),
        number(atoms::USED, Unit::Bytes, |row| Value::Unsigned(row.used)),
        number(atoms::PRIORITY, Unit::None, |row| Value::Signed(row.priority)),
    ],
    open,
);

fn open(_: &Wanted<'_, Swap>, _: &mut Context<'_>) -> Opened<Swap> {
    let header = |line: &[u8]| words(line).next().filter(|word| *word == b"Filename").map(drop);
    lines::headed(c"/proc/swaps", "reading /proc/swaps", header, |(), line| parse(line))
}

/// `/dev/sda2   partition   2097148   0   -2`, sizes in kilobytes.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Swap> {
    let mut words = words(line);
    let path = unescaped(words.next()?);
    let kind = match words.next()? {
        b"partition" => atoms::PARTITION,
        b"file" => atoms::FILE,
        _ => atoms::UNKNOWN,
    };
    let mut size = || decimal(words.next()?)?.checked_mul(1024);
    let (size, used) = (size()?, size()?);
    Some(Swap { path, kind, size, used, priority: signed(words.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_files() {
        let line = b"/a\\040b\xff\\040(deleted)                file\t\t2097148\t\t12\t\t-2";
        let expected = Swap {
            path: b"/a b\xff (deleted)".to_vec(),
            kind: atoms::FILE,
            size: 2_097_148 * 1024,
            used: 12 * 1024,
            priority: -2,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(
            parse(b"/dev/zram0 partition 1 0 100 new").map(|s| (s.kind, s.priority)),
            Some((atoms::PARTITION, 100))
        );
        assert_eq!(parse(b"/x other 1 0 1").map(|s| s.kind), Some(atoms::UNKNOWN));
    }

    #[test]
    fn odd_input_has_no_row() {
        for odd in [
            &b""[..],
            b"/x file 1 0",
            b"/x file -1 0 1",
            b"/x file 18446744073709551615 0 1",
            b"/x file 1 0 \xff",
        ] {
            assert_eq!(parse(odd), None);
        }
    }
}
