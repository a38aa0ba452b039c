//! Any bytes are a small file of the kernel's, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::kernel::{block_devices, counters, cpus, limits, load, memory, pressure, uptime};
use portcullis::wire::atoms;

fuzz_target!(|bytes: &[u8]| {
    let _ = (load::parse(bytes), counters::parse(bytes), memory::parse(bytes), uptime::parse(bytes));
    let _ = (block_devices::numbers(bytes), block_devices::flag(bytes), limits::parse(bytes, 1));
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(cpus::parse(bytes).len() <= lines);
    assert!(pressure::parse(atoms::IO, bytes).count() <= lines);
});
