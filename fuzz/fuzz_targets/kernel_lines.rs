//! Any bytes are a line of a table of the kernel's, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::kernel::{disks, filesystems, interrupts, modules, shared_memory, swaps, text, vmstat};

/// What the lines are made of.
fn words(bytes: &[u8]) {
    assert!(text::lines(bytes).all(|line| !line.contains(&b'\n')));
    assert!(text::words(bytes).all(|word| !word.is_empty()));
    assert!(text::pairs(bytes).count() <= bytes.len());
    let _ = (text::number_of(bytes, b"a"), text::decimal(bytes), text::octal(bytes), text::signed(bytes));
    let _ = text::hundredths(bytes);
    assert!(bytes.starts_with(text::without_end(bytes)));
    assert!(text::unescaped(bytes).len() <= bytes.len());
}

fuzz_target!(|bytes: &[u8]| {
    let _ = (vmstat::parse(bytes), modules::parse(bytes), disks::parse(bytes), shared_memory::parse(bytes));
    let _ = (swaps::parse(bytes), filesystems::parse(bytes));
    words(bytes);
    let cpus = interrupts::cpus(bytes).unwrap_or(2);
    if let Some(row) = interrupts::parse(cpus, bytes) {
        assert!(row.counts.len() <= cpus);
        assert_eq!(row.total, row.counts.iter().sum::<u64>());
    }
});
