//! Answers of direct calls, and what subscriptions say, as frames for the peer. Terms of a copy are put into them as they came.
#![forbid(unsafe_code)]

use super::super::actor::{self, Caller};
use super::super::identity::{Mark, Process};
use crate::dist::control::{Target, answer};
use crate::dist::etf::write::{atom, reference};
use crate::dist::etf::{Pid, Ref};
use crate::error::RequestError;
use crate::ids::RequestId;
use crate::protocol::reply;
use crate::wire::write::Writer;

/// Who speaks, and the name of the node that is spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Names<'n> {
    /// The process `portcullis` of this node.
    pub own: Pid<'n>,
    /// The node of the peer.
    pub peer: &'n str,
}

impl<'n> Names<'n> {
    /// What a subscription is called.
    pub fn handle(&self, n: u32) -> Ref<'n> {
        self.reference(n, 1)
    }

    /// The reference under which its subscriber is monitored.
    pub fn mark(&self, n: u32) -> Ref<'n> {
        self.reference(n, 2)
    }

    fn reference(&self, n: u32, kind: u32) -> Ref<'n> {
        Ref { node: self.own.node, creation: self.own.creation, words: [n, kind, 0, 0, 0], len: 3 }
    }
}

/// Who waits for an answer, kept for as long as he does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The process.
    pub pid: Process,
    tag: Box<[u8]>,
    /// The reference in what marks the answer.
    pub mark: Option<Mark>,
    alias: bool,
}

impl Waiting {
    /// Without the name of his node.
    pub fn of(caller: &Caller<'_>) -> Self {
        let mark = caller.mark.as_ref().map(Mark::of);
        Self { pid: Process::of(&caller.pid), tag: caller.tag.into(), mark, alias: caller.alias }
    }

    /// One term for him.
    pub fn told(&self, names: &Names<'_>, value: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mark = self.mark.map(|mark| mark.on(names.peer));
        let caller = Caller { pid: self.pid.on(names.peer), tag: &self.tag, mark, alias: self.alias };
        actor::reply(&names.own, &caller, value)
    }

    /// `{ok, Value}` or `{error, Error}`.
    pub fn answered(&self, names: &Names<'_>, ok: bool, term: &[u8]) -> Vec<u8> {
        self.told(names, |w| {
            w.tuple(2);
            atom(w, if ok { "ok" } else { "error" });
            w.raw(term);
        })
    }
}

/// Why something was not done, in the terms of docs/protocol.md and docs/distribution.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error that a copy could have answered.
    Error(RequestError),
    /// The arguments are no term of the protocol: the reason of its `bad_frame`.
    NoTerm(&'static str),
    /// More bytes than this: the most, and what would help.
    TooLong(usize, &'static str),
    /// There is no copy: why.
    Start(String),
    /// It is not known whether the change was made.
    Unknown,
    /// The copy has ended.
    Down,
    /// The copy does not serve: the map that it said.
    Refused(Vec<u8>),
}

impl Failure {
    /// The error, as one term.
    #[must_use]
    pub fn term(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Error(error) => reply::write_error(&mut w, RequestId::NONE, error),
            Self::NoTerm(why) => {
                tagged(&mut w, 3, "bad_request");
                w.nil();
                atom(&mut w, why);
            }
            Self::TooLong(most, hint) => {
                tagged(&mut w, 3, "too_long");
                w.uint(u64::try_from(*most).unwrap_or(u64::MAX));
                w.text(hint);
            }
            Self::Start(why) => {
                tagged(&mut w, 2, "start");
                w.text(why);
            }
            Self::Unknown => {
                tagged(&mut w, 2, "unknown_outcome");
                atom(&mut w, "undefined");
            }
            Self::Down => {
                tagged(&mut w, 2, "down");
                atom(&mut w, "closed");
            }
            Self::Refused(map) => {
                tagged(&mut w, 2, "refused");
                w.raw(map);
            }
        }
        w.bytes().to_vec()
    }
}

fn tagged(w: &mut Writer, arity: usize, tag: &str) {
    w.tuple(arity);
    atom(w, tag);
}

/// What a subscriber is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// `{event, Event}`
    Event(&'a [u8]),
    /// `{lost, N}`
    Lost(&'a [u8]),
    /// `{ended, Reason}`
    Ended(&'a [u8]),
}

/// `{portcullis, Handle, News}` to a subscriber.
pub fn news(names: &Names<'_>, n: u32, subscriber: &Process, news: News<'_>) -> Vec<u8> {
    let (word, term) = match news {
        News::Event(term) => ("event", term),
        News::Lost(term) => ("lost", term),
        News::Ended(term) => ("ended", term),
    };
    let mut w = Writer::new();
    tagged(&mut w, 3, "portcullis");
    reference(&mut w, &names.handle(n));
    tagged(&mut w, 2, word);
    w.raw(term);
    answer::send(&names.own, &subscriber.on(names.peer), w.bytes())
}

/// `{ok, Handle}` to who has subscribed.
pub fn subscribed(names: &Names<'_>, n: u32, who: &Waiting) -> Vec<u8> {
    who.told(names, |w| {
        tagged(w, 2, "ok");
        reference(w, &names.handle(n));
    })
}

/// The subscriber is watched, as it can end without a word.
pub fn watch(names: &Names<'_>, n: u32, subscriber: &Process) -> Vec<u8> {
    answer::monitor(&names.own, &Target::Pid(subscriber.on(names.peer)), &names.mark(n))
}

/// It is not any more.
pub fn unwatch(names: &Names<'_>, n: u32, subscriber: &Process) -> Vec<u8> {
    answer::demonitor(&names.own, &Target::Pid(subscriber.on(names.peer)), &names.mark(n))
}

/// `{ok, {Columns, Rows}, Meta}` in the making: a whole frame but for its end, so that the rows are copied once.
#[derive(Debug)]
pub struct Rows {
    frame: Vec<u8>,
    /// Where the list of rows begins.
    at: usize,
    count: u32,
}

/// Bytes of the head of a list.
const LIST_HEAD: usize = 5;

impl Rows {
    /// Of these columns, for him.
    pub fn new(names: &Names<'_>, who: &Waiting, columns: &[u8]) -> Self {
        let frame = who.told(names, |w| {
            tagged(w, 3, "ok");
            w.tuple(2);
            w.raw(columns);
            w.raw(&[108, 0, 0, 0, 0]);
        });
        let at = frame.len().saturating_sub(LIST_HEAD);
        Self { frame, at, count: 0 }
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// So many rows more.
    pub fn push(&mut self, count: usize, rows: &[u8]) {
        self.count = self.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.frame.extend_from_slice(rows);
    }

    /// The frame.
    pub fn end(mut self, meta: &[u8]) -> Vec<u8> {
        if self.count == 0 {
            self.frame.truncate(self.at);
        } else {
            self.patch(self.at.saturating_add(1), self.count);
        }
        self.frame.push(106);
        self.frame.extend_from_slice(meta);
        let length = u32::try_from(self.frame.len().saturating_sub(4)).unwrap_or(u32::MAX);
        self.patch(0, length);
        self.frame
    }

    fn patch(&mut self, at: usize, n: u32) {
        if let Some(room) = self.frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *room = n.to_be_bytes();
        }
    }
}
