//! One of the two sockets of a connection through the gateway: what came from there, and what waits to go there. Nothing waits for it.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::dist::certificate::Certificate;
use crate::dist::frame::{Frames, Length, TICK};
use crate::dist::handshake::Failure;
use crate::exec::stream::{Stop, Stream, Trouble};
use crate::limits::{DIST_READ_MAX, GATEWAY_ANSWERS_MAX, GATEWAY_KEPT, GATEWAY_SHARE, NODE_TICK_S};

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// The node has closed it, or the network has.
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
    /// It reads nothing.
    #[error("it reads nothing")]
    Unread,
    /// A long message did not come to its end while others had no room for theirs.
    #[error("a message did not come to its end")]
    Slow,
    /// There is nobody behind the gateway.
    #[error("the protected node cannot be reached: {0}")]
    Unreachable(String),
    /// It was started again since it was asked who it is.
    #[error("the protected node has been started again")]
    Restarted,
    /// The same node is there by another connection.
    #[error("it has connected again; what was left of its older connection is over")]
    Again,
}

/// How long what a long message took is kept for the next.
const QUIET: Duration = Duration::from_secs(1);

/// How long a node may be silent, or read nothing.
const PATIENCE: Duration = Duration::from_secs(NODE_TICK_S * 4);

/// One side.
pub struct Leg {
    stream: Stream,
    /// What came from there.
    pub frames: Frames,
    /// Of that, frames that were accepted and are not written to the other side yet. They stay where they are until then, so nothing is
    /// read meanwhile.
    pub run: Range<usize>,
    /// Frames of the gateway's own for there.
    out: Vec<u8>,
    written: usize,
    /// Its time was over before all was judged that it has said.
    pub waits: bool,
    /// It says no more.
    pub closed: bool,
    /// There is no room for a larger message just now.
    pub held: bool,
    /// Since when it is large and there is no room.
    large_since: Option<Instant>,
    heard: Instant,
    said: Instant,
}

impl Leg {
    /// Over a connection, before its handshake.
    #[must_use]
    pub fn new(stream: Stream, now: Instant) -> Self {
        Self {
            frames: Frames::handshake(stream.length()),
            stream,
            run: 0..0,
            out: Vec::new(),
            written: 0,
            waits: false,
            closed: false,
            held: false,
            large_since: None,
            heard: now,
            said: now,
        }
    }

