//! No frame makes the scan or the walk of what it accepted panic, and the walk meets no more than was counted.
#![no_main]

#[path = "../../tests/wire_support/tree.rs"]
#[allow(dead_code, reason = "only the walk is used")]
mod tree;

use libfuzzer_sys::fuzz_target;
use portcullis::wire::scan::{Bounds, validate};

fuzz_target!(|frame: &[u8]| {
    let small = Bounds { bytes: 1 << 20, depth: 64, terms: 300, map_pairs: 8 };
    for bounds in [Bounds::PROC, small] {
        match validate(frame, &bounds) {
            Ok(valid) => assert!(tree::walk(valid.term()) <= bounds.terms),
            Err(refused) => assert!(refused.offset <= frame.len()),
        }
    }
});
