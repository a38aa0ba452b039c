//! Soft interrupts that each processor has run: `/proc/softirqs` (`show_softirqs` in fs/proc/softirqs.c).
#![forbid(unsafe_code)]

use crate::kernel::column::{bytes, keyed_table, list, number};
use crate::kernel::interrupts::{Interrupt, cpus, parse};
use crate::kernel::lines;
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// The table `softirqs`. The file is written as that of interrupts, with a name in place of a number.
pub static TABLE: TableOf<Interrupt> = keyed_table(
    &[atoms::NAME],
    atoms::SOFTIRQS,
    Cost::Constant,
    atoms::PROCFS,
    &[
        bytes(atoms::NAME, |row| Value::Bytes(&row.irq)),
        number(atoms::TOTAL, Unit::None, |row| Value::Unsigned(row.total)),
        list(atoms::COUNTS, |row| Value::Numbers(&row.counts)),
    ],
    open,
);

fn open(_: &Wanted<'_, Interrupt>, _: &mut Context<'_>) -> Opened<Interrupt> {
    lines::headed(c"/proc/softirqs", "reading /proc/softirqs", cpus, |cpus, line| parse(*cpus, line))
}