    /// Where it is read from and written to.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.fd()
    }

    /// How long the length of a frame of its handshake is.
    #[must_use]
    pub fn length(&self) -> Length {
        self.stream.length()
    }

    /// Who it has proved to be, where there is TLS to do so.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        self.stream.certificate()
    }

    /// Whether a handshake of TLS was begun there.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.stream.has_begun()
    }

    /// Whether nothing was said there just now: two that answered every tick would never rest.
    #[must_use]
    pub fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.said) >= Duration::from_secs(1)
    }

    /// Frames of the gateway's own. They go between two others.
    pub fn say(&mut self, frames: &[u8]) {
        if !self.closed {
            self.out.extend_from_slice(frames);
        }
    }

    /// Whether frames of the gateway's own wait.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.out.len() > self.written
    }

    /// Whether something waits to be written there: those, or what TLS has taken or says by itself.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.is_waiting() || self.stream.is_pending()
    }

    /// Whether it has to read answers before more can be made for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.out.len().saturating_sub(self.written) >= GATEWAY_ANSWERS_MAX
    }

    /// Bytes of memory that are held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.frames.memory().saturating_add(self.out.capacity())
    }

    /// Whether it holds more than every connection may.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.memory() > GATEWAY_KEPT.saturating_add(DIST_READ_MAX)
    }

    /// Whether it holds more than it may where all together hold as much as they may. Those that are not long can be so many that there is no
    /// memory left: 255 messages of 1.2 MB that did not come to their end took all of it, and the gateway ended.
    fn is_large(&self) -> bool {
        self.memory() > GATEWAY_SHARE
    }

    /// Reads once from the socket.
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

    /// Writes what it takes now of the frames that `source` has for it, and then of the gateway's own. Answers whether anything went.
    ///
    /// # Errors
    /// It is closed.
    pub fn take(&mut self, source: &mut Leg, now: Instant) -> Result<bool, Over> {
        let n = self.write(source.frames.bytes(&source.run), now)?;
        source.run.start = source.run.start.saturating_add(n);
        if n > 0 && source.run.is_empty() && source.is_long() {
            // What a long message took is not kept until the next one comes.
            let _ = source.frames.space();
        }
        let own = source.run.is_empty() && self.flush(now)?;
        Ok(n > 0 || own)
    }

    /// Writes what it takes now of the gateway's own frames, and of what TLS holds. Answers whether any of the frames went.
    ///
    /// # Errors
    /// It is closed.
    pub fn flush(&mut self, now: Instant) -> Result<bool, Over> {
        if !self.is_waiting() {
            self.stream.push().or_else(|stop| stop.end(Over::Closed))?;
            return Ok(false);
        }
        let out = std::mem::take(&mut self.out);
        let written = self.write(out.get(self.written..).unwrap_or_default(), now);
        self.out = out;
        let written = written?;
        self.written = self.written.saturating_add(written);
        if !self.is_waiting() {
            self.out.clear();
            self.out.shrink_to(DIST_READ_MAX);
            self.written = 0;
            self.stream.push().or_else(|stop| stop.end(Over::Closed))?;
        }
        // Who takes nothing is waited for, and not asked again and again.
        Ok(written > 0)
    }

    fn write(&mut self, mut bytes: &[u8], now: Instant) -> Result<usize, Over> {
        let all = bytes.len();
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => {
                    bytes = bytes.get(n..).unwrap_or_default();
                    self.said = now;
                }
                Err(Stop::Later) => break,
                Err(stop) => stop.end(Over::Closed)?,
            }
        }
        Ok(all.saturating_sub(bytes.len()))
    }

    /// What the clock asks for: a tick, or the end. `listens`: it is read from; `pending`: something waits to be written to it.
    ///
    /// # Errors
    /// Why it is over.
    pub fn time(&mut self, listens: bool, pending: bool, now: Instant) -> Result<(), Over> {
        // Who is not read cannot be heard.
        if !listens {
            self.heard = now;
        }
        let (silence, quiet) =
            (now.saturating_duration_since(self.heard), now.saturating_duration_since(self.said));
        if silence.max(quiet) >= PATIENCE {
            // Whoever was stopped meanwhile, or has not come to it yet, is not to blame others for it.
            let can = self.stream.can();
            if silence >= PATIENCE && !can.read {
                return Err(Over::Silent(PATIENCE.as_secs()));
            }
            if quiet >= PATIENCE && !can.write {
                return Err(Over::Unread);
            }
        }
        if !pending && quiet >= Duration::from_secs(NODE_TICK_S) {
            self.say(&TICK);
            self.flush(now)?;
        }
        Ok(())
    }

    /// When the clock is to be asked again.
    #[must_use]
    pub fn due(&self, pending: bool) -> Instant {
        let say = if pending { PATIENCE } else { Duration::from_secs(NODE_TICK_S) };
        (self.said + say).min(self.heard + PATIENCE)
    }

    /// Whether it may be read where all have `room`, or where it is its `turn` though there is none.
    ///
    /// # Errors
    /// It had its time for one message.
    pub fn ration(&mut self, room: bool, turn: &mut bool, now: Instant) -> Result<(), Over> {
        let recent = now.saturating_duration_since(self.heard) < QUIET;
        self.frames.keep(if room && recent { GATEWAY_KEPT } else { 0 });
        if !recent && self.run.is_empty() {
            // A second without a word: what a long message took is given back.
            let _ = self.frames.space();
        }
        if room || !self.is_large() {
            (self.held, self.large_since) = (false, None);
            return Ok(());
        }
        let since = *self.large_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= PATIENCE {
            return Err(Over::Slow);
        }
        self.held = !std::mem::take(turn);
        Ok(())
    }
}
