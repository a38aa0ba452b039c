//! The arguments of this folder's operations, from terms to types.
#![forbid(unsafe_code)]

use crate::error::{RequestError, Why};
use crate::file::action::OpenFile;
use crate::file::path::NormalPath;
use crate::limits::{FILE_READ_DEFAULT, FILE_READ_MAX};
use crate::sys::regular::OFFSET_MAX;
use crate::wire::schema::{At, binary, fields, integer};
use crate::wire::term::{Pairs, Term};

/// The number that a client was given for an open file, from 1. No other file of the same copy has it, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// The arguments of `file_open`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOpenArgs {
    /// Which.
    pub path: NormalPath,
}

/// The arguments of `file_read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileReadArgs {
    /// Of which file.
    pub handle: Handle,
    /// From which byte on; where the last read ended, if `None`.
    pub offset: Option<u64>,
    /// At most so many bytes.
    pub length: usize,
}

/// The arguments of `file_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCloseArgs {
    /// Which.
    pub handle: Handle,
}

impl FileOpenArgs {
    /// Reads the map.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [path] = fields(args, at, ["path"])?;
        let at = At::Key(at, "path");
        let bytes = binary(path.ok_or_else(|| at.error(Why::Missing))?, &at)?;
        let path = NormalPath::parse(bytes).map_err(|_| at.error(Why::Expected("path")))?;
        Ok(Self { path })
    }

    /// What the policy is asked for.
    #[must_use]
    pub fn action(self) -> OpenFile {
        OpenFile { path: self.path }
    }
}

impl FileReadArgs {
    /// Reads the map.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [handle, offset, length] = fields(args, at, ["handle", "offset", "length"])?;
        let handle = decode_handle(handle, at)?;
        let offset = offset.map(|t| integer(t, &At::Key(at, "offset"), 0, OFFSET_MAX)).transpose()?;
        let max = u64::try_from(FILE_READ_MAX).unwrap_or(u64::MAX);
        let length = length.map(|t| integer(t, &At::Key(at, "length"), 1, max)).transpose()?;
        let length = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(FILE_READ_DEFAULT);
        Ok(Self { handle, offset, length })
    }
}

impl FileCloseArgs {
    /// Reads the map.
    pub fn decode(args: Pairs<'_>, at: &At<'_>) -> Result<Self, RequestError> {
        let [handle] = fields(args, at, ["handle"])?;
        Ok(Self { handle: decode_handle(handle, at)? })
    }
}

fn decode_handle(term: Option<Term<'_>>, at: &At<'_>) -> Result<Handle, RequestError> {
    let at = At::Key(at, "handle");
    let term = term.ok_or_else(|| at.error(Why::Missing))?;
    integer(term, &at, 1, u64::MAX).map(Handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Step;
    use crate::wire::testing::{decoded, term, wrong};

    fn int(n: u64) -> Vec<u8> {
        term(|w| w.uint(n))
    }

    #[test]
    fn a_path_is_a_binary_in_normal_form() {
        let open = |value: Vec<u8>| decoded(FileOpenArgs::decode, &[("path", value)]);
        let path = |bytes: &[u8]| open(term(|w| w.binary(bytes)));
        assert_eq!(path(b"/a/\xff").unwrap().action().path.bytes(), b"/a/\xff");
        for bytes in [&b""[..], b"a", b"/a/../b", b"/a/", b"/a\0"] {
            assert_eq!(path(bytes), Err(wrong("path", Why::Expected("path"))));
        }
        assert_eq!(open(int(1)), Err(wrong("path", Why::Expected("binary"))));
        assert_eq!(decoded(FileOpenArgs::decode, &[]), Err(wrong("path", Why::Missing)));
    }

    #[test]
    fn a_read_has_defaults_and_bounds() {
        let read =
            |more: &[(&str, Vec<u8>)]| decoded(FileReadArgs::decode, &[&[("handle", int(7))], more].concat());
        let usual = FileReadArgs { handle: Handle(7), offset: None, length: FILE_READ_DEFAULT };
        assert_eq!(read(&[]), Ok(usual));
        let (far, most) = (i64::MAX as u64, FILE_READ_MAX as u64);
        let last = FileReadArgs { offset: Some(far), length: FILE_READ_MAX, ..usual };
        assert_eq!(read(&[("offset", int(far)), ("length", int(most))]), Ok(last));
        for value in [term(|w| w.int(-1)), int(far + 1)] {
            assert_eq!(read(&[("offset", value)]), Err(wrong("offset", Why::Range(0, far))));
        }
        for value in [int(0), int(most + 1)] {
            assert_eq!(read(&[("length", value)]), Err(wrong("length", Why::Range(1, most))));
        }
    }

    #[test]
    fn a_handle_must_be_named_and_nothing_else() {
        let close = |pairs: &[(&str, Vec<u8>)]| decoded(FileCloseArgs::decode, pairs);
        assert_eq!(close(&[("handle", int(u64::MAX))]).unwrap().handle, Handle(u64::MAX));
        assert_eq!(close(&[]), Err(wrong("handle", Why::Missing)));
        assert_eq!(close(&[("handle", int(0))]), Err(wrong("handle", Why::Range(1, u64::MAX))));
        assert_eq!(decoded(FileReadArgs::decode, &[]), Err(wrong("handle", Why::Missing)));
        let unknown = RequestError::BadRequest(vec![Step::Unknown(b"path".to_vec())], Why::UnknownKey);
        assert_eq!(close(&[("path", int(1))]), Err(unknown));
    }
}
