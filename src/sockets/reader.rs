//! Reads the lists of a plan one after the other.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use nix::errno::Errno;

use super::failure;
use super::plan::Ask;
use super::raw;
use super::row::Socket;
use crate::error::RequestError;
use crate::netlink::dump::{Dump, Error, Next};
use crate::sys::netlink::Asked;
use crate::table::{Context, Reader, Tally};

const WHAT: &str = "reading sockets by netlink";

/// What reads them.
#[derive(Debug)]
pub struct Sockets {
    asks: VecDeque<Ask>,
    dump: Option<Dump>,
    /// Rows of a list that is text.
    ready: VecDeque<Socket>,
    keep: fn(&Socket) -> bool,
}

impl Sockets {
    /// A reader of these lists, of the rows that `keep` is for.
    #[must_use]
    pub fn of(asks: Vec<Ask>, keep: fn(&Socket) -> bool) -> Box<dyn Reader<Socket>> {
        Box::new(Self { asks: asks.into(), dump: None, ready: VecDeque::new(), keep })
    }
}

/// Whether the kernel does not know a kind of question that there is another way for.
fn is_another_asked(ask: &Ask, e: Errno) -> bool {
    matches!(e, Errno::EINVAL | Errno::EOPNOTSUPP) && !ask.instead().is_empty()
}

impl Reader<Socket> for Sockets {
    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<Socket>, RequestError> {
        loop {
            if let Some(socket) = self.ready.pop_front() {
                return Ok(Some(socket));
            }
            let Some(ask) = self.asks.front() else { return Ok(None) };
            if let Ask::RawText(family) = ask {
                self.ready = raw::read(*family)?.into();
                self.asks.pop_front();
                continue;
            }
            let link = context.link(Asked::Sockets).map_err(|e| RequestError::Posix(e as i32, WHAT))?;
            let Some(dump) = &mut self.dump else {
                self.dump = ask.begin(link).map_err(|e| failure(e, WHAT))?;
                if self.dump.is_none() {
                    context.later();
                    return Ok(None);
                }
                continue;
            };
            match dump.next(link) {
                Ok(Next::Message(_, range)) => {
                    let Some(socket) = ask.parse(dump.payload(range)) else {
                        return Err(RequestError::Posix(libc::EPROTO, WHAT));
                    };
                    if (self.keep)(&socket) {
                        return Ok(Some(socket));
                    }
                }
                // A kernel without such sockets, or without a list of them.
                Err(Error::Refused(e)) if e == Errno::ENOENT || is_another_asked(ask, e) => {
                    let instead = ask.instead();
                    self.asks.pop_front();
                    self.asks.extend(instead);
                    self.dump = None;
                }
                Ok(Next::End) => {
                    tally.interrupted |= dump.interrupted();
                    self.asks.pop_front();
                    self.dump = None;
                }
                Err(e) => return Err(failure(e, WHAT)),
            }
        }
    }

    fn pace(&self) -> u32 {
        16
    }

    fn park(&mut self) {
        if let Some(dump) = &self.dump {
            dump.park();
        }
    }
}
