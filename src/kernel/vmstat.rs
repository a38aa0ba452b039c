//! Counters of the memory management: `/proc/vmstat` (proc_vmstat(5)). Which there are is another list with every kernel, so that
//! each is a row.
#![forbid(unsafe_code)]

use crate::kernel::column::{bytes, keyed_table, number};
use crate::kernel::lines;
use crate::kernel::text::{decimal, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    name: Vec<u8>,
    value: u64,
}

/// The table `vmstat`.
pub static TABLE: TableOf<Counter> = keyed_table(
    &[atoms::NAME],
    atoms::VMSTAT,
    Cost::Constant,
    atoms::PROCFS,
    &[
        bytes(atoms::NAME, |row| Value::Bytes(&row.name)),
        number(atoms::VALUE, Unit::None, |row| Value::Unsigned(row.value)),
    ],
    open,
);

fn open(_: &Wanted<'_, Counter>, _: &mut Context<'_>) -> Opened<Counter> {
    lines::rows(c"/proc/vmstat", "reading /proc/vmstat", |(), line| parse(line))
}

/// `nr_free_pages 2551571`.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Counter> {
    let mut words = words(line);
    let (name, value) = (words.next()?.to_vec(), decimal(words.next()?)?);
    words.next().is_none().then_some(Counter { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_number() {
        let row = parse(b"nr_free_pages 2551571").unwrap();
        assert_eq!((&row.name[..], row.value), (&b"nr_free_pages"[..], 2_551_571));
        for odd in [&b""[..], b"nr", b"nr x", b"nr -1", b"nr 1 2", b"nr 99999999999999999999", b"\xff"] {
            assert_eq!(parse(odd), None);
        }
    }
}
