//! Messages of the process connector: `struct cn_msg` (include/uapi/linux/connector.h) around `struct proc_event`
//! (include/uapi/linux/cn_proc.h), in the byte order of the host.
#![forbid(unsafe_code)]

use crate::netlink::attr::{Buffer, ne32_at, ne64_at};
use crate::netlink::message::DONE;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// `CN_IDX_PROC` and `CN_VAL_PROC`; the first is the group, too.
pub const PROC: u32 = 1;

/// `struct cn_msg` without its data.
const HEADER: usize = 20;

/// Where its `ack`, and its data, stand.
const ACK: usize = 12;

/// `struct proc_event` before what is told: what, processor, time.
const EVENT_HEADER: usize = 16;

/// `PROC_CN_MCAST_LISTEN` and `PROC_CN_MCAST_IGNORE`.
const LISTEN: u32 = 1;
const IGNORE: u32 = 2;

/// What the kernel is asked for: `enum proc_cn_event`, a bit each. `PROC_EVENT_NONZERO_EXIT` is a condition, no event.
pub const KINDS: &[(u32, Atom)] = &[
    (FORK, atoms::FORK),
    (EXEC, atoms::EXEC),
    (UID, atoms::UID),
    (GID, atoms::GID),
    (SID, atoms::SID),
    (PTRACE, atoms::PTRACE),
    (COMM, atoms::COMM),
    (COREDUMP, atoms::COREDUMP),
    (EXIT, atoms::EXIT),
];

/// The word for all of them, in errors.
pub const KIND: &str = "fork, exec, uid, gid, sid, ptrace, comm, coredump or exit";

/// The kinds that are told unless others are asked for.
pub const DEFAULT: u32 = FORK | EXEC | EXIT;

const FORK: u32 = 0x1;
const EXEC: u32 = 0x2;
const UID: u32 = 0x4;
const GID: u32 = 0x40;
const SID: u32 = 0x80;
const PTRACE: u32 = 0x100;
const COMM: u32 = 0x200;
const COREDUMP: u32 = 0x4000_0000;
const EXIT: u32 = 0x8000_0000;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Something that a process did.
    Event(Event<'a>),
    /// The answer to a demand: the number that it carried, and an errno or 0.
    Answer(u32, i32),
}

/// Something that a process, or a thread of it, did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Nanoseconds of the monotonic clock.
    pub time: u64,
    /// The thread that did it; of a fork the new one.
    pub tid: u32,
    /// Its process.
    pub pid: u32,
    /// What.
    pub act: Act<'a>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// It was started by this process.
    Fork(u32),
    /// It executes another program.
    Exec,
    /// Its real and effective user.
    Uid(u32, u32),
    /// Its real and effective group.
    Gid(u32, u32),
    /// It leads a session now.
    Sid,
    /// This process traces it; 0: none any more.
    Ptrace(u32),
    /// It calls itself so. Any bytes but NUL.
    Comm(&'a [u8]),
    /// Its memory was written to a file. The parent, as older kernels do not tell it 0.
    Coredump(u32),
    /// It has ended: how, as wait(2) has it, and the parent.
    Exit(u32, u32),
}

