//! Any bytes are the text of `/proc/net/raw`, or none; there is a row for each line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::sockets::raw::parse;

fuzz_target!(|bytes: &[u8]| {
    for family in [2, 10] {
        if let Some(rows) = parse(bytes, family) {
            let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
            assert_eq!(rows.len() + 1, lines);
        }
    }
});
