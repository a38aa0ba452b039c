//! The loop. One thread: take the frames that have come, carry every running answer on by a slice, write what the peer
//! takes, wait for whatever comes next.
#![forbid(unsafe_code)]

use std::io;
use std::time::{Duration, Instant};

use crate::error::{Reason, Refusal};
use crate::exec::counters::Counters;
use crate::exec::dispatch::{self, Court};
use crate::exec::output::Output;
use crate::exec::running::Running;
use crate::harden::Confined;
use crate::limits::{PROC_FRAME_MAX, SLICE_MICROS};
use crate::policy::Policy;
use crate::protocol::hello::{self, Hello};
use crate::sys::fd::Arrived;
use crate::sys::{fd, poll};
use crate::wire::frame::{FrameBuffer, HeaderTooLarge, Input};

/// Serves until the peer goes: then `Ok`. A [`Refusal`] is a stream that can no longer be read.
pub fn serve(confined: &Confined, policy: Policy, hidden_proc: bool) -> io::Result<Option<Refusal>> {
    let mut output = Output::default();
    let greeting = Hello {
        role: confined.role(),
        held: confined.held(),
        missing: confined.missing(),
        features: confined.features(),
        findings: confined.findings(),
        policy: policy.name(),
    };
    hello::hello(output.frames(), &greeting);
    let court = Court { role: confined.role(), policy, held: confined.held(), hidden_proc };
    let mut port = Port {
        court,
        frames: FrameBuffer::new(PROC_FRAME_MAX),
        running: Running::default(),
        output,
        counters: Counters::new(),
    };
    port.run()
}

struct Port {
    court: Court,
    frames: FrameBuffer,
    running: Running,
    output: Output,
    counters: Counters,
}

impl Port {
    fn run(&mut self) -> io::Result<Option<Refusal>> {
        loop {
            let more = match self.take_frames() {
                Ok(more) => more,
                Err(header) => {
                    // What was answered before goes out before: the last frame must not stand inside another.
                    self.output.drain()?;
                    return Ok(Some(lost(&header)));
                }
            };
            if !self.output.is_full() {
                self.running.slice(&mut self.output, &mut self.counters);
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
                Some(Input::TooLong { .. }) => dispatch::too_long(&mut self.output, &mut self.counters),
                Some(Input::Frame(body)) => {
                    dispatch::frame(
                        body,
                        &self.court,
                        &mut self.running,
                        &mut self.output,
                        &mut self.counters,
                    );
                }
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
        let timeout =
            if self.running.can_run() && !full { Some(Duration::ZERO) } else { self.running.next_deadline() };
        if timeout.is_some() || self.output.is_pending() {
            let ready = poll::wait(!full, self.output.is_pending(), timeout)?;
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
            Arrived::Nothing => poll::wait(true, false, None).map(|ready| !ready.gone).map_err(Into::into),
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
