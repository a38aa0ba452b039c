//! What got somewhere once with the firewall: changes that nobody could take back any more, work without an end, memory. Each is a
//! request that the policy grants.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::network::{CONFIRMED, WHOLE, apply, beside, done, nft, printed, serving, serving_after};
use crate::support::{self, Port, atom, binary, int, list_of, map};
use crate::world::{World, ask};

const HOUR: i64 = 3_600_000;

fn world() -> Option<World> {
    support::fixtures().map(World::strong)
}

fn table(name: &str) -> Value {
    json!([{ "add": { "table": { "family": "inet", "name": name } } }])
}

fn chain(table: &str, name: &str) -> Value {
    json!([{ "add": { "chain": { "family": "inet", "table": table, "name": name } } }])
}

fn confirm(milliseconds: i64) -> Vec<(&'static str, support::Term)> {
    vec![("confirm", int(milliseconds))]
}

fn roll_back(port: &mut Port) -> (String, support::Term) {
    ask(port, 9, "nft_rollback", map(&[("ref", int(1))]))
}

/// The error's name, and where it has one the kernel's.
fn wrong(error: &support::Term) -> Vec<String> {
    let parts = match error {
        support::Term::Tuple(_) => support::elements(error),
        name => vec![name.clone()],
    };
    let name = |term: &support::Term| match term {
        support::Term::Atom(a) => Some(a.name.clone()),
        _ => None,
    };
    parts.iter().filter_map(name).collect()
}

/// The names only: where there are many sets, nft takes long to print them.
fn tables(port: &Port) -> String {
    let mut c = Command::new("nsenter");
    c.args(["-t", &port.pid().to_string(), "--net", "nft", "list", "tables"]);
    String::from_utf8(c.output().unwrap().stdout).unwrap()
}

fn gone(witness: &Port, what: &str) {
    support::eventually(&format!("{what} is gone"), || !printed(witness).contains(what));
}

/// The kernel shows the end of an interval whose time is over and not its beginning, and does not take such an end back.
#[test]
fn an_interval_whose_time_is_over_keeps_no_change_from_being_taken_back() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    nft(
        &port,
        "table inet t {\nset s { type ipv4_addr; flags interval, timeout; elements = { 1.0.0.0/8, 9.0.0.0/8 timeout 1s, 12.0.0.0/8 } }\n}\n",
    );
    // Longer than the second of the element, and than the kernel's own turns.
    std::thread::sleep(Duration::from_millis(1300));
    let before = printed(&port);
    done(&mut port, 1, &chain("t", "x"), &confirm(HOUR));
    let (tag, value) = roll_back(&mut port);
    assert_eq!(tag, "ok", "{value}");
    let plain = |text: &str| text.split("# handle").next().unwrap().to_owned();
    assert_eq!(plain(&printed(&port)), plain(&before));
    assert!(!printed(&port).contains("chain x"));
}

/// It was made, and could not be taken back: the batch that restores its table is longer than what the socket sends.
#[test]
fn a_change_that_could_not_be_taken_back_is_not_made() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    nft(&port, "table inet t {\nchain c { }\n}\n");
    let counters = vec![json!({ "counter": null }); 128];
    let rule = json!({ "rule": { "family": "inet", "table": "t", "chain": "c", "expr": counters } });
    let rules = Value::Array(vec![rule; 4000]);
    for id in 1..=2 {
        done(&mut port, id, &rules, &[]);
    }
    let (tag, value) = apply(&mut port, 3, &chain("t", "x"), true, &confirm(HOUR));
    assert_eq!((tag.as_str(), wrong(&value)), ("error", vec!["nft".into(), "emsgsize".into()]), "{value}");
    assert!(!ask(&mut port, 4, "nft_rollback", map(&[("ref", int(1))])).0.contains("ok"));
    done(&mut port, 5, &json!([{ "delete": { "table": { "family": "inet", "name": "t" } } }]), &[]);
    assert_eq!(printed(&port), "", "no marker is left");
}

/// Each restored what the other had made: a change stayed that two ports had taken back.
#[test]
fn two_ports_do_not_restore_each_others_unconfirmed_changes() {
    let Some(w) = world() else { return };
    let mut first = serving(&w, CONFIRMED);
    let mut second = beside(&w, &first, WHOLE);
    nft(&first, "add table inet t");
    done(&mut first, 1, &chain("t", "unconfirmed"), &confirm(5000));
    let (tag, value) = apply(&mut second, 1, &chain("t", "y"), true, &confirm(1000));
    assert_eq!((tag.as_str(), wrong(&value)), ("error", vec!["nft".into(), "ebusy".into()]), "{value}");
    done(&mut second, 2, &table("u"), &confirm(HOUR));
    gone(&second, "unconfirmed {");
    done(&mut second, 3, &chain("t", "y"), &confirm(HOUR));
    assert!(second.end().success());
    assert!(!printed(&first).contains("chain"));
}

