//! What messages ask of the node itself, and how it answers. It shows three kinds of process: `net_kernel`, which says that it is
//! there; `portcullis`, which opens sessions; and the sessions, which are spoken to as ports are.
#![forbid(unsafe_code)]

use super::direct::ask::{self, Wish};
use super::glass::{self, Glass};
use super::words::Ticket;
use crate::dist::control::{Control, Message, answer};
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::write::{atom, pid};
use crate::dist::etf::{Identifier, Pid, Ref};
use crate::dist::verb;
use crate::error::RequestError;
use crate::limits::NODE_TAG_MAX;
use crate::op::Role;
use crate::wire::write::Writer;

/// Who called, and under what the answer is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The process.
    pub pid: Pid<'a>,
    /// What marks the answer, encoded: any term, as `gen` has it.
    pub tag: &'a [u8],
    /// The reference in it, if it is one, or begins with one.
    pub mark: Option<Ref<'a>>,
    /// The answer goes to that reference, so that a late one finds nobody (`erlang:alias/1`).
    pub alias: bool,
}

/// What a message asks of the node.
#[derive(Clone, Debug)]
pub enum Asked<'a> {
    /// `net_adm:ping/1`: whether the node is there.
    Ping(Caller<'a>),
    /// A session with a copy of that role.
    Open(Caller<'a>, Role),
    /// What the node is.
    Info(Caller<'a>),
    /// The glass broken, by a one-time code; or a call that is no such one.
    Glass(Caller<'a>, Result<Ticket<'a>, ()>),
    /// A verb of `portcullis_dist`.
    Control(Caller<'a>, &'a [u8]),
    /// An operation, without a session.
    Direct(Caller<'a>, Result<Wish<'a>, RequestError>),
    /// The same, and nobody waits for an answer; nothing where it is none.
    Cast(Option<Result<Wish<'a>, RequestError>>),
    /// A call that means nothing here.
    Unknown(Caller<'a>),
    /// A frame for the copy that a session is with.
    Frame(Pid<'a>, &'a [u8]),
    /// The end of a session.
    Close(Pid<'a>),
    /// A call of a process, which is not how sessions are spoken to.
    Misled(Caller<'a>, Pid<'a>),
}

/// What a message asks; nothing where it says nothing that is listened to.
#[must_use]
pub fn asked<'a>(message: &Message<'a>, portcullis: &Pid<'_>) -> Option<Asked<'a>> {
    let payload = message.payload?;
    let name = match message.control {
        Control::RegSend { to, .. } => to,
        Control::Send { to, .. } if to == *portcullis => "portcullis",
        Control::Send { to, .. } => {
            let misled = || caller(&mut Cursor::new(payload)).map(|(_, caller)| Asked::Misled(caller, to));
            return command(to, &mut Cursor::new(payload)).or_else(misled);
        }
        _ => return None,
    };
    call(name, &mut Cursor::new(payload)).or_else(|| cast(name, &mut Cursor::new(payload)))
}

/// `{'$gen_cast', Request}`.
fn cast<'a>(name: &str, term: &mut Cursor<'a>) -> Option<Asked<'a>> {
    tuple(term, 2)?;
    (term.atom().ok()? == "$gen_cast" && name == "portcullis").then(|| Asked::Cast(ask::read(*term)))
}

/// Who calls, by `{'$gen_call', {Pid, Tag}, Request}`, and by `{system, {Pid, Tag}, Request}`, by which `sys` asks: whether it is that.
fn caller<'a>(term: &mut Cursor<'a>) -> Option<(bool, Caller<'a>)> {
    tuple(term, 3)?;
    let system = match term.atom().ok()? {
        "$gen_call" => false,
        "system" => true,
        _ => return None,
    };
    tuple(term, 2)?;
    let Head::Identifier(Identifier::Pid(pid)) = term.head().ok()? else { return None };
    let tag = ask::one(term).filter(|tag| tag.len() <= NODE_TAG_MAX)?;
    let (mark, alias) = mark(Cursor::new(tag)).map_or((None, false), |(mark, alias)| (Some(mark), alias));
    Some((system, Caller { pid, tag, mark, alias }))
}

fn call<'a>(name: &str, term: &mut Cursor<'a>) -> Option<Asked<'a>> {
    let (system, caller) = caller(term)?;
    Some(match name {
        "net_kernel" | "portcullis" if system => Asked::Unknown(caller),
        "net_kernel" => match is_auth(term) {
            Some(()) => Asked::Ping(caller),
            None => Asked::Unknown(caller),
        },
        "portcullis" if verb::is_one(term.rest()) => Asked::Control(caller, term.rest()),
        "portcullis" => match (glass::ticket(*term), request(&mut term.clone()), ask::read(*term)) {
            (Some(ticket), ..) => Asked::Glass(caller, ticket),
            (None, Some(ask), _) => ask(caller),
            (None, None, Some(wish)) => Asked::Direct(caller, wish),
            (None, None, None) => Asked::Unknown(caller),
        },
        _ => return None,
    })
}

