//! Bytes in the place of the kernel's, as messages of the process connector and of rtnetlink's groups, and rows that are compared:
//! nothing panics, what is shown is an accepted term, and what is kept is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::limits::WATCH_BYTES_MAX;
use portcullis::netlink::message::Messages;
use portcullis::watch::connector::{self, Message};
use portcullis::watch::difference::{Changes, Told, key};
use portcullis::watch::network;
use portcullis::wire::atoms;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::term::{Items, Term};
use portcullis::wire::write::Writer;

fn accepted(term: &[u8]) {
    let body = [&[131], term].concat();
    assert!(validate(&body, &Bounds { bytes: 1 << 20, ..Bounds::PROC }).is_ok());
}

fn told(payload: &[u8]) {
    if let Some(Message::Event(event)) = connector::parse(payload) {
        let mut w = Writer::new();
        event.write(0, &mut w);
        accepted(w.bytes());
        assert!(connector::KINDS.iter().any(|(bit, _)| *bit == event.kind()));
    }
}

fuzz_target!(|bytes: &[u8]| {
    told(bytes);
    for message in Messages::new(bytes) {
        told(message.payload);
        if let Some((topic, verb)) = network::told(&message) {
            let _ = topic.show(message.payload, verb, &mut |row| accepted(row));
        }
    }
    for topic in network::Topic::ALL {
        let _ = topic.show(bytes, atoms::NEW, &mut |row| accepted(row));
    }
    compared(bytes);
});

/// The elements of a tuple as rows, all of them and then the latter half.
fn compared(bytes: &[u8]) {
    if validate(bytes, &Bounds::PROC).is_err() {
        return;
    }
    let Some(Term::Tuple(rows)) = Items::of_encoded(bytes.get(1..).unwrap_or(&[]), 1).next() else { return };
    let (mut told, mut changes) = (Told::default(), Changes::default());
    for skipped in [0, rows.len() / 2] {
        told.begin();
        let mut rows = rows;
        for _ in 0..skipped {
            rows.next_encoded();
        }
        let mut kept = 0;
        while let Some(row) = rows.next_encoded() {
            let Some(key) = key(row, &[0]) else { continue };
            assert!(key.len() < row.len());
            let news = told.take(&key, row).unwrap();
            changes.put(&news, row);
            kept += 1;
        }
        while told.gone().is_some() {}
        assert!(told.len() == kept && told.bytes() <= WATCH_BYTES_MAX);
    }
    let mut w = Writer::new();
    w.tuple(2);
    changes.added.write(&mut w);
    changes.changed.write(&mut w);
    let body = [&[131], w.bytes()].concat();
    assert!(validate(&body, &Bounds { bytes: 1 << 24, depth: 64, ..Bounds::PROC }).is_ok() || changes.is_full());
}
