//! What must be refused is, for the right reason, at the right place, and cheaply.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use portcullis::wire::atoms;
use portcullis::wire::scan::{Bounds, Malformed, validate};
use wire_support::hostile::{alone, frames, inside_request, terms, tower};
use wire_support::tree::walk;
use wire_support::{read_vectors, update, vectors};

#[test]
fn hostile_terms_are_refused_alone_and_inside_a_request() {
    for case in terms() {
        let refused = validate(&alone(&case.bytes), &Bounds::PROC).unwrap_err();
        assert_eq!(refused.why, case.why, "{}", case.name);
        // The reason can be another there: terms follow that a length can swallow, and levels are around it.
        assert!(validate(&inside_request(&case.bytes), &Bounds::PROC).is_err(), "{} inside", case.name);
    }
    assert!(validate(&inside_request(b"a\x01"), &Bounds::PROC).is_ok());
}

#[test]
fn hostile_frames_are_refused() {
    for case in frames() {
        let refused = validate(&case.bytes, &Bounds::PROC).unwrap_err();
        assert_eq!(refused.why, case.why, "{}", case.name);
    }
}

#[test]
fn hostile_vectors_are_these_cases() {
    let folder = vectors().join("hostile");
    let whole = terms().into_iter().map(|case| (case.name.to_owned(), alone(&case.bytes)));
    let mut cases: Vec<_> = whole.chain(frames().into_iter().map(|c| (c.name.to_owned(), c.bytes))).collect();
    cases.sort();
    if update() {
        for (name, bytes) in &cases {
            std::fs::write(folder.join(name).with_extension("etf"), bytes).unwrap();
        }
    }
    let found = read_vectors(&folder);
    let names = |list: &[(String, Vec<u8>)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&cases), "UPDATE_VECTORS=1 writes them");
    assert!(found == cases, "a vector differs; UPDATE_VECTORS=1 writes them");
    assert!(found.iter().all(|(_, frame)| validate(frame, &Bounds::PROC).is_err()));
}

#[test]
fn only_the_listed_tags_are_known() {
    let allowed = [70, 97, 98, 104, 105, 106, 107, 108, 109, 110, 111, 116, 118, 119];
    for tag in 0..=255 {
        // Enough zeros for the shortest form of each allowed term, with nothing left that could be counted.
        let refused =
            (0..16).map(|zeros| validate(&[&[131, tag][..], &vec![0; zeros]].concat(), &Bounds::PROC).err());
        let unknown = refused.flatten().all(|refused| refused == Malformed { offset: 1, why: atoms::TAG });
        assert_eq!(unknown, !allowed.contains(&tag), "tag {tag}");
    }
}

/// As many levels as overflow the stack of a decoder that calls itself.
#[test]
fn towers_are_refused_at_the_level_above_the_bound() {
    let deep: [(&[u8], &[u8]); 4] = [
        (b"h\x01", b""),
        (b"l\x00\x00\x00\x01", b"j"),
        (b"t\x00\x00\x00\x01a\x01", b""),
        (b"t\x00\x00\x00\x01", b"a\x01"),
    ];
    let wide = Bounds { bytes: usize::MAX, ..Bounds::PROC };
    for (open, close) in deep {
        let frame = alone(&tower(open, 6_103, close));
        let refused = validate(&frame, &wide).unwrap_err();
        assert_eq!(refused, Malformed { offset: 1 + 16 * open.len(), why: atoms::TOO_DEEP });
        assert!(validate(&inside_request(&tower(open, 6_103, close)), &wide).is_err());
        assert!(validate(&alone(&tower(open, 16, close)), &wide).is_ok());
        // Bounds above what the scan can count are cut to it.
        let deeper = Bounds { depth: usize::MAX, ..wide };
        assert!(validate(&alone(&tower(open, 64, close)), &deeper).is_ok());
        assert_eq!(validate(&alone(&tower(open, 65, close)), &deeper).unwrap_err().why, atoms::TOO_DEEP);
    }
    let tails = alone(&tower(b"l\x00\x00\x00\x01j", 6_103, b""));
    assert_eq!(validate(&tails, &wide).unwrap_err(), Malformed { offset: 7, why: atoms::IMPROPER_LIST });
}

