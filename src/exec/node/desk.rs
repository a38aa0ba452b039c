//! The node's side of its starter: asks for copies of the port program and for the broken glass, takes the answers in the order of the
//! questions, and the news that nobody asked for.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::words::{Asked, TOLD_MAX, Ticket, Told};
use crate::dist::handshake::name::NodeName;
use crate::limits::NODE_CODES_WAITING;
use crate::op::Role;
use crate::sys::{fd, handover};

/// The socket to the starter, and who waits for what it starts.
#[derive(Debug)]
pub struct Desk<T> {
    starter: OwnedFd,
    waiting: VecDeque<T>,
    /// Those who wait for what becomes of their codes.
    codes: VecDeque<T>,
    buffer: Vec<u8>,
}

/// What the starter says.
#[derive(Debug)]
pub enum News<'d, T> {
    /// A copy was started for somebody, or was not.
    Copy(T, Result<OwnedFd, String>),
    /// A code was right and breaks the glass for so many seconds, or was not.
    Code(T, Result<u32, String>),
    /// The text of the file, which was read again.
    Policy(&'d [u8]),
    /// The glass is broken for so many milliseconds, until that Unix time; zeros: it is whole.
    Glass(u64, u64),
    /// Nothing that could be understood.
    Nothing,
}

impl<T> Desk<T> {
    /// Over that socket.
    ///
    /// # Errors
    /// The socket.
    pub fn new(starter: OwnedFd) -> Result<Self, Errno> {
        fd::set_nonblocking(starter.as_fd())?;
        let (waiting, codes) = (VecDeque::new(), VecDeque::new());
        Ok(Self { starter, waiting, codes, buffer: vec![0; TOLD_MAX] })
    }

    /// Where answers come from.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.starter.as_fd()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Those who wait.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter()
    }

    /// Asks for a copy, for `whom`, who is on the node `peer`.
    ///
    /// # Errors
    /// The socket: `EAGAIN` where the starter has more to do than it can note.
    pub fn ask(&mut self, role: Role, peer: &str, whom: T) -> Result<(), Errno> {
        let peer = NodeName::parse(peer.as_bytes()).ok_or(Errno::EINVAL)?;
        handover::send(self.starter.as_fd(), &Asked::Copy(role, peer).write(), None)?;
        self.waiting.push_back(whom);
        Ok(())
    }

    /// Asks for the broken glass, likewise.
    ///
    /// # Errors
    /// The socket; `EAGAIN` where as many wait as may.
    pub fn ask_glass(&mut self, ticket: Ticket<'_>, peer: &str, whom: T) -> Result<(), Errno> {
        let peer = NodeName::parse(peer.as_bytes()).ok_or(Errno::EINVAL)?;
        if self.codes.len() >= NODE_CODES_WAITING {
            return Err(Errno::EAGAIN);
        }
        handover::send(self.starter.as_fd(), &Asked::Glass(ticket, peer).write(), None)?;
        self.codes.push_back(whom);
        Ok(())
    }

    /// What the starter says next; `None`: nothing yet.
    ///
    /// # Errors
    /// The starter has gone, and the node has to end.
    pub fn take(&mut self) -> Result<Option<News<'_, T>>, Errno> {
        let (length, descriptor) = match handover::receive(self.starter.as_fd(), &mut self.buffer) {
            Ok((0, _)) => return Err(Errno::EPIPE),
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(e) => return Err(e),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = Told::read(self.buffer.get(..length).unwrap_or_default());
        Ok(Some(match told {
            Some(Told::Started) => self.waiting.pop_front().map_or(News::Nothing, |whom| {
                News::Copy(whom, descriptor.ok_or_else(|| "no socket came".to_owned()))
            }),
            Some(Told::Failed(why)) => {
                self.waiting.pop_front().map_or(News::Nothing, |whom| News::Copy(whom, Err(text(why))))
            }
            Some(Told::Opened(s)) => {
                self.codes.pop_front().map_or(News::Nothing, |whom| News::Code(whom, Ok(s)))
            }
            Some(Told::Refused(why)) => {
                self.codes.pop_front().map_or(News::Nothing, |whom| News::Code(whom, Err(text(why))))
            }
            Some(Told::Policy(text)) => News::Policy(text),
            Some(Told::Glass(left, until)) => News::Glass(left, until),
            None => News::Nothing,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::starter;
    use super::*;
    use crate::dist::config::Programs;

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let (mine, its) = handover::messages().unwrap();
        let programs = Programs { proc: Some("/bin/echo".to_owned()), net: Some("/nowhere".to_owned()) };
        let served = std::thread::spawn(move || starter::serve(&its, &programs));
        let mut desk = Desk::new(mine).unwrap();
        let ticket = Ticket::new(b"123456", b"why", 60).unwrap();
        for (n, role) in [Role::Net, Role::Proc, Role::Net].into_iter().enumerate() {
            desk.ask(role, "b@h", n).unwrap();
            desk.ask_glass(ticket, "b@h", n + 10).unwrap();
        }
        assert_eq!(desk.waiting(), 3);
        let (mut taken, mut codes) = (Vec::new(), Vec::new());
        while taken.len() + codes.len() < 6 {
            match desk.take().unwrap() {
                Some(News::Copy(whom, result)) => taken.push((whom, result.is_ok())),
                Some(News::Code(whom, result)) => codes.push((whom, result)),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
        assert_eq!(taken, [(0, false), (1, true), (2, false)]);
        let refused = |n| (n, Err("this node takes no codes".to_owned()));
        assert_eq!(codes, [refused(10), refused(11), refused(12)]);
        assert_eq!((desk.take().unwrap().is_none(), desk.waiting()), (true, 0));
        drop(desk);
        served.join().unwrap().unwrap();
    }

    #[test]
    fn so_many_codes_wait_and_no_more() {
        let (mine, _its) = handover::messages().unwrap();
        let mut desk = Desk::new(mine).unwrap();
        let ticket = Ticket::new(b"123456", b"why", 60).unwrap();
        let asked = (0..20).filter(|n| desk.ask_glass(ticket, "b@h", *n).is_ok()).count();
        assert_eq!(asked, NODE_CODES_WAITING);
    }

    #[test]
    fn a_starter_that_has_gone_is_the_end() {
        let (mine, its) = handover::messages().unwrap();
        let mut desk = Desk::<()>::new(mine).unwrap();
        drop(its);
        assert_eq!(desk.take().unwrap_err(), Errno::EPIPE);
        assert!(desk.ask(Role::Proc, "b@h", ()).is_err());
    }
}
