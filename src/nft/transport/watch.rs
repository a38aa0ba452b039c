//! Events: what the kernel tells everybody of changes, and of packets that are traced. Reading takes no capability.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::DATAGRAM;
use crate::netlink::message::Messages;
use crate::sys::netlink::{EVENTS, Room, Socket};

/// Changes of the ruleset (`NFNLGRP_NFTABLES`, include/uapi/linux/netfilter/nfnetlink.h).
pub const CHANGES: i32 = 7;

/// Packets that are traced (`NFNLGRP_NFTRACE`).
pub const TRACES: i32 = 9;

/// Room for events that nobody has read yet: those of some thousand rules.
pub const ROOM: Room = Room { receive: 4 << 20, send: 4096 };

/// What has come.
#[derive(Clone, Debug)]
pub enum Seen<'w> {
    /// Nothing; poll tells when there is more.
    Nothing,
    /// Events were lost: whoever keeps an image of the ruleset reads it again, after this.
    Gap,
    /// Events.
    Events(Messages<'w>),
}

/// The socket for events. Nothing on it waits.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    incoming: Vec<u8>,
}

impl Watch {
    /// Opens it on descriptor [`EVENTS`], for those groups.
    pub fn open(groups: &[i32]) -> Result<Self, Errno> {
        Self::on(Socket::open(ROOM)?.pinned(EVENTS)?, groups)
    }

    /// On a socket that is open already.
    pub fn on(socket: Socket, groups: &[i32]) -> Result<Self, Errno> {
        groups.iter().try_for_each(|group| socket.subscribe(*group))?;
        Ok(Self { socket, incoming: vec![0; DATAGRAM] })
    }

    /// From now on also the events of that group.
    pub fn join(&self, group: i32) -> Result<(), Errno> {
        self.socket.subscribe(group)
    }

    /// No longer, and what has come of them and was not taken is thrown away.
    pub fn leave(&mut self, group: i32) -> Result<(), Errno> {
        self.socket.unsubscribe(group)?;
        while !matches!(self.take()?, Seen::Nothing) {}
        Ok(())
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// Of the socket, which is of no use then.
    pub fn take(&mut self) -> Result<Seen<'_>, Errno> {
        let received = match self.socket.receive(&mut self.incoming) {
            Ok(received) => received,
            Err(Errno::EAGAIN) => return Ok(Seen::Nothing),
            // Said once. The events that did fit come after it, though they are older than the ones lost.
            Err(Errno::ENOBUFS) => return Ok(Seen::Gap),
            Err(e) => return Err(e),
        };
        let messages = Messages::new(self.incoming.get(..received.length).unwrap_or(&[]));
        if received.truncated || !messages.is_whole() {
            return Ok(Seen::Gap);
        }
        Ok(Seen::Events(messages))
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
