//! Texts that are files of a node, and texts that are none, with the places of their mistakes.
#![forbid(unsafe_code)]

use super::*;
use crate::dist::command::{Command, Direction};
use crate::dist::filter::table::Rule;

const HEAD: &str =
    "version = 1\n[node]\nname = \"b@h\"\ncookie_file = \"/c\"\nlisten = [\"127.0.0.1:9100\"]\n";

fn ok(text: &str) -> Config {
    parse(text.as_bytes()).unwrap_or_else(|m| panic!("{text}\n{m:?}"))
}

/// The first mistake as `line:column message`, of a text behind a head of five lines.
fn wrong(text: &str) -> String {
    let text = format!("{HEAD}{text}");
    let mistakes = parse(text.as_bytes()).expect_err(&text);
    let Mistake { line, column, message } = &mistakes[0];
    format!("{line}:{column} {message}")
}

#[test]
fn a_file_that_allows_nobody_allows_nobody() {
    let config = ok(HEAD);
    assert_eq!(config.policy, Policy::default());
    assert!(!config.policy.view("a@h").allowed);
    assert_eq!((config.epmd, config.tls, config.connections), (Epmd::Off, None, Connections::default()));
    assert_eq!(ok(&format!("{HEAD}[allow]\nnodes = []")).policy, Policy::default());
}

#[test]
fn every_key_is_read() {
    let config = ok(r#"version = 1
[node]
name = "b@h"
cookie_file = "/etc/portcullis/node.cookie"
listen = ["127.0.0.1:9100", "[::1]:9100"]
epmd = true
[programs]
proc = "/usr/local/libexec/portcullis/portcullis-proc"
[tls]
certificate = "/c.pem"
key = "/k.pem"
authorities = "/a.pem"
[allow]
nodes = ["a@h", "c@h"]
[connections]
handshake_ms = 7000
half_open = 10
half_open_per_address = 2
failures_per_minute = 3
nodes = 4
[limits]
message_bytes = 2048
depth = 8
terms = 100
integer_bytes = 16
identifiers = 9
message_atoms = 0
atoms = 5
learned = 64
learned_idle_s = 60
[default.in]
default = "deny"
[default.out]
link = "deny"
ping = "accept"
[group.app]
nodes = ["a@h"]
[group.app.in]
system = "deny"
reg_send = { default = "deny", accept = ["gateway"], handler = "guard" }
spawn_request = { accept = ["m:f/0"], deny = ["m:f/_", "m:_/_"] }
[peer."c@h".in]
monitor = { default = "accept", deny = ["secret"] }
[break_glass]
max_s = 900
code_file = "/etc/portcullis/node.code"
code_digits = 8
in = { default = "accept" }
[control]
nodes = ["c@h"]
"#);
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.epmd, Epmd::At("127.0.0.1:4369".parse().unwrap()));
    assert_eq!(config.tls.unwrap().key, "/k.pem");
    let proc = Some("/usr/local/libexec/portcullis/portcullis-proc".to_owned());
    assert_eq!(config.programs, Programs { proc, net: None });
    assert_eq!((config.connections.handshake_ms, config.connections.nodes), (7000, 4));
    let limits = &config.policy.limits;
    assert_eq!((limits.message_bytes, limits.depth, limits.terms, limits.integer_bytes), (2048, 8, 100, 16));
    assert_eq!((limits.identifiers, limits.message_atoms, limits.atoms), (9, 0, 5));
    assert_eq!((limits.learned, limits.learned_idle_s), (64, 60));
    assert_eq!(config.policy.default.inward.default, Some(Rule { accept: false, line: 32 }));
    assert_eq!(
        config.policy.default.outward.about(Command::Link).unwrap().coarse,
        Some(Rule { accept: false, line: 34 })
    );
    assert_eq!(config.policy.default.outward.ping, Some(Rule { accept: true, line: 35 }));
    let group = &config.policy.groups[0];
    assert_eq!(group.tables.inward.system.map(|rule| rule.accept), Some(false));
    let names = group.tables.of(Direction::In).about(Command::RegSend).unwrap();
    assert_eq!((names.handler.as_deref(), names.fine.len()), (Some("guard"), 1));
    assert_eq!(group.tables.inward.about(Command::SpawnRequest).unwrap().fine.len(), 3);
    assert_eq!(config.policy.nodes["c@h"].inward.about(Command::Monitor).unwrap().fine.len(), 1);
    assert_eq!(config.policy.control, ["c@h".to_owned()].into());
    assert_eq!(config.policy.break_glass_s, 900);
    assert_eq!(config.policy.code, Some(("/etc/portcullis/node.code".to_owned(), 8)));
    assert!(config.policy.break_glass.inward.default.unwrap().accept);
}

