//! Messages: `struct nlmsghdr` (include/uapi/linux/netlink.h), then for netfilter `struct nfgenmsg`
//! (include/uapi/linux/netfilter/nfnetlink.h), then attributes.
#![forbid(unsafe_code)]

use super::attr::{Attrs, Buffer, TooLong};

/// `struct nlmsghdr`: length, kind, flags, sequence, port.
pub const HEADER: usize = 16;

/// Bytes of it before the flags.
const FLAGS: usize = 6;

/// `struct nfgenmsg`: family, version, resource.
pub const GENERIC: usize = 4;

/// What lengths are padded to.
const ALIGN: usize = 4;

/// Kinds below it are netlink's own (`NLMSG_MIN_TYPE`).
pub const KIND_MIN: u16 = 16;

/// `NLMSG_ERROR`: an error, or none ([`Ack`]).
pub const ERROR: u16 = 2;

/// `NLMSG_DONE`: the end of a dump.
pub const DONE: u16 = 3;

/// `NLM_F_REQUEST`: to the kernel.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_MULTI`: one of several, which `DONE` ends.
pub const MULTI: u16 = 0x2;
/// `NLM_F_ACK`: to be answered even where nothing is wrong.
pub const ACK: u16 = 0x4;
/// `NLM_F_ECHO`: what comes of it is to be told to the sender.
pub const ECHO: u16 = 0x8;
/// `NLM_F_DUMP_INTR`: what is being dumped has changed meanwhile.
pub const DUMP_INTR: u16 = 0x10;
/// `NLM_F_DUMP`: all there are.
pub const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: an error if it is there.
pub const EXCL: u16 = 0x200;
/// `NLM_F_CREATE`.
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: behind the others.
pub const APPEND: u16 = 0x800;
/// `NLM_F_CAPPED`: an error that does not quote the payload of what it is about.
pub const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes stand behind the error.
pub const ACK_TLVS: u16 = 0x200;

/// `NLMSGERR_ATTR_MSG` and `NLMSGERR_ATTR_OFFS`.
const TEXT: u16 = 1;
const OFFSET: u16 = 2;

/// Where a message began.
#[derive(Debug)]
#[must_use = "a message that is not ended has no length"]
pub struct Mark(usize);

impl Mark {
    /// Bytes before the message.
    #[must_use]
    pub fn start(&self) -> usize {
        self.0
    }
}

impl Buffer {
    /// Begins a message of netfilter; its attributes follow.
    pub fn message(&mut self, kind: u16, flags: u16, seq: u32, family: u8, res_id: u16) -> Mark {
        let [high, low] = res_id.to_be_bytes();
        // NFNETLINK_V0 is the only version.
        self.message_of(kind, flags, seq, &[family, 0, high, low])
    }

    /// Begins a message whose own header is `header`. The port stays 0: the kernel knows who sends.
    pub fn message_of(&mut self, kind: u16, flags: u16, seq: u32, header: &[u8]) -> Mark {
        let start = self.len();
        let ([k0, k1], [f0, f1], [s0, s1, s2, s3]) =
            (kind.to_ne_bytes(), flags.to_ne_bytes(), seq.to_ne_bytes());
        // The length comes at the end.
        self.bytes.extend_from_slice(&[0, 0, 0, 0, k0, k1, f0, f1, s0, s1, s2, s3, 0, 0, 0, 0]);
        self.raw(header);
        Mark(start)
    }

    /// Ends the message.
    ///
    /// # Errors
    /// If anything did not fit since it began. The message is gone then, and those before it stay.
    pub fn end_message(&mut self, mark: Mark) -> Result<(), TooLong> {
        let overflowed = std::mem::take(&mut self.overflowed);
        let length = self.len().checked_sub(mark.0).and_then(|length| u32::try_from(length).ok());
        let place = self.bytes.get_mut(mark.0..).and_then(|rest| rest.first_chunk_mut());
        match (length, place) {
            (Some(length), Some(place)) if !overflowed => {
                *place = length.to_ne_bytes();
                Ok(())
            }
            _ => {
                self.truncate(mark.0);
                Err(TooLong)
            }
        }
    }

    /// Adds flags to the message that begins behind the first `start` bytes.
    pub fn flag(&mut self, start: usize, flags: u16) {
        self.flags(start, |old| old | flags);
    }

    /// Takes them away.
    pub fn unflag(&mut self, start: usize, flags: u16) {
        self.flags(start, |old| old & !flags);
    }

