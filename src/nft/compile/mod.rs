//! From statements to the expressions that the kernel evaluates: dependencies are put in, constants are converted, anonymous
//! sets are taken out.
#![forbid(unsafe_code)]

use crate::error::{Step, Why};
use crate::nft::kernel::KExpr;
use crate::nft::model::{Family, RawElement, Set, Statement};

/// What the statements mean depends on.
pub trait Scope {
    /// The family of the table.
    fn family(&self) -> Family;
    /// The header of a named set or map of the table, be it of this change or of the kernel.
    fn set(&self, name: &[u8]) -> Option<Set>;
}

/// A set that a rule brings along.
#[derive(Clone, Debug, PartialEq)]
pub struct Anonymous {
    /// Its header; the table is filled in by whoever sends it.
    pub set: Set,
    /// Its elements, as the kernel wants them: intervals as beginnings and ends, sorted.
    pub elements: Vec<RawElement>,
}

/// The expressions of a rule, and its sets. A `Lookup` that refers to the n-th set has the name `__set%d` or `__map%d` and `set_id` n,
/// counted from 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// In their order.
    pub expressions: Vec<KExpr<'static>>,
    /// The sets that they look up.
    pub sets: Vec<Anonymous>,
}

/// Where in the statements something is wrong, from the statement's index (from 1) on, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path.
    pub path: Vec<Step>,
    /// What is wrong.
    pub why: Why,
}

/// Compiles the statements of a rule.
pub fn statements(_statements: &[Statement], _scope: &dyn Scope) -> Result<Compiled, Fault> {
    Ok(Compiled::default())
}
