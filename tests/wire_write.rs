//! The writer: headers by size, marks, and moving encoded rows from one frame to the next.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod wire_support;

use portcullis::wire::atoms;
use portcullis::wire::scan::validate;
use portcullis::wire::write::Writer;
use wire_support::REPLY;
use wire_support::tree::Tree;

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.bytes().to_vec()
}

#[test]
fn integers_take_the_shortest_form() {
    assert_eq!(written(|w| w.int(255)), [97, 255]);
    assert_eq!(written(|w| w.int(-1)), [98, 255, 255, 255, 255]);
    assert_eq!(written(|w| w.uint(1 << 31)), [110, 4, 0, 0, 0, 0, 128]);
    assert_eq!(written(|w| w.int(i64::MIN)), [110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128]);
    assert_eq!(written(|w| w.uint(u64::MAX)), [110, 8, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
}

#[test]
fn headers() {
    assert_eq!(written(|w| w.tuple(255)), [104, 255]);
    assert_eq!(written(|w| w.tuple(256)), [105, 0, 0, 1, 0]);
    assert_eq!(written(|w| w.map(0)), [116, 0, 0, 0, 0]);
    assert_eq!(written(|w| w.list(0)), [106]);
    assert_eq!(written(|w| w.list(1)), [108, 0, 0, 0, 1]);
    assert_eq!(written(|w| w.bool(true)), b"w\x04true");
    assert_eq!(written(|w| w.text("é")), [109, 0, 0, 0, 2, 0xc3, 0xa9]);
}

#[test]
fn lists_of_unknown_length() {
    let list = |n: u8| {
        written(|w| {
            let mark = w.begin_list();
            (0..n).for_each(|i| w.int(i.into()));
            w.end_list(mark, n.into());
        })
    };
    assert_eq!(list(0), [106]);
    assert_eq!(list(2), [108, 0, 0, 0, 2, 97, 0, 97, 1, 106]);
}

/// As a chunk of rows is closed: the row that made it too long goes to the next frame.
#[test]
fn a_row_moves_to_the_next_frame() {
    let mut writer = Writer::new();
    let first = writer.start_frame();
    let rows = writer.begin_list();
    writer.binary(b"fits");
    let from = writer.len();
    writer.binary(b"too long");
    let tail = writer.split_tail(from);
    writer.end_list(rows, 1);
    writer.end_frame(first);
    let second = writer.len();
    let mark = writer.start_frame();
    writer.list(1);
    writer.raw(&tail);
    writer.nil();
    writer.end_frame(mark);
    let read = |frame: &[u8]| Tree::from(validate(&frame[4..], &REPLY).unwrap().term());
    let list = |bytes: &[u8]| Tree::List(vec![Tree::Binary(bytes.to_vec())]);
    assert_eq!(read(&writer.bytes()[..second]), list(b"fits"));
    assert_eq!(read(&writer.bytes()[second..]), list(b"too long"));
    writer.truncate(second);
    assert_eq!(writer.len(), second);
    assert!(writer.split_tail(usize::MAX).is_empty());
    writer.clear();
    assert!(writer.is_empty());
}

#[test]
fn every_atom_of_the_vocabulary_is_accepted() {
    for atom in atoms::ALL {
        let frame = [&[131], atom.encoded()].concat();
        let read = Tree::from(validate(&frame, &REPLY).unwrap().term());
        assert_eq!(read, Tree::Atom(atom.name().to_owned()));
    }
}
