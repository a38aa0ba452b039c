//! Peers without OTP: floods, shapes that no OTP makes, and one that reads nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use portcullis::dist::control::{Control, Target, answer, read};
use portcullis::dist::etf::write as etf;
use portcullis::dist::etf::{Pid, Ref};
use portcullis::dist::frame::{Frames, Input};
use portcullis::ids::RequestId;
use portcullis::protocol::reply;
use portcullis::sys::handover;
use portcullis::sys::poll::{self, Interest};
use portcullis::wire::write::Writer;

use super::{NODE, as_tester, node, node_with, otp, support};

/// A peer without OTP, that has proved who it is.
struct Peer {
    socket: TcpStream,
    frames: Frames,
}

const OTHER: &str = "c@127.0.0.1";

fn peer(port: u16) -> Peer {
    let mut socket = support::handshake::connected(port).unwrap();
    let (frames, _) = support::handshake::initiate(&mut socket, OTHER, NODE, "secret").expect("it is let in");
    Peer { socket, frames }
}

fn own_pid(id: u32) -> Pid<'static> {
    Pid { node: OTHER, creation: 5, id, serial: 0 }
}

fn mark(n: u32) -> Ref<'static> {
    Ref { node: OTHER, creation: 5, words: [n, 1, 2, 0, 0], len: 3 }
}

/// `{'$gen_call', {Pid, [alias | Mark]}, Request}` to `portcullis`.
fn call(pid: &Pid<'_>, tag: &Ref<'_>, request: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.tuple(3);
    etf::atom(&mut w, "$gen_call");
    w.tuple(2);
    etf::pid(&mut w, pid);
    w.raw(&[108, 0, 0, 0, 1]);
    etf::atom(&mut w, "alias");
    etf::reference(&mut w, tag);
    w.raw(request);
    answer::reg_send(&own_pid(80), "portcullis", w.bytes())
}

/// `{Op, #{}}`.
fn request(op: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.tuple(2);
    etf::atom(&mut w, op);
    w.map(0);
    w.bytes().to_vec()
}

impl Peer {
    /// The payload of the next message that has one.
    fn next_message(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.frames.next().unwrap() {
                Some(Input::Tick | Input::Head { .. }) => {}
                Some(Input::Frame(body)) => {
                    if let Some(payload) = read(body).unwrap().payload {
                        return Some(payload.to_vec());
                    }
                }
                None => match self.socket.read(self.frames.space()) {
                    Ok(n) if n > 0 => self.frames.filled(n),
                    _ => return None,
                },
            }
        }
    }

    /// The next answer: to whom, by its alias, and what.
    fn next(&mut self) -> Option<(Ref<'static>, Vec<u8>)> {
        loop {
            match self.frames.next().unwrap() {
                Some(Input::Tick | Input::Head { .. }) => {}
                Some(Input::Frame(body)) => {
                    let message = read(body).unwrap();
                    let Control::AliasSend { alias, .. } = message.control else { continue };
                    let tag = Ref { node: OTHER, ..alias };
                    return Some((tag, message.payload.unwrap().to_vec()));
                }
                None => match self.socket.read(self.frames.space()) {
                    Ok(n) if n > 0 => self.frames.filled(n),
                    _ => return None,
                },
            }
        }
    }

    fn says(&mut self, frame: &[u8]) {
        self.socket.write_all(frame).unwrap();
    }
}

/// Whether the node answers another peer.
fn lives(port: u16) -> bool {
    otp(port, "element(1, Call(info))") == "ok"
}

