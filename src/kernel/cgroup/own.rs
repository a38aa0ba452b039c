//! The table `own_limits`: what the control groups that the port is in leave to it, and to the BEAM that started it. A limit counts
//! for all groups below, so that the tightest on the way up is the one that is felt.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::group::{self, Amount, SOURCES};
use super::hierarchy::{self, Hierarchy};
use crate::error::RequestError;
use crate::kernel::column::{number, table};
use crate::kernel::file::Ready;
use crate::table::{Context, Cost, Opened, TableOf, Unit, Wanted};
use crate::wire::atoms::{self, Atom};

const WHAT: &str = "reading /sys/fs/cgroup";

/// The one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    memory_current: Amount,
    memory_max: Amount,
    memory_swap_max: Amount,
    /// Time of processors in a period, and the period.
    cpu: (Amount, Amount),
    pids_current: Amount,
    pids_max: Amount,
}

/// The table `own_limits`.
pub static TABLE: TableOf<Limits> = table(
    atoms::OWN_LIMITS,
    Cost::Constant,
    atoms::CGROUPFS,
    &[
        number(atoms::MEMORY_CURRENT, Unit::Bytes, |row| row.memory_current.value()),
        number(atoms::MEMORY_MAX, Unit::Bytes, |row| row.memory_max.value()),
        number(atoms::MEMORY_SWAP_MAX, Unit::Bytes, |row| row.memory_swap_max.value()),
        number(atoms::CPU_QUOTA, Unit::Micros, |row| row.cpu.0.value()),
        number(atoms::CPU_PERIOD, Unit::Micros, |row| row.cpu.1.value()),
        number(atoms::PIDS_CURRENT, Unit::None, |row| row.pids_current.value()),
        number(atoms::PIDS_MAX, Unit::None, |row| row.pids_max.value()),
    ],
    open,
);

fn open(_: &Wanted<'_, Limits>, _: &mut Context<'_>) -> Opened<Limits> {
    Ok(Ready::of(vec![of(&hierarchy::all()?)?]))
}

/// The limits of the own group of these hierarchies.
pub fn of(hierarchies: &[Hierarchy]) -> Result<Limits, RequestError> {
    let mut limits = Limits::default();
    for hierarchy in hierarchies {
        match limits.tighten(hierarchy) {
            // It was removed, or it lies outside of what is mounted: what was read so far stands.
            Ok(()) | Err(Errno::ENOENT | Errno::ENODEV) => {}
            Err(errno) => return Err(RequestError::Posix(errno as i32, WHAT)),
        }
    }
    Ok(limits)
}

const WANTED: [Atom; 7] = [
    atoms::MEMORY_CURRENT,
    atoms::MEMORY_MAX,
    atoms::MEMORY_SWAP_MAX,
    atoms::CPU_QUOTA,
    atoms::CPU_PERIOD,
    atoms::PIDS_CURRENT,
    atoms::PIDS_MAX,
];

impl Limits {
    fn tighten(&mut self, hierarchy: &Hierarchy) -> Result<(), Errno> {
        let mut group = hierarchy::open(&hierarchy.mount_point)?;
        let mut names = hierarchy::names(&hierarchy.own);
        loop {
            let amounts = group::read(group.as_fd(), hierarchy.version, &|name| WANTED.contains(&name));
            let of = |name| {
                let found = SOURCES.iter().zip(amounts).find(|((of, ..), _)| *of == name);
                found.map_or(Amount::None, |(_, amount)| amount)
            };
            self.memory_max = tighter(self.memory_max, of(atoms::MEMORY_MAX));
            self.memory_swap_max = tighter(self.memory_swap_max, of(atoms::MEMORY_SWAP_MAX));
            self.pids_max = tighter(self.pids_max, of(atoms::PIDS_MAX));
            self.cpu = slower(self.cpu, (of(atoms::CPU_QUOTA), of(atoms::CPU_PERIOD)));
            let Some(name) = names.next() else {
                // What is used is that of the group itself.
                self.memory_current = known(self.memory_current, of(atoms::MEMORY_CURRENT));
                self.pids_current = known(self.pids_current, of(atoms::PIDS_CURRENT));
                return Ok(());
            };
            group = hierarchy::enter(&group, name)?;
        }
    }
}

fn known(before: Amount, now: Amount) -> Amount {
    if now == Amount::None { before } else { now }
}

/// The tighter of two limits; one that could not be read could be any.
fn tighter(a: Amount, b: Amount) -> Amount {
    match (a, b) {
        (Amount::Failed(errno), _) | (_, Amount::Failed(errno)) => Amount::Failed(errno),
        (Amount::Number(a), Amount::Number(b)) => Amount::Number(a.min(b)),
        (Amount::Number(n), _) | (_, Amount::Number(n)) => Amount::Number(n),
        (Amount::Unlimited, _) | (_, Amount::Unlimited) => Amount::Unlimited,
        (Amount::None, Amount::None) => Amount::None,
    }
}

/// The pair that gives less time of processors: a quota is one only in its period.
fn slower(a: (Amount, Amount), b: (Amount, Amount)) -> (Amount, Amount) {
    let number = |amount| if let Amount::Number(n) = amount { Some(u128::from(n)) } else { None };
    match (a, b) {
        ((Amount::Failed(_), _), _) => a,
        (_, (Amount::Failed(_), _)) => b,
        ((Amount::Number(_), _), (Amount::Number(_), _)) => {
            // a.0 / a.1 < b.0 / b.1
            let product = |quota, period| Some(number(quota)?.saturating_mul(number(period)?));
            if product(b.0, a.1) < product(a.0, b.1) { b } else { a }
        }
        (_, (Amount::Number(_), _)) | ((Amount::None, _), _) => b,
        _ => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Amount::{Failed, None, Number, Unlimited};

    #[test]
    fn the_tightest_counts() {
        assert_eq!(tighter(Number(5), Number(3)), Number(3));
        assert_eq!((tighter(Unlimited, Number(3)), tighter(None, Unlimited)), (Number(3), Unlimited));
        assert_eq!(tighter(Number(1), Failed(Errno::EACCES)), Failed(Errno::EACCES));
        assert_eq!(tighter(None, None), None);
    }

    #[test]
    fn quotas_are_compared_in_their_periods() {
        let (half, twice) = ((Number(50_000), Number(100_000)), (Number(20_000), Number(10_000)));
        let no = (Unlimited, Number(100_000));
        for (a, b) in [(half, twice), (half, no), (half, (None, None)), (half, half)] {
            assert_eq!((slower(a, b), slower(b, a)), (half, half));
        }
        assert_eq!((slower(no, (None, None)), slower((None, None), no)), (no, no));
        assert_eq!(slower(half, (Failed(Errno::EIO), None)).0, Failed(Errno::EIO));
    }
}
