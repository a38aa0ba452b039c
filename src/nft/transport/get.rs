//! One question, one answer, and never a list: what is asked for is found by the kernel, however much stands beside it.
#![forbid(unsafe_code)]

use super::{Error, GETGEN, Link, Refusal};
use crate::netlink::attr::{Buffer, find};
use crate::netlink::message::{ACK, Ack, KIND_MIN, Messages};

/// `NFTA_GEN_ID` (include/uapi/linux/netfilter/nf_tables.h).
pub(super) const GEN_ID: u16 = 1;

/// Bytes of one answer. An element of a set is at most some hundred; a question can name 65,535 bytes of them.
const ANSWER_MAX: usize = 4 << 20;

/// What the kernel answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(Vec<u8>);

impl Answer {
    /// Its messages: one for each thing that was asked for.
    #[must_use]
    pub fn messages(&self) -> Messages<'_> {
        Messages::new(&self.0)
    }
}

/// Asks. `fill` writes the attributes of the question.
///
/// # Errors
/// [`Error::Refused`] with `ENOENT` where there is no such thing.
pub fn point(
    link: &mut Link,
    kind: u16,
    family: u8,
    fill: impl FnOnce(&mut Buffer),
) -> Result<Answer, Error> {
    // Acknowledged, so that the end of the answer is known.
    let seq = link.ask(kind, ACK, family, fill)?;
    let mut answer = Vec::new();
    loop {
        let length = link.take()?;
        if answer.len().saturating_add(length) > ANSWER_MAX {
            return Err(Error::Truncated);
        }
        let mut messages = link.taken(length);
        for message in messages.by_ref().filter(|message| message.seq == seq) {
            // Nothing comes behind either.
            match Ack::of(&message) {
                Some(ack) if ack.errno == 0 => {
                    link.quiet = true;
                    return Ok(Answer(answer));
                }
                Some(ack) => {
                    let refusal = Refusal::of(&ack);
                    link.quiet = true;
                    return Err(Error::Refused(refusal));
                }
                None if message.kind < KIND_MIN => return Err(Error::Malformed),
                None => {}
            }
        }
        if !messages.is_whole() {
            return Err(Error::Malformed);
        }
        answer.extend_from_slice(link.incoming.get(..length).unwrap_or(&[]));
        answer.resize(answer.len().next_multiple_of(4), 0);
    }
}

/// The generation: a number that every change of the ruleset makes greater by one.
///
/// # Errors
/// As [`point`].
pub fn generation(link: &mut Link) -> Result<u32, Error> {
    // One message, always: to be told that it was the last would be one datagram more.
    let seq = link.ask(GETGEN, 0, 0, |_| {})?;
    loop {
        let length = link.take()?;
        let answer = link.taken(length).find(|message| message.seq == seq);
        if let Some(message) = answer {
            let generation = match Ack::of(&message) {
                Some(ack) => Err(Error::Refused(Refusal::of(&ack))),
                None => find(message.body, GEN_ID).and_then(|id| id.be32()).ok_or(Error::Malformed),
            };
            link.quiet = true;
            return generation;
        }
    }
}
