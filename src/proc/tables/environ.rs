//! Environments: `/proc/PID/environ` (proc_pid_environ(5)), a row for each variable. The values of those alone are in a row that the
//! policy names, so that no condition can ask for the others.
#![forbid(unsafe_code)]

use std::sync::Arc;

use nix::errno::Errno;

use crate::capability::Capability;
use crate::limits::ENVIRON_MAX;
use crate::op::Role;
use crate::proc::each::{self, Here, PerProcess};
use crate::proc::parse::environ::{self, Variable};
use crate::table::{Column, Cost, Kind, Special, TableOf, Unit, Value};
use crate::wire::atoms::{self, Atom};

/// A variable of a process, or that there are more than are read.
#[derive(Debug)]
pub struct Entry {
    pid: u64,
    starttime: u64,
    name: Option<Vec<u8>>,
    value: Content,
}

/// What stands behind the name.
#[derive(Debug)]
enum Content {
    Shown(Vec<u8>),
    Redacted,
    TooMuch,
}

const fn number(name: Atom, unit: Unit, value: for<'a> fn(&'a Entry) -> Value<'a>) -> Column<Entry> {
    Column { name, kind: Kind::Number, unit, value }
}

const fn bytes(name: Atom, value: for<'a> fn(&'a Entry) -> Value<'a>) -> Column<Entry> {
    Column { name, kind: Kind::Bytes, unit: Unit::None, value }
}

/// The table `environ`.
pub static TABLE: Special<Entry> = Special {
    table: TableOf {
        name: atoms::ENVIRON,
        roles: &[Role::Proc],
        capabilities: &[Capability::SysPtrace, Capability::DacReadSearch],
        cost: Cost::PerProcess,
        source: atoms::PROCFS,
        key: &[atoms::PID, atoms::STARTTIME, atoms::NAME],
        columns: &[
            number(atoms::PID, Unit::None, |e| Value::Unsigned(e.pid)),
            number(atoms::STARTTIME, Unit::Ticks, |e| Value::Unsigned(e.starttime)),
            bytes(atoms::NAME, |e| Value::maybe_bytes(e.name.as_deref())),
            bytes(atoms::VALUE, |e| match &e.value {
                Content::Shown(value) => Value::Bytes(value),
                Content::Redacted => Value::Word(atoms::REDACTED),
                Content::TooMuch => Value::Denied(libc::EOVERFLOW),
            }),
        ],
        open: |wanted, context| each::open(wanted, Environment::new(context.shown())),
    },
    sampled: false,
    guarded: None,
    environ: &[atoms::PID, atoms::STARTTIME, atoms::NAME, atoms::VALUE],
};

#[derive(Debug)]
struct Environment {
    shown: Arc<[Vec<u8>]>,
    bytes: Vec<u8>,
    at: usize,
    cut: bool,
}

impl Environment {
    fn new(shown: Arc<[Vec<u8>]>) -> Self {
        Self { shown, bytes: Vec::new(), at: 0, cut: false }
    }
}

impl PerProcess<Entry> for Environment {
    fn enter(&mut self, here: &Here) -> Result<(), Errno> {
        (self.at, self.cut) = (0, false);
        self.bytes = each::read_first(here.directory(), c"environ", ENVIRON_MAX.saturating_add(1))?;
        if self.bytes.len() > ENVIRON_MAX {
            self.bytes.truncate(ENVIRON_MAX);
            self.cut = true;
        }
        Ok(())
    }

    fn next(&mut self, here: &Here) -> Result<Option<Entry>, Errno> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (name, value) = match environ::first(rest, &self.shown, self.cut) {
            Some((variable, length)) => {
                self.at = self.at.saturating_add(length);
                parts(variable)
            }
            None if self.cut => {
                (self.bytes, self.at, self.cut) = (Vec::new(), 0, false);
                (None, Content::TooMuch)
            }
            None => return Ok(None),
        };
        let (pid, starttime) = (u64::from(here.pid.get()), here.starttime);
        Ok(Some(Entry { pid, starttime, name, value }))
    }
}

/// Name and value. What has no name may be a piece of a secret.
fn parts(variable: Variable<'_>) -> (Option<Vec<u8>>, Content) {
    match variable {
        Variable::Shown(bytes) => {
            let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
            let (name, value) = bytes.split_at_checked(end).unwrap_or_default();
            (Some(name.to_vec()), Content::Shown(value.get(1..).unwrap_or_default().to_vec()))
        }
        Variable::Redacted(name) => (Some(name.to_vec()).filter(|name| !name.is_empty()), Content::Redacted),
    }
}
