//! Changes of the firewall as events: what the kernel tells of what nft does, in a network namespace of the test's own, and its
//! subscription. Without root the tests are skipped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod nft_support;

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::time::Instant;

use nft_support::{network, nft, nft_list};
use portcullis::capability::{Capabilities, Capability};
use portcullis::error::{RequestError, Why};
use portcullis::nft::action::{ApplyNft, ReadNft};
use portcullis::nft::args::How;
use portcullis::nft::events::Events;
use portcullis::nft::events::gather::{Change, Transaction};
use portcullis::nft::events::show;
use portcullis::nft::firewall::Firewall;
use portcullis::nft::model::{Command, Counter, Family, Flush, ObjectKind, ObjectState, TableRef, Text};
use portcullis::nft::transport::watch::{ROOM, Watch};
use portcullis::nft::transport::{self, Link};
use portcullis::policy::{self, Policy};
use portcullis::sys::netlink::{Room, Socket};
use portcullis::wire::json;
use portcullis::wire::scan::{Bounds, validate};
use portcullis::wire::write::Writer;
use serde_json::{Value, json};

const ADMIN: &[Capability] = &[Capability::NetAdmin];

fn policy() -> Policy {
    let text = "version = 1\n[nft]\nread = true\nconfirm = \"required\"\n\
        write = [{family = \"inet\", table = \"t\", ops = [\"reset_counter\"], objects = [\"a\", \"b\", \"no\"]}]\n";
    Policy::of(policy::parse::parse(text.as_bytes()).unwrap(), "test".into())
}

struct Listener {
    events: Events,
    link: Link,
    waiting: VecDeque<Transaction>,
    lost: u64,
}

impl Listener {
    fn new(room: Room) -> Self {
        let watch = Watch::on(Socket::open(room).unwrap(), &[]).unwrap();
        let link = Link::on(Socket::open(transport::ROOM).unwrap());
        let mut new = Self { events: Events::over(watch), link, waiting: VecDeque::new(), lost: 0 };
        new.begin();
        new
    }

    fn begin(&mut self) {
        let permit = policy::authorize(&policy(), Capabilities::of(ADMIN), ReadNft).unwrap();
        self.events.begin(permit, &mut self.link).unwrap();
    }

    /// All that has come.
    fn take(&mut self) {
        while let Some(news) = self.events.take(&mut self.link).unwrap() {
            self.waiting.extend(news.transactions);
            self.lost += news.lost;
        }
    }

    /// The one event that has come.
    fn only(&mut self) -> Value {
        self.take();
        let transaction = self.waiting.pop_front().unwrap();
        assert!(self.waiting.is_empty(), "{:?}", self.waiting);
        let mut w = Writer::new();
        self.events.write(&transaction, &mut self.link, &mut w);
        parsed(&w)
    }

    fn does(&mut self, script: &str) -> Value {
        nft(script).unwrap();
        self.only()
    }
}

