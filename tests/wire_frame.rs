//! The frame buffer: however the stream is cut, the same frames come out, and memory stays what it was.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use portcullis::limits::{FRAME_HARD_MAX, PROC_FRAME_MAX};
use portcullis::wire::frame::{FrameBuffer, HeaderTooLarge, Input};
use proptest::prelude::*;

/// What came out of a buffer.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Frame(Vec<u8>),
    TooLong(usize),
    HeaderTooLarge(usize),
}

/// Everything that can be taken now; true if the stream has ended by an error.
fn take(buffer: &mut FrameBuffer, seen: &mut Vec<Seen>) -> bool {
    loop {
        match buffer.next_frame() {
            Ok(Some(Input::Frame(body))) => seen.push(Seen::Frame(body.to_vec())),
            Ok(Some(Input::TooLong { announced })) => seen.push(Seen::TooLong(announced)),
            Ok(None) => return false,
            Err(HeaderTooLarge { announced }) => {
                seen.push(Seen::HeaderTooLarge(announced));
                return true;
            }
        }
    }
}

/// Gives the stream to a buffer in reads of these sizes, in turn.
fn feed(frame_max: usize, mut stream: &[u8], reads: &[usize]) -> Vec<Seen> {
    let mut buffer = FrameBuffer::new(frame_max);
    let (mut seen, mut reads) = (Vec::new(), reads.iter().cycle());
    while !stream.is_empty() {
        let space = buffer.space();
        assert!(!space.is_empty());
        let n = (*reads.next().unwrap()).max(1).min(space.len()).min(stream.len());
        space[..n].copy_from_slice(&stream[..n]);
        stream = &stream[n..];
        buffer.filled(n);
        if take(&mut buffer, &mut seen) {
            break;
        }
    }
    seen
}

/// The same by definition: the whole stream is there.
fn expected(frame_max: usize, mut stream: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some((header, rest)) = stream.split_first_chunk() {
        let announced = u32::from_be_bytes(*header) as usize;
        match rest.get(..announced) {
            _ if announced > FRAME_HARD_MAX => {
                seen.push(Seen::HeaderTooLarge(announced));
                return seen;
            }
            _ if announced > frame_max => seen.push(Seen::TooLong(announced)),
            Some(body) => seen.push(Seen::Frame(body.to_vec())),
            None => return seen,
        }
        stream = rest.get(announced..).unwrap_or_default();
    }
    seen
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

#[test]
fn one_byte_at_a_time() {
    let stream = [framed(b""), framed(b"abc"), framed(&[7; 300]), framed(&[8; 301]), framed(b"x")].concat();
    let seen = feed(300, &stream, &[1]);
    let frame = |bytes: &[u8]| Seen::Frame(bytes.to_vec());
    assert_eq!(seen, [frame(b""), frame(b"abc"), frame(&[7; 300]), Seen::TooLong(301), frame(b"x")]);
}

#[test]
fn ten_thousand_frames_in_one_read() {
    let stream = framed(b"z").repeat(10_000);
    assert!(stream.len() <= FrameBuffer::new(PROC_FRAME_MAX).space().len());
    let seen = feed(PROC_FRAME_MAX, &stream, &[usize::MAX]);
    assert_eq!(seen.len(), 10_000);
}

#[test]
fn a_frame_as_long_as_allowed_and_one_byte_longer() {
    let stream =
        [framed(&vec![1; PROC_FRAME_MAX]), framed(&vec![2; PROC_FRAME_MAX + 1]), framed(b"end")].concat();
    for read in [1, 4095, 65_536, usize::MAX] {
        assert_eq!(feed(PROC_FRAME_MAX, &stream, &[read]), expected(PROC_FRAME_MAX, &stream));
    }
}

/// Reported as soon as the header is there, not when the peer has sent what it announced.
#[test]
fn a_long_frame_is_reported_at_its_header() {
    let header = u32::try_from(FRAME_HARD_MAX).unwrap().to_be_bytes();
    assert_eq!(feed(64, &header, &[4]), [Seen::TooLong(FRAME_HARD_MAX)]);
    let stream = [&header[..], &vec![0xff; FRAME_HARD_MAX], &framed(b"after")].concat();
    assert_eq!(feed(64, &stream, &[65_536]), [Seen::TooLong(FRAME_HARD_MAX), Seen::Frame(b"after".to_vec())]);
}

#[test]
fn a_header_above_the_hard_limit_ends_the_stream_for_good() {
    let over = u32::try_from(FRAME_HARD_MAX + 1).unwrap().to_be_bytes();
    for header in [[0xff; 4], over] {
        let mut buffer = FrameBuffer::new(usize::MAX);
        buffer.space()[..4].copy_from_slice(&header);
        buffer.filled(4);
        let announced = u32::from_be_bytes(header) as usize;
        assert_eq!(buffer.next_frame(), Err(HeaderTooLarge { announced }));
        assert_eq!(buffer.next_frame(), Err(HeaderTooLarge { announced }));
    }
}

/// Frames far longer than the room beside them: what is held is moved when the buffer is full, and only then.
#[test]
fn frames_longer_than_the_room_beside_them() {
    let frame_max = 300_000;
    let lengths = [10, 250_000, 299_999, 300_000, 1, 300_001, 300_000, 70_000, 299_000];
    let stream: Vec<u8> = lengths.iter().flat_map(|n| framed(&vec![3; *n])).collect();
    for read in [999, 65_536, usize::MAX] {
        assert_eq!(feed(frame_max, &stream, &[read]), expected(frame_max, &stream));
    }
}

/// When nothing is held the next read can be a large one, wherever the last frame ended.
#[test]
fn the_whole_buffer_is_free_after_the_last_frame() {
    let mut buffer = FrameBuffer::new(PROC_FRAME_MAX);
    let free = buffer.space().len();
    for _ in 0..3 {
        let frames = framed(&[9; 30_000]).repeat(4);
        buffer.space()[..frames.len()].copy_from_slice(&frames);
        buffer.filled(frames.len());
        take(&mut buffer, &mut Vec::new());
        assert_eq!(buffer.space().len(), free);
    }
}

/// A caller that says it filled more than there was room for loses data, not memory safety or the process.
#[test]
fn a_wrong_count_is_cut() {
    let mut buffer = FrameBuffer::new(8);
    buffer.filled(usize::MAX);
    while let Ok(Some(_)) = buffer.next_frame() {}
    assert!(!buffer.space().is_empty());
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 60..70),
        1 => (60_000..70_000_usize).prop_map(|n| vec![0xaa; n]),
    ];
    let piece = prop_oneof![
        20 => body.prop_map(|body| framed(&body)),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_frames(
        stream in streams(),
        frame_max in prop_oneof![Just(0_usize), Just(64), Just(65_536)],
        reads in prop::collection::vec(prop_oneof![1..9_usize, 1..70_000_usize], 1..8),
    ) {
        prop_assert!(feed(frame_max, &stream, &reads) == expected(frame_max, &stream));
    }
}
