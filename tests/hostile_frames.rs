//! Hostile input to a real port: every frame is answered, quickly, in bounded memory, and the port lives.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;
mod wire_support;

use std::time::{Duration, Instant};

use support::{Port, fixtures, framed, int, integer, map, name, status, tuple};
use wire_support::hostile;

/// What a frame may cost the port beyond what it has when it is idle.
const MEMORY_KIB: u64 = 16 * 1024;
const TIME: Duration = Duration::from_millis(50);

fn high_water_kib(port: &Port) -> u64 {
    status(port.pid(), "VmHWM").trim_end_matches(" kB").parse().unwrap()
}

fn alive(port: &mut Port, id: u32) {
    port.ask(id, "info", map(&[]));
}

/// The error of a frame that no request can be blamed for.
fn bad_frame(port: &mut Port) -> String {
    let (tag, id, error) = port.answer();
    assert_eq!((tag.as_str(), id), ("error", 0), "{error}");
    let [kind, offset, why] = tuple(&error);
    assert_eq!(name(kind), "bad_frame");
    assert!(integer(offset) >= 0);
    name(why).to_owned()
}

/// Every hostile frame: alone, and as the value of a key inside an otherwise valid request.
fn frames() -> Vec<(String, Vec<u8>)> {
    let mut frames: Vec<(String, Vec<u8>)> =
        hostile::frames().into_iter().map(|c| (c.name.to_owned(), c.bytes)).collect();
    for case in hostile::terms() {
        frames.push((format!("{} alone", case.name), hostile::alone(&case.bytes)));
        frames.push((format!("{} inside", case.name), hostile::inside_request(&case.bytes)));
    }
    let towers: [(&str, &[u8], &[u8]); 5] = [
        ("tuple", b"h\x01", b""),
        ("list", b"l\0\0\0\x01", b"j"),
        ("map value", b"t\0\0\0\x01a\x01", b""),
        ("map key", b"t\0\0\0\x01", b"a\x01"),
        ("list tail", b"l\0\0\0\x01j", b""),
    ];
    // As deep as once overflowed a stack, and as deep as fits into a frame.
    for (name, open, close) in towers {
        for levels in [6_103, 9_000] {
            let tower = hostile::tower(open, levels, close);
            frames.push((format!("{levels} levels of {name} alone"), hostile::alone(&tower)));
            frames.push((format!("{levels} levels of {name} inside"), hostile::inside_request(&tower)));
        }
    }
    let keys = (0..2_000_u32).flat_map(|n| [&b"b"[..], &n.to_be_bytes(), b"a\x01"].concat());
    let wide: Vec<u8> = b"t\0\0\x07\xd0".iter().copied().chain(keys).collect();
    frames.push(("a map of 2,000 keys".to_owned(), hostile::inside_request(&wide)));
    assert!(frames.len() > 150, "{}", frames.len());
    frames
}

#[test]
fn every_hostile_frame_is_a_clean_error_and_the_port_lives() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    alive(&mut port, 1);
    let idle = high_water_kib(&port);
    let (mut slowest, mut tried) = (Duration::ZERO, 0);
    for (case, frame) in frames() {
        let took = support::below(&case, TIME, || {
            let start = Instant::now();
            port.frame(&frame);
            let why = bad_frame(&mut port);
            let took = start.elapsed();
            assert_eq!(why == "frame_too_long", frame.len() > 65_536, "{case}: {why}");
            took
        });
        slowest = slowest.max(took);
        tried += 1;
        alive(&mut port, 2);
    }
    let grown = high_water_kib(&port) - idle;
    assert!(grown < MEMORY_KIB, "{grown} KiB");
    println!("{tried} hostile frames: slowest {slowest:?}, memory grown by {grown} KiB");
}

