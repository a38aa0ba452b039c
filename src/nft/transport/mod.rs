//! The way to the kernel's nftables, in bytes: batches of changes (`batch`, `replies`), dumps (`dump`), single questions
//! (`get`) and events (`watch`). Nothing here knows what a rule is.
//!
//! Whoever calls has `CAP_NET_ADMIN` in the effective set: every request is judged by it when it is sent
//! (net/netfilter/nfnetlink.c, `nfnetlink_rcv`), and so is the question after the generation that ends a dump.
#![forbid(unsafe_code)]

pub mod batch;
pub mod dump;
pub mod get;
pub mod replies;
pub mod watch;

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;

use nix::errno::Errno;

use crate::netlink::attr::{Buffer, TooLong};
use crate::netlink::message::{Ack, DONE, ERROR, Messages, REQUEST};
use crate::sys::netlink::{REQUESTS, Room, Socket, UNDO};

/// `NFNL_SUBSYS_NFTABLES` (include/uapi/linux/netfilter/nfnetlink.h).
pub const SUBSYSTEM: u8 = 10;

/// The kind of a message of nftables, by its number (`enum nf_tables_msg_types`).
#[must_use]
pub const fn kind(number: u16) -> u16 {
    (SUBSYSTEM as u16) << 8 | number
}

/// `NFT_MSG_NEWSETELEM`, `NFT_MSG_NEWGEN`, `NFT_MSG_GETGEN`.
const NEWSETELEM: u16 = kind(12);
pub(super) const NEWGEN: u16 = kind(15);
const GETGEN: u16 = kind(16);

/// What is received at once. The kernel never fills more than 32 KiB with a dump (`netlink_recvmsg`), and echoes come in
/// packets of a page or two. Measured on Linux 6.18: with 4 KiB a dump of 10,000 rules takes twice as long, with more than 64
/// no less.
pub const DATAGRAM: usize = 64 * 1024;

/// Room in the socket. Sending: the longest batch. Receiving: the echoes of 100,000 small rules fit; beyond it the outcome is
/// known all the same, see [`batch::run`].
pub const ROOM: Room = Room { receive: 16 << 20, send: 32 << 20 };

/// Bytes of a dump that are kept for a reader who has not come yet.
const ASIDE_MAX: usize = 16 << 20;

/// How long an answer may take. The kernel answers before sendto(2) returns, so that this is never waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sequence numbers of questions and dumps; those of batches are below.
const SEQ_MIN: u32 = 1 << 31;

/// What is wrong with a request, as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error, never 0.
    pub errno: i32,
    /// Where in the request, counted from its header on.
    pub offset: Option<u32>,
    /// What is wrong, for a person.
    pub text: Option<Vec<u8>>,
}

impl Refusal {
    fn of(ack: &Ack<'_>) -> Self {
        Self { errno: ack.errno, offset: ack.offset, text: ack.text.map(<[u8]>::to_vec) }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The socket.
    #[error("the netlink socket: {0}")]
    Socket(Errno),
    /// The kernel refused.
    #[error("the kernel refused: {}", Errno::from_raw(.0.errno))]
    Refused(Refusal),
    /// What was listed has changed meanwhile, again and again, or after some of it was given out.
    #[error("the ruleset changed while it was read; ask again")]
    Interrupted,
    /// The kernel did not answer.
    #[error("the kernel did not answer")]
    TimedOut,
    /// A datagram was longer than the buffer.
    #[error("an answer was longer than {DATAGRAM} bytes")]
    Truncated,
    /// What came is not netlink.
    #[error("what the kernel sent is not netlink")]
    Malformed,
    /// Answers were lost.
    #[error("answers did not fit into the socket's receive buffer; ask for less at once")]
    Overrun,
    /// Longer than lengths can say.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// `EMSGSIZE`.
    #[error(
        "a batch of {bytes} bytes is above the {room} that the socket sends at once; split it, or grant CAP_NET_ADMIN \
         at start, or raise net.core.wmem_max"
    )]
    TooBig {
        /// What was to be sent.
        bytes: usize,
        /// What can be.
        room: usize,
    },
    /// `ENOBUFS` on sending.
    #[error("the kernel has no memory for a batch of {bytes} bytes; split it")]
    NoMemory {
        /// What was to be sent.
        bytes: usize,
    },
}

/// A dump that the kernel has not ended.
#[derive(Debug)]
struct Live {
    seq: u32,
    /// Gone when nobody wants it any more.
    reader: Weak<()>,
}

/// The rest of a dump that was read to its end because something else had to be asked.
#[derive(Debug)]
struct Aside {
    seq: u32,
    reader: Weak<()>,
    datagrams: VecDeque<Vec<u8>>,
    /// How it ended: the generation by then.
    end: Result<u32, Error>,
}

