//! Answers, straight into the output buffer.
#![forbid(unsafe_code)]

use crate::error::{Denial, RequestError, Step, Why};
use crate::ids::RequestId;
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// `{ok, Id, Value}`; `value` writes exactly one term.
pub fn ok(w: &mut Writer, id: RequestId, value: impl FnOnce(&mut Writer)) {
    let frame = w.start_frame();
    head(w, atoms::OK, id, 3);
    value(w);
    w.end_frame(frame);
}

/// `{error, Id, Error}`.
pub fn error(w: &mut Writer, id: RequestId, error: &RequestError) {
    let frame = w.start_frame();
    head(w, atoms::ERROR, id, 3);
    write_error(w, id, error);
    w.end_frame(frame);
}

/// `{event, Id, Seq, Event}`; `event` writes exactly one term.
pub fn event(w: &mut Writer, id: RequestId, seq: u64, event: impl FnOnce(&mut Writer)) {
    let frame = w.start_frame();
    head(w, atoms::EVENT, id, 4);
    w.uint(seq);
    event(w);
    w.end_frame(frame);
}

/// `{lost, Id, N}`.
pub fn lost(w: &mut Writer, id: RequestId, events: u64) {
    let frame = w.start_frame();
    head(w, atoms::LOST, id, 3);
    w.uint(events);
    w.end_frame(frame);
}

/// `{rows, Id, Columns, Rows}`; `columns` is `None` after the first chunk, `rows` are encoded tuples.
pub fn rows(
    w: &mut Writer,
    id: RequestId,
    columns: Option<&mut dyn Iterator<Item = Atom>>,
    rows: &[u8],
    count: usize,
) {
    let frame = w.start_frame();
    head(w, atoms::ROWS, id, 4);
    match columns {
        None => w.atom(atoms::SAME),
        Some(names) => {
            let mark = w.begin_list();
            let n = names.map(|name| w.atom(name)).count();
            w.end_list(mark, n);
        }
    }
    w.list(count);
    if count > 0 {
        w.raw(rows);
        w.nil();
    }
    w.end_frame(frame);
}

fn head(w: &mut Writer, tag: Atom, id: RequestId, arity: usize) {
    w.tuple(arity);
    w.atom(tag);
    w.uint(id.get());
}

/// The error of a request, as one term.
pub fn write_error(w: &mut Writer, id: RequestId, error: &RequestError) {
    match error {
        RequestError::Timeout => w.atom(atoms::TIMEOUT),
        RequestError::Overloaded => w.atom(atoms::OVERLOADED),
        RequestError::Cancelled => w.atom(atoms::CANCELLED),
        RequestError::NoProcess => w.atom(atoms::ESRCH),
        RequestError::DeniedByPolicy(Denial { rule, hint, grant: _ }) => {
            tagged(w, atoms::DENIED_BY_POLICY, 3);
            w.text(rule);
            w.text(hint);
        }
        RequestError::NotPermitted(missing, hint) => {
            tagged(w, atoms::NOT_PERMITTED, 3);
            let mark = w.begin_list();
            missing.iter().for_each(|c| w.atom(atoms::named(c.name())));
            w.end_list(mark, missing.len());
            w.text(hint);
        }
        RequestError::Unsupported(what) => {
            tagged(w, atoms::UNSUPPORTED, 2);
            w.binary(what);
        }
        RequestError::Posix(errno, what) => {
            tagged(w, atoms::POSIX, 3);
            w.atom(atoms::errno(*errno));
            w.text(what);
        }
        RequestError::Stale => w.atom(atoms::STALE),
        RequestError::Busy => w.atom(atoms::BUSY),
        RequestError::UnknownOutcome => {
            tagged(w, atoms::UNKNOWN_OUTCOME, 2);
            w.uint(id.get());
        }
        RequestError::Nft(index, errno, text) => {
            tagged(w, atoms::NFT, 4);
            w.uint(*index);
            w.atom(atoms::errno(*errno));
            w.binary(text);
        }
        RequestError::BadRequest(path, why) => {
            tagged(w, atoms::BAD_REQUEST, 3);
            write_path(w, path);
            write_why(w, why);
        }
        RequestError::BadFrame(offset, why) => {
            tagged(w, atoms::BAD_FRAME, 3);
            w.uint(*offset);
            w.atom(atoms::named(why));
        }
    }
}

