//! The firewall through an installed port of role net, in a network namespace of its own. Without root, or without the
//! installations, the tests are skipped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Fixtures, Map, Port, binary, fixtures, int, map};

/// The port of role net in a network of its own.
fn port(f: &Fixtures, policy: &str) -> Port {
    port_with(f, policy, &[])
}

fn port_with(f: &Fixtures, policy: &str, options: &[&str]) -> Port {
    let program = f.directory.join("ok/portcullis-net");
    let policy = f.policy(policy);
    let options = [&["--policy", &policy][..], options].concat();
    let inner = f.command(&options, &[program.to_str().unwrap(), "port", "--role", "net"]);
    let mut c = Command::new("unshare");
    c.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
    c.arg(inner.get_program()).args(inner.get_args());
    c.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/");
    Port::start(c)
}

/// nft in the network of the port.
fn nft_beside(port: &Port, script: &str) {
    let mut c = Command::new("nsenter");
    let c = c.args(["-t", &port.pid().to_string(), "--net", "nft", "-f", "-"]).stdin(Stdio::piped());
    let mut child = c.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn topic(name: &str) -> support::Term {
    map(&[("topic", support::atom(name))])
}

#[test]
fn a_subscription_of_the_port_shows_others_changes_counts_what_is_lost_and_ends() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f, "version = 1\n[nft]\nread = true\n");
    port.hello();
    port.request(7, "subscribe", topic("nft"));
    let info = Map::of(&port.ask(8, "info", map(&[])));
    assert_eq!(support::integer(info.get("subscriptions")), 1);
    for n in 0..70_u32 {
        nft_beside(&port, &format!("add table inet t{n}"));
    }
    for n in 1..=64 {
        let event = port.receive().unwrap();
        let [tag, id, seq, event] = support::tuple(&event);
        assert_eq!((support::name(tag), support::integer(id), support::integer(seq)), ("event", 7, n));
        let event = Map::of(event);
        assert_eq!(event.keys(), ["changes", "comm", "generation", "kind", "more", "pid"]);
        assert_eq!(support::text(event.get("comm")), "nft");
    }
    // An answer shows that nothing came before it; the rest is told with the credit.
    let info = Map::of(&port.ask(8, "info", map(&[])));
    assert_eq!(support::integer(info.get("in_flight")), 1);
    port.frame(&support::encode(&support::tuple_of(vec![support::atom("credit"), int(7), int(5)])));
    let lost = port.receive().unwrap();
    let [tag, id, count] = support::tuple(&lost);
    assert_eq!((support::name(tag), support::integer(id), support::integer(count)), ("lost", 7, 6));
    nft_beside(&port, "delete table inet t0");
    let event = port.receive().unwrap();
    assert_eq!(support::integer(support::tuple::<4>(&event)[2]), 71);
    port.frame(&support::encode(&support::tuple_of(vec![support::atom("cancel"), int(7)])));
    assert_eq!(port.answer().0, "error");
    nft_beside(&port, "delete table inet t1");
    port.request(9, "subscribe", topic("nft"));
    nft_beside(&port, "delete table inet t2");
    let event = port.receive().unwrap();
    assert_eq!(support::integer(support::tuple::<4>(&event)[2]), 1);
    assert_eq!(support::status(port.pid(), "CapEff"), "0000000000000000");
    assert!(port.end().success());
}

#[test]
fn a_subscription_takes_the_right_to_read() {
    let Some(f) = fixtures() else { return };
    let mut net = port(&f, "version = 1\n");
    net.hello();
    net.request(7, "subscribe", topic("nft"));
    let (tag, _, error) = net.answer();
    assert_eq!((tag.as_str(), support::name(&support::elements(&error)[0])), ("error", "denied_by_policy"));
    let mut proc = f.port("ok");
    proc.hello();
    proc.request(7, "subscribe", topic("nft"));
    let (tag, _, error) = proc.answer();
    assert_eq!((tag.as_str(), support::name(&support::elements(&error)[0])), ("error", "unsupported"));
}