impl Event<'_> {
    /// Its bit.
    #[must_use]
    pub fn kind(&self) -> u32 {
        match self.act {
            Act::Fork(_) => FORK,
            Act::Exec => EXEC,
            Act::Uid(..) => UID,
            Act::Gid(..) => GID,
            Act::Sid => SID,
            Act::Ptrace(_) => PTRACE,
            Act::Comm(_) => COMM,
            Act::Coredump(_) => COREDUMP,
            Act::Exit(..) => EXIT,
        }
    }

    /// Whether it is about a thread that is not the first of its process.
    #[must_use]
    pub fn is_of_thread(&self) -> bool {
        self.tid != self.pid
    }

    /// Writes it as a map; `behind` is what is added to its time to get Unix time, both in nanoseconds.
    pub fn write(&self, behind: i128, w: &mut Writer) {
        let micros = i128::from(self.time).saturating_add(behind) / 1000;
        let kind = KINDS.iter().find(|(bit, _)| *bit == self.kind());
        let more = match self.act {
            Act::Exec | Act::Sid => 0,
            Act::Fork(_) | Act::Ptrace(_) | Act::Comm(_) | Act::Coredump(_) => 1,
            Act::Uid(..) | Act::Gid(..) => 2,
            Act::Exit(..) => 3,
        };
        w.map(4_usize.saturating_add(more));
        w.atom(atoms::EVENT);
        w.atom(kind.map_or(atoms::UNKNOWN, |(_, word)| *word));
        number(atoms::TIME, u64::try_from(micros).unwrap_or(0), w);
        number(atoms::PID, self.pid.into(), w);
        number(atoms::TID, self.tid.into(), w);
        match self.act {
            Act::Exec | Act::Sid => {}
            Act::Fork(parent) | Act::Coredump(parent) => number(atoms::PPID, parent.into(), w),
            Act::Ptrace(tracer) => number(atoms::TRACER_PID, tracer.into(), w),
            Act::Comm(comm) => {
                w.atom(atoms::COMM);
                w.binary(comm);
            }
            Act::Uid(real, effective) => {
                number(atoms::RUID, real.into(), w);
                number(atoms::EUID, effective.into(), w);
            }
            Act::Gid(real, effective) => {
                number(atoms::RGID, real.into(), w);
                number(atoms::EGID, effective.into(), w);
            }
            Act::Exit(status, parent) => {
                write_status(Some(status), w);
                number(atoms::PPID, parent.into(), w);
            }
        }
    }
}

/// Writes how a process ended as two pairs of a map: `code` where it did so by itself, `signal` where one killed it (wait(2)). Both are
/// `undefined` where nobody knows.
pub fn write_status(status: Option<u32>, w: &mut Writer) {
    let (code, signal) = match status {
        None => (None, None),
        Some(status) => match status & 0x7f {
            0 => (Some(status >> 8 & 0xff), None),
            signal => (None, Some(signal)),
        },
    };
    for (key, value) in [(atoms::CODE, code), (atoms::SIGNAL, signal)] {
        w.atom(key);
        match value {
            Some(n) => w.uint(n.into()),
            None => w.atom(atoms::UNDEFINED),
        }
    }
}

fn number(key: Atom, value: u64, w: &mut Writer) {
    w.atom(key);
    w.uint(value);
}

/// Reads the payload of a netlink message. Nothing: it is not whole, or of a kind that this program does not know.
#[must_use]
pub fn parse(payload: &[u8]) -> Option<Message<'_>> {
    if ne32_at(payload, 0)? != PROC || ne32_at(payload, 4)? != PROC {
        return None;
    }
    let length: [u8; 2] = payload.get(16..18)?.try_into().ok()?;
    let event = payload.get(HEADER..)?.get(..usize::from(u16::from_ne_bytes(length)))?;
    let what = ne32_at(event, 0)?;
    let time = ne64_at(event, 8)?;
    let data = event.get(EVENT_HEADER..)?;
    let word = |n: usize| ne32_at(data, n.checked_mul(4)?);
    if what == 0 {
        let errno = i32::from_ne_bytes(word(0)?.to_ne_bytes());
        return Some(Message::Answer(ne32_at(payload, ACK)?, errno));
    }
    // The first two words are the thread and its process, but of a fork, which names the parent's first.
    let (tid, pid, act) = match what {
        FORK => (word(2)?, word(3)?, Act::Fork(word(1)?)),
        EXEC => (word(0)?, word(1)?, Act::Exec),
        UID => (word(0)?, word(1)?, Act::Uid(word(2)?, word(3)?)),
        GID => (word(0)?, word(1)?, Act::Gid(word(2)?, word(3)?)),
        SID => (word(0)?, word(1)?, Act::Sid),
        PTRACE => (word(0)?, word(1)?, Act::Ptrace(word(3)?)),
        COMM => (word(0)?, word(1)?, Act::Comm(comm(data.get(8..24)?))),
        COREDUMP => (word(0)?, word(1)?, Act::Coredump(word(3).unwrap_or(0))),
        EXIT => (word(0)?, word(1)?, Act::Exit(word(2)?, word(5).unwrap_or(0))),
        _ => return None,
    };
    Some(Message::Event(Event { time, tid, pid, act }))
}

