//! The action that a policy judges: reading a table.
#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::capability::{Capabilities, Capability};
use crate::wire::atoms::Atom;

/// Reading one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadTable {
    /// Which.
    pub table: Atom,
    /// What reading it takes, as far as it is asked for.
    pub capabilities: &'static [Capability],
    /// Environments of processes are among it.
    pub environ: bool,
    hidden: bool,
    shown: Arc<[Vec<u8>]>,
}

impl ReadTable {
    /// Reading what takes these capabilities.
    #[must_use]
    pub fn new(table: Atom, capabilities: &'static [Capability]) -> Self {
        Self { table, capabilities, environ: false, hidden: false, shown: Arc::default() }
    }

    /// The same with environments of processes.
    #[must_use]
    pub fn with_environ(self, environ: bool) -> Self {
        Self { environ, ..self }
    }

    /// The same on a host whose `/proc` is mounted with `hidepid`, where even listing other users' processes takes
    /// `CAP_SYS_PTRACE`.
    #[must_use]
    pub fn on_hidden_proc(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }

    /// The same, with the values of these environment variables shown.
    #[must_use]
    pub fn showing(self, shown: Arc<[Vec<u8>]>) -> Self {
        Self { shown, ..self }
    }

    /// The environment variables whose values are shown.
    #[must_use]
    pub fn shown(&self) -> Arc<[Vec<u8>]> {
        Arc::clone(&self.shown)
    }

    /// What it may raise, if the policy grants that.
    #[must_use]
    pub fn raises(&self) -> Capabilities {
        let hidden: &[Capability] = if self.hidden { &[Capability::SysPtrace] } else { &[] };
        Capabilities::of(self.capabilities).or(Capabilities::of(hidden))
    }
}