#[test]
fn a_reset_through_the_port_is_judged_recorded_and_answered_with_the_values() {
    let Some(f) = fixtures() else { return };
    let grant = "write = [{family = \"inet\", table = \"t\", ops = [\"reset_counter\"], objects = [\"a\"]}]";
    let mut port = port(&f, &format!("version = 1\n[nft]\nread = true\nconfirm = \"required\"\n{grant}\n"));
    port.hello();
    nft_beside(
        &port,
        "table inet t { counter a { packets 3 bytes 30; }; counter b { packets 5 bytes 50; }; }",
    );
    port.request(7, "subscribe", map(&[("topic", support::atom("audit"))]));
    let counter = |name: &[u8]| {
        let object = map(&[("family", binary(b"inet")), ("table", binary(b"t")), ("name", binary(name))]);
        map(&[("reset", map(&[("counter", object)]))])
    };
    let commands = |each: Vec<support::Term>| map(&[("commands", support::list_of(each))]);
    port.request(1, "nft_apply", commands(vec![counter(b"a")]));
    let record = port.receive().unwrap();
    let record = Map::of(support::tuple::<4>(&record)[3]);
    assert_eq!(support::text(record.get("target")), "reset_counter inet t a");
    assert_eq!(support::name(record.get("decision")), "granted");
    let (tag, _, value) = port.answer();
    assert_eq!(tag, "ok", "{value}");
    let done = Map::of(&value);
    assert_eq!(done.keys(), ["generation", "handles", "reset"]);
    let object = Map::of(Map::of(&support::list(done.get("reset"))[0]).get("counter"));
    assert_eq!([object.get("packets"), object.get("bytes")].map(support::integer), [3, 30]);
    port.request(2, "nft_apply", commands(vec![counter(b"a"), counter(b"b")]));
    let record = port.receive().unwrap();
    let record = Map::of(support::tuple::<4>(&record)[3]);
    assert_eq!(support::name(record.get("decision")), "denied");
    let (tag, _, error) = port.answer();
    assert_eq!((tag.as_str(), support::name(&support::elements(&error)[0])), ("error", "denied_by_policy"));
}

