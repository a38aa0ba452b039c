//! Changes of interfaces, addresses, routes and neighbours, as rtnetlink(7) tells them to whoever listens. The messages are those of the
//! tables, and so are the columns.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::processes::{Behind, Came};
use crate::error::RequestError;
use crate::limits::CELL_DEFAULT;
use crate::netlink::dump::DATAGRAM;
use crate::netlink::message::{Message, Messages};
use crate::sockets::plan::{INET, INET6};
use crate::sockets::route::Parse;
use crate::sockets::{addresses, interfaces, neighbours, routes};
use crate::sys::netlink::Socket;
use crate::table::TableOf;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

const WHAT: &str = "changes of interfaces and routes by netlink";

/// What can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Interfaces.
    Interfaces,
    /// Their addresses.
    Addresses,
    /// Routes.
    Routes,
    /// Who was met on the link.
    Neighbours,
}

impl Topic {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Interfaces, Self::Addresses, Self::Routes, Self::Neighbours];

    /// The name of the topic, which is that of the table.
    #[must_use]
    pub fn name(self) -> Atom {
        match self {
            Self::Interfaces => atoms::INTERFACES,
            Self::Addresses => atoms::ADDRESSES,
            Self::Routes => atoms::ROUTES,
            Self::Neighbours => atoms::NEIGHBOURS,
        }
    }

    /// Groups (`enum rtnetlink_groups`): of both families where there are two.
    fn groups(self) -> &'static [i32] {
        match self {
            Self::Interfaces => &[1],
            Self::Addresses => &[5, 9],
            Self::Routes => &[7, 11],
            Self::Neighbours => &[3],
        }
    }

    /// The kind that tells of a new one (`RTM_NEW*`); the next tells that one was deleted.
    fn kind(self) -> u16 {
        match self {
            Self::Interfaces => 16,
            Self::Addresses => 20,
            Self::Routes => 24,
            Self::Neighbours => 28,
        }
    }

    /// Whether a message of that family is of the table: bridges tell of their ports in the same groups.
    fn has(self, family: u8) -> bool {
        if self == Self::Interfaces { family == 0 } else { matches!(family, INET | INET6) }
    }

    /// Writes the rows of a message, each as a map of the table's columns and what became of it. Nothing: it is not whole.
    pub fn show(self, payload: &[u8], verb: Atom, show: &mut dyn FnMut(&[u8])) -> Option<()> {
        match self {
            Self::Interfaces => rows(&interfaces::TABLE, interfaces::parse, payload, verb, show),
            Self::Addresses => rows(&addresses::TABLE, addresses::parse, payload, verb, show),
            Self::Routes => rows(&routes::TABLE, routes::parse, payload, verb, show),
            Self::Neighbours => rows(&neighbours::TABLE, neighbours::parse, payload, verb, show),
        }
    }
}

fn rows<R: fmt::Debug>(
    table: &TableOf<R>,
    parse: Parse<R>,
    payload: &[u8],
    verb: Atom,
    show: &mut dyn FnMut(&[u8]),
) -> Option<()> {
    let mut rows = VecDeque::new();
    parse(payload, &mut rows)?;
    let mut w = Writer::new();
    for row in rows {
        w.clear();
        w.map(table.columns.len().saturating_add(1));
        w.atom(atoms::EVENT);
        w.atom(verb);
        for column in table.columns {
            w.atom(column.name);
            (column.value)(&row).write(CELL_DEFAULT, &mut w);
        }
        show(w.bytes());
    }
    Some(())
}

/// What a message tells: of what, and what became of it.
#[must_use]
pub fn told(message: &Message<'_>) -> Option<(Topic, Atom)> {
    let of = |topic: &&Topic| message.kind & !1 == topic.kind();
    let topic = Topic::ALL.iter().find(of).copied()?;
    let verb = if message.kind == topic.kind() { atoms::NEW } else { atoms::DELETED };
    message.payload.first().is_some_and(|family| topic.has(*family)).then_some((topic, verb))
}

/// The socket, and what is listened to on it.
#[derive(Debug)]
pub struct Network {
    socket: Result<Socket, Errno>,
    joined: Vec<Topic>,
    buffer: Vec<u8>,
    behind: Behind,
}

impl Network {
    /// No socket: the policy grants no look at these tables.
    #[must_use]
    pub fn none() -> Self {
        Self::over(Err(Errno::ENOTCONN))
    }

    /// From that socket, which is in no group yet.
    #[must_use]
    pub fn over(socket: Result<Socket, Errno>) -> Self {
        Self { socket, joined: Vec::new(), buffer: Vec::new(), behind: Behind::default() }
    }

    /// The socket, while something is waited for on it.
    #[must_use]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().ok().filter(|_| !self.joined.is_empty()).map(AsFd::as_fd)
    }

    /// Listens to this from now on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn join(&mut self, topic: Topic) -> Result<(), RequestError> {
        if self.joined.contains(&topic) {
            return Ok(());
        }
        let failed = |e: Errno| RequestError::Posix(e as i32, WHAT);
        let socket = self.socket.as_ref().map_err(|e| failed(*e))?;
        for group in topic.groups() {
            socket.subscribe(*group).map_err(failed)?;
        }
        self.joined.push(topic);
        Ok(())
    }

    /// Listens to nothing any more that is not wanted.
    pub fn keep(&mut self, wanted: impl Fn(Topic) -> bool) {
        if let Ok(socket) = &self.socket {
            for group in self.joined.iter().filter(|topic| !wanted(**topic)).flat_map(|topic| topic.groups())
            {
                // What cannot be left is not looked at any more.
                let _ = socket.unsubscribe(*group);
            }
        }
        self.joined.retain(|topic| wanted(*topic));
        if self.joined.is_empty() {
            self.buffer = Vec::new();
            self.behind = Behind::default();
        }
    }

    /// Whether [`take`](Self::take) has something to tell though nothing may come.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind.is()
    }

    /// Takes a datagram and shows what it tells, as encoded maps. What cannot be read is told as an overflow: something has happened
    /// that nobody was told of.
    ///
    /// # Errors
    /// Of the socket: nothing will come any more.
    pub fn take(&mut self, show: &mut dyn FnMut(Topic, &[u8])) -> Result<Came, RequestError> {
        let Ok(socket) = &self.socket else { return Ok(Came::Nothing) };
        self.buffer.resize(DATAGRAM, 0);
        let received = match socket.receive(&mut self.buffer) {
            Ok(received) if received.truncated => return Ok(Came::Overflow),
            Ok(received) => received,
            Err(e) => return self.behind.after(e).map_err(|e| RequestError::Posix(e as i32, WHAT)),
        };
        let bytes = self.buffer.get(..received.length).unwrap_or(&[]);
        let mut messages = Messages::new(bytes);
        let mut came = Came::Message;
        for message in messages.by_ref() {
            if let Some((topic, verb)) = told(&message).filter(|(topic, _)| self.joined.contains(topic)) {
                if topic.show(message.payload, verb, &mut |row| show(topic, row)).is_none() {
                    came = Came::Overflow;
                }
            }
        }
        Ok(if messages.is_whole() { came } else { Came::Overflow })
    }
}