fn names(count: usize) -> String {
    (0..count).map(|n| format!("\"n{n}@h\"")).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_all_names_may_bring_of_atoms_has_a_bound() {
    let atoms = |count, more: &str| {
        ok(&format!("{HEAD}[allow]\nnodes = [{}]\n{more}", names(count))).policy.limits.atoms
    };
    assert_eq!((atoms(1, ""), atoms(838, ""), atoms(839, "")), (10_000, 10_000, 9998));
    assert_eq!(atoms(8, "[limits]\natoms = 1048576"), 1 << 20);
}

/// A node of OTP has room for 1,048,576 atoms, and ends where there is none for one more.
#[test]
fn what_all_names_of_a_gateway_may_bring_leaves_room_in_its_node() {
    let atoms = |count, more: &str| {
        let text = format!("{GATEWAY}at = \"127.0.0.1:9101\"\n[allow]\nnodes = [{}]\n{more}", names(count));
        ok(&text).policy.limits.atoms
    };
    assert_eq!((atoms(1, ""), atoms(78, ""), atoms(79, "")), (10_000, 10_000, 9954));
    assert_eq!((atoms(104, ""), atoms(255, "")), (7561, 3084));
    assert_eq!(atoms(104, "[limits]\natoms = 10000"), 10_000, "a node can have been given more (`+t`)");
}

#[test]
fn what_is_remembered_of_all_nodes_together_has_a_bound() {
    let learned = |text: &str| ok(&format!("{HEAD}{text}")).policy.limits.learned;
    assert_eq!(learned(""), 16_384);
    assert_eq!(learned("[connections]\nnodes = 1"), 16_384, "a usual one needs no more");
    assert_eq!(learned("[connections]\nnodes = 256"), 4096, "and where there are many each has less");
    assert_eq!(learned("[connections]\nnodes = 256\n[limits]\nlearned = 4096"), 4096);
    assert_eq!(learned("[limits]\nlearned = 1048576\n[connections]\nnodes = 1"), 1 << 20);
    assert_eq!(learned("[limits]\nlearned = 64\n[connections]\nnodes = 256"), 64);
}

#[test]
fn mistakes_have_a_place_and_say_what_would_be_right() {
    let group = "[allow]\nnodes = [\"a@h\"]\n[group.g]\nnodes = [\"a@h\"]\n";
    for (text, expected) in [
        ("[alow]", "6:2 the file has no key \"alow\"; did you mean allow?"),
        ("[allow]\nnode = []", "7:1 allow has no key \"node\"; did you mean nodes?"),
        ("[allow]\nnodes = [\"*@h\"]", "7:10 allow.nodes: \"*@h\" is not the name of a node"),
        ("[allow]\nnodes = [\"a@h\", \"a@h\"]", "7:17 allow.nodes has \"a@h\" twice"),
        ("[allow]\nnodes = \"a@h\"", "7:9 allow.nodes must be a list of texts in brackets"),
        ("[allow]\nnodes = [\"b@h\"]", "2:1 allow.nodes has the node itself"),
        (
            "[default.in]\nreg_sned = \"deny\"",
            "7:1 default.in has no key \"reg_sned\"; did you mean reg_send?",
        ),
        (
            "[default.in]\nreg_send = \"reject\"",
            "7:12 default.in.reg_send cannot be \"reject\"; did you mean deny?",
        ),
        ("[default.in]\nreg_send = {}", "7:12 default.in.reg_send has no rule: default, accept or deny"),
        (
            "[default.in]\nreg_send = { accept = [\"x\"], deny = [\"x\"] }",
            "7:38 default.in.reg_send.deny: \"x\" is accepted already",
        ),
        (
            "[default.in]\nlink = { accept = [\"x\"] }",
            "7:19 default.in.link.accept: link has no rules about single targets",
        ),
        (
            "[default.in]\nspawn_request = { accept = [\"m:f\"] }",
            "7:29 default.in.spawn_request.accept: \"m:f\" is not module:function/arity",
        ),
        (
            "[default.in]\nspawn_request = { accept = [\"m:f/256\"] }",
            "7:29 default.in.spawn_request.accept: \"m:f/256\"",
        ),
        (
            "[default.in]\nspawn_request = { accept = [\"m:f/00\"] }",
            "7:29 default.in.spawn_request.accept: \"m:f/00\"",
        ),
        (
            "[default.in]\nlink = { default = \"accept\", handler = \"x\" }",
            "7:40 default.in.link.handler: link cannot be given to a handler",
        ),
        ("[group.g]\nnodes = [\"a@h\"]", "7:9 group.g: a@h is not in allow.nodes, so it can never connect"),
        ("[group.g]\n", "6:8 group.g needs nodes"),
        (
            &format!("{group}[group.h]\nnodes = [\"a@h\"]"),
            "11:9 group.h.nodes: a@h is in group \"g\" already",
        ),
        ("[peer.x]\n", "6:7 peer: \"x\" is not the name of a node; in quotes: [peer.\"app@host\"]"),
        ("[peer.\"a@h\".in]\n", "6:7 peer.\"a@h\": a@h is not in allow.nodes"),
        (
            "[control]\nnodes = [\"a@h\"]",
            "7:9 control.nodes: a@h is not in allow.nodes, so it can never connect",
        ),
        ("[control]", "1:1 control needs nodes"),
        (
            "[connections]\nnodes = 65\n[limits]\nlearned = 16384",
            "9:11 limits.learned: 16384 for each of 65 nodes (connections.nodes) are more than there is memory for; at most 16131",
        ),
        (
            &format!("[allow]\nnodes = [{}]\n[limits]\natoms = 1048576", names(9)),
            "9:9 limits.atoms: 1048576 for each of 9 names (allow.nodes) are more than there is memory for; at most 932067",
        ),
        ("[limits]\nlearned = 16385", "7:11 limits.learned: 16385 for each of 64 nodes"),
        ("[limits]\ndepth = 257", "7:9 limits.depth must be a number from 1 to 256"),
        ("[connections]\nhalf_open = 0", "7:13 connections.half_open must be a number from 1 to 256"),
        ("[break_glass]\nin = { default = \"accept\" }", "1:1 break_glass needs max_s"),
        (
            "[break_glass]\nmax_s = 9\ncode_digits = 6",
            "8:15 break_glass.code_digits has no effect without code_file",
        ),
        ("[break_glass]\nmax_s = 9\ncode_file = \"key\"", "8:13 break_glass.code_file must be a path"),
        ("[tls]\nkey = \"/k\"\nauthorities = \"/a\"", "1:1 tls needs certificate"),
        ("[tls]\nkey = \"k\"", "1:1 tls needs certificate"),
    ] {
        let found = wrong(text);
        assert!(found.starts_with(expected), "{text}\n  expected {expected}\n  found    {found}");
    }
    for (text, expected) in [
        ("", "1:1 before the first [section] there must be: version = 1"),
        ("version = 1", "1:1 the file needs a section [node]"),
        ("version = 1\n[node]\nname = \"b@h\"", "2:1 node needs cookie_file"),
        ("version = 1\n[node]\ncookie_file = \"/c\"", "2:1 node needs name"),
        (
            "version = 1\n[node]\nname = \"b\"\ncookie_file = \"/c\"",
            "3:8 node.name: \"b\" is not the name of a node",
        ),
        ("version = 1\n[node]\nname = \"b@h\"\ncookie_file = \"c\"", "4:15 node.cookie_file must be a path"),
        ("version = 1\n[node]\nname = \"b@h\"\ncookie_file = \"/c\"", "2:1 node needs listen"),
        ("version = 1\n[node]\nlisten = [\"9100\"]", "3:11 node.listen: \"9100\" is no address with a port"),
    ] {
        let mistakes = parse(text.as_bytes()).expect_err(text);
        let Mistake { line, column, message } = &mistakes[0];
        let found = format!("{line}:{column} {message}");
        assert!(found.starts_with(expected), "{text}\n  expected {expected}\n  found    {found}");
    }
}

#[test]
fn a_message_carries_nothing_that_a_terminal_would_act_on() {
    for text in [
        "[\"\\u001b[2J\"]",
        "[group.\"\\u001b\"]\nx = 1",
        "[peer.\"\\u001b\"]",
        "[default.in]\n\"\\u001b\" = 1",
    ] {
        let message = wrong(text);
        assert!(message.chars().all(|c| !c.is_control()), "{message:?}");
    }
    assert!(parse(&b"[".repeat(60_000)).is_err());
    assert_eq!(parse(b"version = 1\n# \xff").unwrap_err()[0].line, 2);
}

const GATEWAY: &str = "version = 1\n[node]\ncookie_file = \"/c\"\nlisten = [\"127.0.0.1:9100\"]\n[protects]\nname = \"b@h\"\ncookie_file = \"/d\"\n";

#[test]
fn a_gateway_has_the_name_of_the_node_behind_it() {
    let config = ok(&format!("{GATEWAY}at = \"127.0.0.1:9101\""));
    assert_eq!(config.name.as_str(), "b@h");
    let protects = config.protects.unwrap();
    assert_eq!((protects.name, protects.cookie_file.as_str()), (config.name, "/d"));
    assert_eq!(protects.place, Place::At("127.0.0.1:9101".parse().unwrap()));
    let by_epmd = |text: &str| ok(&format!("{GATEWAY}epmd = {text}")).protects.unwrap().place;
    assert_eq!(by_epmd("true"), Place::Epmd("127.0.0.1:4369".parse().unwrap()));
    assert_eq!(by_epmd("\"10.0.0.1:4369\""), Place::Epmd("10.0.0.1:4369".parse().unwrap()));
    let same =
        ok(&format!("{HEAD}[protects]\nname = \"b@h\"\ncookie_file = \"/d\"\nat = \"127.0.0.1:9101\""));
    assert_eq!(same.name.as_str(), "b@h");
}

#[test]
fn a_section_about_the_protected_node_is_whole_or_a_mistake() {
    let other = "[protects]\nname = \"z@h\"\ncookie_file = \"/d\"\nat = \"127.0.0.1:1\"";
    assert_eq!(wrong(other), "3:8 node.name: a gateway is known by the name of z@h; leave this out");
    let with = |text: &str| wrong(&format!("[protects]\nname = \"b@h\"\n{text}"));
    assert_eq!(with("cookie_file = \"/d\""), "6:1 protects needs at, such as \"127.0.0.1:9101\", or epmd");
    for (section, why) in [
        ("control]\nnodes = []", "a gateway has none yet"),
        ("break_glass]\nmax_s = 9\ncode_file = \"/key\"", "a gateway takes no codes"),
    ] {
        let said = wrong(&format!(
            "[protects]\nname = \"b@h\"\ncookie_file = \"/d\"\nat = \"127.0.0.1:1\"\n[{section}"
        ));
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(
        ok(&format!("{GATEWAY}at = \"127.0.0.1:1\"\n[break_glass]\nmax_s = 9")).policy.break_glass_s,
        9
    );
    assert_eq!(with("at = \"127.0.0.1:1\""), "6:1 protects needs cookie_file");
    assert_eq!(
        with("cookie_file = \"/d\"\nat = \"127.0.0.1:1\"\nepmd = true"),
        "10:8 protects: at says where the node is already; leave out epmd"
    );
    assert!(with("cookie_file = \"/d\"\nepmd = false").starts_with("9:8 protects.epmd"));
    assert!(with("cookie_file = \"/d\"\nat = \"127.0.0.1:1\"\n[programs]").contains("a gateway starts none"));
    assert!(with("cookie_file = \"/d\"\nat = \"127.0.0.1:1\"\nport = 1").contains("port"));
}

#[test]
fn a_gateway_neither_calls_itself_nor_shares_its_cookie() {
    let with = |cookie: &str, at: &str| {
        format!("[protects]\nname = \"b@h\"\ncookie_file = \"{cookie}\"\nat = \"127.0.0.1:{at}\"")
    };
    assert!(wrong(&with("/c", "9101")).contains("node.cookie_file is the same file"));
    assert!(wrong(&with("/d", "9100")).contains("where the gateway listens itself"));
}

/// A rule about what nothing is called denies nothing.
#[test]
fn a_rule_names_one_target_as_it_is_called() {
    let says = |command: &str, name: &str| {
        wrong(&format!(
            "[default.in]\n{command} = {{ default = \"accept\", deny = [{}] }}",
            toml_string(name)
        ))
    };
    for (name, why) in [
        ("*", "a rule names one target"),
        ("secret_*", "a rule names one target"),
        ("_", "a rule names one target"),
        ("'Elixir.MyApp.Server'", "without quotes"),
        (":gateway", "without quotes and colons"),
        (" rex", "is not a registered name"),
        ("rex ", "is not a registered name"),
        ("re\u{7}x", "is not a registered name"),
    ] {
        for command in ["reg_send", "monitor"] {
            let said = says(command, name);
            assert!(said.contains(why), "{command} {name}: {said}");
        }
    }
    for name in ["*:_/_", "'m':f/1", "m:*/_", "m: f/1"] {
        let said = says("spawn_request", name);
        assert!(said.contains("is not module:function/arity"), "{name}: {said}");
    }
    let named = ["Elixir.MyApp.Server", "a b", "rex", "naïve", "a-b@c.d"];
    let file = format!("{HEAD}[default.in]\nmonitor = {{ accept = {named:?} }}");
    assert_eq!(ok(&file).policy.default.inward.about(Command::Monitor).unwrap().fine.len(), named.len());
    let handler = "[default.in]\ndefault = \"accept\"\nreg_send = { deny = [\"a\"], handler = \"guard\" }";
    assert!(wrong(handler).contains("gets what is accepted here, and nothing is"), "{}", wrong(handler));
}

fn toml_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.into() })
        .collect();
    format!("\"{escaped}\"")
}

