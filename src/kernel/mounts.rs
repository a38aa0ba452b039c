//! What is mounted where, as the port sees it: `/proc/self/mountinfo` (proc_pid_mountinfo(5), `show_mountinfo` in
//! fs/proc_namespace.c). Nothing is asked of the file systems themselves: one that does not answer would hold the port for good.
#![forbid(unsafe_code)]

use crate::kernel::column::{bytes, keyed_table, number};
use crate::kernel::lines;
use crate::kernel::text::{decimal, unescaped};
use crate::table::{Context, Cost, Opened, TableOf, Unit, Value, Wanted};
use crate::wire::atoms;

/// One mount. Names have any bytes but NUL: whoever mounts chooses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its number, and that of what it is mounted on.
    pub ids: [u64; 2],
    /// The device.
    pub device: [u64; 2],
    /// Which folder of the file system is seen.
    pub root: Vec<u8>,
    /// Where.
    pub mount_point: Vec<u8>,
    /// Of the mount.
    pub options: Vec<u8>,
    /// Such as `shared:12`.
    pub optional_fields: Vec<u8>,
    /// The file system.
    pub fs_type: Vec<u8>,
    /// What was mounted.
    pub source: Vec<u8>,
    /// Of the file system.
    pub super_options: Vec<u8>,
}

/// The table `mounts`.
pub static TABLE: TableOf<Mount> = keyed_table(
    &[atoms::MOUNT_ID],
    atoms::MOUNTS,
    Cost::PerRow,
    atoms::PROCFS,
    &[
        number(atoms::MOUNT_ID, Unit::None, |row| Value::Unsigned(row.ids[0])),
        number(atoms::PARENT_ID, Unit::None, |row| Value::Unsigned(row.ids[1])),
        number(atoms::MAJOR, Unit::None, |row| Value::Unsigned(row.device[0])),
        number(atoms::MINOR, Unit::None, |row| Value::Unsigned(row.device[1])),
        bytes(atoms::ROOT, |row| Value::Bytes(&row.root)),
        bytes(atoms::MOUNT_POINT, |row| Value::Bytes(&row.mount_point)),
        bytes(atoms::OPTIONS, |row| Value::Bytes(&row.options)),
        bytes(atoms::OPTIONAL_FIELDS, |row| Value::Bytes(&row.optional_fields)),
        bytes(atoms::FS_TYPE, |row| Value::Bytes(&row.fs_type)),
        bytes(atoms::SOURCE, |row| Value::Bytes(&row.source)),
        bytes(atoms::SUPER_OPTIONS, |row| Value::Bytes(&row.super_options)),
    ],
    open,
);

fn open(_: &Wanted<'_, Mount>, _: &mut Context<'_>) -> Opened<Mount> {
    lines::rows(c"/proc/self/mountinfo", "reading /proc/self/mountinfo", |(), line| parse(line))
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`. Fields are parted by single blanks, since a
/// name of a source can be empty.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let ids = [decimal(fields.next()?)?, decimal(fields.next()?)?];
    let mut numbers = fields.next()?.split(|byte| *byte == b':').map(decimal);
    let device = [numbers.next()??, numbers.next()??];
    let mut name = || fields.next().map(unescaped);
    let (root, mount_point, options) = (name()?, name()?, name()?);
    let mut optional_fields = Vec::new();
    loop {
        match fields.next()? {
            b"-" => break,
            field => {
                if !optional_fields.is_empty() {
                    optional_fields.push(b' ');
                }
                optional_fields.extend_from_slice(field);
            }
        }
    }
    let fs_type = unescaped(fields.next()?);
    let source = unescaped(fields.next()?);
    // What a file system writes of its options is its own affair, blanks included.
    let super_options = unescaped(&fields.collect::<Vec<_>>().join(&b' '));
    Some(Mount { ids, device, root, mount_point, options, optional_fields, fs_type, source, super_options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field() {
        let line = b"36 35 98:0 /mnt1 /mnt2 rw,noatime shared:2 master:1 - ext3 /dev/root rw,errors=continue";
        let expected = Mount {
            ids: [36, 35],
            device: [98, 0],
            root: b"/mnt1".to_vec(),
            mount_point: b"/mnt2".to_vec(),
            options: b"rw,noatime".to_vec(),
            optional_fields: b"shared:2 master:1".to_vec(),
            fs_type: b"ext3".to_vec(),
            source: b"/dev/root".to_vec(),
            super_options: b"rw,errors=continue".to_vec(),
        };
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn names_are_whatever_somebody_chose() {
        let line = b"1 2 0:5 / /a\\040-\\040b\\012\xff\\134040 rw - fuse.\xfe a\\040b rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.mount_point, b"/a - b\n\xff\\040");
        assert_eq!((&mount.fs_type[..], &mount.source[..]), (&b"fuse.\xfe"[..], &b"a b"[..]));
        // Mounted from nothing at all; and with a carriage return, which the kernel leaves as it is.
        let odd = parse(b"1 2 0:5 / /x\r rw -  tmpfs").map(|m| (m.mount_point, m.fs_type, m.source));
        assert_eq!(odd, Some((b"/x\r".to_vec(), vec![], b"tmpfs".to_vec())));
        let empty = parse(b"1 2 0:5 / / rw - tmpfs  rw,size=4k").unwrap();
        assert_eq!((&empty.source[..], &empty.super_options[..]), (&b""[..], &b"rw,size=4k"[..]));
    }

    #[test]
    fn odd_input_has_no_row() {
        for odd in [
            &b""[..],
            b"1 2 0:5 / /",
            b"1 2 0:5 / / rw shared:1",
            b"1 2 0:5 / / rw - tmpfs",
            b"1 2 0 / / rw - tmpfs none rw",
            b"x 2 0:5 / / rw - tmpfs none rw",
            b"1 2 0:99999999999999999999 / / rw - tmpfs none rw",
            b"\xff",
        ] {
            assert_eq!(parse(odd), None, "{}", odd.escape_ascii());
        }
    }
}
