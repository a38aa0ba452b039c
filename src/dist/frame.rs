//! Frames of a connection between nodes: a length, then so many bytes. During the handshake the length has two bytes over TCP and four
//! over TLS (`{packet, 2}`, `{packet, 4}`), afterwards four; a frame of none is a tick.
//!
//! What a peer announces never decides how much memory is used: room comes with the bytes, and goes again after a long frame.
#![forbid(unsafe_code)]

use std::ops::Range;

use crate::limits::{DIST_FRAME_HARD_MAX, DIST_HANDSHAKE_FRAME_MAX, DIST_HEAD_BYTES, DIST_READ_MAX};

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Two bytes.
    Two,
    /// Four bytes.
    Four,
}

impl Length {
    fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// A whole frame. `None` if the body is longer than the length can say.
    #[must_use]
    pub fn frame(self, body: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Two => [&u16::try_from(body.len()).ok()?.to_be_bytes()[..], body].concat(),
            Self::Four => [&u32::try_from(body.len()).ok()?.to_be_bytes()[..], body].concat(),
        })
    }
}

/// What a node sends so that it is not taken for dead.
pub const TICK: [u8; 4] = [0; 4];

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A frame of no bytes. It is answered with another.
    Tick,
    /// The body of a frame.
    Frame(&'a [u8]),
    /// The beginning of a frame above the bound. What follows of it is passed over as it comes.
    Head {
        /// How long it is.
        announced: usize,
        /// As much as tells what it is.
        bytes: &'a [u8],
    },
}

/// A frame above the bound, where none is passed over. The stream ends: what follows could not be told from its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// What its length says.
    pub announced: usize,
}

/// What stays, unless it is said otherwise.
const KEPT: usize = 4 * DIST_READ_MAX;

/// A stream cut into frames.
#[derive(Debug)]
pub struct Frames {
    length: Length,
    max: usize,
    bytes: Vec<u8>,
    /// `bytes[start..end]` was read and not yet taken.
    start: usize,
    end: usize,
    /// Memory that stays after a long frame.
    keeps: usize,
    /// Frames above the bound are passed over behind their heads.
    heads: bool,
    /// Bytes of such a one that are still to come.
    skip: usize,
}

impl Frames {
    /// A stream that begins with a handshake.
    #[must_use]
    pub fn handshake(length: Length) -> Self {
        let max = DIST_HANDSHAKE_FRAME_MAX;
        Self { length, max, bytes: Vec::new(), start: 0, end: 0, keeps: KEPT, heads: false, skip: 0 }
    }

    /// The handshake is over: from the next byte on there are messages, of at most `max` bytes each.
    pub fn connected(&mut self, max: usize) {
        self.length = Length::Four;
        self.max = max.min(DIST_FRAME_HARD_MAX);
    }

    /// A frame above the bound is not the end from now on: [`next`](Self::next) gives its head, and passes over the rest.
    pub fn pass_over_long(&mut self) {
        self.heads = true;
    }

