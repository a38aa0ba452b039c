//! What the processors spent their time on: the first lines of `/proc/stat` (proc_stat(5)).
#![forbid(unsafe_code)]

use crate::kernel::column::{Numbers, keyed_table, nth, number};
use crate::kernel::file::{self, Ready};
use crate::kernel::text::{decimal, lines, words};
use crate::table::{Column, Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// What is read here.
pub const WHAT: &str = "reading /proc/stat";

/// One processor, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its number; none: all.
    pub cpu: Option<u64>,
    /// Times in the order of the file. Older kernels have fewer.
    pub times: [Option<u64>; 10],
}

impl Numbers for Cpu {
    fn numbers(&self) -> &[Option<u64>] {
        &self.times
    }
}

/// The table `cpus`.
pub static TABLE: TableOf<Cpu> =
    keyed_table(&[atoms::CPU], atoms::CPUS, Cost::PerRow, atoms::PROCFS, COLUMNS, open);

const COLUMNS: &[Column<Cpu>] = &[
    number(atoms::CPU, Unit::None, |row| row.cpu.map_or(Value::Word(atoms::ATOM_ALL), Value::Unsigned)),
    number(atoms::USER, Unit::Ticks, nth::<_, 0>),
    number(atoms::NICE, Unit::Ticks, nth::<_, 1>),
    number(atoms::SYSTEM, Unit::Ticks, nth::<_, 2>),
    number(atoms::IDLE, Unit::Ticks, nth::<_, 3>),
    number(atoms::IOWAIT, Unit::Ticks, nth::<_, 4>),
    number(atoms::IRQ, Unit::Ticks, nth::<_, 5>),
    number(atoms::SOFTIRQ, Unit::Ticks, nth::<_, 6>),
    number(atoms::STEAL, Unit::Ticks, nth::<_, 7>),
    number(atoms::GUEST, Unit::Ticks, nth::<_, 8>),
    number(atoms::GUEST_NICE, Unit::Ticks, nth::<_, 9>),
];

fn open(_: &Wanted<'_, Cpu>, _: &mut Context<'_>) -> Opened<Cpu> {
    file::read(c"/proc/stat", WHAT).map(|bytes| Ready::of(parse(&bytes)))
}

/// The lines `cpu` and `cpu0`, `cpu1` and so on, as far as they are together at the beginning.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Cpu> {
    lines(bytes).map_while(line).collect()
}

fn line(line: &[u8]) -> Option<Cpu> {
    let mut words = words(line);
    let cpu = match words.next()?.strip_prefix(b"cpu")? {
        b"" => None,
        digits => Some(decimal(digits)?),
    };
    let mut times = [None; 10];
    times.iter_mut().zip(words).for_each(|(time, word)| *time = decimal(word));
    Some(Cpu { cpu, times })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_processor_is_a_row() {
        let text = b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10 11\ncpu12 1 2 3 4\nintr 7\ncpu13 1 2 3 4\n";
        let rows = parse(text);
        assert_eq!(rows.iter().map(|row| row.cpu).collect::<Vec<_>>(), [None, Some(0), Some(12)]);
        assert_eq!(rows[1].times, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(Some));
        assert_eq!(rows[2].times[3..5], [Some(4), None]);
    }

    #[test]
    fn odd_input_has_no_rows_or_no_numbers() {
        for odd in [&b""[..], b"cpu 1 2 3 4", b"\xff\n", b"cpux 1\n", b"cpu99999999999999999999 1\n"] {
            assert_eq!(parse(odd), []);
        }
        assert_eq!(
            parse(b"cpu -1 99999999999999999999 x 4\n")[0].times[..5],
            [None, None, None, Some(4), None]
        );
    }
}
