//! Batches: all commands of one, or none. One call of sendto(2), whatever the size: a batch that is cut into several is
//! several batches without an end, and the kernel drops each of them and says nothing.
#![forbid(unsafe_code)]

use std::time::Duration;

use nix::errno::Errno;

use super::replies::{BEGIN_SEQ, Fault, Replies, Verdict};
use super::{Error, Link, NEWGEN, NEWSETELEM, PATIENCE, ROOM, SEQ_MIN, SUBSYSTEM, get, send};
use crate::netlink::attr::{Attrs, Buffer};
use crate::netlink::message::{ACK, GENERIC, HEADER, KIND_MIN, Message, Messages, REQUEST};

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END` (include/uapi/linux/netfilter/nfnetlink.h).
const BEGIN: u16 = KIND_MIN;
const END: u16 = KIND_MIN + 1;

/// Length and kind of an attribute.
const ATTR: usize = 4;

/// `NFNL_BATCH_GENID`.
const GENID: u16 = 1;

/// How often a batch is sent that the kernel could not carry out at the moment, and what it waits before the second time;
/// then twice as long each time.
pub const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(1);

/// Commands that become one change.
#[derive(Clone, Debug)]
pub struct Batch {
    buffer: Buffer,
    starts: Vec<usize>,
    expected: Option<u32>,
}

/// What a batch has come to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The generation: that of this very change where `exact`, or else one about then, which may count changes of others too.
    pub generation: u32,
    /// Whether no other change is counted in it. To know, ask for an echo of the first command.
    pub exact: bool,
    /// Whether all echoes have come. The change is in force all the same where some are lost.
    pub complete: bool,
    replies: Replies,
}

impl Outcome {
    /// The echoes, each with the number of its command from 0.
    pub fn echoes(&self) -> impl Iterator<Item = (usize, Message<'_>)> {
        Messages::new(&self.replies.echoes)
            .filter(|message| message.kind >= KIND_MIN && message.kind != NEWGEN)
            .filter_map(|message| Some((self.replies.command(message.seq)?, message)))
    }
}

/// Why nothing of a batch is in force; but see [`Failure::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Commands are wrong.
    #[error("the kernel refused {} of the commands", faults.len() + more)]
    Refused {
        /// Which, and why.
        faults: Vec<Fault>,
        /// Further ones that are not told of singly.
        more: usize,
    },
    /// The ruleset is not the one that the batch was made for (`ERESTART`).
    #[error("the ruleset is of generation {current}, not {expected}")]
    Stale {
        /// What it was made for.
        expected: u32,
        /// What there is.
        current: u32,
    },
    /// The kernel could not do it at the moment, each of [`TRIES`] times; another time it may.
    #[error("the kernel was busy {TRIES} times")]
    Busy {
        /// What it said the last time.
        faults: Vec<Fault>,
    },
    /// Replies were lost, and what came says nothing.
    #[error("the kernel's replies were lost; the ruleset has {}changed since", if *changed { "" } else { "not " })]
    Unknown {
        /// If not, nothing of the batch is in force. If so, the batch may have done it, or somebody else.
        changed: bool,
    },
    /// The socket failed, and nothing of it is in force: where that is not certain, it is [`Unknown`](Self::Unknown).
    #[error(transparent)]
    Transport(#[from] Error),
}

impl Batch {
    /// An empty one, to be carried out only if the ruleset is of generation `expected`.
    #[must_use]
    pub fn begin(expected: Option<u32>) -> Self {
        let mut buffer = Buffer::new();
        let mark = buffer.message(BEGIN, REQUEST, BEGIN_SEQ, 0, SUBSYSTEM.into());
        if let Some(generation) = expected {
            buffer.put_be32(GENID, generation);
        }
        // Twenty-eight bytes fit.
        let _ = buffer.end_message(mark);
        Self { buffer, starts: Vec::new(), expected }
    }

