//! Requests that are wrong in what they ask, too late, too many, or no longer wanted: what each of them is answered.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::time::{Duration, Instant};

use eetf::Term;
use support::{Port, atom, atoms, binary, encode, fixtures, int, list_of, map, name, tuple, tuple_of};

/// An error as the oracle prints it, binaries as text.
fn shown(term: &Term) -> String {
    match term {
        Term::Binary(b) => format!("<{}>", String::from_utf8_lossy(&b.bytes)),
        Term::List(l) => format!("[{}]", l.elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        Term::ByteList(l) => format!("[{}]", l.bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
        Term::Tuple(t) => format!("{{{}}}", t.elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        Term::Atom(a) => a.name.clone(),
        other => other.to_string(),
    }
}

fn error(port: &mut Port, op: &str, args: Term) -> String {
    port.request(1, op, args);
    let (tag, id, error) = port.answer();
    assert_eq!((tag.as_str(), id), ("error", 1), "{error}");
    shown(&error)
}

/// A string of Erlang.
fn text(text: &str) -> Term {
    list_of(text.bytes().map(|b| int(i64::from(b))).collect())
}

#[test]
fn what_is_wrong_with_arguments_is_said_with_the_place() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let condition = |column: &str, c: Term| map(&[("where", map(&[(column, c)]))]);
    let many = list_of((0..4097).map(int).collect());
    let huge = Term::from(eetf::BigInteger::from(u64::MAX));
    let cases: Vec<(&str, Term, &str)> = vec![
        ("nope", map(&[]), "{unsupported,<nope>}"),
        ("req", map(&[]), "{unsupported,<req>}"),
        ("info", map(&[("x", int(1))]), "{bad_request,[<x>],unknown_key}"),
        ("info", int(1), "{bad_request,[args],{expected,map}}"),
        ("info", list_of(vec![]), "{bad_request,[args],{expected,map}}"),
        ("process", map(&[]), "{bad_request,[pid],missing}"),
        ("process", map(&[("pid", int(0))]), "{bad_request,[pid],{range,1,4194304}}"),
        ("process", map(&[("pid", int(-1))]), "{bad_request,[pid],{range,1,4194304}}"),
        ("process", map(&[("pid", int(4_194_305))]), "{bad_request,[pid],{range,1,4194304}}"),
        ("process", map(&[("pid", huge)]), "{bad_request,[pid],{range,1,4194304}}"),
        ("process", map(&[("pid", binary(b"1"))]), "{bad_request,[pid],{expected,pid}}"),
        ("process", map(&[("pid", atom("self"))]), "{bad_request,[pid],{expected,pid}}"),
        ("process", map(&[("pid", tuple_of(vec![int(1)]))]), "{bad_request,[pid],{expected,pid}}"),
        (
            "process",
            map(&[("pid", tuple_of(vec![int(1), atom("x")]))]),
            "{bad_request,[pid,2],{expected,integer}}",
        ),
        (
            "process",
            map(&[("pid", tuple_of(vec![int(0), int(1)]))]),
            "{bad_request,[pid,1],{range,1,4194304}}",
        ),
        ("process", map(&[("pid", int(1)), ("items", list_of(vec![]))]), "{bad_request,[items],empty}"),
        (
            "process",
            map(&[("pid", int(1)), ("items", atom("comm"))]),
            "{bad_request,[items],{expected,list}}",
        ),
        (
            "process",
            map(&[("pid", int(1)), ("items", atoms(&["comm", "environ"]))]),
            "{denied_by_policy,<proc.environ>,",
        ),
        (
            "process",
            map(&[("pid", int(1)), ("cell_max", int(0))]),
            "{bad_request,[cell_max],{range,1,65536}}",
        ),
        (
            "processes",
            map(&[("columns", atoms(&["pid", "nope"]))]),
            "{bad_request,[columns,2],{unknown_column,<nope>}}",
        ),
        ("processes", map(&[("columns", atoms(&["pid", "pid"]))]), "{bad_request,[columns,2],duplicate}"),
        (
            "processes",
            map(&[("columns", list_of(vec![int(300)]))]),
            "{bad_request,[columns,1],{expected,atom}}",
        ),
        ("processes", map(&[("columns", many.clone())]), "{bad_request,[columns],{too_many,"),
        ("processes", map(&[("limit", int(0))]), "{bad_request,[limit],{range,1,4194304}}"),
        ("processes", map(&[("limit", atom("all"))]), "{bad_request,[limit],{expected,integer}}"),
        ("processes", map(&[("colums", int(1))]), "{bad_request,[<colums>],{unknown_key,<columns>}}"),
        ("processes", map(&[("colour", int(1))]), "{bad_request,[<colour>],unknown_key}"),
        (
            "processes",
            map(&[("columns", atoms(&["pid", "coom"]))]),
            "{bad_request,[columns,2],{unknown_column,<coom>,<comm>}}",
        ),
        ("processes", condition("uid", text("root")), "{bad_request,[where,uid],{expected,<a number, and "),
        (
            "processes",
            condition("pid", text("8099")),
            "{bad_request,[where,pid],{expected,<a number such as 8099, ",
        ),
        (
            "processes",
            condition("state", text("running")),
            "{bad_request,[where,state],{expected,<running, sleeping, disk_sleep",
        ),
        ("processes", map(&[("where", list_of(vec![]))]), "{bad_request,[where],{expected,map}}"),
        ("processes", condition("nope", int(1)), "{bad_request,[where],{unknown_column,<nope>}}"),
        ("processes", condition("pid", atom("x")), "{bad_request,[where,pid],{expected,integer}}"),
        ("processes", condition("comm", int(1)), "{bad_request,[where,comm],{expected,binary}}"),
        (
            "processes",
            condition("state", atom("asleep")),
            "{bad_request,[where,state],{expected,<running, sleeping, disk_sleep",
        ),
        ("processes", condition("argv", binary(b"x")), "{bad_request,[where,argv],{not_comparable,argv}}"),
        ("processes", condition("pid", many), "{bad_request,[where,pid],{too_many,4096}}"),
        (
            "processes",
            condition("pid", list_of(vec![int(300), atom("x")])),
            "{bad_request,[where,pid,2],{expected,integer}}",
        ),
        (
            "processes",
            condition("comm", tuple_of(vec![atom("min"), int(1)])),
            "{bad_request,[where,comm],{expected,condition}}",
        ),
        (
            "processes",
            condition("rss", tuple_of(vec![atom("min")])),
            "{bad_request,[where,rss],{expected,condition}}",
        ),
        ("processes", condition("rss", tuple_of(vec![])), "{bad_request,[where,rss],{expected,condition}}"),
        (
            "processes",
            condition("rss", tuple_of(vec![atom("min"), atom("x")])),
            "{bad_request,[where,rss,2],{expected,integer}}",
        ),
        ("processes", condition("environ", int(1)), "{bad_request,[where,environ],{not_comparable,environ}}"),
    ];
    for (op, args, expected) in cases {
        let shown_args = shown(&args).chars().take(80).collect::<String>();
        let found = error(&mut port, op, args);
        assert!(found.starts_with(expected), "{op} {shown_args}: {found}, not {expected}");
    }
    port.ask(2, "info", map(&[]));
}

#[test]
fn a_key_that_stands_twice_is_an_error_whatever_its_form() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    // {req, 1, process, #{pid => 1, pid => 2}, 5000}, the second key as a long atom (118): no encoder makes such a map.
    let mut frame = b"\x83h\x05w\x03reqa\x01w\x07processt\0\0\0\x02w\x03pida\x01v\0\x03pida\x02".to_vec();
    frame.extend_from_slice(b"b\0\0\x13\x88");
    port.frame(&frame);
    let (_, id, error) = port.answer();
    assert_eq!((id, shown(&error).as_str()), (1, "{bad_request,[pid],duplicate}"));
}

#[test]
fn messages_that_are_no_requests_are_answered_under_no_id() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    port.hello();
    let expected_request = "{bad_request,[],{expected,request}}";
    let cases: Vec<(Term, &str)> = vec![
        (int(1), expected_request),
        (atom("hello"), expected_request),
        (tuple_of(vec![]), expected_request),
        (tuple_of(vec![atom("req")]), expected_request),
        (tuple_of(vec![atom("req"), int(1)]), expected_request),
        (tuple_of(vec![atom("req"), int(1), atom("info"), map(&[])]), expected_request),
        (tuple_of(vec![atom("shout"), int(1)]), expected_request),
        (
            tuple_of(vec![atom("req"), int(0), atom("info"), map(&[]), int(1)]),
            "{bad_request,[2],{range,1,576460752303423488}}",
        ),
        (tuple_of(vec![atom("cancel"), int(-5)]), "{bad_request,[2],{range,1,576460752303423488}}"),
        (tuple_of(vec![atom("cancel"), atom("all")]), "{bad_request,[2],{expected,integer}}"),
        (tuple_of(vec![atom("credit"), int(1), int(0)]), "{bad_request,[3],{range,1,1048576}}"),
    ];
    for (message, expected) in cases {
        port.frame(&encode(&message));
        let (tag, id, error) = port.answer();
        assert_eq!((tag.as_str(), id, shown(&error).as_str()), ("error", 0, expected), "{}", shown(&message));
    }
    for timeout in [0, -1, 1 << 31] {
        port.frame(&support::request(9, "info", map(&[]), timeout));
        let (_, id, error) = port.answer();
        assert_eq!((id, shown(&error).as_str()), (9, "{bad_request,[timeout],{range,1,2147483647}}"));
    }
}