/// Up to the first NUL; all of it where there is none.
fn comm(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(bytes)
}

/// The demand to be told, of all kinds. It is answered under `number` and one more.
#[must_use]
pub fn listen(number: u32) -> Vec<u8> {
    demand(number, &LISTEN.to_ne_bytes())
}

/// The demand to be told of these kinds only, of one who listens: `struct proc_input`, since Linux 6.6. Older kernels do not heed it.
#[must_use]
pub fn only(kinds: u32) -> Vec<u8> {
    let [[a, b, c, d], [e, f, g, h]] = [LISTEN.to_ne_bytes(), kinds.to_ne_bytes()];
    demand(0, &[a, b, c, d, e, f, g, h])
}

/// The demand to be told no longer.
#[must_use]
pub fn ignore() -> Vec<u8> {
    demand(0, &IGNORE.to_ne_bytes())
}

fn demand(number: u32, body: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER + body.len());
    for word in [PROC, PROC, 0, number] {
        header.extend(word.to_ne_bytes());
    }
    header.extend(u16::try_from(body.len()).unwrap_or(0).to_ne_bytes());
    header.extend([0, 0]);
    header.extend_from_slice(body);
    let mut buffer = Buffer::new();
    let mark = buffer.message_of(DONE, 0, 0, &header);
    // It is as long as it always is.
    let _ = buffer.end_message(mark);
    buffer.bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(what: u32, words: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [PROC, PROC, 9, 6] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(40_u16.to_ne_bytes());
        bytes.extend([0, 0]);
        for word in [what, 1] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(77_u64.to_ne_bytes());
        words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        bytes.resize(60, 0);
        bytes
    }

    #[test]
    fn what_the_kernel_tells() {
        let event = |pid, tid, act| Some(Message::Event(Event { time: 77, tid, pid, act }));
        // As captured on 6.18: parent thread and process, child thread and process.
        assert_eq!(parse(&message(FORK, &[5, 4, 7, 6])), event(6, 7, Act::Fork(4)));
        assert_eq!(parse(&message(EXEC, &[5, 4])), event(4, 5, Act::Exec));
        assert_eq!(parse(&message(EXIT, &[5, 5, 0x100, 17, 3, 2])), event(5, 5, Act::Exit(0x100, 2)));
        assert_eq!(parse(&message(UID, &[5, 5, 10, 11])), event(5, 5, Act::Uid(10, 11)));
        assert_eq!(parse(&message(PTRACE, &[5, 5, 8, 9])), event(5, 5, Act::Ptrace(9)));
        assert_eq!(parse(&message(0, &[0])), Some(Message::Answer(6, 0)));
        assert_eq!(parse(&message(0x10, &[0])), None);
        let name = u32::from_ne_bytes([0xff, b'\n', 0x1b, b']']);
        assert_eq!(parse(&message(COMM, &[5, 5, name])), event(5, 5, Act::Comm(b"\xff\n\x1b]")));
        assert_eq!(parse(&message(COMM, &[5, 5, name, name, name, name])).map(|_| ()), Some(()));
    }

    #[test]
    fn what_is_cut_is_nothing() {
        let whole = message(EXIT, &[5, 5, 0, 17, 3, 2]);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
        let mut longer = whole.clone();
        longer[16..18].copy_from_slice(&u16::MAX.to_ne_bytes());
        assert_eq!(parse(&longer), None);
        let mut other = whole;
        other[0] = 2;
        assert_eq!(parse(&other), None);
    }

    #[test]
    fn demands_are_as_long_as_the_kernel_wants_them() {
        assert_eq!((listen(5).len(), only(EXIT).len(), ignore().len()), (40, 44, 40));
        assert_eq!(listen(5)[28..32], 5_u32.to_ne_bytes());
        assert_eq!(only(EXIT)[40..44], EXIT.to_ne_bytes());
    }
}