/// A term as JSON; it is one that the program itself would accept.
fn parsed(w: &Writer) -> Value {
    let body = [&[131], w.bytes()].concat();
    validate(&body, &Bounds::NET).unwrap();
    let mut text = Vec::new();
    json::from_term(&body, &mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// What was done to which kind of object, in short.
fn verbs(event: &Value) -> Vec<String> {
    let each = event["changes"].as_array().unwrap().iter().map(|change| {
        let (verb, object) = change.as_object().unwrap().iter().find(|(key, _)| *key != "after").unwrap();
        format!("{verb} {}", object.as_object().unwrap().keys().next().unwrap())
    });
    each.collect()
}

/// The rules that nft lists.
fn listed() -> Vec<Value> {
    let ruleset = nft_list("ruleset").unwrap();
    ruleset["nftables"].as_array().unwrap().iter().filter_map(|o| o.get("rule").cloned()).collect()
}

const RULESET: &str = "table inet t {\n\
    set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9 } }\n\
    chain c { type filter hook input priority 0; policy accept;\n\
    ip saddr @s tcp dport { 22, 80-90 } accept comment \"x\"\n\
    tcp dport vmap { 1 : drop, 2 : jump d }; }\n\
    chain d { }\n}\n";

#[test]
fn a_ruleset_is_one_event_with_its_rules_as_nft_lists_them() {
    network(|| {
        let mut listener = Listener::new(ROOM);
        let event = listener.does(RULESET);
        assert_eq!(
            (&event["kind"], &event["comm"], &event["more"]),
            (&json!("nft"), &json!("nft"), &json!(0))
        );
        assert!(event["pid"].as_u64().unwrap() > 1 && event["generation"].as_u64().unwrap() > 1);
        let mut seen = verbs(&event);
        seen.sort();
        let expected =
            ["add chain", "add chain", "add element", "add rule", "add rule", "add set", "add table"];
        assert_eq!(seen, expected, "sets that belong to rules are parts of them");
        assert!(!event.to_string().contains("__"), "{event}");
        let changes = event["changes"].as_array().unwrap();
        let rules: Vec<Value> = changes.iter().filter_map(|c| c["add"].get("rule").cloned()).collect();
        assert_eq!(rules, listed());
        let elements = changes.iter().find_map(|c| c["add"].get("element")).unwrap();
        let prefix = json!({"prefix": {"addr": "10.0.0.0", "len": 8}});
        assert_eq!(elements["elem"], json!([prefix, {"range": ["192.0.2.1", "192.0.2.9"]}]));
        assert_eq!(listener.lost, 0);
    });
}

#[test]
fn a_rule_says_where_it_came_to_and_named_sets_are_looked_up() {
    network(|| {
        nft(RULESET).unwrap();
        let mut listener = Listener::new(ROOM);
        let event = listener.does("add rule inet t c ip daddr @s counter\n");
        assert_eq!(event["changes"][0]["add"]["rule"], listed()[2]);
        assert!(event["changes"][0].get("after").is_none(), "it is the last");
        let rules = listed();
        let (first, second) = (rules[0]["handle"].clone(), rules[1]["handle"].clone());
        let event = listener.does(&format!("insert rule inet t c position {second} tcp dport 7 drop\n"));
        assert_eq!((verbs(&event), &event["changes"][0]["after"]), (vec!["insert rule".into()], &first));
        let gone = listed()[1].clone();
        let event = listener.does(&format!("delete rule inet t c handle {}\n", gone["handle"]));
        assert_eq!(event["changes"], json!([{"delete": {"rule": gone}}]));
        // The set of a rule is gone with it, and what was in it cannot be asked for any more.
        let event = listener.does(&format!("delete rule inet t c handle {first}\n"));
        assert_eq!(
            (verbs(&event), event["changes"][0]["delete"]["rule"]["handle"].clone()),
            (vec!["delete rule".into()], first)
        );
        assert!(event.to_string().contains("opaque"), "{event}");
    });
}

#[test]
fn elements_are_put_together_and_what_is_deleted_is_named() {
    network(|| {
        nft(RULESET).unwrap();
        let mut listener = Listener::new(ROOM);
        let event = listener.does("add element inet t s { 198.51.100.0/24, 203.0.113.7 }\n");
        let prefix = json!({"prefix": {"addr": "198.51.100.0", "len": 24}});
        let element = json!({"family": "inet", "table": "t", "name": "s", "elem": [prefix, "203.0.113.7"]});
        assert_eq!(event["changes"], json!([{"add": {"element": element}}]));
        let event = listener
            .does("delete element inet t s { 203.0.113.7 }\nadd set inet t n { type inet_service; }\n");
        assert_eq!(verbs(&event), ["delete element", "add set"]);
        assert_eq!(event["changes"][0]["delete"]["element"]["elem"], json!(["203.0.113.7"]));
        nft("add element inet t n { 22 }\n").unwrap();
        listener.only();
        let handle = nft_list("set inet t n").unwrap()["nftables"][1]["set"]["handle"].clone();
        let event = listener.does("flush set inet t n\ndelete set inet t n\n");
        // Of what type its elements were nobody knows any more.
        assert_eq!(verbs(&event), ["opaque data", "delete set"]);
        let set = json!({"family": "inet", "table": "t", "name": "n", "handle": handle});
        assert_eq!(event["changes"][1]["delete"]["set"], set);
        nft("add counter inet t k\n").unwrap();
        listener.only();
        let event = listener.does("delete counter inet t k\n");
        let counter = event["changes"][0]["delete"]["counter"].as_object().unwrap();
        assert!(counter.len() == 4 && counter["name"] == "k", "{event}");
        let event = listener.does("delete table inet t\n");
        let seen = verbs(&event);
        assert_eq!(seen.last().unwrap(), "delete table");
        assert!(seen.iter().all(|verb| verb.starts_with("delete")), "{seen:?}");
        assert_eq!(seen.iter().filter(|verb| *verb == "delete rule").count(), 2);
    });
}

#[test]
fn a_long_transaction_is_shown_in_part_and_the_rest_counted() {
    network(|| {
        let mut listener = Listener::new(ROOM);
        let rules: String = (0..3000).map(|n| format!("add rule inet t c tcp dport {n} accept\n")).collect();
        let event = listener.does(&format!("add table inet t\nadd chain inet t c\n{rules}"));
        let shown = u64::try_from(event["changes"].as_array().unwrap().len()).unwrap();
        assert_eq!(shown + event["more"].as_u64().unwrap(), 3002);
        assert!(shown > 500, "{shown}");
        let elements: Vec<String> = (0..20_000).map(|n| format!("10.{}.{}.1", n >> 8, n & 255)).collect();
        nft("add set inet t s { type ipv4_addr; flags interval; }\n").unwrap();
        listener.only();
        let event = listener.does(&format!("add element inet t s {{ {} }}\n", elements.join(", ")));
        let shown = event["changes"][0]["add"]["element"]["elem"].as_array().unwrap();
        assert!(shown.iter().all(Value::is_string), "none is an interval whose end was cut off");
        let more = event["more"].as_u64().unwrap();
        // Beginnings and ends, and the end that nft puts before the first interval.
        let messages = u64::try_from(shown.len()).unwrap() * 2 + more;
        assert!((40_000..=40_001).contains(&messages), "{} {more}", shown.len());
    });
}

#[test]
fn what_does_not_fit_into_the_socket_is_counted_and_never_shown_in_part() {
    network(|| {
        nft(RULESET).unwrap();
        let mut listener = Listener::new(Room { receive: 16 << 10, send: 4096 });
        let (mut shown, mut made) = (0, 0);
        for round in 0..8_u32 {
            for n in 0..round * 4 {
                nft(&format!(
                    "add rule inet t d tcp dport {n} accept\nadd rule inet t d tcp sport {{ 1, 2 }}\n"
                ))
                .unwrap();
                made += 1;
            }
            listener.take();
            for transaction in listener.waiting.drain(..) {
                assert_eq!(transaction.changes.len(), 5, "two rules, a set and its elements");
                shown += 1;
            }
        }
        assert!(shown > 0 && listener.lost > 0, "{shown} {}", listener.lost);
        assert_eq!(shown + listener.lost, made);
        let before = listener.lost;
        assert_eq!(verbs(&listener.does("add table ip after\n")), ["add table"]);
        assert_eq!(listener.lost, before);
    });
}

#[test]
fn who_does_not_listen_is_told_nothing_and_nothing_of_it_later() {
    network(|| {
        let mut listener = Listener::new(ROOM);
        nft("add table inet before\n").unwrap();
        listener.events.end();
        assert!(listener.events.socket().is_none() && groups_joined() == 0);
        nft("add table inet between\n").unwrap();
        listener.begin();
        assert!(listener.events.socket().is_some() && groups_joined() == 1);
        listener.take();
        assert!(listener.waiting.is_empty());
        let event = listener.does("add table inet behind\n");
        assert_eq!(event["changes"][0]["add"]["table"]["name"], "behind");
        assert_eq!(listener.lost, 0);
    });
}

/// How many netfilter sockets of this network are in a group (proc(5), `/proc/net/netlink`).
fn groups_joined() -> usize {
    let sockets = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let words = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words[1] == "12" && words[3] != "00000000").count()
}

#[test]
fn a_quota_that_is_used_up_is_told_though_nobody_changed_it() {
    network(|| {
        let script = "add table inet t\nadd chain inet t c { type filter hook output priority 0; }\n\
            add quota inet t q { over 10 bytes }\nadd rule inet t c quota name q\n";
        nft(script).unwrap();
        let mut listener = Listener::new(ROOM);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[0; 100], socket.local_addr().unwrap()).unwrap();
        let event = listener.only();
        assert_eq!(verbs(&event), ["add quota"]);
        assert_eq!(
            (&event["generation"], &event["pid"], &event["comm"]),
            (&json!("undefined"), &json!("undefined"), &json!("undefined"))
        );
        assert_eq!((event["changes"][0]["add"]["quota"]["name"].as_str(), listener.lost), (Some("q"), 0));
        // It is of no transaction, and the next one is whole.
        assert_eq!(verbs(&listener.does("add table ip x\n")), ["add table"]);
        assert_eq!(listener.lost, 0);
    });
}

