//! The loop. One thread: take the frames that have come, carry every running answer on by a slice, write what the peer
//! takes, wait for whatever comes next.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::error::{Reason, Refusal, RequestError};
use crate::exec::dispatch::{self, Court, Waiting};
use crate::exec::output::Output;
use crate::exec::rows::{Progress, RowAnswer};
use crate::harden::Confined;
use crate::ids::RequestId;
use crate::limits::{IN_FLIGHT_MAX, PROC_FRAME_MAX, SCANS_MAX};
use crate::policy::Policy;
use crate::protocol::hello::{self, Hello};
use crate::protocol::reply;
use crate::sys::fd::Arrived;
use crate::sys::{clock, fd, poll};
use crate::wire::atoms;
use crate::wire::frame::{FrameBuffer, HeaderTooLarge, Input};
use crate::wire::write::Writer;

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
                Err(header) => return Ok(Some(lost(&header))),
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

    /// Takes frames until there is none or the output is full. Answers whether there may be more.
    fn take_frames(&mut self) -> Result<bool, HeaderTooLarge> {
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

/// What the port has done.
#[derive(Debug)]
pub struct Counters {
    /// Requests taken.
    pub requests: u64,
    /// Requests answered with an error, and messages that were none.
    pub errors: u64,
    /// Frames that were not an accepted term.
    pub bad_frames: u64,
    rows: u64,
    started: Instant,
}

impl Counters {
    fn new() -> Self {
        Self { requests: 0, errors: 0, bad_frames: 0, rows: 0, started: Instant::now() }
    }

    /// The value of an `info` answer.
    pub fn write(&self, w: &mut Writer, in_flight: usize) {
        w.map(6);
        for (key, value) in [
            (atoms::REQUESTS, self.requests),
            (atoms::ERRORS, self.errors),
            (atoms::BAD_FRAMES, self.bad_frames),
            (atoms::ROWS, self.rows),
            (atoms::IN_FLIGHT, u64::try_from(in_flight).unwrap_or(u64::MAX)),
            (atoms::UPTIME, clock::micros(self.started.elapsed())),
        ] {
            w.atom(key);
            w.uint(value);
        }
    }
}

/// The row answers that are not finished: some running, the others waiting for their turn.
#[derive(Debug, Default)]
pub struct Running {
    active: VecDeque<(Instant, RowAnswer)>,
    waiting: VecDeque<Waiting>,
}

impl Running {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.active.len().saturating_add(self.waiting.len())
    }

    /// Whether one of them has this id.
    pub fn has(&self, id: RequestId) -> bool {
        self.active.iter().any(|(_, a)| a.id() == id) || self.waiting.iter().any(|w| w.id == id)
    }

    /// Puts one behind the others.
    pub fn queue(&mut self, waiting: Waiting) -> Result<(), RequestError> {
        if self.len() >= IN_FLIGHT_MAX {
            return Err(RequestError::Overloaded);
        }
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// Ends one because its client wants so.
    pub fn cancel(&mut self, id: RequestId, output: &mut Output) {
        if self.has(id) {
            self.active.retain(|(_, a)| a.id() != id);
            self.waiting.retain(|w| w.id != id);
            reply::error(output.frames(), id, &RequestError::Cancelled);
        }
    }

    /// Allows one more chunks. Credit for an answer that has ended came too late, and is no mistake.
    pub fn grant(&mut self, id: RequestId, chunks: u32) {
        if let Some((_, answer)) = self.active.iter_mut().find(|(_, a)| a.id() == id) {
            answer.grant(chunks);
        }
        if let Some(waiting) = self.waiting.iter_mut().find(|w| w.id == id) {
            waiting.granted = waiting.granted.saturating_add(chunks);
        }
    }

    /// Ends what is too late, begins what has its turn, and carries one answer on.
    fn slice(&mut self, output: &mut Output, counters: &mut Counters) {
        self.expire(output, counters);
        while self.active.len() < SCANS_MAX {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let (id, deadline) = (waiting.id, waiting.deadline);
            match waiting.begin() {
                Ok(answer) => self.active.push_back((deadline, answer)),
                Err(error) => {
                    counters.errors = counters.errors.saturating_add(1);
                    reply::error(output.frames(), id, &error);
                }
            }
        }
        let Some(at) = self.active.iter().position(|(_, a)| a.can_run()) else { return };
        let Some((deadline, mut answer)) = self.active.remove(at) else { return };
        let before = answer.rows();
        let progress = answer.run(output.frames());
        counters.rows = counters.rows.saturating_add(answer.rows().saturating_sub(before));
        if progress == Progress::Going {
            // To the end of the queue, so that the others get their turn first.
            self.active.push_back((deadline, answer));
        }
    }

    fn expire(&mut self, output: &mut Output, counters: &mut Counters) {
        if self.len() == 0 {
            return;
        }
        let now = Instant::now();
        let late_active = self.active.iter().filter(|(deadline, _)| *deadline <= now).map(|(_, a)| a.id());
        let late_waiting = self.waiting.iter().filter(|w| w.deadline <= now).map(|w| w.id);
        for id in late_active.chain(late_waiting) {
            counters.errors = counters.errors.saturating_add(1);
            reply::error(output.frames(), id, &RequestError::Timeout);
        }
        self.active.retain(|(deadline, _)| *deadline > now);
        self.waiting.retain(|w| w.deadline > now);
    }

    fn can_run(&self) -> bool {
        self.active.iter().any(|(_, a)| a.can_run())
            || (!self.waiting.is_empty() && self.active.len() < SCANS_MAX)
    }

    fn next_deadline(&self) -> Option<Duration> {
        let active = self.active.iter().map(|(deadline, _)| *deadline);
        let next = active.chain(self.waiting.iter().map(|w| w.deadline)).min()?;
        // Never zero: that would read as "do not wait", and an expired answer is ended in the next turn anyway.
        Some(next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
    }
}
