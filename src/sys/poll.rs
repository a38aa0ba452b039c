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

/// Waits for something on one descriptor, for ever.
pub fn wait_for(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
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

/// A descriptor, and what is waited for on it.
#[derive(Clone, Copy, Debug)]
pub struct Interest<'f> {
    /// The descriptor.
    pub fd: BorrowedFd<'f>,
    /// Input, or the end.
    pub read: bool,
    /// Room.
    pub write: bool,
}

/// What can be done with a descriptor without waiting. With one that has failed it is both, and whoever tries learns why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Can {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
}

/// Waits until something can be done with one of them, at most until `timeout`: what, in their order.
pub fn any(interests: &[Interest<'_>], timeout: Option<Duration>) -> Result<Vec<Can>, Errno> {
    let timeout = match timeout {
        None => PollTimeout::NONE,
        Some(d) => PollTimeout::try_from(d.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX),
    };
    until(interests, timeout)
}

/// What can be done now, in their order. Nothing is waited for.
pub fn now(interests: &[Interest<'_>]) -> Result<Vec<Can>, Errno> {
    until(interests, PollTimeout::ZERO)
}

fn until(interests: &[Interest<'_>], timeout: PollTimeout) -> Result<Vec<Can>, Errno> {
    let flags = |interest: &Interest<'_>| {
        let read = if interest.read { PollFlags::POLLIN } else { PollFlags::empty() };
        let write = if interest.write { PollFlags::POLLOUT } else { PollFlags::empty() };
        read | write
    };
    // A hang-up is told of whether asked or not: whoever waits for nothing is left out, or the loop would spin.
    let asked: Vec<usize> = (0..)
        .zip(interests)
        .filter(|(_, interest)| interest.read || interest.write)
        .map(|(n, _)| n)
        .collect();
    let of = |n: &usize| interests.get(*n).map(|interest| PollFd::new(interest.fd, flags(interest)));
    let mut fds: Vec<PollFd<'_>> = asked.iter().filter_map(of).collect();
    let mut ready = vec![Can::default(); interests.len()];
    match poll(&mut fds, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(ready),
        Err(e) => return Err(e),
    }
    let lost = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
    for (n, fd) in asked.iter().zip(&fds) {
        let came = fd.revents().unwrap_or(lost);
        if let Some(slot) = ready.get_mut(*n) {
            slot.read = came.intersects(PollFlags::POLLIN | lost);
            slot.write = came.intersects(PollFlags::POLLOUT | lost);
        }
    }
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_nothing_is_waited_for_wakes_nobody() {
        let (here, there) = UnixStream::pair().unwrap();
        let (other, _kept) = UnixStream::pair().unwrap();
        let all = |read, write| {
            [
                Interest { fd: here.as_fd(), read, write },
                Interest { fd: other.as_fd(), read: true, write: false },
            ]
        };
        let soon = Some(Duration::from_millis(20));
        let can = |read, write| [Can { read, write }, Can::default()];
        assert_eq!(any(&all(true, true), soon).unwrap(), can(false, true));
        drop(there);
        assert_eq!(any(&all(true, false), soon).unwrap(), can(true, true));
        let before = Instant::now();
        assert_eq!(any(&all(false, false), soon).unwrap(), can(false, false));
        assert!(before.elapsed() >= Duration::from_millis(20));
    }
}
