//! Properties over terms in every accepted form: what was encoded is what is read, an independent decoder reads
//! the same, and what the port writes is accepted.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use portcullis::wire::atoms;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;
use proptest::prelude::*;
use wire_support::encode::frame;
use wire_support::tree::{Tree, agrees, oracle, walk};

const WIDEST: i128 = u64::MAX as i128;

fn integers() -> impl Strategy<Value = i128> {
    let edges: Vec<i128> = (0..=64).flat_map(|bit| [-1, 0, 1].map(|by| (1_i128 << bit) + by)).collect();
    let edge = prop::sample::select(edges).prop_map(|n| n.min(WIDEST));
    prop_oneof![0..256_i128, edge.clone(), edge.prop_map(|n| -n), -WIDEST..=WIDEST]
}

fn scalars() -> impl Strategy<Value = Tree> {
    let finite = any::<f64>().prop_filter("finite", |x| x.is_finite());
    prop_oneof![
        3 => integers().prop_map(Tree::Integer),
        1 => finite.prop_map(Tree::Float),
        2 => "[a-z_]{0,12}|\\PC{0,60}".prop_map(Tree::Atom),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Tree::Binary),
        1 => prop::collection::vec((0..256_i128).prop_map(Tree::Integer), 0..300).prop_map(Tree::List),
    ]
}

fn trees() -> impl Strategy<Value = Tree> {
    scalars().prop_recursive(8, 128, 10, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..10);
        prop_oneof![
            items.clone().prop_map(Tree::Tuple),
            items.prop_map(Tree::List),
            prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Tree::Map),
        ]
    })
}

/// Writes a tree with the port's encoder. Atoms and floats are not the port's: they become what it does send.
fn write(writer: &mut Writer, tree: &Tree) -> Tree {
    match tree {
        Tree::Integer(n) => {
            match (i64::try_from(*n), u64::try_from(*n)) {
                (Ok(n), _) => writer.int(n),
                (_, Ok(n)) => writer.uint(n),
                _ => writer.int(i64::MIN),
            }
            Tree::Integer((*n).max(i128::from(i64::MIN)))
        }
        Tree::Float(x) => {
            writer.bool(*x > 0.0);
            Tree::Atom((*x > 0.0).to_string())
        }
        Tree::Atom(text) => {
            let atom = atoms::ALL[text.len() % atoms::ALL.len()];
            writer.atom(atom);
            Tree::Atom(atom.name().to_owned())
        }
        Tree::Binary(bytes) => {
            writer.binary(bytes);
            tree.clone()
        }
        Tree::Tuple(items) => {
            writer.tuple(items.len());
            Tree::Tuple(items.iter().map(|item| write(writer, item)).collect())
        }
        Tree::List(items) => Tree::List(write_list(writer, items)),
        Tree::Map(pairs) => {
            writer.map(pairs.len());
            Tree::Map(pairs.iter().map(|(key, value)| (write(writer, key), write(writer, value))).collect())
        }
    }
}

/// Lists are written with their length known before, or after.
fn write_list(writer: &mut Writer, items: &[Tree]) -> Vec<Tree> {
    if items.len() % 2 == 0 {
        let mark = writer.begin_list();
        let written = items.iter().map(|item| write(writer, item)).collect();
        writer.end_list(mark, items.len());
        return written;
    }
    writer.list(items.len());
    let written = items.iter().map(|item| write(writer, item)).collect();
    writer.nil();
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_form_is_read_as_what_it_is(tree in trees(), choices in prop::collection::vec(any::<u8>(), 1..64)) {
        let bytes = frame(&tree, &choices);
        let accepted = validate(&bytes, &Bounds::PROC);
        prop_assert!(accepted.is_ok(), "{:?}", accepted);
        let term = accepted.unwrap().term();
        prop_assert_eq!(&Tree::from(term), &tree);
        prop_assert!(walk(term) <= Bounds::PROC.terms);
        prop_assert!(agrees(term, &oracle(&bytes)));
    }

    #[test]
    fn cut_or_lengthened_frames_are_refused(tree in trees(), choices in any::<[u8; 8]>(), at in any::<prop::sample::Index>()) {
        let mut bytes = frame(&tree, &choices);
        prop_assert!(validate(&bytes[..at.index(bytes.len())], &Bounds::PROC).is_err());
        bytes.push(106);
        prop_assert_eq!(validate(&bytes, &Bounds::PROC).unwrap_err().why, atoms::TRAILING_BYTES);
    }

    #[test]
    fn what_survives_a_change_is_read_alike_by_the_oracle(
        tree in trees(),
        choices in any::<[u8; 8]>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = frame(&tree, &choices);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(accepted) = validate(&bytes, &Bounds::PROC) {
            prop_assert!(walk(accepted.term()) <= Bounds::PROC.terms);
            prop_assert!(agrees(accepted.term(), &oracle(&bytes)));
        }
    }

    #[test]
    fn what_is_written_is_accepted_and_reads_back(tree in trees(), before in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut writer = Writer::new();
        writer.raw(&before);
        let mark = writer.start_frame();
        let written = write(&mut writer, &tree);
        writer.end_frame(mark);
        let (length, body) = writer.bytes()[before.len()..].split_first_chunk().unwrap();
        prop_assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
        prop_assert_eq!(Tree::from(validate(body, &Bounds::PROC).unwrap().term()), written);
    }
}
