//! How long the kernel has been running: `/proc/uptime` (proc_uptime(5)).
#![forbid(unsafe_code)]

use crate::kernel::column::{number, table};
use crate::kernel::file;
use crate::kernel::text::{hundredths, without_end, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// The one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    uptime: u64,
    idle: u64,
}

/// The table `uptime`.
pub static TABLE: TableOf<Uptime> = table(
    atoms::UPTIME,
    Cost::Constant,
    atoms::PROCFS,
    &[
        number(atoms::UPTIME, Unit::Hundredths, |row| Value::Unsigned(row.uptime)),
        number(atoms::IDLE, Unit::Hundredths, |row| Value::Unsigned(row.idle)),
    ],
    open,
);

fn open(_: &Wanted<'_, Uptime>, _: &mut Context<'_>) -> Opened<Uptime> {
    file::one(c"/proc/uptime", "reading /proc/uptime", parse)
}

/// `26187.33 18074.81`: seconds since boot, and seconds that processors were idle, all of them together.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Uptime> {
    let mut words = words(without_end(bytes));
    Some(Uptime { uptime: hundredths(words.next()?)?, idle: hundredths(words.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_or_none() {
        assert_eq!(parse(b"26187.33 18074.81\n"), Some(Uptime { uptime: 2_618_733, idle: 1_807_481 }));
        assert_eq!(parse(b"1.00 2.00 3.00\n").map(|row| row.idle), Some(200));
        for odd in [&b""[..], b"1.00\n", b"1.00 x\n", b"1.0 2.0\n", b"\xff\xff"] {
            assert_eq!(parse(odd), None);
        }
    }
}
