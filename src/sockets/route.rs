//! Lists of rtnetlink(7): interfaces, addresses, routes, neighbours. They can change while they are read, of which the kernel
//! tells. A list that changed is asked for again, unless rows of it were answered; then the answer says so.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

use super::failure;
use super::inet;
use super::plan::{INET, INET6};
use crate::error::RequestError;
use crate::netlink::dump::{Dump, Error, Next};
use crate::sys::netlink::Asked;
use crate::table::{Context, Reader, Tally, Value, Wanted};
use crate::wire::atoms::{self, Atom};

const WHAT: &str = "reading interfaces and routes by netlink";

/// How often a list is asked for that changed before any of its rows was answered.
const TRIES: u32 = 8;

/// Rows that are gathered before the first is answered.
const GATHER: usize = 4096;

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The kind of the question (`RTM_GET*`).
    pub kind: u16,
    /// The kind of its answers (`RTM_NEW*`).
    pub answer: u16,
    /// Of which family; 0: of any.
    pub family: u8,
    /// The header of the kind, which begins with the family.
    pub header: Vec<u8>,
    /// Numbers that choose among them.
    pub numbers: Vec<(u16, u32)>,
}

impl Ask {
    /// One of a kind for each family that is wanted, with a header of so many bytes.
    #[must_use]
    pub fn families<R>(wanted: &Wanted<'_, R>, kind: u16, header: usize) -> Vec<Self> {
        let all = [(INET, atoms::INET), (INET6, atoms::INET6)].into_iter();
        let condition = wanted.condition(atoms::FAMILY);
        let some = all.filter(|(_, word)| condition.is_none_or(|condition| condition.allows_word(*word)));
        some.map(|(family, _)| {
            let mut header = vec![0; header];
            if let Some(first) = header.first_mut() {
                *first = family;
            }
            Self { kind, answer: kind.saturating_sub(2), family, header, numbers: Vec::new() }
        })
        .collect()
    }
}

/// Reads one message behind its header and adds its rows; nothing where it is not whole.
pub type Parse<R> = fn(&[u8], &mut VecDeque<R>) -> Option<()>;

/// Reads lists one after the other.
#[derive(Debug)]
pub struct Lists<R> {
    asks: VecDeque<Ask>,
    parse: Parse<R>,
    dump: Option<Dump>,
    ready: VecDeque<R>,
    /// Rows of the list under way are being answered.
    given: bool,
    tries: u32,
}

impl<R: fmt::Debug + 'static> Lists<R> {
    /// A reader of these lists.
    #[must_use]
    pub fn of(asks: Vec<Ask>, parse: Parse<R>) -> Box<dyn Reader<R>> {
        let (dump, ready) = (None, VecDeque::new());
        Box::new(Self { asks: asks.into(), parse, dump, ready, given: true, tries: 0 })
    }

    /// The list is at its end, or there is none of this kind.
    fn end(&mut self) {
        self.asks.pop_front();
        self.dump = None;
        self.tries = 0;
        self.given = true;
    }
}

impl<R: fmt::Debug + 'static> Reader<R> for Lists<R> {
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<R>, RequestError> {
        loop {
            if self.given || self.ready.len() >= GATHER {
                if let Some(row) = self.ready.pop_front() {
                    self.given = true;
                    return Ok(Some(row));
                }
            }
            let Some(ask) = self.asks.front() else { return Ok(None) };
            let link = context.link(Asked::Routes).map_err(|e| RequestError::Posix(e as i32, WHAT))?;
            let Some(dump) = &mut self.dump else {
                let begun = link.dump(ask.kind, &ask.header, |buffer| {
                    ask.numbers.iter().for_each(|(kind, n)| buffer.put(*kind, &n.to_ne_bytes()));
                });
                self.dump = begun.map_err(|e| failure(e, WHAT))?;
                if self.dump.is_none() {
                    context.later();
                    return Ok(None);
                }
                self.given = false;
                continue;
            };
            match dump.next(link) {
                Ok(Next::Message(kind, range)) => {
                    let bytes = dump.payload(range);
                    // A kernel without the family answers for all others.
                    let ours = ask.family == 0 || bytes.first() == Some(&ask.family);
                    if kind == ask.answer && ours {
                        (self.parse)(bytes, &mut self.ready)
                            .ok_or(RequestError::Posix(libc::EPROTO, WHAT))?;
                    }
                }
                Ok(Next::End) if dump.interrupted() && !self.given && self.tries < TRIES => {
                    self.tries = self.tries.saturating_add(1);
                    self.ready.clear();
                    self.dump = None;
                }
                Ok(Next::End) => {
                    tally.interrupted |= dump.interrupted();
                    self.end();
                }
                Err(Error::Refused(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)) => self.end(),
                Err(e) => return Err(failure(e, WHAT)),
            }
        }
    }

    fn park(&mut self) {
        if let Some(dump) = &self.dump {
            dump.park();
        }
    }
}

/// The word of a family.
#[must_use]
pub fn family<'a>(number: u8) -> Value<'a> {
    Value::Word(match number {
        INET => atoms::INET,
        INET6 => atoms::INET6,
        _ => atoms::UNKNOWN,
    })
}

/// Words of `family` in these tables.
pub const FAMILIES: &[Atom] = &[atoms::INET, atoms::INET6];

/// The word of a number that has one; else the number, which an administrator can choose.
#[must_use]
pub fn named<'a>(number: u8, names: &[(u8, Atom)]) -> Value<'a> {
    let name = names.iter().find(|(n, _)| *n == number);
    name.map_or(Value::Unsigned(number.into()), |(_, word)| Value::Word(*word))
}

/// An address of the family; nothing where it is not of its length.
#[must_use]
pub fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    let length = if family == INET { 4 } else { 16 };
    inet::address(family, bytes).filter(|_| bytes.len() == length)
}

/// `scope` of addresses and routes (include/uapi/linux/rtnetlink.h, `enum rt_scope_t`).
pub const SCOPES: &[(u8, Atom)] =
    &[(0, atoms::GLOBAL), (200, atoms::SITE), (253, atoms::LINK), (254, atoms::HOST), (255, atoms::NOWHERE)];

/// Its words.
pub const SCOPE_WORDS: &[Atom] = &[atoms::GLOBAL, atoms::SITE, atoms::LINK, atoms::HOST, atoms::NOWHERE];