    fn flags(&mut self, start: usize, new: impl FnOnce(u16) -> u16) {
        let place = self.bytes.get_mut(start.saturating_add(FLAGS)..).and_then(|rest| rest.first_chunk_mut());
        if let Some(place) = place {
            *place = new(u16::from_ne_bytes(*place)).to_ne_bytes();
        }
    }
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is: netlink's own below 16, else the subsystem and a number of its own.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The number of the request that it answers.
    pub seq: u32,
    /// The port of the request, or of whose change an event tells.
    pub port: u32,
    /// The family; 0 in netlink's own.
    pub family: u8,
    /// The resource: nftables puts the lower half of the generation here. 0 in netlink's own.
    pub res_id: u16,
    /// Attributes; nothing in netlink's own.
    pub body: &'a [u8],
    /// All behind the header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes.
    #[must_use]
    pub fn attrs(&self) -> Attrs<'a> {
        Attrs::new(self.body)
    }

    /// How the dump that this message ends has gone: 0, or an errno.
    #[must_use]
    pub fn done(&self) -> Option<i32> {
        if self.kind != DONE {
            return None;
        }
        errno(self.payload)
    }
}

/// The messages of what was received. Ends at the first that is not whole; [`is_whole`](Self::is_whole) tells.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Those in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether what has not been read yet is messages to its end. After the last one: whether all of it was.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut left = self.clone();
        while left.next().is_some() {}
        left.rest.is_empty()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (header, _) = self.rest.split_first_chunk::<HEADER>()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let kind = u16::from_ne_bytes([k0, k1]);
        let payload = self.rest.get(HEADER..length)?;
        let (family, res_id, body) = match payload.split_first_chunk::<GENERIC>() {
            _ if kind < KIND_MIN => (0, 0, [].as_slice()),
            Some(([family, _, r0, r1], body)) => (*family, u16::from_be_bytes([*r0, *r1]), body),
            None => return None,
        };
        // The last message may be unpadded.
        let next = length.checked_next_multiple_of(ALIGN)?;
        self.rest = self.rest.get(next..).unwrap_or(&[]);
        Some(Message {
            kind,
            flags: u16::from_ne_bytes([f0, f1]),
            seq: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
            family,
            res_id,
            body,
            payload,
        })
    }
}

/// What the kernel says of one request (`struct nlmsgerr`): an error, or that there was none.
///
/// In a batch it does not mean that anything was done: what stands before the error is acknowledged too, and undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The number of the request.
    pub seq: u32,
    /// The error; 0 if there is none.
    pub errno: i32,
    /// Where in the request, counted from its header on.
    pub offset: Option<u32>,
    /// What is wrong, for a person.
    pub text: Option<&'a [u8]>,
}

impl<'a> Ack<'a> {
    /// Reads a message of kind [`ERROR`]; nothing if it is of another or too short.
    #[must_use]
    pub fn of(message: &Message<'a>) -> Option<Self> {
        if message.kind != ERROR {
            return None;
        }
        let errno = errno(message.payload)?;
        let quoted = message.payload.get(4..)?;
        let (header, _) = quoted.split_first_chunk::<HEADER>()?;
        let [l0, l1, l2, l3, _, _, _, _, s0, s1, s2, s3, ..] = *header;
        let length = if message.flags & CAPPED != 0 {
            HEADER
        } else {
            usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?
        };
        let said = match length.checked_next_multiple_of(ALIGN) {
            Some(length) if message.flags & ACK_TLVS != 0 => quoted.get(length..).unwrap_or(&[]),
            _ => &[],
        };
        let (mut offset, mut text) = (None, None);
        for attr in Attrs::new(said) {
            match attr.kind {
                OFFSET => offset = attr.value.try_into().ok().map(u32::from_ne_bytes),
                TEXT => text = Some(attr.text().unwrap_or(attr.value)),
                _ => {}
            }
        }
        Some(Self { seq: u32::from_ne_bytes([s0, s1, s2, s3]), errno, offset, text })
    }
}

/// An errno as the kernel writes it, negative, at the beginning of `bytes`. Positive ones it never writes.
fn errno(bytes: &[u8]) -> Option<i32> {
    let (number, _) = bytes.split_first_chunk()?;
    i32::from_ne_bytes(*number).checked_neg().filter(|errno| *errno >= 0)
}
