//! What comes back from a batch, and what follows from it. Pure: bytes in, a verdict out.
//!
//! That the kernel acknowledges a command does not mean that the batch was kept: what stands before an error is acknowledged
//! too. Proof is the acknowledgement of the batch's end (Linux 6.10), a new generation or an echo, all of which are sent
//! after the commit only (net/netfilter/nf_tables_api.c, `nf_tables_commit`).
#![forbid(unsafe_code)]

use super::get::GEN_ID;
use super::{NEWGEN, Refusal, SUBSYSTEM};
use crate::netlink::attr::find;
use crate::netlink::message::{Ack, Message, Messages};

/// The sequence number of the message that begins a batch. Those of the commands follow, then the end's.
pub(super) const BEGIN_SEQ: u32 = 1;

/// Errors that are kept. Each of them says what is wrong with a command; who has more does not read them one by one.
const FAULTS_MAX: usize = 256;

/// Bytes of echoes that are kept.
const ECHOES_MAX: usize = 32 << 20;

/// A command that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which, from 0; nothing: the batch as a whole. What goes wrong at the commit itself (`ENOMEM`) the kernel says of the
    /// first command.
    pub command: Option<usize>,
    /// What is wrong.
    pub refusal: Refusal,
}

/// What follows from the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All commands are in force.
    Committed,
    /// None is.
    Aborted,
    /// All commands were looked at, and none was refused.
    Accepted,
    /// The replies do not say.
    Unknown,
}

/// The replies so far.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    commands: usize,
    pub(super) faults: Vec<Fault>,
    /// Faults that were not kept.
    pub(super) more: usize,
    pub(super) echoes: Vec<u8>,
    pub(super) generation: Option<u32>,
    end_acknowledged: bool,
    last_acknowledged: bool,
    /// Some replies are missing.
    pub(super) lossy: bool,
}

impl Replies {
    /// To a batch of so many commands.
    #[must_use]
    pub fn new(commands: usize) -> Self {
        Self { commands, ..Self::default() }
    }

    /// Reads a datagram.
    pub fn read(&mut self, datagram: &[u8]) {
        let mut messages = Messages::new(datagram);
        let mut echoes = false;
        for message in messages.by_ref() {
            if let Some(ack) = Ack::of(&message) {
                self.acknowledgement(&ack);
            } else if message.kind.to_be_bytes()[0] == SUBSYSTEM {
                echoes |= self.echo(&message);
            }
        }
        self.lossy |= !messages.is_whole();
        if echoes && self.echoes.len().saturating_add(datagram.len()) > ECHOES_MAX {
            self.lossy = true;
        } else if echoes {
            self.echoes.extend_from_slice(datagram);
            self.echoes.resize(self.echoes.len().next_multiple_of(4), 0);
        }
    }

    /// Some replies were lost on the way.
    pub fn lost(&mut self) {
        self.lossy = true;
    }

    fn acknowledgement(&mut self, ack: &Ack<'_>) {
        let command = self.command(ack.seq);
        if ack.errno != 0 {
            if self.faults.len() < FAULTS_MAX {
                self.faults.push(Fault { command, refusal: Refusal::of(ack) });
            } else {
                self.more = self.more.saturating_add(1);
            }
        } else if command.is_some_and(|command| command.saturating_add(1) == self.commands) {
            self.last_acknowledged = true;
        } else if command.is_none() && self.command(ack.seq.saturating_sub(1)).is_some()
            || self.commands == 0 && ack.seq == BEGIN_SEQ + 1
        {
            self.end_acknowledged = true;
        }
    }

    /// Whether it is the echo of a command.
    fn echo(&mut self, message: &Message<'_>) -> bool {
        let ours = self.command(message.seq).is_some();
        if ours && message.kind == NEWGEN {
            self.generation = find(message.body, GEN_ID).and_then(|id| id.be32());
            return false;
        }
        ours
    }

    /// The command of that sequence number.
    pub(super) fn command(&self, seq: u32) -> Option<usize> {
        let index = usize::try_from(seq.checked_sub(BEGIN_SEQ + 1)?).ok()?;
        (index < self.commands).then_some(index)
    }

