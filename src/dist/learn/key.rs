//! What is remembered of a connection is found by these.
#![forbid(unsafe_code)]

use crate::dist::command::{Direction, Party};
use crate::dist::etf::{Identifier, Pid, Ref};

/// A process of a node whose name and creation are known.
pub(super) type Process = (u32, u32);

/// A reference of such a node.
pub(super) type Words = ([u32; 5], u8);

/// The words that make a reference the only one of its node. OTP makes them anew for each, and says behind them whose alias it is, if it is one.
pub(super) type Mark = [u32; 3];

/// The words behind those, and how many there are in all.
pub(super) type Rest = ([u32; 2], u8);

/// Something that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A process of that party may be addressed.
    Pid(Party, Process),
    /// A process of that party leads those that it has had started, or led, on the other node: it may be asked to read and to write, and nothing else.
    Leader(Party, Process),
    /// A reference of that party may be addressed, with the rest that is remembered with it.
    Ref(Party, Mark),
    /// That party monitors something under this reference.
    Monitor(Party, Words),
    /// A process of the protected node and one of the peer are linked.
    Link(Process, Process),
    /// That party has asked for a process under this reference.
    Spawn(Party, Words),
    /// A process of that party has unlinked and waits to hear that it was seen. Each process counts its unlinks by itself.
    Unlink(Party, Process, u64),
}

impl Key {
    /// Where an identifier is remembered. Nobody sends to a port of another node.
    pub(super) fn of(party: Party, identifier: &Identifier<'_>) -> Option<Self> {
        match identifier {
            Identifier::Pid(pid) => Some(Self::Pid(party, process(pid))),
            Identifier::Ref(reference) => Some(Self::Ref(party, parts(reference).0)),
            Identifier::Port(_) => None,
        }
    }

    /// A pair of linked processes.
    pub(super) fn link(direction: Direction, from: &Pid<'_>, to: &Pid<'_>) -> Self {
        match direction {
            Direction::In => Self::Link(process(to), process(from)),
            Direction::Out => Self::Link(process(from), process(to)),
        }
    }
}

pub(super) fn process(pid: &Pid<'_>) -> Process {
    (pid.id, pid.serial)
}

pub(super) fn words(reference: &Ref<'_>) -> Words {
    (reference.words, reference.len)
}

/// A reference in two.
pub(super) fn parts(reference: &Ref<'_>) -> (Mark, Rest) {
    let [a, b, c, d, e] = reference.words;
    ([a, b, c], ([d, e], reference.len))
}
