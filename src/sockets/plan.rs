//! What has to be asked of the kernel for a query: one list for each protocol of each family, none for what no row of could meet
//! the conditions. States and ports are sorted out in the kernel; every row is compared again.
#![forbid(unsafe_code)]

use super::inet::{self, BOTH, BY_FAMILY};
use super::others::{self, UnixAsk};
use super::row::{CLOSE, LISTEN, Protocol, STATES, Socket};
use crate::netlink::dump::{Dump, Error, Link};
use crate::table::Wanted;
use crate::table::condition::{Condition, Want};
use crate::wire::atoms::{self, Atom};

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Of IP.
    Inet(inet::Ask),
    /// Of IP as text, where the kernel does not list such sockets by netlink.
    RawText(u8),
    /// Of unix.
    Unix(UnixAsk),
    /// Of netlink.
    Netlink,
    /// Of packets.
    Packet,
}

impl Ask {
    /// Begins it; nothing while another list is under way.
    pub fn begin(&self, link: &mut Link) -> Result<Option<Dump>, Error> {
        match self {
            Self::Inet(ask) => link.dump(ask.kind(), &ask.header(), |_| {}),
            Self::Unix(ask) => link.dump(BY_FAMILY, &ask.header(), |_| {}),
            Self::Netlink | Self::RawText(_) => link.dump(BY_FAMILY, &others::netlink_header(), |_| {}),
            Self::Packet => link.dump(BY_FAMILY, &others::packet_header(), |_| {}),
        }
    }

    /// Reads one of its rows; nothing where it is not whole, or of another family.
    #[must_use]
    pub fn parse(&self, bytes: &[u8]) -> Option<Socket> {
        // Each kind of them has its family in the first byte.
        let is_of = |family| bytes.first() == Some(&family);
        match self {
            Self::Inet(ask) if ask.family == BOTH || is_of(ask.family) => inet::parse(bytes, ask.protocol),
            Self::Unix(_) if is_of(UNIX) => others::unix(bytes),
            Self::Netlink if is_of(NETLINK) => others::netlink(bytes),
            Self::Packet if is_of(PACKET) => others::packet(bytes),
            _ => None,
        }
    }

