//! Time that tasks lost because something was short: `/proc/pressure` (Documentation/accounting/psi.rst).
#![forbid(unsafe_code)]

use std::ffi::CStr;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::column::{keyed_table, number, word};
use crate::kernel::file::{self, Ready};
use crate::kernel::text::{decimal, hundredths, lines, words};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

/// What is done.
pub const WHAT: &str = "reading /proc/pressure";

/// A file for each of what can be short.
pub const FILES: &[(Atom, &CStr)] = &[
    (atoms::CPU, c"/proc/pressure/cpu"),
    (atoms::MEMORY, c"/proc/pressure/memory"),
    (atoms::IO, c"/proc/pressure/io"),
    (atoms::IRQ, c"/proc/pressure/irq"),
];

/// What was short, and whether some tasks waited for it or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// What was short.
    pub resource: Atom,
    /// Whether some tasks waited for it, or all.
    pub share: Atom,
    /// Shares of the last 10, 60 and 300 seconds, in hundredths of a percent.
    pub averages: [u64; 3],
    /// Microseconds that were lost since the start.
    pub total: u64,
}

/// The table `pressure`.
pub static TABLE: TableOf<Pressure> = keyed_table(
    &[atoms::RESOURCE, atoms::SHARE],
    atoms::PRESSURE,
    Cost::Constant,
    atoms::PROCFS,
    &[
        word(atoms::RESOURCE, &[atoms::CPU, atoms::MEMORY, atoms::IO, atoms::IRQ], |row| {
            Value::Word(row.resource)
        }),
        word(atoms::SHARE, &[atoms::SOME, atoms::FULL], |row| Value::Word(row.share)),
        number(atoms::AVG10, Unit::Hundredths, |row| Value::Unsigned(row.averages[0])),
        number(atoms::AVG60, Unit::Hundredths, |row| Value::Unsigned(row.averages[1])),
        number(atoms::AVG300, Unit::Hundredths, |row| Value::Unsigned(row.averages[2])),
        number(atoms::TOTAL, Unit::Micros, |row| Value::Unsigned(row.total)),
    ],
    open,
);

fn open(wanted: &Wanted<'_, Pressure>, _: &mut Context<'_>) -> Opened<Pressure> {
    let mut rows = Vec::new();
    for (resource, path) in FILES {
        if wanted.condition(atoms::RESOURCE).is_some_and(|condition| !condition.allows_word(*resource)) {
            continue;
        }
        match file::whole(path) {
            Ok(bytes) => rows.extend(parse(*resource, &bytes)),
            // Built without it, of an older kernel, or turned off with psi=0.
            Err(Errno::ENOENT | Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(RequestError::Posix(errno as i32, WHAT)),
        }
    }
    Ok(Ready::of(rows))
}

/// Lines such as `some avg10=98.30 avg60=93.98 avg300=83.80 total=11096110178`.
pub fn parse(resource: Atom, bytes: &[u8]) -> impl Iterator<Item = Pressure> {
    lines(bytes).filter_map(move |line| {
        let mut words = words(line);
        let share = match words.next()? {
            b"some" => atoms::SOME,
            b"full" => atoms::FULL,
            _ => return None,
        };
        let mut value = |name| words.next()?.strip_prefix(name)?.strip_prefix(b"=");
        let averages = [
            hundredths(value(&b"avg10"[..])?)?,
            hundredths(value(&b"avg60"[..])?)?,
            hundredths(value(&b"avg300"[..])?)?,
        ];
        Some(Pressure { resource, share, averages, total: decimal(value(&b"total"[..])?)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_and_full() {
        let text = b"some avg10=98.30 avg60=1.02 avg300=0.00 total=110\nfull avg10=0.00 avg60=0.00 avg300=0.06 total=7\n";
        let rows: Vec<_> = parse(atoms::IO, text).collect();
        let some = Pressure { resource: atoms::IO, share: atoms::SOME, averages: [9830, 102, 0], total: 110 };
        assert_eq!(rows[0], some);
        assert_eq!(
            (rows.len(), rows[1].share, rows[1].averages, rows[1].total),
            (2, atoms::FULL, [0, 0, 6], 7)
        );
    }

    #[test]
    fn odd_input_has_no_rows() {
        for odd in [
            &b""[..],
            b"some\n",
            b"some avg10=1.00 avg60=1.00 avg300=1.00 total=1",
            b"most avg10=1.00 avg60=1.00 avg300=1.00 total=1\n",
            b"some avg10=1.00 avg60=1.00 total=1\n",
            b"some avg10=-1.00 avg60=1.00 avg300=1.00 total=1\n",
            b"\xff\n",
        ] {
            assert_eq!(parse(atoms::CPU, odd).count(), 0);
        }
    }
}
