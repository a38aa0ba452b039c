//! The vectors: frames that the BEAM encoded are accepted and mean what the oracle says; the port writes its own
//! as the BEAM would; the list of atoms is the one that clients load.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use portcullis::wire::atoms::{self, Atom};
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::term::Term;
use portcullis::wire::write::Writer;
use wire_support::tree::{agrees, oracle, walk};
use wire_support::{REPLY, read_vectors, update, vectors};

#[test]
fn valid_vectors_are_accepted() {
    let found = read_vectors(&vectors());
    assert!(found.len() >= 20);
    for (name, frame) in found {
        let bounds = if name.starts_with("request") { Bounds::PROC } else { REPLY };
        // One tuple of 256 elements is there to show its form.
        let accepted = validate(&frame, &bounds).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        assert!(agrees(accepted.term(), &oracle(&frame)), "{name}");
        assert!(walk(accepted.term()) <= bounds.terms);
    }
}

/// Cut anywhere, a frame is refused, and never for a reason that blames what is there.
#[test]
fn cut_vectors_are_refused() {
    for (name, frame) in read_vectors(&vectors()) {
        for end in 0..frame.len() {
            let refused = validate(&frame[..end], &Bounds::PROC).unwrap_err();
            let expected = if end == 0 { vec![atoms::EMPTY] } else { vec![atoms::TRUNCATED, atoms::LENGTH] };
            assert!(
                expected.contains(&refused.why) && refused.offset <= end,
                "{name} cut at {end}: {refused:?}"
            );
        }
    }
}

#[test]
fn replies_are_written_as_the_beam_writes_them() {
    for (name, frame) in read_vectors(&vectors()) {
        if name.starts_with("reply") {
            let mut writer = Writer::new();
            let mark = writer.start_frame();
            rewrite(&mut writer, validate(&frame, &REPLY).unwrap().term());
            writer.end_frame(mark);
            let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
            assert_eq!(writer.bytes(), [&length[..], &frame].concat(), "{name}");
        }
    }
}

/// Writes what was read. Lists of bytes would differ: the BEAM makes strings of them, the port does not.
fn rewrite(writer: &mut Writer, term: Term<'_>) {
    match term {
        Term::Integer(n) => match i64::try_from(n) {
            Ok(n) => writer.int(n),
            Err(_) => writer.uint(u64::try_from(n).unwrap()),
        },
        Term::Float(_) => panic!("the port sends no floats"),
        Term::Atom(text) => writer.atom(known(text)),
        Term::Binary(bytes) => writer.binary(bytes),
        Term::Tuple(items) => {
            writer.tuple(items.len());
            items.for_each(|item| rewrite(writer, item));
        }
        Term::List(items) => {
            let mark = writer.begin_list();
            items.for_each(|item| rewrite(writer, item));
            writer.end_list(mark, items.len());
        }
        Term::Map(pairs) => {
            writer.map(pairs.len());
            pairs.for_each(|(key, value)| {
                rewrite(writer, key);
                rewrite(writer, value);
            });
        }
    }
}

fn known(text: &str) -> Atom {
    let found = atoms::ALL.iter().find(|atom| atom.name() == text);
    *found.unwrap_or_else(|| panic!("{text} is not in the vocabulary"))
}

#[test]
fn the_list_of_atoms_is_the_one_that_clients_load() {
    let file = vectors().join("atoms.txt");
    let list: String = atoms::ALL.iter().map(|atom| format!("{}\n", atom.name())).collect();
    if update() {
        std::fs::write(&file, &list).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), list, "UPDATE_VECTORS=1 writes it");
}

/// Every word that the protocol's document sets in code and that can be an atom is in the vocabulary.
#[test]
fn the_document_names_no_other_atoms() {
    let document = include_str!("../docs/protocol.md");
    let prose: String = document.split("```").step_by(2).collect();
    // Files, calls and options that the text mentions, and words of the policy file.
    let files = ["packet", "stat", "status", "io", "readdir", "hidepid", "include"];
    let policy = [
        "level",
        "none",
        "public",
        "basic",
        "full",
        "file_idle_ms",
        "kept_descriptors",
        "max_bytes",
        "rows_max",
        "requests_per_s",
        "required",
        "banned4",
        "banned6",
    ];
    let other = [&files[..], &policy].concat();
    for code in prose.split('`').skip(1).step_by(2) {
        // `code` is an example of a whole term where it starts with a bracket; then only single words are left out.
        let word = code.strip_prefix('{').and_then(|rest| rest.split(',').next()).unwrap_or(code);
        let is_atom = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if is_atom && word.starts_with(|c: char| c.is_ascii_lowercase()) && !other.contains(&word) {
            known(word);
        }
    }
}
