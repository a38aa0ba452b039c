//! A copy that serves a node: what the policy says of the node narrows it, and it says by which line.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

mod support;

use support::{Term, atom, fixtures, map, tuple};

const POLICY: &str = "version = 1
[proc]
level = \"basic\"
[peers]
default = \"deny\"
[peer.\"a@h\"]
operations = [\"query\", \"process\"]
tables = [\"load\"]
[peer_group.slow]
nodes = [\"b@h\"]
level = \"public\"
requests_per_s = 3
";

/// The rule by which a request is denied; nothing if it is not.
fn denied(port: &mut support::Port, id: u32, op: &str, args: Term) -> Option<String> {
    port.request(id, op, args);
    let (tag, _, value) = port.answer();
    (tag == "error").then(|| {
        let [word, rule, hint] = tuple(&value);
        assert_eq!(support::name(word), "denied_by_policy");
        assert!(support::text(hint).contains("/etc/portcullis/policy.toml"));
        support::text(rule)
    })
}

fn capabilities(hello: &support::Map) -> Vec<String> {
    support::names(hello.get("capabilities"))
}

#[test]
fn a_copy_for_a_node_does_what_the_policy_leaves_it() {
    let Some(f) = fixtures() else { return };
    let policy = f.policy(POLICY);
    let start = |peer: &str| f.port_with("ok", &["--policy", &policy], &["--peer", peer]);
    let rule = |rule: &str| Some(rule.to_owned());
    let mut a = start("a@h");
    assert_eq!(capabilities(&a.hello()), ["sys_ptrace"]);
    assert_eq!(denied(&mut a, 1, "processes", map(&[])), rule("peer.operations"));
    assert_eq!(denied(&mut a, 2, "info", map(&[])), rule("peer.operations"));
    assert_eq!(denied(&mut a, 3, "query", map(&[("table", atom("sockets"))])), rule("peer.tables"));
    a.request(4, "query", map(&[("table", atom("load"))]));
    let rows = format!("{}", a.receive().unwrap());
    assert!(!rows.contains("error"), "{rows}");
    // What a level does not need, it does not hold.
    let mut b = start("b@h");
    assert_eq!(capabilities(&b.hello()), Vec::<String>::new());
    let said: Vec<_> = (1..8).map(|id| denied(&mut b, id, "info", map(&[]))).collect();
    assert_eq!(said[..3], [None, None, None]);
    assert!(said.contains(&rule("limits.requests_per_s")), "{said:?}");
    let mut other = start("c@h");
    assert_eq!(capabilities(&other.hello()), Vec::<String>::new());
    for (id, op) in [(1, "info"), (2, "tables"), (3, "processes")] {
        assert_eq!(denied(&mut other, id, op, map(&[])), rule("peers.default"));
    }
}

/// The name comes from a node that reads the network: what is no name is no argument.
#[test]
fn what_is_no_name_of_a_node_is_refused() {
    let Some(f) = fixtures() else { return };
    for peer in ["", "a", "--peer", "a@h\n", "a@h b@h"] {
        let (refused, _) = f.port_with("ok", &[], &["--peer", peer]).refused();
        assert_eq!(support::name(refused.get("reason")), "bad_arguments", "{peer:?}");
    }
}

#[test]
fn explain_answers_for_a_node() {
    let Some(f) = fixtures() else { return };
    let policy = f.policy(POLICY);
    let explain = |words: &[&str]| {
        let program = f.program("ok").into_os_string().into_string().unwrap();
        let words = [&[program.as_str(), "policy", "explain"], words].concat();
        let output = f.command(&["--policy", &policy], &words).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, said) = explain(&["--peer", "a@h", "query", "load"]);
    assert_eq!(status, 0, "{said}");
    let (status, said) = explain(&["--peer", "a@h", "query", "sockets"]);
    assert!(status == 1 && said.contains("denied by peer.tables") && said.contains("line 8"), "{said}");
    let (status, said) = explain(&["--peer", "b@h", "process", "exe"]);
    assert!(status == 1 && said.contains("denied by peer.level") && said.contains("line 11"), "{said}");
    let (status, said) = explain(&["--peer", "c@h", "process", "pid"]);
    assert!(status == 1 && said.contains("denied by peers.default") && said.contains("line 5"), "{said}");
    let (status, _) = explain(&["process", "exe"]);
    assert_eq!(status, 0);
}
