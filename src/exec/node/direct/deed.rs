//! What is to be done when a copy has said something, or the clock has: frames for it, for callers and for subscribers.
#![forbid(unsafe_code)]

use super::answer::{Failure, Names, Waiting};
use crate::dist::etf::write::atom;
use crate::wire::write::Writer;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// A frame for the copy, without its length.
    Send(Vec<u8>),
    /// A frame for the peer.
    Tell(Vec<u8>),
    /// One for a caller, and what he is told instead where it may not go out.
    Answer(Waiting, Vec<u8>, Vec<u8>),
    /// One for a subscriber: the subscription ends where it may not go out.
    News(u32, Vec<u8>),
    /// A subscription is over.
    Over(u32),
}

/// What a copy may say before it is somebody's fault.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes of one answer.
    pub answer: usize,
    /// Bytes that all answers in the making may still take.
    pub left: usize,
}

/// What helps against an answer that is too long.
pub const ASK_LESS: &str = "ask for less: fewer columns, where, limit, cell_max; an answer has at most as many bytes as limits.message_bytes \
                        of the node's file, and 16 MiB";

/// An answer that fits, or the news that it does not.
pub fn fitting(names: &Names<'_>, who: Waiting, frame: Vec<u8>, room: &Room) -> Deed {
    let instead = who.answered(names, false, &Failure::TooLong(room.answer, ASK_LESS).term());
    if frame.len().saturating_sub(4) > room.answer {
        Deed::Answer(who, instead, Vec::new())
    } else {
        Deed::Answer(who, frame, instead)
    }
}

/// The error that he gets.
pub fn refused(names: &Names<'_>, who: Waiting, error: &[u8]) -> Deed {
    let frame = who.answered(names, false, error);
    Deed::Answer(who, frame, Vec::new())
}

/// More than a copy takes.
pub fn request_too_long(most: usize) -> Failure {
    Failure::TooLong(
        most,
        "a request of this role has at most so many bytes, with its arguments: ask several times",
    )
}

/// `{cancel, Id}` or `{credit, Id, N}`.
pub fn control(what: &str, id: u64, n: Option<u32>) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(&[131]);
    w.tuple(if n.is_some() { 3 } else { 2 });
    atom(&mut w, what);
    w.uint(id);
    if let Some(n) = n {
        w.uint(u64::from(n));
    }
    w.bytes().to_vec()
}

/// A word, encoded.
pub fn word(text: &str) -> Vec<u8> {
    let mut w = Writer::new();
    atom(&mut w, text);
    w.bytes().to_vec()
}
