//! What one control group says: which file of it holds what, in version 2 (Documentation/admin-guide/cgroup-v2.rst) and in version 1
//! (Documentation/admin-guide/cgroup-v1). Nothing but numbers and fixed words stands in them.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::kernel::file;
use crate::kernel::text::{decimal, lines, number_of, without_end, words};
use crate::table::{Unit, Value};
use crate::wire::atoms::{self, Atom};

/// A number, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Amount {
    /// The group does not have it: its controller is not there.
    #[default]
    None,
    /// So many.
    Number(u64),
    /// As many as there are.
    Unlimited,
    /// The kernel did not tell.
    Failed(Errno),
}

impl Amount {
    /// As a cell.
    #[must_use]
    pub fn value(self) -> Value<'static> {
        match self {
            Self::None => Value::Undefined,
            Self::Number(n) => Value::Unsigned(n),
            Self::Unlimited => Value::Word(atoms::UNLIMITED),
            Self::Failed(errno) => Value::Denied(errno as i32),
        }
    }
}

/// How a number stands in its file.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Word `.0` of its first line.
    Word(usize),
    /// Behind this name.
    Key(&'static [u8]),
    /// The sum of `.0=` of all devices, as in `io.stat`.
    Each(&'static [u8]),
    /// The sum behind this name of all devices, as in `blkio.throttle.io_serviced`.
    Device(&'static [u8]),
}

/// A file, the form, and of how many of its units one of ours is made.
type Place = (&'static CStr, Form, u64);

/// A column: version 2, version 1.
type Source = (Atom, Unit, Option<Place>, Option<Place>);

const NUMBER: Form = Form::Word(0);

const fn key(file: &'static CStr, name: &'static [u8]) -> Option<Place> {
    Some((file, Form::Key(name), 1))
}

const fn alone(file: &'static CStr) -> Option<Place> {
    Some((file, NUMBER, 1))
}

/// Version 1 counts time in nanoseconds.
const fn nanos(file: &'static CStr, form: Form) -> Option<Place> {
    Some((file, form, 1000))
}

/// The columns. Those of one file stand together: it is read once. What version 1 counts without the groups below is left out, as
/// version 2 counts all of them.
pub const SOURCES: [Source; 27] = [
    (atoms::MEMORY_CURRENT, Unit::Bytes, alone(c"memory.current"), alone(c"memory.usage_in_bytes")),
    (atoms::MEMORY_MAX, Unit::Bytes, alone(c"memory.max"), alone(c"memory.limit_in_bytes")),
    (atoms::MEMORY_SWAP_CURRENT, Unit::Bytes, alone(c"memory.swap.current"), None),
    (atoms::MEMORY_SWAP_MAX, Unit::Bytes, alone(c"memory.swap.max"), None),
    (atoms::MEMORY_ANON, Unit::Bytes, key(c"memory.stat", b"anon"), key(c"memory.stat", b"total_rss")),
    (atoms::MEMORY_FILE, Unit::Bytes, key(c"memory.stat", b"file"), key(c"memory.stat", b"total_cache")),
    (atoms::MEMORY_SHMEM, Unit::Bytes, key(c"memory.stat", b"shmem"), key(c"memory.stat", b"total_shmem")),
    (atoms::PGFAULT, Unit::None, key(c"memory.stat", b"pgfault"), key(c"memory.stat", b"total_pgfault")),
    (
        atoms::PGMAJFAULT,
        Unit::None,
        key(c"memory.stat", b"pgmajfault"),
        key(c"memory.stat", b"total_pgmajfault"),
    ),
    (atoms::MEMORY_SLAB, Unit::Bytes, key(c"memory.stat", b"slab"), None),
    (atoms::MEMORY_SOCK, Unit::Bytes, key(c"memory.stat", b"sock"), None),
    (atoms::MEMORY_KERNEL, Unit::Bytes, key(c"memory.stat", b"kernel"), alone(c"memory.kmem.usage_in_bytes")),
    (atoms::OOM_KILL, Unit::None, key(c"memory.events", b"oom_kill"), None),
    (atoms::CPU_QUOTA, Unit::Micros, alone(c"cpu.max"), alone(c"cpu.cfs_quota_us")),
    (atoms::CPU_PERIOD, Unit::Micros, Some((c"cpu.max", Form::Word(1), 1)), alone(c"cpu.cfs_period_us")),
    (atoms::CPU_USAGE, Unit::Micros, key(c"cpu.stat", b"usage_usec"), nanos(c"cpuacct.usage", NUMBER)),
    (atoms::CPU_USER, Unit::Micros, key(c"cpu.stat", b"user_usec"), nanos(c"cpuacct.usage_user", NUMBER)),
    (atoms::CPU_SYSTEM, Unit::Micros, key(c"cpu.stat", b"system_usec"), nanos(c"cpuacct.usage_sys", NUMBER)),
    (atoms::NR_PERIODS, Unit::None, key(c"cpu.stat", b"nr_periods"), key(c"cpu.stat", b"nr_periods")),
    (atoms::NR_THROTTLED, Unit::None, key(c"cpu.stat", b"nr_throttled"), key(c"cpu.stat", b"nr_throttled")),
    (
        atoms::THROTTLED_TIME,
        Unit::Micros,
        key(c"cpu.stat", b"throttled_usec"),
        nanos(c"cpu.stat", Form::Key(b"throttled_time")),
    ),
    (atoms::READ_BYTES, Unit::Bytes, each(b"rbytes"), device(BLKIO_BYTES, b"Read")),
    (atoms::WRITE_BYTES, Unit::Bytes, each(b"wbytes"), device(BLKIO_BYTES, b"Write")),
    (atoms::READ_IOS, Unit::None, each(b"rios"), device(BLKIO_IOS, b"Read")),
    (atoms::WRITE_IOS, Unit::None, each(b"wios"), device(BLKIO_IOS, b"Write")),
    (atoms::PIDS_CURRENT, Unit::None, alone(c"pids.current"), alone(c"pids.current")),
    (atoms::PIDS_MAX, Unit::None, alone(c"pids.max"), alone(c"pids.max")),
];

const BLKIO_BYTES: &CStr = c"blkio.throttle.io_service_bytes_recursive";
const BLKIO_IOS: &CStr = c"blkio.throttle.io_serviced_recursive";

const fn each(name: &'static [u8]) -> Option<Place> {
    Some((c"io.stat", Form::Each(name), 1))
}

const fn device(file: &'static CStr, name: &'static [u8]) -> Option<Place> {
    Some((file, Form::Device(name), 1))
}

/// The numbers of a group, in the order of [`SOURCES`].
pub type Amounts = [Amount; SOURCES.len()];

/// Reads those that are wanted.
pub fn read(group: BorrowedFd<'_>, version: u64, wants: &dyn Fn(Atom) -> bool) -> Amounts {
    let mut amounts = [Amount::None; SOURCES.len()];
    let mut last: Option<(&CStr, Result<Vec<u8>, Errno>)> = None;
    for ((name, _, second, first), amount) in SOURCES.iter().zip(&mut amounts) {
        let place = if version == 2 { second } else { first };
        let Some((path, form, divisor)) = place.filter(|_| wants(*name)) else { continue };
        let (_, bytes) = match last.take() {
            Some(read) if read.0 == path => last.insert(read),
            _ => last.insert((path, file::within(group, path))),
        };
        *amount = match bytes {
            Ok(bytes) => parse(bytes, form, divisor),
            // No such file: no such controller. No such device: the group was removed meanwhile.
            Err(Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP) => Amount::None,
            Err(errno) => Amount::Failed(*errno),
        };
    }
    amounts
}

/// The number that stands in a file in this form.
#[must_use]
pub fn parse(bytes: &[u8], form: Form, divisor: u64) -> Amount {
    let number = match form {
        Form::Word(place) => {
            let line = lines(bytes).next().unwrap_or_default();
            match words(line).nth(place) {
                Some(b"max" | b"-1") => return Amount::Unlimited,
                word => word.and_then(decimal),
            }
        }
        Form::Key(name) => number_of(bytes, name),
        Form::Each(name) => sum(bytes, |line| {
            let value = words(line).find_map(|word| word.strip_prefix(name)?.strip_prefix(b"="));
            value.map(decimal)
        }),
        Form::Device(name) => sum(bytes, |line| {
            let mut words = words(line).skip(1);
            (words.next() == Some(name)).then(|| words.next().and_then(decimal))
        }),
    };
    match number {
        // Version 1 has no word for it: it writes as many pages as a signed number of bytes can hold.
        Some(n) if n > NO_LIMIT => Amount::Unlimited,
        Some(n) => n.checked_div(divisor).map_or(Amount::None, Amount::Number),
        None => Amount::None,
    }
}

/// The largest number of bytes that is none, where pages are as large as 64 KiB.
const NO_LIMIT: u64 = i64::MAX.unsigned_abs() - 65_536;

/// The sum of what lines have, if it can be read in all of them that have it.
fn sum<'b>(bytes: &'b [u8], value: impl Fn(&'b [u8]) -> Option<Option<u64>>) -> Option<u64> {
    lines(bytes).filter_map(value).try_fold(0_u64, |sum, n| sum.checked_add(n?))
}

/// The controllers of a group of version 2: words with blanks between.
pub fn controllers(group: BorrowedFd<'_>) -> Option<Vec<u8>> {
    file::within(group, c"cgroup.controllers").ok().map(|bytes| without_end(&bytes).to_vec())
}

/// Whether there is a process in a group of version 2, or in one below.
pub fn populated(group: BorrowedFd<'_>) -> Option<bool> {
    number_of(&file::within(group, c"cgroup.events").ok()?, b"populated").map(|n| n != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Amount::{None, Number, Unlimited};

    #[test]
    fn every_form() {
        let io = b"254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:0 rbytes=5 new=7\n8:16 \n";
        let blkio = b"254:0 Read 10\n254:0 Write 20\n8:0 Read 5\nTotal 35\n";
        let stat = b"usage_usec 7000\nuser_usec 10\nnew 1\n";
        for (bytes, form, divisor, expected) in [
            (&b"123\n"[..], NUMBER, 1, Number(123)),
            (b"max\n", NUMBER, 1, Unlimited),
            (b"-1\n", NUMBER, 1, Unlimited),
            (b"9223372036854771712\n", NUMBER, 1, Unlimited),
            (b"9223372036854710272\n", NUMBER, 1, Unlimited),
            (b"max 100000\n", NUMBER, 1, Unlimited),
            (b"max 100000\n", Form::Word(1), 1, Number(100_000)),
            (b"50000 100000\n", NUMBER, 1, Number(50_000)),
            (stat, Form::Key(b"usage_usec"), 1000, Number(7)),
            (stat, Form::Key(b"usage"), 1, None),
            (io, Form::Each(b"rbytes"), 1, Number(15)),
            (io, Form::Each(b"wios"), 1, Number(2)),
            (blkio, Form::Device(b"Read"), 1, Number(15)),
            // Nothing was read or written yet.
            (b"", Form::Each(b"rbytes"), 1, Number(0)),
        ] {
            assert_eq!(parse(bytes, form, divisor), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn odd_input_has_no_numbers() {
        for odd in [&b""[..], b"\n", b"12", b"x\n", b"\xff\n", b"18446744073709551616\n", b"-2\n"] {
            assert_eq!(parse(odd, NUMBER, 1), None);
            assert_eq!(parse(odd, Form::Key(b"x"), 1), None);
        }
        assert_eq!(parse(b"8:0 rbytes=\n", Form::Each(b"rbytes"), 1), None);
        assert_eq!(parse(b"8:0 rbytes=x\n8:1 rbytes=1\n", Form::Each(b"rbytes"), 1), None);
        assert_eq!(parse(b"8:0 r=18446744073709551615\n8:1 r=1\n", Form::Each(b"r"), 1), None);
        assert_eq!(parse(b"8:0 Read\n", Form::Device(b"Read"), 1), None);
    }
}
