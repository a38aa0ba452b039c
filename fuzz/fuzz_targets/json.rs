//! No text breaks the reader, and what it accepts is a term that the scan accepts and that is printed as the same JSON.
//! No bytes break the printer, and what it prints is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::wire::json::{Cause, from_term, to_term};
use portcullis::wire::scan::{Bounds, validate};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let wide = Bounds { bytes: 1 << 20, depth: 64, terms: 1 << 20, map_pairs: 1 << 16 };
    let small = Bounds { bytes: 60, depth: 2, terms: 9, map_pairs: 2 };
    let known = serde_json::from_slice::<Value>(data);
    for bounds in [wide, small] {
        match to_term(data, &bounds) {
            Ok(body) => {
                assert!(validate(&body, &bounds).is_ok());
                assert!(body.len() <= 3 * data.len() + 8);
                let mut text = Vec::new();
                assert!(from_term(&body, &mut text).is_ok());
                assert_eq!(serde_json::from_slice::<Value>(&text).ok(), known.as_ref().ok().cloned());
                assert_eq!(to_term(&text, &wide), Ok(body));
            }
            Err(refused) => {
                assert!(refused.column <= data.len() && refused.line <= data.len() + 1);
                let syntax = matches!(refused.why, Cause::Syntax | Cause::Truncated);
                assert!(!syntax || known.is_err());
            }
        }
    }
    // The first byte of a term is always the same, so it is not left to chance.
    let body = [&[131], data].concat();
    let mut text = Vec::new();
    match from_term(&body, &mut text) {
        Ok(()) => {
            assert!(
                validate(
                    &body,
                    &Bounds { bytes: usize::MAX, depth: 64, terms: usize::MAX, map_pairs: usize::MAX }
                )
                .is_ok()
            );
            assert!(text.len() <= 6 * body.len());
            assert!(serde_json::from_slice::<Value>(&text).is_ok());
        }
        Err(refused) => assert!(text.is_empty() && refused.offset <= body.len()),
    }
});
