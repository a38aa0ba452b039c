//! Bytes in the place of a message to `portcullis`, of the request in it, and of what a copy of the port program says. Whatever they are, what is made
//! of them is within them; a request that goes to a copy is one that the copy knows whose it is; an answer is a message. The first byte
//! chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::dist::control;
use portcullis::dist::etf::Pid;
use portcullis::dist::etf::read::Cursor;
use portcullis::exec::node::actor::{self, Asked};
use portcullis::exec::node::direct::ask::{self, Wish};
use portcullis::exec::node::direct::said::{self, Said};
use portcullis::protocol::request;
use portcullis::wire::scan::{Bounds, validate};

const OWN: Pid<'static> = Pid { node: "b@127.0.0.1", creation: 77, id: 2, serial: 0 };

fn wished(wish: &Wish<'_>) {
    let Wish::Do(ask) = wish else { return };
    assert!(ask.timeout_ms > 0 && ask.row.roles.contains(&ask.role));
    let Ok(frame) = ask.frame(7) else { return };
    let accepted = validate(&frame, Bounds::of(ask.role)).expect("what is sent is a term");
    match request::decode(accepted.term(), ask.role) {
        Ok(request::Message::Request(request)) => {
            assert_eq!((request.id.get(), request.row.name), (7, ask.row.name));
        }
        Ok(_) => panic!("it was a request"),
        Err((id, _)) => assert_eq!(id.get(), 7, "nobody would know whose the answer is"),
    }
}

fn within(whole: &[u8], part: &[u8]) {
    let whole = whole.as_ptr_range();
    let part = part.as_ptr_range();
    assert!(part.start == part.end || whole.start <= part.start && part.end <= whole.end);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            let Ok(message) = control::read(bytes) else { return };
            match actor::asked(&message, &OWN) {
                Some(Asked::Direct(caller, wish)) => {
                    within(bytes, caller.tag);
                    let reply = actor::reply(&OWN, &caller, |w| actor::word("ok", w));
                    control::read(&reply[4..]).expect("an answer is a message");
                    wish.iter().for_each(wished);
                }
                Some(Asked::Cast(Some(Ok(wish)))) => wished(&wish),
                _ => {}
            }
        }
        1 => {
            if let Some(Ok(wish)) = ask::read(Cursor::new(bytes)) {
                wished(&wish);
            }
        }
        _ => match said::read(bytes) {
            Some(Said::Refused(part) | Said::Event(_, part) | Said::Lost(_, part)) => within(bytes, part),
            Some(Said::Done { term, .. }) => within(bytes, term),
            Some(Said::Rows { columns, count, rows, .. }) => {
                within(bytes, rows);
                columns.iter().for_each(|columns| within(bytes, columns));
                assert!(count <= rows.len());
            }
            Some(Said::Hello(_)) | None => {}
        },
    }
});