/// The reference of a tag, and whether it is an alias: `Ref`, `[alias | Ref]`, and of a call of several nodes `[[alias | Ref] | Node]` and, in
/// OTP 25, `{Ref, Node}`.
fn mark<'a>(mut tag: Cursor<'a>) -> Option<(Ref<'a>, bool)> {
    match tag.head().ok()? {
        Head::Identifier(Identifier::Ref(mark)) => Some((mark, false)),
        Head::Tuple(2) => match tag.head().ok()? {
            Head::Identifier(Identifier::Ref(mark)) => Some((mark, false)),
            _ => None,
        },
        Head::List(1) => {
            let alias = match tag.head().ok()? {
                Head::List(1) => tag.atom().ok()?,
                Head::Atom(word) => word,
                _ => return None,
            };
            match tag.head().ok()? {
                Head::Identifier(Identifier::Ref(mark)) if alias == "alias" => Some((mark, true)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_auth(term: &mut Cursor<'_>) -> Option<()> {
    tuple(term, 2)?;
    (term.atom().ok()? == "is_auth").then_some(())
}

/// `info`, or `{open, Role}`.
fn request<'a>(term: &mut Cursor<'a>) -> Option<impl FnOnce(Caller<'a>) -> Asked<'a> + use<'a>> {
    let role = match term.head().ok()? {
        Head::Atom("info") => None,
        Head::Tuple(2) if term.atom().ok()? == "open" => Some(match term.atom().ok()? {
            "proc" => Role::Proc,
            "net" => Role::Net,
            _ => return None,
        }),
        _ => return None,
    };
    Some(move |caller| role.map_or(Asked::Info(caller), |role| Asked::Open(caller, role)))
}

/// `{Owner, {command, Frame}}` and `{Owner, close}`, as ports have it. Whose the session is, its node has to know: another process there
/// could as well send in its name.
fn command<'a>(to: Pid<'a>, term: &mut Cursor<'a>) -> Option<Asked<'a>> {
    tuple(term, 2)?;
    let Head::Identifier(Identifier::Pid(_)) = term.head().ok()? else { return None };
    match term.head().ok()? {
        Head::Atom("close") => Some(Asked::Close(to)),
        Head::Tuple(2) if term.atom().ok()? == "command" => match term.head().ok()? {
            Head::Binary(frame) => Some(Asked::Frame(to, frame)),
            _ => None,
        },
        _ => None,
    }
}

fn tuple(term: &mut Cursor<'_>, arity: usize) -> Option<()> {
    (term.head().ok()? == Head::Tuple(arity)).then_some(())
}

/// The answer to a call: a frame for its node.
#[must_use]
pub fn reply(own: &Pid<'_>, caller: &Caller<'_>, value: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut term = Writer::new();
    term.tuple(2);
    term.raw(caller.tag);
    value(&mut term);
    match caller.mark {
        Some(mark) if caller.alias => answer::alias_send(own, &mark, term.bytes()),
        _ => answer::send(own, &caller.pid, term.bytes()),
    }
}

/// `{ok, Session}`.
pub fn opened(session: &Pid<'_>, w: &mut Writer) {
    w.tuple(2);
    atom(w, "ok");
    pid(w, session);
}

/// `{error, {Why, Text}}`.
pub fn failed(why: &str, text: &str, w: &mut Writer) {
    w.tuple(2);
    atom(w, "error");
    w.tuple(2);
    atom(w, why);
    w.binary(text.as_bytes());
}

/// `{Session, {data, Frame}}` to its owner, as a port has it.
#[must_use]
pub fn data(session: &Pid<'_>, owner: &Pid<'_>, frame: &[u8]) -> Vec<u8> {
    let mut term = Writer::new();
    term.tuple(2);
    pid(&mut term, session);
    term.tuple(2);
    atom(&mut term, "data");
    term.binary(frame);
    answer::send(session, owner, term.bytes())
}

/// A word alone.
pub fn word(text: &str, w: &mut Writer) {
    atom(w, text);
}

/// `{ok, #{break_glass, peers, ...}}`: whether the glass is broken, how many there are, and the process that it is about.
pub fn info(own: &Pid<'_>, counts: &[(&str, u64)], glass: Option<&Glass>, w: &mut Writer) {
    w.tuple(2);
    atom(w, "ok");
    w.map(counts.len().saturating_add(2));
    atom(w, "break_glass");
    Glass::show(glass, w);
    for (key, count) in counts {
        atom(w, key);
        w.uint(*count);
    }
    atom(w, "pid");
    pid(w, own);
}