#[test]
fn a_flood_of_calls_that_nobody_reads_costs_others_nothing_and_each_has_one_answer() {
    let Some(f) = support::fixtures() else { return };
    let port = node("", Some(as_tester(&f)));
    let (mut flood, count) = (peer(port), 20_000);
    let mut writer = flood.socket.try_clone().unwrap();
    let written = std::thread::spawn(move || {
        for n in 0..count {
            writer.write_all(&call(&own_pid(80), &mark(n), &request("tables"))).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(lives(port));
    let mut seen = vec![0_u8; usize::try_from(count).unwrap()];
    let (mut answered, mut overloaded) = (0, 0);
    for _ in 0..count {
        let (tag, payload) = flood.next().expect("every call is answered");
        seen[usize::try_from(tag.words[0]).unwrap()] += 1;
        if payload.windows(10).any(|word| word == b"overloaded") {
            overloaded += 1;
        } else {
            answered += 1;
        }
    }
    written.join().unwrap();
    println!("{answered} answered, {overloaded} overloaded");
    assert!(answered > 0 && seen.iter().all(|n| *n == 1));
    assert!(lives(port));
}

#[test]
fn no_shape_of_a_request_ends_the_connection() {
    let Some(f) = support::fixtures() else { return };
    let port = node("", Some(as_tester(&f)));
    let mut hostile = peer(port);
    // Tags that are not its own: another process of its node, an alias that it never made, one of ours.
    hostile.says(&call(&own_pid(81), &mark(1), &request("info")));
    assert_eq!(hostile.next().unwrap().0, mark(1), "a process may call for another of its node");
    let ours = Ref { node: NODE, creation: 77, words: [1, 1, 0, 0, 0], len: 3 };
    let our_pid = Pid { node: NODE, creation: 77, id: 2, serial: 0 };
    hostile.says(&call(&own_pid(80), &ours, &request("info")));
    hostile.says(&call(&our_pid, &mark(2), &request("info")));
    let subscribe = b"\x68\x02\x77\x09subscribe\x74\0\0\0\x01\x77\x05topic\x77\x05audit";
    hostile.says(&call(&our_pid, &mark(3), subscribe));
    let third = Ref { node: "evil@h", creation: 5, words: [1, 2, 3, 0, 0], len: 3 };
    hostile.says(&call(&own_pid(80), &third, &request("info")));
    // Whatever stands in the place of a request.
    let good = request("info");
    let mut n = 100;
    for cut in 0..good.len() {
        for byte in [0, 1, 97, 104, 105, 106, 107, 108, 109, 116, 119, 255] {
            let mut odd = good.clone();
            odd[cut] = byte;
            n += 1;
            let frame = call(&own_pid(80), &mark(n), &odd);
            // What is no term at all ends a connection, and that is tried elsewhere.
            let sound = |frame: &[u8]| {
                let bounds =
                    portcullis::dist::etf::scan::Bounds { depth: 64, terms: 1 << 20, integer_bytes: 512 };
                let message = read(&frame[4..]).unwrap();
                let mut cursor = portcullis::dist::etf::read::Cursor::new(message.payload.unwrap());
                let mut walk = portcullis::dist::etf::scan::Walk::default();
                walk.term(&mut cursor, &bounds, &mut portcullis::dist::etf::scan::Nobody).is_ok()
                    && cursor.rest().is_empty()
            };
            if sound(&frame) {
                hostile.says(&frame);
                assert_eq!(hostile.next().expect("it is answered").0, mark(n), "{cut} {byte}");
            }
        }
    }
    assert!(n > 100);
    // A monitor of the name, and then nothing to be seen of the forged ones.
    hostile.says(&answer::monitor(&own_pid(80), &Target::Name("portcullis"), &mark(9)));
    hostile.says(&call(&own_pid(80), &mark(10), b"\x77\x04info"));
    let (tag, payload) = hostile.next().unwrap();
    assert_eq!(tag, mark(10));
    let none = b"\x77\x0dsubscriptions\x61\x00";
    assert!(payload.windows(none.len()).any(|part| part == none), "{payload:?}");
    assert!(lives(port));
}

/// A node whose copies are threads of this program that do this.
fn node_before(copy: fn(UnixStream)) -> u16 {
    let (mine, its) = handover::messages().unwrap();
    let port = node_with("", mine);
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        while matches!(handover::receive(its.as_fd(), &mut buffer), Ok((n, _)) if n > 0) {
            let (end, other) = handover::stream().unwrap();
            // 0: one was started.
            handover::send(its.as_fd(), &[0], Some(end.as_fd())).unwrap();
            std::thread::spawn(move || copy(UnixStream::from(other)));
        }
    });
    port
}

/// A copy on which more happens than anybody can be told, and that counts what it has no credit or no room for.
fn busy(mut socket: UnixStream) {
    let frame = |write: &dyn Fn(&mut Writer)| {
        let mut w = Writer::new();
        write(&mut w);
        w.bytes().to_vec()
    };
    let id = |n| RequestId::new(n).unwrap();
    socket.write_all(b"\0\0\0\x1c\x83\x68\x02\x77\x05hello\x74\0\0\0\x01\x77\x09frame_max\x61\xff").unwrap();
    let mut reader = socket.try_clone().unwrap();
    let credit = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(64));
    let given = credit.clone();
    let hears = std::thread::spawn(move || {
        let mut header = [0; 4];
        while reader.read_exact(&mut header).is_ok() {
            let mut body = vec![0; usize::try_from(u32::from_be_bytes(header)).unwrap()];
            reader.read_exact(&mut body).unwrap();
            if body.windows(6).any(|word| word == b"credit") {
                given.fetch_add(32, std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
    socket.write_all(&frame(&|w| reply::ok(w, id(2), |w| w.map(0)))).unwrap();
    let (mut sent, mut lost, long) = (0_u64, 0_u64, vec![7; 60_000]);
    while !hears.is_finished() {
        let interest = Interest { fd: socket.as_fd(), read: false, write: true };
        let room = poll::any(&[interest], Some(Duration::ZERO)).unwrap()[0].write;
        if !room || credit.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            lost += 1;
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let mut said = Vec::new();
        if lost > 0 {
            said = frame(&|w| reply::lost(w, id(1), lost));
            sent += lost;
            lost = 0;
        }
        sent += 1;
        credit.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        said.extend(frame(&|w| {
            reply::event(w, id(1), sent, |w| {
                w.map(1);
                etf::atom(w, "number");
                w.tuple(2);
                w.uint(sent);
                w.binary(&long);
            });
        }));
        if socket.write_all(&said).is_err() {
            return;
        }
    }
}

/// The number behind these bytes.
fn number_behind(payload: &[u8], word: &[u8]) -> Option<u64> {
    let at = payload.windows(word.len()).position(|part| part == word)? + word.len();
    let mut term = portcullis::dist::etf::read::Cursor::new(&payload[at..]);
    match term.head().unwrap() {
        portcullis::dist::etf::read::Head::Integer(n) => u64::try_from(n).ok(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_peer_does_not_read_is_not_kept_for_it_but_counted() {
    let port = node_before(busy);
    let mut slow = peer(port);
    slow.says(&call(&own_pid(80), &mark(1), &request("subscribe")));
    std::thread::sleep(Duration::from_millis(1500));
    let (mut events, mut lost, mut last, mut before_loss) = (0, 0, 0, 0);
    while lost == 0 || last < events + lost {
        let payload = slow.next_message().expect("news");
        if let Some(n) = number_behind(&payload, b"\x77\x06number\x68\x02") {
            events += 1;
            assert_eq!(n, events + lost, "what is missing was said");
            last = n;
        } else if let Some(n) = number_behind(&payload, b"\x68\x02\x77\x04lost") {
            before_loss = before_loss.max(events);
            lost += n;
        }
    }
    println!("{before_loss} events were kept, {lost} were not");
    // 4 MiB and what is in sockets, of some 60,000 bytes each.
    assert!(before_loss < 400, "{before_loss}");
    slow.says(&call(&own_pid(80), &mark(2), b"\x77\x04info"));
    while !slow.next_message().expect("it is answered").windows(13).any(|part| part == b"subscriptions") {}
}
