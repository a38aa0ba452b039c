//! Control messages: the tuple in front of each message between nodes, from bytes to a type. ERTS User's Guide, Distribution Protocol,
//! "Protocol between Connected Nodes", OTP 25 to 28.
//!
//! Only what stands in front is read here. The payload is walked once, by the filter.
#![forbid(unsafe_code)]

pub mod answer;

use crate::dist::command::Command;
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::scan::{Bounds, Nobody, Stop, Walk};
use crate::dist::etf::{Fault, Identifier, Pid, Ref};
use crate::limits::{DIST_CONTROL_BYTES_MAX, DIST_CONTROL_TERMS_MAX, DIST_SPAWN_OPTIONS_MAX};

/// The byte in front of a message without atom cache (`PASS_THROUGH`).
pub const PASS_THROUGH: u8 = 112;

/// Who a message goes to, or comes from, where a name can stand for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A process.
    Pid(Pid<'a>),
    /// A registered name.
    Name(&'a str),
}

/// What a spawn request asks to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mfa<'a> {
    /// The module.
    pub module: &'a str,
    /// The function.
    pub function: &'a str,
    /// How many arguments.
    pub arity: u8,
}

/// Options of a spawn request, as far as they make something that is answered later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpawnOptions {
    /// The new process is linked to the one that asks.
    pub link: bool,
    /// The one that asks monitors the new process, under the reference of the request.
    pub monitor: bool,
    /// Some option is about the node rather than the process: memory that is taken before its function begins, a higher priority, or
    /// nobody knows what.
    pub of_node: bool,
}

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named as in the documentation of the protocol")]
pub enum Control<'a> {
    /// `LINK`.
    Link { from: Pid<'a>, to: Pid<'a> },
    /// `SEND` and `SEND_SENDER`; the first does not say who sends.
    Send { from: Option<Pid<'a>>, to: Pid<'a> },
    /// `EXIT` and `PAYLOAD_EXIT`.
    Exit { from: Pid<'a>, to: Pid<'a> },
    /// `UNLINK`, until OTP 25 and only without `DFLAG_UNLINK_ID`; then `UNLINK_ID`, which has an id.
    Unlink { id: Option<u64>, from: Pid<'a>, to: Pid<'a> },
    /// `UNLINK_ID_ACK`.
    UnlinkAck { id: u64, from: Pid<'a>, to: Pid<'a> },
    /// `REG_SEND`.
    RegSend { from: Pid<'a>, to: &'a str },
    /// `GROUP_LEADER`: the new leader, and who gets it.
    GroupLeader { leader: Pid<'a>, to: Pid<'a> },
    /// `EXIT2` and `PAYLOAD_EXIT2`.
    Exit2 { from: Pid<'a>, to: Pid<'a> },
    /// `MONITOR_P`.
    Monitor { from: Pid<'a>, to: Target<'a>, reference: Ref<'a> },
    /// `DEMONITOR_P`.
    Demonitor { from: Pid<'a>, to: Target<'a>, reference: Ref<'a> },
    /// `MONITOR_P_EXIT` and `PAYLOAD_MONITOR_P_EXIT`.
    MonitorExit { from: Target<'a>, to: Pid<'a>, reference: Ref<'a> },
    /// `SPAWN_REQUEST`.
    SpawnRequest { request: Ref<'a>, from: Pid<'a>, leader: Pid<'a>, mfa: Mfa<'a>, options: SpawnOptions },
    /// `SPAWN_REPLY`: the new process, or `None` where it failed.
    SpawnReply { request: Ref<'a>, to: Pid<'a>, link: bool, monitor: bool, result: Option<Pid<'a>> },
    /// `ALIAS_SEND`.
    AliasSend { from: Pid<'a>, alias: Ref<'a> },
}

impl Control<'_> {
    /// The command that rules know it as.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self::Link { .. } => Command::Link,
            Self::Send { .. } => Command::Send,
            Self::Exit { .. } => Command::Exit,
            Self::Unlink { .. } => Command::Unlink,
            Self::UnlinkAck { .. } => Command::UnlinkAck,
            Self::RegSend { .. } => Command::RegSend,
            Self::GroupLeader { .. } => Command::GroupLeader,
            Self::Exit2 { .. } => Command::Exit2,
            Self::Monitor { .. } => Command::Monitor,
            Self::Demonitor { .. } => Command::Demonitor,
            Self::MonitorExit { .. } => Command::MonitorExit,
            Self::SpawnRequest { .. } => Command::SpawnRequest,
            Self::SpawnReply { .. } => Command::SpawnReply,
            Self::AliasSend { .. } => Command::AliasSend,
        }
    }
}

