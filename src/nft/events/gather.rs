//! Messages into transactions. The kernel tells of each change of a transaction alone, and at its end of the generation that they
//! made together. Pure: messages in, whole transactions out. How many there were in all is known by their generations, so that
//! whatever is missing is counted.
#![forbid(unsafe_code)]

use crate::limits::{NFT_EVENT_BYTES_MAX, NFT_EVENT_CHANGES_MAX};
use crate::netlink::attr::find;
use crate::netlink::message::Message;
use crate::nft::object::element::list;
use crate::nft::object::message::{DEL_ELEMENT, NEW_ELEMENT};
use crate::nft::transport::{NEWGEN, SUBSYSTEM};

/// `NFTA_GEN_ID`, `NFTA_GEN_PROC_PID`, `NFTA_GEN_PROC_NAME` (nf_tables.h).
const GEN_ID: u16 = 1;
const GEN_PID: u16 = 2;
const GEN_NAME: u16 = 3;

/// What a message takes beside its attributes.
const MESSAGE: usize = 64;

/// A change as the kernel told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is ([`crate::nft::object::message`]).
    pub number: u16,
    /// Flags of the request, as far as the kernel repeats them.
    pub flags: u16,
    /// The family.
    pub family: u8,
    /// Attributes.
    pub body: Vec<u8>,
}

impl Change {
    /// Whether both are of elements of one set, and of the same kind: they are one change then.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        let name = |kind| find(&self.body, kind) == find(&other.body, kind);
        matches!(self.number, NEW_ELEMENT | DEL_ELEMENT)
            && self.number == other.number
            && self.family == other.family
            && name(list::TABLE)
            && name(list::SET)
    }
}

/// Who made a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// What came of it.
    pub generation: u32,
    /// The process, as the first pid namespace counts.
    pub pid: u32,
    /// What it calls itself.
    pub comm: Vec<u8>,
}

/// A transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Nobody, if the kernel changed something by itself: a quota is used up.
    pub maker: Option<Maker>,
    /// Its changes.
    pub changes: Vec<Change>,
    /// Messages that were not kept, all behind those that were.
    pub more: u64,
}

/// One that has not ended.
#[derive(Clone, Debug)]
struct Open {
    /// The lower half of its generation.
    half: u16,
    port: u32,
    transaction: Transaction,
    bytes: usize,
    shown: usize,
}

impl Open {
    fn keep(&mut self, change: Change) {
        let transaction = &mut self.transaction;
        let bytes = self.bytes.saturating_add(change.body.len()).saturating_add(MESSAGE);
        let beside = transaction.changes.last().is_some_and(|last| last.is_beside(&change));
        let shown = self.shown.saturating_add(usize::from(!beside));
        // Once one is missing none is kept: what comes later may rest on it.
        if transaction.more > 0 || bytes > NFT_EVENT_BYTES_MAX || shown > NFT_EVENT_CHANGES_MAX {
            transaction.more = transaction.more.saturating_add(1);
            return;
        }
        (self.bytes, self.shown) = (bytes, shown);
        transaction.changes.push(change);
    }
}

/// What has been gathered.
#[derive(Clone, Debug)]
pub struct Gather {
    /// The last generation that was told of, or counted as lost.
    last: u32,
    open: Option<Open>,
    lost: u64,
    /// The socket was full: what comes until it is empty may be parts.
    gap: bool,
}

impl Gather {
    /// Nothing, from that generation on: those up to it were complete before anybody listened.
    #[must_use]
    pub fn since(generation: u32) -> Self {
        Self { last: generation, open: None, lost: 0, gap: false }
    }

    /// Takes a message. A transaction if it is its last.
    pub fn take(&mut self, message: &Message<'_>) -> Option<Transaction> {
        let [subsystem, number] = message.kind.to_be_bytes();
        if self.gap || subsystem != SUBSYSTEM {
            return None;
        }
        if message.kind == NEWGEN {
            return self.end(message);
        }
        let change = Change {
            number: number.into(),
            flags: message.flags,
            family: message.family,
            body: message.body.to_vec(),
        };
        // No process has port 0: the kernel did it, beside any transaction (net/netfilter/nft_quota.c).
        if message.port == 0 {
            return Some(Transaction { maker: None, changes: vec![change], more: 0 });
        }
        // One that was not ended is missed by its generation.
        let same = |open: &Open| open.half == message.res_id && open.port == message.port;
        let mut open = self.open.take().filter(same).unwrap_or_else(|| Open {
            half: message.res_id,
            port: message.port,
            transaction: Transaction::default(),
            bytes: 0,
            shown: 0,
        });
        open.keep(change);
        self.open = Some(open);
        None
    }

    fn end(&mut self, message: &Message<'_>) -> Option<Transaction> {
        let number = |kind| find(message.body, kind).and_then(|attr| attr.be32());
        let open = self.open.take();
        let Some(generation) = number(GEN_ID) else {
            self.lost = self.lost.saturating_add(1);
            return None;
        };
        let half = generation.to_be_bytes();
        let open = open.filter(|open| half.ends_with(&open.half.to_be_bytes()));
        let passed = distance(self.last, generation);
        if passed == 0 {
            return None;
        }
        self.last = generation;
        self.lost = self.lost.saturating_add(u64::from(passed - 1));
        let Some(open) = open else {
            // A generation that nothing was told of is not one without changes.
            self.lost = self.lost.saturating_add(1);
            return None;
        };
        let comm = find(message.body, GEN_NAME).and_then(|name| name.text()).unwrap_or_default();
        let maker = Maker { generation, pid: number(GEN_PID).unwrap_or(0), comm: comm.to_vec() };
        Some(Transaction { maker: Some(maker), ..open.transaction })
    }

    /// The socket was full. The kernel says so before it gives out what did fit, and then drops whatever comes until that is
    /// taken, in the middle of transactions or not (`netlink_overrun`): nothing up to the end of it is told of.
    pub fn gap(&mut self) {
        (self.gap, self.open) = (true, None);
    }

    /// Whether there was a gap, and the socket was not empty since.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.gap
    }

    /// The socket was empty, and after that it was this generation: what follows it is whole.
    pub fn caught_up(&mut self, generation: u32) {
        let passed = u64::from(distance(self.last, generation));
        // What the kernel does by itself has no generation.
        self.lost = self.lost.saturating_add(passed.max(1));
        if passed > 0 {
            self.last = generation;
        }
        self.gap = false;
    }

    /// How many transactions were missed since this was asked last.
    pub fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// Generations from one to another; 0 if that is not later. The kernel leaves out 0 when it begins anew.
fn distance(from: u32, to: u32) -> u32 {
    let passed = to.wrapping_sub(from);
    match passed {
        0 | 0x8000_0000.. => 0,
        _ => passed - u32::from(to < from),
    }
}

#[cfg(test)]
mod tests;