/// The socket for requests, and what is under way on it: one dump at most, of which the rest is put aside when something
/// else is asked. So a reader may take his time, and holds up nobody.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    seq: u32,
    request: Buffer,
    incoming: Vec<u8>,
    /// Another such buffer, for a datagram that has to wait.
    spare: Vec<u8>,
    /// Whether the kernel acknowledges the end of a batch; asked once.
    acknowledges_end: Option<bool>,
    live: Option<Live>,
    aside: Vec<Aside>,
    /// Whether all was read that can have come: the last answer came to its end. Asking costs a call otherwise.
    quiet: bool,
}

impl Link {
    /// Opens the socket, on descriptor [`REQUESTS`].
    pub fn open() -> Result<Self, Errno> {
        Ok(Self::on(Socket::open(ROOM)?.pinned(REQUESTS)?))
    }

    /// Opens another, on descriptor [`UNDO`]: what is under way on the first does not hold it up.
    pub fn open_undo() -> Result<Self, Errno> {
        Ok(Self::on(Socket::open(ROOM)?.pinned(UNDO)?))
    }

    /// On a socket that is open already.
    #[must_use]
    pub fn on(socket: Socket) -> Self {
        Self {
            socket,
            seq: SEQ_MIN,
            request: Buffer::new(),
            incoming: vec![0; DATAGRAM],
            spare: vec![0; DATAGRAM],
            acknowledges_end: None,
            live: None,
            aside: Vec::new(),
            quiet: false,
        }
    }

    /// Sends a request of its own number, which is returned. Nothing else is under way then, and nothing unread.
    fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        fill: impl FnOnce(&mut Buffer),
    ) -> Result<u32, Error> {
        self.settle();
        self.seq = self.seq.checked_add(1).unwrap_or(SEQ_MIN);
        self.request.clear();
        let mark = self.request.message(kind, flags | REQUEST, self.seq, family, 0);
        fill(&mut self.request);
        self.request.end_message(mark)?;
        self.quiet = false;
        send(&self.socket, self.request.bytes())?;
        Ok(self.seq)
    }

    /// Takes the next datagram into `incoming`: how many bytes it has.
    fn take(&mut self) -> Result<usize, Error> {
        for _ in 0..2 {
            match self.socket.receive(&mut self.incoming) {
                Ok(received) if received.truncated => return Err(Error::Truncated),
                Ok(received) => return Ok(received.length),
                Err(Errno::ENOBUFS) => return Err(Error::Overrun),
                Err(Errno::EAGAIN) => {}
                Err(e) => return Err(Error::Socket(e)),
            }
            if !self.socket.wait(PATIENCE).map_err(Error::Socket)? {
                break;
            }
        }
        Err(Error::TimedOut)
    }

    /// What `take` has taken.
    fn taken(&self, length: usize) -> Messages<'_> {
        Messages::new(self.incoming.get(..length).unwrap_or(&[]))
    }

    /// Puts aside what is left of a dump that somebody still reads, and throws away everything else that has come.
    fn settle(&mut self) {
        self.aside.retain(|aside| aside.reader.strong_count() > 0);
        if let Some(live) = self.live.take() {
            self.put_aside(live);
            self.quiet = false;
        }
        while !self.quiet {
            self.quiet = matches!(self.socket.receive(&mut self.incoming), Err(e) if e != Errno::ENOBUFS);
        }
    }

    fn put_aside(&mut self, Live { seq, reader }: Live) {
        let mut datagrams = VecDeque::new();
        let mut room = self
            .aside
            .iter()
            .fold(ASIDE_MAX, |room, aside| room.saturating_sub(aside.datagrams.iter().map(Vec::len).sum()));
        let mut lost = None;
        let ended = loop {
            // A dump goes on with every datagram that is taken, so that there is one until it ends.
            let length = match self.socket.receive(&mut self.incoming) {
                Ok(received) if received.truncated => break Err(Error::Truncated),
                Ok(received) => received.length,
                Err(Errno::ENOBUFS) => break Err(Error::Overrun),
                Err(Errno::EAGAIN) => break Err(Error::TimedOut),
                Err(e) => break Err(Error::Socket(e)),
            };
            let ends = self.taken(length).any(|m| m.seq == seq && matches!(m.kind, DONE | ERROR));
            if reader.strong_count() == 0 || length > room {
                lost = Some(Error::Interrupted);
                datagrams.clear();
            } else if lost.is_none() {
                room = room.saturating_sub(length);
                datagrams.extend(self.incoming.get(..length).map(<[u8]>::to_vec));
            }
            if ends {
                break Ok(());
            }
        };
        if reader.strong_count() > 0 {
            let end = match (lost, ended) {
                (Some(e), _) | (None, Err(e)) => Err(e),
                (None, Ok(())) => get::generation(self),
            };
            self.aside.push(Aside { seq, reader, datagrams, end });
        }
    }
}

/// Sends, and says what to do where that fails for size.
fn send(socket: &Socket, bytes: &[u8]) -> Result<(), Error> {
    socket.send(bytes).map_err(|e| match e {
        Errno::EMSGSIZE => Error::TooBig { bytes: bytes.len(), room: socket.room().unwrap_or(0) },
        Errno::ENOBUFS | Errno::ENOMEM => Error::NoMemory { bytes: bytes.len() },
        e => Error::Socket(e),
    })
}