/// A message between nodes: what it asks for, and where its terms are.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What it asks for.
    pub control: Control<'a>,
    /// It carries a token of sequential tracing.
    pub traced: bool,
    /// The control tuple, without its version byte.
    pub tuple: &'a [u8],
    /// A reason that stands in the tuple, as without `DFLAG_EXIT_PAYLOAD`.
    pub reason: Option<&'a [u8]>,
    /// The payload, without its version byte: one term, if the sender is honest.
    pub payload: Option<&'a [u8]>,
    /// Bytes of the whole message.
    pub size: usize,
}

/// The operations of the wire. A number that is not here was not negotiated: `NODE_LINK` (5) is obsolete, `ALTACT_SIG_SEND` (37) asks for
/// `DFLAG_ALTACT_SIG`, which is never offered.
mod op {
    pub const LINK: i32 = 1;
    pub const SEND: i32 = 2;
    pub const EXIT: i32 = 3;
    pub const UNLINK: i32 = 4;
    pub const REG_SEND: i32 = 6;
    pub const GROUP_LEADER: i32 = 7;
    pub const EXIT2: i32 = 8;
    pub const SEND_TT: i32 = 12;
    pub const EXIT_TT: i32 = 13;
    pub const REG_SEND_TT: i32 = 16;
    pub const EXIT2_TT: i32 = 18;
    pub const MONITOR_P: i32 = 19;
    pub const DEMONITOR_P: i32 = 20;
    pub const MONITOR_P_EXIT: i32 = 21;
    pub const SEND_SENDER: i32 = 22;
    pub const SEND_SENDER_TT: i32 = 23;
    pub const PAYLOAD_EXIT: i32 = 24;
    pub const PAYLOAD_EXIT_TT: i32 = 25;
    pub const PAYLOAD_EXIT2: i32 = 26;
    pub const PAYLOAD_EXIT2_TT: i32 = 27;
    pub const PAYLOAD_MONITOR_P_EXIT: i32 = 28;
    pub const SPAWN_REQUEST: i32 = 29;
    pub const SPAWN_REQUEST_TT: i32 = 30;
    pub const SPAWN_REPLY: i32 = 31;
    pub const SPAWN_REPLY_TT: i32 = 32;
    pub const ALIAS_SEND: i32 = 33;
    pub const ALIAS_SEND_TT: i32 = 34;
    pub const UNLINK_ID: i32 = 35;
    pub const UNLINK_ID_ACK: i32 = 36;

    /// Those whose last element is a reason.
    pub const REASON_INSIDE: [i32; 5] = [EXIT, EXIT_TT, EXIT2, EXIT2_TT, MONITOR_P_EXIT];
}

/// How many elements follow the number, whether the last of them is a token, and whether a payload follows.
fn shape(number: i32) -> Option<(usize, bool, bool)> {
    use op::*;
    Some(match number {
        LINK | GROUP_LEADER | UNLINK => (2, false, false),
        SEND | SEND_SENDER | PAYLOAD_EXIT | PAYLOAD_EXIT2 | ALIAS_SEND => (2, false, true),
        SEND_TT | SEND_SENDER_TT | PAYLOAD_EXIT_TT | PAYLOAD_EXIT2_TT | ALIAS_SEND_TT => (3, true, true),
        EXIT | EXIT2 | MONITOR_P | DEMONITOR_P | UNLINK_ID | UNLINK_ID_ACK => (3, false, false),
        REG_SEND | PAYLOAD_MONITOR_P_EXIT => (3, false, true),
        EXIT_TT | EXIT2_TT => (4, true, false),
        REG_SEND_TT => (4, true, true),
        MONITOR_P_EXIT | SPAWN_REPLY => (4, false, false),
        SPAWN_REPLY_TT => (5, true, false),
        SPAWN_REQUEST => (5, false, true),
        SPAWN_REQUEST_TT => (6, true, true),
        _ => return None,
    })
}

