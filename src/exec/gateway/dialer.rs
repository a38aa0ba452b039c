//! Calls the protected node. It alone knows the cookie of that node, and calls nobody else: the process that reads what peers say asks
//! it by name, and gets a socket whose handshake is over, or the reason why there is none. One call at a time: there is one callee.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::dist::config::{self, Place};
use crate::dist::frame::Length;
use crate::dist::handshake::cookie::Cookie;
use crate::dist::handshake::flags::Flags;
use crate::dist::handshake::message::Hello;
use crate::dist::handshake::name::NodeName;
use crate::dist::handshake::{Initiator, Probe, Progress};
use crate::exec::node::epmd;
use crate::exec::node::words::{TOLD_MAX, Told};
use crate::exec::timed::Timed;
use crate::limits::{DIST_HANDSHAKE_FRAME_MAX, GATEWAY_CALL_MS};
use crate::sys::poll::{self, Interest};
use crate::sys::{handover, random};

/// Bytes of a message between the two.
pub(super) const MESSAGE_MAX: usize = 512;

/// What a question is: who the node is, or a connection with it.
pub(super) const PROBE: u8 = b'p';
pub(super) const CALL: u8 = b'c';

/// What an answer begins with: flags and creation follow, or a text that says why not.
pub(super) const DONE: u8 = 0;
pub(super) const FAILED: u8 = 1;

/// What the gateway calls itself where it only asks. Not by the name of a peer: that may be connected.
const ALIVE: &str = "portcullis-gateway";

/// Whom it calls, and in whose name it may.
#[derive(Debug)]
pub struct Callee {
    /// The protected node.
    pub name: NodeName,
    /// Its cookie.
    pub cookie: Cookie,
    /// Where it is.
    pub place: Place,
    /// The nodes that may be connected with it.
    pub allow: BTreeSet<String>,
}