    /// Adds a command; `fill` writes its attributes. Returns its number, from 0. Flags other than `NLM_F_REQUEST` are the
    /// caller's; `NLM_F_ACK` is not needed, and one for each of many commands fills the socket.
    ///
    /// # Errors
    /// If an attribute or the batch becomes too long. The batch is as before then.
    pub fn push(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        fill: impl FnOnce(&mut Buffer),
    ) -> Result<usize, Error> {
        let index = self.starts.len();
        let full = |bytes| Error::TooBig { bytes, room: ROOM.send };
        let seq = self.seq(index).ok_or(full(self.buffer.len()))?;
        let mark = self.buffer.message(kind, flags | REQUEST, seq, family, 0);
        let start = mark.start();
        fill(&mut self.buffer);
        self.buffer.end_message(mark)?;
        // The end has to fit as well.
        let bytes = self.buffer.len().saturating_add(HEADER + GENERIC);
        if bytes > ROOM.send {
            self.buffer.truncate(start);
            return Err(full(bytes));
        }
        self.starts.push(start);
        Ok(index)
    }

    /// How many commands it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Bytes of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// A command as it is sent.
    #[must_use]
    pub fn command(&self, index: usize) -> Option<Message<'_>> {
        let bytes = self.buffer.bytes().get(*self.starts.get(index)?..)?;
        Messages::new(bytes).next()
    }

    /// The way to the attribute that begins at `offset` of a command, as a [`Fault`] names it: kinds, each with its place
    /// among its siblings from 0. It ends early where there is no such attribute.
    #[must_use]
    pub fn way(&self, index: usize, offset: u32) -> Vec<(u16, usize)> {
        let mut way = Vec::new();
        let Some(target) = usize::try_from(offset).ok().and_then(|o| o.checked_sub(HEADER + GENERIC)) else {
            return way;
        };
        let mut level = self.command(index).map(|message| (0_usize, message.attrs()));
        while let Some((mut at, attrs)) = level.take() {
            for (place, attr) in attrs.enumerate() {
                let next = at.saturating_add(ATTR).saturating_add(attr.value.len().next_multiple_of(4));
                if target < next {
                    way.push((attr.kind, place));
                    let inside = at.saturating_add(ATTR);
                    level = (target >= inside && attr.nested).then(|| (inside, Attrs::new(attr.value)));
                    break;
                }
                at = next;
            }
        }
        way
    }

    /// Takes flags away from a command.
    pub fn without(&mut self, index: usize, flags: u16) {
        if let Some(start) = self.starts.get(index) {
            self.buffer.unflag(*start, flags);
        }
    }

    fn seq(&self, index: usize) -> Option<u32> {
        let seq = u32::try_from(index).ok()?.checked_add(BEGIN_SEQ + 1)?;
        // The end takes the next one.
        (seq < SEQ_MIN - 1).then_some(seq)
    }

    /// Whether these faults say nothing against the commands: `EAGAIN` and `EINTR` never do, `EBUSY` does not of elements, whose
    /// table the kernel may just be making larger. A chain that is in use is busy for as long as it is.
    fn is_momentary(&self, faults: &[Fault]) -> bool {
        !faults.is_empty()
            && faults.iter().all(|fault| match Errno::from_raw(fault.refusal.errno) {
                Errno::EAGAIN | Errno::EINTR => true,
                Errno::EBUSY => {
                    let command = fault.command.and_then(|index| self.command(index));
                    command.is_none_or(|command| command.kind == NEWSETELEM)
                }
                _ => false,
            })
    }
}

/// Carries a batch out. Of [`Ok`] all commands are in force, of a [`Failure`] none; whichever it is was told by the kernel, and never
/// guessed from acknowledgements of single commands.
///
/// # Errors
/// As [`Failure`] says.
pub fn run(link: &mut Link, batch: &mut Batch) -> Result<Outcome, Failure> {
    let before = get::generation(link)?;
    let replies = if batch.is_empty() {
        Replies::new(0)
    } else {
        let acknowledged = acknowledges_end(link)?;
        if !acknowledged {
            acknowledge_last(batch);
        }
        let length = batch.buffer.len();
        end(&mut batch.buffer, batch.starts.len(), acknowledged);
        let result = insist(link, batch, before);
        batch.buffer.truncate(length);
        result?
    };
    // It is in force: no error from here on.
    let now = get::generation(link).ok();
    Ok(Outcome {
        generation: replies.generation.or(now).unwrap_or(before),
        exact: replies.generation.is_some() || now == Some(before),
        complete: !replies.lossy,
        replies,
    })
}

