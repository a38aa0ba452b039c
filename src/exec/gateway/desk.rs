//! The gateway's side of its dialer. One question is on the way at a time; who has gone meanwhile is not called for.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::dialer::{DONE, MESSAGE_MAX, PROBE, question};
use crate::dist::handshake::flags::Flags;
use crate::dist::handshake::message::Hello;
use crate::sys::{fd, handover};

/// What has to be known of the protected node before a peer can be told that it speaks with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it can do.
    pub flags: Flags,
    /// Which start of it this is.
    pub creation: u32,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Who the node is.
    Facts,
    /// A connection with it, for this one.
    Call(u64),
}

/// What came of it, or why nothing did.
pub type Answer = Result<(Facts, Option<TcpStream>), String>;

/// The socket to the dialer, and who waits for it.
#[derive(Debug)]
pub struct Desk {
    dialer: OwnedFd,
    asked: Option<Asked>,
    facts: bool,
    calls: VecDeque<(u64, Vec<u8>)>,
}

impl Desk {
    /// Over that socket.
    ///
    /// # Errors
    /// The socket.
    pub fn new(dialer: OwnedFd) -> Result<Self, Errno> {
        fd::set_nonblocking(dialer.as_fd())?;
        Ok(Self { dialer, asked: None, facts: false, calls: VecDeque::new() })
    }

    /// Where answers come from.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.dialer.as_fd()
    }

    /// Who the node is will be asked; once, for all who want to know.
    ///
    /// # Errors
    /// The socket.
    pub fn probe(&mut self) -> Result<(), Errno> {
        if self.asked != Some(Asked::Facts) {
            self.facts = true;
        }
        self.next()
    }

    /// A connection in the name of a peer will be asked for.
    ///
    /// # Errors
    /// The socket.
    pub fn call(&mut self, whom: u64, peer: &Hello) -> Result<(), Errno> {
        self.calls.push_back((whom, question(peer)));
        self.next()
    }

    /// It has gone.
    pub fn forget(&mut self, whom: u64) {
        self.calls.retain(|(waiting, _)| *waiting != whom);
    }

    fn next(&mut self) -> Result<(), Errno> {
        if self.asked.is_some() {
            return Ok(());
        }
        let (asked, bytes) = if std::mem::take(&mut self.facts) {
            (Asked::Facts, vec![PROBE])
        } else if let Some((whom, bytes)) = self.calls.pop_front() {
            (Asked::Call(whom), bytes)
        } else {
            return Ok(());
        };
        handover::send(self.dialer.as_fd(), &bytes, None)?;
        self.asked = Some(asked);
        Ok(())
    }

    /// The next answer, if there is one.
    ///
    /// # Errors
    /// The dialer has gone, and the gateway has to end.
    pub fn take(&mut self) -> Result<Option<(Asked, Answer)>, Errno> {
        let mut buffer = [0; MESSAGE_MAX];
        let (length, descriptor) = match handover::receive(self.dialer.as_fd(), &mut buffer) {
            Ok((0, _)) => return Err(Errno::EPIPE),
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(e) => return Err(e),
        };
        let Some(asked) = self.asked.take() else { return Ok(None) };
        self.next()?;
        let bytes = buffer.get(..length).unwrap_or_default();
        Ok(Some((asked, read(bytes, descriptor.map(TcpStream::from)))))
    }
}

fn read(bytes: &[u8], socket: Option<TcpStream>) -> Answer {
    let facts = || {
        let (flags, rest) = bytes.strip_prefix(&[DONE])?.split_first_chunk()?;
        let creation = rest.try_into().ok()?;
        Some(Facts { flags: Flags(u64::from_be_bytes(*flags)), creation: u32::from_be_bytes(creation) })
    };
    match facts() {
        Some(facts) => Ok((facts, socket)),
        None => Err(String::from_utf8_lossy(bytes.get(1..).unwrap_or_default()).into_owned()),
    }
}
