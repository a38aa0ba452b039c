//! Interrupts that each processor has taken: `/proc/interrupts` (proc_interrupts(5), `show_interrupts` in kernel/irq/proc.c).
#![forbid(unsafe_code)]

use crate::kernel::column::{bytes, keyed_table, list, number};
use crate::kernel::lines;
use crate::kernel::text::{decimal, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// One interrupt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// A number, or what the architecture calls it.
    pub irq: Vec<u8>,
    /// How often each processor took it, in the order of the first line. Errors are counted once for all.
    pub counts: Vec<u64>,
    /// All of them together.
    pub total: u64,
    /// Its controller, its number there and whose it is; or what it is for.
    pub name: Vec<u8>,
}

/// The table `interrupts`.
pub static TABLE: TableOf<Interrupt> = keyed_table(
    &[atoms::IRQ],
    atoms::INTERRUPTS,
    Cost::PerRow,
    atoms::PROCFS,
    &[
        bytes(atoms::IRQ, |row| Value::Bytes(&row.irq)),
        bytes(atoms::NAME, |row| Value::Bytes(&row.name)),
        number(atoms::TOTAL, Unit::None, |row| Value::Unsigned(row.total)),
        list(atoms::COUNTS, |row| Value::Numbers(&row.counts)),
    ],
    open,
);

fn open(_: &Wanted<'_, Interrupt>, _: &mut Context<'_>) -> Opened<Interrupt> {
    lines::headed(c"/proc/interrupts", "reading /proc/interrupts", cpus, |cpus, line| parse(*cpus, line))
}

/// How many columns of counts there are: `CPU0       CPU1`.
#[must_use]
pub fn cpus(line: &[u8]) -> Option<usize> {
    words(line).all(|word| word.strip_prefix(b"CPU").and_then(decimal).is_some()).then(|| words(line).count())
}

/// ` 24:          1          0  IO-APIC   5-edge      ACPI:Ged`. As many counts as there are processors; a name can begin with a
/// digit.
#[must_use]
pub fn parse(cpus: usize, line: &[u8]) -> Option<Interrupt> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (irq, mut rest) = line.split_at_checked(colon)?;
    rest = rest.get(1..)?.trim_ascii();
    let mut counts = Vec::new();
    while counts.len() < cpus {
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let Some((word, others)) = rest.split_at_checked(end) else { break };
        let Some(count) = decimal(word) else { break };
        counts.push(count);
        rest = others.trim_ascii_start();
    }
    let total = counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count))?;
    Some(Interrupt { irq: irq.trim_ascii().to_vec(), counts, total, name: rest.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_end_with_the_processors() {
        assert_eq!(cpus(b"           CPU0       CPU12       "), Some(2));
        let row = parse(2, b" 24:          1          0  IO-APIC   5-edge      ACPI:Ged").unwrap();
        assert_eq!((&row.irq[..], &row.counts[..], row.total), (&b"24"[..], &[1, 0][..], 1));
        assert_eq!(row.name, b"IO-APIC   5-edge      ACPI:Ged");
        assert_eq!(parse(2, b"  7:  1  2  3w-xxxx").unwrap().name, b"3w-xxxx");
        assert_eq!(parse(1, b"  7:  1  2 x").unwrap().name, b"2 x");
        let errors = parse(2, b"ERR:          5").unwrap();
        assert_eq!((&errors.counts[..], errors.total, &errors.name[..]), (&[5][..], 5, &b""[..]));
    }

    #[test]
    fn odd_input_has_no_row_or_no_counts() {
        assert_eq!((cpus(b""), cpus(b"CPU0 \xff"), cpus(b"24: 1 2")), (Some(0), None, None));
        assert_eq!((parse(2, b""), parse(2, b"no colon"), parse(2, b"\xff")), (None, None, None));
        assert!(parse(2, b":").unwrap().counts.is_empty());
        assert!(parse(2, b"1: 99999999999999999999 x").unwrap().counts.is_empty());
        assert_eq!(parse(2, b"1: 18446744073709551615 1 x"), None);
    }
}
