//! Waiting for the peer, and for what else can come.
#![forbid(unsafe_code)]

use std::os::fd::BorrowedFd;
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

/// Waits for input (if `input`), for room in the output (if `output`), for something on one of `others`, or until `timeout`;
/// for ever without one. Something on `end` is as good as the peer's going.
pub fn wait<'o>(
    input: bool,
    output: bool,
    end: Option<BorrowedFd<'o>>,
    others: impl Iterator<Item = BorrowedFd<'o>>,
    timeout: Option<Duration>,
) -> Result<Ready, Errno> {
    let timeout = match timeout {
        None => PollTimeout::NONE,
        Some(Duration::ZERO) => PollTimeout::ZERO,
        // Rounded up, or the last part of a millisecond before a deadline would be a busy loop.
        Some(d) => PollTimeout::try_from(d.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX),
    };
    // A descriptor of no interest is left out altogether: poll tells of a hang-up whether asked or not, and at once.
    let output = PollFd::new(stdout(), if output { PollFlags::POLLOUT } else { PollFlags::empty() });
    let others = others.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
    fds.push(output);
    fds.extend(input.then(|| PollFd::new(stdin(), PollFlags::POLLIN)));
    let asked = end.map(|fd| {
        fds.push(PollFd::new(fd, PollFlags::POLLIN));
        fds.len().saturating_sub(1)
    });
    fds.extend(others);
    match poll(&mut fds, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Ready::default()),
        Err(e) => return Err(e),
    }
    let lost = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    let ended = asked.and_then(|at| fds.get(at)).and_then(PollFd::any).unwrap_or(false);
    let gone = ended || fds.first().and_then(PollFd::revents).is_none_or(|r| r.intersects(lost));
    let came = fds.get(1).and_then(PollFd::any).unwrap_or(true);
    Ok(Ready { input: input && came, gone })
}
