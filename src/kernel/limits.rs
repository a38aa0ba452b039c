//! How many the kernel has of what it has only so many of, and how many there can be: files of `/proc/sys` (proc_sys_kernel(5),
//! proc_sys_fs(5), proc_sys_net(5)).
#![forbid(unsafe_code)]

use std::ffi::CStr;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::column::{Numbers, nth, number, table};
use crate::kernel::file::{self, Ready};
use crate::kernel::text::{decimal, without_end, words};
use crate::table::{Column, Context, Cost, Opened, TableOf, Unit, Wanted};
use crate::wire::atoms::{self, Atom};

const WHAT: &str = "reading /proc/sys";

/// A column, the file that it is read from, and which of its words it is.
const PLACES: [(Atom, &CStr, usize); 11] = [
    (atoms::PID_MAX, c"/proc/sys/kernel/pid_max", 0),
    (atoms::THREADS_MAX, c"/proc/sys/kernel/threads-max", 0),
    (atoms::FILE_NR, c"/proc/sys/fs/file-nr", 0),
    (atoms::FILE_MAX, c"/proc/sys/fs/file-max", 0),
    (atoms::NR_OPEN, c"/proc/sys/fs/nr_open", 0),
    (atoms::INODE_NR, c"/proc/sys/fs/inode-nr", 0),
    (atoms::INODE_NR_FREE, c"/proc/sys/fs/inode-nr", 1),
    (atoms::AIO_NR, c"/proc/sys/fs/aio-nr", 0),
    (atoms::AIO_MAX_NR, c"/proc/sys/fs/aio-max-nr", 0),
    (atoms::MAX_MAP_COUNT, c"/proc/sys/vm/max_map_count", 0),
    (atoms::SOMAXCONN, c"/proc/sys/net/core/somaxconn", 0),
];

/// The one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits([Option<u64>; PLACES.len()]);

impl Numbers for Limits {
    fn numbers(&self) -> &[Option<u64>] {
        &self.0
    }
}

/// The table `kernel_limits`.
pub static TABLE: TableOf<Limits> = table(
    atoms::KERNEL_LIMITS,
    Cost::Constant,
    atoms::PROCFS,
    &[
        column::<0>(),
        column::<1>(),
        column::<2>(),
        column::<3>(),
        column::<4>(),
        column::<5>(),
        column::<6>(),
        column::<7>(),
        column::<8>(),
        column::<9>(),
        column::<10>(),
    ],
    open,
);

#[allow(clippy::indexing_slicing)] // looked up when the program is compiled
const fn column<const N: usize>() -> Column<Limits> {
    number(PLACES[N].0, Unit::None, nth::<_, N>)
}

fn open(wanted: &Wanted<'_, Limits>, _: &mut Context<'_>) -> Opened<Limits> {
    let mut limits = Limits::default();
    for ((name, path, place), slot) in PLACES.iter().zip(&mut limits.0) {
        if wanted.has(*name) {
            *slot = match file::whole(path) {
                Ok(bytes) => parse(&bytes, *place),
                Err(Errno::ENOENT) => None,
                Err(errno) => return Err(RequestError::Posix(errno as i32, WHAT)),
            };
        }
    }
    Ok(Ready::of(vec![limits]))
}

/// The word at a place, if it is a number.
#[must_use]
pub fn parse(bytes: &[u8], place: usize) -> Option<u64> {
    words(without_end(bytes)).nth(place).and_then(decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_from_the_first() {
        assert_eq!(parse(b"998\t0\t9223372036854775807\n", 2), Some(9_223_372_036_854_775_807));
        assert_eq!((parse(b"278527\t7\n", 0), parse(b"278527\t7\n", 1)), (Some(278_527), Some(7)));
        for odd in [&b""[..], b"\n", b"x\n", b"-1\n", b"\xff", b"99999999999999999999\n"] {
            assert_eq!(parse(odd, 0), None);
        }
    }
}
