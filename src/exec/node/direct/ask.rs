//! What is asked without the client: `{Op, Args}` and `{Op, Args, Options}`, as the request of a call or of a cast. The arguments are not
//! taken apart: they go into the request to a copy as the bytes that came.
#![forbid(unsafe_code)]

use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::scan::{Bounds, Nobody, Walk};
use crate::dist::etf::{Identifier, Ref};
use crate::error::{RequestError, Step, Why};
use crate::limits::{DIST_DEPTH_MAX, NODE_CALL_TIMEOUT_MS};
use crate::meant::meant;
use crate::op::{Op, OpRow, Role};
use crate::protocol::ops;
use crate::wire::atoms::Atom;
use crate::wire::scan;
use crate::wire::write::Writer;

/// Largest timeout that a request can name (docs/protocol.md).
const TIMEOUT_MAX_MS: u64 = (1 << 31) - 1;

/// A request for an operation.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The row of the op table.
    pub row: &'static OpRow,
    /// Whose copy answers it.
    pub role: Role,
    /// The arguments, encoded.
    pub args: &'a [u8],
    /// The deadline, from now.
    pub timeout_ms: u64,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// An operation; a subscription too.
    Do(Ask<'a>),
    /// No more events of a subscription.
    Unsubscribe(Ref<'a>),
}

/// Reads what stands behind the tag of a call or a cast; nothing where it has not this shape.
#[must_use]
pub fn read<'a>(mut term: Cursor<'a>) -> Option<Result<Wish<'a>, RequestError>> {
    let Ok(Head::Tuple(arity @ 2..=3)) = term.head() else { return None };
    let name = term.atom().ok()?;
    if name == "unsubscribe" && arity == 2 {
        return Some(match term.head() {
            Ok(Head::Identifier(Identifier::Ref(handle))) => Ok(Wish::Unsubscribe(handle)),
            _ => Err(RequestError::BadRequest(vec![Step::Index(2)], Why::Expected("a reference"))),
        });
    }
    let args = one(&mut term)?;
    let known = Role::ALL.iter().find_map(|role| ops::named(*role, name));
    // Of what is called here in other words nothing is said.
    if known.is_none() && !matches!(Cursor::new(args).head(), Ok(Head::Map(_))) {
        return None;
    }
    let options = if arity == 3 { options(&mut term) } else { Ok(Options::default()) };
    Some(options.and_then(|options| ask(name, args, options).map(Wish::Do)))
}

fn ask<'a>(name: &str, args: &'a [u8], options: Options) -> Result<Ask<'a>, RequestError> {
    let role = options.role.unwrap_or_else(|| role(name, args));
    let row = ops::named(role, name).ok_or_else(|| RequestError::Unsupported(name.as_bytes().to_vec()))?;
    Ok(Ask { row, role, args, timeout_ms: options.timeout_ms })
}

/// Whose an operation is. What both roles have is asked of `proc`, but for the topic that only `net` knows.
fn role(name: &str, args: &[u8]) -> Role {
    let of_net = ops::named(Role::Proc, name).is_none() && ops::named(Role::Net, name).is_some();
    let topic = || value(args, "topic").and_then(|mut topic| topic.atom().ok());
    if of_net || name == "subscribe" && topic() == Some("nft") { Role::Net } else { Role::Proc }
}

#[derive(Clone, Copy, Debug)]
struct Options {
    timeout_ms: u64,
    role: Option<Role>,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout_ms: NODE_CALL_TIMEOUT_MS, role: None }
    }
}