/// Has the kernel look at a batch and forget it again: the same bytes without an end.
///
/// # Errors
/// As [`run`]. What can go wrong at the commit only, such as a lack of memory, is not found.
pub fn dry_run(link: &mut Link, batch: &mut Batch) -> Result<(), Failure> {
    let before = get::generation(link)?;
    if !batch.is_empty() {
        acknowledge_last(batch);
        insist(link, batch, before)?;
    }
    Ok(())
}

/// Sends it until the kernel is not busy.
fn insist(link: &mut Link, batch: &Batch, before: u32) -> Result<Replies, Failure> {
    let mut wait = FIRST_WAIT;
    for attempt in 1..=TRIES {
        let replies = exchange(link, batch.buffer.bytes(), batch.len())?;
        match replies.verdict() {
            Verdict::Committed | Verdict::Accepted => return Ok(replies),
            Verdict::Unknown => {
                return Err(Failure::Unknown { changed: get::generation(link).ok() != Some(before) });
            }
            Verdict::Aborted if !batch.is_momentary(&replies.faults) || replies.more > 0 => {
                return Err(refused(link, batch, replies));
            }
            Verdict::Aborted if attempt == TRIES => return Err(Failure::Busy { faults: replies.faults }),
            Verdict::Aborted => {
                // Nothing comes: the replies are read. It is a pause that needs no other system call.
                link.socket.wait(wait).map_err(Error::Socket)?;
                wait = wait.saturating_mul(2);
            }
        }
    }
    Err(Failure::Busy { faults: Vec::new() })
}

fn refused(link: &mut Link, batch: &Batch, replies: Replies) -> Failure {
    let stale = |fault: &Fault| fault.command.is_none() && fault.refusal.errno == libc::ERESTART;
    match batch.expected.filter(|_| replies.faults.iter().any(stale)) {
        Some(expected) => match get::generation(link) {
            Ok(current) => Failure::Stale { expected, current },
            Err(e) => e.into(),
        },
        None => Failure::Refused { faults: replies.faults, more: replies.more },
    }
}

/// Sends and reads what comes back.
fn exchange(link: &mut Link, bytes: &[u8], commands: usize) -> Result<Replies, Error> {
    link.settle();
    let mut replies = Replies::new(commands);
    link.quiet = false;
    send(&link.socket, bytes)?;
    loop {
        match link.socket.receive(&mut link.incoming) {
            Ok(received) => {
                replies.read(link.incoming.get(..received.length).unwrap_or(&[]));
                if received.truncated {
                    replies.lost();
                }
            }
            Err(Errno::ENOBUFS) => replies.lost(),
            // All replies are there when sendto(2) returns; a kernel that did otherwise would be waited for.
            Err(Errno::EAGAIN) => {
                let known = replies.verdict() != Verdict::Unknown || replies.lossy;
                if known || link.socket.wait(PATIENCE) != Ok(true) {
                    link.quiet = known;
                    return Ok(replies);
                }
            }
            Err(_) => {
                replies.lost();
                return Ok(replies);
            }
        }
    }
}

fn end(buffer: &mut Buffer, commands: usize, acknowledged: bool) {
    let seq = u32::try_from(commands).unwrap_or(SEQ_MIN).saturating_add(BEGIN_SEQ + 1);
    let flags = if acknowledged { REQUEST | ACK } else { REQUEST };
    let mark = buffer.message(END, flags, seq, 0, SUBSYSTEM.into());
    let _ = buffer.end_message(mark);
}

