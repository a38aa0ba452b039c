//! Any bytes are a line of `/proc/PID/stat`, or none. A name cannot change what follows it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proc::parse::stat::{Stat, parse};

const AFTER: &[u8] =
    b") S 2 3 4 5 -1 6 7 8 9 10 11 12 -13 -14 20 -5 1 0 17 18 19 20 21 22 23 24 25 26 27 28 29 30 \
    31 32 33 17 1 0 0 36 37 0 0 0 0 0 0 0 0 0\n";

fuzz_target!(|bytes: &[u8]| {
    let _ = parse(bytes);
    let forged = [b"1 (", bytes, AFTER].concat();
    let plain = [b"1 (x", AFTER].concat();
    let expected = parse(&plain).map(|stat| Stat { comm: bytes, ..stat });
    assert!(expected.is_some());
    assert_eq!(parse(&forged), expected);
});
