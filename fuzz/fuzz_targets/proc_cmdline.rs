//! Any bytes are arguments, or an environment: none is lost, none is added.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::proc::parse::environ::Variable;
use portcullis::proc::parse::{cmdline, environ};

fuzz_target!(|bytes: &[u8]| {
    let arguments: Vec<&[u8]> = cmdline::arguments(bytes).collect();
    assert_eq!(cmdline::count(bytes), arguments.len());
    assert_eq!(arguments.is_empty(), bytes.is_empty());
    assert_eq!(arguments.join(&0), cmdline::trimmed(bytes));
    assert!(arguments.iter().all(|argument| !argument.contains(&0)));
    assert!(environ::variables(bytes).eq(arguments));
    assert_eq!(environ::count(bytes), cmdline::count(bytes));
    let shown = [b"A".to_vec()];
    assert_eq!(environ::redacted(bytes, &shown).count(), environ::count(bytes));
    for variable in environ::redacted(bytes, &shown) {
        assert!(!matches!(variable, Variable::Shown(text) if !text.starts_with(b"A=")));
    }
});
