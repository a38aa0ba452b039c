//! Messages that harm a node of OTP while it reads them, before any process sees them.
#![forbid(unsafe_code)]

use super::*;
use crate::dist::etf::write;

/// OTP puts the reason of an end into words for its reports, more than once.
#[test]
fn the_reason_of_an_end_is_bounded() {
    let mut bench = Bench::open();
    let server = protected(86);
    let r = reference(PROTECTED, 8, 1);
    let of = |bench: &mut Bench, length: usize| {
        assert_eq!(
            bench.pass_frame(Direction::Out, &monitor(&server, &Target::Name("x"), &r)),
            Verdict::Accept
        );
        let end = term(|w| {
            w.raw(b"\0\0\0\0p\x83\x68\x04\x61\x1c\x77\x01x");
            write::pid(w, &server);
            write::reference(w, &r);
            w.raw(&[131]);
            w.binary(&vec![7; length]);
        });
        bench.pass_frame(Direction::In, &end)
    };
    assert_eq!(of(&mut bench, 60_000), Verdict::Accept);
    assert_eq!(of(&mut bench, 66_000), Verdict::Deny(Reason::TooLong));
    assert_eq!(
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &term(|w| w.binary(&[7; 66_000])))),
        Verdict::Accept
    );
}

/// What OTP cannot decode it writes into its log, whole: 6 MB took 3.2 GB.
#[test]
fn a_map_with_one_key_twice() {
    let mut bench = Bench::open();
    let says = |bench: &mut Bench, key: &[u8]| {
        let payload = [&b"\x68\x02\x6a\x74\0\0\0\x02\x61\x01\x6a"[..], key, b"\x6a"].concat();
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &payload))
    };
    assert_eq!(says(&mut bench, b"\x61\x01"), Verdict::Deny(Reason::DuplicateKey));
    assert_eq!(says(&mut bench, b"\x6e\x01\0\x01"), Verdict::Deny(Reason::DuplicateKey));
    assert_eq!(says(&mut bench, b"\x61\x02"), Verdict::Accept);
}

/// OTP 25 ends by its stack where it makes a map of more than 32 keys, two of them references that differ behind the third word only: one message of
/// 1.3 KB, or two references that one server keeps.
#[test]
fn references_that_no_node_makes() {
    let mut bench = Bench::open();
    let of = |words: [u32; 5], len: u8| Ref { words, len, ..reference(PEER, 7, 1) };
    let says = |bench: &mut Bench, references: &[Ref<'_>]| {
        let payload = term(|w| {
            w.list(references.len());
            references.iter().for_each(|r| write::reference(w, r));
            w.nil();
        });
        bench.pass_frame(Direction::In, &reg_send(&peer(1), "x", &payload))
    };
    let first = of([1, 2, 3, 4, 5], 5);
    for (second, verdict) in [
        (of([1, 2, 3, 9, 5], 5), Verdict::Deny(Reason::Reference)),
        (of([1, 2, 3, 4, 9], 5), Verdict::Deny(Reason::Reference)),
        (of([1, 2, 3, 0, 0], 3), Verdict::Deny(Reason::Reference)),
        (of([9, 2, 3, 4, 0], 4), Verdict::Deny(Reason::Reference)),
        (of([9, 2, 0, 0, 0], 2), Verdict::Deny(Reason::Reference)),
        (of([9, 0, 0, 0, 0], 1), Verdict::Deny(Reason::Reference)),
        (of([1, 2, 4, 4, 5], 5), Verdict::Accept),
        (first, Verdict::Accept),
    ] {
        // In one message, and in another one than the first is remembered from.
        let mut bench = Bench::open();
        assert_eq!(says(&mut bench, &[first, second]), verdict, "{second:?}");
        assert_eq!(says(&mut bench, &[first]), Verdict::Accept);
        assert_eq!(says(&mut bench, &[second]), verdict, "{second:?}");
    }
    // As the reference of a monitor, and as where to answer.
    assert_eq!(says(&mut bench, &[first]), Verdict::Accept);
    let other = of([1, 2, 3, 9, 9], 5);
    let monitor = monitor(&peer(1), &Target::Name("x"), &other);
    assert_eq!(bench.pass_frame(Direction::In, &monitor), Verdict::Deny(Reason::Reference));
    let answer = |to: &Ref<'_>| alias_send(&protected(5), to, &[106]);
    assert_eq!(bench.pass_frame(Direction::Out, &answer(&other)), Verdict::Deny(Reason::NotLearned));
    assert_eq!(bench.pass_frame(Direction::Out, &answer(&first)), Verdict::Accept);
}
