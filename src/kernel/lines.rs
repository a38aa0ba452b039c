//! Files of a row a line, read as rows are asked for: a host with many processors or mounts has more of them than fit at once.
#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fmt;
use std::ops::Range;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use crate::error::RequestError;
use crate::kernel::file::Ready;
use crate::sys::fd;
use crate::table::{Context, Opened, Reader, Tally};

/// Bytes of a line at most: 8,192 processors, the most that a kernel has, make 90 KiB of counts.
const LINE_MAX: usize = 1 << 20;

/// Bytes that are read at once.
const STEP: usize = 32 * 1024;

/// A file, line by line.
#[derive(Debug)]
pub struct Lines {
    file: OwnedFd,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Lines {
    /// Opens a file of `/proc`.
    pub fn open(path: &CStr) -> Result<Self, Errno> {
        Ok(Self { file: fd::open_file(path)?, buffer: vec![0; STEP], start: 0, end: 0 })
    }

    /// The next line, without its end. What has none is an error: it would pass for a whole one.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, Errno> {
        Ok(self.find()?.and_then(|line| self.buffer.get(line)))
    }

    fn find(&mut self) -> Result<Option<Range<usize>>, Errno> {
        loop {
            let pending = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(length) = pending.iter().position(|byte| *byte == b'\n') {
                let line = self.start..self.start.saturating_add(length);
                self.start = line.end.saturating_add(1);
                return Ok(Some(line));
            }
            let left = pending.len();
            if left > LINE_MAX {
                return Err(Errno::EFBIG);
            }
            self.buffer.copy_within(self.start..self.end, 0);
            self.buffer.resize(left.saturating_add(STEP), 0);
            (self.start, self.end) = (0, fd::read_on(&self.file, &mut self.buffer, left)?);
            if self.end == left {
                return if left == 0 { Ok(None) } else { Err(Errno::EPROTO) };
            }
        }
    }
}

/// Rows of the lines of a file, and what must be known to read one.
pub struct ByLine<S, R> {
    lines: Lines,
    known: S,
    parse: fn(&S, &[u8]) -> Option<R>,
    what: &'static str,
}

impl<S: fmt::Debug, R> fmt::Debug for ByLine<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.what).field("known", &self.known).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, R> Reader<R> for ByLine<S, R> {
    fn next(&mut self, _: &mut Context<'_>, _: &mut Tally) -> Result<Option<R>, RequestError> {
        let failed = |errno: Errno| RequestError::Posix(errno as i32, self.what);
        let Some(line) = self.lines.next_line().map_err(failed)? else { return Ok(None) };
        (self.parse)(&self.known, line).map(Some).ok_or(RequestError::Posix(libc::EPROTO, self.what))
    }
}

/// Rows of a file whose first line says how to read the others.
pub fn headed<S: fmt::Debug + 'static, R: fmt::Debug + 'static>(
    path: &CStr,
    what: &'static str,
    header: fn(&[u8]) -> Option<S>,
    parse: fn(&S, &[u8]) -> Option<R>,
) -> Opened<R> {
    let failed = |errno: Errno| RequestError::Posix(errno as i32, what);
    let mut lines = match Lines::open(path) {
        Ok(lines) => lines,
        // A kernel that was built without it has none of these.
        Err(Errno::ENOENT) => return Ok(Ready::of(Vec::new())),
        Err(errno) => return Err(failed(errno)),
    };
    let first = lines.next_line().map_err(failed)?.unwrap_or_default();
    let known = header(first).ok_or(failed(Errno::EPROTO))?;
    Ok(Box::new(ByLine { lines, known, parse, what }))
}

/// Rows of a file of nothing but rows. No file, no rows.
pub fn rows<R: fmt::Debug + 'static>(
    path: &CStr,
    what: &'static str,
    parse: fn(&(), &[u8]) -> Option<R>,
) -> Opened<R> {
    match Lines::open(path) {
        Ok(lines) => Ok(Box::new(ByLine { lines, known: (), parse, what })),
        Err(Errno::ENOENT) => Ok(Ready::of(Vec::new())),
        Err(errno) => Err(RequestError::Posix(errno as i32, what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn all(text: &[u8]) -> (Vec<Vec<u8>>, Option<Errno>) {
        let path =
            std::env::temp_dir().join(format!("portcullis-lines-{}-{}", std::process::id(), text.len()));
        std::fs::write(&path, text).unwrap();
        let mut lines = Lines::open(&CString::new(path.to_str().unwrap()).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut found = Vec::new();
        loop {
            match lines.next_line() {
                Ok(Some(line)) => found.push(line.to_vec()),
                Ok(None) => return (found, None),
                Err(errno) => return (found, Some(errno)),
            }
        }
    }

    #[test]
    fn lines_are_whole_however_long_they_are() {
        assert_eq!(all(b""), (vec![], None));
        assert_eq!(all(b"a\n\nb\n"), (vec![b"a".to_vec(), vec![], b"b".to_vec()], None));
        assert_eq!(all(b"a\nb"), (vec![b"a".to_vec()], Some(Errno::EPROTO)));
        let long = [vec![b'x'; STEP * 3 + 17], vec![b'y'; 10], vec![b'z'; STEP - 1]];
        let text: Vec<u8> = long.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
        assert_eq!(all(&text), (long.to_vec(), None));
        assert_eq!(all(&vec![b'x'; LINE_MAX + 2 * STEP]), (vec![], Some(Errno::EFBIG)));
    }
}
