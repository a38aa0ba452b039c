//! One connection of a peer: bytes of a socket, the handshake, then messages. Nothing waits for the peer, and what waits for him is
//! bounded.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::sessions::Peer;
use super::turns::Spent;
use crate::dist::frame::{Frames, Input, TICK};
use crate::dist::handshake::{Acceptor, Connected, Failure, Guests, Progress};
use crate::exec::stream::certified::Certified;
use crate::exec::stream::{Stop, Stream, Trouble};
use crate::limits::{NODE_OUTPUT_MAX, NODE_TICK_S};

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// The peer has closed it, or the network has.
    #[error("it was closed")]
    Closed,
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(#[from] Trouble),
    /// The handshake failed.
    #[error("{0}")]
    Handshake(#[from] Failure),
    /// A frame above the bound.
    #[error("a frame of {0} bytes was announced")]
    TooLong(usize),
    /// Bytes that are no message.
    #[error("a message is malformed: {0}")]
    Malformed(&'static str),
    /// Nothing came for as long as a node may be silent.
    #[error("nothing came for {0} seconds")]
    Silent(u64),
    /// It holds more of a message than there is room for.
    #[error("there was no room for what it had begun to say")]
    Room,
    /// The peer reads nothing.
    #[error("the peer reads nothing")]
    Unread,
    /// The same node is there by another connection.
    #[error("it has connected again; what was left of its older connection is over")]
    Again,
}

/// What there is of the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Not all of it.
    Nothing,
    /// All of it.
    Whole,
    /// It is longer than a message may be; this is how it begins.
    Head,
}

/// How far a connection is.
pub enum Phase {
    /// Who it is is not known yet.
    Greeting(Box<Acceptor>),
    /// A node that has proved who it is.
    Up(Box<Up>),
}

/// What there is of a connected node.
#[derive(Debug)]
pub struct Up {
    /// Who it is.
    pub peer: Peer,
    /// What stands in the way of its messages.
    pub gate: Gate,
}

/// A connection.
pub struct Connection {
    /// Where it comes from.
    pub from: IpAddr,
    stream: Stream,
    frames: Frames,
    /// How far it is.
    pub phase: Phase,
    /// What it has said is not all heard yet: there was no room for what that would say or do.
    pub stalled: bool,
    /// Its time was over before all was heard that it has said.
    pub waits: bool,
    /// What it took of the node's time lately.
    pub spent: Spent,
    out: Vec<u8>,
    written: usize,
    /// Bytes that he may leave unread before no more is made for him.
    output_max: usize,
    heard: Instant,
    said: Instant,
}

impl Connection {
    /// One that has just come.
    #[must_use]
    pub fn new(stream: Stream, from: IpAddr, acceptor: Acceptor, now: Instant) -> Self {
        Self {
            from,
            frames: Frames::handshake(stream.length()),
            stream,
            phase: Phase::Greeting(Box::new(acceptor)),
            stalled: false,
            waits: false,
            spent: Spent::default(),
            out: Vec::new(),
            written: 0,
            output_max: NODE_OUTPUT_MAX,
            heard: now,
            said: now,
        }
    }

    /// Where it is read from and written to.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.fd()
    }

    /// Whether it is in the middle of saying who it is.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        matches!(&self.phase, Phase::Greeting(acceptor) if acceptor.has_begun() || self.stream.has_begun())
    }

    /// Whether something is still to be written.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.out.len() > self.written || self.stream.is_pending()
    }

    /// Whether the peer has to read before more is made for him.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.unread() >= self.output_max
    }

    /// Bytes of memory that what he has not read takes.
    #[must_use]
    pub fn output(&self) -> usize {
        self.out.capacity()
    }

    /// So much he may leave unread from now on.
    pub fn limit_output(&mut self, most: usize) {
        self.output_max = most;
        if self.out.is_empty() {
            self.out.shrink_to(most);
        }
    }

    /// Bytes that the peer has not read yet.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.out.len().saturating_sub(self.written)
    }

    /// What stands in the way of its messages, once it is known whose they are.
    pub fn gate(&mut self) -> Option<&mut Gate> {
        match &mut self.phase {
            Phase::Up(up) => Some(&mut up.gate),
            Phase::Greeting(_) => None,
        }
    }

    /// Bytes of memory that what it says takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.frames.memory()
    }

    /// Frames for the peer.
    pub fn send(&mut self, frames: &[u8]) {
        self.out.extend_from_slice(frames);
    }

    /// Writes what the peer takes now.
    ///
    /// # Errors
    /// Why it is over.
    pub fn flush(&mut self, now: Instant) -> Result<(), Over> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(n) => {
                    self.written = self.written.saturating_add(n);
                    self.said = now;
                }
                Err(Stop::Later) => {
                    // What is written is forgotten once it is as much as what is not: no byte is moved more than once or twice.
                    if self.written >= self.unread().max(self.output_max / 4) {
                        drop(self.out.drain(..self.written));
                        self.written = 0;
                    }
                    return Ok(());
                }
                Err(stop) => return stop.end(Over::Closed),
            }
        }
        self.out.clear();
        self.out.shrink_to(self.output_max);
        self.written = 0;
        self.stream.push().or_else(|stop| stop.end(Over::Closed))
    }

    /// Reads once. Take what came with [`next`](Self::next).
    ///
    /// # Errors
    /// Why it is over.
    pub fn read(&mut self, now: Instant) -> Result<(), Over> {
        match self.stream.fill(&mut self.frames) {
            Ok(came) => self.heard = if came { now } else { self.heard },
            Err(stop) => return stop.end(Over::Closed),
        }
        Ok(())
    }

    /// The next step of the handshake.
    ///
    /// # Errors
    /// Why it is over.
    pub fn greet(&mut self, guests: &impl Guests, now: Instant) -> Result<Option<Connected>, Over> {
        let Phase::Greeting(acceptor) = &mut self.phase else { return Ok(None) };
        let length = self.stream.length();
        while let Some(input) = self.frames.next().map_err(|long| Over::TooLong(long.announced))? {
            let Input::Frame(body) = input else { return Err(Over::Malformed("a tick in the handshake")) };
            let out = &mut self.out;
            let mut say = |body: &[u8]| out.extend(length.frame(body).unwrap_or_default());
            let guests = Certified::new(guests, self.stream.certificate());
            match acceptor.receive(body, &guests, now)? {
                Progress::Send(bodies) => bodies.iter().for_each(|body| say(body)),
                Progress::Refuse(body, failure) => {
                    say(&body);
                    let failure = guests.failure(failure);
                    let _ = self.flush(now);
                    return Err(failure.into());
                }
                Progress::Done(body, connected) => {
                    body.iter().for_each(|body| say(body));
                    return Ok(Some(connected));
                }
            }
        }
        Ok(None)
    }

    /// The handshake is over: messages follow.
    pub fn connected(&mut self, peer: Peer, gate: Gate, message_max: usize) {
        self.frames.connected(message_max);
        self.frames.pass_over_long();
        self.phase = Phase::Up(Box::new(Up { peer, gate }));
    }

    /// The file was read again: messages may have so many bytes.
    pub fn relimit(&mut self, message_max: usize) {
        if let Phase::Up(_) = self.phase {
            self.frames.connected(message_max);
        }
    }

    /// Takes the next message that has come whole, or the beginning of one that is too long. Ticks before it are answered here: one read can
    /// bring thousands of them.
    ///
    /// # Errors
    /// Why it is over.
    pub fn message(&mut self, body: &mut Vec<u8>, now: Instant) -> Result<Came, Over> {
        body.clear();
        loop {
            match self.frames.next().map_err(|long| Over::TooLong(long.announced))? {
                None => return Ok(Came::Nothing),
                Some(Input::Tick) => self.tick(now),
                Some(Input::Frame(message)) => {
                    body.extend_from_slice(message);
                    return Ok(Came::Whole);
                }
                Some(Input::Head { bytes, .. }) => {
                    body.extend_from_slice(bytes);
                    return Ok(Came::Head);
                }
            }
        }
    }

    /// Answers a tick, unless something was said just now: two that answered every tick would never rest.
    fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.said) >= Duration::from_secs(1) {
            self.send(&TICK);
            self.said = now;
        }
    }

    /// What the clock asks for: a tick, or the end.
    ///
    /// # Errors
    /// Why it is over.
    pub fn time(&mut self, now: Instant) -> Result<(), Over> {
        // Who is not listened to is not silent.
        if self.stalled || self.waits || self.is_full() {
            self.heard = now;
        }
        let Phase::Greeting(acceptor) = &self.phase else {
            let silence = Duration::from_secs(NODE_TICK_S * 4);
            // Whoever was stopped meanwhile, or has not come to it yet, is not to blame others for it.
            if now.saturating_duration_since(self.heard) >= silence && !self.stream.can().read {
                return Err(Over::Silent(silence.as_secs()));
            }
            if now.saturating_duration_since(self.said) >= silence && !self.stream.can().write {
                return Err(Over::Unread);
            }
            if !self.is_pending()
                && now.saturating_duration_since(self.said) >= Duration::from_secs(NODE_TICK_S)
            {
                self.send(&TICK);
                return self.flush(now);
            }
            return Ok(());
        };
        if now >= acceptor.deadline() { Err(Failure::Deadline.into()) } else { Ok(()) }
    }

    /// When the clock is to be asked again.
    #[must_use]
    pub fn due(&self) -> Instant {
        match &self.phase {
            Phase::Greeting(acceptor) => acceptor.deadline(),
            Phase::Up(_) => {
                let tick = Duration::from_secs(NODE_TICK_S);
                // Where the peer does not read, there is nothing to say before it is too late.
                let say = if self.is_pending() { tick * 4 } else { tick };
                (self.said + say).min(self.heard + tick * 4)
            }
        }
    }
}
