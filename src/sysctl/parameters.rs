//! Reads and sets parameters on permits.
#![forbid(unsafe_code)]

use nix::errno::Errno;

use crate::capability::{Capabilities, Capability};
use crate::error::RequestError;
use crate::limits::{SYSCTL_LIST_BYTES_MAX, SYSCTL_VALUE_MAX};
use crate::policy::permit::Permit;
use crate::sys::parameters::{Directory, write};
use crate::sys::{capset, fd};
use crate::sysctl::action::{ListedSysctls, ReadSysctl, SetSysctl, path};
use crate::sysctl::reply::Changed;
use crate::wire::atoms;
use crate::wire::write::Writer;

const NEEDS_NET_ADMIN: &str =
    "the kernel lets nobody set a parameter without it: start the program with its privileges";

/// What an errno came of.
type Refused = (Errno, &'static str);

/// The directory, and room for one value.
#[derive(Debug)]
pub struct Parameters {
    directory: Option<Directory>,
    buffer: Vec<u8>,
}

impl Parameters {
    /// `None`: the policy names no parameter, and none can be reached.
    #[must_use]
    pub fn new(directory: Option<Directory>) -> Self {
        Self { directory, buffer: Vec::new() }
    }

    /// The directory, for the rules about what lies below it.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The value of the parameter that was permitted, without the newline at its end.
    pub fn get(&mut self, permit: Permit<ReadSysctl>) -> Result<&[u8], RequestError> {
        self.value(&permit.action().name).map_err(failed)
    }

    /// Sets the parameter that was permitted, and looks what came of it. The capability is in effect for the writing only: what
    /// the kernel shows to its administrator alone is not shown by this either.
    pub fn set(&mut self, permit: Permit<SetSysctl>) -> Result<Changed, RequestError> {
        let SetSysctl { name, value } = permit.action();
        let before = match self.value(name) {
            Ok(value) => Some(value.to_vec()),
            Err((Errno::EACCES | Errno::EPERM, _)) => None,
            Err(refused) => return Err(failed(refused)),
        };
        self.write(name, value.as_bytes(), permit.capabilities())?;
        // It is written: an error of this read is not one of the request.
        let now = self.value(name).ok().map(<[u8]>::to_vec);
        Ok(Changed::new(before, now, value))
    }

    /// `[#{name => Name, value => Value | {error, Errno}}]`, for everything that was permitted.
    pub fn list(&mut self, permit: Permit<ListedSysctls>, w: &mut Writer) {
        let names = &permit.action().names;
        let mut room = SYSCTL_LIST_BYTES_MAX;
        let mark = w.begin_list();
        for name in names.iter() {
            let value = self.value(name).map_err(|(errno, _)| errno);
            let value = value.and_then(|value| {
                room = room.checked_sub(value.len()).ok_or(Errno::EMSGSIZE)?;
                Ok(value)
            });
            w.map(2);
            w.atom(atoms::NAME);
            w.binary(name.as_bytes());
            w.atom(atoms::VALUE);
            match value {
                Ok(value) => w.binary(value),
                Err(errno) => {
                    w.tuple(2);
                    w.atom(atoms::ERROR);
                    w.atom(atoms::errno(errno as i32));
                }
            }
        }
        w.end_list(mark, names.len());
    }

    fn value(&mut self, name: &str) -> Result<&[u8], Refused> {
        const OPENING: &str = "opening a parameter for reading";
        const READING: &str = "reading a parameter";
        let path = path(name).ok_or((Errno::EINVAL, OPENING))?;
        let directory = self.directory.as_ref().ok_or((Errno::EBADF, OPENING))?;
        let parameter = directory.open_read(&path).map_err(|e| (e, OPENING))?;
        // One more than a value may have, or what is cut could not be told from what is whole. Handlers of the kernel give what
        // fits into one read and nothing after it, so that it must not be read in parts.
        self.buffer.resize(SYSCTL_VALUE_MAX.saturating_add(1), 0);
        let length = fd::read_on(&parameter, &mut self.buffer, 0).map_err(|e| (e, READING))?;
        if length > SYSCTL_VALUE_MAX {
            return Err((Errno::EFBIG, "the parameter is longer than 65536 bytes"));
        }
        let value = self.buffer.get(..length).unwrap_or_default();
        Ok(value.strip_suffix(b"\n").unwrap_or(value))
    }

    fn write(&self, name: &str, value: &[u8], capabilities: Capabilities) -> Result<(), RequestError> {
        const OPENING: &str = "opening a parameter for writing";
        let path = path(name).ok_or_else(|| failed((Errno::EINVAL, OPENING)))?;
        let directory = self.directory.as_ref().ok_or_else(|| failed((Errno::EBADF, OPENING)))?;
        let written = {
            let _raised = capset::raise(capabilities).map_err(|e| failed((e, "raising a capability")))?;
            let opened = directory.open_write(&path).map_err(|e| (e, OPENING));
            opened.and_then(|parameter| write(&parameter, value).map_err(|e| (e, "writing a parameter")))
        };
        match written {
            // However much of it was taken: what the kernel has now is what is answered.
            Ok(_) => Ok(()),
            Err((Errno::EACCES | Errno::EPERM, _)) if !capabilities.has(Capability::NetAdmin) => {
                Err(RequestError::NotPermitted(vec![Capability::NetAdmin], NEEDS_NET_ADMIN))
            }
            Err(refused) => Err(failed(refused)),
        }
    }
}

fn failed((errno, what): Refused) -> RequestError {
    RequestError::Posix(errno as i32, what)
}
