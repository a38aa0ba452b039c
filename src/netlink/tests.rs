//! Bytes of every kind against what reads them, and what is written against what reads it.
#![forbid(unsafe_code)]

use proptest::prelude::*;

use super::attr::{Attr, Attrs, Buffer, Malformed, TooLong, find};
use super::message::{ACK_TLVS, Ack, CAPPED, DONE, ERROR, HEADER, Message, Messages};

fn attr(length: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat()
}

fn message(length: u32, kind: u16, flags: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&seq.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// With the length that it has.
fn honest(kind: u16, flags: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    message(u32::try_from(HEADER + payload.len()).unwrap(), kind, flags, seq, payload)
}

#[test]
fn attributes_that_are_not_whole_end_the_row_and_are_told_of() {
    let good = attr(8, 1, &[1, 2, 3, 4]);
    for length in 0..4 {
        assert_eq!(Attrs::check(&attr(length, 1, &[0; 8])), Err(Malformed { offset: 0 }), "{length}");
    }
    for tail in [attr(0, 2, &[]), attr(3, 2, &[0; 4]), attr(9, 2, &[0; 4]), attr(u16::MAX, 2, &[0; 60])] {
        let bytes = [good.clone(), tail].concat();
        let mut attrs = Attrs::new(&bytes);
        assert!(!attrs.is_whole());
        assert_eq!(attrs.by_ref().count(), 1);
        assert!(!attrs.is_whole());
        assert_eq!(attrs.next(), None);
        assert_eq!(Attrs::check(&bytes), Err(Malformed { offset: 8 }));
    }
    for left in 1..4 {
        let bytes = [good.clone(), vec![0; left]].concat();
        assert_eq!(Attrs::check(&bytes), Err(Malformed { offset: 8 }), "{left} bytes are no attribute");
    }
}

#[test]
fn the_padding_of_the_last_attribute_may_be_missing() {
    for present in 5..=8 {
        let bytes = [attr(8, 1, &[0; 4]), attr(5, 2, &[7, 0, 0, 0])].concat();
        let bytes = &bytes[..8 + present];
        assert_eq!(Attrs::check(bytes), Ok(()));
        assert_eq!(find(bytes, 2).and_then(|a| a.u8()), Some(7));
    }
}

#[test]
fn flags_are_no_part_of_the_kind() {
    let bytes = attr(8, 3 | 0xc000, &[0, 0, 0, 9]);
    let found = find(&bytes, 3).unwrap();
    assert_eq!((found.kind, found.nested, found.be32()), (3, true, Some(9)));
    assert!(find(&bytes, 3 | 0x8000).is_none());
}

#[test]
fn a_number_of_another_width_is_none() {
    let widths: [&[u8]; 5] = [&[1], &[0, 1], &[0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 1], &[]];
    for value in widths {
        let a = Attr { kind: 1, nested: false, value };
        let read = [a.u8().map(u64::from), a.be16().map(u64::from), a.be32().map(u64::from), a.be64()];
        let right = [1, 2, 4, 8].map(|width| (value.len() == width).then_some(1));
        assert_eq!(read, right);
    }
    let text = |value| Attr { kind: 1, nested: false, value }.text();
    assert_eq!(text(b"filter\0\0\0"), Some(b"filter".as_slice()));
    assert_eq!(text(b"\0"), Some(b"".as_slice()));
    assert_eq!(text(b"filter"), None, "text without an end");
}

#[test]
fn nests_of_sixty_four_levels_come_back() {
    let mut buffer = Buffer::new();
    let nests: Vec<_> = (1..=64).map(|kind| buffer.nest(kind)).collect();
    buffer.put_be32(65, 4711);
    nests.into_iter().rev().for_each(|nest| buffer.end(nest));
    let mut bytes = buffer.bytes();
    for kind in 1..=64 {
        let level = find(bytes, kind).unwrap();
        assert!(level.nested && level.attrs().is_whole());
        bytes = level.value;
    }
    assert_eq!(find(bytes, 65).and_then(|a| a.be32()), Some(4711));
}

/// A length of 16 bits that wrapped round would make the value into attributes of whoever chose it.
#[test]
fn what_is_too_long_makes_the_message_fail_and_leaves_the_others() {
    let write: [fn(&mut Buffer); 4] = [
        |b| b.put(1, &[0; 65532]),
        |b| b.put_text(1, &[b'a'; 65531]),
        |b| {
            let nest = b.nest(1);
            b.put(2, &[0; 65524]);
            b.put_u8(3, 0);
            b.end(nest);
        },
        |b| {
            let nest = b.nest(1);
            b.truncate(0);
            b.end(nest);
        },
    ];
    for (i, write) in write.into_iter().enumerate() {
        let mut buffer = Buffer::new();
        let mark = buffer.message(0xa01, 0, 1, 0, 0);
        buffer.end_message(mark).unwrap();
        let mark = buffer.message(0xa02, 0, 2, 0, 0);
        write(&mut buffer);
        buffer.put_u8(9, 9);
        assert!(buffer.overflowed());
        assert_eq!(buffer.end_message(mark), Err(TooLong), "{i}");
        assert!(buffer.len() <= 20 && !buffer.overflowed());
        let mark = buffer.message(0xa03, 0, 3, 0, 0);
        assert_eq!(buffer.end_message(mark), Ok(()), "the next one is another");
    }
    let mut buffer = Buffer::new();
    let mark = buffer.message(0xa02, 0, 2, 0, 0);
    buffer.put(1, &[5; 65531]);
    buffer.put_text(2, &[b'a'; 65530]);
    buffer.end_message(mark).unwrap();
    let message = Messages::new(buffer.bytes()).next().unwrap();
    assert_eq!(message.attrs().map(|a| a.value.len()).collect::<Vec<_>>(), [65531, 65531]);
}

#[test]
fn lengths_of_messages_that_lie_end_the_row() {
    let good = honest(0xa00, 0, 1, &[1, 0, 0, 7]);
    for length in [0, 1, 3, 15, 16, 19, 21, 1 << 31, u32::MAX] {
        let bytes = [good.clone(), message(length, 0xa01, 0, 2, &[0; 4])].concat();
        let mut messages = Messages::new(&bytes);
        assert_eq!(messages.by_ref().map(|m| m.seq).collect::<Vec<_>>(), [1], "{length}");
        assert!(!messages.is_whole());
    }
    for cut in 1..good.len() {
        assert!(!Messages::new(&good[..cut]).is_whole(), "{cut}");
        assert_eq!(Messages::new(&good[..cut]).count(), 0);
    }
    assert!(Messages::new(&[]).is_whole());
}

#[test]
fn a_last_message_without_padding_is_read() {
    let bytes =
        [honest(0xa00, 0, 1, &[2, 0, 1, 2]), honest(0xa00, 0, 2, &[2, 0, 1, 2, 5, 0, 1, 0, 9])].concat();
    let read: Vec<Message<'_>> = Messages::new(&bytes).collect();
    assert_eq!(read.iter().map(|m| (m.family, m.res_id)).collect::<Vec<_>>(), [(2, 0x102); 2]);
    assert_eq!(find(read[1].body, 1).and_then(|a| a.u8()), Some(9));
    assert!(Messages::new(&bytes).is_whole());
}

#[test]
fn errors_are_read_with_and_without_what_they_are_about() {
    let request = honest(0xa06, 5, 42, &[1, 0, 0, 0, 8, 0, 1, 0, 1, 2, 3, 4]);
    let said = [attr(8, 2, &20_u32.to_ne_bytes()), attr(8, 1, b"bad\0")].concat();
    let error = (-17_i32).to_ne_bytes();
    let full = [&error[..], &request, &said].concat();
    let capped = [&error[..], &request[..HEADER], &said].concat();
    for (flags, payload) in [(ACK_TLVS, full.clone()), (ACK_TLVS | CAPPED, capped)] {
        let bytes = honest(ERROR, flags, 42, &payload);
        let ack = Ack::of(&Messages::new(&bytes).next().unwrap()).unwrap();
        assert_eq!(ack, Ack { seq: 42, errno: 17, offset: Some(20), text: Some(b"bad") });
    }
    let bytes = honest(ERROR, 0, 42, &full);
    let ack = Ack::of(&Messages::new(&bytes).next().unwrap()).unwrap();
    assert_eq!(ack, Ack { seq: 42, errno: 17, offset: None, text: None }, "without the flag nothing is said");
}

#[test]
fn errors_that_are_cut_or_no_errors_are_none() {
    let whole = [&0_i32.to_ne_bytes()[..], &honest(0xa06, 5, 42, &[])].concat();
    for cut in 0..whole.len() {
        let bytes = honest(ERROR, 0, 42, &whole[..cut]);
        assert_eq!(Ack::of(&Messages::new(&bytes).next().unwrap()), None, "{cut}");
    }
    for number in [1, i32::MAX, i32::MIN] {
        let payload = [&number.to_ne_bytes()[..], &whole[4..]].concat();
        for kind in [ERROR, DONE] {
            let bytes = honest(kind, 0, 42, &payload);
            let message = Messages::new(&bytes).next().unwrap();
            assert_eq!((Ack::of(&message), message.done()), (None, None), "{number}");
        }
    }
    // A quoted length that lies takes the words of the kernel along, not the error.
    let lying =
        [&(-1_i32).to_ne_bytes()[..], &message(u32::MAX, 0xa06, 5, 42, &attr(8, 1, b"bad\0"))].concat();
    let bytes = honest(ERROR, ACK_TLVS, 42, &lying);
    let ack = Ack::of(&Messages::new(&bytes).next().unwrap());
    assert!(ack.is_none_or(|ack| ack.errno == 1 && ack.text.is_none()));
}

/// Kind, value.
fn values() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    proptest::collection::vec((0..0x4000_u16, proptest::collection::vec(any::<u8>(), 0..40)), 0..20)
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in values(), kind in 16..=u16::MAX, flags: u16, seq: u32, family: u8, res_id: u16) {
        let mut buffer = Buffer::new();
        for _ in 0..2 {
            let mark = buffer.message(kind, flags, seq, family, res_id);
            for (kind, value) in &values {
                buffer.put(*kind, value);
            }
            let nest = buffer.nest(7);
            for (kind, value) in &values {
                buffer.put_text(*kind, value);
            }
            buffer.end(nest);
            buffer.end_message(mark).unwrap();
        }
        prop_assert!(Messages::new(buffer.bytes()).is_whole());
        prop_assert_eq!(Messages::new(buffer.bytes()).count(), 2);
        for m in Messages::new(buffer.bytes()) {
            prop_assert_eq!((m.kind, m.flags, m.seq, m.port, m.family, m.res_id), (kind, flags, seq, 0, family, res_id));
            prop_assert!(m.attrs().is_whole());
            let read: Vec<_> = m.attrs().map(|a| (a.kind, a.value.to_vec())).collect();
            prop_assert_eq!(&read[..values.len()], &values[..]);
            let nest = m.attrs().last().unwrap();
            prop_assert!(nest.nested && nest.attrs().is_whole());
            for (a, (kind, value)) in nest.attrs().zip(&values) {
                prop_assert_eq!((a.kind, &a.value[..value.len()], a.value.len()), (*kind, &value[..], value.len() + 1));
            }
        }
    }

    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for m in Messages::new(&bytes) {
            let _ = (Ack::of(&m), m.done(), m.attrs().count());
        }
        prop_assert!(Attrs::new(&bytes).map(|a| a.value.len() + 4).sum::<usize>() <= bytes.len());
        prop_assert_eq!(Attrs::check(&bytes).is_ok(), Attrs::new(&bytes).is_whole());
    }
}
