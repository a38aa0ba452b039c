//! What went over the interfaces between two lists of them: the table `interface_rates`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::interfaces::{self, COUNTERS};
use super::route::Lists;
use super::table::{bytes, number};
use crate::limits::DEVICE_NAME_MAX;
use crate::op::Role;
use crate::table::gather::{Gathered, Name};
use crate::table::sample::{Differences, Sampled, per_second};
use crate::table::{Column, Cost, Special, TableOf, Unit, Value};
use crate::wire::atoms;

type InterfaceName = Name<{ DEVICE_NAME_MAX + 1 }>;

/// Counters of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    index: u32,
    name: InterfaceName,
    counters: Option<[u64; COUNTERS]>,
}

impl Sampled for Counters {
    type Key = u32;

    fn key(&self) -> u32 {
        self.index
    }
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceRate {
    index: u32,
    name: InterfaceName,
    interval: Option<u64>,
    rates: [Option<u64>; COUNTERS],
}

/// The table.
pub static TABLE: Special<InterfaceRate> = Special {
    table: TableOf {
        name: atoms::INTERFACE_RATES,
        roles: &[Role::Proc],
        capabilities: &[],
        cost: Cost::PerRow,
        source: atoms::RTNETLINK,
        key: &[atoms::INDEX],
        columns: COLUMNS,
        open: |wanted, _| {
            let gathered = Gathered::of(|_| Ok(Lists::of(vec![interfaces::ask(true)], parse)), compare);
            Ok(Box::new(Differences::of(wanted.interval(), gathered)))
        },
    },
    sampled: true,
    guarded: None,
    environ: &[],
};

const COLUMNS: &[Column<InterfaceRate>] = &[
    number(atoms::INDEX, Unit::None, |i| Value::Unsigned(i.index.into())),
    bytes(atoms::NAME, |i| Value::Bytes(i.name.bytes())),
    number(atoms::INTERVAL, Unit::Micros, |i| Value::maybe(i.interval)),
    number(atoms::RX_PACKETS, Unit::PerSecond, |i| Value::maybe(i.rates[0])),
    number(atoms::TX_PACKETS, Unit::PerSecond, |i| Value::maybe(i.rates[1])),
    number(atoms::RX_BYTES, Unit::BytesPerSecond, |i| Value::maybe(i.rates[2])),
    number(atoms::TX_BYTES, Unit::BytesPerSecond, |i| Value::maybe(i.rates[3])),
    number(atoms::RX_ERRORS, Unit::PerSecond, |i| Value::maybe(i.rates[4])),
    number(atoms::TX_ERRORS, Unit::PerSecond, |i| Value::maybe(i.rates[5])),
    number(atoms::RX_DROPPED, Unit::PerSecond, |i| Value::maybe(i.rates[6])),
    number(atoms::TX_DROPPED, Unit::PerSecond, |i| Value::maybe(i.rates[7])),
];

/// Reads an interface, and keeps what is compared of it.
pub fn parse(bytes: &[u8], rows: &mut VecDeque<Counters>) -> Option<()> {
    let mut whole = VecDeque::new();
    interfaces::parse(bytes, &mut whole)?;
    rows.extend(whole.into_iter().map(|interface| Counters {
        index: interface.index,
        name: Name::of(&interface.name),
        counters: interface.counters,
    }));
    Some(())
}

fn compare(before: Option<(&Counters, u64)>, after: &Counters) -> InterfaceRate {
    let mut row =
        InterfaceRate { index: after.index, name: after.name, interval: None, rates: [None; COUNTERS] };
    let Some((before, micros)) = before else { return row };
    row.interval = Some(micros);
    if let (Some(before), Some(after)) = (before.counters, after.counters) {
        for ((rate, before), after) in row.rates.iter_mut().zip(before).zip(after) {
            *rate = per_second(Some(before), Some(after), micros);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(counters: Option<[u64; COUNTERS]>) -> Counters {
        Counters { index: 7, name: Name::of(b"veth0123456789a"), counters }
    }

    #[test]
    fn rates_are_of_a_second() {
        let before = interface(Some([10, 20, 1000, 2000, 5, 6, 7, u64::MAX]));
        let after = interface(Some([12, 20, 4000, 1999, 5, 8, 10, 0]));
        let row = compare(Some((&before, 500_000)), &after);
        assert_eq!((row.index, row.name.bytes(), row.interval), (7, &b"veth0123456789a"[..], Some(500_000)));
        assert_eq!(
            row.rates,
            [Some(4), Some(0), Some(6000), None, Some(0), Some(4), Some(6), None],
            "a counter that ran backwards has none"
        );
    }

    #[test]
    fn what_is_new_or_has_no_counters_has_no_rates() {
        let some = interface(Some([1; COUNTERS]));
        assert_eq!(compare(None, &some).rates, [None; COUNTERS]);
        assert_eq!(compare(Some((&interface(None), 1)), &some).rates, [None; COUNTERS]);
        assert_eq!(compare(Some((&some, 1)), &interface(None)).rates, [None; COUNTERS]);
        assert_eq!(compare(Some((&some, 0)), &some).rates, [None; COUNTERS]);
    }
}