/// Serves the gateway until it has gone, or who reads the file again and tells it to `file`.
///
/// # Errors
/// The sockets.
pub fn serve(gateway: &OwnedFd, file: &OwnedFd, mut callee: Callee) -> Result<(), Errno> {
    loop {
        let both = [file, gateway].map(|fd| Interest { fd: fd.as_fd(), read: true, write: false });
        let ready = poll::any(&both, None)?;
        let came = |which: usize| ready.get(which).is_some_and(|can| can.read);
        // The file first, and all that came of it: who is asked for next may be allowed since then, or not any more, and who reads the file
        // waits where too much of it does.
        let goes_on = match (came(0), came(1)) {
            (true, _) => callee.learn(file.as_fd())?,
            (false, true) => callee.attend(gateway.as_fd())?,
            (false, false) => true,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

fn answer(gateway: BorrowedFd<'_>, done: std::io::Result<(Hello, Option<TcpStream>)>) -> Result<(), Errno> {
    match done {
        Ok((Hello { flags, creation, .. }, socket)) => {
            let bytes = [&[DONE][..], &flags.0.to_be_bytes(), &creation.to_be_bytes()].concat();
            handover::send(gateway, &bytes, socket.as_ref().map(AsFd::as_fd))
        }
        Err(why) => {
            let mut text = why.to_string().into_bytes();
            text.truncate(MESSAGE_MAX - 1);
            handover::send(gateway, &[&[FAILED], text.as_slice()].concat(), None)
        }
    }
}

/// The question for a connection in the name of a peer.
pub(super) fn question(peer: &Hello) -> Vec<u8> {
    let name = peer.name.as_str().as_bytes();
    [&[CALL][..], &peer.flags.0.to_be_bytes(), &peer.creation.to_be_bytes(), name].concat()
}

fn asked(question: &[u8]) -> Option<Hello> {
    let (flags, rest) = question.split_first_chunk()?;
    let (creation, name) = rest.split_first_chunk()?;
    let flags = Flags(u64::from_be_bytes(*flags)).and(Flags::OFFERED);
    Some(Hello { flags, creation: u32::from_be_bytes(*creation), name: NodeName::parse(name)? })
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::other(why.to_string())
}

impl Callee {
    /// Answers a question. Whether there will be more.
    fn attend(&self, gateway: BorrowedFd<'_>) -> Result<bool, Errno> {
        let mut buffer = [0; MESSAGE_MAX];
        let length = match handover::receive(gateway, &mut buffer) {
            Ok((0, _)) => return Ok(false),
            Ok((length, _)) => length,
            Err(Errno::EINTR) => return Ok(true),
            Err(e) => return Err(e),
        };
        let done = match buffer.get(..length).and_then(<[u8]>::split_first) {
            Some((&PROBE, [])) => self.probe().map(|hello| (hello, None)),
            Some((&CALL, question)) => self.call(question).map(|(hello, socket)| (hello, Some(socket))),
            _ => Err(Error::new(ErrorKind::InvalidInput, "no such question")),
        };
        answer(gateway, done).map(|()| true)
    }

    /// The file was read again: who may be connected now. All else of it is as it was until a restart. Whether there will be more.
    fn learn(&mut self, file: BorrowedFd<'_>) -> Result<bool, Errno> {
        let mut buffer = vec![0; TOLD_MAX];
        let length = match handover::receive_bytes(file, &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => length,
            Err(Errno::EINTR) => return Ok(true),
            Err(e) => return Err(e),
        };
        if let Some(Told::Policy(text)) = buffer.get(..length).and_then(Told::read) {
            if let Ok(config) = config::parse(text) {
                self.allow = config.policy.allow;
            }
        }
        Ok(true)
    }

    fn connect(&self, deadline: Instant) -> std::io::Result<Timed> {
        let at = match self.place {
            Place::At(at) => at,
            Place::Epmd(daemon) => SocketAddr::new(daemon.ip(), epmd::find(daemon, self.name.alive())?),
        };
        Timed::call(at, deadline)
    }

    /// Who the node is.
    fn probe(&self) -> std::io::Result<Hello> {
        let host = self.name.as_str().split_once('@').map_or("", |(_, host)| host);
        let name = NodeName::parse(format!("{ALIVE}@{host}").as_bytes()).ok_or(ErrorKind::InvalidInput)?;
        let own = Hello { flags: Flags::OFFERED, creation: 4, name };
        let deadline = Instant::now() + Duration::from_millis(GATEWAY_CALL_MS);
        let mut node = self.connect(deadline)?;
        let (mut probe, first) = Probe::new(&own, self.name.clone());
        say(&mut node, &first)?;
        loop {
            let body = hear(&mut node)?;
            if let Some(hello) = probe.receive(&body).map_err(refused)? {
                return Ok(hello);
            }
        }
    }

    /// A connection with the node, in the name of another that may have one.
    fn call(&self, question: &[u8]) -> std::io::Result<(Hello, TcpStream)> {
        let own = asked(question).filter(|own| self.allow.contains(own.name.as_str()));
        let own = own.ok_or_else(|| refused("it is not in the allow-list"))?;
        let deadline = Instant::now() + Duration::from_millis(GATEWAY_CALL_MS);
        let mut node = self.connect(deadline)?;
        let challenge = random::number()?;
        let (mut initiator, first) =
            Initiator::new(own, self.name.clone(), self.cookie.clone(), challenge, deadline);
        say(&mut node, &first)?;
        loop {
            let body = hear(&mut node)?;
            match initiator.receive(&body, Instant::now()).map_err(refused)? {
                Progress::Send(bodies) => {
                    bodies.iter().try_for_each(|body| say(&mut node, body))?;
                }
                Progress::Done(_, connected) => {
                    return Ok((Hello { flags: connected.flags, ..connected.peer }, node.into_socket()));
                }
                Progress::Refuse(_, failure) => return Err(refused(failure)),
            }
        }
    }
}

fn say(node: &mut Timed, body: &[u8]) -> std::io::Result<()> {
    node.say(&Length::Two.frame(body).ok_or(ErrorKind::InvalidInput)?)
}

/// One frame, and not a byte behind it: what follows is for who gets the socket.
fn hear(node: &mut Timed) -> std::io::Result<Vec<u8>> {
    let closed = |e: Error| match e.kind() {
        ErrorKind::UnexpectedEof => refused(
            "it closed the connection in the handshake: another cookie than that of [protects], or a node that net_kernel:allow/1 does not let in",
        ),
        _ => e,
    };
    let mut length = [0; 2];
    node.hear(&mut length).map_err(closed)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > DIST_HANDSHAKE_FRAME_MAX {
        return Err(refused("a frame of the handshake is too long"));
    }
    let mut body = vec![0; length];
    node.hear(&mut body).map_err(closed)?;
    Ok(body)
}
