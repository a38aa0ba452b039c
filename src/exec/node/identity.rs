//! Processes and references of a peer, kept longer than the message that named them. The name of their node is the peer's: the
//! firewall lets no other through.
#![forbid(unsafe_code)]

use crate::dist::etf::{Pid, Ref};

/// A process of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    creation: u32,
    id: u32,
    serial: u32,
}

impl Process {
    /// Without the name of its node.
    #[must_use]
    pub fn of(pid: &Pid<'_>) -> Self {
        Self { creation: pid.creation, id: pid.id, serial: pid.serial }
    }

    /// With the name of its node.
    #[must_use]
    pub fn on<'n>(&self, node: &'n str) -> Pid<'n> {
        Pid { node, creation: self.creation, id: self.id, serial: self.serial }
    }
}

/// A reference of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    creation: u32,
    words: [u32; 5],
    len: u8,
}

impl Mark {
    /// Without the name of its node.
    #[must_use]
    pub fn of(reference: &Ref<'_>) -> Self {
        Self { creation: reference.creation, words: reference.words, len: reference.len }
    }

    /// With the name of its node.
    #[must_use]
    pub fn on<'n>(&self, node: &'n str) -> Ref<'n> {
        Ref { node, creation: self.creation, words: self.words, len: self.len }
    }
}
