//! Whatever a client names, a record is one line of printable ASCII in which it stands between two quotes, and it can be
//! read back. Any line of a log is read, or passed over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::audit::record::{Decision, Event, Stamp, denied, is_record, line};
use portcullis::policy::Policy;
use portcullis::policy::suggest::suggest;

fuzz_target!(|bytes: &[u8]| {
    let event = Event {
        op: "file_open",
        target: bytes.to_vec(),
        decision: Decision::Denied,
        rule: "files.read".into(),
    };
    let record = line(&Stamp { seq: 1, time: 1, uid: 1, parent: 1, lost: 0 }, &event);
    assert!(record.bytes().all(|b| (b' '..=b'~').contains(&b)));
    assert_eq!(record.matches('"').count(), 2);
    let read = denied(record.as_bytes());
    assert_eq!(read.is_some_and(|r| r.target == bytes), bytes.len() <= 512);
    assert!(is_record(record.as_bytes()));
    assert!(denied(bytes).is_none() || is_record(bytes));
    for (key, entries) in &suggest(&Policy::without_a_file(), bytes).lines {
        assert!(key.with(entries).chars().all(|c| !c.is_control() || c == '\n'));
    }
});