#[test]
fn maps_above_the_bound_are_refused_at_their_header() {
    let pairs = |n: u32| {
        let body = (0..n).flat_map(|key| [&b"b"[..], &key.to_be_bytes(), b"j"].concat());
        [b"t".to_vec(), n.to_be_bytes().to_vec(), body.collect()].concat()
    };
    let refused = validate(&alone(&pairs(2_000)), &Bounds::PROC).unwrap_err();
    assert_eq!(refused, Malformed { offset: 1, why: atoms::TOO_MANY_PAIRS });
    assert!(validate(&alone(&pairs(64)), &Bounds::PROC).is_ok());
    // The same key 64 times is for the schema to refuse: no table is built here.
    let same = [b"t\x00\x00\x00\x40".to_vec(), b"jj".repeat(64)].concat();
    assert!(validate(&alone(&same), &Bounds::PROC).is_ok());
}

#[test]
fn bounds_are_exact() {
    let binary = |n: usize| {
        let length = u32::try_from(n).unwrap().to_be_bytes();
        alone(&[&b"m"[..], &length, &vec![0; n]].concat())
    };
    assert!(validate(&binary(Bounds::PROC.bytes - 6), &Bounds::PROC).is_ok());
    let refused = validate(&binary(Bounds::PROC.bytes - 5), &Bounds::PROC).unwrap_err();
    assert_eq!(refused, Malformed { offset: 0, why: atoms::FRAME_TOO_LONG });
    assert!(validate(&alone(&[&b"w\xff"[..], &b"a".repeat(255)].concat()), &Bounds::PROC).is_ok());
}

/// The bound counts what a walk meets, in every form of a list.
#[test]
fn terms_are_counted_as_a_walk_meets_them() {
    let cases: [(&[u8], usize); 7] = [
        (b"j", 1),
        (b"k\x00\x05abcde", 6),
        (b"l\x00\x00\x00\x05jjjjjj", 6),
        (b"h\x02k\x00\x02abh\x00", 5),
        (b"t\x00\x00\x00\x02jjjj", 5),
        (b"t\x00\x00\x00\x01l\x00\x00\x00\x01jjh\x01j", 5),
        (b"h\x03\x68\x01\x68\x01\x68\x01jjk\x00\x00", 7),
    ];
    for (term, count) in cases {
        let frame = alone(term);
        let enough = Bounds { terms: count, ..Bounds::PROC };
        assert_eq!(walk(validate(&frame, &enough).unwrap().term()), count);
        let refused = validate(&frame, &Bounds { terms: count - 1, ..Bounds::PROC });
        // The outermost term is not counted before it is read.
        assert!(count == 1 || refused.unwrap_err().why == atoms::TOO_MANY_TERMS, "{term:?}");
    }
}

#[test]
fn the_offset_is_that_of_the_wrong_term() {
    let cases: [(&[u8], usize); 7] = [
        (b"h\x02a\x01g", 5),
        (b"h\x02a\x01m\x00\x00\x00\x01", 5),
        (b"h\x02a\x01k\x00", 5),
        (b"l\x00\x00\x00\x01a\x01a\x02", 8),
        (b"a\x01a\x02", 3),
        (b"h\x01t\x00\x00\x00\x02jjj", 3),
        (b"t\x00\x00\x00\x01jF\x7f\xf0\x00\x00\x00\x00\x00\x00", 7),
    ];
    for (term, offset) in cases {
        assert_eq!(validate(&alone(term), &Bounds::PROC).unwrap_err().offset, offset, "{term:?}");
    }
}
