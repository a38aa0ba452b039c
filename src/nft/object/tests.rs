//! What needs no kernel: how elements are dealt out to messages, in which order rules come back, and what user data can be.
#![forbid(unsafe_code)]

use std::time::Instant;

use proptest::prelude::*;

use super::element::{self, Of};
use super::replay::{Command, Snapshot};
use super::{Unfit, declared, message, rule, set, userdata};
use crate::netlink::attr::{Buffer, find};
use crate::nft::kernel::{Immediate, KExpr};
use crate::nft::model::{RawElement, Text};

const OF: Of<'_> = Of { table: b"t", set: b"s", set_id: None };

fn element(n: u32) -> RawElement {
    RawElement { key: Some(n.to_be_bytes().to_vec()), ..RawElement::default() }
}

#[test]
fn many_elements_become_few_messages_and_none_is_lost() {
    const COUNT: u32 = 100_000;
    let mut elements = (0..COUNT).map(element).peekable();
    let (mut bodies, mut buffer, started) = (Vec::new(), Buffer::new(), Instant::now());
    loop {
        buffer.clear();
        if element::encode(&OF, &mut elements, &mut buffer).unwrap() == 0 {
            break;
        }
        assert!(!buffer.overflowed());
        bodies.push(buffer.bytes().to_vec());
    }
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    eprintln!("{COUNT} elements: {} messages, {bytes} bytes, {:?}", bodies.len(), started.elapsed());
    assert!(bytes < 24 * 100_000, "{bytes}");
    assert!(bodies.iter().all(|body| body.len() < 65_536));
    let read = bodies.iter().flat_map(|body| element::elements(body).map(|attr| element::decode(&attr)));
    assert!(read.eq((0..COUNT).map(|n| (element(n), false))));
}

#[test]
fn an_element_that_fits_no_message_is_an_error() {
    let long = RawElement { key: Some(vec![0; 65_500]), ..RawElement::default() };
    let mut elements = [element(1), long].into_iter().peekable();
    let mut buffer = Buffer::new();
    assert_eq!(element::encode(&OF, &mut elements, &mut buffer), Ok(1));
    buffer.clear();
    assert!(element::encode(&OF, &mut elements, &mut buffer).is_err());
    let comment = Some(Text::Owned(vec![b'x'; 255]));
    let mut elements = std::iter::once(RawElement { comment, ..element(1) }).peekable();
    assert_eq!(element::encode(&OF, &mut elements, &mut buffer), Err(Unfit("longer than user data can be")));
}

/// No elements would mean all of them to the kernel when they are deleted.
#[test]
fn no_elements_are_no_message() {
    let mut buffer = Buffer::new();
    assert_eq!(element::encode(&OF, &mut std::iter::empty().peekable(), &mut buffer), Ok(0));
    assert!(buffer.is_empty());
}

#[test]
fn comments_are_whole_or_refused() {
    assert_eq!(userdata::only_comment(Some(b"est")).unwrap(), b"\0\x04est\0");
    assert!(userdata::only_comment(Some(b"e\0st")).is_err());
    assert!(
        userdata::only_comment(Some(&[b'x'; 254])).is_err(),
        "with its head longer than the kernel takes"
    );
    assert_eq!(userdata::only_comment(None).unwrap(), b"");
    assert_eq!(userdata::comment(b"\x07\x01x\0\x02a\0", 0), Some(b"a".as_slice()));
    assert_eq!(userdata::comment(b"\0\x09a\0", 0), None, "a length that lies");
}

fn chain(name: &[u8], flags: u32) -> Vec<u8> {
    let mut buffer = Buffer::new();
    buffer.put_text(1, b"t");
    buffer.put_text(3, name);
    buffer.put_be32(10, flags);
    buffer.bytes().to_vec()
}

fn jump(chain: &[u8], to: Option<&'static [u8]>) -> Vec<u8> {
    let mut buffer = Buffer::new();
    let code = if to.is_some() { -3 } else { 1 };
    let jump = KExpr::Immediate { dreg: 0, data: Immediate::Verdict(code, to.map(Text::Borrowed)) };
    let new = rule::New {
        table: b"t",
        chain,
        id: None,
        beside: rule::Beside::Edge,
        expressions: &[jump],
        comment: None,
    };
    rule::encode(&new, &mut buffer).unwrap();
    buffer.bytes().to_vec()
}

fn order(chains: &[(&[u8], u32)], rules: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut snapshot = Snapshot::new(2, b"t");
    snapshot.take(message::NEW_TABLE, 2, &[6, 0, 1, 0, b't', 0, 0, 0]);
    for (name, flags) in chains {
        snapshot.take(message::NEW_CHAIN, 2, &chain(name, *flags));
    }
    for rule in rules {
        snapshot.take(message::NEW_RULE, 2, rule);
    }
    let mut order = Vec::new();
    let send = |command: Command<'_>| -> Result<(), ()> {
        if command.kind == message::NEW_RULE {
            order.push(find(command.body, 2).unwrap().text().unwrap().to_vec());
        }
        Ok(())
    };
    snapshot.restore(send).unwrap();
    order
}

/// The kernel takes no rule into a chain once the rule that it belongs to is there.
#[test]
fn rules_of_chains_inside_of_rules_come_before_those_rules() {
    let chains: [(&[u8], u32); 3] = [(b"top", 1), (b"__chain1", 4), (b"__chain2", 4)];
    let rules = [
        jump(b"top", None),
        jump(b"top", Some(b"__chain1")),
        jump(b"top", None),
        jump(b"__chain1", Some(b"__chain2")),
        jump(b"__chain2", None),
    ];
    let expected: [&[u8]; 5] = [b"top", b"__chain2", b"__chain1", b"top", b"top"];
    assert_eq!(order(&chains, &rules), expected);
}

/// What no kernel would say must not take the stack, nor a rule away.
#[test]
fn chains_that_go_round_end_and_keep_their_rules() {
    let chains: [(&[u8], u32); 2] = [(b"__chain1", 4), (b"__chain2", 4)];
    let rules = [jump(b"__chain1", Some(b"__chain2")), jump(b"__chain2", Some(b"__chain1"))];
    assert_eq!(order(&chains, &rules).len(), 2);
}

proptest! {
    #[test]
    fn any_user_data_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..260)) {
        let _ = userdata::comment(&bytes, 0);
        if let Some(read) = declared::read(&bytes) {
            let again = declared::write(&read.expr).unwrap().and_then(|bytes| declared::read(&bytes));
            prop_assert_eq!(again, Some(read));
        }
    }

    #[test]
    fn any_declaration_leaves_a_set_that_is_listed(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let mut user = Vec::new();
        userdata::put(&mut user, 3, &bytes).unwrap();
        let mut buffer = Buffer::new();
        buffer.put_text(1, b"t");
        buffer.put_text(2, b"s");
        buffer.put_be32(4, 7);
        buffer.put_be32(5, 4);
        buffer.put(13, &user);
        let seen = set::decode(2, buffer.bytes()).unwrap();
        prop_assert!(!seen.opaque);
        prop_assert_eq!(seen.what.key.parts.len(), 1);
    }
}
