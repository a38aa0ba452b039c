//! Memory: the scan and the walk take none, and the frame buffer takes what it was made with.
#![allow(unsafe_code, reason = "a global allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use portcullis::limits::{FRAME_HARD_MAX, PROC_FRAME_MAX};
use portcullis::wire::frame::{FrameBuffer, Input};
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;
use wire_support::tree::walk;
use wire_support::{hostile, read_vectors, vectors};

thread_local! {
    /// Allocations of this thread, and their bytes. Tests run side by side.
    static TAKEN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    let (times, sum) = TAKEN.get();
    TAKEN.set((times + 1, sum + bytes));
}

// SAFETY: every call is passed on to `System` as it came; counting does not allocate, as the cell is constant.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the promises of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// How often `work` allocated, and how many bytes.
fn taken(work: impl FnOnce()) -> (usize, usize) {
    let before = TAKEN.get();
    work();
    let after = TAKEN.get();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn scan_and_walk_take_nothing() {
    assert_ne!(taken(|| drop(vec![0_u8; 10])), (0, 0), "the counter works");
    let mut frames: Vec<Vec<u8>> = read_vectors(&vectors()).into_iter().map(|(_, frame)| frame).collect();
    for case in hostile::terms() {
        frames.push(hostile::inside_request(&case.bytes));
        frames.push(hostile::alone(&case.bytes));
    }
    frames.push(hostile::alone(&hostile::tower(b"l\x00\x00\x00\x01", 6_103, b"j")));
    frames.push(hostile::alone(&[b"k\xff\xf0".to_vec(), vec![1; 0xfff0]].concat()));
    for frame in &frames {
        let work = || {
            if let Ok(accepted) = validate(frame, &Bounds::PROC) {
                walk(accepted.term());
            }
        };
        assert_eq!(taken(work), (0, 0));
    }
}

/// The peer announces 16 MiB a hundred times, then sends one byte of a frame at a time.
#[test]
fn the_frame_buffer_takes_what_it_was_made_with() {
    let mut buffer = None;
    let (times, bytes) = taken(|| buffer = Some(FrameBuffer::new(PROC_FRAME_MAX)));
    assert_eq!(times, 1);
    assert!(bytes <= PROC_FRAME_MAX + 4 + 64 * 1024);
    let mut buffer = buffer.unwrap();
    let header = u32::try_from(FRAME_HARD_MAX).unwrap().to_be_bytes();
    let work = || {
        for _ in 0..100 {
            put(&mut buffer, &header);
            assert_eq!(buffer.next_frame(), Ok(Some(Input::TooLong { announced: FRAME_HARD_MAX })));
            let mut left = FRAME_HARD_MAX;
            while left > 0 {
                let n = buffer.space().len().min(left);
                buffer.filled(n);
                left -= n;
                assert_eq!(buffer.next_frame(), Ok(None));
            }
        }
        put(&mut buffer, &[0, 1, 0, 0]);
        for n in 0..PROC_FRAME_MAX {
            assert_eq!(buffer.next_frame(), Ok(None), "{n}");
            put(&mut buffer, &[5]);
        }
        assert!(matches!(buffer.next_frame(), Ok(Some(Input::Frame(body))) if body.len() == PROC_FRAME_MAX));
    };
    assert_eq!(taken(work), (0, 0));
}

fn put(buffer: &mut FrameBuffer, bytes: &[u8]) {
    buffer.space()[..bytes.len()].copy_from_slice(bytes);
    buffer.filled(bytes.len());
}

/// The second answer of the same size reuses the memory of the first.
#[test]
fn the_writer_keeps_its_memory() {
    let mut writer = Writer::new();
    let answer = |writer: &mut Writer| {
        let mark = writer.start_frame();
        let rows = writer.begin_list();
        (0..1_000).for_each(|n| writer.int(n));
        writer.end_list(rows, 1_000);
        writer.end_frame(mark);
    };
    answer(&mut writer);
    writer.clear();
    assert_eq!(taken(|| answer(&mut writer)), (0, 0));
}
