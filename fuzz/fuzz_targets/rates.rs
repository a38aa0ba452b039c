//! Any two samples have differences or none, whatever the counters do in between.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::kernel::cpus;
use portcullis::kernel::rates::{cpus as cpu_rates, disks as disk_rates};

fuzz_target!(|input: (u64, &[u8], &[u8])| {
    let (micros, before, after) = input;
    for (before, after) in cpus::parse(before).iter().zip(cpus::parse(after)) {
        assert!(cpu_rates::compare(Some((before, micros)), &after).is_sound());
    }
    if let (Some(before), Some(after)) = (disk_rates::counters(before), disk_rates::counters(after)) {
        let _ = (disk_rates::compare(Some((&before, micros)), &after), disk_rates::compare(None, &after));
    }
});
