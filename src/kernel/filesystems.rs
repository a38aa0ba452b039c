//! The types of file systems that the kernel can mount now: `/proc/filesystems` (proc_filesystems(5)).
#![forbid(unsafe_code)]

use crate::kernel::column::{boolean, bytes, keyed_table};
use crate::kernel::lines;
use crate::table::{Context, Cost, Opened, TableOf, Value, Wanted};
use crate::wire::atoms;

/// One type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    name: Vec<u8>,
    nodev: bool,
}

/// The table `filesystems`.
pub static TABLE: TableOf<Filesystem> = keyed_table(
    &[atoms::NAME],
    atoms::FILESYSTEMS,
    Cost::Constant,
    atoms::PROCFS,
    &[bytes(atoms::NAME, |row| Value::Bytes(&row.name)), boolean(atoms::NODEV, |row| Value::Bool(row.nodev))],
    open,
);

fn open(_: &Wanted<'_, Filesystem>, _: &mut Context<'_>) -> Opened<Filesystem> {
    lines::rows(c"/proc/filesystems", "reading /proc/filesystems", |(), line| parse(line))
}

/// `nodev`, or nothing, then a tab and the name.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Filesystem> {
    let nodev = line.strip_prefix(b"nodev");
    let name = nodev.unwrap_or(line).strip_prefix(b"\t").filter(|name| !name.is_empty())?;
    Some(Filesystem { name: name.to_vec(), nodev: nodev.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_device_and_without() {
        assert_eq!(parse(b"nodev\tsysfs"), Some(Filesystem { name: b"sysfs".to_vec(), nodev: true }));
        assert_eq!(parse(b"\t\xff4"), Some(Filesystem { name: b"\xff4".to_vec(), nodev: false }));
        assert_eq!(parse(b"\tnodev").map(|row| row.nodev), Some(false));
        for odd in [&b""[..], b"nodev", b"nodev\t", b"\t", b"sysfs", b"other\tsysfs"] {
            assert_eq!(parse(odd), None);
        }
    }
}
