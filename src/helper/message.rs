//! What the port and a helper say to each other, one message each: a question about a mount, and the answer. Both ends are this
//! program; the port reads answers as it reads any peer's, since a helper asks file systems that others wrote.
#![forbid(unsafe_code)]

use crate::limits::PATH_BYTES_MAX;
use crate::sys::helper::Blocks;

/// Bytes before the path.
const HEAD: usize = 16;

/// Bytes of the longest question.
pub const QUESTION_MAX: usize = HEAD + PATH_BYTES_MAX;

/// Bytes of every answer: its number, how it went, six counts.
pub const ANSWER: usize = 8 + 4 + 6 * 8;

/// `ANSWER` and one more, so that a longer message is seen to be one.
pub const ANSWER_ROOM: usize = ANSWER + 1;

/// How full a mount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Its number, which the answer repeats.
    pub serial: u64,
    /// The mount that is meant.
    pub mount_id: u64,
    /// Where it is.
    pub path: &'a [u8],
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So full.
    Full(Blocks),
    /// The kernel refused.
    Refused(i32),
    /// Another mount is there.
    Covered,
    /// Whoever was asked ended.
    Lost,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the question.
    pub serial: u64,
    /// What came of it; never [`Outcome::Lost`], which nobody can say of himself.
    pub outcome: Outcome,
}

const FULL: u32 = 0;
/// Above every errno.
const COVERED: u32 = 1 << 16;

impl<'a> Question<'a> {
    /// Its bytes. Nothing: the path is longer than the kernel takes one.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let Self { serial, mount_id, path } = self;
        let fits = path.len() <= PATH_BYTES_MAX;
        fits.then(|| [&serial.to_le_bytes(), &mount_id.to_le_bytes(), *path].concat())
    }

    /// The question of these bytes.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (serial, rest) = bytes.split_first_chunk()?;
        let (mount_id, path) = rest.split_first_chunk()?;
        let absolute = path.first() == Some(&b'/') && path.len() <= PATH_BYTES_MAX;
        absolute.then_some(Self {
            serial: u64::from_le_bytes(*serial),
            mount_id: u64::from_le_bytes(*mount_id),
            path,
        })
    }
}

impl Answer {
    /// Its bytes. Nothing is allocated: a helper has no calls for that.
    #[must_use]
    pub fn encode(&self) -> [u8; ANSWER] {
        let (code, blocks) = match self.outcome {
            Outcome::Full(Blocks { size, all, free, available, files, files_free }) => {
                (FULL, [size, all, free, available, files, files_free])
            }
            Outcome::Refused(errno) => (u32::try_from(errno).unwrap_or(0).clamp(1, COVERED - 1), [0; 6]),
            Outcome::Covered | Outcome::Lost => (COVERED, [0; 6]),
        };
        let mut bytes = [0; ANSWER];
        let (head, counts) = bytes.split_at_mut(12);
        let parts = self.serial.to_le_bytes().into_iter().chain(code.to_le_bytes());
        head.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        counts
            .iter_mut()
            .zip(blocks.into_iter().flat_map(u64::to_le_bytes))
            .for_each(|(to, from)| *to = from);
        bytes
    }

    /// The answer of these bytes: all of them, and nothing in them that an answer of its kind has not.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ANSWER] = bytes.try_into().ok()?;
        let (serial, rest) = bytes.split_first_chunk()?;
        let (code, rest) = rest.split_first_chunk()?;
        let mut counts = [0; 6];
        for (count, bytes) in counts.iter_mut().zip(rest.chunks_exact(8)) {
            *count = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let [size, all, free, available, files, files_free] = counts;
        let outcome = match u32::from_le_bytes(*code) {
            FULL => Outcome::Full(Blocks { size, all, free, available, files, files_free }),
            _ if counts != [0; 6] => return None,
            COVERED => Outcome::Covered,
            errno if errno < COVERED => Outcome::Refused(i32::try_from(errno).ok()?),
            _ => return None,
        };
        Some(Self { serial: u64::from_le_bytes(*serial), outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let longest = [b"/".as_slice(), &[b'x'; PATH_BYTES_MAX - 1]].concat();
        for path in [&b"/"[..], b"/a b\xff\n", &longest] {
            let question = Question { serial: u64::MAX, mount_id: 7, path };
            let bytes = question.encode().unwrap();
            assert!(bytes.len() <= QUESTION_MAX);
            assert_eq!(Question::decode(&bytes), Some(question));
        }
        let blocks = Blocks { size: 4096, all: 1, free: 2, available: 3, files: 4, files_free: u64::MAX };
        for outcome in [Outcome::Full(blocks), Outcome::Refused(13), Outcome::Covered] {
            let answer = Answer { serial: 1 << 40, outcome };
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
    }

    #[test]
    fn nothing_else_is() {
        let longer = [b"/".as_slice(), &[b'x'; PATH_BYTES_MAX]].concat();
        assert_eq!(Question { serial: 1, mount_id: 1, path: &longer }.encode(), None);
        let relative = [[0; 16].as_slice(), b"etc"].concat();
        for bytes in [&b""[..], &[0; 15], &[0; 16], &relative, &[[0; 16].as_slice(), &longer].concat()] {
            assert_eq!(Question::decode(bytes), None);
        }
        let good = Answer { serial: 1, outcome: Outcome::Covered }.encode();
        assert!(Answer::decode(&good).is_some());
        assert_eq!(Answer::decode(&good[..ANSWER - 1]), None);
        assert_eq!(Answer::decode(&[&good[..], &[0]].concat()), None);
        for (at, byte) in [(8, 1), (11, 1), (12, 1), (ANSWER - 1, 1)] {
            let mut odd = good;
            odd[at] = byte;
            assert_eq!(Answer::decode(&odd), None, "{at}");
        }
    }
}