/// In a container each start has the same pid: a marker of the one before was taken for its own, told of by nobody, and stood in the
/// way of every change.
#[test]
fn a_marker_of_an_earlier_process_of_the_same_number_is_in_nobodys_way() {
    let Some(w) = world() else { return };
    let mut port = serving_after(&w, CONFIRMED, "nft add table inet portcullis-unconfirmed-$$-77-1;");
    assert_eq!(printed(&port), "");
    done(&mut port, 1, &table("t"), &confirm(HOUR));
}

/// What stood in the way was gone later, but nobody tried again.
#[test]
fn taking_back_is_tried_again_when_it_fails() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, CONFIRMED);
    let mut other = beside(&w, &port, WHOLE);
    nft(&port, "table inet t {\nchain before { }\n}\n");
    done(&mut port, 1, &chain("t", "x"), &confirm(HOUR));
    let owned = json!({ "table": { "family": "inet", "name": "t", "flags": ["owner"] } });
    done(
        &mut other,
        1,
        &json!([{ "delete": { "table": { "family": "inet", "name": "t" } } }, { "add": owned }]),
        &[],
    );
    let (tag, value) = roll_back(&mut port);
    assert_eq!((tag.as_str(), wrong(&value)), ("error", vec!["nft".into(), "eperm".into()]), "{value}");
    assert!(other.end().success());
    support::eventually("it is taken back", || {
        let now = printed(&port);
        now.contains("chain before") && !now.contains("chain x") && !now.contains("unconfirmed")
    });
}

/// Each index was counted anew: 65,536 of them took hours, in which nothing else was done.
#[test]
fn places_by_index_take_no_square_of_time() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    nft(&port, "table inet t {\nchain c { }\n}\n");
    let rule = |more: Value| {
        let mut rule = json!({ "family": "inet", "table": "t", "chain": "c", "expr": [{ "accept": null }] });
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "insert": { "rule": rule } })
    };
    done(&mut port, 1, &Value::Array(vec![rule(json!({})); 20_000]), &[]);
    let last = Value::Array(vec![rule(json!({ "index": 19_999 })); 1000]);
    let before = support::ticks(port.pid());
    done(&mut port, 2, &last, &[("check", atom("true"))]);
    // Processor time: what others take does not count.
    let used = support::ticks(port.pid()) - before;
    assert!(used < 1000, "{used} ticks");
    let (_, error) = apply(&mut port, 3, &json!([rule(json!({ "index": 20_000 }))]), true, &[]);
    assert!(error.to_string().contains("range"), "{error}");
}

/// The loop was in another request's work when the change was due.
#[test]
fn a_change_takes_itself_back_while_another_request_takes_long() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    let witness = beside(&w, &port, CONFIRMED);
    let sets =
        (0..6000).map(|n| format!("add set inet u s{n} {{ type ipv4_addr; flags interval; auto-merge; }}\n"));
    nft(&port, &format!("add table inet u\n{}", sets.collect::<String>()));
    let addresses: Vec<String> = (0..30).map(|n| format!("10.0.0.{}", n * 2)).collect();
    let element = |n| json!({ "family": "inet", "table": "u", "name": format!("s{n}"), "elem": addresses });
    let all: Vec<Value> = (0..6000).map(|n| json!({ "add": { "element": element(n) } })).collect();
    let text = binary(Value::Array(all).to_string().as_bytes());
    let long = support::request(2, "nft_json", map(&[("text", text), ("check", atom("true"))]), 60_000);
    // Due in the middle of it: on a busy machine half a second is over before it has begun.
    let mut due = [500, 1000, 2000, 4000, 8000].into_iter();
    support::given_time(|| {
        let due = due.next().ok_or("it is never due in the middle")?;
        done(&mut port, 1, &table("t"), &confirm(due));
        port.frame(&long);
        support::eventually("it is taken back", || !tables(&witness).contains("inet t\n"));
        // The answer says that it gave up.
        let (tag, _, error) = port.answer();
        if tag == "ok" {
            return Err(format!("{due} ms were over, or it was through in them"));
        }
        assert_eq!((tag.as_str(), wrong(&error)), ("error", vec!["timeout".to_owned()]));
        Ok(())
    });
}

/// Memory ran out, the program ended, and with it what it had to take back.
#[test]
fn millions_of_intervals_for_a_set_that_merges_are_refused() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    nft(&port, "table inet u {\nset m { type mark; flags interval; auto-merge; }\n}\n");
    done(&mut port, 1, &table("t"), &confirm(HOUR));
    let element = [("family", binary(b"inet")), ("table", binary(b"u")), ("name", binary(b"m"))];
    let element = map(&[&element[..], &[("elem", list_of(vec![int(70_000)]))]].concat());
    let commands = list_of(vec![map(&[("add", map(&[("element", element)]))])]);
    let frame =
        support::request(2, "nft_apply", map(&[("commands", commands), ("check", atom("true"))]), 60_000);
    let one = [108, 0, 0, 0, 1, 98, 0, 1, 17, 112, 106];
    let at = frame.windows(one.len()).position(|w| w == one).unwrap();
    const MANY: u32 = 3_000_000;
    let mut long = frame[..=at].to_vec();
    long.extend(MANY.to_be_bytes());
    (0..MANY).for_each(|n| {
        long.push(98);
        long.extend((n * 2).to_be_bytes());
    });
    long.extend(&frame[at + one.len() - 1..]);
    port.frame(&long);
    let (tag, _, error) = port.answer();
    assert_eq!((tag.as_str(), wrong(&error)[0].as_str()), ("error", "bad_request"), "{error}");
    assert_eq!(roll_back(&mut port).0, "ok");
}

