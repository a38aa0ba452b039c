//! A term in the place of the key of a map: where it stands twice the map is denied; where it stands once, and once inside a tuple, the map is as good as the term is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::dist::etf::keys::check;
use portcullis::dist::etf::read::Cursor;
use portcullis::dist::etf::scan::{Bounds, Nobody, Walk};
use portcullis::dist::reason::Reason;

const BOUNDS: Bounds = Bounds { depth: 32, terms: 10_000, integer_bytes: 64 };

/// `#{Key => 1, Other => 2}`.
fn map(key: &[u8], other: &[u8]) -> Vec<u8> {
    [&[116, 0, 0, 0, 2], key, &[97, 1], other, &[97, 2]].concat()
}

fuzz_target!(|data: &[u8]| {
    let mut cursor = Cursor::new(data);
    let walked = Walk::default().term(&mut cursor, &BOUNDS, &mut Nobody).is_ok();
    let term = &data[..data.len() - cursor.rest().len()];
    let said = check(term);
    assert_eq!(said, check(term));
    if walked && said.is_ok() {
        let twice = check(&map(term, term));
        assert!(matches!(twice, Err(Reason::DuplicateKey | Reason::TooManyTerms)), "{twice:?}");
        let once = check(&map(term, &[&[104, 1], term].concat()));
        assert!(matches!(once, Ok(()) | Err(Reason::TooManyTerms)), "{once:?}");
    }
});
