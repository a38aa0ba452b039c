//! What is still to be written. The peer reads when it likes; nothing here waits for it.
#![forbid(unsafe_code)]

use std::io;

use crate::limits::OUTPUT_PENDING_MAX;
use crate::sys::{fd, poll};
use crate::wire::write::Writer;

/// Encoded frames, and how much of them is written.
#[derive(Debug, Default)]
pub struct Output {
    frames: Writer,
    written: usize,
}

impl Output {
    /// Where to encode the next frame.
    pub fn frames(&mut self) -> &mut Writer {
        &mut self.frames
    }

    /// Whether something is still to be written.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.frames.len() > self.written
    }

    /// Whether the peer must read before more is answered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames.len().saturating_sub(self.written) >= OUTPUT_PENDING_MAX
    }

    /// Writes as much as the peer takes now.
    pub fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.frames.bytes().get(self.written..).filter(|rest| !rest.is_empty()) {
            match fd::write_some(rest)? {
                0 => {
                    self.forget();
                    return Ok(());
                }
                n => self.written = self.written.saturating_add(n),
            }
        }
        self.frames.clear();
        self.written = 0;
        Ok(())
    }

    /// Writes everything, for as long as the peer is there to take it.
    pub fn drain(&mut self) -> io::Result<()> {
        self.flush()?;
        while self.is_pending() {
            if poll::wait(false, true, None, std::iter::empty(), None)?.gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Gives back the memory of what was written: a peer that always leaves something unread would make it grow without
    /// end. Only in large pieces, since what is left is moved.
    fn forget(&mut self) {
        if self.written >= OUTPUT_PENDING_MAX {
            self.frames.discard_front(self.written);
            self.written = 0;
        }
    }
}

/// Writes a last frame and waits until the peer has taken it, for as long as it is there.
pub fn say(frames: Writer) -> io::Result<()> {
    Output { frames, written: 0 }.drain()
}