/// `#{timeout => Ms, role => proc | net}`, of which neither must be there.
fn options(term: &mut Cursor<'_>) -> Result<Options, RequestError> {
    let mut found = Options::default();
    let mut timeout = None;
    let wrong = |path: Vec<Step>, why| RequestError::BadRequest(path, why);
    let Ok(Head::Map(pairs)) = term.head() else {
        return Err(wrong(vec![Step::Index(3)], Why::Expected("map")));
    };
    for _ in 0..pairs {
        let key = term.atom().map_err(|_| wrong(vec![Step::Index(3)], Why::Expected("atom")))?;
        match key {
            "timeout" if timeout.is_some() => return Err(wrong(vec![Step::Key("timeout")], Why::Duplicate)),
            "role" if found.role.is_some() => return Err(wrong(vec![Step::Key("role")], Why::Duplicate)),
            "timeout" => {
                let number = match term.head() {
                    Ok(Head::Integer(n)) => u64::try_from(n).ok(),
                    _ => None,
                };
                let in_range = number.filter(|n| (1..=TIMEOUT_MAX_MS).contains(n));
                let range = || wrong(vec![Step::Key("timeout")], Why::Range(1, TIMEOUT_MAX_MS));
                timeout = Some(in_range.ok_or_else(range)?);
            }
            "role" => {
                let role = match term.head() {
                    Ok(Head::Atom(name)) => Role::from_name(name.as_bytes()),
                    _ => None,
                };
                let one_of = || wrong(vec![Step::Key("role")], Why::OneOf("proc or net".to_owned()));
                found.role = Some(role.ok_or_else(one_of)?);
            }
            other => {
                let why = meant(other, &["timeout", "role"]).map_or(Why::UnknownKey, Why::MisspeltKey);
                let name = other.as_bytes().to_vec();
                return Err(wrong(vec![Step::Index(3), Step::Unknown(name)], why));
            }
        }
    }
    found.timeout_ms = timeout.unwrap_or(found.timeout_ms);
    Ok(found)
}

/// Why a request is not sent to a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is longer than a copy of that role takes.
    TooLong(usize),
    /// The copy's own scan would refuse it, under an id that says nobody whose it is.
    Refused(Atom),
}

impl Ask<'_> {
    /// The request as a frame for a copy, with these arguments as they came.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn frame(&self, id: u64) -> Result<Vec<u8>, Unfit> {
        let bounds = scan::Bounds::of(self.role);
        let around = 64;
        if self.args.len().saturating_add(around) > bounds.bytes {
            return Err(Unfit::TooLong(bounds.bytes));
        }
        let mut w = Writer::new();
        w.raw(&[131]);
        w.tuple(5);
        crate::dist::etf::write::atom(&mut w, "req");
        w.uint(id);
        crate::dist::etf::write::atom(&mut w, self.row.name);
        w.raw(self.args);
        w.uint(self.timeout_ms);
        scan::validate(w.bytes(), bounds).map_err(|malformed| Unfit::Refused(malformed.why))?;
        Ok(w.bytes().to_vec())
    }

    /// Whether it is an operation of which a copy keeps something for later calls.
    #[must_use]
    pub fn lasts(&self) -> bool {
        matches!(self.row.op, Op::FileOpen | Op::FileRead | Op::NftApply | Op::NftJson)
    }
}

/// Anything that a walk lets through: what is walked here was judged before, by the firewall or by who wrote it.
const ANY: Bounds = Bounds { depth: DIST_DEPTH_MAX, terms: usize::MAX, integer_bytes: usize::MAX };

/// The bytes of the next term.
pub(in super::super) fn one<'a>(term: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let before = term.rest();
    Walk::default().term(term, &ANY, &mut Nobody).ok()?;
    before.get(..before.len().checked_sub(term.rest().len())?)
}

/// The value of a map's key that is this atom.
pub(super) fn value<'a>(map: &'a [u8], key: &str) -> Option<Cursor<'a>> {
    let mut term = Cursor::new(map);
    let Ok(Head::Map(pairs)) = term.head() else { return None };
    for _ in 0..pairs {
        let found = Cursor::new(one(&mut term)?).atom() == Ok(key);
        if found {
            return Some(term);
        }
        one(&mut term)?;
    }
    None
}

#[cfg(test)]
mod tests;
