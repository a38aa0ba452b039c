//! Lists that the kernel gives in parts, and that everybody may ask for. It gives one at a time on a socket, and there is no
//! way to call one off but to take it to its end.
//!
//! So whoever asks while another list is under way waits for its turn: until the other is at its end, or what nobody wants of
//! it any more is thrown away. Only a reader who takes his time ([`Dump::park`]) is not waited for: the rest of his list is
//! kept for him, up to [`ASIDE_MAX`], and where it is longer than that, whoever came later is told `busy`. No call here does
//! more than some datagrams' work.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use nix::errno::Errno;

use super::attr::{Buffer, TooLong};
use super::message::{Ack, DONE, DUMP, DUMP_INTR, ERROR, HEADER, Messages, REQUEST};
use crate::sys::netlink::{Asked, Socket};

/// Bytes that are received at once. A part has 32 KiB at most, unless one object is longer (net/netlink/af_netlink.c,
/// `netlink_dump`).
pub const DATAGRAM: usize = 64 * 1024;

/// Bytes of lists that are kept for readers who take their time.
pub const ASIDE_MAX: usize = 8 << 20;

/// Datagrams that one call takes to make room for its own list: some 3 ms.
const STEPS: usize = 32;

/// Why there is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The socket.
    #[error("the netlink socket: {0}")]
    Socket(Errno),
    /// The kernel refused.
    #[error("the kernel refused: {0}")]
    Refused(Errno),
    /// Another list is under way, whose reader takes his time.
    #[error("another list is under way")]
    Busy,
    /// What came is not netlink, or ended early.
    #[error("what the kernel sent is not a list")]
    Malformed,
    /// The question is longer than its lengths can say.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// The sockets of both kinds.
#[derive(Debug)]
pub struct Links {
    sockets: Result<Link, Errno>,
    routes: Result<Link, Errno>,
}

impl Links {
    /// Neither.
    #[must_use]
    pub fn none() -> Self {
        Self { sockets: Err(Errno::ENOTCONN), routes: Err(Errno::ENOTCONN) }
    }

    /// Opens both, each under its number. What the kernel does not have, or a sandbox forbids, is said when it is asked for.
    ///
    /// # Errors
    /// Any other reason.
    pub fn open() -> Result<Self, Errno> {
        Ok(Self { sockets: Self::one(Asked::Sockets)?, routes: Self::one(Asked::Routes)? })
    }

    /// Opens both under any number: for who has no seccomp table to fit.
    #[must_use]
    pub fn unpinned() -> Self {
        let open = |asked| Socket::open_public(asked).map(Link::on);
        Self { sockets: open(Asked::Sockets), routes: open(Asked::Routes) }
    }

    fn one(asked: Asked) -> Result<Result<Link, Errno>, Errno> {
        match Socket::open_public(asked) {
            Ok(socket) => socket.pinned(asked.number()).map(|socket| Ok(Link::on(socket))),
            Err(e @ (Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EPERM | Errno::EACCES)) => {
                Ok(Err(e))
            }
            Err(e) => Err(e),
        }
    }

    /// The socket for such questions.
    ///
    /// # Errors
    /// Why there is none.
    pub fn link(&mut self, asked: Asked) -> Result<&mut Link, Errno> {
        let link = match asked {
            Asked::Sockets => &mut self.sockets,
            Asked::Routes => &mut self.routes,
        };
        link.as_mut().map_err(|e| *e)
    }
}

/// A list that the kernel has not ended.
#[derive(Debug)]
struct Live {
    seq: u32,
    /// Whether its reader takes his time; gone when nobody wants it any more.
    parked: Weak<Cell<bool>>,
}

/// What is kept of a list for a reader who takes his time.
#[derive(Debug)]
struct Aside {
    seq: u32,
    reader: Weak<Cell<bool>>,
    datagrams: VecDeque<Vec<u8>>,
}

/// A socket for questions.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    seq: u32,
    request: Buffer,
    live: Option<Live>,
    aside: Vec<Aside>,
    incoming: Vec<u8>,
}

/// How far a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next message is there: its kind, and where its bytes behind the header are ([`Dump::payload`]).
    Message(u16, std::ops::Range<usize>),
    /// There are no more.
    End,
}

impl Link {
    /// A link over the socket.
    #[must_use]
    pub fn on(socket: Socket) -> Self {
        Self { socket, seq: 0, request: Buffer::new(), live: None, aside: Vec::new(), incoming: Vec::new() }
    }

    /// Asks for all of a kind; `header` is the kind's own, and `fill` writes the attributes. Nothing: others come first, to be
    /// asked again.
    ///
    /// # Errors
    /// [`Error::Busy`]. What the kernel refuses, [`Dump::next`] says.
    pub fn dump(
        &mut self,
        kind: u16,
        header: &[u8],
        fill: impl FnOnce(&mut Buffer),
    ) -> Result<Option<Dump>, Error> {
        if !self.make_room()? {
            return Ok(None);
        }
        self.seq = self.seq.checked_add(1).unwrap_or(1);
        self.request.clear();
        let mark = self.request.message_of(kind, DUMP | REQUEST, self.seq, header);
        fill(&mut self.request);
        self.request.end_message(mark)?;
        self.socket.send(self.request.bytes()).map_err(Error::Socket)?;
        let dump = Dump::of(self.seq);
        self.live = Some(Live { seq: self.seq, parked: Rc::downgrade(&dump.parked) });
        Ok(Some(dump))
    }