/// Rows that nobody gives credit for: the answer stops after sixteen chunks, and everything else goes on.
fn stuck(port: &mut Port, id: u32, timeout: i64) {
    // cell_max 65536 with a wide row makes a chunk of few rows.
    let columns = [
        "pid",
        "ppid",
        "comm",
        "state",
        "uid",
        "rss",
        "utime",
        "stime",
        "starttime",
        "argv",
        "cmdline",
        "exe",
        "cwd",
        "root",
        "limits",
    ];
    let args = map(&[("columns", atoms(&columns))]);
    port.frame(&support::request(id, "processes", args, timeout));
}

/// Enough processes that an answer of one-chunk rows cannot end within its first credit.
struct Crowd(Vec<std::process::Child>);

impl Crowd {
    fn new(n: usize) -> Self {
        let long = "x".repeat(60_000);
        let one = || {
            std::process::Command::new("sh")
                .args(["-c", "read x", &long])
                .stdin(std::process::Stdio::piped())
                .spawn()
        };
        Self((0..n).map(|_| one().unwrap()).collect())
    }
}

impl Crowd {
    /// Arguments that make each of them a chunk of its own.
    fn args(&self) -> Term {
        let pids = list_of(self.0.iter().map(|child| int(i64::from(child.id()))).collect());
        map(&[
            ("columns", atoms(&["pid", "cmdline"])),
            ("cell_max", int(65_536)),
            ("where", map(&[("pid", pids)])),
        ])
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ask_rows_of_crowd(port: &mut Port, id: u32, crowd: &Crowd, timeout: i64) {
    port.frame(&support::request(id, "processes", crowd.args(), timeout));
}

/// Reads frames until `id` has answered with something that is not rows; counts its chunks.
fn until_end(port: &mut Port, id: i128) -> (usize, String, Term) {
    let mut chunks = 0;
    loop {
        let term = port.receive().unwrap();
        let Term::Tuple(t) = &term else { panic!("{term}") };
        if support::integer(&t.elements[1]) != id {
            continue;
        }
        match name(&t.elements[0]) {
            "rows" => chunks += 1,
            tag => return (chunks, tag.to_owned(), t.elements[2].clone()),
        }
    }
}

#[test]
fn a_row_answer_waits_for_credit_and_its_deadline_runs_on() {
    let Some(f) = fixtures() else { return };
    let crowd = Crowd::new(24);
    let mut port = f.port("ok");
    port.hello();
    let start = Instant::now();
    ask_rows_of_crowd(&mut port, 1, &crowd, 2000);
    let before = port.ask_amid_rows(2);
    let (chunks, tag, error) = until_end(&mut port, 1);
    assert_eq!((before + chunks, tag.as_str(), name(&error)), (16, "error", "timeout"));
    assert!(start.elapsed() >= Duration::from_millis(2000), "{:?}", start.elapsed());
    // With credit it comes to its end; one long row a chunk.
    ask_rows_of_crowd(&mut port, 3, &crowd, 60_000);
    port.frame(&encode(&tuple_of(vec![atom("credit"), int(3), int(100)])));
    let (chunks, tag, _) = until_end(&mut port, 3);
    assert_eq!((chunks, tag.as_str()), (24, "ok"));
}

#[test]
fn a_cancelled_request_ends_and_frees_its_place() {
    let Some(f) = fixtures() else { return };
    let crowd = Crowd::new(20);
    let mut port = f.port("ok");
    port.hello();
    ask_rows_of_crowd(&mut port, 1, &crowd, 60_000);
    port.ask_amid_rows(2);
    // The id is taken while it runs...
    ask_rows_of_crowd(&mut port, 1, &crowd, 60_000);
    port.frame(&encode(&tuple_of(vec![atom("cancel"), int(1)])));
    let (_, tag, error) = until_end(&mut port, 0);
    assert_eq!((tag.as_str(), shown(&error).as_str()), ("error", "{bad_request,[2],in_flight}"));
    let (_, tag, error) = until_end(&mut port, 1);
    assert_eq!((tag.as_str(), name(&error)), ("error", "cancelled"));
    // ...and free afterwards. Cancelling what is not there is not an error.
    port.frame(&encode(&tuple_of(vec![atom("cancel"), int(1)])));
    port.ask(1, "info", map(&[]));
}

#[test]
fn more_requests_than_it_takes_are_overloaded_and_the_others_are_answered() {
    let Some(f) = fixtures() else { return };
    let crowd = Crowd::new(20);
    let mut port = f.port("ok");
    let hello = port.hello();
    let most = u32::try_from(support::integer(hello.get("max_in_flight"))).unwrap();
    let mut input = port.take_input();
    let wide = crowd.args();
    let writer = std::thread::spawn(move || {
        for id in 1..=most + 10 {
            let args = map(&[("columns", atoms(&["pid"])), ("where", map(&[("pid", int(1))]))]);
            // The first sixteen run and wait for credit, so that nothing moves on behind them.
            let args = if id <= 16 { wide.clone() } else { args };
            let frame = support::framed(&support::request(id, "processes", args, 60_000));
            std::io::Write::write_all(&mut input, &frame).unwrap();
        }
        for id in 1..=16 {
            let credit = encode(&tuple_of(vec![atom("credit"), int(id), int(1000)]));
            std::io::Write::write_all(&mut input, &support::framed(&credit)).unwrap();
        }
        input
    });
    let (mut ok, mut overloaded) = (0, 0);
    while ok + overloaded < most + 10 {
        let term = port.receive().unwrap();
        let Term::Tuple(t) = &term else { panic!("{term}") };
        match name(&t.elements[0]) {
            "ok" => ok += 1,
            "error" => {
                assert_eq!(shown(&t.elements[2]), "overloaded");
                overloaded += 1;
            }
            _ => {}
        }
    }
    assert_eq!((ok, overloaded), (most, 10));
    port.give_input(writer.join().unwrap());
}

#[test]
fn hello_has_every_key_of_the_protocol_page_and_info_counts() {
    let Some(f) = fixtures() else { return };
    let mut port = f.port("ok");
    let hello = port.hello();
    let page = include_str!("../docs/protocol.md");
    let section = page.split("## hello").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut keys: Vec<&str> =
        section.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    keys.sort_unstable();
    assert_eq!(hello.keys(), keys);
    let [low, high] = tuple(hello.get("protocol"));
    assert_eq!((support::integer(low), support::integer(high)), (1, 1));
    assert_eq!(support::text(hello.get("version")), env!("CARGO_PKG_VERSION"));
    port.frame(b"\x83");
    port.answer();
    error(&mut port, "nope", map(&[]));
    stuck(&mut port, 5, 60_000);
    until_end(&mut port, 5);
    let info = support::Map::of(&port.ask(6, "info", map(&[])));
    let keys = [
        "bad_frames",
        "errors",
        "handles",
        "in_flight",
        "lost",
        "requests",
        "rows",
        "subscriptions",
        "uptime",
    ];
    assert_eq!(info.keys(), keys);
    let count = |key| support::integer(info.get(key));
    assert_eq!((count("requests"), count("errors"), count("bad_frames"), count("in_flight")), (2, 1, 1, 0));
    assert!(count("rows") > 10 && count("uptime") > 0);
}

#[test]
fn every_column_of_the_protocol_page_is_one_and_the_other_way_round() {
    let page = include_str!("../docs/protocol.md");
    let section = page.split("### Columns").nth(1).unwrap().split("\nStates:").next().unwrap();
    let cells = section.lines().filter_map(|l| l.strip_prefix("| ")?.split(" | ").next());
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut listed: Vec<&str> = words.collect();
    listed.sort_unstable();
    let mut known: Vec<&str> = portcullis::proc::columns::COLUMNS.iter().map(|c| c.name.name()).collect();
    known.sort_unstable();
    assert_eq!(listed, known);
}
