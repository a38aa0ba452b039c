//! The table `process_rates`: what processes use, by two samples.
#![forbid(unsafe_code)]

use crate::capability::Capability;
use crate::op::Role;
use crate::proc::each;
use crate::proc::rates::{Processes, Rate};
use crate::sys::process;
use crate::table::sample::Differences;
use crate::table::{Column, Context, Cost, Kind, Opened, Special, TableOf, Unit, Value, Wanted};
use crate::wire::atoms::{self, Atom};

const fn number(name: Atom, unit: Unit, value: for<'a> fn(&'a Rate) -> Value<'a>) -> Column<Rate> {
    Column { name, kind: Kind::Number, unit, value }
}

/// Columns of another file, which not everybody may read.
const IO: &[Atom] = &[atoms::READ_BYTES, atoms::WRITE_BYTES];

/// The table.
pub static TABLE: Special<Rate> = Special {
    table: TableOf {
        name: atoms::PROCESS_RATES,
        roles: &[Role::Proc],
        capabilities: &[Capability::SysPtrace, Capability::DacReadSearch],
        cost: Cost::PerProcess,
        source: atoms::PROCFS,
        key: &[atoms::PID, atoms::STARTTIME],
        columns: &[
            number(atoms::PID, Unit::None, |r| Value::Unsigned(r.pid)),
            number(atoms::STARTTIME, Unit::Ticks, |r| Value::Unsigned(r.starttime)),
            Column {
                name: atoms::COMM,
                kind: Kind::Bytes,
                unit: Unit::None,
                value: |r| Value::Bytes(&r.comm),
            },
            number(atoms::INTERVAL, Unit::Micros, |r| known(r, r.interval)),
            number(atoms::CPU, Unit::Hundredths, |r| known(r, r.cpu)),
            number(atoms::USER, Unit::Hundredths, |r| known(r, r.times[0])),
            number(atoms::SYSTEM, Unit::Hundredths, |r| known(r, r.times[1])),
            number(atoms::MINFLT, Unit::PerSecond, |r| known(r, r.per_second[0])),
            number(atoms::MAJFLT, Unit::PerSecond, |r| known(r, r.per_second[1])),
            number(atoms::READ_BYTES, Unit::BytesPerSecond, |r| stored(r, r.per_second[2])),
            number(atoms::WRITE_BYTES, Unit::BytesPerSecond, |r| stored(r, r.per_second[3])),
        ],
        open,
    },
    sampled: true,
    guarded: Some(IO),
    environ: &[],
};

fn known(row: &Rate, rate: Option<u64>) -> Value<'_> {
    if row.left_out { Value::Denied(libc::ENOBUFS) } else { Value::maybe(rate) }
}

fn stored(row: &Rate, rate: Option<u64>) -> Value<'_> {
    match row.io {
        Some(errno) => Value::Denied(errno as i32),
        None => known(row, rate),
    }
}

fn open(wanted: &Wanted<'_, Rate>, _: &mut Context<'_>) -> Opened<Rate> {
    let named = wanted.condition(atoms::PID).and_then(each::named);
    let processes = Processes::new(named, wanted.any(IO), process::ticks_per_second());
    Ok(Box::new(Differences::of(wanted.interval(), processes)))
}
