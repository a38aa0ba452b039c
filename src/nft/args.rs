//! The arguments of this folder's operations, from terms to types.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::error::{RequestError, Why};
use crate::limits::{CONFIRM_MAX_MS, CONFIRM_MIN_MS};
use crate::wire::schema::{At, fields, integer};
use crate::wire::term::{Pairs, Term};

/// The arguments of `nft_apply`.
#[derive(Clone, Copy, Debug)]
pub struct ApplyArgs<'a> {
    /// What is to be done, not looked at yet.
    pub commands: Term<'a>,
    /// How.
    pub how: How,
}

/// How a change is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// It takes itself back after this time.
    pub confirm: Option<Duration>,
    /// Only if the ruleset is still of this generation.
    pub generation: Option<u32>,
    /// The kernel looks at it and forgets it.
    pub check: bool,
}

impl<'a> ApplyArgs<'a> {
    /// Reads the map: `#{commands => Commands, confirm => Milliseconds, generation => N, check => boolean()}`.
    pub fn decode(args: Pairs<'a>, at: &At<'_>) -> Result<Self, RequestError> {
        let [commands, confirm, generation, check] =
            fields(args, at, ["commands", "confirm", "generation", "check"])?;
        let commands = commands.ok_or_else(|| At::Key(at, "commands").error(Why::Missing))?;
        Ok(Self { commands, how: How::decode(confirm, generation, check, at)? })
    }
}

impl How {
    /// Reads the options that a change has in each of its forms.
    pub fn decode(
        confirm: Option<Term<'_>>,
        generation: Option<Term<'_>>,
        check: Option<Term<'_>>,
        at: &At<'_>,
    ) -> Result<Self, RequestError> {
        let confirm = confirm
            .map(|t| integer(t, &At::Key(at, "confirm"), CONFIRM_MIN_MS, CONFIRM_MAX_MS))
            .transpose()?
            .map(Duration::from_millis);
        let generation = generation
            .map(|t| integer(t, &At::Key(at, "generation"), 0, u32::MAX.into()))
            .transpose()?
            .and_then(|n| u32::try_from(n).ok());
        let check = check.map(|t| boolean(t, &At::Key(at, "check"))).transpose()?.unwrap_or(false);
        Ok(Self { confirm, generation, check })
    }
}

/// The argument of `nft_confirm` and `nft_rollback`: `#{ref => N}`, as the answer of the change named it.
pub fn reference(args: Pairs<'_>, at: &At<'_>) -> Result<u64, RequestError> {
    let [reference] = fields(args, at, ["ref"])?;
    let at = At::Key(at, "ref");
    integer(reference.ok_or_else(|| at.error(Why::Missing))?, &at, 1, u64::MAX)
}

fn boolean(term: Term<'_>, at: &At<'_>) -> Result<bool, RequestError> {
    match term {
        Term::Atom("true") => Ok(true),
        Term::Atom("false") => Ok(false),
        _ => Err(at.error(Why::Expected("boolean"))),
    }
}