/// Maps of one pair whose key and value are such maps again: accepted terms, of which all hash alike in some decoders. As
/// the arguments of a request, below every key that could hold them, and as a key.
#[test]
fn a_tree_of_maps_is_an_error_like_any_other() {
    fn tree(levels: usize) -> Vec<u8> {
        if levels == 0 {
            return b"t\0\0\0\0".to_vec();
        }
        let below = tree(levels - 1);
        [&b"t\0\0\0\x01"[..], &below, &below].concat()
    }
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let idle = high_water_kib(&port);
    let tree = tree(12);
    assert!(tree.len() > 40_000);
    let below = |key: &[u8]| [&b"t\0\0\0\x01"[..], key, &tree].concat();
    let as_key = [&b"t\0\0\0\x01"[..], &tree, b"a\x01"].concat();
    let keys = [&b"w\x05where"[..], b"w\x07columns", b"w\x05limit", b"w\x04nope"];
    for args in keys.iter().map(|key| below(key)).chain([tree.clone(), as_key]) {
        let frame = [&b"\x83h\x05w\x03reqa\x01w\x09processes"[..], &args, b"a\x64"].concat();
        support::below("a tree of maps", TIME, || {
            let start = Instant::now();
            port.frame(&frame);
            let (tag, id, error) = port.answer();
            let took = start.elapsed();
            assert_eq!((tag.as_str(), id, name(&support::elements(&error)[0])), ("error", 1, "bad_request"));
            took
        });
    }
    let grown = high_water_kib(&port) - idle;
    assert!(grown < MEMORY_KIB, "{grown} KiB");
}

#[test]
fn frames_above_the_bound_are_skipped_and_said() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let idle = high_water_kib(&port);
    for length in [65_537, 1 << 20, 16 << 20] {
        port.frame(&vec![0x83; length]);
        assert_eq!(bad_frame(&mut port), "frame_too_long", "{length}");
        alive(&mut port, 1);
    }
    let grown = high_water_kib(&port) - idle;
    assert!(grown < MEMORY_KIB, "{grown} KiB");
}

#[test]
fn a_header_that_no_stream_survives_is_the_last_frame_and_65() {
    let Some(f) = fixtures() else { return };
    for header in [u32::MAX, (16 << 20) + 1, 0x8000_0000] {
        let mut port = f.port("ok");
        port.hello();
        port.write(&header.to_be_bytes());
        let (refused, status) = port.refused();
        assert_eq!(
            (name(refused.get("reason")), status.code()),
            ("header_too_large", Some(65)),
            "{header:x}"
        );
    }
}

#[test]
fn the_end_of_input_ends_it_wherever_it_comes() {
    let Some(f) = fixtures() else { return };
    for part in [&[][..], &[0], &[0, 0, 0], &[0, 0, 0, 9], &[0, 0, 0, 9, 0x83], &framed(&[0x83, 0x6a])] {
        let mut port = f.port("ok");
        port.hello();
        port.write(part);
        assert_eq!(port.end().code(), Some(0), "{part:?}");
    }
}

#[test]
fn it_does_not_matter_how_the_bytes_arrive() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    // One byte at a time.
    for byte in framed(&support::request(1, "info", map(&[]), 1000)) {
        port.write(&[byte]);
    }
    assert_eq!(port.answer().1, 1);
    // Ten thousand frames in one write, read by nobody until all are written.
    let many: Vec<u8> =
        (1..=10_000).flat_map(|id| framed(&support::request(id, "info", map(&[]), 1000))).collect();
    let mut input = port.take_input();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &many).map(|()| input));
    for id in 1..=10_000 {
        assert_eq!(port.answer().1, id);
    }
    port.give_input(writer.join().unwrap().unwrap());
    // Half a frame, and the rest after a pause that nothing waits for.
    let frame = framed(&support::request(7, "info", map(&[]), 1000));
    let (first, second) = frame.split_at(frame.len() / 2);
    port.write(first);
    std::thread::sleep(Duration::from_millis(20));
    port.write(second);
    assert_eq!(port.answer().1, 7);
}

#[test]
fn a_request_that_is_cut_anywhere_is_an_error() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let mut cuts = 0;
    for (vector, frame) in wire_support::read_vectors(&wire_support::vectors()) {
        if !vector.starts_with("request_") {
            continue;
        }
        for length in 0..frame.len() {
            port.frame(&frame[..length]);
            let why = bad_frame(&mut port);
            assert!(["truncated", "length", "empty"].contains(&why.as_str()), "{vector} at {length}: {why}");
            cuts += 1;
        }
    }
    alive(&mut port, 1);
    println!("{cuts} cuts");
}

