//! Open files: `/proc/PID/fd`, and of `/proc/PID/fdinfo` what is asked for. No link is followed: what it names may be on a file system
//! that never answers.
#![forbid(unsafe_code)]

use std::ffi::CString;

use nix::errno::Errno;

use crate::capability::Capability;
use crate::limits::SMALL_FILE_MAX;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::parse::fdinfo::{self, FdInfo};
use crate::sys::fd;
use crate::sys::piddir::NumberDir;
use crate::table::{Column, Cost, Kind, TableOf, Unit, Value};
use crate::wire::atoms::{self, Atom};

/// An open file.
#[derive(Debug)]
pub struct OpenFile {
    pid: u64,
    starttime: u64,
    fd: u64,
    target: Result<Vec<u8>, Errno>,
    info: Result<FdInfo, Errno>,
}

/// What a descriptor can be of, by what the kernel writes for it (fs/d_path.c, `dynamic_dname`). A path begins with `/`.
const KINDS: &[Atom] = &[atoms::FILE, atoms::SOCKET, atoms::PIPE, atoms::ANON_INODE, atoms::OTHER];

const fn number(name: Atom, value: for<'a> fn(&'a OpenFile) -> Value<'a>) -> Column<OpenFile> {
    Column { name, kind: Kind::Number, unit: Unit::None, value }
}

/// Columns that take a file of their own.
const INFO: &[Atom] = &[atoms::POS, atoms::FLAGS, atoms::MNT_ID, atoms::INO];

/// The table `process_files`.
pub static TABLE: TableOf<OpenFile> = TableOf {
    name: atoms::PROCESS_FILES,
    roles: &[Role::Proc],
    capabilities: &[Capability::SysPtrace, Capability::DacReadSearch],
    cost: Cost::PerProcess,
    source: atoms::PROCFS,
    key: &[atoms::PID, atoms::STARTTIME, atoms::FD],
    columns: &[
        number(atoms::PID, |f| Value::Unsigned(f.pid)),
        Column {
            name: atoms::STARTTIME,
            kind: Kind::Number,
            unit: Unit::Ticks,
            value: |f| Value::Unsigned(f.starttime),
        },
        number(atoms::FD, |f| Value::Unsigned(f.fd)),
        Column {
            name: atoms::KIND,
            kind: Kind::Word(KINDS),
            unit: Unit::None,
            value: |f| target(f, |t| Value::Word(kind(t))),
        },
        Column {
            name: atoms::TARGET,
            kind: Kind::Bytes,
            unit: Unit::None,
            value: |f| target(f, Value::Bytes),
        },
        number(atoms::INODE, |f| target(f, |t| Value::maybe(inode(t)))),
        number(atoms::POS, |f| info(f, |i| i.pos)),
        number(atoms::FLAGS, |f| info(f, |i| i.flags)),
        number(atoms::MNT_ID, |f| info(f, |i| i.mnt_id)),
        number(atoms::INO, |f| info(f, |i| i.ino)),
    ],
    open: |wanted, _| each::open(wanted, Files { listing: None, info: wanted.any(INFO) }),
};

fn target<'a>(file: &'a OpenFile, get: impl FnOnce(&'a [u8]) -> Value<'a>) -> Value<'a> {
    match &file.target {
        Ok(target) => get(target),
        Err(errno) => Value::Denied(*errno as i32),
    }
}

fn info(file: &OpenFile, get: fn(&FdInfo) -> Option<u64>) -> Value<'_> {
    match &file.info {
        Ok(info) => Value::maybe(get(info)),
        Err(errno) => Value::Denied(*errno as i32),
    }
}

fn kind(target: &[u8]) -> Atom {
    match target {
        [b'/', ..] => atoms::FILE,
        [b's', b'o', b'c', b'k', b'e', b't', b':', ..] => atoms::SOCKET,
        [b'p', b'i', b'p', b'e', b':', ..] => atoms::PIPE,
        [b'a', b'n', b'o', b'n', b'_', b'i', b'n', b'o', b'd', b'e', b':', ..] => atoms::ANON_INODE,
        _ => atoms::OTHER,
    }
}

/// The number of a socket or a pipe: `socket:[123]`. A file can have no such name, as its path begins with `/`.
#[must_use]
pub fn inode(target: &[u8]) -> Option<u64> {
    let inside = target.strip_prefix(b"socket:[").or_else(|| target.strip_prefix(b"pipe:["))?;
    std::str::from_utf8(inside.strip_suffix(b"]")?).ok()?.parse().ok()
}

#[derive(Debug)]
struct Files {
    listing: Option<NumberDir>,
    info: bool,
}

impl PerProcess<OpenFile> for Files {
    fn enter(&mut self, here: &Here) -> Result<(), Errno> {
        self.listing = Some(NumberDir::of(fd::open_listing(here.directory(), c"fd")?));
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<OpenFile>, Errno> {
        let Some(listing) = &mut self.listing else { return Ok(None) };
        while let Some(fd) = listing.next_number()? {
            let name = CString::new(fd.to_string()).map_err(|_| Errno::EINVAL)?;
            let target = match fd::read_link(listing.fd(), &name) {
                // It was closed meanwhile.
                Err(Errno::ENOENT | Errno::ESRCH) => continue,
                // Of this process the kernel shows none.
                Err(errno @ (Errno::EACCES | Errno::EPERM)) => return Err(errno),
                // A path that is longer than a page (ENAMETOOLONG), as anybody can make one, shall not hide what else is open.
                other => other,
            };
            let info = if self.info { describe(here, fd) } else { Ok(FdInfo::default()) };
            let (pid, starttime) = (u64::from(here.pid.get()), here.starttime);
            return Ok(Some(OpenFile { pid, starttime, fd: u64::from(fd), target, info }));
        }
        Ok(None)
    }
}

fn describe(here: &Here, fd: u32) -> Result<FdInfo, Errno> {
    let name = CString::new(format!("fdinfo/{fd}")).map_err(|_| Errno::EINVAL)?;
    // What follows the first lines grows with what is watched or polled, and is not looked at.
    each::read_first(here.directory(), &name, SMALL_FILE_MAX).map(|bytes| fdinfo::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_told_by_the_kernels_own_words() {
        for (target, expected, number) in [
            (&b"/etc/passwd"[..], atoms::FILE, None),
            (b"/tmp/socket:[1]", atoms::FILE, None),
            (b"socket:[4711]", atoms::SOCKET, Some(4711)),
            (b"pipe:[18446744073709551615]", atoms::PIPE, Some(u64::MAX)),
            (b"pipe:[18446744073709551616]", atoms::PIPE, None),
            (b"anon_inode:[eventfd]", atoms::ANON_INODE, None),
            (b"net:[4026531840]", atoms::OTHER, None),
            (b"", atoms::OTHER, None),
        ] {
            assert_eq!((kind(target), inode(target)), (expected, number));
        }
    }
}