/// The tables in the network of the port, as nft prints them.
fn tables_beside(port: &Port) -> String {
    let mut c = Command::new("nsenter");
    let output = c.args(["-t", &port.pid().to_string(), "--net", "nft", "list", "tables"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn table(name: &str) -> support::Term {
    map(&[("table", map(&[("family", binary(b"inet")), ("name", binary(name.as_bytes()))]))])
}

/// Everything of the tables `t` and `u`, confirmed or not.
const OWN: &str = "version = 1\n[nft]\nread = true\nconfirm = \"optional\"\nwrite = [\
    {family = \"inet\", table = \"t\", all = true}, {family = \"inet\", table = \"u\", all = true}]\n\
    [limits]\nwrites_per_s = 100\nrequests_per_s = 100000\n";

#[test]
fn a_change_takes_itself_back_though_the_client_reads_nothing_any_more() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f, OWN);
    port.hello();
    let commands = support::list_of(vec![map(&[("add", table("t"))])]);
    let since = Instant::now();
    let value = port.ask(1, "nft_apply", map(&[("commands", commands), ("confirm", int(4000))]));
    assert_eq!(support::integer(Map::of(&value).get("ref")), 1);
    assert!(tables_beside(&port).contains("inet t"));
    // Requests until the port takes no more, since nobody reads what it answers.
    let mut input = port.take_input();
    let one = support::framed(&support::request(2, "info", map(&[]), 60_000));
    let flood = std::thread::spawn(move || {
        let many = one.repeat(64);
        while input.write_all(&many).is_ok() {}
    });
    support::eventually("the change is taken back", || !tables_beside(&port).contains("inet t"));
    assert!(since.elapsed() >= Duration::from_millis(4000), "{:?}", since.elapsed());
    // Only a port that has stopped reading shows something.
    assert!(!flood.is_finished());
    assert!(!tables_beside(&port).contains("unconfirmed"));
    port.kill();
    flood.join().unwrap();
}

/// The kernel brings a list to its end before it answers anything else on the same socket, and that of a large set takes seconds.
#[test]
fn a_change_takes_itself_back_in_time_beside_a_list_that_nobody_reads_on() {
    let Some(f) = fixtures() else { return };
    support::below("how late it is", Duration::from_millis(300), || taken_back_beside_a_list(&f));
}

/// How late a change takes itself back beside such a list.
fn taken_back_beside_a_list(f: &Fixtures) -> Duration {
    let mut port = port(f, OWN);
    port.hello();
    let crowd: Vec<String> =
        (0..150_000_u32).map(|n| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)).collect();
    let crowd = crowd.join(",");
    nft_beside(
        &port,
        &format!("table inet crowd {{ set s {{ type ipv4_addr; elements = {{ {crowd} }}; }}; }}"),
    );
    port.request(3, "subscribe", topic("audit"));
    let commands = support::list_of(vec![map(&[("add", table("t"))])]);
    port.request(1, "nft_apply", map(&[("commands", commands), ("confirm", int(1500))]));
    // Without credit it stops in the middle, and so does the kernel.
    port.request(2, "nft_list", map(&[]));
    let (mut made, mut rows) = (None, 0);
    let late = loop {
        let frame = port.receive().unwrap();
        let parts = support::elements(&frame);
        match support::name(&parts[0]) {
            "ok" => made = Some(Instant::now()),
            "rows" => rows += 1,
            "event" if support::text(Map::of(&parts[3]).get("operation")) == "nft_rollback" => {
                let due = made.unwrap() + Duration::from_millis(1500);
                break Instant::now().saturating_duration_since(due);
            }
            "event" => {}
            // The change that was taken back is one in the middle of the list, and which of the two is told first is open.
            "error" => assert_eq!(frame.to_string(), "{'error',2,'stale'}"),
            other => panic!("{other}: {frame}"),
        }
    };
    println!("{} ms late, behind {rows} chunks of a list", late.as_millis());
    assert!(rows > 0 && !tables_beside(&port).contains("inet t"));
    port.kill();
    late
}

/// Asks until the port cannot write: what a pipe holds depends on its size, which is not always what was asked for, and on how the
/// answers fall into its pages. A port that sleeps has written all that it could.
fn fill_output(port: &mut Port) {
    loop {
        let before = unread(port);
        port.request(2, "info", map(&[]));
        support::until_it_sleeps(port.pid());
        if unread(port) == before {
            return;
        }
    }
}

/// Bytes that stand in the pipe of the output.
fn unread(port: &Port) -> i32 {
    let mut bytes = 0;
    // SAFETY: FIONREAD writes one int.
    let done = unsafe { libc::ioctl(port.output().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    bytes
}

#[test]
fn a_change_takes_itself_back_when_a_header_ends_the_conversation_and_nobody_reads_the_last_frame() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f, OWN);
    port.hello();
    let commands = support::list_of(vec![map(&[("add", table("t"))])]);
    port.ask(1, "nft_apply", map(&[("commands", commands), ("confirm", int(3_600_000))]));
    port.request(2, "info", map(&[]));
    let answer = port.receive_frame().unwrap().len();
    fill_output(&mut port);
    // Less than what makes the port stop reading: it is in the middle of writing when the header comes.
    for _ in 0..(128 << 10) / answer {
        port.request(2, "info", map(&[]));
    }
    port.write(&[0xff; 4]);
    support::eventually("the change is taken back", || !tables_beside(&port).contains("inet t"));
}

