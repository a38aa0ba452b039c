//! Requests to a group leader (the I/O protocol: `{io_request, From, ReplyAs, Request}`). It calls whatever function it is asked to write or to
//! read with, and makes text as long as it is asked for. A node that starts a process on another one, by `rpc` or otherwise, says who its group
//! leader is, and what that process prints comes back as such requests: those pass.
#![forbid(unsafe_code)]

use std::iter::Peekable;

use crate::dist::control::Message;
use crate::dist::etf::read::{Cursor, Head};
use crate::dist::etf::scan::{Bounds, Nobody, Walk};
use crate::limits::{DIST_INDENTED_MAX, DIST_PRINTED_ARGUMENTS_MAX, DIST_PRINTED_MAX};

/// Whether a message is such a request.
pub(super) fn is_asked(message: &Message<'_>) -> bool {
    let mut said = Cursor::new(message.payload.unwrap_or_default());
    said.head() == Ok(Head::Tuple(4)) && said.atom() == Ok("io_request")
}

/// Whether what follows the atom `io_request` has a group leader do more than write what it is given, make text of terms, or read a line.
pub(super) fn does_more(mut said: Cursor<'_>, bounds: &Bounds) -> bool {
    for _ in 0..2 {
        // Where this is no term, or more than one may be, the whole message is not either.
        if skip(&mut said, bounds).is_none() {
            return false;
        }
    }
    let arity = match said.head() {
        Ok(Head::Tuple(arity)) => arity,
        // `getopts`; others are answered as not known.
        Ok(Head::Atom(_)) => return false,
        _ => return true,
    };
    match (said.atom(), arity) {
        // Without the encoding it is as before OTP R13.
        (Ok("put_chars"), 4) => !prints(said),
        (Ok("put_chars"), 5) => said.atom().is_err() || !prints(said),
        (Ok("put_chars"), 2 | 3) | (Ok("get_geometry"), 2) => false,
        // A prompt can be `{format, Format, Args}`.
        (Ok("get_line" | "get_chars" | "get_password"), _) => (1..arity).any(|_| {
            let mut front = said;
            matches!(front.head(), Ok(Head::Tuple(_))) || skip(&mut said, bounds).is_none()
        }),
        // What it is set to would stay so: `{setopts, [{encoding, latin1}]}` of `user`.
        _ => true,
    }
}

fn skip(said: &mut Cursor<'_>, bounds: &Bounds) -> Option<()> {
    Walk::default().term(said, bounds, &mut Nobody).ok()
}

/// Whether module, function and arguments follow that make text of terms, and not much more of it than there is of the terms.
fn prints(mut said: Cursor<'_>) -> bool {
    if said.rest().len() > DIST_PRINTED_ARGUMENTS_MAX {
        return false;
    }
    match (said.atom(), said.atom()) {
        (Ok("io_lib"), Ok("write")) => true,
        (Ok("io_lib"), Ok("format" | "fwrite")) => {
            matches!(said.head(), Ok(Head::List(_)))
                && printed(said).is_some_and(|all| all <= DIST_PRINTED_MAX)
        }
        _ => false,
    }
}

/// Characters that a format (`"~10.3f~n"`) asks for by numbers. Nothing where an argument says how many, or it is none that is understood.
fn printed(mut said: Cursor<'_>) -> Option<usize> {
    match said.head().ok()? {
        Head::Binary(bytes) | Head::String(bytes) => count(bytes.iter().map(|byte| u32::from(*byte))),
        Head::Atom(text) => count(text.bytes().map(u32::from)),
        Head::Nil => Some(0),
        Head::List(length) => {
            let mut characters = Vec::with_capacity(length.min(said.rest().len()));
            for _ in 0..length {
                let Head::Integer(character) = said.head().ok()? else { return None };
                characters.push(u32::try_from(character).ok()?);
            }
            count(characters.into_iter())
        }
        _ => None,
    }
}

/// A format as `io_lib_format` reads it: `~`, a width, `.` and a precision, `.` and what is filled up with, modifiers, and the control.
fn count(characters: impl Iterator<Item = u32>) -> Option<usize> {
    let mut characters = characters.map(char::from_u32).peekable();
    let mut all = 0_usize;
    while let Some(character) = characters.next() {
        if character? != '~' {
            continue;
        }
        characters.next_if_eq(&Some('-'));
        let width = number(&mut characters)?;
        let mut precision = 0;
        if characters.next_if_eq(&Some('.')).is_some() {
            precision = number(&mut characters)?;
            if characters.next_if_eq(&Some('.')).is_some() {
                // What is filled up with, whatever it is; `*` takes it from the arguments.
                characters.next()??;
            }
        }
        while characters.next_if(|c| matches!(c, Some('t' | 'l' | 'k' | 'K'))).is_some() {}
        // Each line of a term is indented by the precision, and a term has as many lines as it has elements.
        let indents = matches!(characters.next()??, 'p' | 'P');
        if indents && precision > DIST_INDENTED_MAX {
            return None;
        }
        all = all.saturating_add(width).saturating_add(precision);
    }
    Some(all)
}

/// The number that stands next, or none; `None` where an argument says it.
fn number(characters: &mut Peekable<impl Iterator<Item = Option<char>>>) -> Option<usize> {
    let mut number = 0_usize;
    while let Some(digit) = characters.next_if(|c| matches!(c, Some('0'..='9' | '*'))) {
        let digit = usize::try_from(digit?.to_digit(10)?).ok()?;
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn what_numbers_of_a_format_ask_for_is_counted() {
        let of = |format: &str| count(format.chars().map(u32::from));
        assert_eq!(of("no 123456789 numbers ~p ~ts~n ~~5"), Some(0));
        assert_eq!(of("~10c~-20s~3.4f"), Some(37));
        assert_eq!(of("~10..0B and ~99999999999999999999999c"), Some(usize::MAX));
        assert_eq!(of("~5.6.*c~5.6.7c"), Some(22), "what is filled up with is no number");
        assert_eq!(of("~*s"), None);
        for unfinished in ["~1000", "~1.", "~1.2.", "~t", "~"] {
            assert_eq!(of(unfinished), None, "{unfinished}");
        }
    }

    /// Each line begins at the precision: 20,000 elements of two bytes were 1.3 GB of spaces.
    #[test]
    fn no_term_is_indented_by_much() {
        let of = |format: &str| count(format.chars().map(u32::from));
        assert_eq!(of("~80.132p ~1000tp ~60000P"), Some(61_212));
        for wide in ["~80.133p", "~.133tp", "~80.60000ltP", "~5.6000.~p", "~-5.6000.pkKp"] {
            assert_eq!(of(wide), None, "{wide}");
        }
        assert_eq!(of("~.6000s ~8.1000c"), Some(7_008));
    }
}