/// Reads the body of a frame: `p`, the control tuple, the payload.
///
/// # Errors
/// Why it is no message; the connection must end. Bytes of the payload are not looked at.
pub fn read(body: &[u8]) -> Result<Message<'_>, Fault> {
    let bytes = match body.split_first() {
        None => return Err(Fault::Truncated),
        Some((&PASS_THROUGH, rest)) => rest,
        Some(_) => return Err(Fault::PassThrough),
    };
    let mut cursor = Cursor::new(bytes);
    cursor.version()?;
    let start = cursor.rest();
    let arity = match cursor.head()? {
        Head::Tuple(n) => n,
        _ => return Err(Fault::Shape),
    };
    let Head::Integer(number) = cursor.head()? else { return Err(Fault::Shape) };
    let (elements, traced, with_payload) = shape(number).ok_or(Fault::Operation)?;
    if arity != elements + 1 {
        return Err(Fault::Shape);
    }
    let control = control(number, &mut cursor)?;
    if traced {
        skip(&mut cursor)?;
    }
    let reason = if op::REASON_INSIDE.contains(&number) {
        let before = cursor.rest();
        skip(&mut cursor)?;
        before.get(..before.len().saturating_sub(cursor.rest().len()))
    } else {
        None
    };
    let used = start.len().saturating_sub(cursor.rest().len());
    let tuple = start.get(..used).ok_or(Fault::Truncated)?;
    if tuple.len() > DIST_CONTROL_BYTES_MAX {
        return Err(Fault::Length);
    }
    let payload = match (with_payload, cursor.rest().is_empty()) {
        (false, true) => None,
        (true, false) => {
            cursor.version()?;
            Some(cursor.rest())
        }
        _ => return Err(Fault::Payload),
    };
    Ok(Message { control, traced, tuple, reason, payload, size: body.len() })
}

/// The elements behind the number. In the order of evaluation: fields of a struct are read as they are written here.
fn control<'a>(number: i32, c: &mut Cursor<'a>) -> Result<Control<'a>, Fault> {
    use op::*;
    Ok(match number {
        LINK => Control::Link { from: pid(c)?, to: pid(c)? },
        // Where a cookie stood once there is an atom, of every node.
        SEND | SEND_TT => {
            c.atom()?;
            Control::Send { from: None, to: pid(c)? }
        }
        SEND_SENDER | SEND_SENDER_TT => Control::Send { from: Some(pid(c)?), to: pid(c)? },
        EXIT | EXIT_TT | PAYLOAD_EXIT | PAYLOAD_EXIT_TT => Control::Exit { from: pid(c)?, to: pid(c)? },
        EXIT2 | EXIT2_TT | PAYLOAD_EXIT2 | PAYLOAD_EXIT2_TT => Control::Exit2 { from: pid(c)?, to: pid(c)? },
        UNLINK => Control::Unlink { id: None, from: pid(c)?, to: pid(c)? },
        UNLINK_ID => Control::Unlink { id: Some(id(c)?), from: pid(c)?, to: pid(c)? },
        UNLINK_ID_ACK => Control::UnlinkAck { id: id(c)?, from: pid(c)?, to: pid(c)? },
        REG_SEND | REG_SEND_TT => {
            let from = pid(c)?;
            c.atom()?;
            Control::RegSend { from, to: c.atom()? }
        }
        GROUP_LEADER => Control::GroupLeader { leader: pid(c)?, to: pid(c)? },
        MONITOR_P => Control::Monitor { from: pid(c)?, to: target(c)?, reference: reference(c)? },
        DEMONITOR_P => Control::Demonitor { from: pid(c)?, to: target(c)?, reference: reference(c)? },
        MONITOR_P_EXIT | PAYLOAD_MONITOR_P_EXIT => {
            Control::MonitorExit { from: target(c)?, to: pid(c)?, reference: reference(c)? }
        }
        SPAWN_REQUEST | SPAWN_REQUEST_TT => Control::SpawnRequest {
            request: reference(c)?,
            from: pid(c)?,
            leader: pid(c)?,
            mfa: mfa(c)?,
            options: options(c)?,
        },
        SPAWN_REPLY | SPAWN_REPLY_TT => spawn_reply(c)?,
        ALIAS_SEND | ALIAS_SEND_TT => Control::AliasSend { from: pid(c)?, alias: reference(c)? },
        _ => return Err(Fault::Operation),
    })
}