#[test]
fn what_is_unknown_or_broken_is_shown_as_it_came() {
    network(|| {
        let mut listener = Listener::new(ROOM);
        nft(RULESET).unwrap();
        listener.take();
        let whole = listener.waiting.pop_front().unwrap();
        let write = |transaction: &Transaction| {
            let mut w = Writer::new();
            show::write(transaction, &mut |_, _| None, &mut w);
            parsed(&w)
        };
        let unknown = Change { number: 200, flags: 0, family: 99, body: vec![1, 2, 3] };
        let event = write(&Transaction { maker: None, changes: vec![unknown], more: 3 });
        assert_eq!((&event["changes"][0]["opaque"]["type"], &event["more"]), (&json!(200), &json!(3)));
        for (at, change) in whole.changes.iter().enumerate() {
            for length in 0..change.body.len() {
                let mut broken = whole.clone();
                broken.changes[at].body.truncate(length);
                write(&broken);
            }
            for number in 0..40 {
                let mut broken = whole.clone();
                broken.changes[at].number = number;
                broken.changes[at].family = u8::try_from(number).unwrap();
                write(&broken);
            }
        }
    });
}

fn reset(names: &[&'static str]) -> Vec<Command<'static>> {
    names
        .iter()
        .map(|name| Command::Reset(of_t(), ObjectKind::Counter, Text::Borrowed(name.as_bytes())))
        .collect()
}

fn of_t() -> TableRef {
    TableRef { family: Family::Inet, name: Text::Borrowed(b"t") }
}

const NOW: How = How { confirm: None, generation: None, check: false };

fn apply(firewall: &mut Firewall, commands: Vec<Command<'_>>, how: How) -> Result<Vec<u64>, RequestError> {
    let permit =
        policy::authorize(&policy(), Capabilities::of(ADMIN), ApplyNft::new(commands, true)).unwrap();
    let applied = firewall.apply(permit, how, Instant::now())?;
    let packets = applied.reset.iter().map(|object| match &object.as_ref().unwrap().state {
        ObjectState::Counter(Counter { packets, .. }) => *packets,
        other => panic!("{other:?}"),
    });
    Ok(packets.collect())
}

fn opened() -> Link {
    Link::on(Socket::open(transport::ROOM).unwrap())
}

#[test]
fn a_reset_answers_what_was_and_all_or_nothing_of_it_is_done() {
    network(|| {
        nft("table inet t { counter a { packets 3 bytes 30; }; counter b { packets 5 bytes 50; }; }\n")
            .unwrap();
        let mut firewall = Firewall::over(opened(), opened());
        let missing = apply(&mut firewall, reset(&["a", "no"]), NOW).unwrap_err();
        assert!(
            matches!(&missing, RequestError::Nft(2, libc::ENOENT, text) if text.ends_with(b"no such object"))
        );
        assert_eq!(apply(&mut firewall, reset(&["a", "b"]), NOW).unwrap(), [3, 5]);
        assert_eq!(apply(&mut firewall, reset(&["b", "a"]), NOW).unwrap(), [0, 0]);
        let stale = apply(&mut firewall, reset(&["a"]), How { generation: Some(77), ..NOW });
        assert_eq!(stale.unwrap_err(), RequestError::Stale);
        let tried = apply(&mut firewall, reset(&["a"]), How { check: true, ..NOW }).unwrap_err();
        assert!(matches!(tried, RequestError::BadRequest(_, Why::Excludes("reset"))));
        let denied = policy::authorize(
            &policy(),
            Capabilities::of(ADMIN),
            ApplyNft::new(vec![Command::Flush(Flush::Table(of_t()))], true),
        );
        assert!(denied.is_err());
        let mut mixed = reset(&["a"]);
        mixed.insert(0, Command::Flush(Flush::Table(of_t())));
        let mixed = portcullis::nft::reset::only(&mixed, NOW).unwrap_err();
        assert!(
            matches!(&mixed, RequestError::Nft(2, libc::EINVAL, text) if text.starts_with(b"reset is done at once"))
        );
    });
}