    /// What is known by now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.faults.is_empty() {
            Verdict::Aborted
        } else if self.end_acknowledged || self.generation.is_some() || !self.echoes.is_empty() {
            Verdict::Committed
        } else if self.last_acknowledged && !self.lossy {
            Verdict::Accepted
        } else {
            Verdict::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::attr::Buffer;
    use crate::netlink::message::{CAPPED, ERROR};

    /// An acknowledgement as the kernel writes it.
    fn ack(seq: u32, errno: i32) -> Vec<u8> {
        let mut bytes = 36_u32.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&ERROR.to_ne_bytes());
        bytes.extend_from_slice(&CAPPED.to_ne_bytes());
        bytes.extend_from_slice(&seq.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(-errno).to_ne_bytes());
        bytes.extend_from_slice(&[20, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&seq.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes
    }

    fn echo(kind: u16, seq: u32, generation: u32) -> Vec<u8> {
        let mut buffer = Buffer::new();
        let mark = buffer.message(kind, 0, seq, 1, 0);
        buffer.put_be32(GEN_ID, generation);
        buffer.end_message(mark).unwrap();
        buffer.bytes().to_vec()
    }

    fn after(datagrams: &[Vec<u8>]) -> Replies {
        let mut replies = Replies::new(3);
        datagrams.iter().for_each(|datagram| replies.read(datagram));
        replies
    }

    #[test]
    fn acknowledged_commands_of_an_aborted_batch_are_no_success() {
        let replies = after(&[ack(2, 0), ack(3, 17), ack(4, 0)]);
        assert_eq!(replies.verdict(), Verdict::Aborted);
        assert_eq!(replies.faults[0].command, Some(1));
        assert_eq!(after(&[ack(2, 0), ack(3, 0)]).verdict(), Verdict::Unknown);
        assert_eq!(after(&[ack(2, 0), ack(3, 0), ack(4, 0)]).verdict(), Verdict::Accepted);
        assert_eq!(after(&[ack(1, 0)]).verdict(), Verdict::Unknown, "the beginning says nothing");
        assert_eq!(after(&[ack(5, 0)]).verdict(), Verdict::Committed);
        assert_eq!(after(&[ack(6, 0)]).verdict(), Verdict::Unknown, "nobody asked for that");
        assert_eq!(after(&[ack(0, 0), ack(u32::MAX, 0)]).verdict(), Verdict::Unknown);
    }

    #[test]
    fn an_error_of_nobody_is_one_of_the_batch() {
        for seq in [0, 1, 5, 6, u32::MAX] {
            let replies = after(&[ack(seq, 85), ack(5, 0)]);
            assert_eq!((replies.verdict(), replies.faults[0].command), (Verdict::Aborted, None), "{seq}");
        }
    }

    #[test]
    fn echoes_and_a_new_generation_prove_the_commit_though_the_end_is_lost() {
        let mut replies = after(&[echo(0xa06, 3, 9)]);
        replies.lost();
        assert_eq!((replies.verdict(), replies.generation), (Verdict::Committed, None));
        let mut replies = after(&[echo(NEWGEN, 2, 9)]);
        replies.lost();
        assert_eq!((replies.verdict(), replies.generation), (Verdict::Committed, Some(9)));
        for others in [echo(NEWGEN, 5, 9), echo(0xa06, 0, 9), echo(0x106, 3, 9)] {
            assert_eq!(after(&[others]).verdict(), Verdict::Unknown);
        }
    }

    #[test]
    fn acknowledgements_prove_nothing_where_errors_may_be_lost() {
        let mut replies = after(&[ack(4, 0)]);
        replies.lost();
        assert_eq!(replies.verdict(), Verdict::Unknown);
        let cut = &ack(4, 0)[..30];
        assert_eq!(after(&[cut.to_vec(), ack(4, 0)]).verdict(), Verdict::Unknown);
    }

    #[test]
    fn errors_without_end_take_no_memory_without_end() {
        let mut replies = Replies::new(100_000);
        (2..90_002).for_each(|seq| replies.read(&ack(seq, 2)));
        assert_eq!((replies.faults.len(), replies.more), (FAULTS_MAX, 90_000 - FAULTS_MAX));
    }
}
