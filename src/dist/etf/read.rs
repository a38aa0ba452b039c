//! One head of a term at a time: a whole scalar or identifier, or the count of what follows.
#![forbid(unsafe_code)]

use super::{Fault, Identifier, Pid, Port, Ref};
use crate::limits::{DIST_ATOM_BYTES_MAX, DIST_ATOM_CHARS_MAX};

/// The version byte in front of a control message and of a payload.
pub const VERSION: u8 = 131;

/// The front of a term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Head<'a> {
    /// Up to 32 bits.
    Integer(i32),
    /// Wider: whether it is negative, and its bytes, least significant first.
    Big(bool, &'a [u8]),
    /// Finite.
    Float(f64),
    /// UTF-8, at most 255 characters.
    Atom(&'a str),
    /// Bytes, or bits whose last byte is not whole.
    Binary(&'a [u8]),
    /// A list of bytes (`STRING_EXT`).
    String(&'a [u8]),
    /// The empty list.
    Nil,
    /// That many elements follow.
    Tuple(usize),
    /// That many elements follow, at least one, then the tail.
    List(usize),
    /// That many pairs follow.
    Map(usize),
    /// Something on a node.
    Identifier(Identifier<'a>),
    /// A function with code of its own. What follows is not read.
    Fun,
    /// A function of a module. What follows is not read.
    Export,
}

/// Bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads from the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The version byte.
    ///
    /// # Errors
    /// [`Fault::Version`], [`Fault::Truncated`].
    pub fn version(&mut self) -> Result<(), Fault> {
        match self.take::<1>()? {
            [VERSION] => Ok(()),
            _ => Err(Fault::Version),
        }
    }

    /// The head at the front. Counts are compared with the bytes left: no element takes less than one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn head(&mut self) -> Result<Head<'a>, Fault> {
        let [tag] = self.take::<1>()?;
        Ok(match tag {
            97 => Head::Integer(i32::from(self.take::<1>()?[0])),
            98 => Head::Integer(i32::from_be_bytes(self.take()?)),
            110 => {
                let n = self.length1()?;
                self.big(n)?
            }
            111 => {
                let n = self.length4()?;
                self.big(n)?
            }
            70 => match f64::from_be_bytes(self.take()?) {
                value if value.is_finite() => Head::Float(value),
                _ => return Err(Fault::Float),
            },
            118 | 119 => Head::Atom(self.atom_text(tag)?),
            109 => {
                let n = self.length4()?;
                Head::Binary(self.bytes(n)?)
            }
            77 => self.bits()?,
            107 => {
                let n = self.length2()?;
                Head::String(self.bytes(n)?)
            }
            106 => Head::Nil,
            104 => {
                let n = self.length1()?;
                Head::Tuple(self.counted(n, n)?)
            }
            105 => {
                let n = self.length4()?;
                Head::Tuple(self.counted(n, n)?)
            }
            108 => match self.length4()? {
                0 => return Err(Fault::Length),
                n => Head::List(self.counted(n, n.saturating_add(1))?),
            },
            116 => {
                let n = self.length4()?;
                Head::Map(self.counted(n, n.saturating_mul(2))?)
            }
            88..=90 | 120 => Head::Identifier(self.identifier(tag)?),
            112 | 117 => Head::Fun,
            113 => Head::Export,
            _ => return Err(Fault::Tag),
        })
    }

    /// `NEW_PID_EXT`, `NEW_PORT_EXT`, `NEWER_REFERENCE_EXT`, `V4_PORT_EXT`: the only forms that a node with `DFLAG_BIG_CREATION`
    /// and `DFLAG_V4_NC` sends.
    fn identifier(&mut self, tag: u8) -> Result<Identifier<'a>, Fault> {
        if tag == 90 {
            return self.reference();
        }
        let node = self.atom()?;
        Ok(match tag {
            88 => {
                let (id, serial) = (self.word()?, self.word()?);
                Identifier::Pid(Pid { node, id, serial, creation: self.word()? })
            }
            89 => {
                let id = u64::from(self.word()?);
                Identifier::Port(Port { node, id, creation: self.word()? })
            }
            _ => {
                let id = u64::from_be_bytes(self.take()?);
                Identifier::Port(Port { node, id, creation: self.word()? })
            }
        })
    }

    fn reference(&mut self) -> Result<Identifier<'a>, Fault> {
        let len = u8::try_from(self.length2()?).map_err(|_| Fault::Reference)?;
        let node = self.atom()?;
        let creation = self.word()?;
        let mut words = [0; 5];
        let used = words.get_mut(..usize::from(len)).filter(|used| !used.is_empty());
        for word in used.ok_or(Fault::Reference)? {
            *word = self.word()?;
        }
        Ok(Identifier::Ref(Ref { node, creation, words, len }))
    }

    /// An atom, and nothing else.
    ///
    /// # Errors
    /// [`Fault::Shape`] for any other term.
    pub fn atom(&mut self) -> Result<&'a str, Fault> {
        match self.take::<1>()? {
            [tag @ (118 | 119)] => self.atom_text(tag),
            _ => Err(Fault::Shape),
        }
    }

    fn atom_text(&mut self, tag: u8) -> Result<&'a str, Fault> {
        let n = if tag == 119 { self.length1()? } else { self.length2()? };
        if n > DIST_ATOM_BYTES_MAX {
            return Err(Fault::Atom);
        }
        let text = std::str::from_utf8(self.bytes(n)?).map_err(|_| Fault::Atom)?;
        if n > DIST_ATOM_CHARS_MAX && text.chars().count() > DIST_ATOM_CHARS_MAX {
            return Err(Fault::Atom);
        }
        Ok(text)
    }

    fn big(&mut self, n: usize) -> Result<Head<'a>, Fault> {
        let [sign] = self.take::<1>()?;
        match sign {
            0 | 1 => Ok(Head::Big(sign == 1, self.bytes(n)?)),
            _ => Err(Fault::Integer),
        }
    }

    /// `BIT_BINARY_EXT`: of its last byte 1 to 8 bits count, so there is one.
    fn bits(&mut self) -> Result<Head<'a>, Fault> {
        let n = self.length4()?;
        let [used] = self.take::<1>()?;
        if n == 0 || !(1..=8).contains(&used) {
            return Err(Fault::Integer);
        }
        Ok(Head::Binary(self.bytes(n)?))
    }

    fn counted(&self, n: usize, least: usize) -> Result<usize, Fault> {
        if least > self.rest.len() { Err(Fault::Length) } else { Ok(n) }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (front, rest) = self.rest.split_first_chunk().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(*front)
    }

    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) = self.rest.split_at_checked(n).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(front)
    }

    fn word(&mut self) -> Result<u32, Fault> {
        self.take().map(u32::from_be_bytes)
    }

    fn length1(&mut self) -> Result<usize, Fault> {
        self.take::<1>().map(|[n]| usize::from(n))
    }

    fn length2(&mut self) -> Result<usize, Fault> {
        self.take().map(|n| usize::from(u16::from_be_bytes(n)))
    }

    fn length4(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.word()?).map_err(|_| Fault::Length)
    }
}
