//! Verbs as peers send them, and that what they answer is what becomes of messages.
#![forbid(unsafe_code)]

mod agreement;

use super::*;
use crate::dist::command::Command;
use crate::dist::filter::runtime::{Change, Refused};
use crate::dist::testing::request;
use crate::wire::write::Writer;

const OPS: &str = "ops@h";
const APP: &str = "app@h";

pub(super) fn policy(control: &[&str]) -> Policy {
    let mut policy = Policy {
        allow: [OPS, APP, "new@h"].map(str::to_owned).into(),
        control: control.iter().map(|name| (*name).to_owned()).collect(),
        ..Policy::default()
    };
    policy.default.inward.default = Some(crate::dist::filter::table::Rule { accept: true, line: 1 });
    policy
}

/// The answer as text: words, tuples and numbers; of binaries that there is one.
pub(super) fn answer(control: &mut Control, policy: &Policy, asker: &str, words: &str) -> String {
    let mut w = Writer::new();
    control.answer(policy, &asker.into(), &request(words).bytes(), false, &mut w);
    let mut cursor = crate::dist::etf::read::Cursor::new(w.bytes());
    let text = shown(&mut cursor);
    assert!(cursor.rest().is_empty());
    text
}

fn shown(c: &mut crate::dist::etf::read::Cursor<'_>) -> String {
    use crate::dist::etf::read::Head;
    match c.head().unwrap() {
        Head::Atom(text) => text.to_owned(),
        Head::Integer(n) => n.to_string(),
        Head::Binary(bytes) => {
            assert!(bytes.len() > 10, "no text for a person");
            "Text".to_owned()
        }
        Head::Nil => String::new(),
        Head::Tuple(n) => format!("{{{}}}", (0..n).map(|_| shown(c)).collect::<Vec<_>>().join(",")),
        Head::List(n) => {
            let rows = (0..n).map(|_| shown(c)).collect::<Vec<_>>().join(",");
            assert_eq!(shown(c), "");
            format!("[{rows}]")
        }
        Head::Map(n) => {
            let pair = |c: &mut _| format!("{}=>{}", shown(c), shown(c));
            format!("#{{{}}}", (0..n).map(|_| pair(c)).collect::<Vec<_>>().join(","))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_tightens_and_reads_its_own_and_a_node_of_control_everybodys() {
    let (policy, mut control) = (policy(&[OPS]), Control::new(false, |_| {}));
    let mut said = |asker: &str, words: &str| answer(&mut control, &policy, asker, words);
    // The three lines of the RFC.
    assert_eq!(said(APP, "test_filter app@h in reg_send my_secret_process"), "{ok,accept}");
    assert_eq!(said(APP, "add_filter app@h in reg_send my_secret_process deny"), "{ok,accept}");
    assert_eq!(said(APP, "test_filter app@h in reg_send my_secret_process"), "{ok,{deny,runtime}}");
    for words in [
        "test_filter ops@h in reg_send x",
        "set_filter ops@h in link deny",
        "set_default_filter in _ _ deny",
        "statistics ops@h",
        "statistics _",
        "filters ops@h",
        "filters _",
        "counters ops@h",
        // Nor does it learn who is allowed.
        "counters stranger@h",
        "set_handler app@h reg_send rex",
    ] {
        assert_eq!(said(APP, words), "{error,{not_permitted,Text}}", "{words}");
    }
    assert_eq!(said(OPS, "test_filter ops@h in link _"), "{ok,accept}");
    assert_eq!(said(OPS, "set_filter app@h in link deny"), "{ok,accept}");
    assert_eq!(said(OPS, "set_filter app@h in link deny"), "{ok,deny}");
    assert_eq!(said(OPS, "set_filter app@h in link accept"), "{error,{loosens,Text}}");
    assert_eq!(said(APP, "test_filter app@h in link _"), "{ok,{deny,runtime}}");
    assert_eq!(said(OPS, "counters stranger@h"), "{error,{unknown_node,Text}}");
    assert_eq!(said(OPS, "set_handler app@h reg_send guard"), "{error,{no_protected_node,Text}}");
    assert_eq!(said(OPS, "set_handler stranger@h reg_send guard"), "{error,{unknown_node,Text}}");
    assert_eq!(said(OPS, "nonsense"), "{error,{bad_request,Text}}");
    assert!(said(APP, "statistics app@h").starts_with("{ok,[{alias_send,[{accept,0},{deny,0}]},{demonitor,"));
    assert!(said(OPS, "counters app@h").starts_with("{ok,#{in=>#{statistics=>[{alias_send,"));
}

/// `set_default_filter(spawn_request, {my_dist_auth_module, authenticate, 1}, accept)` and then everything else denied: also for who comes later.
#[test]
fn filters_for_all_hold_for_who_was_never_there() {
    let (policy, mut control) = (policy(&[OPS]), Control::new(false, |_| {}));
    let mut said = |asker: &str, words: &str| answer(&mut control, &policy, asker, words);
    let login = "spawn_request my_dist_auth_module:authenticate/1";
    assert_eq!(said(APP, "set_filter app@h in exit2 deny"), "{ok,accept}");
    assert_eq!(said(OPS, &format!("set_default_filter in {login} accept")), "{ok,accept}");
    assert_eq!(said(OPS, "set_default_filter in _ _ deny"), "{ok,accept}");
    assert_eq!(said(OPS, &format!("set_default_filter in {login} accept")), "{ok,accept}");
    assert_eq!(said(OPS, "set_default_filter in _ _ accept"), "{error,{loosens,Text}}");
    for node in [APP, "new@h"] {
        assert_eq!(said(node, &format!("test_filter {node} in {login}")), "{ok,accept}");
        assert_eq!(said(node, &format!("test_filter {node} in reg_send rex")), "{ok,{deny,runtime}}");
        assert_eq!(said(node, &format!("test_filter {node} out reg_send rex")), "{ok,accept}");
        // A node cannot take itself out of them.
        let _ = said(node, &format!("set_filter {node} in reg_send accept"));
        assert_eq!(said(node, &format!("test_filter {node} in reg_send rex")), "{ok,{deny,runtime}}");
    }
}

/// Behind a gateway there is somebody who can be a handler; who it is, no peer says for itself.
#[test]
fn handlers_are_named_where_there_is_a_protected_node() {
    let (policy, mut control) = (policy(&[OPS]), Control::new(true, |_| {}));
    let mut said = |asker: &str, words: &str| answer(&mut control, &policy, asker, words);
    assert_eq!(said(OPS, "set_handler app@h spawn_request my_spawn_request_handler"), "{ok,undefined}");
    assert_eq!(said(OPS, "set_handler app@h spawn_request other"), "{ok,my_spawn_request_handler}");
    assert_eq!(said(OPS, "set_handler app@h link other"), "{error,{no_handler,Text}}");
    assert_eq!(said(APP, "set_handler app@h spawn_request undefined"), "{error,{not_permitted,Text}}");
    assert_eq!(said(APP, "test_filter app@h in spawn_request m:f/0"), "{ok,{handler,other}}");
    assert_eq!(said(APP, "test_filter app@h out spawn_request m:f/0"), "{ok,accept}");
    assert_eq!(said(OPS, "set_filter app@h in spawn_request deny"), "{ok,accept}");
    assert_eq!(said(APP, "test_filter app@h in spawn_request m:f/0"), "{ok,{deny,runtime}}");
    assert_eq!(said(OPS, "set_handler app@h spawn_request undefined"), "{ok,other}");
}

/// A peer that changes something for itself over and over fills no log; a node that may for all is told of each time.
#[test]
fn what_a_peer_changes_for_itself_takes_few_lines() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static LINES: AtomicUsize = AtomicUsize::new(0);
    let report = |line: &str| {
        LINES.fetch_add(usize::from(line.contains("set_filter of app@h, in, link: deny")), Ordering::Relaxed);
    };
    let (policy, mut control) = (policy(&[OPS]), Control::new(false, report));
    let mut lines = |asker| {
        let before = LINES.load(Ordering::Relaxed);
        for _ in 0..NODE_CHANGES_PER_S {
            answer(&mut control, &policy, asker, "set_filter app@h in link deny");
        }
        LINES.load(Ordering::Relaxed) - before
    };
    let (own, controls) = (lines(APP), lines(OPS));
    assert!((1..=8).contains(&own), "{own} lines of a peer");
    assert_eq!(u64::try_from(controls), Ok(NODE_CHANGES_PER_S));
}

#[test]
fn changes_are_so_many_a_second_and_what_they_hold_is_bounded() {
    let (policy, mut control) = (policy(&[OPS]), Control::new(false, |_| {}));
    let change = "set_filter app@h in link deny";
    let all: Vec<_> =
        (0..3 * NODE_CHANGES_PER_S).map(|_| answer(&mut control, &policy, APP, change)).collect();
    let refused = all.iter().filter(|said| *said == "{error,{overloaded,Text}}").count();
    assert!(refused > 0, "{all:?}");
    assert!(all.iter().filter(|said| *said == "{ok,deny}").count() > 10);
    // Another is not kept waiting by it.
    assert_eq!(answer(&mut control, &policy, OPS, "set_filter new@h in link deny"), "{ok,accept}");
    let mut runtime = Runtime::default();
    let long = |n: usize| crate::dist::filter::table::Subject::Name(format!("{n}{}", "x".repeat(250)));
    let added = (0..2000)
        .filter(|n| runtime.change(Direction::In, &Change::Add(Command::RegSend, long(*n), false)).is_ok());
    let added = added.count();
    assert!((200..300).contains(&added), "{added}");
    assert_eq!(
        runtime.change(Direction::In, &Change::Add(Command::RegSend, long(9999), false)),
        Err(Refused::TooMany)
    );
}

/// Names are kept though their nodes are gone, and no more of them than the file has, with some that it had.
#[test]
fn there_are_as_many_records_as_names_that_may_come() {
    let (mut policy, mut control) = (policy(&[OPS]), Control::new(false, |_| {}));
    let _ = answer(&mut control, &policy, OPS, "set_filter app@h in link deny");
    for n in 0..1000 {
        let name = format!("n{n}@h");
        policy.allow.insert(name.clone());
        let _ = control.ledger(&policy, &name.as_str().into());
        policy.allow.remove(&name);
    }
    assert!(
        control.records.len() <= policy.allow.len() + 1 + NODE_RECORDS_SPARE,
        "{}",
        control.records.len()
    );
    assert_eq!(answer(&mut control, &policy, OPS, "test_filter app@h in link _"), "{ok,{deny,runtime}}");
}
