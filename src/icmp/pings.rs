//! Echo requests on their way: sends them on a permit, takes what comes back, forgets what is too late.
#![forbid(unsafe_code)]

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::errno::Errno;

use crate::capability::Capability;
use crate::error::RequestError;
use crate::icmp::action::Ping;
use crate::icmp::echo::{self, Echoed, HEADER, IP_HEADER_MAX, Token};
use crate::icmp::reply::Reply;
use crate::icmp::waiting::{Sent, Waiting};
use crate::ids::RequestId;
use crate::limits::PING_SIZE_MAX;
use crate::policy::permit::Permit;
use crate::sys::icmp::{Absent, Family, Socket, Sockets};

/// Messages taken from a socket before everything else has its turn: a flood of foreign replies is met in such pieces.
const TURN_MAX: usize = 64;

/// As many turns empty a receive buffer of the usual size.
const CLEAR_TURNS: usize = 8;

/// Longest message that is of interest. What is longer is cut by the kernel, and then no reply of ours.
const BUFFER: usize = IP_HEADER_MAX + HEADER + PING_SIZE_MAX;

const NEEDS_NET_RAW: &str = "ping sockets are closed to this program's group: widen net.ipv4.ping_group_range, \
     or grant net_raw to the role net";

/// The sockets and the requests that wait for a reply.
#[derive(Debug)]
pub struct Pings {
    sockets: Sockets,
    waiting: Waiting,
    key: RandomState,
    identifier: u16,
    count: u64,
    packet: Vec<u8>,
    buffer: Vec<u8>,
}

impl Pings {
    /// No request yet. To be made before seccomp: the kernel is asked for random bytes.
    #[must_use]
    pub fn new(sockets: Sockets) -> Self {
        let key = RandomState::new();
        let [identifier, ..] = words(key.hash_one("identifier"));
        Self {
            sockets,
            waiting: Waiting::default(),
            key,
            identifier,
            count: 0,
            packet: Vec::with_capacity(BUFFER),
            buffer: vec![0; BUFFER],
        }
    }

    /// Sends the request that was allowed. Its payload has `size` bytes, and at least 16.
    pub fn send(
        &mut self,
        permit: Permit<Ping>,
        id: RequestId,
        size: usize,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), RequestError> {
        self.start(permit.action().address, id, size, deadline, now)
    }

    fn start(
        &mut self,
        address: IpAddr,
        id: RequestId,
        size: usize,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), RequestError> {
        self.waiting.room()?;
        let family = Family::of(address);
        let socket = self.sockets.of(family).map_err(refused)?;
        let token = token(&self.key, address, self.count);
        self.count = self.count.wrapping_add(1);
        echo::request(family, self.identifier, token, size, &mut self.packet);
        socket
            .send(address, &self.packet)
            .map_err(|e| RequestError::Posix(e as i32, "sending an echo request"))?;
        let echoed = Echoed { token, size: size.max(Token::BYTES) };
        self.waiting.add(Sent { id, address, echoed, at: now, deadline });
        Ok(())
    }

    /// Takes what has come, for at most `TURN_MAX` messages of each kind and socket; what is left makes the next poll return
    /// at once. `answer` gets a reply, or the error that a host on the way sent back.
    pub fn receive(&mut self, now: Instant, mut answer: impl FnMut(RequestId, Result<Reply, RequestError>)) {
        let Self { sockets, waiting, identifier, buffer, .. } = self;
        for socket in sockets.opened() {
            failures(socket, *identifier, buffer, |token, errno| {
                if let Some(sent) = waiting.failed(token) {
                    answer(sent.id, Err(RequestError::Posix(errno as i32, "an ICMP error came back")));
                }
            });
            replies(socket, *identifier, buffer, |from, ttl, echoed| {
                if let Some(sent) = waiting.answered(from, echoed) {
                    let rtt = now.saturating_duration_since(sent.at);
                    answer(sent.id, Ok(Reply { address: from, rtt, ttl, size: echoed.size }));
                }
            });
        }
    }

    /// Takes out what came while nobody waited: on a raw socket those are everybody's replies, and they leave no room for
    /// ours.
    pub fn clear_out(&mut self) {
        if self.is_empty() {
            let now = Instant::now();
            (0..CLEAR_TURNS).for_each(|_| self.receive(now, |_, _| {}));
        }
    }

    /// Ends what is too late.
    pub fn expire(&mut self, now: Instant, late: impl FnMut(RequestId)) {
        self.waiting.expire(now, late);
    }

    /// Forgets one because its client wants so. Whether there was one.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        self.waiting.cancel(id)
    }

    /// Whether one of them has this id.
    #[must_use]
    pub fn has(&self, id: RequestId) -> bool {
        self.waiting.has(id)
    }

    /// When the next of them is too late.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.waiting.next_deadline()
    }

    /// What to wait on for reading, also while no request waits: what nobody takes out would fill a socket's buffer, and the
    /// next reply would find no room.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.fds()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// None waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The token of a request. The mark is a keyed hash (SipHash) and not the key itself, or every host that is asked would learn
/// what it takes to answer for the others.
fn token(key: &RandomState, address: IpAddr, count: u64) -> Token {
    Token { mark: key.hash_one((address, count)), count }
}

fn words(n: u64) -> [u16; 4] {
    [48, 32, 16, 0].map(|shift| u16::try_from(n >> shift & 0xffff).unwrap_or(0))
}

fn refused(absent: Absent) -> RequestError {
    match absent {
        Absent::NeedsNetRaw => RequestError::NotPermitted(vec![Capability::NetRaw], NEEDS_NET_RAW),
        Absent::Failed(e) => RequestError::Posix(e as i32, "opening an ICMP socket"),
    }
}

/// Takes the errors that have come back. Redirects are told of as EREMOTEIO (net/ipv4/ping.c); the packet goes on.
fn failures(socket: &mut Socket, identifier: u16, buffer: &mut [u8], mut failed: impl FnMut(Token, Errno)) {
    let (family, kind) = (socket.family(), socket.kind());
    for _ in 0..TURN_MAX {
        match socket.receive_failure(buffer) {
            Err(Errno::EAGAIN) => break,
            Err(_) => {}
            Ok(failure) => {
                let quoted = buffer.get(..failure.length).unwrap_or_default();
                match echo::quoted(family, kind, identifier, quoted) {
                    Some(token) if failure.errno != Errno::EREMOTEIO => failed(token, failure.errno),
                    _ => {}
                }
            }
        }
    }
}

/// Takes the replies that have come.
fn replies(
    socket: &mut Socket,
    identifier: u16,
    buffer: &mut [u8],
    mut replied: impl FnMut(IpAddr, Option<u8>, Echoed),
) {
    let (family, kind) = (socket.family(), socket.kind());
    for _ in 0..TURN_MAX {
        match socket.receive(buffer) {
            Err(Errno::EAGAIN) => break,
            Err(_) => {}
            Ok(message) => {
                let bytes = buffer.get(..message.length).unwrap_or_default();
                if let Some(echoed) = echo::reply(family, kind, identifier, bytes) {
                    replied(message.from, message.ttl, echoed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
