//! From an accepted term to what the client asks for.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Why};
use crate::ids::RequestId;
use crate::limits::CREDIT_MAX;
use crate::op::{OpRow, Role};
use crate::protocol::ops;
use crate::wire::schema::{At, atom, integer, map};
use crate::wire::term::{Items, Pairs, Term};

/// A frame from the client.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A request.
    Request(Request<'a>),
    /// The end of one, as the client wants it.
    Cancel(RequestId),
    /// So many more chunks.
    Credit(RequestId, u32),
}

/// A request for an operation of this role.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its id.
    pub id: RequestId,
    /// The row of the op table.
    pub row: &'static OpRow,
    /// The arguments, to be read by the operation.
    pub args: Pairs<'a>,
    /// The deadline, from now.
    pub timeout_ms: u64,
}

/// Largest timeout that a request can name; longer than any deadline that is granted.
const TIMEOUT_MAX_MS: u64 = (1 << 31) - 1;

/// Reads a message. The id of an error is [`RequestId::NONE`] where the message does not say whose it is.
pub fn decode(term: Term<'_>, role: Role) -> Result<Message<'_>, (RequestId, RequestError)> {
    let wrong = || At::Top.error(Why::Expected("request")).of(RequestId::NONE);
    let Term::Tuple(mut items) = term else { return Err(wrong()) };
    let arity = items.len();
    let (Some(Term::Atom(tag)), Some(id)) = (items.next(), items.next()) else { return Err(wrong()) };
    let id = decode_id(id)?;
    match (tag, arity) {
        ("req", 5) => request(id, items, role).map(Message::Request).map_err(|e| e.of(id)),
        ("cancel", 2) => Ok(Message::Cancel(id)),
        ("credit", 3) => credit(id, items).map_err(|e| e.of(RequestId::NONE)),
        _ => Err(wrong()),
    }
}

fn decode_id(term: Term<'_>) -> Result<RequestId, (RequestId, RequestError)> {
    let at = At::Index(&At::Top, 2);
    let number = integer(term, &at, 1, crate::limits::REQUEST_ID_MAX).map_err(|e| e.of(RequestId::NONE))?;
    RequestId::new(number).ok_or_else(|| at.error(Why::Expected("integer")).of(RequestId::NONE))
}

fn request<'a>(id: RequestId, mut items: Items<'a>, role: Role) -> Result<Request<'a>, RequestError> {
    let mut next = |n| items.next().ok_or_else(|| At::Index(&At::Top, n).error(Why::Missing));
    let name = atom(next(3)?, &At::Index(&At::Top, 3))?;
    let args = map(next(4)?, &At::Key(&At::Top, "args"))?;
    let timeout_ms = integer(next(5)?, &At::Key(&At::Top, "timeout"), 1, TIMEOUT_MAX_MS)?;
    let row = ops::named(role, name).ok_or_else(|| RequestError::Unsupported(name.as_bytes().to_vec()))?;
    Ok(Request { id, row, args, timeout_ms })
}

fn credit<'a>(id: RequestId, mut items: Items<'a>) -> Result<Message<'a>, RequestError> {
    let at = At::Index(&At::Top, 3);
    let chunks = items.next().ok_or_else(|| at.error(Why::Missing))?;
    let chunks = integer(chunks, &at, 1, u64::from(CREDIT_MAX))?;
    Ok(Message::Credit(id, u32::try_from(chunks).unwrap_or(CREDIT_MAX)))
}
