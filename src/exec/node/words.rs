//! What a node and its starter say to each other: a message each, writer and reader side by side. The node reads what a network sends and
//! may be in somebody else's hands, so what it asks is read as strictly as if it came from there.
#![forbid(unsafe_code)]

use crate::dist::glass::is_reason;
use crate::dist::handshake::name::NodeName;
use crate::limits::{GLASS_MAX_S, NODE_ASKS_MAX};
use crate::op::Role;
use crate::policy::file::SIZE_MAX;

/// Bytes of what a starter says: the file of the node is the longest.
pub const TOLD_MAX: usize = SIZE_MAX + 1;

/// What a node asks of its starter. A peer's name is in each: for him it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A copy of the port program.
    Copy(Role, NodeName),
    /// The glass broken, by a one-time code.
    Glass(Ticket<'a>, NodeName),
}

/// What somebody says who has a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket<'a> {
    /// The code: digits.
    pub code: &'a str,
    /// Why.
    pub reason: &'a str,
    /// For how long.
    pub seconds: u32,
}

impl<'a> Ticket<'a> {
    /// Nothing where it cannot be one: 6 to 8 digits, one line of reason, a time of at most a day.
    #[must_use]
    pub fn new(code: &'a [u8], reason: &'a [u8], seconds: u32) -> Option<Self> {
        let digits = (6..=8).contains(&code.len()) && code.iter().all(u8::is_ascii_digit);
        let code = std::str::from_utf8(code).ok().filter(|_| digits)?;
        let reason = std::str::from_utf8(reason).ok().filter(|reason| is_reason(reason))?;
        (1..=GLASS_MAX_S).contains(&seconds.into()).then_some(Self { code, reason, seconds })
    }
}

const GLASS: u8 = b'g';

fn byte(role: Role) -> u8 {
    match role {
        Role::Proc => b'p',
        Role::Net => b'n',
    }
}

impl<'a> Asked<'a> {
    /// As it is sent: a byte, then the name; of a ticket its seconds, the length of its code, the code, the length of the name, the name,
    /// and the reason.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Copy(role, peer) => [&[byte(*role)][..], peer.as_str().as_bytes()].concat(),
            Self::Glass(Ticket { code, reason, seconds }, peer) => {
                let short = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
                let peer = peer.as_str();
                let mut bytes = vec![GLASS];
                bytes.extend(seconds.to_be_bytes());
                bytes.push(short(code));
                bytes.extend(code.as_bytes());
                bytes.push(short(peer));
                bytes.extend(peer.as_bytes());
                bytes.extend(reason.as_bytes());
                bytes
            }
        }
    }

    /// Reads it; nothing where it is none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first().filter(|_| bytes.len() <= NODE_ASKS_MAX)?;
        if *tag != GLASS {
            let role = Role::ALL.iter().copied().find(|role| byte(*role) == *tag)?;
            return Some(Self::Copy(role, NodeName::parse(rest)?));
        }
        let (seconds, rest) = rest.split_first_chunk::<4>()?;
        let (code, rest) = short(rest)?;
        let (peer, reason) = short(rest)?;
        let ticket = Ticket::new(code, reason, u32::from_be_bytes(*seconds))?;
        Some(Self::Glass(ticket, NodeName::parse(peer)?))
    }
}

fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// What a starter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// A copy was started: its socket comes along.
    Started,
    /// It was not, and why.
    Failed(&'a [u8]),
    /// The file was read again, and is right: its text.
    Policy(&'a [u8]),
    /// How many milliseconds the glass stays broken, and until when that is for people (Unix time in seconds); 0 and 0: it is whole.
    Glass(u64, u64),
    /// A code was right: for how many seconds.
    Opened(u32),
    /// It was not, and why.
    Refused(&'a [u8]),
}

impl<'a> Told<'a> {
    /// As it is sent: a byte, then what belongs to it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Started => vec![0],
            Self::Failed(text) => [&[1], *text].concat(),
            Self::Policy(text) => [&[2], *text].concat(),
            Self::Glass(left, until) => [&[3][..], &left.to_be_bytes(), &until.to_be_bytes()].concat(),
            Self::Opened(seconds) => [&[4][..], &seconds.to_be_bytes()].concat(),
            Self::Refused(text) => [&[5], *text].concat(),
        }
    }

    /// Reads it; nothing where it is none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            0 if rest.is_empty() => Self::Started,
            1 => Self::Failed(rest),
            2 => Self::Policy(rest),
            3 => {
                let (left, until) = rest.split_first_chunk::<8>()?;
                Self::Glass(u64::from_be_bytes(*left), u64::from_be_bytes(until.try_into().ok()?))
            }
            4 => Self::Opened(u32::from_be_bytes(rest.try_into().ok()?)),
            5 => Self::Refused(rest),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let long = format!("{}@h", "a".repeat(253));
        let reason = "é ".repeat(100);
        let ticket = Ticket::new(b"123456", reason.as_bytes(), 86_400).unwrap();
        for asked in [
            Asked::Copy(Role::Proc, name("a@h")),
            Asked::Copy(Role::Net, name(&long)),
            Asked::Glass(ticket, name(&long)),
        ] {
            let bytes = asked.write();
            assert!(bytes.len() <= NODE_ASKS_MAX);
            assert_eq!(Asked::read(&bytes).unwrap(), asked);
        }
        let file = vec![b'#'; SIZE_MAX];
        for told in [
            Told::Started,
            Told::Failed(b"why"),
            Told::Policy(&file),
            Told::Glass(u64::MAX, 7),
            Told::Opened(9),
            Told::Refused(b""),
        ] {
            assert!(told.write().len() <= TOLD_MAX);
            assert_eq!(Told::read(&told.write()).unwrap(), told);
        }
    }

    /// A node that somebody else has got hold of can send anything.
    #[test]
    fn nothing_else_is_understood() {
        let ticket = Ticket::new(b"123456", b"why", 60).unwrap();
        let good = Asked::Glass(ticket, name("a@h")).write();
        for cut in 0..good.len() - 2 {
            assert_eq!(Asked::read(&good[..cut]), None, "{cut}");
        }
        let long = [b"p", vec![b'a'; NODE_ASKS_MAX].as_slice()].concat();
        for odd in [
            &b""[..],
            b"p",
            b"pp",
            b"x",
            b"xa@h",
            b"pa@h\0",
            b"pa@h\n--role",
            b"p--peer",
            b"g",
            &[0; 400],
            &long,
        ] {
            assert_eq!(Asked::read(odd), None, "{odd:?}");
        }
        for (code, reason, seconds) in [
            (&b"12345"[..], &b"why"[..], 60),
            (b"123456789", b"why", 60),
            (b"12345a", b"why", 60),
            (b"123456", b"", 60),
            (b"123456", b"a\nb", 60),
            (b"123456", b"\xff", 60),
            (b"123456", b"why", 0),
            (b"123456", b"why", 86_401),
        ] {
            assert_eq!(Ticket::new(code, reason, seconds), None);
        }
        for odd in [&b""[..], &[0, 0], &[3; 16], &[3; 18], &[4; 4], &[6]] {
            assert_eq!(Told::read(odd), None, "{odd:?}");
        }
    }
}
