//! How many tasks want to run: `/proc/loadavg` (proc_loadavg(5)).
#![forbid(unsafe_code)]

use crate::kernel::column::{number, table};
use crate::kernel::file;
use crate::kernel::text::{decimal, hundredths, without_end, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// The one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Averages over 1, 5 and 15 minutes, in hundredths.
    averages: [u64; 3],
    runnable: u64,
    tasks: u64,
    last_pid: u64,
}

/// The table `load`.
pub static TABLE: TableOf<Load> = table(
    atoms::LOAD,
    Cost::Constant,
    atoms::PROCFS,
    &[
        number(atoms::LOAD1, Unit::Hundredths, |load| Value::Unsigned(load.averages[0])),
        number(atoms::LOAD5, Unit::Hundredths, |load| Value::Unsigned(load.averages[1])),
        number(atoms::LOAD15, Unit::Hundredths, |load| Value::Unsigned(load.averages[2])),
        number(atoms::RUNNABLE, Unit::None, |load| Value::Unsigned(load.runnable)),
        number(atoms::TASKS, Unit::None, |load| Value::Unsigned(load.tasks)),
        number(atoms::LAST_PID, Unit::None, |load| Value::Unsigned(load.last_pid)),
    ],
    open,
);

fn open(_: &Wanted<'_, Load>, _: &mut Context<'_>) -> Opened<Load> {
    file::one(c"/proc/loadavg", "reading /proc/loadavg", parse)
}

/// `0.20 0.18 0.12 1/80 11206`: averages, tasks that run and all of them, the pid that was given last.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Load> {
    let mut words = words(without_end(bytes));
    let averages = [hundredths(words.next()?)?, hundredths(words.next()?)?, hundredths(words.next()?)?];
    let mut tasks = words.next()?.split(|byte| *byte == b'/').map(decimal);
    let (runnable, tasks) = (tasks.next()??, tasks.next()??);
    Some(Load { averages, runnable, tasks, last_pid: decimal(words.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read() {
        let load = parse(b"0.20 118.00 0.12 1/80 11206\n").unwrap();
        assert_eq!(load, Load { averages: [20, 11800, 12], runnable: 1, tasks: 80, last_pid: 11206 });
        for bad in [&b""[..], b"0.20", b"0.2 0.1 0.1 1/80 7", b"0.20 0.18 0.12 1 7", b"\xff"] {
            assert_eq!(parse(bad), None);
        }
    }
}
