//! A stream gives the same frames however it is cut into reads. The first bytes choose the limit and the reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::wire::frame::{FrameBuffer, Input};

/// Frames and refusals; the last element says how the stream stands after them.
fn feed(frame_max: usize, mut stream: &[u8], reads: &[u8]) -> Vec<Result<Vec<u8>, usize>> {
    let mut buffer = FrameBuffer::new(frame_max);
    let (mut seen, mut reads) = (Vec::new(), reads.iter().cycle());
    while !stream.is_empty() {
        let space = buffer.space();
        assert!(!space.is_empty(), "no room to read into");
        let wanted = reads.next().map_or(usize::MAX, |read| usize::from(*read) + 1);
        let (now, later) = stream.split_at(wanted.min(space.len()).min(stream.len()));
        space[..now.len()].copy_from_slice(now);
        buffer.filled(now.len());
        stream = later;
        loop {
            match buffer.next_frame() {
                Ok(Some(Input::Frame(body))) => seen.push(Ok(body.to_vec())),
                Ok(Some(Input::TooLong { announced })) => seen.push(Err(announced)),
                Ok(None) => break,
                Err(over) => {
                    seen.push(Err(over.announced));
                    return seen;
                }
            }
        }
    }
    seen
}

fuzz_target!(|data: &[u8]| {
    let Some(([limit, a, b, c], stream)) = data.split_first_chunk() else { return };
    let frame_max = usize::from(*limit);
    assert_eq!(feed(frame_max, stream, &[*a, *b, *c]), feed(frame_max, stream, &[]));
});
