//! Filters and counters of a node that runs: they belong to a peer's name and outlive its connection; who fails to come in too often is not
//! listened to; what is denied is told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

#[path = "support/handshake.rs"]
mod handshake;
#[path = "support/node.rs"]
mod node;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use node::NODE;
use portcullis::dist::control::{self, Control, Target, answer};
use portcullis::dist::etf::read::{Cursor, Head};
use portcullis::dist::etf::{Pid, Ref, write};
use portcullis::dist::frame::{Frames, Input};
use portcullis::wire::write::Writer;

const OPS: &str = "ops@127.0.0.1";
const APP: &str = "app@127.0.0.1";

/// A node without programs: the port. It serves until the test program ends.
fn node(more: &str, report: fn(&str)) -> u16 {
    let allow = format!("[allow]\nnodes = [\"{OPS}\", \"{APP}\"]\n[control]\nnodes = [\"{OPS}\"]");
    node_of(&allow, more, report)
}

fn node_of(allow: &str, more: &str, report: fn(&str)) -> u16 {
    let rules = format!(
        r#"{allow}
[default.in]
ping = "accept"
send = "accept"
reg_send = {{ accept = ["portcullis", "x"] }}
monitor = "accept"
{more}"#
    );
    node::alone(node::config(&rules), None, report)
}

/// A peer that has proved who it is; nothing, if it was not let in.
fn peer(from: u8, port: u16, who: &str, cookie: &str) -> Option<Peer> {
    let mut socket = handshake::connected_from([127, 0, 0, from], port, None);
    let (frames, _) = handshake::initiate(&mut socket, who, NODE, cookie)?;
    Some(Peer { socket, frames, who: who.to_owned(), calls: 0 })
}

struct Peer {
    socket: TcpStream,
    frames: Frames,
    who: String,
    calls: u32,
}

/// A term of a request: words, and `m:f/1`.
fn argument(w: &mut Writer, text: &str) {
    match text.split_once(':') {
        None => write::atom(w, text),
        Some((module, rest)) => {
            let (function, arity) = rest.split_once('/').unwrap();
            w.tuple(3);
            write::atom(w, module);
            write::atom(w, function);
            w.uint(arity.parse().unwrap());
        }
    }
}

impl Peer {
    fn pid(&self) -> Pid<'static> {
        let node: &'static str = if self.who == OPS { OPS } else { APP };
        Pid { node, creation: 5, id: 80, serial: 0 }
    }

    fn mark(&self) -> Ref<'static> {
        Ref { node: self.pid().node, creation: 5, words: [self.calls, 1, 2, 0, 0], len: 3 }
    }

    fn send(&mut self, frame: &[u8]) {
        self.socket.write_all(frame).unwrap();
    }

    /// The next message from the node; nothing, where the connection is over.
    fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.frames.next().unwrap() {
                Some(Input::Frame(body)) => return Some(body.to_vec()),
                Some(Input::Tick | Input::Head { .. }) => {}
                None => match self.socket.read(self.frames.space()) {
                    Ok(n) if n > 0 => self.frames.filled(n),
                    _ => return None,
                },
            }
        }
    }

    /// `gen_server:call({portcullis, Node}, {dist, ...})`: the answer in words.
    fn verb(&mut self, words: &str) -> String {
        let words: Vec<&str> = std::iter::once("dist").chain(words.split(' ')).collect();
        let mut request = Writer::new();
        request.tuple(words.len());
        words.iter().for_each(|text| argument(&mut request, text));
        self.call(request.bytes())
    }

    fn call(&mut self, request: &[u8]) -> String {
        self.calls += 1;
        let (pid, mark) = (self.pid(), self.mark());
        let mut term = Writer::new();
        term.tuple(3);
        write::atom(&mut term, "$gen_call");
        term.tuple(2);
        write::pid(&mut term, &pid);
        term.raw(&[108, 0, 0, 0, 1]);
        write::atom(&mut term, "alias");
        write::reference(&mut term, &mark);
        term.raw(request);
        self.send(&answer::monitor(&pid, &Target::Name("portcullis"), &mark));
        self.send(&answer::reg_send(&pid, "portcullis", term.bytes()));
        let body = self.hear().expect("an answer");
        let message = control::read(&body).unwrap();
        if let Control::MonitorExit { .. } = message.control {
            return "DOWN".to_owned();
        }
        assert!(matches!(message.control, Control::AliasSend { alias, .. } if alias == mark));
        let mut c = Cursor::new(message.payload.unwrap());
        assert_eq!(c.head(), Ok(Head::Tuple(2)));
        let _ = shown(&mut c);
        shown(&mut c)
    }

    /// What becomes of a message to that name: whether its `gen_server:call` is denied at once. Nobody answers it otherwise.
    fn is_denied(&mut self, to: &str) -> bool {
        self.calls += 1;
        let (pid, mark) = (self.pid(), self.mark());
        let mut term = Writer::new();
        term.tuple(3);
        write::atom(&mut term, "$gen_call");
        term.tuple(2);
        write::pid(&mut term, &pid);
        write::reference(&mut term, &mark);
        term.nil();
        self.send(&answer::reg_send(&pid, to, term.bytes()));
        let request = [104, 3, 119, 4, b'd', b'i', b's', b't', 119, 10];
        let request = [&request[..], b"statistics", &[119, 13], APP.as_bytes()].concat();
        // What is denied is answered before the next call is.
        self.calls += 1;
        let (pid, mark) = (self.pid(), self.mark());
        let mut call = Writer::new();
        call.tuple(3);
        write::atom(&mut call, "$gen_call");
        call.tuple(2);
        write::pid(&mut call, &pid);
        write::reference(&mut call, &mark);
        call.raw(&request);
        self.send(&answer::reg_send(&pid, "portcullis", call.bytes()));
        let first = self.hear().unwrap();
        if !matches!(control::read(&first).unwrap().control, Control::MonitorExit { .. }) {
            return false;
        }
        let second = self.hear().unwrap();
        assert!(matches!(control::read(&second).unwrap().control, Control::Send { .. }));
        true
    }
}

