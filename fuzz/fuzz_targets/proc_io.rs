//! Any bytes are a `/proc/PID/io`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proc::parse::io::{Io, parse};

fuzz_target!(|bytes: &[u8]| {
    let io = parse(bytes);
    // Written as the kernel writes it, it is read as it was.
    let Io { rchar, wchar, syscr, syscw, read_bytes, write_bytes, cancelled_write_bytes } = io;
    let counters = [
        ("rchar", rchar),
        ("wchar", wchar),
        ("syscr", syscr),
        ("syscw", syscw),
        ("read_bytes", read_bytes),
        ("write_bytes", write_bytes),
        ("cancelled_write_bytes", cancelled_write_bytes),
    ];
    let lines = counters.iter().filter_map(|(key, value)| Some(format!("{key}: {}\n", (*value)?)));
    assert_eq!(parse(lines.collect::<String>().as_bytes()), io);
});
