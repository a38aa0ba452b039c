//! Block devices as a whole, without their partitions: `/sys/block` (Documentation/ABI/stable/sysfs-block). Nothing is asked of the
//! devices: the kernel knows it since they were found.
#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::vec::IntoIter;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::column::{boolean, bytes, keyed_table, number};
use crate::kernel::disks::SECTOR;
use crate::kernel::file::{self, Ready};
use crate::kernel::text::{decimal, without_end};
use crate::sys::{fd, names};
use crate::table::{Context, Cost, Opened, Reader, TableOf, Tally, Unit, Value, Wanted};
use crate::wire::atoms;

const WHAT: &str = "reading /sys/block";

/// Devices that are listed at most: more than minor numbers make sense for.
const DEVICES_MAX: usize = 1 << 16;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    name: Vec<u8>,
    device: Option<[u64; 2]>,
    size: Option<u64>,
    rotational: Option<bool>,
    read_only: Option<bool>,
    removable: Option<bool>,
    /// What the device calls itself.
    model: Option<Vec<u8>>,
}

/// The table `block_devices`.
pub static TABLE: TableOf<Device> = keyed_table(
    &[atoms::NAME],
    atoms::BLOCK_DEVICES,
    Cost::PerRow,
    atoms::SYSFS,
    &[
        bytes(atoms::NAME, |row| Value::Bytes(&row.name)),
        number(atoms::MAJOR, Unit::None, |row| Value::maybe(row.device.map(|d| d[0]))),
        number(atoms::MINOR, Unit::None, |row| Value::maybe(row.device.map(|d| d[1]))),
        number(atoms::SIZE, Unit::Bytes, |row| Value::maybe(row.size)),
        boolean(atoms::ROTATIONAL, |row| yes(row.rotational)),
        boolean(atoms::READ_ONLY, |row| yes(row.read_only)),
        boolean(atoms::REMOVABLE, |row| yes(row.removable)),
        bytes(atoms::MODEL, |row| Value::maybe_bytes(row.model.as_deref())),
    ],
    open,
);

fn yes(answer: Option<bool>) -> Value<'static> {
    answer.map_or(Value::Undefined, Value::Bool)
}

/// The names that were there when the table was opened.
#[derive(Debug)]
struct Devices {
    directory: OwnedFd,
    names: IntoIter<CString>,
}

fn open(_: &Wanted<'_, Device>, _: &mut Context<'_>) -> Opened<Device> {
    let failed = |errno: Errno| RequestError::Posix(errno as i32, WHAT);
    let directory = match fd::open_directory(c"/sys/block") {
        Ok(directory) => directory,
        // A kernel without block devices, or a container without sysfs.
        Err(Errno::ENOENT) => return Ok(Ready::of(Vec::new())),
        Err(errno) => return Err(failed(errno)),
    };
    let mut found = Vec::new();
    while let Some(some) = names::read(&directory).map_err(failed)? {
        found.extend(some.into_iter().map(|(name, _)| name));
        if found.len() > DEVICES_MAX {
            return Err(failed(Errno::EFBIG));
        }
    }
    Ok(Box::new(Devices { directory, names: found.into_iter() }))
}

impl Reader<Device> for Devices {
    fn next(&mut self, _: &mut Context<'_>, tally: &mut Tally) -> Result<Option<Device>, RequestError> {
        for name in self.names.by_ref() {
            // The links of this folder are the kernel's own.
            match fd::open_directory_path(self.directory.as_fd(), &name, true) {
                Ok(folder) => return Ok(Some(device(&name, &folder))),
                Err(Errno::ENOENT | Errno::ENODEV) => tally.vanished = tally.vanished.saturating_add(1),
                Err(errno) => return Err(RequestError::Posix(errno as i32, WHAT)),
            }
        }
        Ok(None)
    }
}

fn device(name: &CStr, folder: &OwnedFd) -> Device {
    let text = |name: &CStr| file::within(folder.as_fd(), name).ok();
    Device {
        // A slash cannot stand in a name of a file: the kernel puts an exclamation mark there (lib/kobject.c).
        name: name.to_bytes().iter().map(|byte| if *byte == b'!' { b'/' } else { *byte }).collect(),
        device: text(c"dev").and_then(|bytes| numbers(&bytes)),
        size: text(c"size").and_then(|bytes| decimal(without_end(&bytes))?.checked_mul(SECTOR)),
        rotational: text(c"queue/rotational").and_then(|bytes| flag(&bytes)),
        read_only: text(c"ro").and_then(|bytes| flag(&bytes)),
        removable: text(c"removable").and_then(|bytes| flag(&bytes)),
        model: text(c"device/model").map(|bytes| bytes.trim_ascii().to_vec()),
    }
}

/// `254:0`.
#[must_use]
pub fn numbers(bytes: &[u8]) -> Option<[u64; 2]> {
    let mut numbers = without_end(bytes).split(|byte| *byte == b':').map(decimal);
    Some([numbers.next()??, numbers.next()??])
}

/// `0` or `1`.
#[must_use]
pub fn flag(bytes: &[u8]) -> Option<bool> {
    match without_end(bytes) {
        b"0" => Some(false),
        b"1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_flags() {
        assert_eq!(
            (numbers(b"254:16\n"), flag(b"1\n"), flag(b"0")),
            (Some([254, 16]), Some(true), Some(false))
        );
        for odd in [&b""[..], b"254", b"254:", b":1", b"a:1", b"\xff:1", b"2", b"10", b"-1"] {
            assert_eq!((numbers(odd), flag(odd)), (None, None));
        }
    }
}