#[test]
fn commands_keep_their_numbers_behind_metainfo_and_flush_ruleset() {
    let Some(f) = fixtures() else { return };
    let mut port = port(&f, OWN);
    port.hello();
    nft_beside(&port, "table inet t { chain c { }; }; table inet u { }");
    let flush = || map(&[("flush", map(&[("ruleset", support::atom("null"))]))]);
    let metainfo = || map(&[("metainfo", map(&[("json_schema_version", int(1))]))]);
    let add = |name| map(&[("add", table(name))]);
    let list = support::list_of(vec![metainfo(), flush(), add("t"), add("u")]);
    let value = Map::of(&port.ask(1, "nft_apply", map(&[("commands", list)])));
    let handles = support::list(value.get("handles"));
    assert_eq!(handles.len(), 4, "{handles:?}");
    assert!(handles[..2].iter().all(|h| support::name(h) == "null"));
    assert!(
        support::integer(&handles[2]) > 0 && support::integer(&handles[3]) > support::integer(&handles[2])
    );
    // What the kernel refuses.
    let create = map(&[("create", table("t"))]);
    let list = support::list_of(vec![metainfo(), flush(), add("t"), create]);
    port.request(2, "nft_apply", map(&[("commands", list)]));
    let (tag, _, error) = port.answer();
    let error = support::elements(&error);
    assert_eq!((tag.as_str(), support::name(&error[0]), support::integer(&error[1])), ("error", "nft", 4));
    assert_eq!(support::name(&error[2]), "eexist");
    // What is wrong with an element is known only when its set is: the way to it is that of the request nevertheless.
    nft_beside(&port, "table inet t { set s { type ipv4_addr; }; }");
    let text = "{\"nftables\": [{\"metainfo\": {}}, {\"add\": {\"element\": {\"family\": \"inet\", \"table\": \"t\", \
                \"name\": \"s\", \"elem\": [\"10.0.0.1\", 5000000000]}}}]}";
    port.request(3, "nft_json", map(&[("text", binary(text.as_bytes()))]));
    let (tag, _, error) = port.answer();
    let error = support::elements(&error);
    assert_eq!((tag.as_str(), support::name(&error[0])), ("error", "bad_request"));
    let path: Vec<String> =
        support::list(&error[1]).iter().map(|s| s.to_string().replace('\'', "")).collect();
    assert_eq!(path, ["text", "nftables", "2", "add", "element", "elem", "2"]);
}

#[test]
fn a_confirmation_that_cannot_be_recorded_is_none_and_taking_back_needs_no_record() {
    let Some(f) = fixtures() else { return };
    let log = format!("{}/log", f.policy("version = 1\n"));
    let daemon = UnixDatagram::bind(&log).unwrap();
    std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut port = port_with(&f, &format!("{OWN}[audit]\nsyslog = \"required\"\n"), &["--log", &log]);
    port.hello();
    let commands = support::list_of(vec![map(&[("add", table("t"))])]);
    let value = port.ask(1, "nft_apply", map(&[("commands", commands), ("confirm", int(3_600_000))]));
    let reference = support::integer(Map::of(&value).get("ref"));
    assert_eq!(reference, 1);
    port.request(2, "nft_confirm", map(&[("ref", int(7))]));
    let (tag, _, error) = port.answer();
    assert_eq!((tag.as_str(), support::name(&error)), ("error", "stale"), "nothing of that number waits");
    drop(daemon);
    port.request(3, "nft_confirm", map(&[("ref", int(1))]));
    let (tag, _, error) = port.answer();
    assert_eq!((tag.as_str(), support::name(&support::elements(&error)[0])), ("error", "denied_by_policy"));
    assert!(tables_beside(&port).contains("unconfirmed"), "it waits still");
    port.ask(4, "nft_rollback", map(&[("ref", int(1))]));
    assert!(!tables_beside(&port).contains("inet t"));
    port.request(5, "nft_confirm", map(&[("ref", int(1))]));
    let (tag, _, error) = port.answer();
    assert_eq!((tag.as_str(), support::name(&error)), ("error", "stale"));
}
