//! Which kernel it is, of which host: `/proc/sys/kernel` and `/proc/cmdline`.
#![forbid(unsafe_code)]

use std::ffi::CStr;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::column::{bytes, table};
use crate::kernel::file::{self, Ready};
use crate::kernel::text::without_end;
use crate::table::{Column, Context, Cost, Opened, TableOf, Value, Wanted};
use crate::wire::atoms::{self, Atom};

const WHAT: &str = "reading /proc/sys/kernel";

/// The one row: what the files say, each without the end of its line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host([Option<Vec<u8>>; FILES.len()]);

const FILES: [(Atom, &CStr); 8] = [
    (atoms::OSTYPE, c"/proc/sys/kernel/ostype"),
    (atoms::OSRELEASE, c"/proc/sys/kernel/osrelease"),
    (atoms::VERSION, c"/proc/sys/kernel/version"),
    // Since Linux 6.1. uname(2), which has it before, is none of the port's system calls.
    (atoms::MACHINE, c"/proc/sys/kernel/arch"),
    (atoms::HOSTNAME, c"/proc/sys/kernel/hostname"),
    (atoms::DOMAINNAME, c"/proc/sys/kernel/domainname"),
    (atoms::BOOT_ID, c"/proc/sys/kernel/random/boot_id"),
    (atoms::CMDLINE, c"/proc/cmdline"),
];

/// The table `kernel`.
pub static TABLE: TableOf<Host> = table(
    atoms::KERNEL,
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
    ],
    open,
);

#[allow(clippy::indexing_slicing)] // looked up when the program is compiled
const fn column<const N: usize>() -> Column<Host> {
    bytes(FILES[N].0, |row| Value::maybe_bytes(row.0.get(N).and_then(Option::as_deref)))
}

fn open(wanted: &Wanted<'_, Host>, _: &mut Context<'_>) -> Opened<Host> {
    let mut host = Host::default();
    for ((name, path), slot) in FILES.iter().zip(&mut host.0) {
        if wanted.has(*name) {
            *slot = match file::whole(path) {
                Ok(bytes) => Some(without_end(&bytes).to_vec()),
                Err(Errno::ENOENT) => None,
                Err(errno) => return Err(RequestError::Posix(errno as i32, WHAT)),
            };
        }
    }
    Ok(Ready::of(vec![host]))
}
