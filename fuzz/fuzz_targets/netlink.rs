//! Bytes in the place of the kernel's: every length may lie. What is read stays inside what was given, what is written again is
//! read the same, and a batch that has a fault is never taken for one that was carried out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::netlink::attr::{Attrs, Buffer, find, ne32_at, ne64_at};
use portcullis::netlink::message::{Ack, Message, Messages};
use portcullis::nft::transport::replies::{Replies, Verdict};

/// Writes attributes again, as deep as they say they are, up to a bound.
fn again(attrs: Attrs<'_>, depth: usize, buffer: &mut Buffer) {
    for attr in attrs {
        let _ = (attr.u8(), attr.be16(), attr.be32(), attr.be64(), attr.text());
        if attr.nested && depth < 64 && attr.attrs().is_whole() {
            let nest = buffer.nest(attr.kind);
            again(attr.attrs(), depth + 1, buffer);
            buffer.end(nest);
        } else {
            buffer.put(attr.kind, attr.value);
        }
    }
}

fn same(a: Attrs<'_>, b: Attrs<'_>, depth: usize) {
    assert!(b.is_whole());
    let (a, b): (Vec<_>, Vec<_>) = (a.collect(), b.collect());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.into_iter().zip(b) {
        assert_eq!(a.kind, b.kind);
        if b.nested {
            same(a.attrs(), b.attrs(), depth + 1);
        } else {
            assert_eq!(a.value, b.value);
        }
    }
}

fn one(message: &Message<'_>) -> bool {
    assert!(message.payload.ends_with(message.body));
    let _ = message.done();
    let fault = Ack::of(message).map(|ack| {
        assert!(ack.errno >= 0);
        ack.errno != 0
    });
    let mut buffer = Buffer::new();
    let kind = message.kind.max(16);
    let mark = buffer.message(kind, message.flags, message.seq, message.family, message.res_id);
    again(message.attrs(), 0, &mut buffer);
    // Padding that was missing can make it longer than a length can say.
    if buffer.end_message(mark).is_ok() {
        let read = Messages::new(buffer.bytes()).next().expect("what was written");
        assert_eq!((read.kind, read.flags, read.seq), (kind, message.flags, message.seq));
        same(message.attrs(), read.attrs(), 0);
    }
    fault == Some(true)
}

fuzz_target!(|data: &[u8]| {
    let Some((commands, bytes)) = data.split_first() else { return };
    assert_eq!(Attrs::check(bytes).is_ok(), Attrs::new(bytes).is_whole());
    assert_eq!(find(bytes, 1).is_some(), Attrs::new(bytes).any(|attr| attr.kind == 1));
    let place = usize::from(*commands);
    assert_eq!(ne32_at(bytes, place).is_some(), place + 4 <= bytes.len());
    assert_eq!(ne64_at(bytes, place).is_some(), place + 8 <= bytes.len());
    let mut faults = false;
    for message in Messages::new(bytes) {
        faults |= one(&message);
    }
    let mut replies = Replies::new(usize::from(*commands));
    // Cut where the kernel would not cut, too.
    let (a, b) = bytes.split_at(bytes.len() / 2 & !3);
    let mut cut = replies.clone();
    replies.read(bytes);
    assert_eq!(faults, replies.verdict() == Verdict::Aborted);
    cut.read(a);
    cut.read(b);
    let _ = cut.verdict();
});
