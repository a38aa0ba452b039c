//! The kernel's own words: messages as bytes, by a socket of the tests' own, so that what is tested is not its own judge.
//! Numbers from linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, sockopt,
};
use nix::sys::time::TimeVal;

pub const NEWTABLE: u8 = 0;
pub const GETTABLE: u8 = 1;
pub const NEWCHAIN: u8 = 3;
pub const GETCHAIN: u8 = 4;
pub const NEWRULE: u8 = 6;
pub const GETRULE: u8 = 7;
pub const NEWSET: u8 = 9;
pub const GETSET: u8 = 10;
pub const NEWSETELEM: u8 = 12;
pub const GETSETELEM: u8 = 13;
pub const NEWOBJ: u8 = 18;
pub const GETOBJ: u8 = 19;

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`
pub const APPEND: u16 = 0x800;

/// The family `NFPROTO_*` of a table's family name.
pub fn family(name: &str) -> u8 {
    portcullis::nft::model::Family::named(name.as_bytes()).unwrap().number()
}

/// Attributes: type without its flags, value.
pub fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 4 {
        let size = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let kind = u16::from_ne_bytes([bytes[2], bytes[3]]) & 0x3fff;
        assert!(size >= 4 && size <= bytes.len(), "an attribute of {size} bytes in {}", bytes.len());
        found.push((kind, &bytes[4..size]));
        bytes = &bytes[size.next_multiple_of(4).min(bytes.len())..];
    }
    found
}

/// The value of the first attribute of that type.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).into_iter().find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// An attribute.
pub fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// An attribute that is a name.
pub fn name(kind: u16, value: &str) -> Vec<u8> {
    attr(kind, &[value.as_bytes(), b"\0"].concat())
}

/// A message: its type in `nf_tables`, family, flags beside `NLM_F_REQUEST`, and attributes.
pub struct Message {
    pub kind: u8,
    pub family: u8,
    pub flags: u16,
    pub attributes: Vec<u8>,
}

fn put(out: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16, body: &[u8]) {
    out.extend(u32::try_from(20 + body.len()).unwrap().to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend([0; 4]);
    out.extend([family, 0]);
    out.extend(resource.to_be_bytes());
    out.extend(body);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// A socket to `nf_tables`, in the network of the thread that opens it. What is not answered fails the test and does not hang it.
pub fn socket() -> OwnedFd {
    let protocol = SockProtocol::NetlinkNetFilter;
    let fd = socket::socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).unwrap();
    setsockopt(&fd, sockopt::RcvBufForce, &(1 << 24)).unwrap();
    setsockopt(&fd, sockopt::SndBufForce, &(1 << 25)).unwrap();
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(10, 0)).unwrap();
    fd
}

/// Dumps and batches, written by hand.
pub struct Netlink {
    fd: OwnedFd,
}

impl Netlink {
    pub fn open() -> Self {
        Self { fd: socket() }
    }

    fn send(&self, bytes: &[u8]) {
        assert_eq!(send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()).unwrap(), bytes.len());
    }

    /// Calls `see` with type, sequence and payload of every message, until it says stop.
    fn receive(&self, mut see: impl FnMut(u16, u32, &[u8]) -> bool) {
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
            let mut rest = &buffer[..count];
            while rest.len() >= 16 {
                let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
                let size = usize::try_from(word(0)).unwrap();
                let kind = u16::from_ne_bytes([rest[4], rest[5]]);
                if !see(kind, word(8), &rest[16..size]) {
                    return;
                }
                rest = &rest[size.next_multiple_of(4).min(rest.len())..];
            }
        }
    }

    /// Dumps what `GET*` asks for: the attributes of each answer. Panics on an error.
    pub fn dump(&self, kind: u8, family: u8, wanted: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        put(&mut out, SUBSYSTEM | u16::from(kind), REQUEST | DUMP, 1, family, 0, wanted);
        self.send(&out);
        let mut found = Vec::new();
        self.receive(|kind, _, payload| {
            if kind == ERROR {
                let errno = i32::from_ne_bytes(payload[..4].try_into().unwrap());
                assert_eq!(errno, 0, "a dump failed");
            } else if kind != DONE {
                found.push(payload[4..].to_vec());
            }
            kind >= 16
        });
        found
    }

    /// Sends messages as one batch: nothing or the first error, as errno and the index of its message.
    pub fn batch(&self, messages: &[Message]) -> Result<(), (i32, usize)> {
        let mut out = Vec::new();
        put(&mut out, BATCH_BEGIN, REQUEST, 0, 0, 10, &[]);
        for (index, message) in (1..).zip(messages) {
            let kind = SUBSYSTEM | u16::from(message.kind);
            let flags = REQUEST | ACK | message.flags;
            put(&mut out, kind, flags, index, message.family, 0, &message.attributes);
        }
        put(&mut out, BATCH_END, REQUEST, 0, 0, 10, &[]);
        self.send(&out);
        let (mut answers, mut result) = (0, Ok(()));
        if messages.is_empty() {
            return Ok(());
        }
        self.receive(|kind, sequence, payload| {
            if kind == ERROR {
                let errno = -i32::from_ne_bytes(payload[..4].try_into().unwrap());
                let index = usize::try_from(sequence).unwrap().saturating_sub(1);
                if errno != 0 && result.is_ok() {
                    result = Err((errno, index));
                }
                answers += 1;
            }
            answers < messages.len()
        });
        result
    }

    /// The rules of a table: chain (`NFTA_RULE_CHAIN` 2) and `NFTA_RULE_EXPRESSIONS` (4) of each, in their order.
    pub fn rules(&self, family: u8, table: &str) -> Vec<(String, Vec<u8>)> {
        let dumped = self.dump(GETRULE, family, &name(1, table));
        let one = |rule: &Vec<u8>| {
            let chain = attribute(rule, 2).unwrap();
            let chain = String::from_utf8_lossy(&chain[..chain.len() - 1]).into_owned();
            (chain, attribute(rule, 4).unwrap_or_default().to_vec())
        };
        dumped.iter().map(one).collect()
    }

    /// The sets of a table: name (`NFTA_SET_NAME` 2) and all attributes of each.
    pub fn sets(&self, family: u8, table: &str) -> Vec<(String, Vec<u8>)> {
        let dumped = self.dump(GETSET, family, &name(1, table));
        let one = |set: Vec<u8>| {
            let name = attribute(&set, 2).unwrap();
            (String::from_utf8_lossy(&name[..name.len() - 1]).into_owned(), set)
        };
        dumped.into_iter().map(one).collect()
    }

    /// The elements of a set: the attributes (`NFTA_SET_ELEM_*`) of each. Table 1, set 2, elements 3, each `NFTA_LIST_ELEM` 1.
    pub fn elements(&self, family: u8, table: &str, set: &str) -> Vec<Vec<u8>> {
        let wanted = [name(1, table), name(2, set)].concat();
        let dumped = self.dump(GETSETELEM, family, &wanted);
        let lists = dumped.iter().filter_map(|message| attribute(message, 3));
        lists.flat_map(|list| attributes(list).into_iter().map(|(_, element)| element.to_vec())).collect()
    }
}

/// The expressions of `NFTA_RULE_EXPRESSIONS`, each as its name (1) and data (2), numbers of sets and objects aside as they came.
pub fn expressions(list: &[u8]) -> Vec<(String, Vec<u8>)> {
    let one = |(_, expression): (u16, &[u8])| {
        let name = attribute(expression, 1).unwrap();
        let name = String::from_utf8_lossy(&name[..name.len() - 1]).into_owned();
        (name, attribute(expression, 2).unwrap_or_default().to_vec())
    };
    attributes(list).into_iter().map(one).collect()
}