/// An error in one word, for a record.
#[must_use]
pub fn summary(error: &RequestError) -> String {
    match error {
        RequestError::Posix(errno, _) | RequestError::Nft(_, errno, _) => {
            atoms::errno(*errno).name().to_owned()
        }
        RequestError::DeniedByPolicy(denial) => denial.rule.to_owned(),
        RequestError::Overloaded => atoms::OVERLOADED.name().to_owned(),
        RequestError::NotPermitted(..) => atoms::NOT_PERMITTED.name().to_owned(),
        _ => atoms::ERROR.name().to_owned(),
    }
}

fn write_path(w: &mut Writer, path: &[Step]) {
    let mark = w.begin_list();
    for step in path {
        match step {
            Step::Key(key) => w.atom(atoms::named(key)),
            Step::Unknown(name) => w.binary(name),
            Step::Index(n) => w.uint(*n),
        }
    }
    w.end_list(mark, path.len());
}

/// What is wrong with a value may take more than a word to say.
fn word_or_text(w: &mut Writer, what: &str) {
    match atoms::find(what) {
        Some(word) => w.atom(word),
        None => w.text(what),
    }
}

fn write_why(w: &mut Writer, why: &Why) {
    match why {
        Why::UnknownKey => w.atom(atoms::UNKNOWN_KEY),
        Why::MisspeltKey(meant) => {
            tagged(w, atoms::UNKNOWN_KEY, 2);
            w.text(meant);
        }
        Why::Missing => w.atom(atoms::MISSING),
        Why::Duplicate => w.atom(atoms::DUPLICATE),
        Why::Empty => w.atom(atoms::EMPTY),
        Why::InFlight => w.atom(atoms::IN_FLIGHT),
        Why::Expected(what) => {
            tagged(w, atoms::EXPECTED, 2);
            word_or_text(w, what);
        }
        Why::OneOf(words) => {
            tagged(w, atoms::EXPECTED, 2);
            w.binary(words.as_bytes());
        }
        Why::Range(min, max) => {
            tagged(w, atoms::RANGE, 3);
            w.uint(*min);
            w.uint(*max);
        }
        Why::TooMany(max) => {
            tagged(w, atoms::TOO_MANY, 2);
            w.uint(*max);
        }
        Why::UnknownColumn(name) => {
            tagged(w, atoms::UNKNOWN_COLUMN, 2);
            w.binary(name);
        }
        Why::MisspeltColumn(name, meant) => {
            tagged(w, atoms::UNKNOWN_COLUMN, 3);
            w.binary(name);
            w.text(meant);
        }
        Why::NotComparable(column) => {
            tagged(w, atoms::NOT_COMPARABLE, 2);
            w.atom(atoms::named(column));
        }
        Why::UnknownName(name) => {
            tagged(w, atoms::UNKNOWN_NAME, 2);
            w.binary(name);
        }
        Why::Misspelt(name, meant) => {
            tagged(w, atoms::UNKNOWN_NAME, 3);
            w.binary(name);
            w.text(meant);
        }
        Why::ListedOnly => w.atom(atoms::LISTED_ONLY),
        Why::NotSampled => w.atom(atoms::NOT_SAMPLED),
        Why::Unsupported(what) => {
            tagged(w, atoms::UNSUPPORTED, 2);
            word_or_text(w, what);
        }
        Why::Length(min, max) => {
            tagged(w, atoms::LENGTH, 3);
            w.uint(*min);
            w.uint(*max);
        }
        Why::Excludes(key) => {
            tagged(w, atoms::EXCLUDES, 2);
            word_or_text(w, key);
        }
        Why::Nul => w.atom(atoms::NUL),
    }
}

fn tagged(w: &mut Writer, tag: Atom, arity: usize) {
    w.tuple(arity);
    w.atom(tag);
}
