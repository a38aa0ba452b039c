//! The floor of `sockets`: at every frame it receives the kernel's lists of TCP and UDP sockets and looks at nothing but where they end. Answers
//! one frame with the number of bytes. The frame `ss` asks for those that ss(8) of Debian 12 shows, any other for all.
#![forbid(unsafe_code)]

use std::io::{Read, Write};

use portcullis::netlink::attr::Buffer;
use portcullis::sockets::inet::{Ask, BOTH};
use portcullis::sockets::row::{BOUND, Protocol};
use portcullis::sys::netlink::{Asked, Socket};

/// `NLM_F_REQUEST | NLM_F_DUMP` (include/uapi/linux/netlink.h).
const DUMP: u16 = 0x301;

/// `NLMSG_DONE`.
const DONE: [u8; 2] = 3_u16.to_ne_bytes();

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let socket = Socket::open_public(Asked::Sockets)?;
    let mut buffer = vec![0; 65_536];
    loop {
        let mut header = [0; 4];
        if input.read_exact(&mut header).is_err() {
            return Ok(());
        }
        let length = usize::try_from(u32::from_be_bytes(header))?;
        let asked = buffer.get_mut(..length).ok_or("frame too long")?;
        input.read_exact(asked)?;
        let states = if *asked == *b"ss" { !(1 << BOUND) } else { u32::MAX };
        let mut bytes: u32 = 0;
        for (family, protocol) in [(BOTH, Protocol::Tcp), (2, Protocol::Udp), (10, Protocol::Udp)] {
            bytes = bytes.saturating_add(receive(&socket, family, protocol, states, &mut buffer)?);
        }
        output.write_all(&4_u32.to_be_bytes())?;
        output.write_all(&bytes.to_be_bytes())?;
        output.flush()?;
    }
}

fn receive(
    socket: &Socket,
    family: u8,
    protocol: Protocol,
    states: u32,
    buffer: &mut [u8],
) -> Result<u32, Failure> {
    let ask = Ask { family, protocol, states, local_port: 0, remote_port: 0, info: false, congestion: false };
    let mut request = Buffer::new();
    let mark = request.message_of(ask.kind(), DUMP, 1, &ask.header());
    request.end_message(mark).map_err(|_| "a request of this length")?;
    socket.send(request.bytes())?;
    let mut bytes = 0;
    loop {
        let length = socket.receive(buffer)?.length;
        bytes += u32::try_from(length)?;
        // The end is a message of its own of 20 bytes at the end of the last part.
        let last = length.checked_sub(20).and_then(|start| buffer.get(start..length));
        if last.is_some_and(|last| last.get(4..6) == Some(&DONE)) {
            return Ok(bytes);
        }
    }
}