/// Who may add an element to one set could put the whole table back to what it was up to an hour ago, whoever had changed it
/// meanwhile and whatever the policy grants of it.
#[test]
fn taking_back_does_not_reach_what_the_policy_does_not_grant() {
    let Some(w) = world() else { return };
    let policy = "version = 1\n[nft]\nwrite = [{ family = \"inet\", table = \"part\", ops = [\"add_element\"], sets = [\"s\"] }]\n";
    let mut port = serving(&w, policy);
    nft(&port, "table inet part {\nset s { type ipv4_addr; }\nchain c { }\n}\n");
    let element = json!([{ "add": { "element": { "family": "inet", "table": "part", "name": "s", "elem": ["10.0.0.1"] } } }]);
    done(&mut port, 1, &element, &confirm(HOUR));
    nft(&port, "add rule inet part c tcp dport 22 drop comment \"the administrator's\"");
    let (tag, error) = roll_back(&mut port);
    assert_eq!((tag.as_str(), support::integer(&support::elements(&error)[1])), ("error", 0), "{error}");
    let text = support::text(&support::elements(&error)[3]);
    assert!(text.contains("others have changed the table"), "{text}");
    assert!(printed(&port).contains("administrator"), "{}", printed(&port));
    // Without what others did it is taken back: it was never about them.
    nft(&port, "flush chain inet part c");
    assert_eq!(roll_back(&mut port).0, "ok");
    assert!(!printed(&port).contains("10.0.0.1"), "{}", printed(&port));
}

/// What packets and time change is nobody's work that would be undone.
#[test]
fn what_changes_by_itself_keeps_no_part_of_a_table_from_being_taken_back() {
    let Some(w) = world() else { return };
    let policy = "version = 1\n[nft]\nwrite = [{ family = \"inet\", table = \"part\", ops = [\"add_element\"], sets = [\"s\"] }]\n";
    let mut port = serving(&w, policy);
    nft(
        &port,
        "table inet part {\nset s { type ipv4_addr; }\nset t { type ipv4_addr; timeout 300ms; elements = { 10.0.0.9 } }\n\
         set m { type ipv4_addr; flags dynamic, timeout; timeout 1h; }\ncounter n { }\n\
         chain c { type filter hook output priority 0;\ncounter name n\ncounter\nadd @m { ip daddr }\n}\n}\n",
    );
    let element = json!([{ "add": { "element": { "family": "inet", "table": "part", "name": "s", "elem": ["10.0.0.1"] } } }]);
    done(&mut port, 1, &element, &confirm(HOUR));
    let pid = port.pid().to_string();
    let sends = Command::new("nsenter")
        .args(["-t", &pid, "--net", "bash", "-c", "echo x > /dev/udp/127.0.0.1/9"])
        .status();
    assert!(sends.unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(printed(&port).contains("127.0.0.1"), "a packet has brought an element: {}", printed(&port));
    assert_eq!(roll_back(&mut port).0, "ok");
    assert!(!printed(&port).contains("10.0.0.1"), "{}", printed(&port));
}

/// A change is recorded by its first sixteen parts, and it is said that there are more.
#[test]
fn a_record_says_of_all_that_a_change_did() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    port.request(7, "subscribe", map(&[("topic", atom("audit"))]));
    let mut commands: Vec<Value> = table("t").as_array().unwrap().clone();
    commands.extend((0..16).flat_map(|n| chain("t", &format!("c{n}")).as_array().unwrap().clone()));
    commands.extend(chain("t", "harmful").as_array().unwrap().clone());
    port.request(1, "nft_json", map(&[("text", binary(Value::Array(commands).to_string().as_bytes()))]));
    let mut said = String::new();
    loop {
        let parts = support::elements(&port.receive().unwrap());
        if support::name(&parts[0]) != "event" {
            break;
        }
        said += &support::text(support::Map::of(&parts[3]).get("target"));
    }
    assert!(said.contains("harmful") || said.contains("more"), "{said}");
}

/// Whom a ban keeps out is in its record.
#[test]
fn a_record_of_a_ban_says_who() {
    let Some(w) = world() else { return };
    let mut port = serving(&w, WHOLE);
    port.request(7, "subscribe", map(&[("topic", atom("audit"))]));
    let address = support::tuple_of([192, 0, 2, 1].map(int).to_vec());
    port.request(1, "ban", map(&[("address", address)]));
    let mut said = String::new();
    loop {
        let parts = support::elements(&port.receive().unwrap());
        if support::name(&parts[0]) != "event" {
            break;
        }
        said += &support::text(support::Map::of(&parts[3]).get("target"));
    }
    assert!(said.contains("192.0.2.1"), "{said}");
}
