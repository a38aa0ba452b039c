//! What the tests of arguments share: maps of encoded values, read as a request's are.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use super::atoms;
use super::scan::{Bounds, validate};
use super::schema::At;
use super::term::{Pairs, Term};
use super::write::Writer;
use crate::error::{RequestError, Step, Why};

/// An encoded term.
pub(crate) fn term(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    write(&mut w);
    w.bytes().to_vec()
}

/// What `decode` makes of a map of these keys and encoded values.
pub(crate) fn decoded<T>(
    decode: impl Fn(Pairs<'_>, &At<'_>) -> Result<T, RequestError>,
    pairs: &[(&str, Vec<u8>)],
) -> Result<T, RequestError> {
    let mut w = Writer::new();
    let frame = w.start_frame();
    w.map(pairs.len());
    for (key, value) in pairs {
        w.atom(atoms::named(key));
        w.raw(value);
    }
    w.end_frame(frame);
    let Term::Map(map) = validate(&w.bytes()[4..], &Bounds::PROC).unwrap().term() else { panic!() };
    decode(map, &At::Top)
}

/// The error of the value of a key.
pub(crate) fn wrong(key: &'static str, why: Why) -> RequestError {
    RequestError::BadRequest(vec![Step::Key(key)], why)
}