    /// Whether no list is under way; where one is, some of it is taken out of the way.
    fn make_room(&mut self) -> Result<bool, Error> {
        self.aside.retain(|aside| aside.reader.strong_count() > 0);
        for _ in 0..STEPS {
            let Some(Live { seq, parked }) = &self.live else { return Ok(true) };
            let (seq, reader) = (*seq, parked.upgrade());
            if reader.as_ref().is_some_and(|parked| !parked.get()) {
                return Ok(false);
            }
            if reader.is_some() && self.kept() >= ASIDE_MAX {
                return Err(Error::Busy);
            }
            if self.incoming.is_empty() {
                self.incoming = vec![0; DATAGRAM];
            }
            let length = match self.socket.receive(&mut self.incoming) {
                Ok(received) => received.length,
                // Nothing is left of it although it has not said so: its reader will find it cut.
                Err(_) => {
                    self.live = None;
                    return Ok(true);
                }
            };
            let bytes = self.incoming.get(..length).unwrap_or(&[]);
            if ends(bytes, seq) {
                self.live = None;
            }
            if let Some(reader) = reader {
                let bytes = bytes.to_vec();
                match self.aside.iter_mut().find(|aside| aside.seq == seq) {
                    Some(aside) => aside.datagrams.push_back(bytes),
                    None => {
                        self.aside.push(Aside {
                            seq,
                            reader: Rc::downgrade(&reader),
                            datagrams: [bytes].into(),
                        });
                    }
                }
            }
        }
        Ok(self.live.is_none())
    }

    /// The kernel has ended the list.
    fn ended(&mut self, seq: u32) {
        self.live = self.live.take().filter(|live| live.seq != seq);
        self.aside.retain(|aside| aside.seq != seq);
    }

    /// Bytes that are kept.
    fn kept(&self) -> usize {
        self.aside.iter().flat_map(|aside| &aside.datagrams).map(Vec::len).sum()
    }

    /// The next datagram of a list, into `buffer`: how many bytes it has.
    fn take(&mut self, seq: u32, buffer: &mut Vec<u8>) -> Result<usize, Error> {
        if let Some(at) = self.aside.iter().position(|aside| aside.seq == seq) {
            let datagram = self.aside.get_mut(at).and_then(|aside| aside.datagrams.pop_front());
            if let Some(datagram) = datagram {
                *buffer = datagram;
                return Ok(buffer.len());
            }
            self.aside.remove(at);
        }
        if self.live.as_ref().is_none_or(|live| live.seq != seq) {
            return Err(Error::Malformed);
        }
        if buffer.len() < DATAGRAM {
            buffer.resize(DATAGRAM, 0);
        }
        let received = match self.socket.receive(buffer) {
            Ok(received) => received,
            // The kernel has the next part ready before it gives the last, so that there is nothing to wait for.
            Err(Errno::EAGAIN) => {
                self.live = None;
                return Err(Error::Malformed);
            }
            Err(e) => return Err(Error::Socket(e)),
        };
        if received.truncated { Err(Error::Malformed) } else { Ok(received.length) }
    }
}

/// Whether these messages end the list.
fn ends(bytes: &[u8], seq: u32) -> bool {
    Messages::new(bytes).any(|message| message.seq == seq && matches!(message.kind, DONE | ERROR))
}

/// A list that is being read. Dropped before its end, what is left of it reaches nobody.
#[derive(Debug)]
pub struct Dump {
    seq: u32,
    parked: Rc<Cell<bool>>,
    buffer: Vec<u8>,
    length: usize,
    at: usize,
    interrupted: bool,
    ended: bool,
}

impl Dump {
    fn of(seq: u32) -> Self {
        let parked = Rc::new(Cell::new(false));
        Self { seq, parked, buffer: Vec::new(), length: 0, at: 0, interrupted: false, ended: false }
    }

    /// A list of which these datagrams are all there is: what a fuzzer or a test makes up. Its number is 1.
    #[must_use]
    pub fn replayed(datagram: Vec<u8>) -> Self {
        Self { length: datagram.len(), buffer: datagram, ..Self::of(1) }
    }

    /// Whether the kernel has said that what it lists has changed meanwhile.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Its reader takes his time from now on, until it asks for the next message.
    pub fn park(&self) {
        self.parked.set(true);
    }

    /// Bytes of a message.
    #[must_use]
    pub fn payload(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or(&[])
    }

    /// The next message.
    ///
    /// # Errors
    /// After any, the list is over.
    pub fn next(&mut self, link: &mut Link) -> Result<Next, Error> {
        self.parked.set(false);
        loop {
            let next = self.buffered();
            if matches!(next, Ok(Some(Next::End)) | Err(Error::Refused(_))) {
                link.ended(self.seq);
            }
            if let Some(next) = next? {
                return Ok(next);
            }
            (self.length, self.at) = (link.take(self.seq, &mut self.buffer)?, 0);
        }
    }

    /// The next message of those that were received; nothing after the last.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn buffered(&mut self) -> Result<Option<Next>, Error> {
        while !self.ended && self.at < self.length {
            let rest = self.buffer.get(self.at..self.length).unwrap_or(&[]);
            let Some(message) = Messages::new(rest).next() else { return Err(Error::Malformed) };
            let start = self.at.saturating_add(HEADER);
            let range = start..start.saturating_add(message.payload.len());
            self.at = range.end.checked_next_multiple_of(4).unwrap_or(usize::MAX);
            if message.seq != self.seq {
                continue;
            }
            self.interrupted |= message.flags & DUMP_INTR != 0;
            let ended = match message.kind {
                DONE => message.done(),
                ERROR => Ack::of(&message).map(|ack| ack.errno),
                kind => return Ok(Some(Next::Message(kind, range))),
            };
            match ended.ok_or(Error::Malformed)? {
                0 => self.ended = true,
                errno => return Err(Error::Refused(Errno::from_raw(errno))),
            }
        }
        Ok(self.ended.then_some(Next::End))
    }
}