fn shown(c: &mut Cursor<'_>) -> String {
    let all = |c: &mut Cursor<'_>, n: usize| (0..n).map(|_| shown(c)).collect::<Vec<_>>().join(",");
    match c.head().unwrap() {
        Head::Atom(text) => text.to_owned(),
        Head::Integer(n) => n.to_string(),
        Head::Binary(bytes) => format!("<<{}>>", String::from_utf8_lossy(bytes)),
        Head::Nil => "[]".to_owned(),
        Head::Tuple(n) => format!("{{{}}}", all(c, n)),
        Head::List(n) => {
            let rows = all(c, n);
            let _ = shown(c);
            format!("[{rows}]")
        }
        Head::Map(n) => format!("#{{{}}}", all(c, 2 * n)),
        Head::Identifier(_) => "id".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// How often a command was accepted and denied.
fn row(statistics: &str, command: &str) -> (u32, u32) {
    let (_, rest) = statistics.split_once(&format!("{{{command},[{{accept,")).expect(statistics);
    let (accept, rest) = rest.split_once("},{deny,").unwrap();
    let (deny, _) = rest.split_once('}').unwrap();
    (accept.parse().unwrap(), deny.parse().unwrap())
}

#[test]
fn filters_and_counters_of_a_peer_are_there_when_it_comes_again() {
    let port = node("", |_| {});
    let mut app = peer(2, port, APP, "secret").unwrap();
    assert_eq!(app.verb(&format!("test_filter {APP} in reg_send x")), "{ok,accept}");
    assert!(!app.is_denied("x"));
    assert_eq!(app.verb(&format!("add_filter {APP} in reg_send x deny")), "{ok,accept}");
    assert_eq!(app.verb(&format!("test_filter {APP} in reg_send x")), "{ok,{deny,runtime}}");
    assert!(app.is_denied("x"));
    let before = row(&app.verb(&format!("statistics {APP}")), "reg_send");
    assert_eq!(before.1, 1);
    drop(app);
    let mut app = peer(2, port, APP, "secret").unwrap();
    assert!(app.is_denied("x"));
    assert_eq!(
        app.verb(&format!("add_filter {APP} in reg_send x accept")).get(..16),
        Some("{error,{loosens,")
    );
    let after = row(&app.verb(&format!("statistics {APP}")), "reg_send");
    assert_eq!(after.1, 2);
    assert!(after.0 > before.0);
    // The same of another's connection: it sees what it may, and denies for it before the next message.
    let mut ops = peer(3, port, OPS, "secret").unwrap();
    assert_eq!(row(&ops.verb(&format!("statistics {APP}")), "reg_send").1, 2);
    let all = ops.verb("statistics _");
    assert!(row(&all, "reg_send").0 > row(&ops.verb(&format!("statistics {APP}")), "reg_send").0, "{all}");
    assert_eq!(ops.verb(&format!("set_filter {APP} in reg_send deny")), "{ok,accept}");
    // The glass house: it has shut itself out, from its own verbs too.
    assert_eq!(app.verb(&format!("statistics {APP}")), "DOWN");
    let own = "{node,in,reg_send,_,deny},{node,in,reg_send,<<x>>,deny}";
    assert_eq!(ops.verb(&format!("filters {APP}")), format!("{{ok,[{own}]}}"));
    assert_eq!(ops.verb("filters _"), "{ok,[]}");
    assert_eq!(ops.verb("set_default_filter out spawn_request m:f/1 deny"), "{ok,accept}");
    let every = "{everyone,out,spawn_request,<<m:f/1>>,deny}";
    assert_eq!(ops.verb("filters _"), format!("{{ok,[{every}]}}"));
    assert_eq!(ops.verb(&format!("filters {APP}")), format!("{{ok,[{own},{every}]}}"));
    let counters = ops.verb(&format!("counters {APP}"));
    assert!(counters.contains("reasons,#{runtime,"), "{counters}");
    assert_eq!(
        ops.verb(&format!("set_handler {APP} reg_send x")).get(..26),
        Some("{error,{no_protected_node,")
    );
}

/// An empty list denies all, names are exact, and nothing that is asked at run time lets somebody in.
#[test]
fn who_is_not_in_the_list_stays_outside() {
    for allow in ["[allow]\nnodes = []", "", "[allow]\nnodes = [\"app@127.0.0.11\", \"xapp@127.0.0.1\"]"] {
        let port = node_of(allow, "", |_| {});
        assert!(peer(2, port, APP, "secret").is_none(), "{allow}");
    }
    let port = node("", |_| {});
    let mut ops = peer(3, port, OPS, "secret").unwrap();
    for stranger in ["ap@127.0.0.1", "app@127.0.0.11", "App@127.0.0.1", "app@127.0.0", "stranger@h"] {
        for verb in [
            "set_filter WHO in _ accept",
            "add_filter WHO in reg_send x accept",
            "filters WHO",
            "statistics WHO",
        ] {
            let said = ops.verb(&verb.replace("WHO", stranger));
            assert!(said.starts_with("{error,{unknown_node,"), "{said}");
        }
        assert!(peer(2, port, stranger, "secret").is_none(), "{stranger}");
    }
    assert_eq!(ops.verb("set_default_filter in _ _ accept"), "{ok,accept}");
    assert!(peer(2, port, "stranger@h", "secret").is_none());
    assert!(peer(2, port, APP, "secret").is_some());
}

/// Each denied connection is one more, by the name of the peer whose bytes were none; and what it was denied once it is denied in the next.
#[test]
fn bytes_that_are_no_message_are_counted_for_the_name() {
    let port = node("", |_| {});
    let mut ops = peer(3, port, OPS, "secret").unwrap();
    let pid = Pid { node: APP, creation: 5, id: 80, serial: 0 };
    // No operation; a payload that is cut; bytes behind a payload.
    let mut behind = answer::reg_send(&pid, "x", &[106, 106]);
    let length = u32::try_from(behind.len() - 4).unwrap().to_be_bytes();
    behind[..4].copy_from_slice(&length);
    let bad = [b"\0\0\0\x06p\x83h\x01a\x63".to_vec(), answer::reg_send(&pid, "x", &[104, 2, 106]), behind];
    for (n, frame) in bad.iter().enumerate() {
        let mut app = peer(2, port, APP, "secret").unwrap();
        app.send(frame);
        assert_eq!(app.hear(), None, "the connection ends");
        let said = ops.verb(&format!("counters {APP}"));
        assert!(
            said.contains(&format!("reasons,#{{malformed,{}}},handled,0,malformed,{}", n + 1, n + 1)),
            "{said}"
        );
    }
}

/// The atoms that a node may bring are as many however often it comes.
#[test]
fn the_budget_of_atoms_is_that_of_the_name() {
    let port = node("[limits]\natoms = 30\nmessage_atoms = 20\n", |_| {});
    let mut denied = 0;
    for n in 0..10_u32 {
        let mut app = peer(2, port, APP, "secret").unwrap();
        let (pid, mut term) = (app.pid(), Writer::new());
        term.tuple(8);
        (0..8).for_each(|i| write::atom(&mut term, &format!("atom{n}_{i}")));
        app.send(&answer::reg_send(&pid, "x", term.bytes()));
        // Its own verbs take atoms too, which it has not left in the end: another asks.
        drop(app);
        let mut ops = peer(3, port, OPS, "secret").unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while denied + row(&ops.verb(&format!("statistics {APP}")), "reg_send").0 < n + 1
            && Instant::now() < until
        {
            denied = row(&ops.verb(&format!("statistics {APP}")), "reg_send").1;
        }
    }
    assert!((6..10).contains(&denied), "{denied} of 10 messages with 8 new atoms each");
}

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn what_is_denied_is_told_once_with_its_target_and_line() {
    let port = node("spawn_request = { deny = [\"erpc:cast/4\"] }\n", |line| {
        SAID.lock().unwrap().push(line.to_owned())
    });
    let mut app = peer(2, port, APP, "secret").unwrap();
    let (pid, mark) = (app.pid(), app.mark());
    let mut spawn = Writer::new();
    spawn.raw(&[0, 0, 0, 0, b'p', 131, 104, 6, 97, 29]);
    write::reference(&mut spawn, &mark);
    write::pid(&mut spawn, &pid);
    write::pid(&mut spawn, &pid);
    spawn.raw(&[104, 3]);
    write::atom(&mut spawn, "erpc");
    write::atom(&mut spawn, "cast");
    spawn.raw(&[97, 4, 106, 131, 108, 0, 0, 0, 4, 106, 106, 106, 106, 106]);
    let mut frame = spawn.bytes().to_vec();
    let length = u32::try_from(frame.len() - 4).unwrap().to_be_bytes();
    frame[..4].copy_from_slice(&length);
    for _ in 0..1000 {
        app.send(&frame);
        assert!(app.hear().is_some(), "it is told");
    }
    app.send(&answer::reg_send(&pid, "\u{1b}[2Jevil\n", &[106]));
    assert_eq!(app.verb(&format!("set_filter {APP} in link deny")), "{ok,accept}");
    drop(app);
    let until = Instant::now() + Duration::from_secs(60);
    let said = || SAID.lock().unwrap().clone();
    while !said().iter().any(|line| line.ends_with("closed")) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = said();
    let has = |line: &str| said.iter().filter(|said| *said == line).count();
    // The rule stands in line 15 of the text.
    assert_eq!(has(&format!("{APP}: spawn_request erpc:cast/4 denied: rule (line 15)")), 1, "{said:?}");
    let left_out = "spawn_request erpc:cast/4 denied: rule (line 15), and 998 more times";
    assert_eq!(has(&format!("{APP}: {left_out}")), 1, "{said:?}");
    assert_eq!(has(&format!("{APP}: reg_send \"\\u001B[2Jevil\\u000A\" denied: default")), 1, "{said:?}");
    assert_eq!(has(&format!("{APP}: set_filter of {APP}, in, link: deny")), 1, "{said:?}");
    assert!(said.len() < 10, "{said:?}");
}

#[test]
fn who_fails_too_often_is_not_listened_to_and_others_are() {
    let port = node("[connections]\nfailures_per_minute = 5\n", |_| {});
    let mut before = peer(4, port, OPS, "secret").unwrap();
    // Who says nothing has begun no handshake: 20 of them take nothing from who comes from there.
    for _ in 0..20 {
        drop(handshake::connected_from([127, 0, 0, 2], port, None));
    }
    assert!(peer(2, port, APP, "secret").is_some());
    for _ in 0..5 {
        assert!(peer(2, port, APP, "wrong").is_none());
    }
    // Closed at once, and nothing is said: from there nobody is let in, whatever he knows.
    let mut closed = handshake::connected_from([127, 0, 0, 2], port, None);
    let mut bytes = [0; 16];
    assert!(matches!(closed.read(&mut bytes), Ok(0) | Err(_)));
    assert!(peer(2, port, APP, "secret").is_none());
    // From elsewhere the same node is, and who is connected stays.
    assert!(peer(3, port, APP, "secret").is_some());
    assert_eq!(before.verb(&format!("test_filter {OPS} in link _")), "{ok,{deny,default}}");
}

/// Terms that are nearly verbs, by the thousand: each is answered, and nothing is loosened by any.
#[test]
fn hostile_requests_are_answered_and_change_nothing() {
    let port = node("", |_| {});
    let mut app = peer(2, port, APP, "secret").unwrap();
    assert_eq!(app.verb(&format!("add_filter {APP} in reg_send x deny")), "{ok,accept}");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 16).unwrap() % most
    };
    let words = [
        "dist",
        "set_filter",
        "add_filter",
        "del_filter",
        "set_default_filter",
        "set_handler",
        "filters",
        "test_filter",
        "statistics",
        "counters",
        APP,
        OPS,
        "_",
        "in",
        "out",
        "reg_send",
        "monitor",
        "spawn_request",
        "accept",
        "x",
        "m:f/1",
        "",
    ];
    // No word of them denies, so that it cannot shut itself out of its own verbs.
    for _ in 0..3000 {
        let arity = 1 + below(8);
        let mut term = Writer::new();
        term.tuple(arity);
        for n in 0..arity {
            let word = if n == 0 { "dist" } else { words[below(words.len())] };
            argument(&mut term, word);
        }
        let said = app.call(term.bytes());
        assert!(said.starts_with("{ok,") || said.starts_with("{error,{"), "{said}");
    }
    assert_eq!(app.verb(&format!("test_filter {APP} in reg_send x")), "{ok,{deny,runtime}}");
}