/// Flag bits of a reply: the new process was linked, and is monitored.
const SPAWN_LINK: i32 = 1;
const SPAWN_MONITOR: i32 = 2;

fn spawn_reply<'a>(c: &mut Cursor<'a>) -> Result<Control<'a>, Fault> {
    let (request, to) = (reference(c)?, pid(c)?);
    let Head::Integer(flags) = c.head()? else { return Err(Fault::Shape) };
    if flags & !(SPAWN_LINK | SPAWN_MONITOR) != 0 {
        return Err(Fault::Shape);
    }
    let result = match target(c)? {
        Target::Pid(pid) => Some(pid),
        Target::Name(_) => None,
    };
    let (link, monitor) = (flags & SPAWN_LINK != 0, flags & SPAWN_MONITOR != 0);
    Ok(Control::SpawnReply { request, to, link, monitor, result })
}

fn mfa<'a>(c: &mut Cursor<'a>) -> Result<Mfa<'a>, Fault> {
    let Head::Tuple(3) = c.head()? else { return Err(Fault::Shape) };
    let (module, function) = (c.atom()?, c.atom()?);
    let Head::Integer(arity) = c.head()? else { return Err(Fault::Shape) };
    Ok(Mfa { module, function, arity: u8::try_from(arity).map_err(|_| Fault::Shape)? })
}

/// A proper list of atoms and of tuples that begin with one: `[monitor, {monitor, Options}, link, {priority, P}, ...]`. Who may ask for one
/// function may not end the node with `{min_heap_size, N}`: the runtime system ends where there is no such memory.
fn options(c: &mut Cursor<'_>) -> Result<SpawnOptions, Fault> {
    let mut found = SpawnOptions::default();
    let n = match c.head()? {
        Head::Nil => return Ok(found),
        Head::List(n) if n <= DIST_SPAWN_OPTIONS_MAX => n,
        _ => return Err(Fault::Shape),
    };
    for _ in 0..n {
        let mut front = *c;
        let (name, arity) = match front.head()? {
            Head::Atom(name) => (name, 1),
            Head::Tuple(arity) if arity > 0 => (front.atom()?, arity),
            _ => return Err(Fault::Shape),
        };
        match (name, arity) {
            ("link", 1) => found.link = true,
            ("monitor", _) => found.monitor = true,
            ("async_dist" | "fullsweep_after" | "max_heap_size" | "message_queue_data", 2) => {}
            ("priority", 2) if matches!(front.head()?, Head::Atom("low" | "normal")) => {}
            _ => found.of_node = true,
        }
        skip(c)?;
    }
    match c.head()? {
        Head::Nil => Ok(found),
        _ => Err(Fault::Shape),
    }
}

fn pid<'a>(c: &mut Cursor<'a>) -> Result<Pid<'a>, Fault> {
    match c.head()? {
        Head::Identifier(Identifier::Pid(pid)) => Ok(pid),
        _ => Err(Fault::Shape),
    }
}