    /// Room to read into, never empty, and not for many frames behind a long one. Ask for it when [`next`](Self::next) has no more.
    pub fn space(&mut self) -> &mut [u8] {
        let held = self.end.saturating_sub(self.start);
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, held);
        }
        if held < DIST_READ_MAX && self.bytes.capacity() > self.keeps {
            self.bytes.truncate(held);
            self.bytes.shrink_to(held.saturating_add(DIST_READ_MAX));
        }
        // A long frame doubles what is there, as it comes: no byte is moved more than a constant number of times.
        let room = DIST_READ_MAX.max(held);
        let wanted = held.saturating_add(room).min(held.max(self.max).saturating_add(DIST_READ_MAX));
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        let to = self.end.saturating_add(self.most()).min(self.bytes.len());
        self.bytes.get_mut(self.end..to).unwrap_or_default()
    }

    /// What one read may bring: the rest of a frame that has begun, and not more of those behind it than of any others. The room for 8 MB of one
    /// message, filled with 60,000 short ones behind its end, would be heard in one turn, in which nobody else is.
    fn most(&self) -> usize {
        let held = self.end.saturating_sub(self.start);
        let frame = self.announced().map_or(0, |announced| announced.saturating_add(self.length.bytes()));
        let rest = if self.skip > 0 { self.skip } else { frame };
        rest.saturating_sub(held).saturating_add(DIST_READ_MAX)
    }

    /// So much memory stays after a long frame: where the next is as long, making and giving back would cost more than the frame.
    pub fn keep(&mut self, bytes: usize) {
        self.keeps = bytes.max(KEPT);
    }

    /// The first `n` bytes of [`space`](Self::space) have been read.
    pub fn filled(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }

    /// The next frame; `None` if it is not complete.
    ///
    /// # Errors
    /// [`TooLong`] ends the stream: every later call returns it again. None comes where long frames are passed over.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from the buffer")]
    pub fn next(&mut self) -> Result<Option<Input<'_>>, TooLong> {
        if !self.passed_over() {
            return Ok(None);
        }
        let header = self.length.bytes();
        if let Some(announced) = self.announced().filter(|announced| self.heads && *announced > self.max) {
            return Ok(self.head(announced));
        }
        let Some(span) = self.next_span()? else { return Ok(None) };
        let frame = self.bytes.get(span.start.saturating_add(header)..span.end).unwrap_or_default();
        Ok(Some(if frame.is_empty() { Input::Tick } else { Input::Frame(frame) }))
    }

    /// Whether nothing of a long frame is left to pass over.
    fn passed_over(&mut self) -> bool {
        let gone = self.skip.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(gone);
        self.skip = self.skip.saturating_sub(gone);
        self.skip == 0
    }

    /// What the next length says, if it has come.
    fn announced(&self) -> Option<usize> {
        let length = self.bytes.get(self.start..self.end)?.get(..self.length.bytes())?;
        Some(length.iter().fold(0_usize, |n, byte| (n << 8) | usize::from(*byte)))
    }

    /// The head of a frame above the bound, if it has come.
    fn head(&mut self, announced: usize) -> Option<Input<'_>> {
        let from = self.start.saturating_add(self.length.bytes());
        let length = announced.min(DIST_HEAD_BYTES);
        let to = from.saturating_add(length);
        if to > self.end {
            return None;
        }
        (self.start, self.skip) = (to, announced.saturating_sub(length));
        Some(Input::Head { announced, bytes: self.bytes.get(from..to).unwrap_or_default() })
    }

    /// Where the next frame lies, its length included; `None` if it is not complete. One frame begins where the last ended, and all
    /// stay there until [`space`](Self::space) is asked for: whoever passes frames on unchanged can pass several at once.
    ///
    /// # Errors
    /// [`TooLong`], as [`next`](Self::next).
    pub fn next_span(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let header = self.length.bytes();
        let Some((length, body)) = held.split_at_checked(header) else { return Ok(None) };
        let announced = length.iter().fold(0_usize, |n, byte| (n << 8) | usize::from(*byte));
        if announced > self.max {
            return Err(TooLong { announced });
        }
        if body.len() < announced {
            return Ok(None);
        }
        let from = self.start;
        self.start += header + announced;
        Ok(Some(from..self.start))
    }

    /// The bytes of spans that follow each other.
    #[must_use]
    pub fn bytes(&self, span: &Range<usize>) -> &[u8] {
        self.bytes.get(span.clone()).unwrap_or_default()
    }

    /// Bytes of memory that are held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(frames: &mut Frames, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut found = Vec::new();
        let mut rest = bytes;
        loop {
            while let Some(input) = frames.next()? {
                found.push(match input {
                    Input::Tick => Vec::new(),
                    Input::Frame(body) => body.to_vec(),
                    Input::Head { announced, bytes } => [&announced.to_be_bytes()[..], &bytes[..4]].concat(),
                });
            }
            if rest.is_empty() {
                return Ok(found);
            }
            let space = frames.space();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            frames.filled(n);
            rest = &rest[n..];
        }
    }

    #[test]
    fn frames_come_out_whole_however_they_came_in() {
        let bodies: [&[u8]; 4] = [b"sok", b"", &[7; 1000], b"x"];
        for length in [Length::Two, Length::Four] {
            let stream: Vec<u8> = bodies.iter().flat_map(|b| length.frame(b).unwrap()).collect();
            for cut in [1, 2, 3, 5, 999, stream.len()] {
                let mut frames = Frames::handshake(length);
                let found: Vec<Vec<u8>> =
                    stream.chunks(cut).flat_map(|part| feed(&mut frames, part).unwrap()).collect();
                assert_eq!(found, bodies, "{length:?} in parts of {cut}");
            }
        }
    }

    #[test]
    fn a_length_above_the_bound_ends_the_stream_before_any_room_is_made() {
        let mut frames = Frames::handshake(Length::Two);
        assert_eq!(feed(&mut frames, &[0xff, 0xff]), Err(TooLong { announced: 65535 }));
        assert_eq!(frames.next(), Err(TooLong { announced: 65535 }));
        let mut frames = Frames::handshake(Length::Four);
        frames.connected(1 << 20);
        assert_eq!(feed(&mut frames, &u32::MAX.to_be_bytes()), Err(TooLong { announced: 0xffff_ffff }));
        assert!(frames.memory() <= 2 * DIST_READ_MAX, "{}", frames.memory());
    }

    #[test]
    fn an_announced_frame_takes_no_room_until_its_bytes_come_and_none_afterwards() {
        let mut frames = Frames::handshake(Length::Four);
        frames.connected(64 << 20);
        assert_eq!(feed(&mut frames, &(64_u32 << 20).to_be_bytes()).unwrap().len(), 0);
        let _ = frames.space();
        assert!(frames.memory() <= 2 * DIST_READ_MAX, "{}", frames.memory());
        let mut frames = Frames::handshake(Length::Four);
        frames.connected(64 << 20);
        let long = vec![1; 8 << 20];
        assert_eq!(feed(&mut frames, &Length::Four.frame(&long).unwrap()).unwrap()[0].len(), long.len());
        let _ = frames.space();
        assert!(frames.memory() <= 4 * DIST_READ_MAX, "{}", frames.memory());
    }

    #[test]
    fn one_read_brings_no_more_frames_behind_a_long_one_than_behind_a_short_one() {
        for passes in [false, true] {
            let mut frames = Frames::handshake(Length::Four);
            frames.connected(if passes { 1000 } else { 16 << 20 });
            if passes {
                frames.pass_over_long();
            }
            frames.keep(2 << 20);
            let mut stream = Length::Four.frame(&vec![1; 5 << 20]).unwrap();
            let mut left = stream.len();
            stream.extend(vec![0; 4 << 20]);
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let space = frames.space();
                assert!(
                    space.len() <= left + DIST_READ_MAX,
                    "{} bytes, {left} of it are to come",
                    space.len()
                );
                let n = space.len().min(rest.len());
                space[..n].copy_from_slice(&rest[..n]);
                frames.filled(n);
                (rest, left) = (&rest[n..], left.saturating_sub(n));
                while frames.next().unwrap().is_some() {}
            }
        }
    }

    #[test]
    fn a_long_frame_is_passed_over_behind_its_head_and_the_next_is_whole() {
        let long: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_be_bytes()[3]).collect();
        let stream = [Length::Four.frame(&long).unwrap(), Length::Four.frame(b"next").unwrap()].concat();
        for cut in [7, 1000, 100_000, stream.len()] {
            let mut frames = Frames::handshake(Length::Four);
            frames.connected(1000);
            frames.pass_over_long();
            let found: Vec<Vec<u8>> =
                stream.chunks(cut).flat_map(|part| feed(&mut frames, part).unwrap()).collect();
            let head = [&long.len().to_be_bytes()[..], &[0, 1, 2, 3]].concat();
            assert_eq!(found, [head, b"next".to_vec()], "in parts of {cut}");
            assert!(frames.memory() <= 4 * DIST_READ_MAX, "{}", frames.memory());
        }
        // One that is hardly too long has no more of a head than there is of it.
        let mut frames = Frames::handshake(Length::Four);
        frames.connected(8);
        frames.pass_over_long();
        assert_eq!(feed(&mut frames, b"\0\0\0\x09abcdefghi\0\0\0\x01j").unwrap().len(), 2);
    }

    #[test]
    fn frames_that_follow_each_other_lie_next_to_each_other_as_they_came() {
        let mut frames = Frames::handshake(Length::Four);
        frames.connected(100);
        let stream = [&[0, 0, 0, 2, 7, 8][..], &[0; 4], &[0, 0, 0, 1, 9], &[0, 0, 0, 3, 1]].concat();
        let space = frames.space();
        space[..stream.len()].copy_from_slice(&stream);
        frames.filled(stream.len());
        let mut spans = Vec::new();
        while let Some(span) = frames.next_span().unwrap() {
            spans.push(span);
        }
        assert_eq!(spans, [0..6, 6..10, 10..15]);
        assert_eq!(frames.bytes(&(0..15)), &stream[..15]);
    }

    #[test]
    fn the_length_grows_to_four_bytes_after_the_handshake() {
        let mut frames = Frames::handshake(Length::Two);
        assert_eq!(feed(&mut frames, b"\0\x01s").unwrap(), [b"s"]);
        frames.connected(100);
        assert_eq!(feed(&mut frames, b"\0\0\0\0\0\0\0\x01p").unwrap(), [b"".to_vec(), b"p".to_vec()]);
    }
}
