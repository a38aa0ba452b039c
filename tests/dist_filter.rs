//! The examples of the RFC "Erlang Dist Security Filtering Prototype", expressed in the file of a node and asked one by one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use portcullis::dist::config::{Config, parse};
use portcullis::dist::filter::Verdict;
use portcullis::dist::filter::policy::Level;
use portcullis::dist::filter::runtime::{Change, Refused, Runtime};
use portcullis::dist::filter::table::{Key, Subject};
use portcullis::dist::question::{Answer, Question, ask, words};
use portcullis::dist::reason::Reason;

use portcullis::dist::command::{Command, Direction};

const HEAD: &str = "version = 1
[node]
name = \"a@127.0.0.1\"
cookie_file = \"/etc/portcullis/node.cookie\"
listen = [\"127.0.0.1:9100\"]
[allow]
nodes = [\"b@127.0.0.1\", \"bar@127.0.0.1\", \"foo@127.0.0.1\", \"z@127.0.0.1\"]
";

fn config(rules: &str) -> Config {
    parse(format!("{HEAD}{rules}").as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn answer<'p>(config: &'p Config, node: &str, direction: &str, message: &str) -> Answer<'p> {
    let (command, target) = message.split_once(' ').map_or((message, None), |(c, t)| (c, Some(t)));
    ask(&config.policy, &Question::parse(node, direction, command, target).unwrap())
}

/// `accept`, or the reason.
fn verdict(config: &Config, node: &str, message: &str) -> &'static str {
    match answer(config, node, "in", message).verdict {
        Verdict::Accept => "accept",
        Verdict::Handler(_) => "handler",
        Verdict::Deny(reason) => reason.name(),
    }
}

const EVERY: &[&str] = &[
    "alias_send",
    "demonitor",
    "exit",
    "exit2",
    "group_leader",
    "link",
    "monitor",
    "monitor_exit",
    "reg_send anything",
    "send",
    "spawn_reply",
    "spawn_request erlang:halt/1",
    "unlink",
    "unlink_ack",
];

/// "Node B fully trusts Node A. All control commands sent from Node A to Node B will be accepted. Node A partially trusts Node B, but will only
/// accept control commands sent to a registered process node_b_gateway. All other control commands will be rejected."
#[test]
fn a_node_that_is_trusted_and_one_that_speaks_to_a_gateway() {
    let trusting = config("[peer.\"b@127.0.0.1\".in]\ndefault = \"accept\"\n");
    for message in EVERY {
        assert_eq!(verdict(&trusting, "b@127.0.0.1", message), "accept", "{message}");
    }
    let partial = config(
        "[peer.\"b@127.0.0.1\".in]\ndefault = \"deny\"\nreg_send = { default = \"deny\", accept = [\"node_b_gateway\"] }\n",
    );
    for message in EVERY {
        let expected = if message.starts_with("reg_send") { "rule" } else { "default" };
        assert_eq!(verdict(&partial, "b@127.0.0.1", message), expected, "{message}");
    }
    assert_eq!(verdict(&partial, "b@127.0.0.1", "reg_send node_b_gateway"), "accept");
    // It trusts nobody else for it, and what it sends itself passes.
    assert_eq!(verdict(&partial, "z@127.0.0.1", "reg_send node_b_gateway"), "default");
    for message in EVERY {
        assert_eq!(answer(&partial, "b@127.0.0.1", "out", message).verdict, Verdict::Accept, "{message}");
    }
}

/// Coarse filters: each of the seven commands of the RFC, and each of the others.
#[test]
fn coarse_filters_by_command() {
    for command in Command::ALL {
        let rules = format!("[default.in]\ndefault = \"accept\"\n{} = \"deny\"\n", command.name());
        let config = config(&rules);
        for message in EVERY {
            let named = message.split(' ').next() == Some(command.name());
            assert_eq!(
                verdict(&config, "b@127.0.0.1", message),
                if named { "rule" } else { "accept" },
                "{rules}"
            );
        }
    }
}

/// Fine filters for reg_send and spawn_request.
#[test]
fn fine_filters_by_name_and_by_function() {
    let config = config(
        "[peer.\"b@127.0.0.1\".in]
reg_send = { default = \"accept\", accept = [\"my_public_process\"], deny = [\"my_secret_process\"] }
spawn_request = { default = \"deny\", accept = [\"my_mod:my_fun/0\", \"your_mod:_/_\"], deny = [\"my_mod:my_fun/1\", \"your_mod:g/_\"] }
",
    );
    for (message, expected) in [
        ("reg_send my_secret_process", "rule"),
        ("reg_send my_public_process", "accept"),
        ("reg_send another", "accept"),
        ("reg_send my_secret_processes", "accept"),
        ("spawn_request my_mod:my_fun/0", "accept"),
        ("spawn_request my_mod:my_fun/1", "rule"),
        ("spawn_request my_mod:my_fun/2", "rule"),
        ("spawn_request your_mod:f/7", "accept"),
        ("spawn_request your_mod:g/7", "rule"),
        ("monitor my_secret_process", "default"),
    ] {
        assert_eq!(verdict(&config, "b@127.0.0.1", message), expected, "{message}");
    }
    let by = answer(&config, "b@127.0.0.1", "in", "spawn_request your_mod:g/7").by.unwrap();
    assert_eq!((by.level, by.key, by.line), (Level::Node, Some(Key::Pattern), 10));
}

/// `test_filter` answers accept, `add_filter` with reject answers what held before, `test_filter` answers reject; `del_filter` would give back what was
/// taken away, and that is root's to do.
#[test]
fn filters_that_are_added_at_run_time_take_away() {
    let name = Subject::Name("my_secret_process".into());
    let mut runtime = Runtime::default();
    let secret = |runtime: &Runtime| {
        let aim = portcullis::dist::filter::table::Aim::Name("my_secret_process");
        runtime.accepts(Direction::In, Command::RegSend, Some(aim))
    };
    assert!(secret(&runtime));
    let add = Change::Add(Command::RegSend, name.clone(), false);
    assert_eq!(runtime.change(Direction::In, &add), Ok(true));
    assert!(!secret(&runtime));
    assert_eq!(runtime.change(Direction::In, &add), Ok(false));
    let back =
        [Change::Delete(Command::RegSend, name.clone()), Change::Add(Command::RegSend, name.clone(), true)];
    for change in back {
        assert_eq!(runtime.change(Direction::In, &change), Err(Refused::Loosens));
    }
    assert!(!secret(&runtime));
    // A filter that has no effect any more may go.
    assert_eq!(runtime.change(Direction::In, &Change::Command(Command::RegSend, false)), Ok(true));
    assert_eq!(runtime.change(Direction::In, &Change::Delete(Command::RegSend, name.clone())), Ok(false));
    assert_eq!(runtime.change(Direction::In, &Change::Default(true)), Ok(true));
    assert_eq!(
        runtime.change(Direction::In, &Change::Add(Command::Link, name, false)),
        Err(Refused::NoSuchSubject)
    );
}

/// `set_handler(Node, spawn_request, my_spawn_request_handler)`, and the four further types.
#[test]
fn handlers_for_what_is_accepted() {
    let config = config(
        "[default.in]
default = \"accept\"
spawn_request = { default = \"accept\", handler = \"my_spawn_request_handler\" }
reg_send = { default = \"accept\", deny = [\"never\"], handler = \"my_dist_handler\" }
group_leader = { default = \"accept\", handler = \"my_dist_handler\" }
send = { default = \"accept\", handler = \"my_dist_handler\" }
alias_send = { default = \"accept\", handler = \"my_dist_handler\" }
",
    );
    let spawned = answer(&config, "b@127.0.0.1", "in", "spawn_request m:f/0").verdict;
    assert_eq!(spawned, Verdict::Handler("my_spawn_request_handler"));
    for message in ["reg_send x", "group_leader", "send", "alias_send"] {
        let handled = answer(&config, "b@127.0.0.1", "in", message).verdict;
        assert_eq!(handled, Verdict::Handler("my_dist_handler"), "{message}");
    }
    assert_eq!(verdict(&config, "b@127.0.0.1", "reg_send never"), "rule");
    assert_eq!(verdict(&config, "b@127.0.0.1", "link"), "accept");
}

/// Defaults that nodes override: `set_default_filter('_', '_', drop)`, `set_default_filter(spawn_request, {my_dist_auth_module, authenticate, 1}, accept)`, and nodes that
/// trust each other. They hold before a node connects, as the file is read before.
#[test]
fn defaults_that_a_group_overrides() {
    let config = config(
        "[default.in]
default = \"deny\"
spawn_request = { accept = [\"my_dist_auth_module:authenticate/1\"] }
[group.cluster]
nodes = [\"b@127.0.0.1\", \"bar@127.0.0.1\"]
[group.cluster.in]
default = \"accept\"
[peer.\"bar@127.0.0.1\".in]
exit2 = \"deny\"
",
    );
    let login = "spawn_request my_dist_auth_module:authenticate/1";
    for (node, message, expected) in [
        ("b@127.0.0.1", "spawn_request erlang:halt/0", "accept"),
        ("b@127.0.0.1", "exit2", "accept"),
        ("bar@127.0.0.1", "link", "accept"),
        ("bar@127.0.0.1", "exit2", "rule"),
        ("z@127.0.0.1", login, "accept"),
        ("z@127.0.0.1", "spawn_request my_dist_auth_module:authenticate/2", "default"),
        ("z@127.0.0.1", "reg_send rex", "default"),
        ("stranger@127.0.0.1", login, "not_allowed"),
        ("stranger@127.0.0.1", "link", "not_allowed"),
    ] {
        assert_eq!(verdict(&config, node, message), expected, "{node} {message}");
    }
    let by = answer(&config, "b@127.0.0.1", "in", "link").by.unwrap();
    assert_eq!(by.level, Level::Group("cluster"));
}

/// "After a period of time, the temporary higher access could fallback to the lower default as a safety net."
#[test]
fn a_broken_glass_opens_what_its_rules_say() {
    let config = config(
        "[default.in]\ndefault = \"deny\"\n[break_glass]\nmax_s = 900\n[break_glass.in]\nspawn_request = { accept = [\"rescue:_/_\"] }\n",
    );
    let question = |message: &str, glass| {
        let (command, target) = message.split_once(' ').map_or((message, None), |(c, t)| (c, Some(t)));
        let question = Question::parse("z@127.0.0.1", "in", command, target).unwrap();
        ask(&config.policy, &Question { glass, ..question }).verdict
    };
    assert_eq!(question("spawn_request rescue:me/0", false), Verdict::Deny(Reason::Default));
    assert_eq!(question("spawn_request rescue:me/0", true), Verdict::Accept);
    assert_eq!(question("spawn_request erlang:halt/0", true), Verdict::Deny(Reason::Default));
}

/// An empty list denies all, names are exact, and what is left out is out.
#[test]
fn an_allow_list_is_a_list_of_who_may_come() {
    let open = "[default.in]\ndefault = \"accept\"\n";
    let of = |nodes: &str| {
        let head = HEAD.split("[allow]").next().unwrap();
        parse(format!("{head}[allow]\nnodes = {nodes}\n{open}").as_bytes()).unwrap()
    };
    for message in EVERY {
        assert_eq!(verdict(&of("[]"), "b@127.0.0.1", message), "not_allowed");
        assert_eq!(verdict(&of("[\"z@127.0.0.1\"]"), "b@127.0.0.1", message), "not_allowed");
        assert_eq!(verdict(&of("[\"b@127.0.0.1\"]"), "b@127.0.0.1", message), "accept");
    }
}

/// The words of an answer name the line that decided.
#[test]
fn an_answer_shows_the_line() {
    let rules = "[default.in]\nreg_send = { accept = [\"x\"] }\n";
    let config = config(rules);
    let text = format!("{HEAD}{rules}");
    let said = |message| words(&answer(&config, "b@127.0.0.1", "in", message), "/f", &text);
    assert_eq!(
        said("reg_send x"),
        "accept\n  by the rules for all nodes, the one about this target: line 9 of /f\n    reg_send = { accept = [\"x\"] }\n"
    );
    assert_eq!(said("reg_send y"), "deny: default\n  no rule of /f speaks about it\n");
    let stranger = words(&answer(&config, "s@127.0.0.1", "in", "link"), "/f", &text);
    assert_eq!(stranger, "deny: not_allowed\n  the node is not in allow.nodes of /f\n");
}
