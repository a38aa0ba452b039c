//! Waiting for the peer.
#![forbid(unsafe_code)]

use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::fd::{stdin, stdout};

/// What can be done without waiting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// Input has come, or its end.
    pub input: bool,
    /// The peer closed its end of the output: nobody will ever read an answer.
    pub gone: bool,
}

/// Waits for input (if `input`), for room in the output (if `output`), or until `timeout`; for ever without one.
pub fn wait(input: bool, output: bool, timeout: Option<Duration>) -> Result<Ready, Errno> {
    let timeout = match timeout {
        None => PollTimeout::NONE,
        Some(Duration::ZERO) => PollTimeout::ZERO,
        // Rounded up, or the last part of a millisecond before a deadline would be a busy loop.
        Some(d) => PollTimeout::try_from(d.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX),
    };
    // A descriptor of no interest is left out altogether: poll tells of a hang-up whether asked or not, and at once.
    let output = PollFd::new(stdout(), if output { PollFlags::POLLOUT } else { PollFlags::empty() });
    let mut fds = [output, PollFd::new(stdin(), PollFlags::POLLIN)];
    let watched = if input { &mut fds[..] } else { &mut fds[..1] };
    match poll(watched, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Ready::default()),
        Err(e) => return Err(e),
    }
    let [o, i] = fds;
    let lost = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let gone = o.revents().is_none_or(|r| r.intersects(lost));
    Ok(Ready { input: input && i.any().unwrap_or(true), gone })
}
