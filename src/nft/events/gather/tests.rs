#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use super::*;
use crate::netlink::attr::Buffer;
use crate::netlink::message::Messages;
use crate::nft::object::message;
use crate::nft::transport::kind;

/// A message as the kernel sends it: sender and generation stand in its headers.
fn event(number: u16, generation: u32, port: u32, fill: impl FnOnce(&mut Buffer)) -> Vec<u8> {
    let mut buffer = Buffer::new();
    let half = u16::try_from(generation & 0xffff).unwrap();
    let mark = buffer.message(kind(number), 0, 1, 1, half);
    fill(&mut buffer);
    buffer.end_message(mark).unwrap();
    let mut bytes = buffer.bytes().to_vec();
    bytes[12..16].copy_from_slice(&port.to_ne_bytes());
    bytes
}

fn change(generation: u32, name: &[u8]) -> Vec<u8> {
    event(message::NEW_TABLE, generation, 77, |b| b.put_text(1, name))
}

fn element(generation: u32, set: &[u8], bytes: usize) -> Vec<u8> {
    event(message::NEW_ELEMENT, generation, 77, |b| {
        b.put_text(list::TABLE, b"t");
        b.put_text(list::SET, set);
        b.put(list::ELEMENTS, &vec![0; bytes]);
    })
}

fn end(generation: u32) -> Vec<u8> {
    event(15, generation, 77, |b| {
        b.put_be32(GEN_ID, generation);
        b.put_be32(GEN_PID, 4711);
        b.put_text(GEN_NAME, b"nft");
    })
}

fn take(gather: &mut Gather, bytes: &[u8]) -> Option<Transaction> {
    let mut messages = Messages::new(bytes);
    let found = gather.take(&messages.next().unwrap());
    assert!(messages.next().is_none() && messages.is_whole());
    found
}

/// Takes all of them, of which only the last may end a transaction.
fn all(gather: &mut Gather, events: &[Vec<u8>]) -> Option<Transaction> {
    let (last, before) = events.split_last().unwrap();
    before.iter().for_each(|bytes| assert_eq!(take(gather, bytes), None));
    take(gather, last)
}

#[test]
fn a_transaction_is_told_when_it_ends_with_who_made_it() {
    let mut gather = Gather::since(6);
    let found = all(&mut gather, &[change(7, b"a"), change(7, b"b"), end(7)]).unwrap();
    assert_eq!(found.maker, Some(Maker { generation: 7, pid: 4711, comm: b"nft".to_vec() }));
    assert_eq!((found.changes.len(), found.more), (2, 0));
    assert_eq!(found.changes[1].body, [6, 0, 1, 0, b'b', 0, 0, 0]);
    let found = all(&mut gather, &[change(8, b"c"), end(8)]).unwrap();
    assert_eq!((found.changes.len(), gather.lost()), (1, 0));
}

#[test]
fn what_began_before_somebody_listened_is_left_out_and_not_lost() {
    let mut gather = Gather::since(7);
    assert_eq!(all(&mut gather, &[change(6, b"a"), end(6)]), None);
    assert_eq!(all(&mut gather, &[change(7, b"a"), end(7)]), None);
    assert!(all(&mut gather, &[change(8, b"a"), end(8)]).is_some());
    assert_eq!(gather.lost(), 0);
}

#[test]
fn a_generation_that_never_came_is_counted() {
    let mut gather = Gather::since(1);
    // Of 2 the end is missing, of 3 all, of 5 the changes.
    assert_eq!(take(&mut gather, &change(2, b"half")), None);
    let found = all(&mut gather, &[change(4, b"whole"), end(4)]).unwrap();
    assert_eq!((found.changes.len(), gather.lost()), (1, 2));
    assert_eq!((take(&mut gather, &end(5)), gather.lost()), (None, 1));
    // Told again, or out of order: it was counted already.
    assert_eq!((all(&mut gather, &[change(3, b"late"), end(3)]), gather.lost()), (None, 0));
    assert_eq!((take(&mut gather, &event(15, 6, 77, |_| {})), gather.lost()), (None, 1));
}

#[test]
fn of_a_full_socket_nothing_is_shown_until_it_is_empty_and_all_is_counted() {
    let mut gather = Gather::since(1);
    assert_eq!(take(&mut gather, &change(2, b"before")), None);
    gather.gap();
    assert!(gather.is_behind());
    assert_eq!(all(&mut gather, &[change(2, b"a"), end(2)]), None);
    assert_eq!(all(&mut gather, &[change(5, b"b"), end(5)]), None);
    assert_eq!(take(&mut gather, &event(message::NEW_OBJECT, 5, 0, |_| {})), None);
    gather.caught_up(9);
    assert_eq!((gather.lost(), gather.lost(), gather.is_behind()), (8, 0, false));
    // The end of a transaction that the gap has cut.
    assert_eq!(all(&mut gather, &[change(9, b"rest"), end(9)]), None);
    assert!(all(&mut gather, &[change(10, b"c"), end(10)]).is_some());
    assert_eq!(gather.lost(), 0);
    gather.gap();
    gather.caught_up(10);
    assert_eq!(gather.lost(), 1, "a gap is never silent");
}

#[test]
fn an_endless_transaction_is_cut_and_the_rest_of_it_counted() {
    let mut gather = Gather::since(1);
    for n in 0..200_000_u32 {
        assert_eq!(take(&mut gather, &change(2, &n.to_be_bytes())), None);
    }
    let found = take(&mut gather, &end(2)).unwrap();
    assert_eq!((found.changes.len(), found.more), (NFT_EVENT_CHANGES_MAX, 200_000 - 1024));
    // Elements of one set are one change, and bounded by their bytes; nothing is kept behind what was not.
    for _ in 0..10_000 {
        take(&mut gather, &element(3, b"s", 100));
    }
    take(&mut gather, &element(3, b"s", 60_000));
    take(&mut gather, &change(3, b"x"));
    let found = take(&mut gather, &end(3)).unwrap();
    let bytes: usize = found.changes.iter().map(|change| change.body.len() + MESSAGE).sum();
    assert!(bytes <= NFT_EVENT_BYTES_MAX && bytes > NFT_EVENT_BYTES_MAX / 2, "{bytes}");
    assert!(found.changes.len() > NFT_EVENT_CHANGES_MAX);
    assert_eq!(u64::try_from(found.changes.len()).unwrap() + found.more, 10_002);
}

#[test]
fn what_the_kernel_does_by_itself_is_told_at_once_beside_a_transaction() {
    let mut gather = Gather::since(1);
    assert_eq!(take(&mut gather, &change(2, b"a")), None);
    let found = take(&mut gather, &event(message::NEW_OBJECT, 1, 0, |_| {})).unwrap();
    assert_eq!((found.maker, found.changes.len()), (None, 1));
    assert_eq!(take(&mut gather, &end(2)).unwrap().changes.len(), 1);
}

#[test]
fn what_is_not_of_nftables_is_no_change() {
    let mut gather = Gather::since(1);
    let mut other = change(2, b"a");
    other[5] = 1;
    assert_eq!(take(&mut gather, &other), None);
    assert_eq!((take(&mut gather, &end(2)), gather.lost()), (None, 1));
}

#[test]
fn generations_begin_anew_behind_the_last_without_a_zero() {
    assert_eq!([distance(u32::MAX, 1), distance(5, 5), distance(6, 5), distance(5, 8)], [1, 0, 0, 3]);
    let mut gather = Gather::since(u32::MAX);
    assert!(all(&mut gather, &[change(1, b"a"), end(1)]).is_some());
    assert_eq!(gather.lost(), 0);
}
