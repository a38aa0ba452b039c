//! The scan is fast enough never to matter, and no frame makes it or the walk slow. The bounds are a small part of
//! what is measured, so that a busy machine passes.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use portcullis::wire::scan::{Bounds, validate};
use wire_support::REPLY;
use wire_support::hostile::alone;
use wire_support::tree::walk;

/// A list of as many `unit`s as fit in that many bytes.
fn list(unit: &[u8], bytes: usize) -> Vec<u8> {
    let n = bytes / unit.len();
    [&b"l"[..], &u32::try_from(n).unwrap().to_be_bytes(), &unit.repeat(n), b"j"].concat()
}

/// Processor time of this thread: others run beside it.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// The processor's time of the shortest of some runs: what the work takes when nothing else is in the way.
fn fastest(mut work: impl FnMut()) -> Duration {
    let run = |_| {
        let start = spent();
        work();
        spent() - start
    };
    (0..20).map(run).min().unwrap()
}

#[test]
fn binaries_are_scanned_at_200_megabytes_a_second_or_more() {
    let unit = [&b"m\x00\x00\x01\x00"[..], &[7; 256]].concat();
    let frame = alone(&list(&unit, REPLY.bytes - 10));
    let time = fastest(|| assert!(validate(&frame, &REPLY).is_ok()));
    let rate = frame.len() as f64 / time.as_secs_f64() / 1e6;
    println!("{rate:.0} MB/s");
    assert!(rate > 200.0, "{rate:.0} MB/s");
}

/// A walk steps over the same bytes once a level: the worst frames have all their terms at the deepest.
#[test]
fn no_frame_of_the_largest_size_is_slow() {
    // A unit that is a container is one level itself.
    let units: [(&[u8], usize); 8] = [
        (b"j", 15),
        (b"a\x01", 15),
        (b"n\x00\x00", 15),
        (b"w\x00", 15),
        (b"w\x02\xc3\xa9", 15),
        (b"t\x00\x00\x00\x01jj", 14),
        (b"k\x00\x01a", 14),
        (b"h\x01j", 14),
    ];
    let nestings: [(&[u8], &[u8]); 4] = [
        (b"h\x01", b""),
        (b"l\x00\x00\x00\x01", b"j"),
        (b"t\x00\x00\x00\x01", b"j"),
        (b"t\x00\x00\x00\x01j", b""),
    ];
    for (unit, levels) in units {
        for (open, close) in nestings {
            let inside = list(unit, Bounds::PROC.bytes - 200);
            let frame = alone(&[open.repeat(levels), inside, close.repeat(levels)].concat());
            let time = fastest(|| assert!(walk(validate(&frame, &Bounds::PROC).unwrap().term()) > 1));
            println!("{time:?} for {unit:?} in {open:?}");
            assert!(time < Duration::from_millis(250), "{time:?} for {unit:?} in {open:?}");
        }
    }
}
