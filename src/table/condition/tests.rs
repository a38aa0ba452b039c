#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

use super::*;
use crate::wire::atoms;
use crate::wire::scan::{Bounds, validate};
use crate::wire::testing;
use crate::wire::write::Writer;

struct Of(Kind);

impl Described for Of {
    fn name(&self) -> Atom {
        atoms::COMM
    }

    fn kind(&self) -> Kind {
        self.0
    }
}

const WORDS: &[Atom] = &[atoms::TCP, atoms::UDP];

fn read(kind: Kind, write: impl FnOnce(&mut Writer)) -> Result<Condition, RequestError> {
    let body = [vec![131], testing::term(write)].concat();
    let accepted = validate(&body, &Bounds::PROC).unwrap();
    Condition::decode(accepted.term(), &Of(kind), &At::Top, &mut BUDGET.clone())
}

fn list(numbers: &[u64], w: &mut Writer) {
    w.list(numbers.len());
    numbers.iter().for_each(|n| w.uint(*n));
    w.nil();
}

/// `SMALL_ATOM_UTF8_EXT`, of a word that no answer has.
fn word(name: &str, w: &mut Writer) {
    w.raw(&[&[119, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat());
}

fn string(text: &str, w: &mut Writer) {
    list(&text.chars().map(|c| u64::from(u32::from(c))).collect::<Vec<_>>(), w);
}

fn why(result: Result<Condition, RequestError>) -> Why {
    match result {
        Err(RequestError::BadRequest(_, why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_refused_where_numbers_are_compared() {
    for text in ["8099", "80", "22", "443", "root", "www-data", "redis", "nobody"] {
        let Why::OneOf(said) = why(read(Kind::Number, |w| string(text, w))) else { panic!("{text}") };
        assert!(said.contains(text) && said.contains("any_of"), "{said}");
        let digits = text.starts_with(|c: char| c.is_ascii_digit());
        assert_eq!(said.contains(&format!("such as {text}")), digits, "{said}");
    }
    // As one of several, it can be nothing else.
    let several = read(Kind::Number, |w| {
        w.list(1);
        string("8", w);
        w.nil();
    });
    assert!(matches!(why(several), Why::OneOf(_)));
}

#[test]
fn lists_of_numbers_are_alternatives() {
    for numbers in [
        &[80, 443][..],
        &[48],
        &[1, 2, 3],
        &[22, 80],
        &[80, 81],
        &[50, 52],
        &[53],
        &[101, 104, 110],
        &[104, 101],
        &[100, 999, 101],
        &[0, 101],
    ] {
        let wants = numbers.iter().map(|n| Want::Number(i128::from(*n))).collect();
        assert_eq!(read(Kind::Number, |w| list(numbers, w)), Ok(Condition::AnyOf(wants)), "{numbers:?}");
    }
    assert_eq!(read(Kind::Number, Writer::nil), Ok(Condition::AnyOf(Vec::new())));
}

#[test]
fn who_says_that_it_is_a_list_is_believed() {
    let explicit = |kind, text: &'static str| {
        read(kind, |w| {
            w.tuple(2);
            word("any_of", w);
            string(text, w);
        })
    };
    let wants = vec![Want::Number(56), Want::Number(48)];
    assert_eq!(explicit(Kind::Number, "80"), Ok(Condition::AnyOf(wants)));
    assert_eq!(why(explicit(Kind::Bytes, "sh")), Why::Expected("binary"));
}

#[test]
fn a_text_is_the_value_where_only_it_can_be() {
    let bytes = |text: &str| Ok(Condition::AnyOf(vec![Want::Bytes(text.as_bytes().to_vec())]));
    assert_eq!(read(Kind::Bytes, |w| string("beam.smp", w)), bytes("beam.smp"));
    assert_eq!(read(Kind::Bytes, |w| string("80", w)), bytes("80"));
    assert_eq!(read(Kind::Bytes, |w| string("d\u{e4}mon\u{1bb}", w)), bytes("d\u{e4}mon\u{1bb}"));
    let prefix = read(Kind::Bytes, |w| {
        w.tuple(2);
        word("prefix", w);
        string("beam", w);
    });
    assert_eq!(prefix, Ok(Condition::Prefix(b"beam".to_vec())));
    assert_eq!(why(read(Kind::Bytes, |w| list(&[1, 2], w))), Why::Expected("binary"));

    let address = |text: &str| Ok(Condition::AnyOf(vec![Want::Address(text.parse().unwrap())]));
    assert_eq!(read(Kind::Address, |w| string("127.0.0.1", w)), address("127.0.0.1"));
    assert_eq!(read(Kind::Address, |w| w.binary(b"::1")), address("::1"));
    assert_eq!(read(Kind::Address, |w| string("::ffff:10.0.0.1", w)), address("10.0.0.1"));
    for text in ["10.0.0.300", "010.0.0.1", "lo", "10.0.0.0/8"] {
        let why = why(read(Kind::Address, |w| string(text, w)));
        assert!(matches!(why, Why::OneOf(_) | Why::Expected("address")), "{text} {why:?}");
    }
    assert_eq!(
        why(read(Kind::Word(WORDS), |w| string("tcp", w))),
        Why::OneOf("tcp or udp, as an atom".into())
    );
    assert_eq!(why(read(Kind::Compound, |w| string("tcp", w))), Why::NotComparable("comm"));
}