    /// What asks for the same where the kernel has no such list.
    #[must_use]
    pub fn instead(&self) -> Vec<Self> {
        match self {
            Self::Inet(ask) if ask.protocol == Protocol::Raw => vec![Self::RawText(ask.family)],
            Self::Inet(ask) if ask.family == BOTH => {
                [INET, INET6].map(|family| Self::Inet(inet::Ask { family, ..*ask })).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// Families (bits/socket.h) as messages have them.
pub const UNIX: u8 = 1;
/// See [`UNIX`].
pub const INET: u8 = 2;
/// See [`UNIX`].
pub const INET6: u8 = 10;
/// See [`UNIX`].
pub const NETLINK: u8 = 16;
/// See [`UNIX`].
pub const PACKET: u8 = 17;

/// Columns that no socket outside IP has, and so on: a condition on one leaves the other families out.
const OF_IP: &[Atom] = &[
    atoms::PROTOCOL,
    atoms::LOCAL_ADDRESS,
    atoms::LOCAL_PORT,
    atoms::REMOTE_ADDRESS,
    atoms::REMOTE_PORT,
    atoms::CGROUP_ID,
];
const OF_TCP: &[Atom] = &[atoms::TIMER, atoms::TIMER_EXPIRES, atoms::RETRANSMITS, atoms::CONGESTION];
const OF_UNIX: &[Atom] = &[atoms::PATH, atoms::PEER];

/// Columns that take what TCP knows of a connection.
pub const OF_INFO: &[Atom] = &[
    atoms::RTT,
    atoms::RTTVAR,
    atoms::MIN_RTT,
    atoms::SND_CWND,
    atoms::RETRANS,
    atoms::TOTAL_RETRANS,
    atoms::BYTES_ACKED,
    atoms::BYTES_RECEIVED,
    atoms::SEGS_OUT,
    atoms::SEGS_IN,
    atoms::PACING_RATE,
    atoms::DELIVERY_RATE,
];

/// What to ask for `sockets`.
#[must_use]
pub fn plan(wanted: &Wanted<'_, Socket>) -> Vec<Ask> {
    let bound = |columns: &[Atom]| columns.iter().any(|column| wanted.condition(*column).is_some());
    let (ip, tcp) = (bound(OF_IP), bound(OF_TCP) || bound(OF_INFO));
    let (unix, portid) = (bound(OF_UNIX), bound(&[atoms::PORTID]));
    let allows = |column, word| wanted.condition(column).is_none_or(|condition| condition.allows_word(word));
    let family = |word| allows(atoms::FAMILY, word);
    let states = states(wanted.condition(atoms::STATE));
    let mut asks = Vec::new();
    for (number, protocol) in lists_of_ip(&family, &[Protocol::Tcp, Protocol::Udp, Protocol::Raw]) {
        let can = allows(atoms::PROTOCOL, protocol.word()) && !unix && !portid;
        if can && states != 0 && (protocol == Protocol::Tcp || !tcp) {
            asks.push(Ask::Inet(inet(wanted, number, protocol, states)));
        }
    }
    if family(atoms::UNIX) && states != 0 && !ip && !tcp && !portid {
        asks.push(Ask::Unix(UnixAsk {
            states,
            name: wanted.has(atoms::PATH),
            peer: wanted.has(atoms::PEER),
            queues: wanted.any(&[atoms::RQUEUE, atoms::WQUEUE, atoms::BACKLOG, atoms::MAX_BACKLOG]),
            uid: wanted.has(atoms::UID),
        }));
    }
    let other = !ip && !tcp && !unix && states & (1 << CLOSE | 1 << 1) != 0;
    if other && family(atoms::NETLINK) {
        asks.push(Ask::Netlink);
    }
    if other && family(atoms::PACKET) && !portid {
        asks.push(Ask::Packet);
    }
    asks
}

/// What to ask for `listening`: what can be reached from outside. A UDP socket that is not connected takes what comes.
#[must_use]
pub fn listening(wanted: &Wanted<'_, Socket>) -> Vec<Ask> {
    let allows = |column, word| wanted.condition(column).is_none_or(|condition| condition.allows_word(word));
    let mut asks = Vec::new();
    let family = |word| allows(atoms::FAMILY, word);
    for (number, protocol) in lists_of_ip(&family, &[Protocol::Tcp, Protocol::Udp]) {
        if allows(atoms::PROTOCOL, protocol.word()) {
            let state = if protocol == Protocol::Tcp { LISTEN } else { CLOSE };
            asks.push(Ask::Inet(inet(wanted, number, protocol, 1 << state)));
        }
    }
    asks
}

/// The lists that have the sockets of these protocols and of the families that are wanted: one for both where the kernel has one.
pub fn lists_of_ip(family: &dyn Fn(Atom) -> bool, protocols: &[Protocol]) -> Vec<(u8, Protocol)> {
    let families = [(INET, atoms::INET), (INET6, atoms::INET6)];
    let families: Vec<u8> =
        families.into_iter().filter(|(_, word)| family(*word)).map(|(number, _)| number).collect();
    let lists = protocols.iter().flat_map(|protocol| {
        let families = if *protocol == Protocol::Tcp && families.len() > 1 { &[BOTH][..] } else { &families };
        families.iter().map(|family| (*family, *protocol))
    });
    lists.collect()
}

fn inet(wanted: &Wanted<'_, Socket>, family: u8, protocol: Protocol, states: u32) -> inet::Ask {
    let tcp = protocol == Protocol::Tcp;
    // Port 0 asks the kernel for any; of raw sockets the port is something else.
    let port = |column| {
        let only = match wanted.condition(column) {
            Some(Condition::AnyOf(wants)) => match wants.as_slice() {
                [Want::Number(port)] => u16::try_from(*port).ok(),
                _ => None,
            },
            _ => None,
        };
        only.filter(|_| protocol != Protocol::Raw).unwrap_or(0)
    };
    inet::Ask {
        family,
        protocol,
        states,
        local_port: port(atoms::LOCAL_PORT),
        remote_port: port(atoms::REMOTE_PORT),
        info: tcp && wanted.any(OF_INFO),
        congestion: tcp && wanted.has(atoms::CONGESTION),
    }
}

/// A bit for each state that the condition allows. What has no word is 0, and those after the last.
fn states(condition: Option<&Condition>) -> u32 {
    let Some(condition) = condition else { return u32::MAX };
    let mut mask = 0_u32;
    for (word, number) in STATES.iter().zip(0_u32..) {
        if condition.allows_word(*word) {
            mask |= 1 << number;
        }
    }
    if mask & 1 != 0 {
        mask |= u32::MAX << STATES.len();
    }
    mask
}
