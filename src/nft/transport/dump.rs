//! Dumps: lists that the kernel gives in parts, and that others may change between two of them. A list is whole when no change
//! was being made as it began, no message of it says otherwise (`NLM_F_DUMP_INTR`, which may stand on one alone) and the
//! generation is the same before and after.
//!
//! What that does not show, since it changes no generation: the kernel finds the place to go on by counting, rules that are
//! only being tried included (`nf_tables_dump_rules`). Somebody who inserts rules before others and fails, between two parts of
//! a list, makes it leave rules out. Each rule names the one before it, so that whoever reads rules can tell.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::batch::barrier;
use super::{DATAGRAM, Error, Link, Live, Refusal, get};
use crate::netlink::attr::Buffer;
use crate::netlink::message::{Ack, DUMP, DUMP_INTR, Messages};

/// How often a dump is begun again before anything of it was given out, and a view of several dumps likewise.
pub const TRIES: u32 = 8;

/// A dump that is being read, a datagram at a time. Dropped before its end, what is left is thrown away.
#[derive(Debug)]
pub struct Dump {
    kind: u16,
    family: u8,
    /// The attributes of the question, to ask it again.
    filter: Buffer,
    seq: u32,
    generation: u32,
    tries: u32,
    given: bool,
    ended: bool,
    /// The second datagram, which was read before the first was given out: its buffer, and bytes of messages in it.
    second: Option<(Vec<u8>, usize)>,
    reader: Arc<()>,
}

/// What a datagram holds.
#[derive(Debug, Default)]
struct Part {
    /// Bytes of the messages before the end.
    rows: usize,
    changed: bool,
    end: Option<Result<(), Error>>,
}

impl Dump {
    /// Asks for all of a kind. `fill` writes the attributes that choose among them.
    ///
    /// # Errors
    /// As [`get::point`]. What the kernel refuses, [`Dump::next`] says.
    pub fn start(
        link: &mut Link,
        kind: u16,
        family: u8,
        fill: impl FnOnce(&mut Buffer),
    ) -> Result<Self, Error> {
        let mut filter = Buffer::new();
        fill(&mut filter);
        if filter.overflowed() {
            return Err(Error::TooLong(crate::netlink::attr::TooLong));
        }
        let reader = Arc::new(());
        let mut dump = Self {
            kind,
            family,
            filter,
            seq: 0,
            generation: 0,
            tries: 0,
            given: false,
            ended: false,
            second: None,
            reader,
        };
        dump.begin(link)?;
        Ok(dump)
    }