fn target<'a>(c: &mut Cursor<'a>) -> Result<Target<'a>, Fault> {
    match c.head()? {
        Head::Identifier(Identifier::Pid(pid)) => Ok(Target::Pid(pid)),
        Head::Atom(name) => Ok(Target::Name(name)),
        _ => Err(Fault::Shape),
    }
}

fn reference<'a>(c: &mut Cursor<'a>) -> Result<Ref<'a>, Fault> {
    match c.head()? {
        Head::Identifier(Identifier::Ref(reference)) => Ok(reference),
        _ => Err(Fault::Shape),
    }
}

/// The id of an unlink: 1 to 2^64-1.
fn id(c: &mut Cursor<'_>) -> Result<u64, Fault> {
    let id = match c.head()? {
        Head::Integer(n) => u64::try_from(n).ok(),
        Head::Big(false, bytes) if bytes.len() <= 8 => {
            Some(bytes.iter().rev().fold(0, |n, byte| (n << 8) | u64::from(*byte)))
        }
        _ => None,
    };
    id.filter(|id| *id > 0).ok_or(Fault::Shape)
}

/// Steps over one term of the tuple. A fun there is no reason or token that a node sends.
fn skip(c: &mut Cursor<'_>) -> Result<(), Fault> {
    let bounds = Bounds { depth: 64, terms: DIST_CONTROL_TERMS_MAX, integer_bytes: DIST_CONTROL_BYTES_MAX };
    match Walk::default().term(c, &bounds, &mut Nobody) {
        Ok(()) => Ok(()),
        Err(Stop::Malformed(fault)) => Err(fault),
        Err(Stop::Unwanted(_)) => Err(Fault::Shape),
    }
}

/// A `gen_server:call`, as its receiver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Under which the caller waits: a DOWN for it ends the call with the reason.
    pub reference: Ref<'a>,
    /// It is that of his monitor.
    pub watches: bool,
    /// It is `sys` that asks.
    pub system: bool,
    /// The request, and what may follow it.
    pub request: &'a [u8],
}

/// Reads `{'$gen_call', {Pid, Tag}, Request}`, and `{system, {Pid, Tag}, Request}`, by which `sys` asks. The tag is a reference, `[alias|Ref]`, and of
/// a call of several nodes `[[alias|Ref]|Node]` or, before OTP 26, `{Ref, Node}`: neither reference is a monitor's.
#[must_use]
pub fn gen_call(payload: &[u8]) -> Option<Call<'_>> {
    let mut c = Cursor::new(payload);
    if c.head() != Ok(Head::Tuple(3)) {
        return None;
    }
    let system = match c.atom() {
        Ok("$gen_call") => false,
        Ok("system") => true,
        _ => return None,
    };
    if c.head() != Ok(Head::Tuple(2)) {
        return None;
    }
    pid(&mut c).ok()?;
    let alias = |c: &mut Cursor<'_>| (c.atom() == Ok("alias")).then_some(());
    let (reference, watches) = match c.head().ok()? {
        Head::Identifier(Identifier::Ref(mark)) => (mark, true),
        Head::Tuple(2) => {
            let mark = reference(&mut c).ok()?;
            c.atom().ok()?;
            (mark, false)
        }
        Head::List(1) => {
            let mut inside = c;
            if inside.head() == Ok(Head::List(1)) {
                c = inside;
                alias(&mut c)?;
                let mark = reference(&mut c).ok()?;
                c.atom().ok()?;
                (mark, false)
            } else {
                alias(&mut c)?;
                (reference(&mut c).ok()?, true)
            }
        }
        _ => return None,
    };
    Some(Call { reference, watches, system, request: c.rest() })
}

/// Reads the front of `{io_request, From, ReplyAs, Request}`: under what reference `io` monitors the group leader that it asks.
#[must_use]
pub fn io_request(payload: &[u8]) -> Option<Ref<'_>> {
    let mut c = Cursor::new(payload);
    if c.head() != Ok(Head::Tuple(4)) || c.atom() != Ok("io_request") {
        return None;
    }
    pid(&mut c).ok()?;
    reference(&mut c).ok()
}

#[cfg(test)]
mod tests;
