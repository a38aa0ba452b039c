//! What the scan accepts, an independent decoder takes whole and reads as the same tree.
#![no_main]

#[path = "../../tests/wire_support/tree.rs"]
#[allow(dead_code, reason = "only the oracle is used")]
mod tree;

use libfuzzer_sys::fuzz_target;
use portcullis::wire::scan::{Bounds, validate};

fuzz_target!(|frame: &[u8]| {
    if let Ok(valid) = validate(frame, &Bounds::PROC) {
        assert!(tree::agrees(valid.term(), &tree::oracle(frame)));
    }
});