    /// The generation that the list is of, if it comes to its end.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The next messages; nothing after the last.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: what was given out is not a list of any one generation. Before anything was, a list that changed is
    /// asked for again [`TRIES`] times. After any error the dump is over.
    pub fn next<'l>(&mut self, link: &'l mut Link) -> Result<Option<Messages<'l>>, Error> {
        while !self.ended || self.second.is_some() {
            match self.rows(link) {
                Ok(0) => {}
                Ok(rows) => {
                    self.given = true;
                    return Ok(Some(link.taken(rows)));
                }
                Err(Error::Interrupted) if !self.given && self.tries < TRIES => self.begin(link)?,
                Err(e) => {
                    self.leave(link);
                    return Err(e);
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, link: &mut Link) -> Result<(), Error> {
        self.leave(link);
        self.tries = self.tries.saturating_add(1);
        self.generation = get::generation(link)?;
        // In this order: the change that made this generation is over then, and one that began since makes another.
        barrier(link)?;
        let filter = &self.filter;
        self.seq = link.ask(self.kind, DUMP, self.family, |buffer| buffer.raw(filter.bytes()))?;
        link.live = Some(Live { seq: self.seq, reader: Arc::downgrade(&self.reader) });
        self.ended = false;
        Ok(())
    }

    /// Nobody wants the rest.
    fn leave(&mut self, link: &mut Link) {
        self.ended = true;
        self.second = None;
        self.reader = Arc::new(());
        link.aside.retain(|aside| aside.seq != self.seq);
    }

    /// The next datagram to give out. The first is not before the second is seen: the end of a short list comes in a datagram of
    /// its own, and so a short list that changed can always be asked for again.
    fn rows(&mut self, link: &mut Link) -> Result<usize, Error> {
        if let Some((second, rows)) = self.second.take() {
            link.spare = std::mem::replace(&mut link.incoming, second);
            return Ok(rows);
        }
        let rows = self.part(link)?;
        if self.given || self.ended || rows == 0 {
            return Ok(rows);
        }
        let empty = std::mem::take(&mut link.spare);
        let empty = if empty.is_empty() { vec![0; DATAGRAM] } else { empty };
        let first = std::mem::replace(&mut link.incoming, empty);
        let next = self.part(link);
        let second = std::mem::replace(&mut link.incoming, first);
        match next {
            Ok(next) if next > 0 => self.second = Some((second, next)),
            _ => link.spare = second,
        }
        next.map(|_| rows)
    }

    /// Takes one datagram: how many bytes of it are messages of the list.
    fn part(&mut self, link: &mut Link) -> Result<usize, Error> {
        let seq = self.seq;
        let aside = link.aside.iter_mut().find(|aside| aside.seq == seq);
        let (length, end) = match aside {
            Some(aside) => match aside.datagrams.pop_front() {
                None => return Err(aside.end.clone().err().unwrap_or(Error::Malformed)),
                Some(datagram) => {
                    let length = datagram.len();
                    link.incoming.get_mut(..length).ok_or(Error::Truncated)?.copy_from_slice(&datagram);
                    (length, Some(aside.end.clone()))
                }
            },
            None => (link.take()?, None),
        };
        let part = read(link.taken(length), seq, length)?;
        // Its end is the last that comes of it.
        link.quiet |= end.is_none() && part.end.is_some();
        if part.changed {
            return Err(Error::Interrupted);
        }
        match part.end {
            None => {}
            Some(Err(e)) => {
                link.live = link.live.take().filter(|live| live.seq != seq);
                return Err(e);
            }
            Some(Ok(())) => {
                self.ended = true;
                let after = match end {
                    Some(end) => end?,
                    None => after(link)?,
                };
                link.aside.retain(|aside| aside.seq != seq);
                if after != self.generation {
                    return Err(Error::Interrupted);
                }
            }
        }
        Ok(part.rows)
    }
}

/// The generation at the end of a dump whose last messages are in `incoming`, and stay there.
fn after(link: &mut Link) -> Result<u32, Error> {
    link.live = None;
    let last = std::mem::replace(&mut link.incoming, vec![0; 4096]);
    let after = get::generation(link);
    link.incoming = last;
    after
}

/// What a dump says next; its end, if the kernel refused it for one of these reasons. It refuses in its answer, which the first
/// [`Dump::next`] reads, and not at once.
///
/// # Errors
/// Any other.
pub fn unless<T>(next: Result<Option<T>, Error>, reasons: &[i32]) -> Result<Option<T>, Error> {
    match next {
        Err(Error::Refused(refusal)) if reasons.contains(&refusal.errno) => Ok(None),
        next => next,
    }
}

fn read(mut messages: Messages<'_>, seq: u32, length: usize) -> Result<Part, Error> {
    let mut part = Part { rows: length, ..Part::default() };
    let mut before = 0_usize;
    for message in messages.by_ref() {
        if message.seq != seq {
            // An answer to something else: not of the list, and nothing of the list is beside it.
            return Ok(Part::default());
        }
        part.changed |= message.flags & DUMP_INTR != 0;
        let refused = Ack::of(&message).filter(|ack| ack.errno != 0);
        match (refused, message.done()) {
            (Some(ack), _) => part.end = Some(Err(Error::Refused(Refusal::of(&ack)))),
            (None, Some(0)) => part.end = Some(Ok(())),
            (None, Some(errno)) => {
                part.end = Some(Err(Error::Refused(Refusal { errno, offset: None, text: None })));
            }
            (None, None) => {}
        }
        if part.end.is_some() {
            part.rows = before;
            return Ok(part);
        }
        let bytes = message.payload.len().saturating_add(crate::netlink::message::HEADER);
        before = before.saturating_add(bytes.next_multiple_of(4));
    }
    if messages.is_whole() { Ok(part) } else { Err(Error::Malformed) }
}

/// Several lists of one generation: calls `read` until the generation is the same before and after, at most [`TRIES`]
/// times. `read` is told which generation that is, and begins anew each time.
///
/// # Errors
/// [`Error::Interrupted`] if it was another each time; any other of `read` at once.
pub fn consistent<T>(
    link: &mut Link,
    mut read: impl FnMut(&mut Link, u32) -> Result<T, Error>,
) -> Result<(u32, T), Error> {
    for _ in 0..TRIES {
        let before = get::generation(link)?;
        barrier(link)?;
        match read(link, before) {
            Ok(view) if get::generation(link)? == before => return Ok((before, view)),
            Ok(_) | Err(Error::Interrupted) => {}
            Err(e) => return Err(e),
        }
    }
    Err(Error::Interrupted)
}