/// Without an acknowledged end, that the last command was reached is what shows that all were.
fn acknowledge_last(batch: &mut Batch) {
    if let Some(start) = batch.starts.last() {
        batch.buffer.flag(*start, ACK);
    }
}

/// Whether the kernel acknowledges the end of a batch, which it does since Linux 6.10. Older ones say nothing to the empty one.
fn acknowledges_end(link: &mut Link) -> Result<bool, Error> {
    match link.acknowledges_end {
        Some(known) => Ok(known),
        None => barrier(link),
    }
}

/// Returns when no change is being made: an empty batch, which waits for its turn like every other and changes nothing, not
/// even the generation. A commit makes the generation greater first and takes what is deleted out of the lists after
/// (`nf_tables_commit`), so that without this a dump in between has too few rows and one generation all the same.
pub(super) fn barrier(link: &mut Link) -> Result<bool, Error> {
    let mut empty = Batch::begin(None);
    end(&mut empty.buffer, 0, true);
    link.settle();
    link.quiet = false;
    send(&link.socket, empty.buffer.bytes())?;
    let mut replies = Replies::new(0);
    // The acknowledgement of the end is the last that comes.
    while !link.quiet {
        let Ok(received) = link.socket.receive(&mut link.incoming) else { break };
        replies.read(link.incoming.get(..received.length).unwrap_or(&[]));
        link.quiet = replies.verdict() == Verdict::Committed;
    }
    let known = replies.verdict() == Verdict::Committed;
    if let Some(fault) = replies.faults.into_iter().next() {
        return Err(Error::Refused(fault.refusal));
    }
    link.acknowledges_end = Some(known);
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::transport::{Refusal, kind};
    use crate::sys::netlink::Socket;

    fn table(batch: &mut Batch, name: &[u8]) {
        batch.push(kind(0), crate::netlink::message::CREATE, 1, |b| b.put_text(1, name)).unwrap();
    }

    fn fault(command: Option<usize>, errno: i32) -> Fault {
        Fault { command, refusal: Refusal { errno, offset: None, text: None } }
    }

    #[test]
    fn only_what_says_nothing_against_the_commands_is_tried_again() {
        let mut batch = Batch::begin(None);
        table(&mut batch, b"t");
        batch.push(NEWSETELEM, 0, 1, |_| {}).unwrap();
        let busy = libc::EBUSY;
        for (faults, momentary) in [
            (vec![], false),
            (vec![fault(None, libc::EAGAIN), fault(Some(0), libc::EINTR)], true),
            (vec![fault(Some(1), busy), fault(None, busy)], true),
            (vec![fault(Some(0), busy)], false),
            (vec![fault(Some(1), busy), fault(Some(0), libc::EEXIST)], false),
            (vec![fault(None, libc::ERESTART)], false),
            (vec![fault(None, libc::ENOMEM)], false),
        ] {
            assert_eq!(batch.is_momentary(&faults), momentary, "{faults:?}");
        }
    }

    /// As a kernel before 6.10 would have it: the end is not acknowledged, and nobody asks for that.
    #[test]
    fn without_an_acknowledged_end_the_last_command_shows_that_all_were_reached() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let test = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let mut link = Link::on(Socket::open(ROOM).unwrap());
            link.acknowledges_end = Some(false);
            let before = get::generation(&mut link).unwrap();
            let mut batch = Batch::begin(None);
            table(&mut batch, b"t");
            table(&mut batch, b"u");
            assert_eq!(run(&mut link, &mut batch).unwrap().generation, before + 1);
            assert!(run(&mut link, &mut batch).unwrap().exact, "nothing is left to do");
            batch.push(kind(3), 0, 1, |b| b.put_text(1, b"nowhere")).unwrap();
            table(&mut batch, b"v");
            let refused = run(&mut link, &mut batch).unwrap_err();
            assert!(matches!(refused, Failure::Refused { faults, more: 0 } if faults[0].command == Some(2)));
            assert_eq!(get::generation(&mut link).unwrap(), before + 1);
        };
        std::thread::spawn(test).join().unwrap();
    }
}
