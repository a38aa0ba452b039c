//! What a copy says, as far as the node has to know it: whose it is, and where the terms stand that are passed on as they are.
#![forbid(unsafe_code)]

use super::ask::{one, value};
use crate::dist::etf::read::{Cursor, Head};

/// A frame of a copy (docs/protocol.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// `{hello, Map}`: it serves, and takes frames of so many bytes.
    Hello(usize),
    /// `{refused, Map}`: it does not.
    Refused(&'a [u8]),
    /// `{ok, Id, Value}` or `{error, Id, Error}`.
    Done {
        /// The request.
        id: u64,
        /// Whether it had success.
        ok: bool,
        /// The value, or the error.
        term: &'a [u8],
    },
    /// `{rows, Id, Columns, Rows}`.
    Rows {
        /// The request.
        id: u64,
        /// The columns; `None` for `same`.
        columns: Option<&'a [u8]>,
        /// How many rows.
        count: usize,
        /// They, one behind the other.
        rows: &'a [u8],
    },
    /// `{event, Id, Seq, Event}`.
    Event(u64, &'a [u8]),
    /// `{lost, Id, N}`.
    Lost(u64, &'a [u8]),
}

/// Reads a frame; nothing where it is none of these, or has something behind it.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Said<'_>> {
    let mut term = Cursor::new(frame);
    term.version().ok()?;
    let Ok(Head::Tuple(arity)) = term.head() else { return None };
    let said = match (term.atom().ok()?, arity) {
        ("hello", 2) => {
            let map = one(&mut term)?;
            let max = value(map, "frame_max").and_then(|mut max| number(&mut max))?;
            Said::Hello(usize::try_from(max).ok()?)
        }
        ("refused", 2) => Said::Refused(one(&mut term)?),
        ("ok", 3) => Said::Done { id: number(&mut term)?, ok: true, term: one(&mut term)? },
        ("error", 3) => Said::Done { id: number(&mut term)?, ok: false, term: one(&mut term)? },
        ("rows", 4) => rows(&mut term)?,
        ("event", 4) => {
            let id = number(&mut term)?;
            number(&mut term)?;
            Said::Event(id, one(&mut term)?)
        }
        ("lost", 3) => Said::Lost(number(&mut term)?, one(&mut term)?),
        _ => return None,
    };
    term.rest().is_empty().then_some(said)
}

fn rows<'a>(term: &mut Cursor<'a>) -> Option<Said<'a>> {
    let id = number(term)?;
    let columns = one(term)?;
    let columns = if Cursor::new(columns).atom() == Ok("same") { None } else { Some(columns) };
    let list = one(term)?;
    let mut inside = Cursor::new(list);
    let (count, rows) = match inside.head() {
        Ok(Head::Nil) => (0, &[][..]),
        // The tail is the last byte.
        Ok(Head::List(count)) => match inside.rest().split_last() {
            Some((&106, rows)) => (count, rows),
            _ => return None,
        },
        _ => return None,
    };
    Some(Said::Rows { id, columns, count, rows })
}

fn number(term: &mut Cursor<'_>) -> Option<u64> {
    match term.head().ok()? {
        Head::Integer(n) => u64::try_from(n).ok(),
        Head::Big(false, bytes) if bytes.len() <= 8 => {
            Some(bytes.iter().rev().fold(0, |n, byte| (n << 8) | u64::from(*byte)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RequestError;
    use crate::ids::RequestId;
    use crate::protocol::reply;
    use crate::wire::atoms;
    use crate::wire::write::Writer;

    fn frame(write: impl FnOnce(&mut Writer, RequestId)) -> Vec<u8> {
        let mut w = Writer::new();
        write(&mut w, RequestId::new(70_000_000_000).unwrap());
        w.bytes()[4..].to_vec()
    }

    const ID: u64 = 70_000_000_000;

    #[test]
    fn what_the_program_says_is_understood() {
        let ok = frame(|w, id| reply::ok(w, id, |w| w.atom(atoms::OK)));
        assert_eq!(read(&ok), Some(Said::Done { id: ID, ok: true, term: b"\x77\x02ok" }));
        let error = frame(|w, id| reply::error(w, id, &RequestError::Timeout));
        assert_eq!(read(&error), Some(Said::Done { id: ID, ok: false, term: b"\x77\x07timeout" }));
        let event = frame(|w, id| reply::event(w, id, 3, |w| w.map(0)));
        assert_eq!(read(&event), Some(Said::Event(ID, b"\x74\0\0\0\0")));
        let lost = frame(|w, id| reply::lost(w, id, 300));
        assert_eq!(read(&lost), Some(Said::Lost(ID, b"\x62\0\0\x01\x2c")));
        let columns = &mut [atoms::PID].into_iter();
        let rows = frame(|w, id| reply::rows(w, id, Some(columns), b"\x68\x01\x61\x01\x68\x01\x61\x02", 2));
        let expected = Said::Rows {
            id: ID,
            columns: Some(b"\x6c\0\0\0\x01\x77\x03pid\x6a"),
            count: 2,
            rows: b"\x68\x01\x61\x01\x68\x01\x61\x02",
        };
        assert_eq!(read(&rows), Some(expected));
        let none = frame(|w, id| reply::rows(w, id, None, b"", 0));
        assert_eq!(read(&none), Some(Said::Rows { id: ID, columns: None, count: 0, rows: b"" }));
        for cut in 1..rows.len() {
            assert_eq!(read(&rows[..cut]), None, "{cut}");
        }
        assert_eq!(read(&[&rows[..], b"\x6a"].concat()), None);
    }

    #[test]
    fn its_first_word_says_what_it_takes() {
        let mut w = Writer::new();
        w.raw(&[131]);
        w.tuple(2);
        w.atom(atoms::named("hello"));
        w.map(2);
        w.atom(atoms::named("version"));
        w.text("0.1.0");
        w.atom(atoms::named("frame_max"));
        w.uint(65_536);
        assert_eq!(read(w.bytes()), Some(Said::Hello(65_536)));
        let refused = b"\x83\x68\x02\x77\x07refused\x74\0\0\0\0";
        assert_eq!(read(refused), Some(Said::Refused(b"\x74\0\0\0\0")));
        assert_eq!(read(b"\x83\x68\x02\x77\x05hello\x74\0\0\0\0"), None);
    }
}
