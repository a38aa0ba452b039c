//! What processes do, as the kernel tells it by its process connector (Documentation/driver-api/connector.rst). Nobody needs a
//! capability for it since Linux 6.6. It is told in the first network namespace only, and to the first pid and user namespaces.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::connector::{self, Event, Message};
use crate::error::RequestError;
use crate::limits::CONNECTOR_ACK_MESSAGES;
use crate::netlink::message::Messages;
use crate::sys::netlink::Socket;

const WHAT: &str = "the kernel's process connector";

/// The number that the demand carries, and its answer plus one.
const NUMBER: u32 = 0x706f_7274;

/// Bytes of a datagram: one message of 76 bytes, with room for what later kernels add.
const DATAGRAM: usize = 1024;

/// The socket, and what is asked of it.
#[derive(Debug)]
pub struct Processes {
    socket: Result<Socket, Errno>,
    kinds: u32,
    behind: Behind,
}

/// Whether something was lost that nobody was told of yet. The kernel says so before it gives what it had kept, and loses everything
/// until that was taken (`netlink_overrun`, `netlink_rcv_wake` in net/netlink/af_netlink.c), without saying so again. So the end of the
/// gap is where nothing is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind(bool);

impl Behind {
    /// What came of an attempt to take a datagram that has brought none.
    ///
    /// # Errors
    /// Of the socket.
    pub fn after(&mut self, errno: Errno) -> Result<Came, Errno> {
        match errno {
            Errno::ENOBUFS => {
                self.0 = true;
                Ok(Came::Message)
            }
            Errno::EAGAIN if std::mem::take(&mut self.0) => Ok(Came::Overflow),
            Errno::EAGAIN => Ok(Came::Nothing),
            other => Err(other),
        }
    }

    /// Whether there is something to be told though nothing may come.
    #[must_use]
    pub fn is(self) -> bool {
        self.0
    }
}

/// What a datagram has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Perhaps an event, which was shown; there may be more.
    Message,
    /// Some did not fit into the socket and are lost, up to now.
    Overflow,
    /// Nothing.
    Nothing,
}

impl Processes {
    /// No socket: the policy grants no look at processes.
    #[must_use]
    pub fn none() -> Self {
        Self { socket: Err(Errno::ENOTCONN), kinds: 0, behind: Behind::default() }
    }

    /// From that socket, which is in no group yet.
    #[must_use]
    pub fn over(socket: Result<Socket, Errno>) -> Self {
        Self { socket, kinds: 0, behind: Behind::default() }
    }

    /// The socket, while something is waited for on it.
    #[must_use]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().ok().filter(|_| self.kinds != 0).map(AsFd::as_fd)
    }

    /// Is told of these kinds from now on; 0: of none.
    ///
    /// # Errors
    /// If the kernel does not tell us.
    pub fn tell(&mut self, kinds: u32) -> Result<(), RequestError> {
        if kinds == self.kinds {
            return Ok(());
        }
        let socket = self.socket.as_ref().map_err(|e| RequestError::Posix(*e as i32, WHAT))?;
        if kinds == 0 {
            self.kinds = 0;
            self.behind = Behind::default();
            // What cannot be left is not looked at any more.
            let _ = socket.send(&connector::ignore());
            let _ = socket.unsubscribe(GROUP);
            return Ok(());
        }
        if self.kinds == 0 {
            begin(socket)?;
        }
        self.kinds = kinds;
        socket.send(&connector::only(kinds)).map_err(|e| RequestError::Posix(e as i32, WHAT))
    }

    /// Takes a datagram and shows the event in it.
    ///
    /// # Errors
    /// Of the socket: nothing will come any more.
    pub fn take(&mut self, show: &mut dyn FnMut(&Event<'_>)) -> Result<Came, RequestError> {
        let Ok(socket) = &self.socket else { return Ok(Came::Nothing) };
        let mut buffer = [0; DATAGRAM];
        match socket.receive(&mut buffer) {
            Ok(received) if received.truncated => Ok(Came::Overflow),
            Ok(received) => {
                let bytes = buffer.get(..received.length).unwrap_or(&[]);
                for message in Messages::new(bytes) {
                    if let Some(Message::Event(event)) = connector::parse(message.payload) {
                        if event.kind() & self.kinds != 0 {
                            show(&event);
                        }
                    }
                }
                Ok(Came::Message)
            }
            Err(e) => self.behind.after(e).map_err(|e| RequestError::Posix(e as i32, WHAT)),
        }
    }

    /// Whether [`take`](Self::take) has something to tell though nothing may come.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind.is()
    }
}

/// The group of the events (`CN_IDX_PROC`).
const GROUP: i32 = 1;

/// Joins the group and demands to be told. The kernel answers while it is asked, but only those it will tell.
fn begin(socket: &Socket) -> Result<(), RequestError> {
    socket
        .subscribe(GROUP)
        .map_err(|e| refused(e, "Linux before 6.6 tells them only who holds CAP_NET_ADMIN"))?;
    let told = socket.send(&connector::listen(NUMBER)).map_err(|e| {
        refused(e, "they are told in the first network namespace only, and this port runs in another")
    });
    let answered = told.and_then(|()| answer(socket));
    if answered.is_err() {
        let _ = socket.unsubscribe(GROUP);
    }
    answered
}

fn refused(e: Errno, why: &str) -> RequestError {
    match e {
        Errno::EPERM | Errno::EACCES | Errno::ECONNREFUSED => unsupported(why),
        e => RequestError::Posix(e as i32, WHAT),
    }
}

fn unsupported(why: &str) -> RequestError {
    let instead = "; the topic query with the table processes tells of them everywhere";
    RequestError::Unsupported(["events of processes: ", why, instead].concat().into_bytes())
}

fn answer(socket: &Socket) -> Result<(), RequestError> {
    let mut buffer = [0; DATAGRAM];
    for _ in 0..CONNECTOR_ACK_MESSAGES {
        let length = match socket.receive(&mut buffer) {
            Ok(received) => received.length,
            // Other events were lost, and perhaps not the answer.
            Err(Errno::ENOBUFS) => continue,
            Err(Errno::EAGAIN) => {
                return Err(unsupported(
                    "they are told to the first pid and user namespaces only, and this port runs in others",
                ));
            }
            Err(e) => return Err(RequestError::Posix(e as i32, WHAT)),
        };
        let bytes = buffer.get(..length).unwrap_or(&[]);
        for message in Messages::new(bytes) {
            match connector::parse(message.payload) {
                Some(Message::Answer(number, 0)) if number == NUMBER + 1 => return Ok(()),
                Some(Message::Answer(number, errno)) if number == NUMBER + 1 => {
                    return Err(RequestError::Posix(errno.saturating_abs(), WHAT));
                }
                _ => {}
            }
        }
    }
    Err(RequestError::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_gap_is_where_nothing_is_left() {
        let mut behind = Behind::default();
        assert_eq!(behind.after(Errno::EAGAIN), Ok(Came::Nothing));
        assert_eq!(behind.after(Errno::ENOBUFS), Ok(Came::Message));
        assert!(behind.is());
        assert_eq!(behind.after(Errno::EAGAIN), Ok(Came::Overflow));
        assert!(!behind.is());
        assert_eq!(behind.after(Errno::EAGAIN), Ok(Came::Nothing));
        assert_eq!(behind.after(Errno::EBADF), Err(Errno::EBADF));
    }
}
