//! A handshake of Erlang distribution from the side that calls, by hand: for peers that then say what no OTP says.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use portcullis::dist::frame::{Frames, Input, Length};
use portcullis::dist::handshake::cookie::Cookie;
use portcullis::dist::handshake::flags::Flags;
use portcullis::dist::handshake::message::Hello;
use portcullis::dist::handshake::name::NodeName;
use portcullis::dist::handshake::{Initiator, Progress};

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text.as_bytes()).unwrap()
}

/// A connection to a port of this host.
pub fn connected(port: u16) -> Option<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    Some(socket)
}

/// The same from an address of the loopback network, so that tests can come from several, with so much room for what comes.
pub fn connected_from(address: [u8; 4], port: u16, room: Option<usize>) -> TcpStream {
    let [a, b, c, d] = address;
    let end: OwnedFd =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, SockProtocol::Tcp).unwrap();
    if let Some(room) = room {
        setsockopt(&end, sockopt::RcvBuf, &room).unwrap();
    }
    bind(end.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
    connect(end.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).unwrap();
    let socket = TcpStream::from(end);
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

/// Proves to `node` who it is: what its messages are then read from, and its creation. Nothing, if it is not let in.
pub fn initiate(socket: &mut TcpStream, who: &str, node: &str, cookie: &str) -> Option<(Frames, u32)> {
    let initiator = named(socket, who, node, cookie)?;
    proved(socket, initiator)
}

/// Says who it is, and waits until something is answered.
pub fn named(socket: &mut TcpStream, who: &str, node: &str, cookie: &str) -> Option<Initiator> {
    let own = Hello { flags: Flags::OFFERED, creation: 5, name: name(who) };
    let deadline = Instant::now() + Duration::from_secs(60);
    let cookie = Cookie::parse(cookie.as_bytes()).unwrap();
    let (initiator, first) = Initiator::new(own, name(node), cookie, 4711, deadline);
    socket.write_all(&Length::Two.frame(&first).unwrap()).ok()?;
    socket.peek(&mut [0]).ok()?;
    Some(initiator)
}

/// The rest of it.
pub fn proved(socket: &mut TcpStream, mut initiator: Initiator) -> Option<(Frames, u32)> {
    let say = |socket: &mut TcpStream, body: &[u8]| socket.write_all(&Length::Two.frame(body).unwrap()).ok();
    let mut frames = Frames::handshake(Length::Two);
    let creation = loop {
        let body = match frames.next().ok()? {
            Some(Input::Frame(body)) => body.to_vec(),
            Some(Input::Tick | Input::Head { .. }) => return None,
            None => match socket.read(frames.space()) {
                Ok(n) if n > 0 => {
                    frames.filled(n);
                    continue;
                }
                _ => return None,
            },
        };
        match initiator.receive(&body, Instant::now()).ok()? {
            Progress::Send(bodies) => bodies.iter().try_for_each(|body| say(socket, body))?,
            Progress::Done(_, connected) => break connected.peer.creation,
            Progress::Refuse(..) => return None,
        }
    };
    frames.connected(1 << 26);
    Some((frames, creation))
}

/// Reads what is there, for the news that nothing more will come.
pub fn is_over(mut socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let read = socket.read(&mut [0; 4096]);
    socket.set_nonblocking(false).unwrap();
    matches!(read, Ok(0)) || read.is_err_and(|e| e.kind() != ErrorKind::WouldBlock)
}
