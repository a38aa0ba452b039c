//! Any text is a glass or a list of mistakes; one that is read is written and read as the same, and never holds longer than it says or the
//! configuration lets it. Any bytes of a node to its starter are a question or none, and what is one is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::dist::glass::Glass;
use portcullis::dist::totp::{Codes, Key};
use portcullis::exec::node::words::{Asked, Told};

fuzz_target!(|bytes: &[u8]| {
    match Glass::parse(bytes) {
        Ok(glass) => {
            assert_eq!(Glass::parse(glass.write().as_bytes()).expect("its own text"), glass);
            for now in [0, glass.opened_ms, glass.opened_ms.saturating_add(500), u64::MAX] {
                if let Ok(until) = glass.until(&glass.boot, now, 60) {
                    assert!(now < until && until <= now.saturating_add(60_000));
                    assert!(until <= glass.opened_ms.saturating_add(glass.seconds * 1000));
                }
            }
        }
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
    if let Some(asked) = Asked::read(bytes) {
        assert_eq!(asked.write(), bytes);
        if let Asked::Glass(ticket, _) = asked {
            let key = Key::new(b"12345678901234567890").expect("a key");
            // No code of the fuzzer's is that of a time it does not know.
            assert!(Codes::new(u64::MAX).take(&key, ticket.code, 6, 0, 0).is_err());
        }
    }
    if let Some(told) = Told::read(bytes) {
        assert_eq!(told.write(), bytes);
    }
    if let Some(key) = Key::parse(bytes) {
        assert_eq!(*Key::parse(key.base32().as_bytes()).expect("its own text").base32(), *key.base32());
    }
});
