//! What the firewall itself says to a node: the answers by which a denied process learns of it at once, as drop must never mean silence.
//!
//! Each function writes one whole frame: length, `p`, control tuple, payload.
#![forbid(unsafe_code)]

use super::{Control, Message, PASS_THROUGH, Target, gen_call, io_request};
use crate::dist::etf::read::VERSION;
use crate::dist::etf::write::{atom, pid, reference};
use crate::dist::etf::{Pid, Ref};
use crate::dist::reason::Reason;
use crate::wire::write::Writer;

/// The reason of a denial, as the caller's process sees it.
pub const DENIED: &str = "denied";

/// The same as a term.
pub const DENIED_TERM: &[u8] = b"\x77\x06denied";

/// Begins a frame with the head of its tuple; the length is written when it ends.
fn frame(operation: u8, arity: usize, tuple: impl FnOnce(&mut Writer)) -> Writer {
    let mut w = Writer::new();
    w.raw(&[PASS_THROUGH, VERSION]);
    w.tuple(arity);
    w.uint(u64::from(operation));
    tuple(&mut w);
    w
}

fn ended(w: &Writer) -> Vec<u8> {
    let length = u32::try_from(w.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length, w.bytes()].concat()
}

fn payload(mut w: Writer, term: &[u8]) -> Vec<u8> {
    w.raw(&[VERSION]);
    w.raw(term);
    ended(&w)
}

/// `PAYLOAD_MONITOR_P_EXIT`: who monitors `from` under `of` gets a DOWN with an atom as reason.
#[must_use]
pub fn monitor_exit(from: &Target<'_>, to: &Pid<'_>, of: &Ref<'_>, reason: &str) -> Vec<u8> {
    let mut why = Writer::new();
    atom(&mut why, reason);
    let head = frame(28, 4, |w| {
        match from {
            Target::Pid(from) => pid(w, from),
            Target::Name(name) => atom(w, name),
        }
        pid(w, to);
        reference(w, of);
    });
    payload(head, why.bytes())
}

/// `PAYLOAD_EXIT`: the answer to a link that is not made.
#[must_use]
pub fn exit(from: &Pid<'_>, to: &Pid<'_>, reason: &str) -> Vec<u8> {
    let mut why = Writer::new();
    atom(&mut why, reason);
    let head = frame(24, 3, |w| {
        pid(w, from);
        pid(w, to);
    });
    payload(head, why.bytes())
}

/// `SPAWN_REPLY` of a request that failed, with an atom: `erpc` makes `error:{erpc, Why}` of it.
#[must_use]
pub fn spawn_failed(request: &Ref<'_>, to: &Pid<'_>, why: &str) -> Vec<u8> {
    ended(&frame(31, 5, |w| {
        reference(w, request);
        pid(w, to);
        w.uint(0);
        atom(w, why);
    }))
}

/// `UNLINK_ID_ACK`.
#[must_use]
pub fn unlink_ack(id: u64, from: &Pid<'_>, to: &Pid<'_>) -> Vec<u8> {
    ended(&frame(36, 4, |w| {
        w.uint(id);
        pid(w, from);
        pid(w, to);
    }))
}

/// `SEND_SENDER` of an encoded term.
#[must_use]
pub fn send(from: &Pid<'_>, to: &Pid<'_>, term: &[u8]) -> Vec<u8> {
    let head = frame(22, 3, |w| {
        pid(w, from);
        pid(w, to);
    });
    payload(head, term)
}

/// `REG_SEND` of an encoded term.
#[must_use]
pub fn reg_send(from: &Pid<'_>, name: &str, term: &[u8]) -> Vec<u8> {
    let head = frame(6, 4, |w| {
        pid(w, from);
        atom(w, "");
        atom(w, name);
    });
    payload(head, term)
}

/// `ALIAS_SEND` of an encoded term.
#[must_use]
pub fn alias_send(from: &Pid<'_>, alias: &Ref<'_>, term: &[u8]) -> Vec<u8> {
    let head = frame(33, 3, |w| {
        pid(w, from);
        reference(w, alias);
    });
    payload(head, term)
}

/// `MONITOR_P`.
#[must_use]
pub fn monitor(from: &Pid<'_>, to: &Target<'_>, under: &Ref<'_>) -> Vec<u8> {
    watch(19, from, to, under)
}

/// `DEMONITOR_P`.
#[must_use]
pub fn demonitor(from: &Pid<'_>, to: &Target<'_>, under: &Ref<'_>) -> Vec<u8> {
    watch(20, from, to, under)
}

fn watch(operation: u8, from: &Pid<'_>, to: &Target<'_>, under: &Ref<'_>) -> Vec<u8> {
    ended(&frame(operation, 4, |w| {
        pid(w, from);
        match to {
            Target::Pid(to) => pid(w, to),
            Target::Name(name) => atom(w, name),
        }
        reference(w, under);
    }))
}

/// What the sender of a denied message is told, in its own protocol; `None` where nobody waits. Of a process that it was never told of, or
/// that was of another start of its node, it hears what it would hear of one that has ended.
#[must_use]
pub fn denial(message: &Message<'_>, reason: Reason) -> Option<Vec<u8>> {
    let ended = matches!(reason, Reason::NotLearned | Reason::WrongCreation);
    let why = if ended { "noproc" } else { DENIED };
    match message.control {
        Control::Monitor { from, to, reference } => Some(monitor_exit(&to, &from, &reference, why)),
        Control::SpawnRequest { request, from, .. } => Some(spawn_failed(&request, &from, "eperm")),
        Control::Link { from, to } => Some(exit(&to, &from, why)),
        Control::Unlink { id: Some(id), from, to } => Some(unlink_ack(id, &to, &from)),
        Control::RegSend { from, to } => {
            let reference = gen_call(message.payload?)?.reference;
            Some(monitor_exit(&Target::Name(to), &from, &reference, why))
        }
        Control::Send { from: Some(from), to } => {
            let payload = message.payload?;
            let reference = gen_call(payload).map(|call| call.reference).or_else(|| io_request(payload))?;
            Some(monitor_exit(&Target::Pid(to), &from, &reference, why))
        }
        _ => None,
    }
}
