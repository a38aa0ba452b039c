//! Bytes in the place of a verb: a request or none, and the same twice; every one is answered with one term; whatever is asked, in any order, the
//! filters that were there deny what they denied. Requests are cut at the byte 255.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis::dist::command::{Command, Direction};
use portcullis::dist::etf::read::Cursor;
use portcullis::dist::etf::scan::{Bounds, Nobody, Walk};
use portcullis::dist::filter::policy::Policy;
use portcullis::dist::filter::table::{Aim, Rule};
use portcullis::dist::verb;
use portcullis::exec::node::control::Control;
use portcullis::wire::write::Writer;

const PEER: &str = "a@h";

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let mut policy = Policy::default();
    policy.allow.insert(PEER.into());
    policy.control.insert(PEER.into());
    policy.default.inward.default = Some(Rule { accept: true, line: 1 });
    policy
});

fn accepted(control: &mut Control, peer: &Arc<str>) -> Vec<bool> {
    let runtime = &control.ledger(&POLICY, peer).record.runtime;
    let ways = [Direction::In, Direction::Out];
    let aims = |command: &Command| match command {
        Command::RegSend | Command::Monitor => vec![Some(Aim::Name("x")), Some(Aim::Name("portcullis"))],
        _ => vec![None],
    };
    let all = ways.iter().flat_map(|way| Command::ALL.iter().map(move |command| (*way, *command)));
    all.flat_map(|(way, command)| aims(&command).into_iter().map(move |aim| runtime.accepts(way, command, aim))).collect()
}

fuzz_target!(|data: &[u8]| {
    let (mut control, peer) = (Control::new(true, |_| {}), Arc::from(PEER));
    let mut before = accepted(&mut control, &peer);
    for request in data.split(|byte| *byte == 255) {
        let read = verb::read(request);
        assert_eq!(read, verb::read(request));
        assert!(read.is_err() || verb::is_one(request));
        let mut answer = Writer::new();
        control.answer(&POLICY, &peer, request, false, &mut answer);
        let bounds = Bounds { depth: 8, terms: 1 << 16, integer_bytes: 8 };
        let mut cursor = Cursor::new(answer.bytes());
        assert!(Walk::default().term(&mut cursor, &bounds, &mut Nobody).is_ok() && cursor.rest().is_empty());
        let after = accepted(&mut control, &peer);
        assert!(before.iter().zip(&after).all(|(before, after)| *before || !after));
        before = after;
    }
});
