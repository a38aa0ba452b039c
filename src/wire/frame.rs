//! Frames out of a byte stream: a four-byte big-endian length, then that many bytes (`{packet, 4}` of Erlang).
//!
//! The buffer is allocated once. What the peer announces never decides how much memory is used, and no byte is
//! moved more than a constant number of times, whatever the sizes of frames and reads.
#![forbid(unsafe_code)]

use crate::limits::FRAME_HARD_MAX;

/// Bytes of the length in front of a frame.
const HEADER: usize = 4;

/// Room beside the longest frame: as much as a pipe holds unless it was enlarged (pipe(7)).
const READ_AHEAD: usize = 64 * 1024;

/// A stream cut into frames. Read into [`space`](Self::space), say how much with [`filled`](Self::filled), then
/// take frames with [`next_frame`](Self::next_frame) until there is none.
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// `bytes[start..end]` is read and not yet taken.
    start: usize,
    end: usize,
    /// Bytes of a refused frame that are still to come and are dropped.
    skip: usize,
    frame_max: usize,
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The body of a frame, without its length.
    Frame(&'a [u8]),
    /// A frame above the role's limit; its body is dropped as it comes in.
    TooLong {
        /// The length in its header.
        announced: usize,
    },
}

/// A header above [`FRAME_HARD_MAX`]: the stream is not made of frames any more, or never was.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderTooLarge {
    /// The length in the header.
    pub announced: usize,
}

impl FrameBuffer {
    /// A buffer for frames of at most `frame_max` bytes. Takes that much memory and 64 KiB, now and for ever.
    #[must_use]
    pub fn new(frame_max: usize) -> Self {
        let frame_max = frame_max.min(FRAME_HARD_MAX);
        Self { bytes: vec![0; HEADER + frame_max + READ_AHEAD], start: 0, end: 0, skip: 0, frame_max }
    }

    /// Room to read into. Not empty if [`next_frame`](Self::next_frame) has returned `Ok(None)` since the last
    /// [`filled`](Self::filled): what is left then is less than one frame, and there is room for more than one.
    pub fn space(&mut self) -> &mut [u8] {
        let held = self.end.saturating_sub(self.start);
        // Moving at most as much as was taken keeps the work linear. At the end of the buffer there is no choice:
        // what is held is the beginning of one frame, which fits from the front on and is not moved again.
        if held <= self.start || self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, held);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `n` bytes of [`space`](Self::space) have been read.
    pub fn filled(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }

    /// The next frame, `None` if it is not complete yet.
    ///
    /// # Errors
    /// [`HeaderTooLarge`] ends the stream: every later call returns it again.
    pub fn next_frame(&mut self) -> Result<Option<Input<'_>>, HeaderTooLarge> {
        let dropped = self.skip.min(self.end.saturating_sub(self.start));
        self.start += dropped;
        self.skip -= dropped;
        let held = self.bytes.get(self.start..self.end).unwrap_or_default();
        let Some((header, body)) = held.split_first_chunk::<HEADER>() else { return Ok(None) };
        let announced = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        if announced > FRAME_HARD_MAX {
            return Err(HeaderTooLarge { announced });
        }
        if announced > self.frame_max {
            self.start += HEADER;
            self.skip = announced;
            return Ok(Some(Input::TooLong { announced }));
        }
        let Some(frame) = body.get(..announced) else { return Ok(None) };
        self.start += HEADER + announced;
        Ok(Some(Input::Frame(frame)))
    }
}
