//! Where records go: the system's log, and if the policy says so the kernel's. Nothing here waits for a daemon; what it
//! does not take is counted, and the next record says so.
#![forbid(unsafe_code)]

use std::time::Instant;

use nix::errno::Errno;

use crate::audit::record::{self, Decision, Event, Stamp};
use crate::capability::{Capabilities, Capability};
use crate::limits::AUDIT_REFUSALS_PER_S;
use crate::measure::{Measure, in_force};
use crate::op::Role;
use crate::rate::Bucket;
use crate::sys::datagram::{KernelAudit, Syslog};
use crate::sys::{capset, clock, process};

/// Whether records go to the system's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// They do not.
    Off,
    /// If there is one; losses are counted.
    On,
    /// There must be one, or the program does not serve; what cannot be recorded is not done.
    Required,
}

/// Facility authpriv, which Debian keeps in a file that only root and adm read, and severities (RFC 3164).
const NOTICE: u8 = 10 * 8 + 5;
const WARNING: u8 = 10 * 8 + 4;

/// The trail of one copy of the program.
#[derive(Debug)]
pub struct Log {
    syslog: Option<Syslog>,
    kernel: Option<KernelAudit>,
    held: Capabilities,
    required: bool,
    tag: String,
    /// The node that the copy is for, as a key of the record.
    node: String,
    uid: u32,
    parent: u32,
    seq: u64,
    lost: u64,
    refusals: Bucket,
}

/// The policy wants what is done to be recorded, and this was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRecorded;

impl Log {
    /// Opens what the policy asks for. Sockets are made now or never: seccomp allows none later. An error is anything but a
    /// log that is not there: who starts the program chooses its limits, and must not be able to choose silence.
    pub fn open(role: Role, sink: Sink, kernel: bool) -> Result<Self, Errno> {
        let syslog = if sink == Sink::Off { None } else { Some(Syslog::open()?) };
        let kernel = if kernel { Some(KernelAudit::open()?) } else { None };
        Ok(Self { kernel, required: sink == Sink::Required, ..Self::over(role.name(), syslog) })
    }

    /// The trail of a node's starter: to the system's log, if there is one.
    pub fn of_node() -> Result<Self, Errno> {
        Ok(Self::over("node", Some(Syslog::open_anywhere()?)))
    }

    fn over(name: &str, syslog: Option<Syslog>) -> Self {
        Self {
            syslog,
            kernel: None,
            held: Capabilities::NONE,
            required: false,
            tag: format!("portcullis-{name}[{}]", process::pid()),
            node: String::new(),
            uid: process::uid(),
            parent: process::parent().unsigned_abs(),
            seq: 0,
            lost: 0,
            refusals: Bucket::new(AUDIT_REFUSALS_PER_S),
        }
    }

    /// Whether a log was there when it was opened.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.syslog.as_ref().is_some_and(Syslog::is_connected)
    }

    /// The capabilities that are left to write with.
    pub fn set_held(&mut self, held: Capabilities) {
        self.held = held.and(Capabilities::of(&[Capability::AuditWrite]));
    }

    /// Every record names this node. Nothing in a name is anything to a log: it has letters, digits and little else.
    pub fn set_node(&mut self, node: Option<&str>) {
        self.node = node.map(|node| format!(" node={node}")).unwrap_or_default();
    }

    /// Records that were not taken, by the log or for their number.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes one record. Refusals cost whoever causes them nothing, so no more than [`AUDIT_REFUSALS_PER_S`] of them are
    /// sent in a second; the others have numbers too, and are counted as lost.
    pub fn write(&mut self, event: &Event) -> Result<Stamp, NotRecorded> {
        self.seq = self.seq.saturating_add(1);
        let stamp = Stamp {
            seq: self.seq,
            time: clock::unix_micros(),
            uid: self.uid,
            parent: self.parent,
            lost: self.lost,
        };
        let refusal = matches!(event.decision, Decision::Denied | Decision::Limited);
        if refusal && !self.admits_refusal() {
            self.lost = self.lost.saturating_add(1);
            return Ok(stamp);
        }
        let taken = self.send(&stamp, event, if refusal { WARNING } else { NOTICE });
        match taken {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost = self.lost.saturating_add(1),
        }
        if taken.is_err() && self.required { Err(NotRecorded) } else { Ok(stamp) }
    }

    fn admits_refusal(&mut self) -> bool {
        in_force(Measure::AuditRefusals)
            && (!in_force(Measure::AuditRate) || self.refusals.take(Instant::now()))
    }

    fn send(&mut self, stamp: &Stamp, event: &Event, priority: u8) -> Result<(), Errno> {
        let mut result = Ok(());
        if let Some(syslog) = &mut self.syslog {
            let line = record::line(stamp, event);
            result = syslog.send(format!("<{priority}>{}: {line}{}", self.tag, self.node).as_bytes());
        }
        if let Some(kernel) = &self.kernel {
            let raised = capset::raise(self.held);
            let sent = raised
                .and_then(|_raised| kernel.send((record::kernel_line(stamp, event) + &self.node).as_bytes()));
            result = result.and(sent);
        }
        result
    }
}
