//! A conversation over TCP for which a process waits and does nothing else meanwhile. All of it has one time: whoever is called could otherwise
//! say one byte after the other, each in time.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One that is over at its deadline.
pub struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Timed {
    /// Calls somebody.
    ///
    /// # Errors
    /// Nobody is there, or does not answer in time.
    pub fn call(at: SocketAddr, deadline: Instant) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&at, left(deadline)?)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, deadline })
    }

    /// Says all of it.
    ///
    /// # Errors
    /// The connection, or its time is over.
    pub fn say(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.set_write_timeout(Some(left(self.deadline)?))?;
        self.socket.write_all(bytes)
    }

    /// Fills the room, and takes not a byte behind it.
    ///
    /// # Errors
    /// The connection, [`ErrorKind::UnexpectedEof`] where it was closed, or its time is over.
    pub fn hear(&mut self, mut room: &mut [u8]) -> Result<()> {
        while !room.is_empty() {
            self.socket.set_read_timeout(Some(left(self.deadline)?))?;
            match self.socket.read(room) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => room = room.get_mut(n..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// The connection, which others go on with.
    #[must_use]
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }
}

fn left(deadline: Instant) -> Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}
