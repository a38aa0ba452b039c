//! The loop. One thread: take the frames that have come, carry on what is running, write what the peer takes, wait for
//! whatever comes next.
#![forbid(unsafe_code)]

use std::io;
use std::iter;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::error::{Reason, Refusal};
use crate::exec::dispatch;
use crate::exec::output::Output;
use crate::exec::session::Session;
use crate::limits::{FRAME_HARD_MAX, SLICE_MICROS};
use crate::measure::{Measure, in_force};
use crate::protocol::hello::{self, Hello};
use crate::sys::fd::Arrived;
use crate::sys::{fd, poll};
use crate::wire::frame::{FrameBuffer, HeaderTooLarge, Input};

/// Greets, and serves until the peer goes: then `Ok`. A [`Refusal`] is a stream that can no longer be read.
pub fn serve(session: Session, greeting: &Hello<'_>) -> io::Result<Option<Refusal>> {
    let mut output = Output::default();
    hello::hello(output.frames(), greeting);
    let frame_max = if in_force(Measure::FrameBounds) { greeting.frame_max } else { FRAME_HARD_MAX };
    let mut port = Port { frames: FrameBuffer::new(frame_max), session, output };
    // The client has waited long enough: what can be done later is done now.
    port.output.flush()?;
    port.session.helpers.begin();
    let ended = port.run();
    // However it ended: what was to be confirmed and was not is taken back.
    port.session.end();
    ended
}

struct Port {
    frames: FrameBuffer,
    session: Session,
    output: Output,
}

impl Port {
    fn run(&mut self) -> io::Result<Option<Refusal>> {
        loop {
            let more = match self.take_frames() {
                Ok(more) => more,
                Err(header) => {
                    // Nobody can confirm anything any more, and the peer may never read.
                    self.session.end();
                    // What was answered before goes out before: the last frame must not stand inside another.
                    self.output.drain()?;
                    return Ok(Some(lost(&header)));
                }
            };
            // A peer that does not read is one that does not confirm: this waits for nobody.
            self.session.take_back_due(&mut self.output);
            if !self.output.is_full() {
                self.session.turn(&mut self.output);
            }
            self.output.flush()?;
            if (!more || self.output.is_full()) && !self.wait()? {
                return Ok(None);
            }
        }
    }

    /// Takes frames until there is none, the output is full, or the others must have their turn. Answers whether there may be
    /// more.
    fn take_frames(&mut self) -> Result<bool, HeaderTooLarge> {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        while !self.output.is_full() {
            match self.frames.next_frame()? {
                None => return Ok(false),
                Some(Input::TooLong { .. }) => dispatch::too_long(&mut self.session, &mut self.output),
                Some(Input::Frame(body)) => dispatch::frame(body, &mut self.session, &mut self.output),
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(true)
    }

    /// Waits for the next thing to do, and reads what has come. `false`: the peer has gone.
    fn wait(&mut self) -> io::Result<bool> {
        let full = self.output.is_full();
        // Most of what is due has nowhere to write to while the output is full.
        let timeout = if full { self.session.unconfirmed_for() } else { self.session.idle_for() };
        let end = self.session.termination.as_ref().map(AsFd::as_fd);
        let listens = self.session.sockets().next().is_some();
        if timeout.is_some() || self.output.is_pending() || end.is_some() || listens {
            // Nothing is taken from the sockets meanwhile either, and what came would wake the loop for ever.
            let sockets = self.session.sockets().filter(|_| !full);
            let ready = poll::wait(!full, self.output.is_pending(), end, sockets, timeout)?;
            if ready.gone {
                return Ok(false);
            }
            if !ready.input {
                return Ok(true);
            }
        }
        match fd::read_some(self.frames.space())? {
            Arrived::End => Ok(false),
            Arrived::Bytes(n) => {
                self.frames.filled(n);
                Ok(true)
            }
            // Both standard descriptors are one socket, which does not wait by itself.
            Arrived::Nothing => poll::wait(true, false, None, iter::empty(), None)
                .map(|ready| !ready.gone)
                .map_err(Into::into),
        }
    }
}

fn lost(header: &HeaderTooLarge) -> Refusal {
    Refusal::new(
        Reason::HeaderTooLarge,
        format!(
            "a frame header announced {} bytes: the stream is not made of {{packet, 4}} frames any more",
            header.announced
        ),
        "open the port with {packet, 4} and send every frame in one port_command",
    )
}
