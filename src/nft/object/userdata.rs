//! What user-space programs leave with an object for each other: records of a byte of kind, a byte of length and a value
//! (libnftnl calls them udata). The kernel stores them unseen, so they are a hint from a stranger: any bytes can stand there.
#![forbid(unsafe_code)]

use super::Unfit;

/// The comment of a rule, table, chain, object or element.
pub const COMMENT: u8 = 0;

/// The longest that the kernel takes (`NFT_USERDATA_MAXLEN`).
pub const BYTES_MAX: usize = 256;

/// Records in a row. Ends at the first that is not whole.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Those in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([kind, length], rest) = self.rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        self.rest = rest;
        Some((*kind, value))
    }
}

/// The first record of that kind.
#[must_use]
pub fn find(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    Records::new(bytes).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// A number: four bytes in the order of the host.
#[must_use]
pub fn number(bytes: &[u8], kind: u8) -> Option<u32> {
    find(bytes, kind)?.try_into().ok().map(u32::from_ne_bytes)
}

/// A comment: what stands before the NUL.
#[must_use]
pub fn comment(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    let value = find(bytes, kind)?;
    value.split(|b| *b == 0).next()
}

/// Adds a record.
///
/// # Errors
/// If its length cannot be said in a byte, or all of it is longer than the kernel takes.
pub fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), Unfit> {
    let length = u8::try_from(value.len()).map_err(|_| Unfit("longer than user data can be"))?;
    out.extend_from_slice(&[kind, length]);
    out.extend_from_slice(value);
    if out.len() > BYTES_MAX { Err(Unfit("longer than user data can be")) } else { Ok(()) }
}

/// Adds a number.
///
/// # Errors
/// As [`put`].
pub fn put_number(out: &mut Vec<u8>, kind: u8, value: u32) -> Result<(), Unfit> {
    put(out, kind, &value.to_ne_bytes())
}

/// Adds a comment, if there is one.
///
/// # Errors
/// As [`put`]; and if there is a NUL in it, since it would end there.
pub fn put_comment(out: &mut Vec<u8>, kind: u8, comment: Option<&[u8]>) -> Result<(), Unfit> {
    match comment {
        None => Ok(()),
        Some(text) if text.contains(&0) => Err(Unfit("a comment with a NUL in it")),
        Some(text) => put(out, kind, &[text, &[0]].concat()),
    }
}

/// User data that is nothing but a comment.
///
/// # Errors
/// As [`put_comment`].
pub fn only_comment(comment: Option<&[u8]>) -> Result<Vec<u8>, Unfit> {
    let mut out = Vec::new();
    put_comment(&mut out, COMMENT, comment)?;
    Ok(out)
}
