//! What the tests share: the recording of two OTP nodes.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use crate::dist::command::Direction;

/// Bytes from hexadecimal digits; blanks do not count.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What a@127.0.0.2 (`In`) and b@127.0.0.1 (`Out`) said: the bodies of frames, in their order.
pub(crate) struct Recorded(Vec<(Direction, Vec<u8>)>);

/// Frames of the handshake.
const HANDSHAKE: usize = 5;

impl Recorded {
    /// The frames of the handshake.
    pub(crate) fn handshake(&self) -> &[(Direction, Vec<u8>)] {
        &self.0[..HANDSHAKE]
    }

    /// The messages.
    pub(crate) fn messages(&self) -> Vec<(Direction, Vec<u8>)> {
        self.0[HANDSHAKE..].iter().filter(|(_, frame)| !frame.is_empty()).cloned().collect()
    }
}

/// The recording, made by tests/vectors/dist/record.escript.
pub(crate) fn recorded() -> Recorded {
    let text = include_str!("../../tests/vectors/dist/otp-25.txt");
    let line = |line: &str| match line.split_once(' ')? {
        (">", hex) => Some((Direction::In, unhex(hex))),
        ("<", hex) => Some((Direction::Out, unhex(hex))),
        _ => None,
    };
    let frames: Vec<_> = text.lines().filter_map(line).collect();
    assert!(frames.len() > 60, "the recording was not found");
    Recorded(frames)
}

/// A term of a request.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    Atom(String),
    Integer(i64),
    Tuple(Vec<Term>),
}

pub(crate) fn word(text: &str) -> Term {
    Term::Atom(text.to_owned())
}

impl Term {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut w = crate::wire::write::Writer::new();
        self.write(&mut w);
        w.bytes().to_vec()
    }

    fn write(&self, w: &mut crate::wire::write::Writer) {
        match self {
            Self::Atom(text) => crate::dist::etf::write::atom(w, text),
            Self::Integer(n) => w.int(*n),
            Self::Tuple(elements) => {
                w.tuple(elements.len());
                elements.iter().for_each(|element| element.write(w));
            }
        }
    }
}

/// `{dist, Verb, ...}` from words; `m:f/1` is a tuple of three, in which `_` is an atom.
pub(crate) fn request(words: &str) -> Term {
    let argument = |text: &str| match text.split_once(':') {
        None => word(text),
        Some((module, rest)) => {
            let (function, arity) = rest.rsplit_once('/').unwrap();
            let arity = arity.parse().map_or_else(|_| word(arity), Term::Integer);
            Term::Tuple(vec![word(module), word(function), arity])
        }
    };
    Term::Tuple(std::iter::once("dist").chain(words.split(' ')).map(argument).collect())
}
