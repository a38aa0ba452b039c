//! What is wrong with a statement, and where: a fault is made where it is found, and each caller adds its step on the way out.
#![forbid(unsafe_code)]

use super::Fault;
use crate::error::{Step, Why};
use crate::nft::value::BadValue;

/// What the parts of the compiler return.
pub(super) type Make<T> = Result<T, Fault>;

impl Fault {
    /// A fault here.
    #[cold]
    pub(super) fn new(why: Why) -> Self {
        Self { path: Vec::new(), why }
    }

    fn under(mut self, step: Step) -> Self {
        // The innermost step is added first; see `statements`.
        self.path.push(step);
        self
    }
}

/// Adds a step of the path.
pub(super) trait Within {
    /// The value of a key.
    fn key(self, key: &'static str) -> Self;
    /// An element, from 0; in the path it is counted from 1.
    fn nth(self, n: usize) -> Self;
}

impl<T> Within for Make<T> {
    fn key(self, key: &'static str) -> Self {
        self.map_err(|fault| fault.under(Step::Key(key)))
    }

    fn nth(self, n: usize) -> Self {
        let n = u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
        self.map_err(|fault| fault.under(Step::Index(n)))
    }
}

/// Another form belongs here.
pub(super) fn expected<T>(what: &'static str) -> Make<T> {
    Err(Fault::new(Why::Expected(what)))
}

/// A value that is not of its type.
pub(super) fn value(bad: BadValue) -> Fault {
    Fault::new(match bad {
        BadValue::Expected(what) => Why::Expected(what),
        BadValue::TooLarge { max } => Why::Range(0, max),
        BadValue::UnknownSymbol(name) => Why::UnknownName(name),
    })
}