/// What is right, and may be something else than was meant.
#[test]
fn what_a_file_may_not_have_meant_is_noted() {
    let said = |text: &str| notes::notes(&ok(&format!("{HEAD}{text}")));
    let allow = "[allow]\nnodes = [\"a@h\", \"c@h\"]\n";
    // A file without any of it.
    let quiet = format!(
        "{allow}[default.in]\nping = \"accept\"\nlink = \"accept\"\nexit = \"accept\"\nreg_send = {{ accept = [\"x\"] }}"
    );
    assert_eq!(said(&quiet), [""; 0]);
    // Names that nothing proves.
    for section in [
        "[group.g]\nnodes = [\"a@h\"]",
        "[peer.\"a@h\".in]\nping = \"accept\"",
        "[control]\nnodes = [\"c@h\"]",
    ] {
        let notes = said(&format!("{allow}{section}"));
        assert!(notes.len() == 1 && notes[0].contains("whoever knows the cookie"), "{section}: {notes:?}");
        let one = format!("[allow]\nnodes = [\"a@h\"]\n{}", section.replace("c@h", "a@h"));
        assert_eq!(said(&one), [""; 0], "there is nobody else");
        let tls = "\n[tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\nauthorities = \"/a.pem\"\n";
        assert_eq!(said(&format!("{allow}{section}{tls}")), [""; 0]);
    }
    // Who goes ends whom he has linked.
    let linked = said(&format!("{allow}[default.in]\nlink = \"accept\""));
    assert!(linked.len() == 1 && linked[0].starts_with("line 9: a@h may link"), "{linked:?}");
    // A name of Elixir.
    for rule in [
        "reg_send = { default = \"accept\", deny = [\"MyApp.Server\"] }",
        "spawn_request = { accept = [\"MyApp.Server:_/_\"] }",
    ] {
        let notes = said(&format!("{allow}[default.in]\n{rule}"));
        assert!(notes.len() == 1 && notes[0].contains("\"Elixir.MyApp.Server\""), "{notes:?}");
    }
    assert_eq!(
        said(&format!("{allow}[default.in]\nreg_send = {{ accept = [\"Elixir.MyApp.Server\", \"myApp\"] }}")),
        [""; 0]
    );
    // Lists that leave everything as it is.
    let group = |default: &str, rule: &str| {
        let tls = "[tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\nauthorities = \"/a.pem\"\n";
        said(&format!(
            "{tls}{allow}[default.in]\n{default}\n[group.app]\nnodes = [\"a@h\"]\n[group.app.in]\nreg_send = {rule}"
        ))
    };
    for default in ["reg_send = \"accept\"", "default = \"accept\"", "reg_send = { accept = [\"x\", \"y\"] }"]
    {
        let notes = group(default, "{ accept = [\"x\"] }");
        assert!(
            notes.len() == 1
                && notes[0].starts_with("line 17: group.app.in.reg_send accepts what is accepted without it"),
            "{notes:?}"
        );
        assert_eq!(group(default, "{ default = \"deny\", accept = [\"x\"] }"), [""; 0]);
        assert_eq!(group(default, "{ accept = [\"x\", \"other\"], deny = [\"y\"] }"), [""; 0]);
        assert_eq!(group(default, "{ accept = [\"x\"], handler = \"guard\" }"), [""; 0]);
    }
    assert_eq!(group("reg_send = { default = \"accept\", deny = [\"x\"] }", "{ accept = [\"x\"] }"), [""; 0]);
}
