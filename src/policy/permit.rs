//! The permit: the proof that the policy allowed exactly one action. Effects take it by value and do what it
//! says, so that nothing privileged can be reached on a way that forgot to ask.
//!
//! The file belongs to level 0, since effects below the policy name the type; it lies in this folder because
//! Rust lets only a parent module see a private constructor, and only `policy` may make a permit.
#![forbid(unsafe_code)]

use crate::capability::Capabilities;

/// An allowed action. It cannot be copied: one decision, one effect. Nobody but the policy can make one:
///
/// ```compile_fail,E0624
/// use portcullis::{capability::Capabilities, policy::permit::Permit};
/// let forged = Permit::grant("anything", Capabilities::NONE);
/// ```
///
/// ```compile_fail,E0451
/// use portcullis::{capability::Capabilities, policy::permit::Permit};
/// let forged = Permit { action: "anything", capabilities: Capabilities::NONE };
/// ```
#[must_use = "an action that was allowed and then not taken is a defect"]
#[derive(Debug)]
pub struct Permit<A> {
    action: A,
    capabilities: Capabilities,
}

impl<A> Permit<A> {
    pub(super) fn grant(action: A, capabilities: Capabilities) -> Self {
        Self { action, capabilities }
    }

    /// What was allowed.
    pub fn action(&self) -> &A {
        &self.action
    }

    /// What may be raised while the action runs.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}