/// A peer that sends without reading must cost no memory, and must get every answer when it reads at last.
#[test]
fn a_peer_that_does_not_read_costs_nothing() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let idle = high_water_kib(&port);
    let requests: u32 = 20_000;
    let mut input = port.take_input();
    let writer = std::thread::spawn(move || {
        let wide = map(&[("pid", int(1)), ("cell_max", int(65_536))]);
        for id in 1..=requests {
            let frame = framed(&support::request(id, "process", wide.clone(), 60_000));
            std::io::Write::write_all(&mut input, &frame).unwrap();
        }
        input
    });
    std::thread::sleep(Duration::from_millis(300));
    for id in 1..=requests {
        assert_eq!(port.answer().1, i128::from(id));
    }
    port.give_input(writer.join().unwrap());
    alive(&mut port, 1);
    // The most that it ever was, however far the writer had come while nobody read.
    let grown = high_water_kib(&port) - idle;
    assert!(grown < MEMORY_KIB, "{grown} KiB with an unread output");
}

/// Mutations of valid requests, by the million: every one is answered or is a valid message without an answer.
#[test]
fn mutated_requests_are_answered_and_the_port_lives() {
    let Some(f) = fixtures() else { return };
    let total: u64 = std::env::var("PORT_MUTATIONS").map_or(1_000_000, |n| n.parse().unwrap());
    let mut port = f.port("ok");
    port.hello();
    alive(&mut port, 1);
    let idle = high_water_kib(&port);
    let seeds: Vec<Vec<u8>> = wire_support::read_vectors(&wire_support::vectors())
        .into_iter()
        .filter(|(name, _)| name.starts_with("request_"))
        .map(|(_, frame)| frame)
        .collect();
    let mut input = port.take_input();
    let start = Instant::now();
    let writer = std::thread::spawn(move || {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut batch = Vec::with_capacity(1 << 16);
        for _ in 0..total {
            let mut frame = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(4) {
                random.mutate(&mut frame);
            }
            batch.extend_from_slice(&framed(&frame));
            if batch.len() > 60_000 {
                std::io::Write::write_all(&mut input, &batch).unwrap();
                batch.clear();
            }
        }
        batch.extend_from_slice(&framed(&support::request(999_999, "info", map(&[]), 60_000)));
        std::io::Write::write_all(&mut input, &batch).unwrap();
        input
    });
    let mut answers: u64 = 0;
    loop {
        let (tag, id) = head(&port.receive_frame().expect("the port ended"));
        answers += 1;
        if (tag.as_str(), id) == ("ok", 999_999) {
            break;
        }
    }
    let took = start.elapsed();
    port.give_input(writer.join().unwrap());
    // Some mutations are row requests that are still running.
    port.request(888_888, "info", map(&[]));
    while head(&port.receive_frame().expect("the port ended")) != ("ok".to_owned(), 888_888) {}
    let grown = high_water_kib(&port) - idle;
    assert!(grown < MEMORY_KIB, "{grown} KiB");
    assert!(answers > total / 2, "only {answers} answers to {total} frames");
    println!("{total} mutated frames in {took:?}: {answers} answers, memory grown by {grown} KiB");
}

/// Tag and id of a frame of the port, without building its whole tree.
fn head(frame: &[u8]) -> (String, i128) {
    let length = usize::from(frame[4]);
    let tag = String::from_utf8(frame[5..5 + length].to_vec()).unwrap();
    let rest = &frame[5 + length..];
    let id = match rest[0] {
        97 => i128::from(rest[1]),
        98 => i128::from(i32::from_be_bytes(rest[1..5].try_into().unwrap())),
        110 => rest[3..3 + usize::from(rest[1])].iter().rev().fold(0, |n, b| n << 8 | i128::from(*b)),
        tag => panic!("{tag}"),
    };
    (tag, id)
}

/// xorshift64: the same mutations in every run, so that a failure can be found again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    fn mutate(&mut self, frame: &mut Vec<u8>) {
        let at = self.below(frame.len());
        let byte = self.next().to_le_bytes()[0];
        match self.below(6) {
            0 if !frame.is_empty() => frame[at] ^= 1 << (byte & 7),
            1 if !frame.is_empty() => frame[at] = byte,
            2 => frame.insert(at, byte),
            3 if frame.len() > 1 => drop(frame.remove(at)),
            4 => frame.truncate(at),
            _ => {
                let tags = [97, 98, 104, 106, 107, 108, 109, 110, 111, 116, 118, 119, 80, 82, 68, 0xff];
                if let Some(slot) = frame.get_mut(at) {
                    *slot = tags[self.below(tags.len())];
                }
            }
        }
    }
}
