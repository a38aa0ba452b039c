//! A conversation with a copy of the port program: frames to it and from it, neither of which waits.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::limits::{NODE_UNWRITTEN_MAX, REPLY_FRAME_MAX};
use crate::sys::fd;
use crate::wire::frame::{FrameBuffer, Input};

/// It ended, or what it says is not made of frames any more. Either way nothing more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Something.
    Some,
    /// Nothing yet.
    Nothing,
}

/// One conversation.
pub struct Session {
    socket: OwnedFd,
    input: FrameBuffer,
    unwritten: VecDeque<u8>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is carried may be anybody's secret.
        f.debug_struct("Session").field("unwritten", &self.unwritten.len()).finish_non_exhaustive()
    }
}

impl Session {
    /// With the copy at the other end of that socket.
    ///
    /// # Errors
    /// The socket.
    pub fn new(socket: OwnedFd) -> Result<Self, Errno> {
        fd::set_nonblocking(socket.as_fd())?;
        Ok(Self { socket, input: FrameBuffer::new(REPLY_FRAME_MAX), unwritten: VecDeque::new() })
    }

    /// Where it is written to and read from.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether something is still to be written.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Whether its peer has sent more than the copy takes, and must not be read on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.unwritten.len() >= NODE_UNWRITTEN_MAX
    }

    /// Sends a frame, as far as it is taken at once.
    ///
    /// # Errors
    /// [`Over`].
    pub fn send(&mut self, frame: &[u8]) -> Result<(), Over> {
        let length = u32::try_from(frame.len()).map_err(|_| Over)?;
        self.unwritten.extend(length.to_be_bytes());
        self.unwritten.extend(frame);
        self.flush()
    }

    /// Writes what the copy takes now.
    ///
    /// # Errors
    /// [`Over`].
    pub fn flush(&mut self) -> Result<(), Over> {
        while !self.unwritten.is_empty() {
            let (front, _) = self.unwritten.as_slices();
            match nix::unistd::write(&self.socket, front) {
                Ok(n) => drop(self.unwritten.drain(..n)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(_) => return Err(Over),
            }
        }
        // What one long frame took is not kept for short ones.
        self.unwritten.shrink_to(NODE_UNWRITTEN_MAX);
        Ok(())
    }

    /// Reads once, and gives every whole frame to `take`.
    ///
    /// # Errors
    /// [`Over`].
    pub fn read(&mut self, mut take: impl FnMut(&[u8])) -> Result<Read, Over> {
        match nix::unistd::read(&self.socket, self.input.space()) {
            Ok(0) => return Err(Over),
            Ok(n) => self.input.filled(n),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Read::Nothing),
            Err(_) => return Err(Over),
        }
        loop {
            match self.input.next_frame() {
                Ok(Some(Input::Frame(frame))) => take(frame),
                Ok(None) => return Ok(Read::Some),
                // A copy sends no frame above its bound.
                Ok(Some(Input::TooLong { .. })) | Err(_) => return Err(Over),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Session, UnixStream) {
        let (mine, its) = crate::sys::handover::stream().unwrap();
        (Session::new(mine).unwrap(), UnixStream::from(its))
    }

    fn frames(session: &mut Session) -> Result<Vec<Vec<u8>>, Over> {
        let mut found = Vec::new();
        while session.read(|frame| found.push(frame.to_vec()))? == Read::Some {}
        Ok(found)
    }

    #[test]
    fn frames_arrive_whole_in_both_directions() {
        let (mut session, mut copy) = pair();
        session.send(b"question").unwrap();
        session.send(b"").unwrap();
        let mut bytes = [0; 16];
        copy.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0\x08question\0\0\0\0");
        assert_eq!(frames(&mut session).unwrap(), Vec::<Vec<u8>>::new());
        copy.write_all(b"\0\0\0\x02ab\0\0\0\x03c").unwrap();
        assert_eq!(frames(&mut session).unwrap(), [b"ab".to_vec()]);
        copy.write_all(b"de").unwrap();
        assert_eq!(frames(&mut session).unwrap(), [b"cde".to_vec()]);
    }

    #[test]
    fn a_copy_that_reads_nothing_is_not_waited_for_and_what_waits_is_bounded_by_who_asks() {
        let (mut session, mut copy) = pair();
        let frame = vec![7; 100_000];
        let mut sent = 0;
        while !session.is_full() {
            session.send(&frame).unwrap();
            sent += 1;
        }
        assert!(session.is_pending() && sent * frame.len() < 2 * NODE_UNWRITTEN_MAX + 1_000_000, "{sent}");
        let total = sent * (frame.len() + 4);
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; total];
            copy.read_exact(&mut bytes).unwrap();
            copy
        });
        while session.is_pending() {
            session.flush().unwrap();
        }
        drop(reader.join().unwrap());
        // A test beside this one may be about to start a program, and have a copy of the other end for a moment.
        while let Ok(came) = frames(&mut session) {
            assert_eq!(came, Vec::<Vec<u8>>::new());
        }
        assert_eq!(session.send(b"x"), Err(Over));
    }

    #[test]
    fn what_is_no_frame_ends_it() {
        for header in [[0xff; 4], [0, 0x20, 0, 0]] {
            let (mut session, mut copy) = pair();
            copy.write_all(&header).unwrap();
            assert_eq!(frames(&mut session), Err(Over), "{header:?}");
        }
    }
}
